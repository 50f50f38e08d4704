package druse.interop.client;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;

import druse.interop.tokens.Issuer;

/** Makes the credential sources of the cases: all tokens of the suite come from one issuer. */
final class Users {
  /** Regions that an ordinary user may read and write; {@code nowhere} does not exist on any node. */
  static final List<String> REGIONS = List.of("orders", "stock", "values", "big", "nowhere");
  /** The property that says whose a view is, in multi-user mode. */
  static final String NAME = "security-view-of";

  private final Issuer issuer;

  Users(Issuer issuer) {
    this.issuer = issuer;
  }

  Issuer issuer() {
    return issuer;
  }

  /** Everything in {@link #REGIONS}. */
  static String[] everything() {
    List<String> scopes = new ArrayList<>();
    for (String region : REGIONS) {
      scopes.add("grid:data:read:" + region);
      scopes.add("grid:data:write:" + region);
    }
    return scopes.toArray(String[]::new);
  }

  /** Everything, and what continuous queries need beside it: stopping one and listing the durable ones. */
  static String[] everythingAndQueries() {
    List<String> scopes = new ArrayList<>(List.of(everything()));
    scopes.add("grid:cluster:read");
    scopes.add("grid:cluster:manage");
    return scopes.toArray(String[]::new);
  }

  /** A new token at every call. */
  TokenSource fresh(String user, Duration life) {
    return fresh(user, life, everything());
  }

  TokenSource fresh(String user, Duration life, String... scopes) {
    return given -> TokenSource.token(issuer.mint(user, life, scopes));
  }

  /** As applications do it: one token is used until little of its life is left. */
  TokenSource cached(String user, Duration life, Duration atLeast) {
    Cache cache = new Cache();
    return given -> TokenSource.token(cache.token(user, life, atLeast));
  }

  /** The same for each user of a multi-user client. */
  TokenSource cachedByView(Duration life, Duration atLeast) {
    Map<String, Cache> caches = new ConcurrentHashMap<>();
    return given -> {
      String user = given.getProperty(NAME);
      return TokenSource.token(caches.computeIfAbsent(user, unused -> new Cache()).token(user, life, atLeast));
    };
  }

  /** In multi-user mode: each view by the source of its user. */
  static TokenSource byView(Map<String, TokenSource> sources) {
    return given -> sources.get(given.getProperty(NAME)).credentials(given);
  }

  /** The properties that open the view of {@code user}. */
  static Properties view(String user) {
    Properties properties = new Properties();
    properties.setProperty(NAME, user);
    return properties;
  }

  private final class Cache {
    private String token;
    private Instant end = Instant.EPOCH;

    synchronized String token(String user, Duration life, Duration atLeast) {
      Instant now = Instant.now();
      if (end.minus(atLeast).isBefore(now)) {
        end = now.plus(life);
        token = issuer.mintUntil(user, end, everything());
      }
      return token;
    }
  }
}
