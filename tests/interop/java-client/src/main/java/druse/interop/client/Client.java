package druse.interop.client;

import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.RegionService;
import org.apache.geode.cache.client.ClientCache;
import org.apache.geode.cache.client.ClientCacheFactory;
import org.apache.geode.cache.client.ClientRegionShortcut;
import org.apache.geode.internal.net.SocketCreatorFactory;
import org.apache.geode.pdx.PdxSerializer;

/** An unmodified Geode client: one per JVM at a time. */
final class Client implements AutoCloseable {
  /** How a client reaches its node, and what else is set. */
  static final class Config {
    private final Node node;
    private final List<Integer> servers = new ArrayList<>();
    private boolean locator;
    private boolean singleHop = true;
    private boolean multiUser;
    private boolean readSerialized;
    private int readTimeout = 10_000;
    private int maxConnections = -1;
    private long pingInterval = 10_000;
    private long idleTimeout = 5_000;
    private boolean feed;
    private int redundancy;
    private PdxSerializer serializer;
    private Properties extra = new Properties();

    Config(Node node) {
      this.node = node;
    }

    /** Ask the locator instead of naming the server. */
    Config locator(boolean on) {
      locator = on;
      return this;
    }

    /** These ports instead of the node's. */
    Config servers(int... ports) {
      for (int port : ports) {
        servers.add(port);
      }
      return this;
    }

    Config singleHop(boolean on) {
      singleHop = on;
      return this;
    }

    Config multiUser() {
      multiUser = true;
      return this;
    }

    Config readSerialized() {
      readSerialized = true;
      return this;
    }

    Config readTimeout(int millis) {
      readTimeout = millis;
      return this;
    }

    Config maxConnections(int most) {
      maxConnections = most;
      return this;
    }

    Config pings(long everyMillis, long idleMillis) {
      pingInterval = everyMillis;
      idleTimeout = idleMillis;
      return this;
    }

    Config serializer(PdxSerializer with) {
      serializer = with;
      return this;
    }

    Config with(Properties settings) {
      extra = settings;
      return this;
    }

    /** The client wants to be told of changes: it has a feed, acknowledged every 100 ms. */
    Config feed() {
      feed = true;
      return this;
    }

    /** How many servers beside the first are to keep a copy of the feed; -1: all. */
    Config redundancy(int copies) {
      redundancy = copies;
      return this;
    }

    /** Its feed outlives it: the node keeps what falls due for that long after the client has gone. */
    Config durable(String id, int timeoutSeconds) {
      feed = true;
      return set("durable-client-id", id).set("durable-client-timeout", Integer.toString(timeoutSeconds));
    }

    /** A Geode property of the client. */
    Config set(String property, String value) {
      extra.setProperty(property, value);
      return this;
    }

    /** @param source null: the client has no credentials configured at all */
    Client open(TokenSource source) {
      Properties settings = new Properties();
      settings.setProperty("log-level", "error");
      settings.setProperty("statistic-sampling-enabled", "false");
      if (source != null) {
        TokenProvider.use(source);
        settings.setProperty("security-client-auth-init", TokenProvider.class.getName() + ".create");
      }
      settings.putAll(extra);
      ClientCacheFactory factory = new ClientCacheFactory(settings)
          .setPoolPRSingleHopEnabled(singleHop)
          .setPoolMultiuserAuthentication(multiUser)
          .setPoolReadTimeout(readTimeout)
          .setPoolMaxConnections(maxConnections)
          .setPoolPingInterval(pingInterval)
          .setPoolIdleTimeout(idleTimeout)
          .setPoolSubscriptionEnabled(feed)
          .setPoolSubscriptionRedundancy(redundancy)
          .setPoolSubscriptionAckInterval(100)
          .setPdxReadSerialized(readSerialized)
          .setPdxSerializer(serializer);
      if (locator) {
        factory.addPoolLocator(Node.HOST, node.locatorPort());
      } else if (servers.isEmpty()) {
        factory.addPoolServer(Node.HOST, node.port());
      } else {
        servers.forEach(port -> factory.addPoolServer(Node.HOST, port));
      }
      return new Client(factory.create());
    }
  }

  private final ClientCache cache;

  private Client(ClientCache cache) {
    this.cache = cache;
  }

  ClientCache cache() {
    return cache;
  }

  /** The region of that name, which keeps nothing locally. */
  Region<Object, Object> proxy(String name) {
    return region(name, ClientRegionShortcut.PROXY);
  }

  Region<Object, Object> region(String name, ClientRegionShortcut shortcut) {
    Region<Object, Object> region = cache.getRegion(name);
    return region != null ? region : cache.createClientRegionFactory(shortcut).create(name);
  }

  /** The view of one user, in multi-user mode. */
  RegionService view(String user) {
    return cache.createAuthenticatedView(Users.view(user));
  }

  /** Goes as a durable client goes who says whether the node is to keep its feed. */
  void close(boolean keepFeed) {
    cache.close(keepFeed);
    SocketCreatorFactory.close();
  }

  /** Closes it; what the JVM remembers of its TLS settings goes too, which Geode leaves to the end of the process. */
  @Override
  public void close() {
    cache.close();
    SocketCreatorFactory.close();
  }
}
