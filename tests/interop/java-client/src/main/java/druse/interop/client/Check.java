package druse.interop.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** Assertions. Exceptions are compared by name: the 1.14 client lacks some of the classes. */
final class Check {
  /** An operation that is expected to fail or not to. */
  @FunctionalInterface
  interface Action {
    void run() throws Exception;
  }

  private Check() {}

  static void that(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }

  /** Equal, whatever kind of list, set or map it is. */
  static void same(Object expected, Object found) {
    boolean loose = expected instanceof List<?> || expected instanceof Map<?, ?> || expected instanceof Set<?>;
    if (!(loose ? expected.equals(found) : equal(expected, found))) {
      throw new AssertionError("expected " + show(expected) + ", found " + show(found));
    }
  }

  /** Equal and of the same class. */
  static void identical(Object expected, Object found) {
    if (!equal(expected, found)) {
      throw new AssertionError("expected " + show(expected) + ", found " + show(found));
    }
  }

  /**
   * Runs the action, which must fail; in the chain of causes, itself included, the simple class names given must stand
   * in that order, with anything between them.
   */
  static Throwable fails(Action action, String... classes) {
    try {
      action.run();
    } catch (Throwable failure) {
      Iterator<String> wanted = Arrays.asList(classes).iterator();
      String next = wanted.hasNext() ? wanted.next() : null;
      for (Throwable cause = failure; cause != null && next != null; cause = cause.getCause()) {
        if (cause.getClass().getSimpleName().equals(next)) {
          next = wanted.hasNext() ? wanted.next() : null;
        }
      }
      if (next != null) {
        throw new AssertionError("expected a failure with " + String.join(" <- ", classes) + ", got " + chain(failure),
            failure);
      }
      return failure;
    }
    throw new AssertionError("did not fail; expected " + String.join(" <- ", classes));
  }

  /** The chain of causes on one line. */
  static String chain(Throwable failure) {
    List<String> links = new ArrayList<>();
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      links.add(cause.getClass().getSimpleName() + "(" + cause.getMessage() + ")");
    }
    return String.join(" <- ", links);
  }

  /** Equality of values as users see it: arrays by content, also inside containers. */
  static boolean equal(Object left, Object right) {
    if (left == null || right == null) {
      return left == right;
    }
    if (left.getClass() != right.getClass()) {
      return false;
    }
    if (left instanceof IdentityHashMap<?, ?> map) {
      return new java.util.HashMap<>(map).equals(new java.util.HashMap<>((IdentityHashMap<?, ?>) right));
    }
    if (left instanceof List<?> list) {
      return equal(list.toArray(), ((List<?>) right).toArray());
    }
    if (left instanceof Object[] array) {
      Object[] other = (Object[]) right;
      boolean equal = array.length == other.length;
      for (int i = 0; equal && i < array.length; i++) {
        equal = equal(array[i], other[i]);
      }
      return equal;
    }
    if (left instanceof Map<?, ?> map && map.size() == ((Map<?, ?>) right).size()) {
      return map.entrySet().stream().allMatch(entry -> equal(entry.getValue(), ((Map<?, ?>) right).get(entry.getKey())));
    }
    if (left instanceof StringBuilder || left instanceof StringBuffer) {
      return left.toString().equals(right.toString());
    }
    if (left instanceof Throwable throwable) {
      return Objects.equals(throwable.getMessage(), ((Throwable) right).getMessage());
    }
    return Objects.deepEquals(left, right);
  }

  private static String show(Object value) {
    String text = value == null ? "null" : value.getClass().getSimpleName() + " " + Arrays.deepToString(new Object[] {value});
    return text.length() > 200 ? text.substring(0, 200) + "…" : text;
  }
}
