package druse.interop.app;

import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;

import druse.interop.tokens.Issuer;
import org.apache.geode.distributed.DistributedMember;
import org.apache.geode.security.AuthInitialize;

/**
 * How an application gives its tokens to Geode. The issuer in this process stands for the identity provider; a token is
 * kept until a fifth of its life is left, as applications do.
 */
public final class TokenLogin implements AuthInitialize {
  private static final AtomicLong ASKED = new AtomicLong();
  private static Issuer issuer;
  private static Duration life;
  private static String token;
  private static Instant renewal = Instant.EPOCH;

  /** Named in {@code security-client-auth-init}. */
  public static AuthInitialize create() {
    return new TokenLogin();
  }

  static synchronized void configure(Issuer from, Duration tokenLife) {
    issuer = from;
    life = tokenLife;
  }

  /** How often Geode has asked for credentials. */
  static long asked() {
    return ASKED.get();
  }

  @Override
  public Properties getCredentials(Properties given, DistributedMember server, boolean isPeer) {
    ASKED.incrementAndGet();
    Properties credentials = new Properties();
    credentials.setProperty("security-token", current());
    return credentials;
  }

  @Override
  public void close() {
    // Holds nothing.
  }

  private static synchronized String current() {
    Instant now = Instant.now();
    if (!now.isBefore(renewal)) {
      token = issuer.mint("shop", life, "grid:data:read:orders", "grid:data:write:orders", "grid:data:read:stock",
          "grid:data:write:stock");
      renewal = now.plus(life.multipliedBy(4).dividedBy(5));
    }
    return token;
  }
}
