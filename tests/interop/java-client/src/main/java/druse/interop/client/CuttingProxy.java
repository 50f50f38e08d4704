package druse.interop.client;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Stands before a node and loses the reply to one request: the request reaches the node, which carries it out, and the
 * client sees its connection end instead of an answer.
 */
final class CuttingProxy implements AutoCloseable {
  private static final int HEADER = 17;

  private final int target;
  private final ServerSocket listener;
  /** The message type whose reply is to be lost; -1: none. Proxies before one node share it: one of them cuts. */
  private final AtomicInteger armed;
  private final AtomicInteger cuts = new AtomicInteger();

  CuttingProxy(int target, AtomicInteger armed) throws IOException {
    this.target = target;
    this.armed = armed;
    this.listener = new ServerSocket(0, 64, InetAddress.getByName(Node.HOST));
    start("proxy", this::accept);
  }

  int port() {
    return listener.getLocalPort();
  }

  /** How many replies have been lost. */
  int cuts() {
    return cuts.get();
  }

  @Override
  public void close() throws IOException {
    listener.close();
  }

  private void accept() throws IOException {
    while (!listener.isClosed()) {
      Socket client = listener.accept();
      Socket server = new Socket(Node.HOST, target);
      client.setTcpNoDelay(true);
      server.setTcpNoDelay(true);
      Link link = new Link(client, server);
      start("proxy replies", link::replies);
      start("proxy requests", link::requests);
    }
  }

  private final class Link {
    private final Socket client;
    private final Socket server;
    private volatile boolean cut;

    Link(Socket client, Socket server) {
      this.client = client;
      this.server = server;
    }

    /** The handshake has no frames: it is passed on until the server has answered, then requests are read one by one. */
    void requests() throws IOException {
      try (client; server) {
        DataInputStream in = new DataInputStream(client.getInputStream());
        OutputStream out = server.getOutputStream();
        handshake(in, out);
        byte[] header = new byte[HEADER];
        while (true) {
          in.readFully(header);
          int type = number(header, 0);
          byte[] rest = new byte[number(header, 4)];
          in.readFully(rest);
          if (armed.compareAndSet(type, -1)) {
            cut = true;
          }
          out.write(header);
          out.write(rest);
          out.flush();
        }
      }
    }

    void replies() throws IOException {
      try (client; server) {
        InputStream in = server.getInputStream();
        OutputStream out = client.getOutputStream();
        byte[] buffer = new byte[65_536];
        for (int length = in.read(buffer); length >= 0; length = in.read(buffer)) {
          if (cut) {
            cuts.incrementAndGet();
            return;
          }
          out.write(buffer, 0, length);
          out.flush();
        }
      }
    }

    /**
     * Mode byte, version, one byte, read timeout (i32), member identity (an object, whose second part is a byte array
     * with a length of its own), one byte, security byte. The identity is passed on without a look inside: the client
     * says nothing more until it has its answer, so whatever comes within a pause belongs to the handshake.
     */
    private void handshake(DataInputStream in, OutputStream out) throws IOException {
      int first = in.read();
      if (first < 0) {
        throw new IOException("closed before the handshake");
      }
      out.write(first);
      byte[] buffer = new byte[4_096];
      // The client writes its whole handshake in one go and then waits for the server.
      int length = in.read(buffer);
      out.write(buffer, 0, Math.max(length, 0));
      out.flush();
    }
  }

  @FunctionalInterface
  private interface Loop {
    void run() throws IOException;
  }

  private static void start(String name, Loop loop) {
    Thread thread = new Thread(() -> {
      try {
        loop.run();
      } catch (IOException ended) {
        // The end of a connection, or of the proxy.
      }
    }, name);
    thread.setDaemon(true);
    thread.start();
  }

  private static int number(byte[] bytes, int at) {
    return (bytes[at] & 0xff) << 24 | (bytes[at + 1] & 0xff) << 16 | (bytes[at + 2] & 0xff) << 8 | bytes[at + 3] & 0xff;
  }
}
