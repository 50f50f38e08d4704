package druse.interop.server;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.geode.cache.Cache;
import org.apache.geode.cache.CacheFactory;
import org.apache.geode.cache.RegionShortcut;
import org.apache.geode.cache.server.CacheServer;

/**
 * A real Geode cache server on loopback, with a security manager of ours. It prints one line of JSON when it is ready
 * and runs until it is told to stop: by the control port, by a signal or, if asked for, by the end of its input.
 */
public final class GeodeServer {
  private static final String LOOPBACK = "127.0.0.1";

  private GeodeServer() {}

  public static void main(String[] arguments) throws Exception {
    Options options;
    try {
      options = Options.parse(arguments);
    } catch (IllegalArgumentException wrong) {
      System.err.println(wrong.getMessage());
      System.exit(2);
      return;
    }
    long begun = System.nanoTime();
    Runtime.getRuntime().addShutdownHook(new Thread(GeodeServer::removeFolder));
    GridSecurityManager security = options.open ? null : security(options);
    int locatorPort = options.locatorPort == 0 ? freePort() : options.locatorPort;
    Cache cache = cache(options, security, locatorPort);
    for (String region : options.regions) {
      cache.createRegionFactory(options.partitioned ? RegionShortcut.PARTITION : RegionShortcut.REPLICATE)
          .create(region);
    }
    CacheServer server = serve(cache, options);
    Control control = new Control(options.controlPort, cache, server, security);
    Map<String, Object> ready = new LinkedHashMap<>();
    ready.put("port", server.getPort());
    ready.put("locator_port", locatorPort < 0 ? null : locatorPort);
    ready.put("control_port", control.port());
    ready.put("pid", ProcessHandle.current().pid());
    ready.put("start_millis", (System.nanoTime() - begun) / 1_000_000);
    System.out.println(new ObjectMapper().writeValueAsString(ready));
    if (options.untilStdinCloses) {
      Thread watch = new Thread(GeodeServer::exitWithInput, "stdin");
      watch.setDaemon(true);
      watch.start();
    }
    control.awaitShutdown();
    cache.close();
    System.exit(0);
  }

  private static GridSecurityManager security(Options options) throws Exception {
    TokenVerifier verifier = options.keySet == null ? null
        : new TokenVerifier(options.keySet, options.issuer, options.audience);
    return new GridSecurityManager(verifier, options.scripted, options.recording);
  }

  private static Cache cache(Options options, GridSecurityManager security, int locatorPort) {
    Properties settings = new Properties();
    settings.setProperty("mcast-port", "0");
    settings.setProperty("bind-address", LOOPBACK);
    settings.setProperty("jmx-manager", "false");
    settings.setProperty("log-level", "warning");
    settings.setProperty("enable-cluster-configuration", "false");
    settings.setProperty("use-cluster-configuration", "false");
    // Of two members one is no majority: the one that is left would close itself when the other is killed.
    settings.setProperty("enable-network-partition-detection", "false");
    if (locatorPort >= 0) {
      settings.setProperty("start-locator", LOOPBACK + "[" + locatorPort + "]");
    } else if (options.join > 0) {
      settings.setProperty("locators", LOOPBACK + "[" + options.join + "]");
      // Members show who they are, too; a scripted user may do everything.
      settings.setProperty("security-username", "member");
      settings.setProperty("security-password", "member");
    } else {
      settings.setProperty("locators", "");
    }
    if (options.tlsKeystore != null) {
      settings.setProperty("ssl-enabled-components", "server,locator");
      settings.setProperty("ssl-keystore", options.tlsKeystore);
      settings.setProperty("ssl-keystore-type", "PKCS12");
      settings.setProperty("ssl-keystore-password", options.tlsPassword);
      settings.setProperty("ssl-truststore", options.tlsTruststore == null ? options.tlsKeystore : options.tlsTruststore);
      settings.setProperty("ssl-truststore-type", "PKCS12");
      settings.setProperty("ssl-truststore-password", options.tlsPassword);
      settings.setProperty("ssl-require-authentication", Boolean.toString(options.tlsClientAuth));
      settings.setProperty("ssl-endpoint-identification-enabled", "false");
    }
    CacheFactory factory = new CacheFactory(settings).setPdxReadSerialized(true);
    if (security != null) {
      factory.setSecurityManager(security);
    }
    return factory.create();
  }

  private static CacheServer serve(Cache cache, Options options) throws IOException {
    CacheServer server = cache.addCacheServer();
    server.setBindAddress(LOOPBACK);
    server.setHostnameForClients(LOOPBACK);
    server.setPort(options.port);
    server.setMaxConnections(options.maxConnections);
    if (options.maxThreads > 0) {
      server.setMaxThreads(options.maxThreads);
    }
    server.start();
    return server;
  }

  /** The locator must be told its port before it starts, so a free one is looked for. */
  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(LOOPBACK))) {
      return socket.getLocalPort();
    }
  }

  /** What a locator has left behind, in the folder that the script has made for this process. */
  private static void removeFolder() {
    if (System.getProperty("interop.folder") == null) {
      return;
    }
    File folder = new File("").getAbsoluteFile();
    File[] left = folder.listFiles((unused, name) -> name.matches("locator\\d+view\\.dat"));
    for (File file : left == null ? new File[0] : left) {
      file.delete();
    }
    folder.delete();
  }

  private static void exitWithInput() {
    try {
      while (System.in.read() >= 0) {
        // What comes in means nothing; only its end does.
      }
    } catch (IOException e) {
      // A broken input is an ended one.
    }
    System.exit(0);
  }
}
