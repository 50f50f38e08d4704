package druse.interop.client;

import static druse.interop.client.Check.that;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.apache.geode.cache.InterestResultPolicy;
import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;

/** Listeners whose tokens live seconds, under a writer that does not stop: every event once and in order, per key. */
final class FeedExpiryCases {
  private static final List<String> REGIONS = List.of("orders", "values");
  private static final int KEYS = 5;
  private static final long PAUSE_MILLIS = 4;
  private static final int LISTENING_SECONDS = 20;
  private static final int WORKING_SECONDS = 12;
  private static final int DURABLE_SECONDS = 9;
  private static final int LIMIT_SECONDS = 150;
  private static final String OLD_CLIENTS = "its feed ends at each expiry of an old client, and what falls due meanwhile is lost";

  private final Suite.Context context;
  private final Peer peer;

  private FeedExpiryCases(Suite.Context context, Peer peer) {
    this.context = context;
    this.peer = peer;
  }

  static void run(Suite.Context context) throws Exception {
    try (Peer peer = Listening.peer(context)) {
      FeedExpiryCases cases = new FeedExpiryCases(context, peer);
      cases.steady("nothing but listening, tokens of 1 s", Duration.ofSeconds(1), LISTENING_SECONDS, false);
      cases.steady("listening and working, tokens of 2 s", Duration.ofSeconds(2), WORKING_SECONDS, true);
      cases.durable();
    }
  }

  private void steady(String name, Duration life, int seconds, boolean working) {
    String mark = Listening.tooMuchForGeode(context, true, OLD_CLIENTS);
    context.runner().run(name + ", " + seconds + " s", LIMIT_SECONDS, mark, () -> {
      REGIONS.forEach(peer::clear);
      Client.Config config = new Client.Config(context.node()).feed();
      try (Client client = config.open(Listening.listener(context, life));
          Numbers numbers = new Numbers(peer, REGIONS, KEYS, PAUSE_MILLIS)) {
        Map<String, Heard> listeners = everyKind(new Listening(client, peer));
        numbers.start();
        pass(seconds, working ? client.cache().getRegion(REGIONS.get(0)) : null);
        numbers.stop();
        verify(numbers, listeners);
        asked(life, seconds);
      }
    });
  }

  /** Interest and queries on regions of both kinds, all of one client. */
  private static Map<String, Heard> everyKind(Listening listening) throws Exception {
    Map<String, Heard> listeners = new LinkedHashMap<>();
    listeners.put("interest, PROXY", listening.region(REGIONS.get(0), ClientRegionShortcut.PROXY));
    listeners.put("interest, CACHING_PROXY", listening.region(REGIONS.get(1), ClientRegionShortcut.CACHING_PROXY));
    for (String region : REGIONS) {
      listening.of(region).registerInterestForAllKeys();
      listeners.put("query on " + region, listening.query("all-" + region, "SELECT * FROM /" + region));
    }
    return listeners;
  }

  /** Lets the time pass, with some work in it if a region is given. */
  private static void pass(int seconds, Region<Object, Object> region) throws InterruptedException {
    long end = System.nanoTime() + Duration.ofSeconds(seconds).toNanos();
    for (int round = 0; System.nanoTime() < end; round++) {
      if (region != null) {
        region.put("own", round);
        Check.same(round, region.get("own"));
      }
      Thread.sleep(50);
    }
  }

  private static void verify(Numbers numbers, Map<String, Heard> listeners) throws InterruptedException {
    AssertionError first = null;
    for (Map.Entry<String, Heard> listener : listeners.entrySet()) {
      try {
        numbers.verify(listener.getKey(), listener.getValue());
      } catch (AssertionError missing) {
        first = first == null ? missing : first;
      }
    }
    if (first != null) {
      throw first;
    }
  }

  /** A provider is asked a few times per token, not once per event, nor in a loop. */
  private static void asked(Duration life, int seconds) {
    int calls = TokenProvider.calls();
    long expiries = Duration.ofSeconds(seconds).toMillis() / life.toMillis();
    System.out.printf("      %d credentials asked for, about %d tokens have run out%n", calls, expiries);
    that(calls <= 10 * (expiries + 5), calls + " calls for " + expiries + " expiries");
  }

  /** The token runs out while the client listens, and again while it is away. */
  private void durable() {
    String id = "expiring-" + ProcessHandle.current().pid();
    context.runner().run("durable, away for 3 of " + DURABLE_SECONDS + " s, tokens of 1 s", LIMIT_SECONDS, () -> {
      peer.clear(REGIONS.get(0));
      try (Numbers numbers = new Numbers(peer, REGIONS.subList(0, 1), KEYS, PAUSE_MILLIS)) {
        Heard before = visit(id, numbers, true);
        Thread.sleep(3_000);
        Heard after = visit(id, numbers, false);
        numbers.verify("both visits", before.and(after));
      }
    });
  }

  private Heard visit(String id, Numbers numbers, boolean first) throws Exception {
    Client.Config config = new Client.Config(context.node()).durable(id, 60);
    try (Client client = config.open(Listening.listener(context, Duration.ofSeconds(1)))) {
      Listening listening = new Listening(client, peer);
      Heard heard = listening.region(REGIONS.get(0), ClientRegionShortcut.PROXY);
      listening.of(REGIONS.get(0)).registerInterestForAllKeys(InterestResultPolicy.NONE, true);
      client.cache().readyForEvents();
      if (first) {
        numbers.start();
      }
      Thread.sleep(Duration.ofSeconds(DURABLE_SECONDS).toMillis() / 3);
      if (first) {
        // What was told and not yet acknowledged would come again: stand still, acknowledge, go.
        numbers.pause();
        numbers.awaitAll(heard, numbers.written());
        Thread.sleep(400);
        client.close(true);
        numbers.goOn();
      } else {
        numbers.stop();
        numbers.awaitAll(heard, numbers.written());
        client.close(false);
      }
      return heard;
    }
  }
}
