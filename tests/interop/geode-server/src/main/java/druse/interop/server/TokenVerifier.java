package druse.interop.server;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.EdECPoint;
import java.security.spec.EdECPublicKeySpec;
import java.security.spec.NamedParameterSpec;
import java.security.spec.RSAPublicKeySpec;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

/** Verifies access tokens (JWT; ES256, RS256, EdDSA) against a key set in a file. The end is left to the caller. */
final class TokenVerifier {
  /** What a good token says. {@code endsAt} in microseconds since the epoch. */
  record Claims(String subject, long endsAt, Scope[] scopes) {}

  /** The token is not good; the message says why and holds nothing of it. */
  static final class Refused extends Exception {
    Refused(String why) {
      super(why);
    }
  }

  private record Key(String algorithm, PublicKey key) {}

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Base64.Decoder BASE64 = Base64.getUrlDecoder();
  private static final Set<String> TYPES = Set.of("at+jwt", "JWT");

  private final Map<String, Key> keys = new HashMap<>();
  private final String issuer;
  private final String audience;

  /** @param issuer null: any; @param audience null: any */
  TokenVerifier(Path keySet, String issuer, String audience) throws IOException, GeneralSecurityException {
    for (JsonNode key : JSON.readTree(keySet.toFile()).path("keys")) {
      keys.put(key.path("kid").asText(), read(key));
    }
    if (keys.isEmpty()) {
      throw new IOException("no keys in " + keySet);
    }
    this.issuer = issuer;
    this.audience = audience;
  }

  Claims verify(String token) throws Refused {
    String[] parts = token.split("\\.", -1);
    if (parts.length != 3) {
      throw new Refused("not three parts");
    }
    JsonNode header = json(parts[0]);
    Key key = keys.get(header.path("kid").asText());
    if (key == null || !key.algorithm.equals(header.path("alg").asText())) {
      throw new Refused("unknown key or another algorithm than the key's");
    }
    if (!TYPES.contains(header.path("typ").asText("JWT"))) {
      throw new Refused("not an access token");
    }
    if (!signed(key, parts)) {
      throw new Refused("wrong signature");
    }
    return claims(json(parts[1]));
  }

  private Claims claims(JsonNode claims) throws Refused {
    if (issuer != null && !issuer.equals(claims.path("iss").asText())) {
      throw new Refused("another issuer");
    }
    if (audience != null && !names(claims.path("aud"), audience)) {
      throw new Refused("another audience");
    }
    if (!claims.path("sub").isTextual() || !claims.path("exp").isNumber()) {
      throw new Refused("sub or exp missing");
    }
    BigDecimal micros = claims.get("exp").decimalValue().movePointRight(6);
    return new Claims(claims.get("sub").asText(), micros.longValue(), Scope.parse(claims.path("scope").asText()));
  }

  private static boolean names(JsonNode audiences, String wanted) {
    if (audiences.isTextual()) {
      return audiences.asText().equals(wanted);
    }
    for (JsonNode one : audiences) {
      if (one.asText().equals(wanted)) {
        return true;
      }
    }
    return false;
  }

  private static boolean signed(Key key, String[] parts) {
    try {
      Signature signature = Signature.getInstance(switch (key.algorithm) {
        case "ES256" -> "SHA256withECDSAinP1363Format";
        case "RS256" -> "SHA256withRSA";
        default -> "Ed25519";
      });
      signature.initVerify(key.key);
      signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
      return signature.verify(BASE64.decode(parts[2]));
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      return false;
    }
  }

  private static JsonNode json(String part) throws Refused {
    try {
      return JSON.readTree(new String(BASE64.decode(part), StandardCharsets.UTF_8));
    } catch (JsonProcessingException | IllegalArgumentException e) {
      throw new Refused("not JSON in base64url");
    }
  }

  private static Key read(JsonNode key) throws GeneralSecurityException, IOException {
    switch (key.path("kty").asText()) {
      case "EC" -> {
        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
        curve.init(new ECGenParameterSpec("secp256r1"));
        ECPoint point = new ECPoint(number(key, "x"), number(key, "y"));
        return new Key("ES256", KeyFactory.getInstance("EC")
            .generatePublic(new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class))));
      }
      case "RSA" -> {
        return new Key("RS256", KeyFactory.getInstance("RSA")
            .generatePublic(new RSAPublicKeySpec(number(key, "n"), number(key, "e"))));
      }
      case "OKP" -> {
        return new Key("EdDSA", KeyFactory.getInstance("Ed25519")
            .generatePublic(new EdECPublicKeySpec(NamedParameterSpec.ED25519, edwards(key))));
      }
      default -> throw new IOException("a key of an unknown type in the key set");
    }
  }

  private static BigInteger number(JsonNode key, String field) {
    return new BigInteger(1, BASE64.decode(key.path(field).asText()));
  }

  /** RFC 8032: little-endian y, with the lowest bit of x in the highest bit of the last byte. */
  private static EdECPoint edwards(JsonNode key) {
    byte[] little = BASE64.decode(key.path("x").asText());
    byte[] big = new byte[little.length];
    for (int i = 0; i < little.length; i++) {
      big[little.length - 1 - i] = little[i];
    }
    boolean odd = (big[0] & 0x80) != 0;
    big[0] &= 0x7f;
    return new EdECPoint(odd, new BigInteger(1, big));
  }
}
