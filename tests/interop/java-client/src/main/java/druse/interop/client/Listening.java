package druse.interop.client;

import java.time.Duration;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;
import org.apache.geode.cache.query.CqAttributesFactory;
import org.apache.geode.cache.query.CqListener;
import org.apache.geode.cache.query.CqQuery;
import org.apache.geode.cache.query.QueryException;
import org.apache.geode.cache.query.QueryService;
import org.apache.geode.internal.GemFireVersion;

/** A client that is told of changes, beside a peer that makes them. */
final class Listening implements AutoCloseable {
  static final Duration LONG = Duration.ofMinutes(10);
  /** A region that only fences are put into. */
  private static final String FENCED = "stock";

  final Client client;
  final Peer peer;
  private Heard fence;
  private int fences;

  Listening(Client client, Peer peer) {
    this.client = client;
    this.peer = peer;
  }

  /** The application that writes, with a login that outlives every case. */
  static Peer peer(Suite.Context context) throws Exception {
    Users users = context.users();
    return PeerLoader.open(context.node().port(), () -> users.issuer().mint("writer", LONG, Users.everything()));
  }

  /** A user who listens, with a new token of that life each time it is asked for one. */
  static TokenSource listener(Suite.Context context, Duration life) {
    return context.users().fresh("listener", life, Users.everythingAndQueries());
  }

  /** Why a case that old clients survive here is expected to fail on Geode; null where it is not. */
  static String tooMuchForGeode(Suite.Context context, boolean oldClientsOnly, String why) {
    return context.target().isGeode() && (oldClient() || !oldClientsOnly) ? why : null;
  }

  /** Whether this is a client from before 1.15, which nobody can ask over its feed to log in again. */
  static boolean oldClient() {
    return GemFireVersion.getGemFireVersion().startsWith("1.14");
  }

  /** The region of that name with a listener; no interest is registered. */
  Heard region(String name, ClientRegionShortcut shortcut) {
    Heard heard = new Heard();
    heard.listen(client.region(name, shortcut));
    return heard;
  }

  Region<Object, Object> of(String name) {
    return client.cache().getRegion(name);
  }

  QueryService queries() {
    return client.cache().getQueryService();
  }

  /** A continuous query, running. */
  Heard query(String name, String text) throws QueryException {
    Heard heard = new Heard();
    query(queries(), name, text, heard.query(), false).execute();
    return heard;
  }

  static CqQuery query(QueryService service, String name, String text, CqListener listener, boolean durable)
      throws QueryException {
    CqAttributesFactory attributes = new CqAttributesFactory();
    attributes.addCqListener(listener);
    return service.newCq(name, text, attributes.create(), durable);
  }

  /** From now on {@link #fence} can be called: by interest in a region of its own. */
  Listening fenced() {
    fence = region(FENCED, ClientRegionShortcut.PROXY);
    of(FENCED).registerInterest("fence");
    return this;
  }

  /** The same by a continuous query. */
  Listening fencedByQuery() throws QueryException {
    fence = query("fence", "SELECT * FROM /" + FENCED);
    return this;
  }

  /** Returns when everything that the peer did before has arrived: a feed keeps the order over all its regions. */
  void fence() throws InterruptedException {
    int number = ++fences;
    peer.put(FENCED, "fence", number);
    fence.await("fence " + number, event -> Integer.valueOf(number).equals(event.value()));
  }

  @Override
  public void close() {
    client.close();
  }
}
