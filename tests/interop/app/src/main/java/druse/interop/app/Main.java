package druse.interop.app;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

import druse.interop.tokens.Issuer;
import org.apache.geode.cache.client.ClientCache;
import org.apache.geode.cache.client.ClientCacheFactory;
import org.apache.geode.cache.client.ClientRegionShortcut;
import org.apache.geode.pdx.ReflectionBasedAutoSerializer;

/**
 * An orders application for minutes, with tokens that live seconds, against a node that it starts. Exit status 1 if any
 * operation failed or the books do not balance. README.md lists the flags.
 */
public final class Main {
  private static final String HOST = "127.0.0.1";

  private Main() {}

  public static void main(String[] arguments) throws Exception {
    Map<String, String> flags = new HashMap<>();
    for (int i = 0; i + 1 < arguments.length; i += 2) {
      flags.put(arguments[i], arguments[i + 1]);
    }
    if (arguments.length % 2 != 0 || !flags.containsKey("--node")) {
      System.err.println("usage: --node \"COMMAND …\" [--minutes M] [--token-millis N] [--clerks N]");
      System.exit(2);
    }
    Issuer issuer = new Issuer("https://issuer.test", "grid");
    TokenLogin.configure(issuer, Duration.ofMillis(Long.parseLong(flags.getOrDefault("--token-millis", "2000"))));
    Path keySet = Files.createTempFile("keys-", ".json");
    issuer.writeKeySet(keySet);
    int port = freePort();
    int locator = freePort();
    Process node = start(flags.get("--node"), issuer, keySet, port, locator);
    boolean good;
    try (ClientCache cache = new ClientCacheFactory()
        .set("log-level", "error")
        .set("security-client-auth-init", TokenLogin.class.getName() + ".create")
        .setPdxSerializer(new ReflectionBasedAutoSerializer("druse.interop.app.Order"))
        .addPoolLocator(HOST, locator)
        .create()) {
      good = run(cache, Double.parseDouble(flags.getOrDefault("--minutes", "1")),
          Integer.parseInt(flags.getOrDefault("--clerks", "32")), issuer);
    } finally {
      node.destroy();
      Files.deleteIfExists(keySet);
    }
    System.exit(good ? 0 : 1);
  }

  private static boolean run(ClientCache cache, double minutes, int clerks, Issuer issuer) throws Exception {
    Shop shop = new Shop(cache.<String, Order>createClientRegionFactory(ClientRegionShortcut.PROXY).create("orders"),
        cache.<String, Integer>createClientRegionFactory(ClientRegionShortcut.PROXY).create("stock"));
    shop.fillShelves();
    long begun = System.nanoTime();
    long end = begun + (long) (minutes * TimeUnit.MINUTES.toNanos(1));
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < clerks; i++) {
      int clerk = i;
      Thread thread = new Thread(() -> shop.work(clerk, end), "clerk-" + i);
      thread.start();
      threads.add(thread);
    }
    report(shop, issuer, begun, end);
    for (Thread thread : threads) {
      thread.join();
    }
    List<String> differences = shop.audit();
    differences.forEach(difference -> System.out.println("books: " + difference));
    shop.failures().forEach(failure -> failure.printStackTrace(System.out));
    double seconds = (System.nanoTime() - begun) / 1e9;
    System.out.printf("%d operations in %.0f s (%.0f/s), %d failed, %d tokens, %d logins asked for, books %s%n",
        shop.operations(), seconds, shop.operations() / seconds, shop.failed(), issuer.minted(), TokenLogin.asked(),
        differences.isEmpty() ? "balance" : "do not balance");
    return shop.failed() == 0 && differences.isEmpty() && shop.operations() > 0;
  }

  /** A line every five seconds. */
  private static void report(Shop shop, Issuer issuer, long begun, long end) throws InterruptedException {
    long last = 0;
    for (long now = begun; now < end; now = System.nanoTime()) {
      long pause = Math.min(5_000, (end - now) / 1_000_000 + 1);
      Thread.sleep(pause);
      long operations = shop.operations();
      System.out.printf("%4d s  %7d operations/s  %d failed  %d tokens%n", (System.nanoTime() - begun) / 1_000_000_000,
          (operations - last) * 1_000 / pause, shop.failed(), issuer.minted());
      last = operations;
    }
  }

  private static Process start(String node, Issuer issuer, Path keySet, int port, int locator) throws Exception {
    List<String> command = new ArrayList<>(List.of(node.trim().split("\\s+")));
    command.addAll(List.of("--port", "" + port, "--locator-port", "" + locator, "--region", "orders", "--region", "stock",
        "--jwks-file", keySet.toString(), "--issuer", issuer.name(), "--audience", issuer.audience()));
    Path log = Files.createTempFile("node-", ".log");
    Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    for (int tries = 0; tries < 600; tries++) {
      if (!process.isAlive()) {
        throw new IOException("the node ended with status " + process.exitValue() + ": " + Files.readString(log));
      }
      if (listens(port) && listens(locator)) {
        return process;
      }
      Thread.sleep(100);
    }
    throw new IOException("the node does not listen: " + Files.readString(log));
  }

  private static boolean listens(int port) {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(HOST, port), 1_000);
      return true;
    } catch (IOException notYet) {
      return false;
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
      return socket.getLocalPort();
    }
  }
}
