package druse.interop.client;

import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;

/** Two applications at once: local copies that converge, registration under a writer, and a listener that is slow. */
final class TogetherCases {
  private static final String REGION = "orders";
  private static final int SHARED_KEYS = 20;
  private static final int ROUNDS = 400;
  private static final int WAITING = 1_500;
  /** Together with {@link #WAITING}, much more than the buffers of the sockets take. */
  private static final String PADDING = "x".repeat(8_000);

  private final Suite.Context context;
  private final Peer peer;

  TogetherCases(Suite.Context context, Peer peer) {
    this.context = context;
    this.peer = peer;
  }

  void all() {
    context.runner().run("a local copy under 2000 changes of all kinds is the node's copy", this::copied);
    context.runner().run("two applications change the same keys: both copies are the node's", this::converging);
    context.runner().run("two applications: each is told of the other's changes only", this::eachOther);
    context.runner().run("registered under a running writer: no gap and no double", this::registeredLate);
    context.runner().run("a slow listener is told everything", () -> slow("false", true));
    context.runner().run("a slow listener that wants the newest only", () -> slow("true", false));
  }

  private Listening open(String conflation) {
    peer.clear(REGION);
    Client.Config config = new Client.Config(context.node()).feed().set("conflate-events", conflation);
    return new Listening(config.open(Listening.listener(context, Listening.LONG)), peer).fenced();
  }

  private void copied() throws Exception {
    try (Listening listening = open("server")) {
      Heard heard = listening.region(REGION, ClientRegionShortcut.CACHING_PROXY);
      listening.of(REGION).registerInterestForAllKeys();
      Random random = new Random(1);
      for (int i = 0; i < 2_000; i++) {
        change(random, i);
      }
      listening.fence();
      same(peer.contents(REGION), Heard.cached(listening.of(REGION)));
      that(heard.size() > 1_000, "the listener was told");
    }
  }

  private void change(Random random, int value) {
    Object key = "k" + random.nextInt(SHARED_KEYS);
    switch (random.nextInt(12)) {
      case 0, 1 -> peer.destroy(REGION, key);
      case 2 -> peer.putAll(REGION, Map.of("k98", value, "k99", value, key, value), null);
      case 3 -> peer.removeAll(REGION, List.of("k1", "k3"), null);
      case 4 -> peer.invalidate(REGION, key, null);
      case 5 -> {
        if (random.nextInt(20) == 0) {
          peer.clear(REGION);
        }
      }
      default -> peer.put(REGION, key, value);
    }
  }

  /** The order of a reply and of an event about one key is told by their version tags alone. */
  private void converging() throws Exception {
    try (Listening listening = open("server")) {
      listening.region(REGION, ClientRegionShortcut.CACHING_PROXY);
      Region<Object, Object> ours = listening.of(REGION);
      ours.registerInterestForAllKeys();
      peer.cache(REGION);
      ExecutorService threads = Executors.newFixedThreadPool(2);
      Future<?> one = threads.submit(() -> mixed(1, ours));
      Future<?> two = threads.submit(() -> mixed(2, null));
      one.get();
      two.get();
      threads.shutdown();
      listening.fence();
      Map<Object, Object> copy = Heard.cached(ours);
      awaitPeer(() -> copy.equals(peer.cached(REGION)));
      same(copy, peer.cached(REGION));
      peer.forget(REGION);
      same(peer.contents(REGION), copy);
    } finally {
      peer.forget(REGION);
    }
  }

  /** The peer's feed has no fence of its own. */
  private static void awaitPeer(BooleanSupplier reached) throws InterruptedException {
    for (int tries = 0; tries < 200 && !reached.getAsBoolean(); tries++) {
      Thread.sleep(50);
    }
  }

