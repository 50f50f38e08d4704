package druse.interop.client;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

import org.apache.geode.cache.Region;
import org.apache.geode.cache.client.ClientRegionShortcut;

/** The other application, inside its own class loader; {@link PeerLoader} finds it by name. */
public final class PeerClient implements Peer {
  private final Client client;
  private final Map<String, Heard> heard = new ConcurrentHashMap<>();

  public PeerClient(int port, Supplier<String> token) {
    client = new Client.Config(null).servers(port).feed().open(given -> TokenSource.token(token.get()));
  }

  @Override
  public void put(String region, Object key, Object value, Object callback) {
    client.proxy(region).put(key, value, callback);
  }

  @Override
  public void destroy(String region, Object key, Object callback) {
    if (callback == null) {
      // The form that does not fail where there is nothing to remove.
      client.proxy(region).remove(key);
    } else {
      client.proxy(region).destroy(key, callback);
    }
  }

  @Override
  public void invalidate(String region, Object key, Object callback) {
    client.proxy(region).invalidate(key, callback);
  }

  @Override
  public void putAll(String region, Map<?, ?> entries, Object callback) {
    client.proxy(region).putAll(entries, callback);
  }

  @Override
  public void removeAll(String region, Collection<?> keys, Object callback) {
    client.proxy(region).removeAll(keys.stream().map(Object.class::cast).toList(), callback);
  }

  @Override
  public void clear(String region) {
    client.proxy(region).clear();
  }

  @Override
  public void putOrder(String region, Object key, String id, int count) {
    client.proxy(region).put(key, new Things.Order(id, count));
  }

  @Override
  public Map<Object, Object> contents(String region) {
    return Heard.contents(client.proxy(region));
  }

  @Override
  public void cache(String name) {
    forget(name);
    Heard listener = new Heard();
    heard.put(name, listener);
    listener.listen(client.region(name, ClientRegionShortcut.CACHING_PROXY)).registerInterestForAllKeys();
  }

  @Override
  public void forget(String region) {
    client.proxy(region).close();
  }

  @Override
  public Map<Object, Object> cached(String region) {
    Region<Object, Object> local = client.cache().getRegion(region);
    return new HashMap<>(Heard.cached(local));
  }

  @Override
  public List<String> heard(String region) {
    return heard.get(region).texts();
  }

  @Override
  public void close() {
    client.close();
  }
}
