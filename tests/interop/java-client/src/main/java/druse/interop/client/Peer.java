package druse.interop.client;

import java.util.Collection;
import java.util.List;
import java.util.Map;

/**
 * Another application beside the one that a case is about. Geode allows one client cache per class loader, so this one
 * has a loader of its own: this interface, and what the JDK has, is all that the two have in common. See
 * {@link PeerLoader}. Region names are without a slash.
 */
public interface Peer extends AutoCloseable {
  void put(String region, Object key, Object value, Object callback);

  void destroy(String region, Object key, Object callback);

  void invalidate(String region, Object key, Object callback);

  void putAll(String region, Map<?, ?> entries, Object callback);

  void removeAll(String region, Collection<?> keys, Object callback);

  void clear(String region);

  /** Puts a {@link Things.Order}, whose class the two do not share. */
  void putOrder(String region, Object key, String id, int count);

  /** What the node has; null for a key without a value. */
  Map<Object, Object> contents(String region);

  /** From now on this application keeps the region locally, as its feed and its own replies tell it, and listens. */
  void cache(String region);

  /** It keeps nothing of that region any more, and listens no more. */
  void forget(String region);

  /** What it keeps of a region that it caches. */
  Map<Object, Object> cached(String region);

  /** What its listener was told, as {@link Heard} writes it. */
  List<String> heard(String region);

  @Override
  void close();

  default void put(String region, Object key, Object value) {
    put(region, key, value, null);
  }

  default void destroy(String region, Object key) {
    destroy(region, key, null);
  }
}
