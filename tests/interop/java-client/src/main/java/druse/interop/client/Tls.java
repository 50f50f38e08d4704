package druse.interop.client;

import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Properties;

/**
 * Certificates made for one run with the JDK's keytool: an authority, a server certificate for 127.0.0.1, a client
 * certificate, and a second authority that nobody trusts.
 */
final class Tls {
  static final String PASSWORD = "interop-only";

  private final Path folder;

  Tls() throws Exception {
    folder = Files.createTempDirectory("tls-");
    authority("ca");
    authority("other-ca");
    // RSA: some TLS libraries do not take an EC key in the form in which a JDK writes it, without its public half.
    signed("server", "ca", "-keyalg", "RSA", "-keysize", "2048");
    signed("client", "ca", "-keyalg", "EC", "-groupname", "secp256r1");
    signed("stranger", "other-ca", "-keyalg", "EC", "-groupname", "secp256r1");
    keytool("-importcert", "-noprompt", "-alias", "ca", "-file", path("ca.pem"), "-keystore", path("trust.p12"));
    keytool("-importcert", "-noprompt", "-alias", "other-ca", "-file", path("other-ca.pem"), "-keystore",
        path("other-trust.p12"));
    writePem("server");
  }

  String serverKeystore() {
    return path("server.p12");
  }

  String truststore() {
    return path("trust.p12");
  }

  /** Trusts another authority than the server's. */
  String otherTruststore() {
    return path("other-trust.p12");
  }

  String clientKeystore() {
    return path("client.p12");
  }

  /** A client certificate of the other authority. */
  String strangerKeystore() {
    return path("stranger.p12");
  }

  String serverCertificatePem() {
    return path("server-chain.pem");
  }

  String serverKeyPem() {
    return path("server-key.pem");
  }

  String authorityPem() {
    return path("ca.pem");
  }

  /** The settings of a client. @param keystore null: the client shows no certificate */
  static Properties client(String truststore, String keystore) {
    Properties settings = new Properties();
    settings.setProperty("ssl-enabled-components", "server,locator");
    settings.setProperty("ssl-truststore", truststore);
    settings.setProperty("ssl-truststore-type", "PKCS12");
    settings.setProperty("ssl-truststore-password", PASSWORD);
    if (keystore != null) {
      settings.setProperty("ssl-keystore", keystore);
      settings.setProperty("ssl-keystore-type", "PKCS12");
      settings.setProperty("ssl-keystore-password", PASSWORD);
    }
    return settings;
  }

  private void authority(String name) throws Exception {
    keytool("-genkeypair", "-alias", name, "-dname", "CN=" + name, "-keyalg", "EC", "-groupname", "secp256r1",
        "-validity", "30", "-ext", "bc:c", "-ext", "ku:c=keyCertSign", "-keystore", path(name + ".p12"));
    keytool("-exportcert", "-rfc", "-alias", name, "-file", path(name + ".pem"), "-keystore", path(name + ".p12"));
  }

  private void signed(String name, String authority, String... algorithm) throws Exception {
    String store = path(name + ".p12");
    List<String> make = new ArrayList<>(List.of("-genkeypair", "-alias", name, "-dname", "CN=" + name, "-validity", "30",
        "-keystore", store));
    make.addAll(List.of(algorithm));
    keytool(make.toArray(String[]::new));
    keytool("-certreq", "-alias", name, "-file", path(name + ".csr"), "-keystore", store);
    keytool("-gencert", "-rfc", "-alias", authority, "-infile", path(name + ".csr"), "-outfile", path(name + ".pem"),
        "-validity", "30", "-ext", "san=ip:127.0.0.1,dns:localhost", "-keystore", path(authority + ".p12"));
    keytool("-importcert", "-noprompt", "-alias", authority, "-file", path(authority + ".pem"), "-keystore", store);
    keytool("-importcert", "-noprompt", "-alias", name, "-file", path(name + ".pem"), "-keystore", store);
  }

  private void writePem(String name) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(folder.resolve(name + ".p12"))) {
      store.load(in, PASSWORD.toCharArray());
    }
    Key key = store.getKey(name, PASSWORD.toCharArray());
    Files.writeString(folder.resolve(name + "-key.pem"), pem("PRIVATE KEY", key.getEncoded()));
    StringBuilder chain = new StringBuilder();
    for (Certificate certificate : store.getCertificateChain(name)) {
      chain.append(pem("CERTIFICATE", certificate.getEncoded()));
    }
    Files.writeString(folder.resolve(name + "-chain.pem"), chain);
  }

  private static String pem(String kind, byte[] content) {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
    return "-----BEGIN " + kind + "-----\n" + text + "\n-----END " + kind + "-----\n";
  }

  private String path(String file) {
    return folder.resolve(file).toString();
  }

  /** In this process: two dozen JVMs for two dozen calls would take half a minute. A wrong call ends the process. */
  private static void keytool(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of(arguments));
    command.addAll(List.of("-storetype", "PKCS12", "-storepass", PASSWORD));
    PrintStream standard = System.err;
    System.setErr(new PrintStream(OutputStream.nullOutputStream()));
    try {
      Class.forName("sun.security.tools.keytool.Main").getMethod("main", String[].class)
          .invoke(null, (Object) command.toArray(String[]::new));
    } finally {
      System.setErr(standard);
    }
  }
}
