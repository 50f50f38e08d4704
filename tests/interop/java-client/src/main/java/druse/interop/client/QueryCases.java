package druse.interop.client;

import static druse.interop.client.Check.fails;
import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.query.Query;
import org.apache.geode.cache.query.SelectResults;
import org.apache.geode.cache.query.Struct;

/** Queries asked once, of a node that has ten orders, some plain values and some maps. */
final class QueryCases {
  private static final int ORDERS = 10;

  private final Suite.Context context;
  private final Client client;

  private QueryCases(Suite.Context context, Client client) {
    this.context = context;
    this.client = client;
  }

  static void run(Suite.Context context) {
    TokenSource source = Listening.listener(context, Listening.LONG);
    try (Client client = new Client.Config(context.node()).open(source)) {
      QueryCases cases = new QueryCases(context, client);
      cases.fill();
      cases.fields();
      cases.plainValues();
      cases.shapes();
      cases.parameters();
      cases.ofRegions();
      cases.big();
      cases.errors();
    }
  }

  private void fill() {
    Region<Object, Object> orders = client.proxy("orders");
    orders.clear();
    for (int i = 0; i < ORDERS; i++) {
      Things.Order order = new Things.Order("o-" + i, i);
      order.parent = i < 5 ? null : new Things.Order("p-" + i, i * 10);
      orders.put("key-" + i, order);
    }
    Region<Object, Object> values = client.proxy("values");
    values.clear();
    values.putAll(Map.of("a", 1, "b", 2, "c", 3, "d", 4L, "e", 2.5, "f", 4));
    Region<Object, Object> maps = client.proxy("big");
    maps.clear();
    maps.put("m1", new HashMap<>(Map.of("name", "ann", "age", 30)));
    maps.put("m2", new HashMap<>(Map.of("name", "bob", "age", 40)));
    maps.put("m3", new HashMap<>(Map.of("name", "cyd")));
  }

  private void fields() {
    ids("a number", "o.number > 7", "o-8", "o-9");
    ids("a field whose name is a word of the language", "o.\"count\" > 7", "o-8", "o-9");
    ids("and before or", "o.number >= 2 AND o.number < 4 OR o.id = 'o-9'", "o-2", "o-3", "o-9");
    ids("brackets", "o.number >= 2 AND (o.number < 4 OR o.id = 'o-9')", "o-2", "o-3", "o-9");
    ids("not", "NOT (o.number > 1)", "o-0", "o-1");
    ids("not equal, both spellings", "o.number <> 3 AND o.number != 4 AND o.number < 6", "o-0", "o-1", "o-2", "o-5");
    ids("the constant first", "3 > o.number", "o-0", "o-1", "o-2");
    ids("a truth alone", "o.paid AND o.number < 4", "o-0", "o-2");
    ids("a truth compared", "o.paid = true AND o.number > 6", "o-8");
    ids("a long", "o.cents = 300L", "o-3");
    ids("a long, and an int constant", "o.cents = 300", "o-3");
    ids("a double", "o.weight = 1.5", "o-3");
    ids("a short and a byte", "o.shelf = 2 AND o.flags = 2", "o-2");
    ids("a float", "o.ratio = 0.75f", "o-3");
    ids("one of a set", "o.id IN SET('o-1', 'o-4', 'x')", "o-1", "o-4");
    ids("numbers of a set", "o.number IN SET(1, 4)", "o-1", "o-4");
    ids("text that ends so", "o.id LIKE '%-3'", "o-3");
    ids("text with one letter open", "o.id LIKE 'o_3'", "o-3");
    ids("a field of a field", "o.parent.number = 60", "o-6");
    ids("null", "o.parent = null AND o.number > 2", "o-3", "o-4");
    ids("not null", "o.parent != null AND o.number < 7", "o-5", "o-6");
    ids("a field that is not there", "IS_UNDEFINED(o.parent.number) AND o.number > 2", "o-3", "o-4");
    ids("a field that is there", "IS_DEFINED(o.parent.number) AND o.number < 7", "o-5", "o-6");
  }

