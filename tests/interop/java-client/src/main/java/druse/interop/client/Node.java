package druse.interop.client;

/** A node to be tested, running. */
interface Node extends AutoCloseable {
  String HOST = "127.0.0.1";

  int port();

  int locatorPort();

  @Override
  void close();
}
