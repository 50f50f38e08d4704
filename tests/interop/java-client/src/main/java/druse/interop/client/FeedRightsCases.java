package druse.interop.client;

import static druse.interop.client.Check.fails;
import static druse.interop.client.Check.same;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.RegionService;
import org.apache.geode.cache.client.ClientRegionShortcut;
import org.apache.geode.cache.query.CqQuery;

/** Logins that end while a feed is being arranged, and logins that come back with other rights. */
final class FeedRightsCases {
  private static final String REGION = "orders";
  private static final String EVERYTHING = "SELECT * FROM /orders";
  private static final Duration BRIEF = Duration.ofMillis(600);
  private static final int LIMIT_SECONDS = 60;

  private final Suite.Context context;
  private final Peer peer;
  /** While it is not set, tokens are brief. */
  private final AtomicBoolean renewed = new AtomicBoolean();

  private FeedRightsCases(Suite.Context context, Peer peer) {
    this.context = context;
    this.peer = peer;
  }

  static void run(Suite.Context context) throws Exception {
    try (Peer peer = Listening.peer(context)) {
      FeedRightsCases cases = new FeedRightsCases(context, peer);
      cases.interestAfterExpiry();
      cases.queriesAfterExpiry();
      cases.fewerRights();
      cases.fewerRightsOfOne();
    }
  }

  private void interestAfterExpiry() {
    afterExpiry("register a key", region -> region.registerInterest("a"), true);
    afterExpiry("register a list", region -> region.registerInterest(List.of("a", "b")), true);
    afterExpiry("register an expression", region -> region.registerInterestRegex("a.*"), true);
    afterExpiry("register all keys", region -> region.registerInterestForAllKeys(), true);
    afterExpiry("unregister", region -> region.unregisterInterest("a"), false);
  }

  @FunctionalInterface
  private interface Wish {
    void on(Region<Object, Object> region);
  }

  private void afterExpiry(String name, Wish wish, boolean told) {
    String mark = Listening.tooMuchForGeode(context, true, "the feed of an old client ends at its expiry, with what is due");
    context.runner().run("first after expiry: " + name, LIMIT_SECONDS, mark, () -> {
      peer.clear(REGION);
      renewed.set(false);
      TokenSource source = given -> TokenSource.token(context.users().issuer().mint("listener", life(), Users.everythingAndQueries()));
      try (Client client = new Client.Config(context.node()).feed().open(source)) {
        Listening listening = new Listening(client, peer).fenced();
        Heard heard = listening.region(REGION, ClientRegionShortcut.CACHING_PROXY);
        if (!told) {
          listening.of(REGION).registerInterest("a");
        }
        expire();
        wish.on(listening.of(REGION));
        peer.put(REGION, "a", 1);
        listening.fence();
        same(told ? List.of("create a=1") : List.of(), heard.texts());
      }
    });
  }

  /** As one of several users, whom nobody can ask to log in again before a request of theirs is refused. */
  private void queriesAfterExpiry() {
    query("execute", query -> query.execute(), true);
    query("execute with initial results", query -> same(0, query.executeWithInitialResults().size()), true);
    query("stop", query -> {
      query.execute();
      expire();
      query.stop();
    }, false);
    query("close", query -> {
      query.execute();
      expire();
      query.close();
    }, false);
  }

  @FunctionalInterface
  private interface Step {
    void on(CqQuery query) throws Exception;
  }

  private void query(String name, Step step, boolean told) {
    context.runner().run("first after expiry, one of several users: " + name + " a query", () -> {
      peer.clear(REGION);
      renewed.set(false);
      TokenSource source = given -> TokenSource.token(context.users().issuer().mint("listener", life(), Users.everythingAndQueries()));
      try (Client client = new Client.Config(context.node()).feed().multiUser().open(source)) {
        client.proxy(REGION);
        RegionService view = client.view("listener");
        Region<Object, Object> region = view.getRegion("/" + REGION);
        region.get("nothing");
        Heard heard = new Heard();
        CqQuery query = Listening.query(view.getQueryService(), "mine", EVERYTHING, heard.query(), false);
        if (told) {
          expire();
        }
        step.on(query);
        region.put("a", 1);
        Heard fence = new Heard();
        Listening.query(view.getQueryService(), "fence", EVERYTHING, fence.query(), false).execute();
        region.put("b", 1);
        fence.await("create b=1");
        same(told ? List.of("create a=1", "create b=1") : List.of(), told(heard));
      }
    });
  }