  /** The identities of the orders for which it holds. */
  private void ids(String name, String predicate, Object... expected) {
    rows("where: " + name, "SELECT o.id FROM /orders o WHERE " + predicate, List.of(expected));
  }

  private void plainValues() {
    rows("plain values", "SELECT * FROM /values v WHERE v > 2", List.of(2.5, 3, 4, 4L));
    rows("plain values, equal across kinds of numbers", "SELECT * FROM /values v WHERE v = 4", List.of(4, 4L));
    rows("maps by bracket", "SELECT m['name'] FROM /big m WHERE m['age'] > 30", List.of("bob"));
    rows("maps by get", "SELECT m.get('name') FROM /big m WHERE m.get('age') = 30", List.of("ann"));
    rows("a map without the key", "SELECT m['name'] FROM /big m WHERE m['age'] = null", List.of("cyd"));
  }

  private void shapes() {
    rows("everything", "SELECT * FROM /values", List.of(1, 2, 2.5, 3, 4, 4L));
    rows("with the word AS", "SELECT o.id FROM /orders AS o WHERE o.number = 1", List.of("o-1"));
    rows("two columns", "SELECT o.id, o.number FROM /orders o WHERE o.number < 2", List.of(List.of("o-0", 0), List.of("o-1", 1)));
    rows("keywords in small letters", "select distinct o.paid from /orders o", List.of(false, true));
    rows("keys", "SELECT * FROM /values.keySet", List.of("a", "b", "c", "d", "e", "f"));
    rows("keys with a predicate", "SELECT k FROM /orders.keySet k WHERE k LIKE '%-3'", List.of("key-3"));
    rows("entries", "SELECT e.key FROM /orders.entries e WHERE e.value.number = 3", List.of("key-3"));
    rows("keys and values of entries", "SELECT e.key, e.value FROM /values.entries e WHERE e.value < 2", List.of(List.of("a", 1)));
    rows("values", "SELECT * FROM /values.values v WHERE v < 2", List.of(1));
    rows("count", "SELECT COUNT(*) FROM /orders o WHERE o.paid = true", List.of(5));
    rows("count of none", "SELECT COUNT(*) FROM /orders o WHERE o.number > 100", List.of(0));
    rows("none", "SELECT * FROM /orders o WHERE o.number > 100", List.of());
    ordered("ordered", "SELECT DISTINCT o.id, o.number FROM /orders o WHERE o.number < 3 ORDER BY o.number",
        List.of(List.of("o-0", 0), List.of("o-1", 1), List.of("o-2", 2)));
    ordered("ordered downwards, the first three", "SELECT DISTINCT o.id, o.number FROM /orders o ORDER BY o.number DESC LIMIT 3",
        List.of(List.of("o-9", 9), List.of("o-8", 8), List.of("o-7", 7)));
    ordered("ordered by two", "SELECT DISTINCT o.paid, o.number FROM /orders o WHERE o.number < 4 ORDER BY o.paid DESC, o.number ASC",
        List.of(List.of(true, 0), List.of(true, 2), List.of(false, 1), List.of(false, 3)));
    context.runner().run("a limit", () -> same(4, asked("SELECT * FROM /orders LIMIT 4").size()));
    context.runner().run("columns have names", () -> {
      Struct row = (Struct) asked("SELECT o.id AS name, o.number FROM /orders o WHERE o.number = 3").iterator().next();
      same(List.of("name", "number"), List.of(row.getStructType().getFieldNames()));
      same("o-3", row.get("name"));
    });
    context.runner().run("whole objects", () -> {
      Things.Order order = (Things.Order) asked("SELECT * FROM /orders o WHERE o.number = 3").iterator().next();
      same(new Things.Order("o-3", 3), order);
    });
  }

