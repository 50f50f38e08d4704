package druse.interop.server;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The command line of {@link GeodeServer}; tests/interop/README.md explains each flag. */
final class Options {
  int port;
  int controlPort;
  /** -1: no locator; 0: any free port. */
  int locatorPort = -1;
  /** The port of another server's locator, whose cluster this one joins; 0: none. */
  int join;
  final List<String> regions = new ArrayList<>();
  boolean partitioned;
  Path keySet;
  String issuer;
  String audience;
  boolean scripted;
  boolean open;
  boolean recording;
  boolean untilStdinCloses;
  String tlsKeystore;
  String tlsTruststore;
  String tlsPassword = "";
  boolean tlsClientAuth;
  int maxConnections = 800;
  int maxThreads;

  static Options parse(String[] arguments) {
    Options options = new Options();
    for (int i = 0; i < arguments.length; i++) {
      String flag = arguments[i];
      if (options.take(flag)) {
        continue;
      }
      if (++i == arguments.length) {
        throw new IllegalArgumentException("unknown flag, or value missing: " + flag);
      }
      options.take(flag, arguments[i]);
    }
    if (options.keySet == null && !options.scripted && !options.open) {
      throw new IllegalArgumentException("say who may come in: --jwks-file FILE, --scripted-users or --open");
    }
    if (options.regions.isEmpty()) {
      throw new IllegalArgumentException("at least one --region NAME");
    }
    return options;
  }

  private boolean take(String flag) {
    switch (flag) {
      case "--partitioned" -> partitioned = true;
      case "--scripted-users" -> scripted = true;
      case "--open" -> open = true;
      case "--record" -> recording = true;
      case "--until-stdin-closes" -> untilStdinCloses = true;
      case "--tls-client-auth" -> tlsClientAuth = true;
      default -> {
        return false;
      }
    }
    return true;
  }

  private void take(String flag, String value) {
    switch (flag) {
      case "--port" -> port = Integer.parseInt(value);
      case "--control-port" -> controlPort = Integer.parseInt(value);
      case "--locator-port" -> locatorPort = Integer.parseInt(value);
      case "--join" -> join = Integer.parseInt(value);
      case "--region" -> regions.add(value);
      case "--jwks-file" -> keySet = absolute(value);
      case "--issuer" -> issuer = value;
      case "--audience" -> audience = value;
      case "--tls-keystore" -> tlsKeystore = absolute(value).toString();
      case "--tls-truststore" -> tlsTruststore = absolute(value).toString();
      case "--tls-password" -> tlsPassword = value;
      case "--max-connections" -> maxConnections = Integer.parseInt(value);
      case "--max-threads" -> maxThreads = Integer.parseInt(value);
      default -> throw new IllegalArgumentException("unknown flag: " + flag);
    }
  }

  /** The script starts the process in a folder of its own, because a locator leaves files behind. */
  private static Path absolute(String file) {
    return Path.of(System.getProperty("interop.folder", "")).toAbsolutePath().resolve(file);
  }
}
