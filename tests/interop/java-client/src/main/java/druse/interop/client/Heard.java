package druse.interop.client;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

import org.apache.geode.cache.EntryEvent;
import org.apache.geode.cache.Region;
import org.apache.geode.cache.RegionEvent;
import org.apache.geode.cache.query.CqEvent;
import org.apache.geode.cache.query.CqListener;
import org.apache.geode.cache.query.CqStatusListener;
import org.apache.geode.cache.util.CacheListenerAdapter;

/**
 * What listeners of one region or one query were told, in the order in which they were told. They run on the feed
 * thread of the client, the case that looks at this on another.
 */
final class Heard {
  /** How long a case waits for an event that must come; several times what the slowest takes. */
  private static final long PATIENCE_SECONDS = 30;

  /**
   * One call of a listener.
   *
   * @param what create, update, destroy, invalidate, clear; or error, connected, disconnected
   * @param old what the local copy held before; null for queries
   * @param remote whether it came by the feed, and not from an operation of this very client
   * @param nanos when, as {@link System#nanoTime} counts
   */
  record Event(String what, Object key, Object old, Object value, Object callback, boolean remote, long nanos) {
    /** {@code create k=1}, {@code destroy k}, {@code clear}. */
    String text() {
      return what + (key == null ? "" : " " + key) + (value == null ? "" : "=" + value);
    }
  }

  private final List<Event> events = new ArrayList<>();
  private volatile boolean live;
  private volatile CountDownLatch gate = new CountDownLatch(0);

  /** Listens to that region. */
  Region<Object, Object> listen(Region<Object, Object> region) {
    region.getAttributesMutator().addCacheListener(new ForRegion());
    return region;
  }

  /** To be given to a continuous query. */
  CqListener query() {
    return new ForQuery();
  }

  /** The same, which is also told when the feed ends and when there is one again. */
  CqListener queryAndStatus() {
    return new ForStatus();
  }

  /** Listeners stand still, and with them the client's feed, until the latch that this returns is counted down. */
  CountDownLatch standStill() {
    gate = new CountDownLatch(1);
    return gate;
  }

  /** What was told here, and then what was told there. */
  Heard and(Heard later) {
    Heard both = new Heard();
    both.events.addAll(events());
    both.events.addAll(later.events());
    return both;
  }

  synchronized List<Event> events() {
    return new ArrayList<>(events);
  }

  List<String> texts() {
    return events().stream().map(Event::text).toList();
  }

  /** The values told for one key, in order. */
  List<Object> values(Object key) {
    return events().stream().filter(event -> key.equals(event.key())).map(Event::value).toList();
  }

  /** Whether it was told that all that waited has come. */
  boolean live() {
    return live;
  }

  synchronized int size() {
    return events.size();
  }

  /** Waits until an event of that kind has come, however long ago; the first such one. */
  synchronized Event await(String what, Predicate<Event> wanted) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    for (int seen = 0;; ) {
      for (; seen < events.size(); seen++) {
        if (wanted.test(events.get(seen))) {
          return events.get(seen);
        }
      }
      long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
      if (left <= 0) {
        throw new AssertionError(what + " did not come; " + events.size() + " events did, the last ones "
            + events.subList(Math.max(0, events.size() - 5), events.size()));
      }
      wait(left);
    }
  }

  Event await(String text) throws InterruptedException {
    return await(text, event -> event.text().equals(text));
  }

  /** What the node has in that region; null for a key without a value. */
  static Map<Object, Object> contents(Region<Object, Object> region) {
    Set<Object> keys = region.keySetOnServer();
    Map<Object, Object> contents = new HashMap<>(region.getAll(keys));
    keys.forEach(key -> contents.putIfAbsent(key, null));
    return contents;
  }

  /** What the client keeps of it, without asking the node; null for a key without a value. */
  static Map<Object, Object> cached(Region<Object, Object> region) {
    Map<Object, Object> cached = new HashMap<>();
    for (Object key : region.keySet()) {
      Region.Entry<Object, Object> entry = region.getEntry(key);
      if (entry != null) {
        cached.put(key, entry.getValue());
      }
    }
    return cached;
  }

  private void add(String what, Object key, Object old, Object value, Object callback, boolean remote) {
    long nanos = System.nanoTime();
    try {
      gate.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    synchronized (this) {
      events.add(new Event(what, key, old, value, callback, remote, nanos));
      notifyAll();
    }
  }

  private final class ForRegion extends CacheListenerAdapter<Object, Object> {
    @Override
    public void afterCreate(EntryEvent<Object, Object> event) {
      entry("create", event, event.getNewValue());
    }

    @Override
    public void afterUpdate(EntryEvent<Object, Object> event) {
      entry("update", event, event.getNewValue());
    }

    @Override
    public void afterDestroy(EntryEvent<Object, Object> event) {
      entry("destroy", event, null);
    }

    @Override
    public void afterInvalidate(EntryEvent<Object, Object> event) {
      entry("invalidate", event, null);
    }

    @Override
    public void afterRegionClear(RegionEvent<Object, Object> event) {
      add("clear", null, null, null, event.getCallbackArgument(), event.isOriginRemote());
    }

    @Override
    public void afterRegionLive(RegionEvent<Object, Object> event) {
      live = true;
    }

    private void entry(String what, EntryEvent<Object, Object> event, Object value) {
      add(what, event.getKey(), event.getOldValue(), value, event.getCallbackArgument(), event.isOriginRemote());
    }
  }

  private class ForQuery implements CqListener {
    @Override
    public void onEvent(CqEvent event) {
      String what = event.getQueryOperation().toString().toLowerCase(Locale.ROOT);
      add(what, event.getKey(), null, what.equals("destroy") ? null : event.getNewValue(), null, true);
    }

    @Override
    public void onError(CqEvent event) {
      add("error", event.getKey(), null, null, null, true);
    }
  }

  private final class ForStatus extends ForQuery implements CqStatusListener {
    @Override
    public void onCqConnected() {
      add("connected", null, null, null, null, true);
    }

    @Override
    public void onCqDisconnected() {
      add("disconnected", null, null, null, null, true);
    }
  }
}
