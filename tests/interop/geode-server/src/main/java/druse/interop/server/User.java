package druse.interop.server;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/** What is known and counted of one user name. */
final class User {
  private static final int REMEMBERED_CREDENTIALS = 1_000;
  private static final int REMEMBERED_PERMISSIONS = 100_000;

  final String name;
  final LongAdder logins = new LongAdder();
  final LongAdder loginsExpired = new LongAdder();
  final LongAdder loginsFailed = new LongAdder();
  final LongAdder permits = new LongAdder();
  final LongAdder expired = new LongAdder();
  final LongAdder denied = new LongAdder();
  /** Rights set through the control port, in place of those that the credentials bring. */
  volatile Scope[] granted;

  private final Map<String, Credential> credentials = new ConcurrentHashMap<>();
  private final ArrayDeque<String> authorized = new ArrayDeque<>();

  User(String name) {
    this.name = name;
  }

  /** The one object for the credential {@code id}, which is never a secret itself. */
  Credential credential(String id, long endsAt, Scope[] scopes) {
    if (credentials.size() > REMEMBERED_CREDENTIALS) {
      long now = Credential.nowMicros();
      credentials.values().removeIf(old -> now >= old.endsAt);
    }
    return credentials.computeIfAbsent(id, unused -> new Credential(this, endsAt, scopes));
  }

  /** Ends every credential seen so far, or the one named. */
  int expire(String id) {
    int cut = 0;
    for (Map.Entry<String, Credential> entry : credentials.entrySet()) {
      if (id == null || id.equals(entry.getKey())) {
        entry.getValue().cut();
        cut++;
      }
    }
    return cut;
  }

  void record(String permission) {
    synchronized (authorized) {
      if (authorized.size() < REMEMBERED_PERMISSIONS) {
        authorized.add(permission);
      }
    }
  }

  List<String> authorized() {
    synchronized (authorized) {
      return new ArrayList<>(authorized);
    }
  }

  Map<String, Object> stats() {
    Map<String, Object> stats = new LinkedHashMap<>();
    stats.put("logins", logins.sum());
    stats.put("logins_expired", loginsExpired.sum());
    stats.put("logins_failed", loginsFailed.sum());
    stats.put("permits", permits.sum());
    stats.put("expired", expired.sum());
    stats.put("denied", denied.sum());
    return stats;
  }

  void reset() {
    for (LongAdder counter : List.of(logins, loginsExpired, loginsFailed, permits, expired, denied)) {
      counter.reset();
    }
    synchronized (authorized) {
      authorized.clear();
    }
  }
}
