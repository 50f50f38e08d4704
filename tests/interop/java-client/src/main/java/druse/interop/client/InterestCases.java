package druse.interop.client;

import static druse.interop.client.Check.fails;
import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

import org.apache.geode.cache.InterestResultPolicy;
import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;

/** Interest in keys of a region, on regions with and without local copies: what is told, and what is kept. */
final class InterestCases {
  private static final String REGION = "orders";
  private static final InterestResultPolicy VALUES = InterestResultPolicy.KEYS_VALUES;

  private final Suite.Context context;
  private final Peer peer;
  private final ClientRegionShortcut shortcut;
  private final boolean caching;

  private InterestCases(Suite.Context context, Peer peer, ClientRegionShortcut shortcut) {
    this.context = context;
    this.peer = peer;
    this.shortcut = shortcut;
    this.caching = shortcut == ClientRegionShortcut.CACHING_PROXY;
  }

  static void run(Suite.Context context) throws Exception {
    try (Peer peer = Listening.peer(context)) {
      for (ClientRegionShortcut shortcut : List.of(ClientRegionShortcut.PROXY, ClientRegionShortcut.CACHING_PROXY)) {
        context.runner().group("interest, " + shortcut);
        InterestCases cases = new InterestCases(context, peer, shortcut);
        cases.whatIsWanted();
        cases.noLongerWanted();
        cases.everyChange();
        cases.whatComesAtOnce();
        cases.refusals();
      }
      context.runner().group("interest");
      new TogetherCases(context, peer).all();
    }
  }

  private void whatIsWanted() {
    told("a key", region -> region.registerInterest("a"), "create a=1", "update a=2");
    told("a list of keys", region -> region.registerInterest(List.of("a", "c")), "create a=1", "create c=1", "update a=2");
    told("a regular expression", region -> region.registerInterestRegex("a|b+"), "create a=1", "create b=1", "create bb=1",
        "update a=2");
    told("all keys", region -> region.registerInterestForAllKeys(), "create a=1", "create b=1", "create bb=1",
        "create c=1", "update a=2");
    told("the word for all keys", region -> region.registerInterest("ALL_KEYS"), "create a=1", "create b=1",
        "create bb=1", "create c=1", "update a=2");
    told("a key twice, and by an expression too: told once", region -> {
      region.registerInterest("a");
      region.registerInterest("a");
      region.registerInterestRegex("a.*");
    }, "create a=1", "update a=2");
    told("nothing", region -> { });
    listening("keys that are no text", (listening, region, heard) -> {
      region.registerInterest(7);
      region.registerInterest(List.of(8L, 'c'));
      for (Object key : List.of(7, 7L, 8, 8L, 'c', "c", "7")) {
        peer.put(REGION, key, "v");
      }
      listening.fence();
      same(List.of("create 7=v", "create 8=v", "create c=v"), heard.texts());
      same(List.of(7, 8L, 'c'), heard.events().stream().map(Heard.Event::key).toList());
    });
    listening("through the locator, with copies wanted that no second server can keep",
        new Client.Config(context.node()).feed().locator(true).redundancy(1), (listening, region, heard) -> {
          region.registerInterestForAllKeys();
          peer.put(REGION, "a", 1);
          listening.fence();
          same(List.of("create a=1"), heard.texts());
        });
  }

  /** Writes to four keys after the interest is registered, and expects exactly these events. */
  private void told(String name, Wish wish, String... expected) {
    listening("told of " + name, (listening, region, heard) -> {
      wish.register(region);
      for (String key : List.of("a", "b", "bb", "c")) {
        peer.put(REGION, key, 1);
      }
      peer.put(REGION, "a", 2);
      listening.fence();
      same(List.of(expected), heard.texts());
    });
  }

  private void noLongerWanted() {
    ended("a key", region -> region.registerInterest("a"), region -> region.unregisterInterest("a"));
    ended("a list", region -> region.registerInterest(List.of("a", "b")), region -> region.unregisterInterest(List.of("a", "b")));
    ended("a regular expression", region -> region.registerInterestRegex("[a-b]"),
        region -> region.unregisterInterestRegex("[a-b]"));
    ended("all keys", region -> region.registerInterestForAllKeys(), region -> region.unregisterInterestRegex(".*"));
    listening("one of two wishes ended, the other stands", (listening, region, heard) -> {
      region.registerInterest(List.of("a", "b"));
      region.registerInterestRegex("b.*");
      region.unregisterInterest(List.of("a", "b"));
      peer.put(REGION, "a", 1);
      peer.put(REGION, "b", 1);
      listening.fence();
      same(List.of("create b=1"), heard.texts());
    });
    listening("a region closed here: the others of this feed go on", (listening, region, heard) -> {
      Heard other = listening.region("values", shortcut);
      listening.of("values").registerInterestForAllKeys();
      region.registerInterestForAllKeys();
      region.close();
      peer.put(REGION, "a", 1);
      peer.put("values", "here", 1);
      listening.fence();
      that(heard.texts().stream().noneMatch(text -> text.contains("a=1")), "told after closing: " + heard.texts());
      that(other.texts().contains("create here=1"), "the other region is told: " + other.texts());
      peer.clear("values");
    });
  }

