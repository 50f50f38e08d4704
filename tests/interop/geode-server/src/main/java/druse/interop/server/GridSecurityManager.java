package druse.interop.server;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

import org.apache.geode.security.AuthenticationExpiredException;
import org.apache.geode.security.AuthenticationFailedException;
import org.apache.geode.security.AuthenticationRequiredException;
import org.apache.geode.security.ResourcePermission;
import org.apache.geode.security.SecurityManager;

/**
 * Checks access tokens, or scripted users, or both, and counts what it is asked.
 *
 * <p>A token comes in {@code security-token}. A scripted user comes in {@code security-username} and
 * {@code security-password}, which are equal, in the form {@code name} or {@code name:version}; its credential ends
 * when the control port says so, and a further version is good again.
 */
final class GridSecurityManager implements SecurityManager {
  private final TokenVerifier verifier;
  private final boolean scripted;
  private final boolean recording;
  private final Map<String, User> users = new ConcurrentHashMap<>();
  final Faults faults = new Faults();

  /** @param verifier null: tokens are refused; @param recording remember every permission granted, by user */
  GridSecurityManager(TokenVerifier verifier, boolean scripted, boolean recording) {
    this.verifier = verifier;
    this.scripted = scripted;
    this.recording = recording;
  }

  @Override
  public Object authenticate(Properties given) {
    Credential credential = recognise(given);
    User user = credential.user;
    strike(user);
    if (credential.expired(Credential.nowMicros())) {
      user.loginsExpired.increment();
      throw new AuthenticationExpiredException("the credential of " + user.name + " has expired");
    }
    user.logins.increment();
    return new GridPrincipal(credential);
  }

  @Override
  public boolean authorize(Object principal, ResourcePermission wanted) {
    if (!(principal instanceof GridPrincipal login) || login.credential == null) {
      return false;
    }
    Credential credential = login.credential;
    User user = credential.user;
    if (credential.expired(Credential.nowMicros()) || faults.expires(user.name, wanted.getOperation().name())) {
      user.expired.increment();
      throw new AuthenticationExpiredException("the credential of " + user.name + " has expired");
    }
    for (Scope scope : credential.scopes()) {
      if (scope.permits(wanted)) {
        user.permits.increment();
        if (recording) {
          user.record(wanted.toString());
        }
        return true;
      }
    }
    user.denied.increment();
    return false;
  }

  /** The user of that name, known from now on if not before. */
  User user(String name) {
    return users.computeIfAbsent(name, User::new);
  }

  Map<String, Object> stats() {
    Map<String, Object> stats = new TreeMap<>();
    users.forEach((name, user) -> stats.put(name, user.stats()));
    return stats;
  }

  void reset() {
    faults.clear();
    users.values().forEach(User::reset);
  }

  private Credential recognise(Properties given) {
    String token = given.getProperty(SecurityManager.TOKEN);
    if (token != null && verifier != null) {
      try {
        TokenVerifier.Claims claims = verifier.verify(token);
        return user(claims.subject()).credential(print(token), claims.endsAt(), claims.scopes());
      } catch (TokenVerifier.Refused refused) {
        throw new AuthenticationFailedException("token refused: " + refused.getMessage());
      }
    }
    String name = given.getProperty(SecurityManager.USER_NAME);
    if (name != null && scripted) {
      User user = user(name.split(":", 2)[0]);
      if (!name.equals(given.getProperty(SecurityManager.PASSWORD))) {
        user.loginsFailed.increment();
        throw new AuthenticationFailedException("wrong password of " + name);
      }
      return user.credential(name, Credential.NEVER, new Scope[] {Scope.ALL});
    }
    throw new AuthenticationFailedException("no credentials of a kind that this server takes");
  }

  /** Carries out what the control port has ordered for this login. */
  private void strike(User user) {
    long delay = faults.delay(user.name);
    if (delay > 0) {
      try {
        Thread.sleep(delay);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    if (faults.strikes(Faults.Kind.LOGIN_EXPIRED, user.name)) {
      user.loginsExpired.increment();
      throw new AuthenticationExpiredException("ordered to refuse as expired");
    }
    if (faults.strikes(Faults.Kind.LOGIN_FAILED, user.name)) {
      user.loginsFailed.increment();
      throw new AuthenticationFailedException("ordered to refuse");
    }
    if (faults.strikes(Faults.Kind.LOGIN_REQUIRED, user.name)) {
      user.loginsFailed.increment();
      throw new AuthenticationRequiredException("ordered to require a login");
    }
    if (faults.strikes(Faults.Kind.LOGIN_BROKEN, user.name)) {
      user.loginsFailed.increment();
      throw new IllegalStateException("ordered to break");
    }
  }

  /** Tokens are known by their hash: they are secrets. */
  private static String print(String token) {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(hash, 0, 16);
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
