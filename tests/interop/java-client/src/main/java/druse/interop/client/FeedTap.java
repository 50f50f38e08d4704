package druse.interop.client;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Stands before a node, reads along on feeds and can cut them. A client whose feed thread stands still does not hinder
 * it, as long as what it passes on finds room in the socket: so it knows when an event left the node.
 */
final class FeedTap implements AutoCloseable {
  private static final int PRIMARY = 101;
  private static final int SECONDARY = 102;
  private static final int CREATE = 27;
  private static final int UPDATE = 28;
  /** The part of a create or update that holds the value. */
  private static final int VALUE_PART = 3;
  /** Longer than any frame of the cases: a bigger number means that this class has lost its place. */
  private static final int LONGEST = 1 << 20;

  /** A number that was pushed. @param micros when it arrived here, since the epoch */
  record Pushed(int number, long micros) {}

  private final int target;
  private final ServerSocket listener;
  private final List<Pushed> pushed = new CopyOnWriteArrayList<>();
  private final Set<Socket> feeds = ConcurrentHashMap.newKeySet();
  private volatile String confused;

  FeedTap(int target) throws IOException {
    this.target = target;
    this.listener = new ServerSocket(0, 64, InetAddress.getByName(Node.HOST));
    start("tap", this::accept);
  }

  int port() {
    return listener.getLocalPort();
  }

  /** Every create or update of an Integer that a feed has carried, in order. */
  List<Pushed> pushed() {
    Check.that(confused == null, "the tap cannot follow the feed: " + confused);
    return new ArrayList<>(pushed);
  }

  /** Ends the feeds that run now, for both sides. @return how many */
  int cut() throws IOException {
    int count = 0;
    for (Socket feed : feeds) {
      feed.close();
      count++;
    }
    return count / 2;
  }

  static long nowMicros() {
    java.time.Instant now = java.time.Instant.now();
    return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
  }

  @Override
  public void close() throws IOException {
    listener.close();
  }

  private void accept() throws IOException {
    while (!listener.isClosed()) {
      Socket client = listener.accept();
      start("tap connection", () -> serve(client));
    }
  }

  /** The first byte tells a feed from other connections. */
  private void serve(Socket client) throws IOException {
    try (client; Socket server = new Socket(Node.HOST, target)) {
      client.setTcpNoDelay(true);
      server.setTcpNoDelay(true);
      int mode = client.getInputStream().read();
      if (mode < 0) {
        return;
      }
      server.getOutputStream().write(mode);
      start("tap requests", () -> copy(client, server));
      if (mode == PRIMARY || mode == SECONDARY) {
        follow(server, client);
      } else {
        copy(server, client);
      }
    }
  }

  private void follow(Socket server, Socket client) throws IOException {
    feeds.add(server);
    feeds.add(client);
    try {
      DataInputStream in = new DataInputStream(server.getInputStream());
      OutputStream out = client.getOutputStream();
      if (handshake(in, out)) {
        while (true) {
          frame(in, out);
        }
      }
      copy(server, client);
    } finally {
      feeds.remove(server);
      feeds.remove(client);
    }
  }

  /**
   * Acceptance, type, queue size, text (a length and bytes), three maps (all empty here), ping interval. A refusal has
   * no frames after it.
   */
  private boolean handshake(DataInputStream in, OutputStream out) throws IOException {
    byte[] begin = new byte[8];
    in.readFully(begin);
    out.write(begin);
    int textLength = (begin[6] & 0xff) << 8 | begin[7] & 0xff;
    if (textLength > 0) {
      return false;
    }
    byte[] rest = new byte[7];
    in.readFully(rest);
    out.write(rest);
    out.flush();
    if (rest[0] != 0 || rest[1] != 0 || rest[2] != 0) {
      confused = "a map in the handshake is not empty";
      return false;
    }
    return true;
  }

  /** Type, length of the parts, count of the parts, two more numbers, and the parts. */
  private void frame(DataInputStream in, OutputStream out) throws IOException {
    byte[] header = new byte[17];
    in.readFully(header);
    int length = number(header, 4);
    if (length < 0 || length > LONGEST) {
      confused = "a frame of " + length + " bytes";
      throw new IOException(confused);
    }
    byte[] parts = new byte[length];
    in.readFully(parts);
    int type = number(header, 0);
    if (type == CREATE || type == UPDATE) {
      note(parts);
    }
    out.write(header);
    out.write(parts);
    out.flush();
  }

  /** A serialized Integer is a type byte and four more. */
  private void note(byte[] parts) {
    int at = 0;
    for (int part = 0; part < VALUE_PART; part++) {
      at += 5 + number(parts, at);
    }
    if (number(parts, at) == 5) {
      pushed.add(new Pushed(number(parts, at + 6), nowMicros()));
    }
  }

  private static void copy(Socket from, Socket to) throws IOException {
    try (from; to) {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      byte[] buffer = new byte[65_536];
      for (int length = in.read(buffer); length >= 0; length = in.read(buffer)) {
        out.write(buffer, 0, length);
        out.flush();
      }
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
        // The end of a connection, or of the tap.
      }
    }, name);
    thread.setDaemon(true);
    thread.start();
  }

  private static int number(byte[] bytes, int at) {
    return (bytes[at] & 0xff) << 24 | (bytes[at + 1] & 0xff) << 16 | (bytes[at + 2] & 0xff) << 8 | bytes[at + 3] & 0xff;
  }
}