  private void ended(String name, Wish wish, Wish end) {
    listening("ended: " + name, (listening, region, heard) -> {
      wish.register(region);
      peer.put(REGION, "a", 1);
      listening.fence();
      end.register(region);
      peer.put(REGION, "a", 2);
      listening.fence();
      same(List.of("create a=1"), heard.texts());
      wish.register(region);
      peer.put(REGION, "a", 3);
      listening.fence();
      same("update a=3", heard.texts().get(heard.size() - 1));
    });
  }

  private void everyChange() {
    listening("every kind of change", (listening, region, heard) -> {
      region.registerInterestForAllKeys();
      everyKind("why");
      listening.fence();
      same(List.of("create a=1", "update a=2", "invalidate a", "update a=3", "destroy a", "create p=1", "create q=2",
          "update p=2", "destroy p", "destroy q", "create c=1", "clear", "create c=2"), heard.texts());
      that(heard.events().stream().allMatch(Heard.Event::remote), "all of them came by the feed");
    });
    listening("callback arguments", (listening, region, heard) -> {
      region.registerInterestForAllKeys();
      everyKind("why");
      listening.fence();
      List<Object> said = heard.events().stream().filter(event -> !event.what().equals("clear"))
          .map(Heard.Event::callback).toList();
      that(said.stream().allMatch("why"::equals), "each with its callback argument: " + said);
    });
    listening("own changes do not come back", (listening, region, heard) -> {
      region.registerInterestForAllKeys();
      region.put("mine", 1);
      region.put("mine", 2);
      region.putAll(Map.of("p", 1, "q", 2));
      region.destroy("mine");
      peer.put(REGION, "theirs", 1);
      listening.fence();
      same(List.of("create theirs=1"), heard.events().stream().filter(Heard.Event::remote).map(Heard.Event::text).toList());
      same(6, heard.size());
    });
    listening("values of many kinds", (listening, region, heard) -> {
      region.registerInterestForAllKeys();
      List<Object> values = List.of("text", "", "ÄÖ €", 1, 2L, (short) 3, (byte) 4, 'c', true, 1.5, 2.5f,
          new ArrayList<>(List.of(1, "b")), new HashMap<>(Map.of("k", 1)), new java.util.Date(5));
      for (int i = 0; i < values.size(); i++) {
        peer.put(REGION, i, values.get(i));
      }
      peer.put(REGION, "bytes", new byte[] {1, 2, 3});
      peer.put(REGION, "no bytes", new byte[0]);
      listening.fence();
      List<Object> found = heard.events().stream().map(Heard.Event::value).toList();
      same(values, found.subList(0, values.size()));
      Check.identical(new byte[] {1, 2, 3}, found.get(values.size()));
      Check.identical(new byte[0], found.get(values.size() + 1));
    });
    listening("a PDX object", (listening, region, heard) -> {
      region.registerInterestForAllKeys();
      peer.putOrder(REGION, "o", "o-1", 7);
      listening.fence();
      same(List.of(new Things.Order("o-1", 7)), heard.values("o"));
    });
    listening("putAll of 1000, and removeAll", (listening, region, heard) -> {
      region.registerInterestForAllKeys();
      Map<Object, Object> entries = new LinkedHashMap<>();
      for (int i = 0; i < 1_000; i++) {
        entries.put("k" + i, i);
      }
      peer.putAll(REGION, entries, null);
      peer.removeAll(REGION, entries.keySet(), null);
      listening.fence();
      same(2_000, heard.size());
      entries.forEach((key, value) -> same(List.of("create " + key + "=" + value, "destroy " + key),
          heard.events().stream().filter(event -> event.key().equals(key)).map(Heard.Event::text).toList()));
    });
  }

  private void everyKind(Object callback) {
    peer.put(REGION, "a", 1, callback);
    peer.put(REGION, "a", 2, callback);
    peer.invalidate(REGION, "a", callback);
    peer.put(REGION, "a", 3, callback);
    peer.destroy(REGION, "a", callback);
    Map<Object, Object> entries = new LinkedHashMap<>();
    entries.put("p", 1);
    entries.put("q", 2);
    peer.putAll(REGION, entries, callback);
    peer.putAll(REGION, Map.of("p", 2), callback);
    peer.removeAll(REGION, List.of("p", "q"), callback);
    peer.put(REGION, "c", 1, callback);
    peer.clear(REGION);
    peer.put(REGION, "c", 2, callback);
  }

