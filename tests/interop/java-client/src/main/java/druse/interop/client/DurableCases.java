package druse.interop.client;

import static druse.interop.client.Check.fails;
import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;

import org.apache.geode.cache.InterestResultPolicy;
import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;
import org.apache.geode.cache.query.CqQuery;

/** Clients whose feed outlives them: they go away, and what they missed waits for them. */
final class DurableCases {
  private static final String REGION = "orders";
  private static final String EVERYTHING = "SELECT * FROM /orders";
  /** The node has no queue for this client, and knows of none. */
  private static final int NO_QUEUE = -2;
  /** It had one, and its time ran out. */
  private static final int TIMED_OUT = -1;
  private static final int VISITS = 10;

  private final Suite.Context context;
  private final Peer peer;
  private int clients;

  private DurableCases(Suite.Context context, Peer peer) {
    this.context = context;
    this.peer = peer;
  }

  static void run(Suite.Context context) throws Exception {
    try (Peer peer = Listening.peer(context)) {
      DurableCases cases = new DurableCases(context, peer);
      cases.away(ClientRegionShortcut.PROXY);
      cases.away(ClientRegionShortcut.CACHING_PROXY);
      cases.often();
      cases.notKept();
      cases.onlyWhatIsDurable();
      cases.queries();
      cases.notBeforeReady();
    }
  }

  private void away(ClientRegionShortcut shortcut) {
    durable("away and back, " + shortcut, id -> {
      try (Listening first = come(id, 60)) {
        Heard heard = interested(first, shortcut);
        first.client.cache().readyForEvents();
        write(1, 100);
        first.fencedByQuery().fence();
        same(numbers(1, 100), heard.values("k"));
        settle();
        first.client.close(true);
      }
      write(101, 300);
      try (Listening second = come(id, 60)) {
        Heard heard = interested(second, shortcut);
        int pending = pending(second);
        that(pending >= 200 && pending <= 202, "200 events wait, and perhaps a marker: " + pending);
        second.client.cache().readyForEvents();
        fails(() -> pending(second), "IllegalStateException");
        write(301, 310);
        second.fencedByQuery().fence();
        same(numbers(101, 310), heard.values("k"));
        that(heard.live(), "told that what waited has come");
        second.client.close(false);
      }
    });
  }

  private void often() {
    durable("away ten times under a writer", id -> {
      Heard all = new Heard();
      try (Numbers numbers = new Numbers(peer, List.of(REGION), 3, 2)) {
        for (int visit = 0; visit < VISITS; visit++) {
          all = all.and(visit(id, numbers, visit));
        }
        numbers.verify("ten visits", all);
      }
    });
  }

  /** Leaves when all that was written so far has been told and acknowledged; the writer goes on meanwhile. */
  private Heard visit(String id, Numbers numbers, int visit) throws Exception {
    try (Listening listening = come(id, 60)) {
      Heard heard = interested(listening, ClientRegionShortcut.PROXY);
      listening.client.cache().readyForEvents();
      if (visit == 0) {
        numbers.start();
      }
      Thread.sleep(150);
      numbers.pause();
      if (numbers.written() > 0) {
        String key = Numbers.key(2);
        Object reached = numbers.written();
        heard.await(key + "=" + reached, event -> key.equals(event.key()) && reached.equals(event.value()));
      }
      settle();
      boolean last = visit + 1 == VISITS;
      listening.client.close(!last);
      if (last) {
        numbers.stop();
      } else {
        numbers.goOn();
        Thread.sleep(100);
      }
      return heard;
    }
  }

  private void notKept() {
    durable("gone for good: nothing is kept", id -> {
      try (Listening first = come(id, 60)) {
        same(NO_QUEUE, pending(first));
        interested(first, ClientRegionShortcut.PROXY);
        first.client.cache().readyForEvents();
        first.client.close(false);
      }
      write(1, 10);
      nothingWaits(id, NO_QUEUE);
    });
    durable("away for longer than agreed", id -> {
      try (Listening first = come(id, 1)) {
        interested(first, ClientRegionShortcut.PROXY);
        first.client.cache().readyForEvents();
        first.client.close(true);
      }
      write(1, 10);
      Thread.sleep(4_000);
      nothingWaits(id, TIMED_OUT);
    });
  }

  private void nothingWaits(String id, int answer) throws Exception {
    try (Listening again = come(id, 60)) {
      same(answer, pending(again));
      Heard heard = interested(again, ClientRegionShortcut.PROXY);
      again.client.cache().readyForEvents();
      write(11, 12);
      again.fencedByQuery().fence();
      same(numbers(11, 12), heard.values("k"));
      again.client.close(false);
    }
  }

