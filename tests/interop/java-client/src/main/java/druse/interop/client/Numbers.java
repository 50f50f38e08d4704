package druse.interop.client;

import static druse.interop.client.Check.that;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A steady writer: it puts 1, 2, 3 … under each of its keys, in turn and at an even pace, and remembers when it did.
 * Afterwards it can say what a listener missed.
 */
final class Numbers implements AutoCloseable {
  /** How long the end of a feed may be waited for: after a lost one, a client tries again every 10 s. */
  private static final long PATIENCE_SECONDS = 25;

  private final Peer peer;
  private final List<String> regions;
  private final int keys;
  private final long pauseNanos;
  /** When each number was first put, by region, in System.nanoTime; the key does not matter. */
  private final Map<String, List<Long>> begun = new ConcurrentHashMap<>();
  private final Thread thread = new Thread(this::write, "numbers");
  /** Fair, so that a pause comes after the round that runs. */
  private final ReentrantLock turn = new ReentrantLock(true);
  private volatile boolean stopping;
  private volatile int written;
  private volatile Throwable failure;

  /** @param pauseMillis between two puts */
  Numbers(Peer peer, List<String> regions, int keys, long pauseMillis) {
    this.peer = peer;
    this.regions = regions;
    this.keys = keys;
    this.pauseNanos = TimeUnit.MILLISECONDS.toNanos(pauseMillis);
    regions.forEach(region -> begun.put(region, new ArrayList<>()));
    thread.setDaemon(true);
  }

  Numbers start() {
    thread.start();
    return this;
  }

  /** The last number that stands under every key. */
  int written() {
    return written;
  }

  static String key(int number) {
    return "number-" + number;
  }

  /** Finishes the round that it is in and writes no more until {@link #goOn}, which the same thread must call. */
  void pause() {
    turn.lock();
  }

  void goOn() {
    turn.unlock();
  }

  /** Ends the writing, also out of a pause; from then on every number up to {@link #written} is on the node. */
  void stop() throws InterruptedException {
    stopping = true;
    if (turn.isHeldByCurrentThread()) {
      goOn();
    }
    thread.join();
    if (failure != null) {
      throw new AssertionError("the writer failed", failure);
    }
  }

  /** When that number was put into that region, under whichever key came first. */
  long begun(String region, int number) {
    List<Long> times = begun.get(region);
    synchronized (times) {
      return times.get(number - 1);
    }
  }

  /** Waits until a listener has heard that number under each key, or gives up: the verdict will say what is missing. */
  void awaitAll(Heard heard, int number) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (!heardAll(heard, number) && System.nanoTime() < end) {
      Thread.sleep(20);
    }
  }

  /** Every number from the first to the last once and in order, under each key. */
  void verify(String who, Heard heard) throws InterruptedException {
    int last = written;
    awaitAll(heard, last);
    int lost = 0;
    int doubled = 0;
    int disordered = 0;
    for (int key = 0; key < keys; key++) {
      Set<Object> seen = new HashSet<>();
      int highest = 0;
      for (Object value : heard.values(key(key))) {
        boolean again = !seen.add(value);
        doubled += again ? 1 : 0;
        disordered += !again && (Integer) value < highest ? 1 : 0;
        highest = Math.max(highest, (Integer) value);
      }
      lost += last - seen.size();
    }
    String text = "%s: of %d events %d lost, %d doubled, %d out of order".formatted(who, last * keys, lost, doubled, disordered);
    System.out.println("      " + text);
    that(lost + doubled + disordered == 0, text);
  }

  @Override
  public void close() {
    stopping = true;
  }

  private boolean heardAll(Heard heard, int number) {
    for (int key = 0; key < keys; key++) {
      if (!heard.values(key(key)).contains(number)) {
        return false;
      }
    }
    return true;
  }

  private void write() {
    try {
      for (int number = 1; !stopping; number++) {
        round(number);
      }
    } catch (Throwable thrown) {
      failure = thrown;
    }
  }

  private void round(int number) {
    turn.lock();
    try {
      if (stopping) {
        return;
      }
      for (int key = 0; key < keys; key++) {
        for (String region : regions) {
          put(region, key, number);
        }
      }
      written = number;
    } finally {
      turn.unlock();
    }
  }

  private void put(String region, int key, int number) {
    if (key == 0) {
      List<Long> times = begun.get(region);
      synchronized (times) {
        times.add(System.nanoTime());
      }
    }
    peer.put(region, key(key), number);
    LockSupport.parkNanos(pauseNanos);
  }
}
