package druse.interop.app;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;

import org.apache.geode.cache.Region;

/** The application: clerks who take orders out of a stock, move them on, and look at them. */
final class Shop {
  private static final int ITEMS = 16;
  private static final int PIECES = 1_000_000_000;
  private static final int OPEN_ORDERS = 100;

  private final Region<String, Order> orders;
  private final Region<String, Integer> stock;
  private final AtomicLong operations = new AtomicLong();
  private final AtomicLong[] sold = new AtomicLong[ITEMS];
  private final Map<String, Order> open = new java.util.concurrent.ConcurrentHashMap<>();
  private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
  private final AtomicLong failed = new AtomicLong();

  Shop(Region<String, Order> orders, Region<String, Integer> stock) {
    this.orders = orders;
    this.stock = stock;
    for (int i = 0; i < ITEMS; i++) {
      sold[i] = new AtomicLong();
    }
  }

  long operations() {
    return operations.get();
  }

  long failed() {
    return failed.get();
  }

  /** The first failures, for the report. */
  List<Throwable> failures() {
    return new ArrayList<>(failures);
  }

  void fillShelves() {
    Map<String, Integer> shelves = new HashMap<>();
    for (int i = 0; i < ITEMS; i++) {
      shelves.put("item-" + i, PIECES);
    }
    orders.clear();
    stock.putAll(shelves);
  }

  /** One clerk's day, until {@code end} (nanoTime). */
  void work(int clerk, long end) {
    ArrayDeque<String> mine = new ArrayDeque<>();
    for (int number = 0; System.nanoTime() < end; number++) {
      try {
        take(clerk, number, mine);
        if (mine.size() > OPEN_ORDERS) {
          ship(mine.poll());
        }
        if (number % 50 == 0) {
          review(mine);
        }
      } catch (Throwable failure) {
        failed.incrementAndGet();
        if (failures.size() < 10) {
          failures.add(failure);
        }
      }
    }
  }

  /** Compares what the clerks were told with what the regions hold; returns the differences. */
  List<String> audit() {
    List<String> differences = new ArrayList<>();
    for (int i = 0; i < ITEMS; i++) {
      long left = stock.get("item-" + i);
      if (left + sold[i].get() != PIECES) {
        differences.add("item-" + i + ": sold " + sold[i] + ", but " + (PIECES - left) + " are missing");
      }
    }
    if (!orders.keySetOnServer().equals(open.keySet())) {
      differences.add("other orders are open than the clerks know of");
    }
    orders.getAll(open.keySet()).forEach((id, order) -> {
      if (!open.get(id).equals(order)) {
        differences.add("expected " + open.get(id) + ", found " + order);
      }
    });
    return differences;
  }

  private void take(int clerk, int number, ArrayDeque<String> mine) {
    int item = ThreadLocalRandom.current().nextInt(ITEMS);
    Order order = new Order("o-" + clerk + "-" + number, "item-" + item, 1, "taken");
    takeFromShelf(item);
    demand(orders.putIfAbsent(id(clerk, number), order) == null, order + " was there already");
    open.put(id(clerk, number), order);
    mine.add(id(clerk, number));
    operations.incrementAndGet();
    Order paid = order.in("paid");
    demand(orders.replace(id(clerk, number), order, paid), order + " was not there");
    open.put(id(clerk, number), paid);
    operations.incrementAndGet();
  }

  /** Everybody takes from the same shelves: whoever was overtaken looks again. */
  private void takeFromShelf(int item) {
    String key = "item-" + item;
    while (true) {
      Integer left = stock.get(key);
      boolean taken = stock.replace(key, left, left - 1);
      operations.addAndGet(2);
      if (taken) {
        sold[item].incrementAndGet();
        return;
      }
    }
  }

  private void ship(String id) {
    Order order = orders.get(id);
    demand(order != null && order.equals(open.get(id)), "expected " + open.get(id) + ", found " + order);
    demand(orders.remove(id, order), order + " was not there");
    open.remove(id);
    operations.addAndGet(2);
  }

  private void review(ArrayDeque<String> mine) {
    Map<String, Order> found = orders.getAll(mine);
    for (String id : mine) {
      demand(open.get(id).equals(found.get(id)), "expected " + open.get(id) + ", found " + found.get(id));
    }
    operations.incrementAndGet();
  }

  private static String id(int clerk, int number) {
    return "o-" + clerk + "-" + number;
  }

  private static void demand(boolean holds, String otherwise) {
    if (!holds) {
      throw new IllegalStateException(otherwise);
    }
  }
}
