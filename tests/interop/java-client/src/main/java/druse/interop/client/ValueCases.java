package druse.interop.client;

import static druse.interop.client.Check.identical;

import java.io.File;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.InetAddress;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Date;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Hashtable;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Stack;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.Vector;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

import org.apache.geode.cache.Region;

/** Every type of value there and back, alone and in bulk, and read again by a second client. */
final class ValueCases {
  private ValueCases() {}

  static void run(Suite.Context context) throws Exception {
    Map<String, Object> values = values();
    Client.Config config = new Client.Config(context.node());
    TokenSource source = context.users().fresh("alice", Duration.ofMinutes(5));
    try (Client client = config.open(source)) {
      Region<Object, Object> region = client.proxy("values");
      region.clear();
      values.forEach((name, value) -> context.runner().run(name, () -> {
        region.put(name, value);
        identical(value, region.get(name));
      }));
    }
    try (Client client = config.open(source)) {
      Region<Object, Object> region = client.proxy("values");
      context.runner().run("all of them read by another client, by getAll", () -> {
        Map<Object, Object> found = region.getAll(new ArrayList<>(values.keySet()));
        // A value that is an exception is taken by the client for the failure of its key.
        values.forEach((name, value) -> identical(value instanceof Throwable ? null : value, found.get(name)));
      });
      context.runner().run("all of them by putAll", () -> {
        region.putAll(values);
        values.forEach((name, value) -> identical(value, region.get(name)));
      });
      context.runner().run("all of them by putIfAbsent, which gives the old one", () -> {
        values.forEach((name, value) -> identical(value, region.putIfAbsent(name, "other")));
      });
      context.runner().run("all of them by replace, which gives the old one", () -> {
        values.forEach((name, value) -> identical(value, region.replace(name, value)));
      });
    }
  }

  private static Map<String, Object> values() throws Exception {
    Map<String, Object> values = new LinkedHashMap<>();
    scalars(values);
    texts(values);
    arrays(values);
    containers(values);
    objects(values);
    return values;
  }

  private static void scalars(Map<String, Object> values) {
    values.put("Integer", 5);
    values.put("Integer, smallest", Integer.MIN_VALUE);
    values.put("Long", 1L << 40);
    values.put("Short", (short) -2);
    values.put("Byte", (byte) -1);
    values.put("Character", 'ß');
    values.put("Boolean", true);
    values.put("Double", 3.25);
    values.put("Double, not a number", Double.NaN);
    values.put("Float", -0.0f);
    values.put("Date", new Date(1_700_000_000_123L));
    values.put("UUID", new UUID(1, 2));
    values.put("BigInteger", BigInteger.TWO.pow(200));
    values.put("BigDecimal", new BigDecimal("123.4500"));
    values.put("Timestamp", new Timestamp(1_700_000_000_123L));
    values.put("enum of the JDK", TimeUnit.SECONDS);
    values.put("Class", String.class);
    values.put("Class of a primitive", int.class);
    values.put("Locale", Locale.CANADA_FRENCH);
  }

  private static void texts(Map<String, Object> values) {
    values.put("String, empty", "");
    values.put("String, ASCII", "ascii");
    values.put("String, Latin", "é∑");
    values.put("String, with a zero", "a\0b");
    values.put("String, beyond the first plane", "𝄞 and 🦀");
    values.put("String, half a surrogate pair", "\ud800");
    values.put("String, 65535 ASCII", "x".repeat(65_535));
    values.put("String, 65536 ASCII", "x".repeat(65_536));
    values.put("String, 40000 two-byte", "ü".repeat(40_000));
    values.put("String, 1 million", "long ∑ ".repeat(150_000));
    values.put("StringBuilder", new StringBuilder("built"));
    values.put("StringBuffer", new StringBuffer("buffered"));
  }

