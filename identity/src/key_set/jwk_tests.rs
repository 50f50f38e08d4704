use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{self as ring_signature, KeyPair as _};
use serde_json::{Value, json};

use super::*;

/// A key made for these tests alone.
const RSA_2048: &[u8] = include_bytes!("../../tests/data/rsa-2048.pk8");

fn set_of(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn only(key: Value) -> Option<Arc<VerifyingKey>> {
    set_of(&[key]).keys.pop()
}

fn with(mut key: Value, member: &str, value: Value) -> Value {
    key[member] = value;
    key
}

/// RFC 7515, A.3: an ES256 key with its signature.
fn p256() -> Value {
    json!({ "kty": "EC", "crv": "P-256", "kid": "ec",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" })
}

const P256_INPUT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
    cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const P256_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 8037, A.2 and A.4.
fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

const ED25519_INPUT: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const ED25519_SIGNATURE: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn rsa_pair() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(RSA_2048).unwrap()
}

fn rsa() -> Value {
    let public: RsaPublicKeyComponents<Vec<u8>> = rsa_pair().public_key().into();
    let (n, e) = (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e));
    json!({ "kty": "RSA", "kid": "rsa", "n": n, "e": e })
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn the_signatures_of_the_standards_are_good() {
    let ec = only(p256()).unwrap();
    assert!(ec.verify(Algorithm::Es256, P256_INPUT.as_bytes(), &decoded(P256_SIGNATURE)));
    assert!(!ec.verify(Algorithm::Es256, b"something else", &decoded(P256_SIGNATURE)));
    let ed = only(ed25519()).unwrap();
    assert!(ed.verify(Algorithm::EdDsa, ED25519_INPUT.as_bytes(), &decoded(ED25519_SIGNATURE)));
    assert!(!ed.verify(Algorithm::EdDsa, b"something else", &decoded(ED25519_SIGNATURE)));
}

#[test]
fn every_rsa_algorithm_is_verified_and_none_is_taken_for_another() {
    let pair = rsa_pair();
    let key = only(rsa()).unwrap();
    let encodings: [(Algorithm, &'static dyn ring_signature::RsaEncoding); 6] = [
        (Algorithm::Rs256, &ring_signature::RSA_PKCS1_SHA256),
        (Algorithm::Rs384, &ring_signature::RSA_PKCS1_SHA384),
        (Algorithm::Rs512, &ring_signature::RSA_PKCS1_SHA512),
        (Algorithm::Ps256, &ring_signature::RSA_PSS_SHA256),
        (Algorithm::Ps384, &ring_signature::RSA_PSS_SHA384),
        (Algorithm::Ps512, &ring_signature::RSA_PSS_SHA512),
    ];
    for (signed_with, encoding) in encodings {
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), b"message", &mut signature).unwrap();
        for algorithm in Algorithm::ALL {
            let good = key.verify(algorithm, b"message", &signature);
            assert_eq!(good, algorithm == signed_with, "{signed_with} verified as {algorithm}");
        }
    }
}

#[test]
fn a_key_with_an_algorithm_of_its_own_serves_no_other() {
    let key = only(with(rsa(), "alg", json!("PS256"))).unwrap();
    assert!(key.serves(Algorithm::Ps256) && !key.serves(Algorithm::Rs256));
    assert!(only(with(p256(), "alg", json!("RS256"))).is_none());
    assert!(only(with(ed25519(), "alg", json!("Ed25519"))).unwrap().serves(Algorithm::EdDsa));
}

#[test]
fn keys_of_no_use_are_left_out() {
    let weak = URL_SAFE_NO_PAD.encode([0xC1; 128]);
    let even = URL_SAFE_NO_PAD.encode([0xC0; 256]);
    let vast = URL_SAFE_NO_PAD.encode([0xC1; 1025]);
    for (what, key) in [
        ("for encryption", with(rsa(), "use", json!("enc"))),
        ("use of the wrong type", with(rsa(), "use", json!(1))),
        ("not for verifying", with(rsa(), "key_ops", json!(["sign", "wrapKey"]))),
        ("HMAC", with(rsa(), "alg", json!("HS256"))),
        ("none", with(rsa(), "alg", json!("none"))),
        ("encryption algorithm", with(rsa(), "alg", json!("RSA-OAEP"))),
        ("weak", with(rsa(), "n", json!(weak))),
        ("even modulus", with(rsa(), "n", json!(even))),
        ("vast modulus", with(rsa(), "n", json!(vast))),
        ("exponent 1", with(rsa(), "e", json!("AQ"))),
        ("even exponent", with(rsa(), "e", json!("AQAA"))),
        ("no modulus", json!({ "kty": "RSA", "e": "AQAB" })),
        ("symmetric", json!({ "kty": "oct", "k": "c2VjcmV0" })),
        ("other curve", with(p256(), "crv", json!("secp256k1"))),
        ("short coordinate", with(p256(), "x", json!("AAAA"))),
        ("padding", with(ed25519(), "x", json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="))),
        ("X25519", with(ed25519(), "crv", json!("X25519"))),
        ("no object", json!("key")),
    ] {
        let set = set_of(&[key]);
        assert_eq!((set.keys().len(), set.ignored()), (0, 1), "{what}");
    }
}

#[test]
fn useful_members_do_no_harm() {
    let mut key = with(rsa(), "use", json!("sig"));
    key["key_ops"] = json!(["verify"]);
    key["x5c"] = json!(["whatever"]);
    assert!(only(key).is_some());
    // A sign byte before the modulus.
    let n = [vec![0], decoded(rsa()["n"].as_str().unwrap())].concat();
    assert_eq!(only(with(rsa(), "n", json!(URL_SAFE_NO_PAD.encode(n)))), only(rsa()));
}

#[test]
fn documents_that_are_no_sets_are_refused() {
    let parse = |text: &str| KeySet::parse(text.as_bytes()).err();
    for text in
        ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#, "{\"keys\":["]
    {
        assert_eq!(parse(text), Some(KeySetError::Malformed), "{text}");
    }
    assert_eq!(parse(r#"{"keys":[]}"#), None);
    let many = |count| json!({ "keys": vec![json!({}); count] }).to_string();
    assert_eq!(parse(&many(MAX_KEYS)), None);
    assert_eq!(parse(&many(MAX_KEYS + 1)), Some(KeySetError::TooManyKeys));
    let padded = format!(r#"{{"keys":[]{}}}"#, " ".repeat(MAX_SET_BYTES));
    assert_eq!(parse(&padded), Some(KeySetError::TooLarge));
}

#[test]
fn keys_are_found_by_id_and_algorithm() {
    let nameless = json!({ "kty": "RSA", "n": rsa()["n"], "e": "AQAB" });
    let set = set_of(&[rsa(), p256(), with(ed25519(), "kid", json!("ec")), ed25519(), rsa()]);
    assert_eq!(set.keys().len(), 4, "the same key twice is one");
    let find = |algorithm, id: Option<&str>| set.find(algorithm, id);
    assert!(matches!(find(Algorithm::Rs256, Some("rsa")), Find::Found(_)));
    assert!(matches!(find(Algorithm::Es256, Some("rsa")), Find::OtherAlgorithm));
    assert!(matches!(find(Algorithm::Rs256, Some("nobody")), Find::Absent));
    // One id for keys of two kinds is legal, and clear.
    assert!(matches!(find(Algorithm::Es256, Some("ec")), Find::Found(_)));
    assert!(matches!(find(Algorithm::EdDsa, Some("ec")), Find::Found(_)));
    // Without an id exactly one key must serve.
    assert!(matches!(find(Algorithm::Es256, None), Find::Found(_)));
    assert!(matches!(find(Algorithm::EdDsa, None), Find::Ambiguous));
    assert!(matches!(find(Algorithm::Es384, None), Find::Absent));
    // A key without an id serves tokens without one only.
    let set = set_of(&[nameless]);
    assert!(matches!(set.find(Algorithm::Rs256, None), Find::Found(_)));
    assert!(matches!(set.find(Algorithm::Rs256, Some("rsa")), Find::Absent));
}

#[test]
fn the_example_of_rfc_7638_has_its_thumbprint() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi\
        FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0z\
        gdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCu\
        r-kEgU8awapJzKnqDKgw";
    let canonical = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#);
    assert_eq!(thumbprint(&canonical), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}
