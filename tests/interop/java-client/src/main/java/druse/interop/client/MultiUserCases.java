package druse.interop.client;

import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.RegionService;

/** Several users on one pool: each with their own rights and their own expiry. */
final class MultiUserCases {
  private static final Duration LONG = Duration.ofMinutes(5);
  private static final Duration SHORT = Duration.ofSeconds(1);

  private MultiUserCases() {}

  static void run(Suite.Context context) {
    Runner runner = context.runner();
    Users users = context.users();
    AtomicInteger steadyCalls = new AtomicInteger();
    AtomicInteger briefCalls = new AtomicInteger();
    Map<String, TokenSource> sources = Map.of(
        "steady", counted(users.fresh("steady", LONG), steadyCalls),
        "brief", counted(users.fresh("brief", SHORT), briefCalls),
        "reader", users.fresh("reader", LONG, "grid:data:read:orders"),
        "late", users.fresh("late", LONG));
    Client.Config config = new Client.Config(context.node()).multiUser();
    try (Client client = config.open(Users.byView(sources))) {
      client.proxy("orders");
      Region<Object, Object> steady = orders(client.view("steady"));
      Region<Object, Object> brief = orders(client.view("brief"));
      Region<Object, Object> reader = orders(client.view("reader"));
      runner.run("two users, a put each, read by the other", () -> {
        steady.put("by steady", 1);
        brief.put("by brief", 2);
        same(2, steady.get("by brief"));
        same(1, brief.get("by steady"));
      });
      runner.run("rights differ between users of one pool", () -> {
        same(1, reader.get("by steady"));
        RightsCases.refused(() -> reader.put("k", "v"));
        steady.put("k", "v");
      });
      runner.run("one expires alone", () -> {
        int before = steadyCalls.get();
        for (int i = 0; i < 3; i++) {
          int asked = briefCalls.get();
          Thread.sleep(SHORT.toMillis() + 100);
          steady.put("k", "steady " + i);
          brief.put("l", "brief " + i);
          same("steady " + i, brief.get("k"));
          same("brief " + i, steady.get("l"));
          that(briefCalls.get() > asked, "the expired one has asked for credentials again");
        }
        same(before, steadyCalls.get());
      });
      runner.run("a view closed, the other goes on; a third comes", () -> {
        RegionService gone = client.view("late");
        orders(gone).put("k", "late");
        gone.close();
        steady.put("k", "steady");
        same("steady", orders(client.view("late")).get("k"));
      });
      runner.run("20 views, opened and closed", () -> {
        for (int i = 0; i < 20; i++) {
          RegionService view = client.view("late");
          orders(view).put("k", i);
          same(i, steady.get("k"));
          view.close();
        }
      });
    }
  }

  static Region<Object, Object> orders(RegionService view) {
    return view.getRegion("/orders");
  }

  private static TokenSource counted(TokenSource source, AtomicInteger calls) {
    return given -> {
      calls.incrementAndGet();
      return source.credentials(given);
    };
  }
}