  private void mixed(int seed, Region<Object, Object> ours) {
    Random random = new Random(seed);
    for (int i = 0; i < ROUNDS; i++) {
      Object key = "k" + random.nextInt(SHARED_KEYS);
      Object value = seed * 10_000 + i;
      boolean destroy = random.nextInt(4) == 0;
      if (ours == null && destroy) {
        peer.destroy(REGION, key);
      } else if (ours == null) {
        peer.put(REGION, key, value);
      } else if (destroy) {
        ours.remove(key);
      } else {
        ours.put(key, value);
      }
    }
  }

  private void eachOther() throws Exception {
    try (Listening listening = open("server")) {
      Heard heard = listening.region(REGION, ClientRegionShortcut.CACHING_PROXY);
      Region<Object, Object> ours = listening.of(REGION);
      ours.registerInterestForAllKeys();
      peer.cache(REGION);
      List<String> fromUs = new ArrayList<>();
      List<String> fromPeer = new ArrayList<>();
      for (int i = 0; i < 50; i++) {
        ours.put("ours-" + i, i);
        fromUs.add("create ours-" + i + "=" + i);
        peer.put(REGION, "peers-" + i, i);
        fromPeer.add("create peers-" + i + "=" + i);
      }
      listening.fence();
      same(fromPeer, heard.events().stream().filter(Heard.Event::remote).map(Heard.Event::text).toList());
      awaitPeer(() -> peer.heard(REGION).size() >= 100);
      List<String> heardByPeer = new ArrayList<>(peer.heard(REGION));
      heardByPeer.removeAll(fromPeer);
      same(fromUs, heardByPeer);
    } finally {
      peer.forget(REGION);
    }
  }

  /** Every event continues from what the copy held before, also the first one after the snapshot. */
  private void registeredLate() throws Exception {
    for (int round = 0; round < 5; round++) {
      try (Listening listening = open("server"); Numbers numbers = new Numbers(peer, List.of(REGION), 10, 0).start()) {
        Heard heard = listening.region(REGION, ClientRegionShortcut.CACHING_PROXY);
        Thread.sleep(100 + 30L * round);
        listening.of(REGION).registerInterestForAllKeys();
        Thread.sleep(150);
        numbers.stop();
        listening.fence();
        same(peer.contents(REGION), Heard.cached(listening.of(REGION)));
        that(heard.size() > 0, "the listener was told");
        long again = heard.events().stream().filter(event -> event.value().equals(event.old())).count();
        for (Heard.Event event : heard.events()) {
          int before = event.old() == null ? 0 : (Integer) event.old();
          that((Integer) event.value() <= before + 1, event + " leaves something out");
        }
        // Geode tells some changes that the snapshot holds already.
        that(again == 0 || context.target().isGeode(), again + " changes were told although the snapshot held them");
      }
    }
  }

  /** The feed stands still while {@link #WAITING} updates of one key are made, and of another key two. */
  private void slow(String conflation, boolean everything) throws Exception {
    try (Listening listening = open(conflation)) {
      Heard heard = listening.region(REGION, ClientRegionShortcut.PROXY);
      listening.of(REGION).registerInterestForAllKeys();
      CountDownLatch gate = heard.standStill();
      for (int i = 0; i < WAITING; i++) {
        peer.put(REGION, "k", i + PADDING);
      }
      peer.put(REGION, "other", 1);
      peer.destroy(REGION, "other");
      gate.countDown();
      listening.fence();
      List<Integer> numbers = heard.values("k").stream().map(value -> Integer.parseInt(((String) value).replace("x", ""))).toList();
      System.out.printf("      %d updates, %d told%n", WAITING, numbers.size());
      same(numbers.stream().sorted().distinct().toList(), numbers);
      same(WAITING - 1, numbers.get(numbers.size() - 1));
      same(0, numbers.get(0));
      that(everything ? numbers.size() == WAITING : numbers.size() < WAITING, numbers.size() + " of " + WAITING + " were told");
      that(heard.texts().containsAll(List.of("create other=1", "destroy other")), "a creation and an end are never left out");
    }
  }
}