  private void expire() throws InterruptedException {
    Thread.sleep(BRIEF.toMillis() + 50);
    renewed.set(true);
  }

  private Duration life() {
    return renewed.get() ? Listening.LONG : BRIEF;
  }

  /**
   * Two regions were wanted; whoever logs in again, be it before the end, may read one of them only. An old client opens
   * a new feed then and asks for both again; refused one of them, it goes without a feed, and tries again for ever.
   */
  private void fewerRights() {
    String mark = Listening.tooMuchForGeode(context, false, "an event that the new login may not read stops the feed for good");
    context.runner().run("back with fewer rights: only those events end", LIMIT_SECONDS, mark, () -> {
      peer.clear(REGION);
      renewed.set(false);
      TokenSource source = given -> TokenSource.token(context.users().issuer().mint("listener", life(), scopes()));
      try (Client client = new Client.Config(context.node()).feed().open(source)) {
        Listening listening = new Listening(client, peer).fenced();
        Heard heard = listening.region(REGION, ClientRegionShortcut.PROXY);
        listening.of(REGION).registerInterestForAllKeys();
        peer.put(REGION, "a", 1);
        heard.await("create a=1");
        renewed.set(true);
        expire();
        peer.put(REGION, "a", 2);
        if (Listening.oldClient()) {
          Thread.sleep(1_000);
        } else {
          listening.fence();
        }
        same(List.of("create a=1"), heard.texts());
        RightsCases.refused(() -> listening.of(REGION).get("a"));
      }
    });
  }

  /** One change is for two users of one client, one of whom may not read it any more. */
  private void fewerRightsOfOne() {
    String mark = Listening.tooMuchForGeode(context, false, "one user's refusal drops the event for every user of the client");
    context.runner().run("one of two users back with fewer rights: the other is told", LIMIT_SECONDS, mark, () -> {
      peer.clear(REGION);
      renewed.set(false);
      TokenSource source = Users.byView(Map.of("steady", context.users().fresh("steady", Listening.LONG),
          "brief", given -> TokenSource.token(context.users().issuer().mint("brief", life(), scopes()))));
      try (Client client = new Client.Config(context.node()).feed().multiUser().open(source)) {
        client.proxy(REGION);
        client.proxy("stock");
        Heard steady = query(client.view("steady"), "steady");
        RegionService view = client.view("brief");
        Heard brief = query(view, "brief");
        peer.put(REGION, "a", 1);
        steady.await("create a=1");
        brief.await("create a=1");
        expire();
        view.<Object, Object>getRegion("/stock").get("nothing");
        peer.put(REGION, "a", 2);
        peer.put(REGION, "a", 3);
        steady.await("update a=3");
        same(List.of("create a=1", "update a=2", "update a=3"), steady.texts());
        same(List.of("create a=1"), told(brief));
        fails(() -> view.<Object, Object>getRegion("/orders").get("a"), "NotAuthorizedException");
      }
    });
  }

  /** Without the notice of ours to a query whose user ought to log in again. */
  private static List<String> told(Heard heard) {
    return heard.texts().stream().filter(text -> !text.startsWith("error")).toList();
  }

  private static Heard query(RegionService view, String name) throws Exception {
    Heard heard = new Heard();
    Listening.query(view.getQueryService(), name, EVERYTHING, heard.query(), false).execute();
    return heard;
  }

  private String[] scopes() {
    return renewed.get() ? new String[] {"grid:data:read:stock"} : new String[] {"grid:data:read:stock", "grid:data:read:orders"};
  }
}
