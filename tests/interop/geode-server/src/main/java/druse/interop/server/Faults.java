package druse.interop.server;

import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Faults ordered through the control port; each applies to the next {@code left} occasions that match it. */
final class Faults {
  /** The kinds of fault; the first concerns permissions, the others logins. */
  enum Kind { EXPIRE_PERMISSION, LOGIN_EXPIRED, LOGIN_FAILED, LOGIN_REQUIRED, LOGIN_BROKEN, LOGIN_DELAYED }

  private static final class Fault {
    final Kind kind;
    final String user;
    final String operation;
    final long millis;
    int left;

    Fault(Kind kind, String user, String operation, long millis, int left) {
      this.kind = kind;
      this.user = user;
      this.operation = operation;
      this.millis = millis;
      this.left = left;
    }
  }

  private final List<Fault> faults = new CopyOnWriteArrayList<>();

  /** @param user null: any; @param operation READ, WRITE or MANAGE, null: any; @param millis for delays */
  void add(Kind kind, String user, String operation, long millis, int times) {
    faults.add(new Fault(kind, user, operation, millis, times));
  }

  void clear() {
    faults.clear();
  }

  /** Whether this permission check shall be answered as expired. */
  boolean expires(String user, String operation) {
    if (faults.isEmpty()) {
      return false;
    }
    return take(Kind.EXPIRE_PERMISSION, user, operation) != null;
  }

  /** Whether this login shall go wrong in the way named. */
  boolean strikes(Kind kind, String user) {
    return !faults.isEmpty() && take(kind, user, null) != null;
  }

  /** For how many milliseconds this login shall be held; 0: not at all. */
  long delay(String user) {
    Fault fault = faults.isEmpty() ? null : take(Kind.LOGIN_DELAYED, user, null);
    return fault == null ? 0 : fault.millis;
  }

  private synchronized Fault take(Kind kind, String user, String operation) {
    for (Iterator<Fault> all = faults.iterator(); all.hasNext();) {
      Fault fault = all.next();
      boolean matches = fault.kind == kind && (fault.user == null || fault.user.equals(user))
          && (fault.operation == null || fault.operation.equalsIgnoreCase(operation));
      if (matches) {
        if (--fault.left <= 0) {
          faults.remove(fault);
        }
        return fault;
      }
    }
    return null;
  }
}
