package druse.interop.client;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

import druse.interop.tokens.Issuer;
import org.apache.geode.internal.GemFireVersion;

/** Unmodified Geode clients against a node. See tests/interop/README.md for the flags. */
public final class Suite {
  private static final String USAGE = """
      usage: one of --geode SCRIPT | --druse BINARY | --server-port N --locator-port N --jwks-file FILE [--issuer URL --audience NAME]
             [--only TEXT] [--long-seconds N]""";

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
    try (Node node = target.start(null, false)) {
      int longSeconds = Integer.parseInt(flags.getOrDefault("--long-seconds", "20"));
      cases(new Context(runner, node, new Users(issuer), target, longSeconds));
    }
    System.out.printf("Geode client %s, %d s: %d passed, %d failed%n", GemFireVersion.getGemFireVersion(),
        (System.nanoTime() - begun) / 1_000_000_000, runner.passed(), runner.failed());
    System.exit(runner.failed() == 0 && runner.passed() > 0 ? 0 : 1);
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

  private static void cases(Context context) {
    group(context, "operations", OperationCases::run);
    group(context, "values", ValueCases::run);
    group(context, "keys", KeyCases::run);
    group(context, "pdx", PdxCases::run);
    group(context, "big", BigCases::run);
    group(context, "rights", RightsCases::run);
    group(context, "users", MultiUserCases::run);
    group(context, "expiry", ExpiryCases::run);
    group(context, "providers", ProviderCases::run);
    group(context, "retries", RetryCases::run);
    group(context, "pools", PoolCases::run);
    group(context, "tls", TlsCases::run);
    group(context, "endurance", EnduranceCases::run);
  }

  @FunctionalInterface
  private interface Group {
    void run(Context context) throws Exception;
  }

  /** A group whose set-up fails must not take the others with it. */
  private static void group(Context context, String name, Group group) {
    if (!context.runner().wants(name)) {
      return;
    }
    context.runner().group(name);
    try {
      group.run(context);
    } catch (Exception | Error failure) {
      context.runner().broken("set-up", failure);
    }
  }
}
