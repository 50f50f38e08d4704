package druse.interop.client;

import static druse.interop.client.Check.fails;
import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;
import org.apache.geode.cache.client.internal.ServerRegionProxy;

/** Every operation, through every kind of pool, on regions with and without local copies. */
final class OperationCases {
  private final Runner runner;
  private final Region<Object, Object> region;
  private final boolean caching;

  private OperationCases(Runner runner, Region<Object, Object> region, boolean caching) {
    this.runner = runner;
    this.region = region;
    this.caching = caching;
  }

  static void run(Suite.Context context) {
    for (boolean locator : List.of(false, true)) {
      for (boolean singleHop : List.of(true, false)) {
        for (ClientRegionShortcut shortcut : List.of(ClientRegionShortcut.PROXY, ClientRegionShortcut.CACHING_PROXY)) {
          context.runner().group("operations, %s, single-hop %s, %s".formatted(locator ? "locator" : "direct",
              singleHop ? "on" : "off", shortcut));
          Client.Config config = new Client.Config(context.node()).locator(locator).singleHop(singleHop);
          try (Client client = config.open(context.users().fresh("alice", Duration.ofMinutes(5)))) {
            Region<Object, Object> region = client.region("orders", shortcut);
            OperationCases cases =
                new OperationCases(context.runner(), region, shortcut == ClientRegionShortcut.CACHING_PROXY);
            cases.single();
            cases.conditional();
            cases.removal();
            cases.bulk();
            cases.whole();
            cases.wrong(client, shortcut);
          }
        }
      }
    }
  }

  private void single() {
    run("put, get, overwrite", () -> {
      region.put("k", "one");
      same("one", fetch("k"));
      region.put("k", "two");
      same("two", fetch("k"));
      same("two", region.get("k"));
    });
    run("get of a missing key", () -> same(null, region.get("missing")));
    run("create", () -> {
      region.create("k", "new");
      same("new", fetch("k"));
    });
    // Only the client itself ever refuses: the node takes a create for a put.
    run("create of a present key", () -> {
      region.put("k", "old");
      if (caching) {
        fails(() -> region.create("k", "new"), "EntryExistsException");
      } else {
        region.create("k", "new");
      }
      same(caching ? "old" : "new", fetch("k"));
    });
    run("create without a value: the entry is there and invalid", () -> {
      region.create("k", null);
      that(region.containsKeyOnServer("k"), "the key is there");
      same(null, fetch("k"));
    });
    run("callback arguments", () -> {
      region.put("k", "v", "argument of put");
      same("v", region.get("k", "argument of get"));
      region.invalidate("k", "argument of invalidate");
      region.destroy("k", "argument of destroy");
      region.create("k", "w", List.of("argument", "of", "create"));
      same("w", fetch("k"));
    });
    run("containsKeyOnServer", () -> {
      region.put("k", "v");
      that(region.containsKeyOnServer("k"), "present");
      that(!region.containsKeyOnServer("missing"), "absent");
    });
    run("containsValueForKey on the server", () -> {
      region.put("k", "v");
      ServerRegionProxy server = new ServerRegionProxy(region);
      that(server.containsValueForKey("k"), "present");
      region.invalidate("k");
      that(!server.containsValueForKey("k"), "invalid");
      that(!server.containsValueForKey("missing"), "absent");
    });
    run("getEntry", () -> {
      region.put("k", "v");
      Region.Entry<Object, Object> entry = region.getEntry("k");
      same(caching ? "v" : null, entry == null ? null : entry.getValue());
    });
    run("a hundred versions of one entry", () -> {
      for (int i = 0; i < 100; i++) {
        region.put("k", i);
        same(i, region.get("k"));
      }
      same(99, fetch("k"));
    });
  }

