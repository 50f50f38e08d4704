package druse.interop.client;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Objects;

import org.apache.geode.DataSerializable;
import org.apache.geode.pdx.PdxReader;
import org.apache.geode.pdx.PdxSerializable;
import org.apache.geode.pdx.PdxWriter;

/** Classes that an application could have; no node knows them. */
public final class Things {
  private Things() {}

  /** An enumeration. */
  public enum Colour { RED, GREEN }

  /** Java serialization of a record. */
  public record Pair(String left, int right) implements Serializable {}

  /** Java serialization. */
  public static final class Ticket implements Serializable {
    private static final long serialVersionUID = 1;
    private final String number;
    private final int seats;

    public Ticket(String number, int seats) {
      this.number = number;
      this.seats = seats;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Ticket ticket && ticket.number.equals(number) && ticket.seats == seats;
    }

    @Override
    public int hashCode() {
      return number.hashCode();
    }
  }

  /** Geode's own serialization. */
  public static final class Point implements DataSerializable {
    private int x;
    private int y;

    public Point() {}

    public Point(int x, int y) {
      this.x = x;
      this.y = y;
    }

    @Override
    public void toData(DataOutput out) throws IOException {
      out.writeInt(x);
      out.writeInt(y);
    }

    @Override
    public void fromData(DataInput in) throws IOException {
      x = in.readInt();
      y = in.readInt();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Point point && point.x == x && point.y == y;
    }

    @Override
    public int hashCode() {
      return 31 * x + y;
    }
  }

  /** PDX by hand, with a field of every kind. */
  public static final class Order implements PdxSerializable {
    String id;
    int count;
    /** The same again: "count" is a word of OQL. */
    int number;
    long cents;
    double weight;
    boolean paid;
    char grade;
    byte flags;
    short shelf;
    float ratio;
    Date due;
    Colour colour;
    byte[] seal;
    String[] notes;
    List<Object> lines = new ArrayList<>();
    Order parent;

    public Order() {}

    public Order(String id, int count) {
      this.id = id;
      this.count = count;
      this.number = count;
      this.cents = count * 100L;
      this.weight = count / 2.0;
      this.paid = count % 2 == 0;
      this.grade = 'Ä';
      this.flags = (byte) count;
      this.shelf = (short) count;
      this.ratio = count / 4f;
      this.due = new Date(count * 1_000L);
      this.colour = Colour.RED;
      this.seal = new byte[] {1, 2, (byte) count};
      this.notes = new String[] {"note", null};
      this.lines.add(Map.of("sku", id).toString());
    }

    @Override
    public void toData(PdxWriter writer) {
      writer.writeString("id", id).markIdentityField("id").writeInt("count", count).writeInt("number", number)
          .writeLong("cents", cents)
          .writeDouble("weight", weight).writeBoolean("paid", paid).writeChar("grade", grade).writeByte("flags", flags)
          .writeShort("shelf", shelf).writeFloat("ratio", ratio).writeDate("due", due).writeObject("colour", colour)
          .writeByteArray("seal", seal).writeStringArray("notes", notes).writeObject("lines", lines)
          .writeObject("parent", parent);
    }

    @Override
    @SuppressWarnings("unchecked")
    public void fromData(PdxReader reader) {
      id = reader.readString("id");
      count = reader.readInt("count");
      number = reader.readInt("number");
      cents = reader.readLong("cents");
      weight = reader.readDouble("weight");
      paid = reader.readBoolean("paid");
      grade = reader.readChar("grade");
      flags = reader.readByte("flags");
      shelf = reader.readShort("shelf");
      ratio = reader.readFloat("ratio");
      due = reader.readDate("due");
      colour = (Colour) reader.readObject("colour");
      seal = reader.readByteArray("seal");
      notes = reader.readStringArray("notes");
      lines = (List<Object>) reader.readObject("lines");
      parent = (Order) reader.readObject("parent");
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Order order && Objects.equals(order.id, id) && order.count == count
          && order.cents == cents && order.weight == weight && order.paid == paid && order.grade == grade
          && order.flags == flags && order.shelf == shelf && order.ratio == ratio && Objects.equals(order.due, due)
          && order.colour == colour && Arrays.equals(order.seal, seal) && Arrays.equals(order.notes, notes)
          && Objects.equals(order.lines, lines) && Objects.equals(order.parent, parent);
    }

    @Override
    public int hashCode() {
      return Objects.hash(id, count);
    }
  }

  /** Knows nothing of Geode; a reflection serializer writes it. */
  public static final class Customer {
    private String name;
    private int age;
    private Colour favourite;
    private List<String> tags;
    private Map<String, Integer> scores;
    private Customer friend;

    public Customer() {}

    public Customer(String name, int age, Customer friend) {
      this.name = name;
      this.age = age;
      this.favourite = Colour.GREEN;
      this.tags = new ArrayList<>(List.of("new", name));
      this.scores = new java.util.HashMap<>(Map.of("score", age));
      this.friend = friend;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Customer customer && customer.name.equals(name) && customer.age == age
          && customer.favourite == favourite && customer.tags.equals(tags) && customer.scores.equals(scores)
          && Objects.equals(customer.friend, friend);
    }

    @Override
    public int hashCode() {
      return name.hashCode();
    }
  }
}
