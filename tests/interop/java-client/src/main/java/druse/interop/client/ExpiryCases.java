package druse.interop.client;

import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;

/** Every operation as the first one after its user's token has run out: it succeeds, and the data is right. */
final class ExpiryCases {
  private static final Duration LIFE = Duration.ofMillis(400);
  private static final int HERD = 16;

  private final Runner runner;
  private final Region<Object, Object> region;

  private ExpiryCases(Runner runner, Region<Object, Object> region) {
    this.runner = runner;
    this.region = region;
  }

  static void run(Suite.Context context) {
    for (ClientRegionShortcut shortcut : List.of(ClientRegionShortcut.PROXY, ClientRegionShortcut.CACHING_PROXY)) {
      context.runner().group("expiry, " + shortcut);
      Client.Config config = new Client.Config(context.node()).locator(shortcut == ClientRegionShortcut.CACHING_PROXY);
      try (Client client = config.open(context.users().fresh("alice", LIFE))) {
        ExpiryCases cases = new ExpiryCases(context.runner(), client.region("orders", shortcut));
        cases.everyOperation();
        cases.herd();
        cases.pdx();
      }
    }
  }

  private void everyOperation() {
    afterExpiry("put", () -> region.put("k", "new"));
    afterExpiry("get", () -> same("old", region.get("k")));
    afterExpiry("create", () -> region.create("other", "new"));
    afterExpiry("putIfAbsent", () -> same("old", region.putIfAbsent("k", "new")));
    afterExpiry("replace", () -> same("old", region.replace("k", "new")));
    afterExpiry("replace of a certain value", () -> that(region.replace("k", "old", "new"), "replaced"));
    afterExpiry("remove of a certain value", () -> that(region.remove("k", "old"), "removed"));
    afterExpiry("destroy", () -> region.destroy("k"));
    afterExpiry("invalidate", () -> region.invalidate("k"));
    afterExpiry("containsKeyOnServer", () -> that(region.containsKeyOnServer("k"), "there"));
    afterExpiry("keySetOnServer", () -> that(region.keySetOnServer().contains("k"), "there"));
    afterExpiry("sizeOnServer", () -> that(region.sizeOnServer() > 0, "not empty"));
    afterExpiry("clear", () -> {
      region.clear();
      same(0, region.sizeOnServer());
    });
    afterExpiry("getAll of 250", () -> {
      List<Object> keys = new ArrayList<>();
      for (int i = 0; i < 250; i++) {
        keys.add("key-" + i);
      }
      keys.add("k");
      same("old", region.getAll(keys).get("k"));
    });
    afterExpiry("putAll of 1000", () -> {
      Map<Object, Object> entries = new HashMap<>();
      for (int i = 0; i < 1_000; i++) {
        entries.put("key-" + i, i);
      }
      region.putAll(entries);
      that(region.sizeOnServer() >= 1_000, "all there");
    });
    afterExpiry("removeAll", () -> {
      region.removeAll(List.of("k", "missing"));
      that(!region.containsKeyOnServer("k"), "gone");
    });
  }

  /** Many threads meet one expiry: Java clients log in once a thread, and all of them go on. */
  private void herd() {
    runner.run(HERD + " threads meet three expiries", () -> {
      ExecutorService threads = Executors.newFixedThreadPool(HERD);
      try {
        for (int round = 0; round < 3; round++) {
          Thread.sleep(LIFE.toMillis() + 50);
          List<Callable<Object>> puts = new ArrayList<>();
          for (int i = 0; i < HERD; i++) {
            Object key = "herd-" + i;
            Object value = round;
            puts.add(() -> region.put(key, value));
          }
          for (Future<Object> put : threads.invokeAll(puts)) {
            put.get();
          }
          for (int i = 0; i < HERD; i++) {
            same(round, region.get("herd-" + i));
          }
        }
      } finally {
        threads.shutdownNow();
      }
    });
  }

  /** The registry of types is asked under the login, too. */
  private void pdx() {
    runner.run("a new PDX type after expiry", () -> {
      Thread.sleep(LIFE.toMillis() + 50);
      region.put("order", new Things.Order("o-1", 1));
      Thread.sleep(LIFE.toMillis() + 50);
      same(new Things.Order("o-1", 1), region.get("order"));
    });
  }

  private void afterExpiry(String name, Check.Action operation) {
    runner.run("first after expiry: " + name, () -> {
      region.remove("other");
      region.put("k", "old");
      if (region.getAttributes().getDataPolicy().withStorage()) {
        region.localDestroy("k");
      }
      int before = TokenProvider.calls();
      Thread.sleep(LIFE.toMillis() + 50);
      operation.run();
      that(TokenProvider.calls() > before || name.equals("sizeOnServer"), "credentials were asked for");
    });
  }
}