  private void conditional() {
    run("putIfAbsent, absent", () -> {
      same(null, region.putIfAbsent("k", "v"));
      same("v", fetch("k"));
    });
    run("putIfAbsent, present", () -> {
      region.put("k", "old");
      same("old", region.putIfAbsent("k", "new"));
      same("old", fetch("k"));
    });
    run("putIfAbsent, invalid", () -> {
      region.put("k", "old");
      region.invalidate("k");
      same(null, region.putIfAbsent("k", "new"));
    });
    run("replace, present", () -> {
      region.put("k", "old");
      same("old", region.replace("k", "new"));
      same("new", fetch("k"));
    });
    run("replace, absent", () -> {
      same(null, region.replace("k", "new"));
      that(!region.containsKeyOnServer("k"), "nothing was made");
    });
    run("replace of a certain value", () -> {
      region.put("k", "old");
      that(!region.replace("k", "wrong", "new"), "wrong old value");
      same("old", fetch("k"));
      that(region.replace("k", "old", "new"), "right old value");
      same("new", fetch("k"));
      that(!region.replace("missing", "old", "new"), "absent");
    });
    run("replace of a certain value, of several types", () -> {
      for (Object[] pair : new Object[][] {{1, 2}, {1L, 2L}, {new byte[] {1}, new byte[] {2}}, {"é", "ü"},
          {List.of("a").toString(), "b"}, {true, false}, {1.5, 2.5}}) {
        region.put("k", pair[0]);
        that(!region.replace("k", pair[1], pair[1]), "wrong old value " + pair[1].getClass());
        that(region.replace("k", pair[0], pair[1]), "right old value " + pair[0].getClass());
        same(pair[1], fetch("k"));
      }
    });
    run("remove of a certain value", () -> {
      region.put("k", "v");
      that(!region.remove("k", "wrong"), "wrong value");
      same("v", fetch("k"));
      that(region.remove("k", "v"), "right value");
      that(!region.containsKeyOnServer("k"), "gone");
      that(!region.remove("k", "v"), "absent");
    });
  }

  private void removal() {
    run("remove", () -> {
      region.put("k", "v");
      region.remove("k");
      that(!region.containsKeyOnServer("k"), "gone");
      same(null, region.remove("k"));
    });
    run("destroy", () -> {
      region.put("k", "v");
      region.destroy("k");
      that(!region.containsKeyOnServer("k"), "gone");
      region.destroy("k");
      that(!region.containsKeyOnServer("k"), "still gone");
    });
    run("destroy, then put again", () -> {
      for (int i = 0; i < 20; i++) {
        region.put("k", i);
        region.destroy("k");
      }
      region.put("k", "last");
      same("last", fetch("k"));
    });
    run("invalidate", () -> {
      region.put("k", "v");
      region.invalidate("k");
      that(region.containsKeyOnServer("k"), "the key stays");
      same(null, fetch("k"));
      region.put("k", "w");
      same("w", fetch("k"));
    });
    run("invalidate of a missing key", () -> {
      region.invalidate("missing");
      that(!region.containsKeyOnServer("missing"), "nothing was made");
    });
  }

