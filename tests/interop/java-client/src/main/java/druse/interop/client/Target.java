package druse.interop.client;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;

import druse.interop.tokens.Issuer;

/** What kind of node the suite runs against, and how one is started. */
abstract class Target {
  private static final long START_SECONDS = 60;
  private static final Queue<Process> STARTED = new ConcurrentLinkedQueue<>();

  static {
    Runtime.getRuntime().addShutdownHook(new Thread(Target::endAll));
  }

  static final List<String> REGIONS = List.of("orders", "stock", "values", "big", "secret");

  /** A node with the regions of the suite. @param tls null: plain; @param clientCertificates demand them */
  abstract Node start(Tls tls, boolean clientCertificates) throws Exception;

  /** Whether it can be started as often as needed, also with TLS. */
  boolean restartable() {
    return true;
  }

  /** Whether this is the real Geode, started by the suite: some cases are known to be too much for it. */
  boolean isGeode() {
    return false;
  }

  /** {@code druse serve}. */
  static Target druse(String binary, Issuer issuer, Path keySet) {
    return new Target() {
      @Override
      Node start(Tls tls, boolean clientCertificates) throws Exception {
        int port = freePort();
        int locator = freePort();
        List<String> command = new ArrayList<>(List.of(binary, "serve", "--port", "" + port, "--locator-port", "" + locator));
        command.addAll(common(issuer, keySet));
        if (tls != null) {
          command.addAll(List.of("--tls-cert", tls.serverCertificatePem(), "--tls-key", tls.serverKeyPem()));
          if (clientCertificates) {
            command.addAll(List.of("--tls-client-ca", tls.authorityPem()));
          }
        }
        return launch(command, port, locator);
      }
    };
  }

  /** The real thing: {@code serve-geode}. */
  static Target geode(String script, Issuer issuer, Path keySet) {
    return new Target() {
      @Override
      boolean isGeode() {
        return true;
      }

      @Override
      Node start(Tls tls, boolean clientCertificates) throws Exception {
        int port = freePort();
        int locator = freePort();
        List<String> command = new ArrayList<>(List.of(script, "--port", "" + port, "--locator-port", "" + locator));
        command.addAll(common(issuer, keySet));
        if (tls != null) {
          command.addAll(List.of("--tls-keystore", tls.serverKeystore(), "--tls-truststore", tls.truststore(),
              "--tls-password", Tls.PASSWORD));
          if (clientCertificates) {
            command.add("--tls-client-auth");
          }
        }
        return launch(command, port, locator);
      }
    };
  }

  /** A node that somebody else starts, with the key set that the suite has written. */
  static Target external(int port, int locator) {
    return new Target() {
      @Override
      Node start(Tls tls, boolean clientCertificates) throws Exception {
        awaitListener(null, port);
        awaitListener(null, locator);
        return node(null, port, locator);
      }

      @Override
      boolean restartable() {
        return false;
      }
    };
  }

  /** Ends every node of this process that may still run, without ceremony. */
  static void endAll() {
    STARTED.forEach(Process::destroyForcibly);
  }

  static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(Node.HOST))) {
      return socket.getLocalPort();
    }
  }

  private static List<String> common(Issuer issuer, Path keySet) {
    List<String> flags = new ArrayList<>(List.of("--jwks-file", keySet.toString(), "--issuer", issuer.name(),
        "--audience", issuer.audience()));
    for (String region : REGIONS) {
      flags.addAll(List.of("--region", region));
    }
    return flags;
  }

  private static Node launch(List<String> command, int port, int locator) throws Exception {
    File log = Files.createTempFile("node-", ".log").toFile();
    Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log).start();
    STARTED.add(process);
    try {
      awaitListener(process, port);
      awaitListener(process, locator);
    } catch (IOException e) {
      process.destroyForcibly();
      throw new IOException(e.getMessage() + "; its output:\n" + Files.readString(log.toPath()));
    }
    return node(process, port, locator);
  }

  private static Node node(Process process, int port, int locator) {
    return new Node() {
      @Override
      public int port() {
        return port;
      }

      @Override
      public int locatorPort() {
        return locator;
      }

      @Override
      public void close() {
        if (process == null) {
          return;
        }
        process.destroy();
        try {
          if (!process.waitFor(10, TimeUnit.SECONDS)) {
            process.destroyForcibly();
          }
        } catch (InterruptedException e) {
          process.destroyForcibly();
          Thread.currentThread().interrupt();
        }
      }
    };
  }

  private static void awaitListener(Process process, int port) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (System.nanoTime() < end) {
      if (process != null && !process.isAlive()) {
        throw new IOException("the node ended with status " + process.exitValue());
      }
      try (Socket socket = new Socket()) {
        socket.connect(new InetSocketAddress(Node.HOST, port), 1_000);
        return;
      } catch (IOException notYet) {
        Thread.sleep(50);
      }
    }
    throw new IOException("nothing listens on port " + port);
  }
}
