package druse.interop.client;

import java.util.Properties;

/** Where a client's credentials come from: the body of a Geode {@code AuthInitialize}. Called by many threads. */
@FunctionalInterface
interface TokenSource {
  /** @param given the client's security properties or, in multi-user mode, those of the user's view */
  Properties credentials(Properties given);

  /** Credentials that consist of one token. */
  static Properties token(String token) {
    Properties credentials = new Properties();
    credentials.setProperty("security-token", token);
    return credentials;
  }
}
