package druse.interop.client;

import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;

import org.apache.geode.distributed.DistributedMember;
import org.apache.geode.security.AuthInitialize;

/**
 * The {@code AuthInitialize} that every client here is configured with. Geode makes a new one for each call and a JVM
 * has one client at a time, so what it does is set in a static field.
 */
public final class TokenProvider implements AuthInitialize {
  private static volatile TokenSource source;
  private static final AtomicInteger CALLS = new AtomicInteger();

  /** Named in {@code security-client-auth-init}. */
  public static AuthInitialize create() {
    return new TokenProvider();
  }

  /** From now on credentials come from there, and calls count from zero. */
  static void use(TokenSource next) {
    source = next;
    CALLS.set(0);
  }

  /** How often the client has asked for credentials since {@link #use}. */
  static int calls() {
    return CALLS.get();
  }

  @Override
  public Properties getCredentials(Properties given, DistributedMember server, boolean isPeer) {
    CALLS.incrementAndGet();
    return source.credentials(given);
  }

  @Override
  public void close() {
    // Holds nothing.
  }
}
