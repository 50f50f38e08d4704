package druse.interop.client;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs cases one after another, a line each, and counts. A case that hangs fails and is left behind. */
final class Runner {
  private static final long CASE_SECONDS = 60;

  private final String only;
  private final ExecutorService executor = Executors.newCachedThreadPool(task -> {
    Thread thread = new Thread(task, "case");
    thread.setDaemon(true);
    return thread;
  });
  private String group = "";
  private int passed;
  private int failed;
  private int beaten;

  /** @param only run the cases whose name contains this; null: all */
  Runner(String only) {
    this.only = only;
  }

  /** Cases from now on belong to this group. */
  void group(String name) {
    group = name;
  }

  void run(String name, Check.Action body) {
    run(name, CASE_SECONDS, body);
  }

  void run(String name, long seconds, Check.Action body) {
    run(name, seconds, null, body);
  }

  /**
   * A case that is too much for the node at hand, which is the real Geode then: it is run all the same, and what was
   * seen is printed as the mark to beat, but a failure is not counted as one.
   *
   * @param tooMuch why the node is expected to fail; null: it is not
   */
  void run(String name, long seconds, String tooMuch, Check.Action body) {
    String full = group + ": " + name;
    if (only != null && !full.contains(only)) {
      return;
    }
    long begun = System.nanoTime();
    Throwable failure = outcome(seconds, body);
    long millis = (System.nanoTime() - begun) / 1_000_000;
    if (failure != null && tooMuch != null) {
      beaten++;
      System.out.printf("mark  %s (%d ms), expected to fail on Geode: %s%n      seen: %s%n", full, millis, tooMuch,
          Check.chain(failure));
    } else if (failure == null) {
      passed++;
      System.out.printf("ok    %s (%d ms)%n", full, millis);
    } else {
      failed++;
      System.out.printf("FAIL  %s (%d ms)%n      %s%n", full, millis, Check.chain(failure));
      failure.printStackTrace(System.out);
    }
  }

  /** Counts a set-up that failed as a failed case. */
  void broken(String what, Throwable failure) {
    failed++;
    System.out.printf("FAIL  %s: %s%n      %s%n", group, what, Check.chain(failure));
    failure.printStackTrace(System.out);
  }

  int passed() {
    return passed;
  }

  int failed() {
    return failed;
  }

  /** How many cases failed on a node that was expected to fail them. */
  int beaten() {
    return beaten;
  }

  private Throwable outcome(long seconds, Check.Action body) {
    Thread[] worker = new Thread[1];
    Future<?> running = executor.submit(() -> {
      worker[0] = Thread.currentThread();
      body.run();
      return null;
    });
    try {
      running.get(seconds, TimeUnit.SECONDS);
      return null;
    } catch (ExecutionException failure) {
      return failure.getCause();
    } catch (TimeoutException hanging) {
      AssertionError error = new AssertionError("still running after " + seconds + " s");
      if (worker[0] != null) {
        error.setStackTrace(worker[0].getStackTrace());
      }
      running.cancel(true);
      return error;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return e;
    }
  }
}
