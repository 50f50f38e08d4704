package druse.interop.client;

import static druse.interop.client.Check.same;
import static druse.interop.client.Check.that;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import org.apache.geode.cache.Region;
import org.apache.geode.pdx.JSONFormatter;
import org.apache.geode.pdx.PdxInstance;
import org.apache.geode.pdx.ReflectionBasedAutoSerializer;
import org.apache.geode.pdx.WritablePdxInstance;

/** PDX: by hand, by reflection, from JSON, as instances; each read again by a client that must ask for the types. */
final class PdxCases {
  private static final String DOCUMENT =
      "{\"id\":\"o-1\",\"lines\":[{\"sku\":\"a\",\"count\":2},{\"sku\":\"\\u00FC\",\"count\":-1}],\"total\":12.5,\"open\":true,\"note\":null}";

  private final Suite.Context context;
  private final TokenSource source;

  private PdxCases(Suite.Context context) {
    this.context = context;
    this.source = context.users().fresh("alice", Duration.ofMinutes(5));
  }

  static void run(Suite.Context context) {
    PdxCases cases = new PdxCases(context);
    cases.byHand();
    cases.byReflection();
    cases.json();
    cases.instances();
    cases.manyTypes();
  }

  private void byHand() {
    Things.Order order = new Things.Order("o-1", 7);
    order.parent = new Things.Order("o-0", 6);
    try (Client client = config().open(source)) {
      Region<Object, Object> region = client.proxy("orders");
      context.runner().run("PdxSerializable with a field of every kind", () -> {
        region.put("order", order);
        same(order, region.get("order"));
      });
      context.runner().run("PdxSerializable in lists and maps", () -> {
        region.put("list", new ArrayList<>(List.of(order, order)));
        region.put("map", new HashMap<>(Map.of("one", order)));
        same(new ArrayList<>(List.of(order, order)), region.get("list"));
        same(Map.of("one", order), region.get("map"));
      });
      context.runner().run("PdxSerializable: conditional operations compare", () -> {
        region.put("order", order);
        that(!region.replace("order", new Things.Order("o-9", 1), new Things.Order("o-2", 2)), "another order");
        that(region.replace("order", order, new Things.Order("o-2", 2)), "this order");
        that(!region.remove("order", order), "no longer this order");
        that(region.remove("order", new Things.Order("o-2", 2)), "the second order");
        region.put("order", order);
      });
      context.runner().run("PdxSerializable: putAll of 500, getAll", () -> {
        Map<Object, Object> orders = new HashMap<>();
        for (int i = 0; i < 500; i++) {
          orders.put("order-" + i, new Things.Order("o-" + i, i));
        }
        region.putAll(orders);
        same(orders, new HashMap<>(region.getAll(orders.keySet())));
      });
    }
    try (Client client = config().open(source)) {
      Region<Object, Object> region = client.proxy("orders");
      context.runner().run("PdxSerializable read by another client", () -> {
        same(order, region.get("order"));
        same(List.of(order, order).size(), ((List<?>) region.get("list")).size());
        same(new Things.Order("o-77", 77), region.getAll(List.of("order-77")).get("order-77"));
      });
    }
  }

  private void byReflection() {
    Things.Customer customer = new Things.Customer("Zoë", 42, new Things.Customer("Ada", 36, null));
    Client.Config config = config().serializer(new ReflectionBasedAutoSerializer("druse.interop.client.Things.Customer"));
    ReflectionBasedAutoSerializer serializer = new ReflectionBasedAutoSerializer("druse\\.interop\\.client\\.Things.*Customer");
    try (Client client = config.serializer(serializer).open(source)) {
      context.runner().run("by reflection", () -> {
        client.proxy("orders").put("customer", customer);
        same(customer, client.proxy("orders").get("customer"));
      });
    }
    try (Client client = config.serializer(serializer).open(source)) {
      context.runner().run("by reflection, read by another client",
          () -> same(customer, client.proxy("orders").get("customer")));
    }
  }

  private void json() {
    try (Client client = config().readSerialized().open(source)) {
      context.runner().run("JSON", () -> {
        Region<Object, Object> region = client.proxy("orders");
        region.put("json", JSONFormatter.fromJSON(DOCUMENT));
        same(compact(DOCUMENT), compact(JSONFormatter.toJSON((PdxInstance) region.get("json"))));
      });
    }
    try (Client client = config().readSerialized().open(source)) {
      context.runner().run("JSON, read by another client", () -> {
        PdxInstance found = (PdxInstance) client.proxy("orders").get("json");
        same(compact(DOCUMENT), compact(JSONFormatter.toJSON(found)));
        same("o-1", found.getField("id"));
      });
    }
  }

  private void instances() {
    try (Client client = config().readSerialized().open(source)) {
      Region<Object, Object> region = client.proxy("orders");
      context.runner().run("instances: made, changed and read without a class", () -> {
        PdxInstance made = client.cache().createPdxInstanceFactory("no.such.Class").writeString("name", "first")
            .writeInt("count", 1).markIdentityField("name").create();
        region.put("instance", made);
        PdxInstance found = (PdxInstance) region.get("instance");
        same("first", found.getField("name"));
        WritablePdxInstance writer = found.createWriter();
        writer.setField("count", 2);
        region.put("instance", writer);
        same(2, ((PdxInstance) region.get("instance")).getField("count"));
      });
      context.runner().run("instances: objects of our classes read as instances", () -> {
        region.put("order", new Things.Order("o-3", 3));
        PdxInstance found = (PdxInstance) region.get("order");
        same(3, found.getField("count"));
        same(new Things.Order("o-3", 3), found.getObject());
      });
      context.runner().run("instances: an enum", () -> {
        region.put("enum", client.cache().createPdxEnum("no.such.Enum", "FIRST", 0));
        PdxInstance found = (PdxInstance) region.get("enum");
        same("FIRST", found.getField("name"));
      });
    }
  }

  private void manyTypes() {
    try (Client client = config().readSerialized().open(source)) {
      Region<Object, Object> region = client.proxy("orders");
      context.runner().run("60 types", () -> {
        for (int i = 0; i < 60; i++) {
          region.put("type-" + i, client.cache().createPdxInstanceFactory("no.such.Class" + i)
              .writeInt("number-" + i, i).writeString("name", "n").create());
        }
      });
    }
    try (Client client = config().readSerialized().open(source)) {
      Region<Object, Object> region = client.proxy("orders");
      context.runner().run("60 types, read by another client", () -> {
        for (int i = 0; i < 60; i++) {
          PdxInstance found = (PdxInstance) region.get("type-" + i);
          same(i, found.getField("number-" + i));
          same("no.such.Class" + i, found.getClassName());
        }
      });
    }
  }

  private Client.Config config() {
    return new Client.Config(context.node());
  }

  private static String compact(String json) {
    return json.replaceAll("\\s", "");
  }
}
