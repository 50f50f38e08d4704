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
import java.util.concurrent.atomic.AtomicReference;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;
import org.apache.geode.cache.client.ServerOperationException;

/** Every operation as the first one after its user's token has run out: it succeeds, and the data is right. */
final class ExpiryCases {
  private static final Duration BRIEF = Duration.ofMillis(400);
  private static final Duration LONG = Duration.ofMinutes(5);
  private static final Duration HERD_LIFE = Duration.ofSeconds(1);
  private static final int HERD = 16;
  private static final int TRIES = 5;

  private final Suite.Context context;
  private final ClientRegionShortcut shortcut;
  /** Of the client of the case that runs. */
  private Region<Object, Object> region;

  private ExpiryCases(Suite.Context context, ClientRegionShortcut shortcut) {
    this.context = context;
    this.shortcut = shortcut;
  }

  static void run(Suite.Context context) {
    for (ClientRegionShortcut shortcut : List.of(ClientRegionShortcut.PROXY, ClientRegionShortcut.CACHING_PROXY)) {
      context.runner().group("expiry, " + shortcut);
      ExpiryCases cases = new ExpiryCases(context, shortcut);
      cases.everyOperation();
      cases.herd();
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
    afterExpiry("a new PDX type", () -> {
      region.put("order", new Things.Order("o-1", 1));
      same(new Things.Order("o-1", 1), region.get("order"));
    });
    afterExpiry("removeAll", () -> {
      region.removeAll(List.of("k", "missing"));
      that(!region.containsKeyOnServer("k"), "gone");
    });
  }

  /** Many threads meet one expiry: Java clients log in once a thread, and all of them go on. */
  private void herd() {
    context.runner().run(HERD + " threads meet three expiries", () -> {
      ExecutorService threads = Executors.newFixedThreadPool(HERD);
      try (Client client = config().open(context.users().fresh("alice", HERD_LIFE))) {
        region = client.region("orders", shortcut);
        for (int round = 0; round < 3; round++) {
          region.put("herd", round);
          Thread.sleep(HERD_LIFE.toMillis() + 50);
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

  /** A client whose first token is brief and whose next ones live long, so that exactly one expiry is met. */
  private void afterExpiry(String name, Check.Action operation) {
    context.runner().run("first after expiry: " + name, () -> {
      AtomicReference<Duration> life = new AtomicReference<>(BRIEF);
      TokenSource source =
          given -> TokenSource.token(context.users().issuer().mint("alice", life.get(), Users.everything()));
      try (Client client = config().open(source)) {
        region = client.region("orders", shortcut);
        prepare();
        Thread.sleep(BRIEF.toMillis() + 50);
        life.set(LONG);
        int before = TokenProvider.calls();
        operation.run();
        // Sizes carry no user, and Geode asks nobody for one.
        that(TokenProvider.calls() > before || name.equals("sizeOnServer"), "credentials were asked for");
      }
    });
  }

  /** On a machine that stands still for longer than a brief token lives, a 1.14 client may fail here: once more, then. */
  private void prepare() {
    for (int tries = 1;; tries++) {
      try {
        region.remove("other");
        region.put("k", "old");
        if (shortcut == ClientRegionShortcut.CACHING_PROXY) {
          region.localDestroy("k");
        }
        return;
      } catch (ServerOperationException late) {
        if (tries == TRIES) {
          throw late;
        }
      }
    }
  }

  private Client.Config config() {
    return new Client.Config(context.node()).locator(shortcut == ClientRegionShortcut.CACHING_PROXY);
  }
}
