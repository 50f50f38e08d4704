package druse.interop.tokens;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;

/**
 * An issuer of access tokens (JWT, ES256) for tests: it holds one key in memory, writes the public half as a key set
 * and counts what it mints. Safe for use by many threads.
 */
public final class Issuer {
  private static final Base64.Encoder BASE64 = Base64.getUrlEncoder().withoutPadding();

  private final String name;
  private final String audience;
  private final String keyId;
  private final KeyPair keys;
  private final AtomicLong minted = new AtomicLong();

  /** @param name the {@code iss} claim; @param audience the {@code aud} claim */
  public Issuer(String name, String audience) {
    this.name = name;
    this.audience = audience;
    this.keyId = "interop-" + UUID.randomUUID().toString().substring(0, 8);
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      this.keys = generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JDK has no P-256", e);
    }
  }

  public String name() {
    return name;
  }

  public String audience() {
    return audience;
  }

  /** How many tokens this issuer has handed out. */
  public long minted() {
    return minted.get();
  }

  /** Writes the key set that verifiers of these tokens need. */
  public void writeKeySet(Path file) throws IOException {
    ECPublicKey key = (ECPublicKey) keys.getPublic();
    Files.writeString(file, """
        {"keys":[{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"%s","x":"%s","y":"%s"}]}
        """.formatted(keyId, coordinate(key.getW().getAffineX()), coordinate(key.getW().getAffineY())));
  }

  /** A token of {@code subject} that is valid from now and for {@code life} (negative: it has ended already). */
  public String mint(String subject, Duration life, String... scopes) {
    return mintUntil(subject, Instant.now().plus(life), scopes);
  }

  /** A token that ends at {@code end}; {@code exp} is written with its fraction, to the millisecond. */
  public String mintUntil(String subject, Instant end, String... scopes) {
    Instant now = Instant.now();
    String claims = """
        {"iss":"%s","aud":"%s","sub":"%s","client_id":"interop","jti":"%s","iat":%s,"exp":%s,"scope":"%s"}"""
        .formatted(name, audience, subject, UUID.randomUUID(), seconds(now), seconds(end), String.join(" ", scopes));
    return sign(claims);
  }

  /** Signs any text as claims: for tokens that are wrong on purpose. */
  public String sign(String claims) {
    String header = """
        {"alg":"ES256","typ":"at+jwt","kid":"%s"}""".formatted(keyId);
    String signed = encode(header.getBytes(StandardCharsets.UTF_8)) + "."
        + encode(claims.getBytes(StandardCharsets.UTF_8));
    try {
      Signature signature = Signature.getInstance("SHA256withECDSAinP1363Format");
      signature.initSign(keys.getPrivate());
      signature.update(signed.getBytes(StandardCharsets.US_ASCII));
      minted.incrementAndGet();
      return signed + "." + encode(signature.sign());
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("signing failed", e);
    }
  }

  private static String seconds(Instant instant) {
    return "%d.%03d".formatted(instant.getEpochSecond(), instant.getNano() / 1_000_000);
  }

  /** A coordinate is 32 bytes in the key set: BigInteger may give a sign byte too many or leading zeros too few. */
  private static String coordinate(BigInteger value) {
    byte[] bytes = value.toByteArray();
    byte[] padded = new byte[32];
    int length = Math.min(32, bytes.length);
    System.arraycopy(bytes, bytes.length - length, padded, 32 - length, length);
    return encode(padded);
  }

  private static String encode(byte[] bytes) {
    return BASE64.encodeToString(bytes);
  }
}
