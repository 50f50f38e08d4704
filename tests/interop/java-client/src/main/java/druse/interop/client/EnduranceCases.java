package druse.interop.client;

import java.time.Duration;
import java.util.List;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;

/** Minutes, if wanted, of work under tokens that live seconds: nothing fails and nothing is lost or doubled. */
final class EnduranceCases {
  private static final int THREADS = 32;

  private EnduranceCases() {}

  static void run(Suite.Context context) {
    int seconds = context.longSeconds();
    for (ClientRegionShortcut shortcut : List.of(ClientRegionShortcut.PROXY, ClientRegionShortcut.CACHING_PROXY)) {
      boolean proxy = shortcut == ClientRegionShortcut.PROXY;
      int share = Math.max(2, proxy ? seconds / 2 : seconds / 4);
      Duration life = Duration.ofMillis(proxy ? 1_000 : 2_000);
      context.runner().run("32 threads, tokens of %d ms, %s, %d s".formatted(life.toMillis(), shortcut, share),
          share + 60L, () -> {
            Client.Config config = new Client.Config(context.node()).locator(!proxy);
            try (Client client = config.open(context.users().fresh("alice", life))) {
              new Work(share, THREADS).run(client.region("stock", shortcut), n -> client.cache().getRegion("stock"));
            }
          });
    }
    int share = Math.max(2, seconds / 4);
    context.runner().run("4 users on one pool, 8 threads each, one cached token of 1500 ms a user, %d s".formatted(share),
        share + 60L, () -> {
          TokenSource source = context.users().cachedByView(Duration.ofMillis(1_500), Duration.ofMillis(300));
          try (Client client = new Client.Config(context.node()).multiUser().open(source)) {
            client.proxy("stock");
            List<Region<Object, Object>> views = List.of(stock(client, "u0"), stock(client, "u1"), stock(client, "u2"),
                stock(client, "u3"));
            new Work(share, THREADS).run(views.get(0), n -> views.get(n % views.size()));
          }
        });
  }

  private static Region<Object, Object> stock(Client client, String user) {
    return client.view(user).getRegion("/stock");
  }
}
