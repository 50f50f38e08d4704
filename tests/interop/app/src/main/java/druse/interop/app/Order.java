package druse.interop.app;

import java.util.Objects;

/** An order as the shop stores it: a plain class, written as PDX by a reflection serializer. */
public final class Order {
  private String id;
  private String item;
  private int pieces;
  private String state;

  public Order() {}

  public Order(String id, String item, int pieces, String state) {
    this.id = id;
    this.item = item;
    this.pieces = pieces;
    this.state = state;
  }

  /** The same order in its next state. */
  public Order in(String next) {
    return new Order(id, item, pieces, next);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Order order && order.id.equals(id) && order.item.equals(item) && order.pieces == pieces
        && order.state.equals(state);
  }

  @Override
  public int hashCode() {
    return Objects.hash(id, state);
  }

  @Override
  public String toString() {
    return "order " + id + " of " + pieces + " " + item + ", " + state;
  }
}