  private static void arrays(Map<String, Object> values) {
    values.put("byte[], empty", new byte[0]);
    values.put("byte[]", new byte[] {1, 2, 3});
    values.put("byte[] of 252, 253, 65536", new Object[] {new byte[252], new byte[253], new byte[65_536]});
    values.put("short[]", new short[] {1, -1});
    values.put("char[]", new char[] {'a', 'ü'});
    values.put("int[]", new int[] {1, -1});
    values.put("long[]", new long[] {1, -1});
    values.put("float[]", new float[] {1, -1});
    values.put("double[]", new double[] {1, -1});
    values.put("boolean[]", new boolean[] {true, false});
    values.put("String[]", new String[] {"a", null, "ü"});
    values.put("Object[]", new Object[] {1, "two", null, List.of(3).toString()});
    values.put("byte[][]", new byte[][] {{1}, null, {}});
    values.put("String[][]", new String[][] {{"a"}, {"b", "c"}});
    values.put("Integer[]", new Integer[] {1, null});
    values.put("Date[]", new Date[] {new Date(0)});
  }

  private static void containers(Map<String, Object> values) {
    values.put("ArrayList", new ArrayList<>(Arrays.asList(1, "a", null)));
    values.put("LinkedList", new LinkedList<>(List.of(1, "a")));
    values.put("Vector", new Vector<>(List.of(1, "a")));
    Stack<Object> stack = new Stack<>();
    stack.push("bottom");
    stack.push("top");
    values.put("Stack", stack);
    values.put("HashSet", new HashSet<>(List.of(1, "a")));
    values.put("LinkedHashSet", new LinkedHashSet<>(List.of(1, "a")));
    values.put("TreeSet", new TreeSet<>(List.of("b", "a")));
    values.put("HashMap", new HashMap<>(Map.of("a", 1, "b", new ArrayList<>(List.of(2)))));
    values.put("LinkedHashMap", new LinkedHashMap<>(Map.of("a", 1)));
    values.put("TreeMap", new TreeMap<>(Map.of("a", 1, "b", 2)));
    values.put("TreeMap with a comparator", reversed());
    values.put("Hashtable", new Hashtable<>(Map.of("a", 1)));
    values.put("IdentityHashMap", new IdentityHashMap<>(Map.of("a", 1)));
    values.put("ConcurrentHashMap", new ConcurrentHashMap<>(Map.of("a", 1)));
    Properties properties = new Properties();
    properties.setProperty("a", "b");
    values.put("Properties", properties);
    values.put("immutable List", List.of(1, 2, 3));
    values.put("immutable Map", Map.of("a", 1));
    values.put("EnumSet", EnumSet.of(TimeUnit.DAYS));
    values.put("BitSet", BitSet.valueOf(new long[] {5}));
    values.put("ArrayList of 300", new ArrayList<>(java.util.Collections.nCopies(300, "x")));
    Object nested = "core";
    for (int i = 0; i < 50; i++) {
      nested = new ArrayList<>(List.of(nested));
    }
    values.put("50 nested lists", nested);
  }

  private static TreeMap<String, Integer> reversed() {
    TreeMap<String, Integer> map = new TreeMap<>(java.util.Collections.reverseOrder());
    map.putAll(Map.of("a", 1, "b", 2));
    return map;
  }

  private static void objects(Map<String, Object> values) throws Exception {
    values.put("InetAddress", InetAddress.getByAddress(new byte[] {127, 0, 0, 1}));
    values.put("File", new File("/absolute/file"));
    values.put("LocalDate", LocalDate.of(2026, 2, 28));
    values.put("Instant", Instant.ofEpochSecond(1, 2));
    values.put("Exception", new IllegalStateException("kept"));
    values.put("Serializable of ours", new Things.Ticket("T-1", 3));
    values.put("DataSerializable of ours", new Things.Point(3, 4));
    values.put("enum of ours", Things.Colour.GREEN);
    values.put("list of DataSerializable of ours", new ArrayList<>(List.of(new Things.Point(1, 2), new Things.Point(3, 4))));
    values.put("record", new Things.Pair("left", 2));
    values.put("ArrayDeque in a list by its text", new ArrayList<>(List.of(new ArrayDeque<>(List.of(1)).toString())));
  }
}
