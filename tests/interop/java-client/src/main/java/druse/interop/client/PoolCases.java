package druse.interop.client;

import static druse.interop.client.Check.same;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

import org.apache.geode.cache.Region;

/** What pools do on their own: pings, idle connections, limits, opening and closing. */
final class PoolCases {
  private static final Duration LIFE = Duration.ofMinutes(5);

  private PoolCases() {}

  static void run(Suite.Context context) {
    Runner runner = context.runner();
    TokenSource source = context.users().fresh("alice", LIFE);
    runner.run("pings and idle connections", () -> {
      try (Client client = new Client.Config(context.node()).pings(100, 300).open(source)) {
        Region<Object, Object> region = client.proxy("orders");
        for (int i = 0; i < 3; i++) {
          region.put("k", i);
          Thread.sleep(700);
          same(i, region.get("k"));
        }
      }
    });
    runner.run("pings while the login is expired", () -> {
      Client.Config config = new Client.Config(context.node()).pings(100, 60_000);
      try (Client client = config.open(context.users().fresh("alice", Duration.ofSeconds(1)))) {
        Region<Object, Object> region = client.proxy("orders");
        for (int i = 0; i < 3; i++) {
          region.put("k", i);
          Thread.sleep(1_200);
          same(i, region.get("k"));
        }
      }
    });
    runner.run("16 threads on 2 connections", () -> {
      try (Client client = new Client.Config(context.node()).maxConnections(2).open(source)) {
        together(client.proxy("orders"), 16, 100);
      }
    });
    runner.run("64 threads on 64 connections", () -> {
      try (Client client = new Client.Config(context.node()).locator(true).open(source)) {
        together(client.proxy("orders"), 64, 50);
      }
    });
    runner.run("20 clients, one after another", () -> {
      for (int i = 0; i < 20; i++) {
        try (Client client = new Client.Config(context.node()).locator(i % 2 == 0).open(source)) {
          client.proxy("orders").put("k", i);
          same(i, client.proxy("orders").get("k"));
        }
      }
    });
  }

  private static void together(Region<Object, Object> region, int count, int rounds) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(count);
    try {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        Object key = "thread-" + i;
        all.add(threads.submit(() -> {
          for (int n = 0; n < rounds; n++) {
            region.put(key, n);
            same(n, region.get(key));
          }
        }));
      }
      for (Future<?> one : all) {
        one.get(30, TimeUnit.SECONDS);
      }
    } finally {
      threads.shutdownNow();
    }
  }
}