  private void bulk() {
    run("putAll and getAll, with missing keys", () -> {
      region.putAll(Map.of("a", "1", "b", "2"));
      Map<Object, Object> expected = new HashMap<>(Map.of("a", "1", "b", "2"));
      expected.put("c", null);
      forget("a", "b");
      same(expected, new HashMap<>(region.getAll(List.of("a", "b", "c"))));
    });
    run("putAll and getAll with callback arguments", () -> {
      region.putAll(Map.of("a", "1", "b", "2"), "argument");
      forget("a", "b");
      same(Map.of("a", "1", "b", "2"), new HashMap<>(region.getAll(List.of("a", "b"), "argument")));
    });
    run("putAll over present, invalid and destroyed entries", () -> {
      region.put("a", "0");
      region.put("b", "0");
      region.put("c", "0");
      region.invalidate("b");
      region.destroy("c");
      region.putAll(Map.of("a", "1", "b", "2", "c", "3"));
      forget("a", "b", "c");
      same(Map.of("a", "1", "b", "2", "c", "3"), new HashMap<>(region.getAll(List.of("a", "b", "c"))));
    });
    run("putAll of 1000, getAll of 250, removeAll of 500", () -> {
      Map<Object, Object> entries = new HashMap<>();
      for (int i = 0; i < 1_000; i++) {
        entries.put("key-" + i, "value-" + i);
      }
      region.putAll(entries);
      same(1_000, region.sizeOnServer());
      List<Object> some = new ArrayList<>(entries.keySet()).subList(0, 250);
      forget(some.toArray());
      Map<Object, Object> expected = new HashMap<>(entries);
      expected.keySet().retainAll(some);
      same(expected, new HashMap<>(region.getAll(some)));
      region.removeAll(new ArrayList<>(entries.keySet()).subList(0, 500));
      same(500, region.sizeOnServer());
    });
    run("getAll of nothing, putAll of nothing, removeAll of nothing", () -> {
      same(Map.of(), new HashMap<>(region.getAll(List.of())));
      region.putAll(Map.of());
      region.removeAll(List.of());
      same(0, region.sizeOnServer());
    });
    run("removeAll, also of a missing key, with and without argument", () -> {
      region.putAll(Map.of("a", "1", "b", "2", "c", "3"));
      region.removeAll(List.of("a", "missing"));
      same(Set.of("b", "c"), region.keySetOnServer());
      region.removeAll(List.of("b"), "argument");
      same(Set.of("c"), region.keySetOnServer());
    });
  }

  private void whole() {
    run("keySetOnServer and sizeOnServer", () -> {
      same(Set.of(), region.keySetOnServer());
      same(0, region.sizeOnServer());
      Map<Object, Object> entries = new HashMap<>();
      for (int i = 0; i < 450; i++) {
        entries.put(i, "v");
      }
      region.putAll(entries);
      same(new HashSet<>(entries.keySet()), new HashSet<>(region.keySetOnServer()));
      same(450, region.sizeOnServer());
    });
    run("clear", () -> {
      region.putAll(Map.of("a", "1", "b", "2"));
      region.clear();
      same(0, region.sizeOnServer());
      same(null, region.get("a"));
      region.put("a", "3");
      same("3", fetch("a"));
    });
  }

  private void wrong(Client client, ClientRegionShortcut shortcut) {
    run("nulls are refused before they are sent", () -> {
      fails(() -> region.put("k", null), "NullPointerException");
      fails(() -> region.put(null, "v"), "NullPointerException");
    });
    run("a region that the node lacks", () -> {
      Region<Object, Object> nowhere = client.region("nowhere", shortcut);
      fails(() -> nowhere.put("k", "v"), "ServerOperationException");
      fails(() -> nowhere.get("k"), "ServerOperationException");
      fails(() -> nowhere.destroy("k"), "ServerOperationException");
      fails(() -> nowhere.keySetOnServer(), "ServerOperationException");
      fails(() -> nowhere.sizeOnServer(), "ServerOperationException");
      fails(() -> nowhere.putAll(Map.of("a", "b")), "ServerOperationException");
      fails(() -> nowhere.getAll(List.of("a", "b")), "ServerOperationException");
      fails(() -> nowhere.removeAll(List.of("a", "b")), "ServerOperationException");
      fails(() -> nowhere.containsKeyOnServer("k"), "ServerOperationException");
      fails(() -> nowhere.invalidate("k"), "ServerOperationException");
      fails(() -> nowhere.clear(), "ServerOperationException");
      region.put("k", "the connection still works");
      same("the connection still works", fetch("k"));
    });
  }

  /** Each case begins with an empty region. */
  private void run(String name, Check.Action body) {
    runner.run(name, () -> {
      region.clear();
      body.run();
    });
  }

  /** The value on the node: a local copy is put aside first. */
  private Object fetch(Object key) {
    forget(key);
    return region.get(key);
  }

  private void forget(Object... keys) {
    for (Object key : keys) {
      if (caching && region.containsKey(key)) {
        region.localDestroy(key);
      }
    }
  }
}
