package druse.interop.client;

import static druse.interop.client.Check.that;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.RegionService;
import org.apache.geode.cache.client.ClientRegionShortcut;

/**
 * From the end of a user's token on, not one event leaves the node for them, until they have logged in again. Read off
 * the wire: a client whose provider hangs would not notice an event too many.
 */
final class CutOffCases {
  private static final String REGION = "orders";
  private static final Duration LIFE = Duration.ofSeconds(2);
  /** What the put of an event and the way of its number to this program may take. */
  private static final long SLACK_MICROS = 50_000;
  private static final int LIMIT_SECONDS = 120;
  private static final String OLD_CLIENTS = "its feed ends at an old client's expiry, and what falls due meanwhile is lost";
  private static final String LOST = "its feed ends when nobody logs in again, and what falls due meanwhile is lost";

  /** How the provider behaves once the first tokens are out. */
  private enum Failure { HANGS, STALE }

  private final Suite.Context context;
  private final Peer peer;
  private final AtomicReference<Instant> end = new AtomicReference<>(Instant.EPOCH);
  private final AtomicReference<String> last = new AtomicReference<>();
  private final AtomicBoolean failing = new AtomicBoolean();
  private volatile CountDownLatch healed = new CountDownLatch(1);

  private CutOffCases(Suite.Context context, Peer peer) {
    this.context = context;
    this.peer = peer;
  }

  static void run(Suite.Context context) throws Exception {
    try (Peer peer = Listening.peer(context)) {
      for (Failure failure : Failure.values()) {
        new CutOffCases(context, peer).single(failure);
      }
      new CutOffCases(context, peer).multiUser();
    }
  }

  private void single(Failure failure) throws Exception {
    String name = failure == Failure.HANGS ? "a provider that hangs" : "a provider that hands out the old token";
    boolean stale = failure == Failure.STALE;
    try (FeedTap tap = new FeedTap(context.node().port()); Numbers numbers = new Numbers(peer, List.of(REGION), 1, 2)) {
      peer.clear(REGION);
      Client.Config config = new Client.Config(context.node()).servers(tap.port()).feed().pings(1_000, 5_000);
      try (Client client = config.open(source(failure))) {
        Listening listening = new Listening(client, peer);
        Heard heard = listening.region(REGION, ClientRegionShortcut.PROXY);
        listening.of(REGION).registerInterestForAllKeys();
        context.runner().run(name, () -> {
          failing.set(true);
          numbers.start();
          verifyCut(tap, numbers);
        });
        String mark = Listening.tooMuchForGeode(context, !stale, stale ? LOST : OLD_CLIENTS);
        context.runner().run(name + ", mended: everything comes", LIMIT_SECONDS, mark, () -> {
          heal();
          numbers.stop();
          numbers.verify("after mending", heard);
        });
      } finally {
        heal();
      }
    }
  }

  /** The user does nothing but listen: nobody need ask the provider, and who does gets the old token. */
  private void multiUser() throws Exception {
    try (FeedTap tap = new FeedTap(context.node().port()); Numbers numbers = new Numbers(peer, List.of(REGION), 1, 2)) {
      peer.clear(REGION);
      Client.Config config = new Client.Config(context.node()).servers(tap.port()).feed().multiUser();
      try (Client client = config.open(source(Failure.STALE))) {
        client.proxy(REGION);
        RegionService view = client.view("brief");
        Heard heard = new Heard();
        Listening.query(view.getQueryService(), "all", "SELECT * FROM /" + REGION, heard.query(), false).execute();
        context.runner().run("a user of several who only listens", () -> {
          failing.set(true);
          numbers.start();
          verifyCut(tap, numbers);
        });
        String mark = Listening.tooMuchForGeode(context, false, LOST);
        context.runner().run("a user of several, after one operation: everything comes", LIMIT_SECONDS, mark, () -> {
          heal();
          numbers.stop();
          Region<Object, Object> region = view.getRegion("/" + REGION);
          region.get("nothing");
          numbers.verify("after the operation", heard);
        });
      }
    }
  }

  private void verifyCut(FeedTap tap, Numbers numbers) throws InterruptedException {
    long cut = TimeUnit.MILLISECONDS.toMicros(end.get().toEpochMilli());
    Thread.sleep(Math.max(0, TimeUnit.MICROSECONDS.toMillis(cut - FeedTap.nowMicros())) + LIFE.toMillis());
    List<FeedTap.Pushed> pushed = tap.pushed();
    long offset = FeedTap.nowMicros() - System.nanoTime() / 1_000;
    long before = pushed.stream().filter(event -> event.micros() < cut).count();
    long after = pushed.size() - before;
    long largest = pushed.stream().mapToLong(event -> event.micros() - cut).max().orElse(0);
    long tooMany = pushed.stream()
        .filter(event -> numbers.begun(REGION, event.number()) / 1_000 + offset > cut + SLACK_MICROS).count();
    System.out.printf("      %d events before the end of the token, %d after it, the last one %+.2f ms from it; %d numbers put%n",
        before, after, largest / 1e3, numbers.written());
    that(before > 0, "events came while the token was good");
    that(numbers.written() > pushed.size(), "the writer went on");
    that(tooMany == 0, tooMany + " events were put after the end of the token and pushed all the same");
    that(largest <= SLACK_MICROS, "an event was pushed " + largest / 1_000 + " ms after the end of the token");
  }

  private void heal() {
    failing.set(false);
    healed.countDown();
  }

  /** Brief tokens at first; then none, or the last one again; once mended, tokens that live long. */
  private TokenSource source(Failure failure) {
    return given -> {
      if (failing.get() && failure == Failure.HANGS) {
        hang();
      } else if (failing.get()) {
        return TokenSource.token(last.get());
      }
      return TokenSource.token(healed.getCount() == 0 ? mint(Listening.LONG) : mint(LIFE));
    };
  }

  private void hang() {
    try {
      healed.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The last token minted is the one that counts. */
  private synchronized String mint(Duration life) {
    Instant until = Instant.ofEpochMilli(Instant.now().plus(life).toEpochMilli());
    String token = context.users().issuer().mintUntil("brief", until, Users.everythingAndQueries());
    end.set(until);
    last.set(token);
    return token;
  }
}
