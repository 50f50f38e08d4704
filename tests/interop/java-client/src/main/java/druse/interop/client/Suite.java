package druse.interop.client;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

import druse.interop.tokens.Issuer;
import org.apache.geode.internal.GemFireVersion;

/** Unmodified Geode clients against a node. See tests/interop/README.md for the flags. */
public final class Suite {
  private static final String USAGE = """
      usage: one of --geode SCRIPT | --druse BINARY | --server-port N --locator-port N --jwks-file FILE [--issuer URL --audience NAME]
             [--only TEXT] [--long-seconds N]""";

  /** How long a run may take at most, the endurance cases apart: several times what it takes. */
  private static final long LIMIT_SECONDS = 900;

  /** What the groups of cases share. */
  record Context(Runner runner, Node node, Users users, Target target, int longSeconds) {}

  private Suite() {}

  public static void main(String[] arguments) throws Exception {
    Map<String, String> flags = new HashMap<>();
    for (int i = 0; i + 1 < arguments.length; i += 2) {
      flags.put(arguments[i], arguments[i + 1]);
    }
    Issuer issuer = new Issuer(flags.getOrDefault("--issuer", "https://issuer.test"),
        flags.getOrDefault("--audience", "grid"));
    Path keySet = flags.containsKey("--jwks-file") ? Path.of(flags.get("--jwks-file"))
        : Files.createTempFile("keys-", ".json");
    Target target = target(flags, issuer, keySet);
    if (target == null || arguments.length % 2 != 0) {
      System.err.println(USAGE);
      System.exit(2);
    }
    issuer.writeKeySet(keySet);
    Runner runner = new Runner(flags.get("--only"));
    long begun = System.nanoTime();
    int longSeconds = Integer.parseInt(flags.getOrDefault("--long-seconds", "20"));
    endAfter(LIMIT_SECONDS + longSeconds);
    try (Node node = target.start(null, false)) {
      Context context = new Context(runner, node, new Users(issuer), target, longSeconds);
      if (alive(context)) {
        cases(context, flags.get("--only"));
      }
    }
    System.out.printf("Geode client %s, %d s: %d passed, %d failed%s%n", GemFireVersion.getGemFireVersion(),
        (System.nanoTime() - begun) / 1_000_000_000, runner.passed(), runner.failed(),
        runner.beaten() == 0 ? "" : ", " + runner.beaten() + " failed as expected of Geode");
    System.exit(runner.failed() == 0 && runner.passed() + runner.beaten() > 0 ? 0 : 1);
  }

  /** A client that hangs for good holds locks that the next one needs; then there is nothing left to be learned. */
  private static void endAfter(long seconds) {
    Thread watch = new Thread(() -> {
      try {
        Thread.sleep(seconds * 1_000);
      } catch (InterruptedException e) {
        return;
      }
      Thread.getAllStackTraces().forEach((thread, stack) -> {
        System.out.println(thread);
        for (StackTraceElement frame : stack) {
          System.out.println("\tat " + frame);
        }
      });
      System.out.println("FAIL  the suite did not end within " + seconds + " s; where its threads stand is above");
      Target.endAll();
      Runtime.getRuntime().halt(1);
    }, "limit");
    watch.setDaemon(true);
    watch.start();
  }

  /** One operation of a healthy user: if it fails, so would all the cases, each in its own long way. */
  private static boolean alive(Context context) {
    context.runner().group("first of all");
    try (Client client = new Client.Config(context.node()).open(context.users().fresh("alice", Duration.ofMinutes(1)))) {
      client.proxy("orders").put("first", "of all");
      return true;
    } catch (RuntimeException failure) {
      context.runner().broken("the node does not serve a healthy user", failure);
      return false;
    }
  }

  private static Target target(Map<String, String> flags, Issuer issuer, Path keySet) {
    if (flags.containsKey("--geode")) {
      return Target.geode(flags.get("--geode"), issuer, keySet);
    }
    if (flags.containsKey("--druse")) {
      return Target.druse(flags.get("--druse"), issuer, keySet);
    }
    if (flags.containsKey("--server-port") && flags.containsKey("--locator-port") && flags.containsKey("--jwks-file")) {
      return Target.external(Integer.parseInt(flags.get("--server-port")),
          Integer.parseInt(flags.get("--locator-port")));
    }
    return null;
  }

  private static Map<String, Group> groups() {
    Map<String, Group> groups = new LinkedHashMap<>();
    groups.put("operations", OperationCases::run);
    groups.put("values", ValueCases::run);
    groups.put("keys", KeyCases::run);
    groups.put("pdx", PdxCases::run);
    groups.put("big", BigCases::run);
    groups.put("rights", RightsCases::run);
    groups.put("users", MultiUserCases::run);
    groups.put("expiry", ExpiryCases::run);
    groups.put("providers", ProviderCases::run);
    groups.put("retries", RetryCases::run);
    groups.put("pools", PoolCases::run);
    groups.put("tls", TlsCases::run);
    groups.put("interest", InterestCases::run);
    groups.put("cq", CqCases::run);
    groups.put("query", QueryCases::run);
    groups.put("durable", DurableCases::run);
    groups.put("feed-expiry", FeedExpiryCases::run);
    groups.put("feed-rights", FeedRightsCases::run);
    groups.put("multi-user", FeedUserCases::run);
    groups.put("cut-off", CutOffCases::run);
    groups.put("crash", CrashCases::run);
    groups.put("endurance", EnduranceCases::run);
    return groups;
  }

  /** All groups, or the one with whose name the wanted text begins: the others need not even be set up. */
  private static void cases(Context context, String only) {
    Map<String, Group> groups = groups();
    boolean one = only != null && groups.keySet().stream().anyMatch(only::startsWith);
    groups.forEach((name, group) -> {
      if (!one || only.startsWith(name)) {
        group(context, name, group);
      }
    });
  }

  @FunctionalInterface
  private interface Group {
    void run(Context context) throws Exception;
  }

  /** A group whose set-up fails must not take the others with it. */
  private static void group(Context context, String name, Group group) {
    context.runner().group(name);
    try {
      group.run(context);
    } catch (Exception | Error failure) {
      context.runner().broken("set-up", failure);
    }
  }
}
