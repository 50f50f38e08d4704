package druse.interop.client;

import java.util.Arrays;

/** How long events were under way, from the put to the listener. */
final class Latency {
  private final long[] nanos;

  /** @param heard by a listener of the numbers; @param from @param to the numbers that count, both included */
  Latency(Numbers numbers, String region, Heard heard, int from, int to) {
    String key = Numbers.key(0);
    nanos = heard.events().stream()
        .filter(event -> key.equals(event.key()) && event.value() instanceof Integer number && from <= number && number <= to)
        .mapToLong(event -> event.nanos() - numbers.begun(region, (Integer) event.value()))
        .sorted()
        .toArray();
  }

  @Override
  public String toString() {
    if (nanos.length == 0) {
      return "no events";
    }
    return "%d events, p50 %s, p99 %s, max %s ms".formatted(nanos.length, millis(0.5), millis(0.99), millis(1));
  }

  private String millis(double share) {
    int index = Math.min(nanos.length - 1, (int) Math.ceil(share * nanos.length) - 1);
    return "%.2f".formatted(nanos[Math.max(0, index)] / 1e6);
  }

  /** In nanoseconds; 0 without events. */
  long max() {
    return Arrays.stream(nanos).max().orElse(0);
  }
}