  /** What a registration brings with it, and what it leaves in the local copy. */
  private void whatComesAtOnce() {
    for (InterestResultPolicy policy : List.of(InterestResultPolicy.NONE, InterestResultPolicy.KEYS, VALUES)) {
      listening("350 entries stand already, " + policy, (listening, region, heard) -> {
        Map<Object, Object> there = fill(350);
        region.registerInterestForAllKeys(policy);
        same(List.of(), heard.texts());
        same(kept(policy, there), Heard.cached(region));
        peer.put(REGION, "k1", "new");
        peer.put(REGION, "another", "new");
        listening.fence();
        String known = caching && policy == InterestResultPolicy.NONE ? "create" : "update";
        same(List.of(known + " k1=new", "create another=new"), heard.texts());
      });
    }
    listening("bytes stand already", (listening, region, heard) -> {
      peer.put(REGION, "bytes", new byte[] {1, 2, 3});
      peer.put(REGION, "none", new byte[0]);
      region.registerInterestForAllKeys(VALUES);
      Check.identical(caching ? new byte[] {1, 2, 3} : null, Heard.cached(region).get("bytes"));
      Check.identical(caching ? new byte[0] : null, Heard.cached(region).get("none"));
    });
    listening("a list and an expression bring only what they name", (listening, region, heard) -> {
      fill(350);
      region.registerInterest(List.of("k1", "k2", "missing"), VALUES);
      region.registerInterestRegex("k34.", VALUES);
      Set<Object> expected = new HashSet<>(List.of("k1", "k2"));
      for (int i = 340; i < 350; i++) {
        expected.add("k" + i);
      }
      same(caching ? expected : Set.of(), Heard.cached(region).keySet());
    });
    listening("invalidations instead of values", (listening, region, heard) -> {
      fill(3);
      region.registerInterestForAllKeys(VALUES, false, false);
      same(caching ? 1 : null, Heard.cached(region).get("k1"));
      peer.put(REGION, "k1", "new");
      peer.destroy(REGION, "k2");
      listening.fence();
      same(List.of("invalidate k1", "destroy k2"), heard.texts());
      same(null, Heard.cached(region).get("k1"));
      same("new", region.get("k1"));
      peer.put(REGION, "k1", "newer");
      listening.fence();
      same("newer", region.get("k1"));
    });
  }

  private Map<Object, Object> kept(InterestResultPolicy policy, Map<Object, Object> there) {
    if (!caching || policy == InterestResultPolicy.NONE) {
      return Map.of();
    }
    Map<Object, Object> kept = new HashMap<>(there);
    if (policy == InterestResultPolicy.KEYS) {
      kept.replaceAll((key, value) -> null);
    }
    return kept;
  }

  /** k0=0 and so on; one entry has no value, one has been destroyed. @return what is there */
  private Map<Object, Object> fill(int count) {
    Map<Object, Object> entries = new HashMap<>();
    for (int i = 0; i < count; i++) {
      entries.put("k" + i, i);
    }
    peer.putAll(REGION, entries, null);
    peer.put(REGION, "gone", "v");
    peer.destroy(REGION, "gone");
    peer.put(REGION, "empty", "v");
    peer.invalidate(REGION, "empty", null);
    entries.put("empty", null);
    return entries;
  }

  private void refusals() {
    listening("a region that the node does not have", (listening, ours, heard) -> {
      Region<Object, Object> region = listening.client.region("nowhere", shortcut);
      fails(() -> region.registerInterest("a"), "ServerOperationException", "RegionDestroyedException");
      fails(() -> region.registerInterestForAllKeys(), "ServerOperationException", "RegionDestroyedException");
      ours.registerInterest("a");
      peer.put(REGION, "a", 1);
      listening.fence();
      same(List.of("create a=1"), heard.texts());
    });
    context.runner().run("without the right to read", () -> {
      TokenSource mine = context.users().fresh("clerk", Listening.LONG, "grid:data:read:orders:mine", "grid:data:read:stock");
      try (Listening listening = new Listening(new Client.Config(context.node()).feed().open(mine), peer).fenced()) {
        Heard heard = listening.region(REGION, shortcut);
        Region<Object, Object> region = listening.of(REGION);
        RightsCases.refused(() -> region.registerInterest("other"));
        RightsCases.refused(() -> region.registerInterestForAllKeys());
        RightsCases.refused(() -> region.registerInterest(List.of("mine", "other")));
        region.registerInterest("mine");
        peer.clear(REGION);
        peer.put(REGION, "mine", 1);
        peer.put(REGION, "other", 1);
        listening.fence();
        that(heard.texts().equals(List.of("create mine=1")), "told: " + heard.texts());
      }
    });
  }

  @FunctionalInterface
  private interface Wish {
    void register(Region<Object, Object> region);
  }

  @FunctionalInterface
  private interface Body {
    void run(Listening listening, Region<Object, Object> region, Heard heard) throws Exception;
  }

  private void listening(String name, Body body) {
    listening(name, new Client.Config(context.node()).feed(), body);
  }

  /** On an empty region, with a client of its own. */
  private void listening(String name, Client.Config config, Body body) {
    context.runner().run(name, () -> {
      peer.clear(REGION);
      TokenSource source = Listening.listener(context, Listening.LONG);
      try (Listening listening = new Listening(config.open(source), peer).fenced()) {
        Heard heard = listening.region(REGION, shortcut);
        body.run(listening, listening.of(REGION), heard);
      }
    });
  }
}
