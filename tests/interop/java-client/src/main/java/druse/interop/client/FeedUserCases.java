package druse.interop.client;

import static druse.interop.client.Check.fails;
import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

import org.apache.geode.cache.RegionService;
import org.apache.geode.cache.query.CqQuery;

/** Several users on one pool, and so on one feed: each is told under their own login, and nobody waits for another. */
final class FeedUserCases {
  private static final String REGION = "orders";
  private static final String EVERYTHING = "SELECT * FROM /orders";
  private static final Duration BRIEF = Duration.ofSeconds(1);
  private static final int KEYS = 5;
  private static final long PAUSE_MILLIS = 5;
  private static final int LIMIT_SECONDS = 150;
  private static final String ONE_ENDS_ALL = "one user's expiry ends the feed of all users of the client";

  private final Suite.Context context;
  private final Peer peer;
  /** While it is set, whoever asks for credentials of the brief user meets an exception. */
  private final AtomicBoolean broken = new AtomicBoolean();

  private FeedUserCases(Suite.Context context, Peer peer) {
    this.context = context;
    this.peer = peer;
  }

  static void run(Suite.Context context) throws Exception {
    try (Peer peer = Listening.peer(context)) {
      FeedUserCases cases = new FeedUserCases(context, peer);
      cases.eachTheirOwn();
      cases.neighbours();
      cases.everybodyRenews();
    }
  }

  private void eachTheirOwn() {
    users("two users, two queries of one name each, one change for all", null, client -> {
      Map<String, Heard> heard = new HashMap<>();
      for (String user : List.of("steady", "other")) {
        heard.put(user, query(client.view(user), user, "SELECT * FROM /orders o WHERE o > 10"));
        heard.put(user + " all", query(client.view(user), user + "-all", EVERYTHING));
      }
      peer.put(REGION, "k", 11);
      peer.put(REGION, "k", 1);
      for (String user : List.of("steady", "other")) {
        heard.get(user + " all").await("update k=1");
        heard.get(user).await("destroy k");
        same(List.of("create k=11", "destroy k"), heard.get(user).texts());
        same(List.of("create k=11", "update k=1"), heard.get(user + " all").texts());
      }
    });
    users("a user without the right is refused, and alone", null, client -> {
      fails(() -> query(client.view("stranger"), "refused", EVERYTHING), "NotAuthorizedException");
      Heard heard = query(client.view("steady"), "allowed", EVERYTHING);
      peer.put(REGION, "k", 1);
      heard.await("create k=1");
    });
    users("a user leaves, the other is still told", null, client -> {
      RegionService leaving = client.view("other");
      Heard gone = query(leaving, "gone", EVERYTHING);
      Heard heard = query(client.view("steady"), "still", EVERYTHING);
      peer.put(REGION, "k", 1);
      gone.await("create k=1");
      leaving.close();
      peer.put(REGION, "k", 2);
      heard.await("update k=2");
      same(List.of("create k=1", "update k=2"), heard.texts());
      same(List.of("create k=1"), gone.texts());
    });
  }

  /** One user's provider fails while their token runs out: the mark to beat is 166 to 416 of the other's 600 events. */
  private void neighbours() {
    users("one's provider fails, the other is told everything at once", ONE_ENDS_ALL, client -> {
      RegionService brief = client.view("brief");
      Heard steady = query(client.view("steady"), "steady", EVERYTHING);
      Heard held = query(brief, "brief", EVERYTHING);
      try (Numbers numbers = new Numbers(peer, List.of(REGION), KEYS, PAUSE_MILLIS).start()) {
        work(brief, Duration.ofSeconds(5));
        int healthy = numbers.written();
        broken.set(true);
        // The token runs out; what the one tries then fails by the provider, and nothing else does.
        for (int i = 0; i < 5; i++) {
          Thread.sleep(1_200);
          fails(() -> touch(brief), "IllegalStateException");
        }
        int ill = numbers.written();
        // Before anything is mended: the other has everything.
        numbers.awaitAll(steady, ill);
        that(!held.values(Numbers.key(0)).contains(ill), "nothing is told to the one whose token has run out");
        long waiting = ill - held.values(Numbers.key(0)).size();
        System.out.printf("      the other, before: %s%n      the other, during: %s%n      %d numbers wait%n",
            new Latency(numbers, REGION, steady, 1, healthy), new Latency(numbers, REGION, steady, healthy + 1, ill), waiting);
        broken.set(false);
        numbers.stop();
        // One operation: the login that it needs is what the feed waits for.
        touch(brief);
        numbers.verify("the other", steady);
        numbers.verify("the one", held);
        long notices = held.events().stream().filter(event -> event.what().equals("error")).count();
        System.out.printf("      %d notices to the one's query%n", notices);
      }
    });
  }

  /** Two users with tokens of a second, both at work. */
  private void everybodyRenews() {
    users("two users who renew every second", ONE_ENDS_ALL, client -> {
      RegionService one = client.view("brief");
      RegionService two = client.view("brief too");
      Heard first = query(one, "one", EVERYTHING);
      Heard second = query(two, "two", EVERYTHING);
      try (Numbers numbers = new Numbers(peer, List.of(REGION), KEYS, PAUSE_MILLIS).start()) {
        long end = System.nanoTime() + Duration.ofSeconds(6).toNanos();
        while (System.nanoTime() < end) {
          touch(one);
          touch(two);
          Thread.sleep(100);
        }
        numbers.stop();
        touch(one);
        touch(two);
        numbers.verify("one", first);
        numbers.verify("two", second);
      }
    });
  }

  /** An operation now and then, so that an expired login is renewed. */
  private static void work(RegionService view, Duration time) throws InterruptedException {
    long end = System.nanoTime() + time.toNanos();
    while (System.nanoTime() < end) {
      touch(view);
      Thread.sleep(100);
    }
  }

  private static void touch(RegionService view) {
    view.<Object, Object>getRegion("/" + REGION).get("nothing");
  }

  private Heard query(RegionService view, String name, String text) throws Exception {
    Heard heard = new Heard();
    CqQuery query = Listening.query(view.getQueryService(), name, text, heard.query(), false);
    query.execute();
    return heard;
  }

  private TokenSource sources() {
    Users users = context.users();
    TokenSource brief = users.fresh("brief", BRIEF);
    return Users.byView(Map.of(
        "steady", users.fresh("steady", Listening.LONG),
        "other", users.fresh("other", Listening.LONG),
        "stranger", users.fresh("stranger", Listening.LONG, "grid:data:read:stock"),
        "brief too", users.fresh("brief-too", BRIEF),
        "brief", given -> {
          if (broken.get()) {
            throw new IllegalStateException("the provider of this user is out of order");
          }
          return brief.credentials(given);
        }));
  }

  @FunctionalInterface
  private interface Body {
    void run(Client client) throws Exception;
  }

  /** On an empty region, with a client of its own. */
  private void users(String name, String geode, Body body) {
    context.runner().run(name, LIMIT_SECONDS, Listening.tooMuchForGeode(context, false, geode), () -> {
      peer.clear(REGION);
      broken.set(false);
      try (Client client = new Client.Config(context.node()).multiUser().feed().open(sources())) {
        client.proxy(REGION);
        body.run(client);
      }
    });
  }
}
