package druse.interop.client;

import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.util.List;

import org.apache.geode.cache.InterestResultPolicy;
import org.apache.geode.cache.client.ClientRegionShortcut;

/** The connection of a feed breaks under a writer that does not stop: the client comes back by itself. */
final class CrashCases {
  private static final String PLAIN = "orders";
  private static final String COPIED = "values";
  private static final int KEYS = 5;
  private static final long PAUSE_MILLIS = 3;
  private static final int CUTS = 4;
  private static final int LIMIT_SECONDS = 150;
  private static final String LOST = "a feed that breaks is gone with all that waited in it";

  private final Suite.Context context;
  private final Peer peer;

  private CrashCases(Suite.Context context, Peer peer) {
    this.context = context;
    this.peer = peer;
  }

  static void run(Suite.Context context) throws Exception {
    try (Peer peer = Listening.peer(context)) {
      CrashCases cases = new CrashCases(context, peer);
      cases.plain();
      cases.copied();
      cases.durable();
    }
  }

  private void plain() {
    cut("interest without copies, and a query", Listening.tooMuchForGeode(context, false, LOST), new Client.Config(context.node()), listening -> {
      Heard interest = listening.region(PLAIN, ClientRegionShortcut.PROXY);
      listening.of(PLAIN).registerInterestForAllKeys(InterestResultPolicy.NONE);
      Heard query = new Heard();
      Listening.query(listening.queries(), "all", "SELECT * FROM /" + PLAIN, query.queryAndStatus(), false).execute();
      return numbers -> {
        numbers.verify("interest", interest);
        numbers.verify("query", query);
      };
    });
  }

  /**
   * What was under way on the broken connection is in the snapshot that comes next, and the client passes it over then:
   * its listener may miss it, its copy may not.
   */
  private void copied() {
    cut("interest with copies", null, new Client.Config(context.node()), listening -> {
      Heard heard = listening.region(COPIED, ClientRegionShortcut.CACHING_PROXY);
      listening.of(COPIED).registerInterestForAllKeys();
      return numbers -> {
        numbers.awaitAll(heard, numbers.written());
        same(peer.contents(COPIED), Heard.cached(listening.of(COPIED)));
        int told = heard.events().size();
        for (int key = 0; key < KEYS; key++) {
          List<Object> values = heard.values(Numbers.key(key));
          same(values.stream().sorted().distinct().toList(), values);
        }
        System.out.printf("      copies are equal; of %d events the listener was told %d%n", numbers.written() * KEYS, told);
      };
    });
  }

  private void durable() {
    String id = "crashing-" + ProcessHandle.current().pid();
    cut("a durable client", null, new Client.Config(context.node()).durable(id, 60), listening -> {
      Heard heard = listening.region(PLAIN, ClientRegionShortcut.PROXY);
      listening.of(PLAIN).registerInterestForAllKeys(InterestResultPolicy.NONE, true);
      listening.client.cache().readyForEvents();
      return numbers -> numbers.verify("durable", heard);
    });
  }

  @FunctionalInterface
  private interface Listener {
    Verdict listen(Listening listening) throws Exception;
  }

  @FunctionalInterface
  private interface Verdict {
    void on(Numbers numbers) throws Exception;
  }

  private void cut(String name, String mark, Client.Config config, Listener listener) {
    context.runner().run("%d cuts, %s".formatted(CUTS, name), LIMIT_SECONDS, mark, () -> {
      peer.clear(PLAIN);
      peer.clear(COPIED);
      try (FeedTap tap = new FeedTap(context.node().port());
          Client client = config.servers(tap.port()).feed().open(Listening.listener(context, Listening.LONG));
          Numbers numbers = new Numbers(peer, List.of(PLAIN, COPIED), KEYS, PAUSE_MILLIS)) {
        Verdict verdict = listener.listen(new Listening(client, peer));
        numbers.start();
        for (int i = 0; i < CUTS; i++) {
          Thread.sleep(1_000);
          that(tap.cut() == 1, "there was one feed to cut");
        }
        Thread.sleep(500);
        numbers.stop();
        verdict.on(numbers);
        client.close(false);
      }
    });
  }
}