  private void onlyWhatIsDurable() {
    durable("interest that is not durable ends with the client", id -> {
      for (boolean back : new boolean[] {false, true}) {
        try (Listening listening = come(id, 60)) {
          Heard heard = listening.region(REGION, ClientRegionShortcut.PROXY);
          Region<Object, Object> region = listening.of(REGION);
          region.registerInterest("k", InterestResultPolicy.NONE, true);
          if (!back) {
            region.registerInterest("other", InterestResultPolicy.NONE, false);
          }
          listening.client.cache().readyForEvents();
          listening.fencedByQuery().fence();
          same(back ? List.of("update k=1") : List.of(), heard.texts());
          listening.client.close(!back);
        }
        settle();
        peer.put(REGION, "k", 1);
        peer.put(REGION, "other", 1);
      }
    }, () -> {
      peer.put(REGION, "k", 0);
      peer.put(REGION, "other", 0);
    });
  }

  private void queries() {
    durable("durable queries", id -> {
      try (Listening first = come(id, 60)) {
        durableQuery(first, "kept", new Heard()).execute();
        durableQuery(first, "kept too", new Heard()).execute();
        first.query("not-kept", EVERYTHING);
        same(Set.of("kept", "kept too"), new TreeSet<>(first.queries().getAllDurableCqsFromServer()));
        first.client.cache().readyForEvents();
        first.client.close(true);
      }
      write(1, 50);
      try (Listening second = come(id, 60)) {
        same(Set.of("kept", "kept too"), new TreeSet<>(second.queries().getAllDurableCqsFromServer()));
        Heard kept = new Heard();
        Heard another = new Heard();
        durableQuery(second, "kept", kept).execute();
        CqQuery tooMany = durableQuery(second, "kept too", another);
        tooMany.execute();
        Heard fresh = second.query("not-kept", EVERYTHING);
        second.client.cache().readyForEvents();
        second.fencedByQuery().fence();
        same(numbers(1, 50), kept.values("k"));
        same(numbers(1, 50), another.values("k"));
        same(List.of(), fresh.texts());
        tooMany.close();
        same(List.of("kept"), second.queries().getAllDurableCqsFromServer());
        second.client.close(false);
      }
    });
  }

  private void notBeforeReady() {
    durable("nothing is told before the client is ready", id -> {
      try (Listening listening = come(id, 60)) {
        Heard heard = interested(listening, ClientRegionShortcut.PROXY);
        write(1, 20);
        settle();
        same(List.of(), heard.texts());
        listening.client.cache().readyForEvents();
        listening.fencedByQuery().fence();
        same(numbers(1, 20), heard.values("k"));
        listening.client.close(false);
      }
    });
  }

  private Listening come(String id, int timeoutSeconds) {
    Client.Config config = new Client.Config(context.node()).durable(id, timeoutSeconds);
    return new Listening(config.open(Listening.listener(context, Listening.LONG)), peer);
  }

  private static Heard interested(Listening listening, ClientRegionShortcut shortcut) {
    Heard heard = listening.region(REGION, shortcut);
    listening.of(REGION).registerInterestForAllKeys(InterestResultPolicy.NONE, true);
    return heard;
  }

  private static CqQuery durableQuery(Listening listening, String name, Heard heard) throws Exception {
    return Listening.query(listening.queries(), name, EVERYTHING, heard.query(), true);
  }

  private static int pending(Listening listening) {
    return listening.client.cache().getDefaultPool().getPendingEventCount();
  }

  /** What was told is acknowledged some 100 ms later; an event without its acknowledgement may come again. */
  private static void settle() throws InterruptedException {
    Thread.sleep(400);
  }

  private void write(int from, int to) {
    IntStream.rangeClosed(from, to).forEach(number -> peer.put(REGION, "k", number));
  }

  private static List<Object> numbers(int from, int to) {
    return IntStream.rangeClosed(from, to).<Object>mapToObj(number -> number).toList();
  }

  @FunctionalInterface
  private interface Body {
    void run(String id) throws Exception;
  }

  private void durable(String name, Body body) {
    durable(name, body, () -> { });
  }

  /** On a region with nothing in it but what is put there first, for an id that nobody has had. */
  private void durable(String name, Body body, Runnable first) {
    String id = "durable-" + ProcessHandle.current().pid() + "-" + clients++;
    context.runner().run(name, () -> {
      peer.clear(REGION);
      first.run();
      body.run(id);
    });
  }
}
