package druse.interop.server;

import java.time.Instant;
import java.time.temporal.ChronoUnit;

/** A credential as presented: a token, or a name and version in script mode. Logins with equal ones share it. */
final class Credential {
  static final long NEVER = Long.MAX_VALUE;

  final User user;
  /** Microseconds since the epoch; {@link #NEVER} without an end. */
  final long endsAt;
  private final Scope[] scopes;
  private volatile boolean cut;

  Credential(User user, long endsAt, Scope[] scopes) {
    this.user = user;
    this.endsAt = endsAt;
    this.scopes = scopes;
  }

  static long nowMicros() {
    return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
  }

  /** Ends it now, whatever it says itself. */
  void cut() {
    cut = true;
  }

  boolean expired(long now) {
    return cut || now >= endsAt;
  }

  Scope[] scopes() {
    Scope[] granted = user.granted;
    return granted != null ? granted : scopes;
  }
}
