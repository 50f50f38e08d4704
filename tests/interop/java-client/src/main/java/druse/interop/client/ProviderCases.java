package druse.interop.client;

import static druse.interop.client.Check.fails;
import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.geode.cache.Region;
import org.apache.geode.security.AuthenticationFailedException;

/** Providers that fail, hang, hand out rubbish or the same stale token: the operation fails, others go on. */
final class ProviderCases {
  private static final Duration LONG = Duration.ofMinutes(5);
  private static final Duration SHORT = Duration.ofSeconds(1);

  private final Suite.Context context;
  private final Runner runner;
  private final Users users;

  private ProviderCases(Suite.Context context) {
    this.context = context;
    this.runner = context.runner();
    this.users = context.users();
  }

  static void run(Suite.Context context) {
    ProviderCases cases = new ProviderCases(context);
    cases.badFromTheStart();
    cases.badAfterExpiry();
    cases.hanging();
    cases.othersGoOn();
  }

  private void badFromTheStart() {
    start("none configured", null, "AuthenticationRequiredException");
    start("gives nothing", given -> new Properties(), "Authentication");
    start("fails", given -> {
      throw new AuthenticationFailedException("no connection to the identity provider");
    }, "AuthenticationFailedException");
    start("fails with another exception", given -> {
      throw new IllegalStateException("broken");
    }, "IllegalStateException");
    rubbish("rubbish", "rubbish");
    rubbish("an empty token", "");
    rubbish("three parts of rubbish", "a.b.c");
    rubbish("a very long token", "x".repeat(60_000));
    String good = users.issuer().mint("alice", LONG, Users.everything());
    rubbish("a changed signature", good.substring(0, good.length() - 8) + "AAAAAAAA");
    rubbish("no signature", good.substring(0, good.lastIndexOf('.') + 1));
    rubbish("another algorithm", "eyJhbGciOiJub25lIn0" + good.substring(good.indexOf('.')));
    rubbish("another issuer", new druse.interop.tokens.Issuer("https://other.test", users.issuer().audience())
        .mint("alice", LONG, Users.everything()));
    rubbish("another audience", users.issuer().sign(claims("other grid")));
    start("password instead of a token", given -> {
      Properties credentials = new Properties();
      credentials.setProperty("security-username", "alice");
      credentials.setProperty("security-password", "alice");
      return credentials;
    }, "AuthenticationFailedException");
    start("expired from the start", users.fresh("alice", Duration.ofSeconds(-1)), "Authentication");
  }

  private String claims(String audience) {
    long now = System.currentTimeMillis() / 1_000;
    return "{\"iss\":\"%s\",\"aud\":\"%s\",\"sub\":\"alice\",\"client_id\":\"c\",\"jti\":\"1\",\"iat\":%d,\"exp\":%d,\"scope\":\"grid:*:*\"}"
        .formatted(users.issuer().name(), audience, now, now + 300);
  }

  private void rubbish(String name, String token) {
    start(name, given -> TokenSource.token(token), "AuthenticationFailedException");
  }

  /** The first operation fails, with an exception of that kind in its chain, and again at the second try. */
  private void start(String name, TokenSource source, String expected) {
    runner.run("from the start: " + name, () -> {
      try (Client client = new Client.Config(context.node()).open(source)) {
        Region<Object, Object> region = client.proxy("orders");
        for (int i = 0; i < 2; i++) {
          Throwable failure = fails(() -> region.put("never", "never"));
          that(Check.chain(failure).contains(expected), "expected " + expected + " in " + Check.chain(failure));
        }
      }
      try (Client client = new Client.Config(context.node()).open(users.fresh("alice", LONG))) {
        that(!client.proxy("orders").containsKeyOnServer("never"), "nothing was written");
      }
    });
  }

  private void badAfterExpiry() {
    String stale = users.issuer().mint("alice", SHORT, Users.everything());
    afterExpiry("the same stale token", given -> TokenSource.token(stale), "Authentication");
    afterExpiry("fails", given -> {
      throw new AuthenticationFailedException("no connection to the identity provider");
    }, "AuthenticationFailedException");
    afterExpiry("rubbish", given -> TokenSource.token("rubbish"), "AuthenticationFailedException");
    afterExpiry("nothing", given -> new Properties(), "Authentication");
  }

