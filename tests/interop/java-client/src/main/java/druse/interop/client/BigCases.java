package druse.interop.client;

import static druse.interop.client.Check.same;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;

import org.apache.geode.cache.Region;

/** Values and batches far beyond one packet. */
final class BigCases {
  private BigCases() {}

  static void run(Suite.Context context) {
    Client.Config config = new Client.Config(context.node()).readTimeout(30_000);
    try (Client client = config.open(context.users().fresh("alice", Duration.ofMinutes(5)))) {
      Region<Object, Object> region = client.proxy("big");
      for (int bytes : List.of(1 << 16, 1 << 20, 10 << 20)) {
        context.runner().run("value of " + bytes + " bytes", () -> {
          byte[] value = new byte[bytes];
          new Random(bytes).nextBytes(value);
          region.put("big", value);
          same(value, region.get("big"));
          same(value, region.getAll(List.of("big", "missing")).get("big"));
        });
      }
      context.runner().run("text of 5 million characters", () -> {
        String value = "ü∑x".repeat(1_700_000);
        region.put("text", value);
        same(value, region.get("text"));
      });
      context.runner().run("putAll of 20000, keySet, getAll of 5000, removeAll of 20000", () -> batch(region));
      context.runner().run("getAll of 300 values of 30000 bytes", () -> {
        region.clear();
        Map<Object, Object> entries = new HashMap<>();
        for (int i = 0; i < 300; i++) {
          entries.put("k" + i, "v".repeat(30_000) + i);
        }
        region.putAll(entries);
        same(entries, new HashMap<>(region.getAll(entries.keySet())));
        region.clear();
      });
    }
  }

  private static void batch(Region<Object, Object> region) {
    region.clear();
    Map<Object, Object> entries = new HashMap<>();
    for (int i = 0; i < 20_000; i++) {
      entries.put("key-" + i, "value-" + i);
    }
    region.putAll(entries);
    same(20_000, region.sizeOnServer());
    same(new HashSet<>(entries.keySet()), new HashSet<>(region.keySetOnServer()));
    List<Object> some = new ArrayList<>(entries.keySet()).subList(0, 5_000);
    Map<Object, Object> expected = new HashMap<>(entries);
    expected.keySet().retainAll(some);
    same(expected, new HashMap<>(region.getAll(some)));
    region.removeAll(entries.keySet());
    same(0, region.sizeOnServer());
  }
}
