package druse.interop.client;

import static druse.interop.client.Check.fails;
import static druse.interop.client.Check.same;

import java.time.Duration;
import java.util.List;
import java.util.Map;

import org.apache.geode.cache.Region;

/** What a user may not do is refused with the class that applications catch; the connection goes on. */
final class RightsCases {
  private static final Duration LIFE = Duration.ofMinutes(5);

  private RightsCases() {}

  static void run(Suite.Context context) {
    Client.Config config = new Client.Config(context.node());
    Runner runner = context.runner();
    Users users = context.users();
    try (Client client = config.open(users.fresh("reader", LIFE, "grid:data:read:orders"))) {
      Region<Object, Object> region = client.proxy("orders");
      runner.run("a reader reads", () -> {
        region.get("k");
        region.getAll(List.of("a", "b"));
        region.keySetOnServer();
        region.containsKeyOnServer("k");
      });
      runner.run("a reader does not write", () -> {
        refused(() -> region.put("k", "v"));
        refused(() -> region.putIfAbsent("k", "v"));
        refused(() -> region.replace("k", "v"));
        refused(() -> region.destroy("k"));
        refused(() -> region.remove("k", "v"));
        refused(() -> region.invalidate("k"));
        refused(() -> region.putAll(Map.of("a", "1", "b", "2")));
        refused(() -> region.removeAll(List.of("a", "b")));
        refused(() -> region.clear());
        region.get("k");
      });
      runner.run("a reader of one region does not read another", () -> {
        refused(() -> client.proxy("stock").get("k"));
        refused(() -> client.proxy("stock").keySetOnServer());
        refused(() -> client.proxy("stock").containsKeyOnServer("k"));
      });
    }
    try (Client client = config.open(users.fresh("writer", LIFE, "grid:data:write:orders"))) {
      Region<Object, Object> region = client.proxy("orders");
      runner.run("a writer writes and does not read", () -> {
        region.put("k", "v");
        refused(() -> region.get("k"));
        refused(() -> region.keySetOnServer());
        region.destroy("k");
      });
    }
    try (Client client = config.open(users.fresh("clerk", LIFE, "grid:data:read:orders:mine", "grid:data:write:orders:mine"))) {
      Region<Object, Object> region = client.proxy("orders");
      runner.run("rights for one key", () -> {
        region.put("mine", "v");
        same("v", region.get("mine"));
        refused(() -> region.put("other", "v"));
        refused(() -> region.get("other"));
        refused(() -> region.keySetOnServer());
        region.destroy("mine");
      });
    }
    try (Client client = config.open(users.fresh("nobody", LIFE, "openid"))) {
      runner.run("a user without any right", () -> {
        refused(() -> client.proxy("orders").get("k"));
        refused(() -> client.proxy("orders").put("k", "v"));
      });
    }
  }

  static void refused(Check.Action action) {
    fails(action, "ServerOperationException", "NotAuthorizedException");
  }
}