  /** Good until expiry, then bad: each operation fails with few calls of the provider; good again: all is well. */
  private void afterExpiry(String name, TokenSource bad, String expected) {
    runner.run("after expiry: " + name, () -> {
      AtomicReference<TokenSource> now = new AtomicReference<>(users.fresh("alice", SHORT));
      try (Client client = new Client.Config(context.node()).open(given -> now.get().credentials(given))) {
        Region<Object, Object> region = client.proxy("orders");
        region.put("k", "good");
        now.set(bad);
        Thread.sleep(SHORT.toMillis() + 50);
        for (int i = 0; i < 5; i++) {
          int before = TokenProvider.calls();
          Throwable failure = fails(() -> region.put("k", "bad"));
          that(Check.chain(failure).contains(expected), "expected " + expected + " in " + Check.chain(failure));
          int calls = TokenProvider.calls() - before;
          that(calls <= 4, calls + " calls of the provider for one operation");
        }
        now.set(users.fresh("alice", LONG));
        same("good", region.get("k"));
        region.put("k", "good again");
        same("good again", region.get("k"));
      }
    });
  }

  /** One thread waits in its provider; the others get theirs at once and are not held up. */
  private void hanging() {
    runner.run("one call hangs after expiry, the other threads go on", () -> {
      CountDownLatch release = new CountDownLatch(1);
      AtomicBoolean armed = new AtomicBoolean();
      TokenSource healthy = users.fresh("alice", SHORT);
      TokenSource source = given -> {
        if (armed.getAndSet(false)) {
          await(release);
        }
        return healthy.credentials(given);
      };
      ExecutorService threads = Executors.newFixedThreadPool(8);
      // Resources close from the last to the first: a client cannot close while one of its calls hangs.
      try (Client client = new Client.Config(context.node()).open(source); Releasing releasing = release::countDown) {
        Region<Object, Object> region = client.proxy("orders");
        region.put("k", "v");
        Thread.sleep(SHORT.toMillis() + 50);
        armed.set(true);
        Future<?> stuck = threads.submit(() -> region.put("stuck", "in the end"));
        while (armed.get()) {
          Thread.sleep(5);
        }
        List<Future<?>> others = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
          Object key = "other-" + i;
          others.add(threads.submit(() -> {
            for (int n = 0; n < 100; n++) {
              region.put(key, n);
              same(n, region.get(key));
            }
          }));
        }
        for (Future<?> other : others) {
          other.get(30, TimeUnit.SECONDS);
        }
        that(!stuck.isDone(), "the one that waits is still waiting");
        release.countDown();
        stuck.get(30, TimeUnit.SECONDS);
        same("in the end", region.get("stuck"));
      } finally {
        threads.shutdownNow();
      }
    });
  }

  /** In one pool, users whose providers are bad in every way beside one whose provider is well. */
  private void othersGoOn() {
    runner.run("one user's bad provider is no other user's business", () -> {
      CountDownLatch release = new CountDownLatch(1);
      Map<String, TokenSource> sources = Map.of(
          "well", users.fresh("well", SHORT),
          "rubbish", given -> TokenSource.token("rubbish"),
          "stale", users.fresh("stale", Duration.ofSeconds(-5)),
          "failing", given -> {
            throw new AuthenticationFailedException("down");
          },
          "hanging", given -> {
            await(release);
            return TokenSource.token("too late");
          });
      ExecutorService threads = Executors.newCachedThreadPool();
      try (Client client = new Client.Config(context.node()).multiUser().open(Users.byView(sources));
          Releasing releasing = release::countDown) {
        client.proxy("orders");
        List<Future<?>> bad = new ArrayList<>();
        for (String user : List.of("rubbish", "stale", "failing", "hanging")) {
          Region<Object, Object> region = MultiUserCases.orders(client.view(user));
          bad.add(threads.submit(() -> fails(() -> region.put("never", user))));
        }
        Region<Object, Object> region = MultiUserCases.orders(client.view("well"));
        for (int i = 0; i < 200; i++) {
          region.put("k", i);
          same(i, region.get("k"));
          Thread.sleep(5);
        }
        release.countDown();
        for (Future<?> failure : bad) {
          failure.get(30, TimeUnit.SECONDS);
        }
        that(!region.containsKeyOnServer("never"), "nothing was written");
      } finally {
        threads.shutdownNow();
      }
    });
  }

  /** Lets the calls go on that hang, whatever becomes of the case. */
  @FunctionalInterface
  private interface Releasing extends AutoCloseable {
    @Override
    void close();
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AuthenticationFailedException("interrupted");
    }
  }
}
