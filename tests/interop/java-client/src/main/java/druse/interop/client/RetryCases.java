package druse.interop.client;

import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

import org.apache.geode.cache.Region;

/**
 * The reply to an operation is lost and the client sends it again, with the same event id, over another address of the
 * same node: it is applied once and answered as the first time.
 */
final class RetryCases {
  private static final int REQUEST = 0;
  private static final int PUT = 7;
  private static final int DESTROY = 9;
  private static final int PUT_ALL = 56;
  private static final int INVALIDATE = 83;
  private static final int GET_ALL = 100;
  private static final int REMOVE_ALL = 109;

  private final Runner runner;
  /** The message type whose next reply is to be lost. */
  private final AtomicInteger armed;
  private final List<CuttingProxy> proxies;
  private final Region<Object, Object> region;

  private RetryCases(Runner runner, AtomicInteger armed, List<CuttingProxy> proxies, Region<Object, Object> region) {
    this.runner = runner;
    this.armed = armed;
    this.proxies = proxies;
    this.region = region;
  }

  static void run(Suite.Context context) throws Exception {
    AtomicInteger armed = new AtomicInteger(-1);
    try (CuttingProxy one = new CuttingProxy(context.node().port(), armed);
        CuttingProxy two = new CuttingProxy(context.node().port(), armed)) {
      Client.Config config = new Client.Config(context.node()).servers(one.port(), two.port()).singleHop(false);
      try (Client client = config.open(context.users().fresh("alice", Duration.ofMinutes(5)))) {
        new RetryCases(context.runner(), armed, List.of(one, two), client.proxy("orders")).all();
      }
    }
  }

  private void all() {
    lost("put", PUT, () -> {
      region.put("k", "new");
      same("new", region.get("k"));
    });
    lost("get", REQUEST, () -> same("old", region.get("k")));
    lost("putIfAbsent, absent", PUT, () -> {
      same(null, region.putIfAbsent("other", "mine"));
      same("mine", region.get("other"));
    });
    lost("putIfAbsent, present", PUT, () -> {
      same("old", region.putIfAbsent("k", "mine"));
      same("old", region.get("k"));
    });
    lost("replace", PUT, () -> {
      region.replace("k", "new");
      same("new", region.get("k"));
    });
    lost("replace of a certain value", PUT, () -> {
      that(region.replace("k", "old", "new"), "replaced");
      same("new", region.get("k"));
    });
    lost("replace of another value", PUT, () -> {
      that(!region.replace("k", "wrong", "new"), "not replaced");
      same("old", region.get("k"));
    });
    lost("destroy", DESTROY, () -> {
      region.destroy("k");
      that(!region.containsKeyOnServer("k"), "gone");
    });
    lost("remove of a certain value", DESTROY, () -> {
      that(region.remove("k", "old"), "removed");
      that(!region.containsKeyOnServer("k"), "gone");
    });
    lost("invalidate", INVALIDATE, () -> {
      region.invalidate("k");
      that(region.containsKeyOnServer("k"), "there");
      same(null, region.get("k"));
    });
    Map<Object, Object> entries = new HashMap<>();
    for (int i = 0; i < 200; i++) {
      entries.put("key-" + i, i);
    }
    lost("putAll", PUT_ALL, () -> {
      region.putAll(entries);
      same(201, region.sizeOnServer());
      same(entries, new HashMap<>(region.getAll(entries.keySet())));
    });
    lost("removeAll", REMOVE_ALL, () -> {
      region.putAll(entries);
      region.removeAll(entries.keySet());
      same(1, region.sizeOnServer());
    });
    lost("getAll", GET_ALL, () -> same("old", region.getAll(List.of("k", "missing")).get("k")));
    runner.run("a counter by replace, every tenth reply lost", () -> {
      region.put("counter", 0);
      for (int i = 0; i < 100; i++) {
        if (i % 10 == 0) {
          armed.set(PUT);
        }
        that(region.replace("counter", i, i + 1), "step " + i);
      }
      same(100, region.get("counter"));
    });
  }

  private void lost(String name, int messageType, Check.Action operation) {
    runner.run("reply lost: " + name, () -> {
      region.clear();
      region.put("k", "old");
      int before = proxies.stream().mapToInt(CuttingProxy::cuts).sum();
      armed.set(messageType);
      operation.run();
      int cuts = proxies.stream().mapToInt(CuttingProxy::cuts).sum() - before;
      armed.set(-1);
      that(cuts == 1, cuts + " replies were lost");
    });
  }
}
