package druse.interop.server;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import org.apache.geode.cache.Cache;
import org.apache.geode.cache.Region;
import org.apache.geode.cache.server.CacheServer;
import org.apache.geode.internal.cache.CacheServerImpl;

/** The control port: HTTP on loopback, arguments in the query, answers in JSON. README.md lists the paths. */
final class Control {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Cache cache;
  private final CacheServer server;
  private final GridSecurityManager security;
  private final HttpServer http;
  private final CountDownLatch shutdown = new CountDownLatch(1);

  /** @param security null where the server is open */
  Control(int port, Cache cache, CacheServer server, GridSecurityManager security) throws IOException {
    this.cache = cache;
    this.server = server;
    this.security = security;
    this.http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 16);
    http.createContext("/", this::handle);
    http.setExecutor(Executors.newCachedThreadPool(task -> {
      Thread thread = new Thread(task, "control");
      thread.setDaemon(true);
      return thread;
    }));
    http.start();
  }

  int port() {
    return http.getAddress().getPort();
  }

  void awaitShutdown() throws InterruptedException {
    shutdown.await();
  }

  private void handle(HttpExchange exchange) throws IOException {
    int status = 200;
    Object answer;
    try {
      answer = answer(exchange.getRequestURI().getPath(), new Query(exchange.getRequestURI().getRawQuery()));
    } catch (IllegalArgumentException wrong) {
      status = 400;
      answer = Map.of("error", String.valueOf(wrong.getMessage()));
    } catch (Exception failed) {
      status = 500;
      answer = Map.of("error", failed.toString());
    }
    byte[] body = JSON.writeValueAsBytes(answer);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  private Object answer(String path, Query query) throws Exception {
    if (path.startsWith("/region/")) {
      return region(path.substring("/region/".length()), query);
    }
    return switch (path) {
      case "/stats" -> stats();
      case "/process" -> process(query);
      case "/shutdown" -> {
        shutdown.countDown();
        yield done();
      }
      default -> security(path, query);
    };
  }

  private Object security(String path, Query query) {
    if (security == null) {
      throw new IllegalArgumentException("unknown path, or one that an open server lacks: " + path);
    }
    switch (path) {
      case "/reset" -> security.reset();
      case "/expire" -> {
        return Map.of("expired", security.user(query.need("user")).expire(query.get("credential")));
      }
      case "/expire-next" -> security.faults.add(Faults.Kind.EXPIRE_PERMISSION, query.get("user"),
          query.get("operation"), 0, query.number("n", 1));
      case "/login-error" -> security.faults.add(
          Faults.Kind.valueOf("LOGIN_" + query.need("kind").toUpperCase(Locale.ROOT)), query.get("user"), null, 0,
          query.number("n", 1));
      case "/delay-login" -> security.faults.add(Faults.Kind.LOGIN_DELAYED, query.get("user"), null,
          query.number("ms", 1_000), query.number("n", 1));
      case "/grant" -> security.user(query.need("user")).granted =
          query.get("scope") == null ? null : Scope.parse(query.get("scope"));
      case "/authorized" -> {
        return security.user(query.need("user")).authorized();
      }
      default -> throw new IllegalArgumentException("unknown path: " + path);
    }
    return done();
  }

  private Object stats() {
    Map<String, Object> stats = new LinkedHashMap<>();
    stats.put("users", security == null ? Map.of() : security.stats());
    stats.put("connections", ((CacheServerImpl) server).getAcceptor().getStats().getCurrentClientConnections());
    return stats;
  }

  private Object region(String verb, Query query) {
    Region<Object, Object> region = cache.getRegion(query.need("region"));
    if (region == null) {
      throw new IllegalArgumentException("no such region");
    }
    switch (verb) {
      case "size" -> {
        return Map.of("size", region.size());
      }
      case "keys" -> {
        List<String> keys = new ArrayList<>();
        region.keySet().forEach(key -> keys.add(String.valueOf(key)));
        return keys;
      }
      case "get" -> {
        Object value = region.get(query.need("key"));
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("class", value == null ? null : value.getClass().getName());
        answer.put("value", value instanceof byte[] bytes ? bytes : value == null ? null : value.toString());
        return answer;
      }
      case "put" -> region.put(query.need("key"), query.need("value"));
      case "destroy" -> region.remove(query.need("key"));
      case "clear" -> region.clear();
      default -> throw new IllegalArgumentException("unknown verb: " + verb);
    }
    return done();
  }

  /** What the process has used up; {@code gc=true} collects garbage first. */
  private static Object process(Query query) throws IOException {
    if ("true".equals(query.get("gc"))) {
      System.gc();
    }
    var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("cpu_nanos", system.getProcessCpuTime());
    answer.put("heap_used_bytes", ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed());
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmRSS:")) {
        answer.put("resident_bytes", Long.parseLong(line.replaceAll("\\D", "")) * 1024);
      }
    }
    return answer;
  }

  private static Map<String, Object> done() {
    return Map.of("done", true);
  }

  /** The arguments of a call. */
  private static final class Query {
    private final Map<String, String> arguments = new HashMap<>();

    Query(String raw) {
      for (String pair : raw == null ? new String[0] : raw.split("&")) {
        String[] sides = pair.split("=", 2);
        arguments.put(decode(sides[0]), sides.length == 2 ? decode(sides[1]) : "");
      }
    }

    String get(String name) {
      return arguments.get(name);
    }

    String need(String name) {
      String value = arguments.get(name);
      if (value == null) {
        throw new IllegalArgumentException("argument missing: " + name);
      }
      return value;
    }

    int number(String name, int otherwise) {
      return arguments.containsKey(name) ? Integer.parseInt(arguments.get(name)) : otherwise;
    }

    private static String decode(String text) {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }
  }
}
