package druse.interop.client;

import static druse.interop.client.Check.fails;
import static druse.interop.client.Check.same;

import java.time.Duration;
import java.util.List;
import java.util.Properties;

import org.apache.geode.cache.Region;

/** The Java client's own TLS: with a server certificate, with both, and with wrong ones. */
final class TlsCases {
  private TlsCases() {}

  static void run(Suite.Context context) throws Exception {
    if (!context.target().restartable()) {
      System.out.println("skip  tls: the node was started by somebody else");
      return;
    }
    Tls tls = new Tls();
    try (Node node = context.target().start(tls, false)) {
      context.runner().group("tls, server certificate");
      works(context, node, Tls.client(tls.truststore(), null));
      refused(context, node, "a server certificate of an unknown authority", Tls.client(tls.otherTruststore(), null));
      refused(context, node, "a client without TLS", new Properties());
    }
    try (Node node = context.target().start(tls, true)) {
      context.runner().group("tls, both certificates");
      works(context, node, Tls.client(tls.truststore(), tls.clientKeystore()));
      refused(context, node, "no client certificate", Tls.client(tls.truststore(), null));
      refused(context, node, "a client certificate of an unknown authority",
          Tls.client(tls.truststore(), tls.strangerKeystore()));
    }
  }

  private static void works(Suite.Context context, Node node, Properties settings) {
    for (boolean locator : List.of(false, true)) {
      Duration life = Duration.ofSeconds(1);
      Client.Config config = new Client.Config(node).locator(locator).with(settings);
      context.runner().run((locator ? "locator" : "direct") + ": operations across expiry", () -> {
        try (Client client = config.open(context.users().fresh("alice", life))) {
          Region<Object, Object> region = client.proxy("orders");
          byte[] big = new byte[1 << 20];
          for (int i = 0; i < 3; i++) {
            region.put("k", i);
            same(i, region.get("k"));
            region.put("big", big);
            same(big, region.get("big"));
            Thread.sleep(life.toMillis() + 50);
          }
        }
      });
    }
  }

  private static void refused(Suite.Context context, Node node, String name, Properties settings) {
    context.runner().run("refused: " + name, () -> {
      Client.Config config = new Client.Config(node).with(settings).readTimeout(2_000);
      try (Client client = config.open(context.users().fresh("alice", Duration.ofMinutes(1)))) {
        fails(() -> client.proxy("orders").put("k", "v"));
      }
    });
  }
}