  private void parameters() {
    rows("two parameters", "SELECT o.id FROM /orders o WHERE o.number > $1 AND o.id <> $2", List.of("o-8"), 7, "o-9");
    rows("a parameter twice", "SELECT o.id FROM /orders o WHERE o.number > $1 AND o.cents > $1 AND o.number < 9", List.of("o-8"), 7);
    rows("a set as parameter", "SELECT o.id FROM /orders o WHERE o.id IN $1", List.of("o-1", "o-2"),
        new HashSet<>(List.of("o-1", "o-2", "x")));
    rows("a list as parameter", "SELECT o.id FROM /orders o WHERE o.number IN $1", List.of("o-1", "o-2"),
        new ArrayList<>(List.of(1, 2, 77)));
    rows("a date as parameter", "SELECT o.id FROM /orders o WHERE o.due > $1", List.of("o-9"), new Date(8_500));
    rows("a letter as parameter", "SELECT o.id FROM /orders o WHERE o.grade = $1 AND o.number = 1", List.of("o-1"), 'Ä');
    rows("null as parameter", "SELECT o.id FROM /orders o WHERE o.parent = $1 AND o.number > 2", List.of("o-3", "o-4"),
        new Object[] {null});
    rows("a pattern as parameter", "SELECT o.id FROM /orders o WHERE o.id LIKE $1", List.of("o-3"), "%-3");
  }

  private void ofRegions() {
    Region<Object, Object> orders = client.proxy("orders");
    context.runner().run("asked of a region", () -> same(2, orders.query("number > 7").size()));
    context.runner().run("whether there is one", () -> {
      that(orders.existsValue("number = 3"), "there is");
      that(!orders.existsValue("number = 33"), "there is none");
    });
    context.runner().run("the one", () -> same(new Things.Order("o-3", 3), orders.selectValue("number = 3")));
  }

  private void big() {
    context.runner().run("2500 rows", () -> {
      Region<Object, Object> region = client.proxy("stock");
      region.clear();
      Map<Object, Object> many = new HashMap<>();
      for (int i = 0; i < 2_500; i++) {
        many.put(i, "value-" + i);
      }
      region.putAll(many);
      same(Set.copyOf(many.values()), Set.copyOf(asked("SELECT * FROM /stock").asList()));
      same(2_499, asked("SELECT e.key, e.value FROM /stock.entries e WHERE e.key <> 7").size());
      region.clear();
    });
  }

  private void errors() {
    context.runner().run("what is no query", () -> fails(() -> asked("SELECT FROM WHERE"), "QueryInvalidException"));
    context.runner().run("a region that the node does not have",
        () -> fails(() -> asked("SELECT * FROM /nowhere"), "ServerOperationException"));
    context.runner().run("without the right to read", () -> RightsCases.refused(() -> asked("SELECT * FROM /secret")));
    context.runner().run("two regions in one query: joined by Geode, refused by name elsewhere", () -> {
      String join = "SELECT a.id FROM /orders a, /values b WHERE a.number = b";
      if (context.target().isGeode()) {
        same(5, asked(join).size());
      } else {
        Throwable refused = fails(() -> asked(join), "ServerOperationException");
        that(Check.chain(refused).contains("FROM"), "the refusal names what it refuses: " + Check.chain(refused));
      }
    });
    // The last one: Geode closes the connection after it.
    context.runner().run("a parameter too few",
        () -> fails(() -> asked("SELECT * FROM /orders o WHERE o.number > $2", 1), "ServerOperationException"));
  }

  private SelectResults<?> asked(String text, Object... parameters) throws Exception {
    Query query = client.cache().getQueryService().newQuery(text);
    return (SelectResults<?>) (parameters.length == 0 ? query.execute() : query.execute(parameters));
  }

  /** In any order. */
  private void rows(String name, String text, List<?> expected, Object... parameters) {
    context.runner().run(name, () -> same(sorted(expected), sorted(found(text, parameters))));
  }

  private void ordered(String name, String text, List<?> expected) {
    context.runner().run(name, () -> same(expected, found(text)));
  }

  private List<Object> found(String text, Object... parameters) throws Exception {
    List<Object> found = new ArrayList<>();
    for (Object row : asked(text, parameters).asList()) {
      found.add(row instanceof Struct struct ? List.of(struct.getFieldValues()) : row);
    }
    return found;
  }

  private static List<Object> sorted(List<?> rows) {
    List<Object> sorted = new ArrayList<>(rows);
    sorted.sort(Comparator.comparing(row -> row + " " + row.getClass()));
    return sorted;
  }
}
