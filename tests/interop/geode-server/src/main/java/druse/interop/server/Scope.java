package druse.interop.server;

import java.util.Arrays;

import org.apache.geode.security.ResourcePermission;

/** {@code grid:<resource>:<operation>[:<region>[:<key>]]}, {@code *} or absence standing for all. */
record Scope(String resource, String operation, String region, String key) {
  static final Scope ALL = new Scope("*", "*", "*", "*");

  /** The scopes in a text, separated by spaces; what does not begin with {@code grid:} is somebody else's. */
  static Scope[] parse(String text) {
    return Arrays.stream(text.trim().split("\\s+"))
        .filter(word -> word.startsWith("grid:"))
        .map(Scope::parseOne)
        .toArray(Scope[]::new);
  }

  boolean permits(ResourcePermission wanted) {
    return fits(resource, wanted.getResource().name())
        && fits(operation, wanted.getOperation().name())
        && fitsExactly(region, wanted.getTarget())
        && fitsExactly(key, wanted.getKey());
  }

  private static Scope parseOne(String word) {
    String[] fields = word.split(":", 5);
    return new Scope(field(fields, 1), field(fields, 2), field(fields, 3), field(fields, 4));
  }

  private static String field(String[] fields, int index) {
    return index < fields.length ? fields[index] : "*";
  }

  private static boolean fits(String mine, String wanted) {
    return mine.equals("*") || mine.equalsIgnoreCase(wanted);
  }

  private static boolean fitsExactly(String mine, String wanted) {
    return mine.equals("*") || mine.equals(wanted);
  }
}
