package druse.interop.client;

import java.io.File;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** Loads a second Geode into this JVM, in which a second client can live: {@link Peer}. */
final class PeerLoader extends URLClassLoader {
  /** One for the whole run: classes are loaded once, clients may come and go in it. */
  private static final ClassLoader LOADER = new PeerLoader();

  private PeerLoader() {
    super(classPath(), ClassLoader.getPlatformClassLoader());
  }

  /** @param token mints the tokens that it comes with */
  static Peer open(int port, Supplier<String> token) throws Exception {
    Thread thread = Thread.currentThread();
    ClassLoader mine = thread.getContextClassLoader();
    thread.setContextClassLoader(LOADER);
    try {
      Class<?> type = Class.forName("druse.interop.client.PeerClient", true, LOADER);
      Object peer = type.getConstructor(int.class, Supplier.class).newInstance(port, token);
      return (Peer) Proxy.newProxyInstance(Peer.class.getClassLoader(), new Class<?>[] {Peer.class},
          (proxy, method, arguments) -> inLoader(() -> method.invoke(peer, arguments)));
    } finally {
      thread.setContextClassLoader(mine);
    }
  }

  @Override
  protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
    return name.equals(Peer.class.getName()) ? Peer.class : super.loadClass(name, resolve);
  }

  @FunctionalInterface
  private interface Call {
    Object run() throws ReflectiveOperationException;
  }

  /** Geode looks for classes and services through the loader of the calling thread first. */
  private static Object inLoader(Call call) throws Throwable {
    Thread thread = Thread.currentThread();
    ClassLoader mine = thread.getContextClassLoader();
    thread.setContextClassLoader(LOADER);
    try {
      return call.run();
    } catch (InvocationTargetException failure) {
      throw failure.getCause();
    } finally {
      thread.setContextClassLoader(mine);
    }
  }

  private static URL[] classPath() {
    List<URL> urls = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      try {
        urls.add(new File(entry).toURI().toURL());
      } catch (MalformedURLException e) {
        throw new IllegalStateException(entry, e);
      }
    }
    return urls.toArray(URL[]::new);
  }
}
