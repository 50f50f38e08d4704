package druse.interop.client;

import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

import org.apache.geode.cache.Region;

/** Every type of key: found again by an equal object, and by no other. */
final class KeyCases {
  private KeyCases() {}

  static void run(Suite.Context context) {
    try (Client client = new Client.Config(context.node()).open(context.users().fresh("alice", Duration.ofMinutes(5)))) {
      Region<Object, Object> region = client.proxy("values");
      keys().forEach((name, key) -> context.runner().run(name, () -> roundTrip(region, key)));
      context.runner().run("numbers of different types are different keys", () -> {
        region.clear();
        List<Object> keys = List.of(1, 1L, (short) 1, (byte) 1, 1.0, 1f, "1", '1', true, BigInteger.ONE);
        for (int i = 0; i < keys.size(); i++) {
          region.put(keys.get(i), i);
        }
        same(keys.size(), region.sizeOnServer());
        for (int i = 0; i < keys.size(); i++) {
          same(i, region.get(keys.get(i)));
        }
      });
      context.runner().run("a text is one key, however it travels", () -> {
        for (String text : List.of("plain", "ü", "", "𝄞", "x".repeat(70_000), "ü".repeat(40_000))) {
          region.clear();
          region.put(text, "by put");
          Map<Object, Object> all = new HashMap<>();
          all.put(text, "by putAll");
          region.putAll(all);
          same(1, region.sizeOnServer());
          same("by putAll", region.get(text));
          same("by putAll", region.getAll(List.of(text, "other")).get(text));
          that(region.containsKeyOnServer(text), "there");
          same(Set.of(text), region.keySetOnServer());
          region.removeAll(List.of(text));
          same(0, region.sizeOnServer());
        }
      });
    }
  }

  private static void roundTrip(Region<Object, Object> region, Object key) {
    region.clear();
    region.put(key, "v");
    same("v", region.get(key));
    that(region.containsKeyOnServer(key), "there");
    same(new HashSet<>(List.of(key)), new HashSet<>(region.keySetOnServer()));
    same("v", region.putIfAbsent(key, "w"));
    Map<Object, Object> all = new HashMap<>();
    all.put(key, "x");
    region.putAll(all);
    same(1, region.sizeOnServer());
    same("x", region.getAll(List.of(key, "other")).get(key));
    that(region.remove(key, "x"), "removed");
    same(0, region.sizeOnServer());
  }

  private static Map<String, Object> keys() {
    Map<String, Object> keys = new LinkedHashMap<>();
    keys.put("String", "key");
    keys.put("String, empty", "");
    keys.put("String, Latin", "schlüssel∑");
    keys.put("String, beyond the first plane", "🗝");
    keys.put("String, 70000 characters", "k".repeat(70_000));
    keys.put("Integer", 42);
    keys.put("Long", 42L);
    keys.put("Short", (short) 42);
    keys.put("Byte", (byte) 42);
    keys.put("Character", 'k');
    keys.put("Boolean", true);
    keys.put("Double", 4.2);
    keys.put("Float", 4.2f);
    keys.put("Date", new Date(42));
    keys.put("UUID", new UUID(4, 2));
    keys.put("BigInteger", BigInteger.valueOf(42));
    keys.put("BigDecimal", new BigDecimal("4.2"));
    keys.put("enum", TimeUnit.HOURS);
    keys.put("list", new ArrayList<>(List.of("a", 1)));
    return keys;
  }
}
