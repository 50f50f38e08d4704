//! The outside of a token: three parts, a header that may not be clever, a signature (identity-spec 3.1, 1 to 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{MAX_TOKEN_BYTES, Profile, TokenError};
use crate::json::Object;
use crate::key_set::{Algorithm, VerifyingKey};

/// How large a header may be, decoded.
const MAX_HEADER_BYTES: usize = 1024;
/// Header members that name a key, or change what is signed. Believing any of them hands the choice to the attacker.
const REFUSED_MEMBERS: [&str; 7] = ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip"];

/// A token taken apart, not yet believed.
pub(crate) struct Jwt<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Jwt<'a> {
    /// Steps 1 to 3, as far as the key is not needed.
    pub(crate) fn parse(token: &'a str, profile: Profile, allowed: &[Algorithm]) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Shape)?;
        if payload.contains('.') || header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(TokenError::Shape);
        }
        if header.len() > MAX_HEADER_BYTES.div_ceil(3) * 4 {
            return Err(TokenError::HeaderTooLarge);
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Header)?;
        if header.len() > MAX_HEADER_BYTES {
            return Err(TokenError::HeaderTooLarge);
        }
        let header = Object::parse(&header).ok_or(TokenError::Header)?;
        if let Some(member) = REFUSED_MEMBERS.into_iter().find(|member| header.has(member)) {
            return Err(TokenError::HeaderMember(member));
        }
        let text = |name| header.text(name).map_err(|_| TokenError::Header);
        check_type(text("typ")?.as_deref(), profile)?;
        let algorithm = text("alg")?
            .and_then(|name| Algorithm::from_name(&name))
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or(TokenError::Algorithm)?;
        Ok(Self { algorithm, key_id: text("kid")?, signed, payload, signature })
    }

    /// Step 5. Only what comes out of here has been said by the issuer.
    pub(crate) fn verify(&self, key: &VerifyingKey) -> Result<Vec<u8>, TokenError> {
        let signature = URL_SAFE_NO_PAD.decode(self.signature).map_err(|_| TokenError::Signature)?;
        if !key.verify(self.algorithm, self.signed.as_bytes(), &signature) {
            return Err(TokenError::Signature);
        }
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| TokenError::Payload)
    }
}

/// From whom a token says that it is, which decides whose rules it is held to and nothing else: it is not believed yet.
pub(crate) fn claimed_issuer(token: &str) -> Result<String, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLarge);
    }
    let payload = token.split('.').nth(1).ok_or(TokenError::Shape)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Payload)?;
    let issuer = Object::parse(&payload).ok_or(TokenError::Payload)?.text("iss");
    issuer.map_err(|_| TokenError::Claim("iss"))?.ok_or(TokenError::Missing("iss"))
}

/// Step 2. Media types are compared without regard to case, with or without `application/` (RFC 7515, 4.1.9).
fn check_type(typ: Option<&str>, profile: Profile) -> Result<(), TokenError> {
    let accepted = match typ {
        None => profile == Profile::Foreign,
        Some(typ) => {
            let typ = typ.to_ascii_lowercase();
            match typ.strip_prefix("application/").unwrap_or(&typ) {
                "at+jwt" => true,
                "jwt" => profile == Profile::Foreign,
                _ => false,
            }
        }
    };
    if accepted { Ok(()) } else { Err(TokenError::Type) }
}
