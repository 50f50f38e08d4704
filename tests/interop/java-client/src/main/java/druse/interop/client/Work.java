package druse.interop.client;

import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntFunction;

import org.apache.geode.cache.EntryNotFoundException;
import org.apache.geode.cache.Region;

/**
 * Threads that each keep a model of their own keys, count together in shared counters, and compete for claims. At the
 * end all three are compared with the region.
 */
final class Work {
  private static final int KEYS = 40;
  private static final int COUNTERS = 4;

  private final long nanos;
  private final int threads;
  private final AtomicLong operations = new AtomicLong();
  private final AtomicLong[] counted = new AtomicLong[COUNTERS];
  private final Map<Object, Object> claims = new java.util.concurrent.ConcurrentHashMap<>();
  private final ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();

  Work(int seconds, int threads) {
    this.nanos = TimeUnit.SECONDS.toNanos(seconds);
    this.threads = threads;
    for (int i = 0; i < COUNTERS; i++) {
      counted[i] = new AtomicLong();
    }
  }

  /** @param whole to prepare and to verify; @param regions the region that the thread of that number works on */
  void run(Region<Object, Object> whole, IntFunction<Region<Object, Object>> regions) throws Exception {
    whole.clear();
    for (int i = 0; i < COUNTERS; i++) {
      whole.put("counter-" + i, 0);
    }
    ExecutorService executor = Executors.newFixedThreadPool(threads);
    List<Future<Map<Object, Object>>> running = new ArrayList<>();
    long end = System.nanoTime() + nanos;
    for (int i = 0; i < threads; i++) {
      int number = i;
      running.add(executor.submit(() -> work(regions.apply(number), number, end)));
    }
    Map<Object, Object> expected = new HashMap<>();
    for (Future<Map<Object, Object>> one : running) {
      expected.putAll(one.get());
    }
    executor.shutdownNow();
    if (!failures.isEmpty()) {
      throw new AssertionError(failures.size() + " failed of " + operations + " operations", failures.peek());
    }
    verify(whole, expected);
    System.out.printf("      %d operations, %d credentials asked for%n", operations.get(), TokenProvider.calls());
  }

  private Map<Object, Object> work(Region<Object, Object> region, int number, long end) {
    Map<Object, Object> model = new HashMap<>();
    Random random = new Random(number);
    for (int round = 0; System.nanoTime() < end && failures.isEmpty(); round++) {
      try {
        step(region, number, model, random, round);
      } catch (Throwable failure) {
        failures.add(failure);
      }
    }
    return model;
  }

  private void step(Region<Object, Object> region, int number, Map<Object, Object> model, Random random, int round) {
    String key = "thread-" + number + "-" + random.nextInt(KEYS);
    Object value = round;
    operations.incrementAndGet();
    switch (random.nextInt(12)) {
      case 0, 1, 2 -> {
        region.put(key, value);
        model.put(key, value);
      }
      case 3, 4 -> same(model.get(key), region.get(key));
      case 5 -> {
        same(model.get(key), region.putIfAbsent(key, value));
        model.putIfAbsent(key, value);
      }
      case 6 -> {
        boolean present = model.containsKey(key);
        same(present, region.replace(key, present ? model.get(key) : "none", value));
        model.replace(key, value);
      }
      case 7 -> {
        boolean present = model.containsKey(key);
        same(present, region.remove(key, present ? model.get(key) : "none"));
        model.remove(key);
      }
      case 8 -> {
        region.remove(key);
        model.remove(key);
      }
      case 9 -> bulk(region, number, model, value);
      case 10 -> count(region, random.nextInt(COUNTERS));
      default -> claim(region, number, round);
    }
  }

  private void bulk(Region<Object, Object> region, int number, Map<Object, Object> model, Object value) {
    Map<Object, Object> some = new HashMap<>();
    for (int i = 0; i < 10; i++) {
      some.put("thread-" + number + "-" + i, value);
    }
    region.putAll(some);
    model.putAll(some);
    same(some, new HashMap<>(region.getAll(some.keySet())));
  }

  /** One more, by whoever wins; a step that is acknowledged counts exactly once. */
  private void count(Region<Object, Object> region, int which) {
    Object key = "counter-" + which;
    if (region.getAttributes().getDataPolicy().withStorage()) {
      // A local copy may be old: another thread's replace on it does not tell of the node's value.
      forget(region, key);
    }
    Integer now = (Integer) region.get(key);
    if (region.replace(key, now, now + 1)) {
      counted[which].incrementAndGet();
    }
  }

  private static void forget(Region<Object, Object> region, Object key) {
    try {
      region.localDestroy(key);
    } catch (EntryNotFoundException another) {
      // Another thread has forgotten it just now.
    }
  }

  /** All threads want the same keys; each is got by one. */
  private void claim(Region<Object, Object> region, int number, int round) {
    Object key = "claim-" + round % 500;
    if (region.putIfAbsent(key, number) == null) {
      Object other = claims.putIfAbsent(key, number);
      that(other == null, key + " was given to " + other + " and to " + number);
    }
  }

  private void verify(Region<Object, Object> region, Map<Object, Object> model) {
    Map<Object, Object> expected = new HashMap<>(model);
    expected.putAll(claims);
    for (int i = 0; i < COUNTERS; i++) {
      expected.put("counter-" + i, (int) counted[i].get());
    }
    if (region.getAttributes().getDataPolicy().withStorage()) {
      region.localClear();
    }
    same(expected.keySet(), region.keySetOnServer());
    same(expected, new HashMap<>(region.getAll(expected.keySet())));
  }
}
