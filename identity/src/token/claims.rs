//! The inside of a token, once its signature has been found good (identity-spec 3.1, 6, 7 and the reading of 8, 10).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::time::Micros;

use super::{Profile, TokenConfig, TokenError};
use crate::grid::Grants;
use crate::json::Object;

/// The longest name of a subject, in bytes: what OpenID Connect allows.
const MAX_SUBJECT_BYTES: usize = 255;
/// Claims that only ID tokens and logout tokens have: neither lets anybody in.
const NOT_IN_ACCESS_TOKENS: [&str; 3] = ["at_hash", "c_hash", "events"];

/// What a token says of somebody, checked.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) actor: Option<String>,
    pub(super) client: Option<String>,
    pub(super) session: Option<String>,
    pub(super) issued_at: Option<Micros>,
    pub(super) expires_at: Micros,
    /// The SHA-256 of the TLS certificate that the token is bound to.
    pub(super) certificate: Option<[u8; 32]>,
    pub(super) entitlements: Vec<String>,
}

impl Claims {
    /// Reads and checks the payload. The order of the checks is the specification's: an expired token for another
    /// audience is for another audience.
    pub(super) fn check(payload: &[u8], config: &TokenConfig, now: Micros) -> Result<Self, TokenError> {
        let payload = Object::parse(payload).ok_or(TokenError::Payload)?;
        let issued_at = instant(&payload, "iat")?;
        let expires_at = check_scope(&payload, config, issued_at, now)?;
        let subject = required(&payload, "sub")?;
        if subject.len() > MAX_SUBJECT_BYTES || subject.chars().any(char::is_control) {
            // It is written to logs and shown to operators.
            return Err(TokenError::Claim("sub"));
        }
        let client = match text(&payload, "client_id")? {
            None => text(&payload, "azp")?,
            client => client,
        };
        if config.profile == Profile::Own {
            client.as_ref().ok_or(TokenError::Missing("client_id"))?;
            required(&payload, "jti")?;
        }
        let actor = match object(&payload, "act")? {
            Some(act) => Some(required(&act, "sub").map_err(|_| TokenError::Claim("act"))?),
            None => None,
        };
        Ok(Self {
            subject,
            actor,
            client,
            session: text(&payload, "sid")?,
            issued_at,
            expires_at,
            certificate: certificate(&payload)?,
            entitlements: entitlements(&payload)?,
        })
    }
}

/// Step 6: from whom, for whom, and when. Answers with `exp`.
fn check_scope(
    payload: &Object<'_>,
    config: &TokenConfig,
    issued_at: Option<Micros>,
    now: Micros,
) -> Result<Micros, TokenError> {
    if let Some(claim) = NOT_IN_ACCESS_TOKENS.into_iter().find(|claim| payload.has(claim)) {
        tracing::debug!(claim, "a token that is no access token was shown");
        return Err(TokenError::Type);
    }
    if required(payload, "iss")? != config.issuer {
        return Err(TokenError::Issuer);
    }
    let audiences = payload.texts("aud").map_err(|_| TokenError::Claim("aud"))?;
    if !audiences.ok_or(TokenError::Missing("aud"))?.contains(&config.audience) {
        return Err(TokenError::Audience);
    }
    let latest = now + config.skew;
    if instant(payload, "nbf")?.is_some_and(|at| at > latest) {
        return Err(TokenError::Early("nbf"));
    }
    if issued_at.is_some_and(|at| at > latest) {
        return Err(TokenError::Early("iat"));
    }
    let expires_at = instant(payload, "exp")?.ok_or(TokenError::Missing("exp"))?;
    if expires_at <= now { Err(TokenError::Expired(expires_at)) } else { Ok(expires_at) }
}

/// What the token allows, from the first of `scope`, `scp` and `entitlements` that says anything about the grid. They
/// are not added up: `scope` is what was delegated, `entitlements` often all that the owner has.
fn entitlements(payload: &Object<'_>) -> Result<Vec<String>, TokenError> {
    for claim in ["scope", "scp", "entitlements"] {
        let texts = payload.texts(claim).map_err(|_| TokenError::Claim(claim))?.unwrap_or_default();
        // A list of its own keeps the spaces of keys; the two claims of OAuth never hold any.
        let ours: Vec<String> = if claim == "entitlements" {
            texts
        } else {
            texts.iter().flat_map(|text| text.split_ascii_whitespace()).map(str::to_owned).collect()
        };
        let ours: Vec<String> = ours.into_iter().filter(|text| Grants::is_ours(text)).collect();
        if !ours.is_empty() {
            return Ok(ours);
        }
    }
    Ok(Vec::new())
}

/// `cnf` (RFC 7800, RFC 8705). A token that is bound in a way that cannot be checked here is refused: it would
/// otherwise work unbound.
fn certificate(payload: &Object<'_>) -> Result<Option<[u8; 32]>, TokenError> {
    let Some(cnf) = object(payload, "cnf")? else { return Ok(None) };
    let print = text(&cnf, "x5t#S256").map_err(|_| TokenError::Claim("cnf"))?;
    let print = print.ok_or(TokenError::BindingKind)?;
    let print = URL_SAFE_NO_PAD.decode(print).map_err(|_| TokenError::Claim("cnf"))?;
    print.try_into().map(Some).map_err(|_| TokenError::Claim("cnf"))
}

fn required(from: &Object<'_>, claim: &'static str) -> Result<String, TokenError> {
    text(from, claim)?.filter(|text| !text.is_empty()).ok_or(TokenError::Missing(claim))
}

fn text(from: &Object<'_>, claim: &'static str) -> Result<Option<String>, TokenError> {
    from.text(claim).map_err(|_| TokenError::Claim(claim))
}

fn instant(from: &Object<'_>, claim: &'static str) -> Result<Option<Micros>, TokenError> {
    from.instant(claim).map_err(|_| TokenError::Claim(claim))
}

fn object<'a>(from: &Object<'a>, claim: &'static str) -> Result<Option<Object<'a>>, TokenError> {
    from.object(claim).map_err(|_| TokenError::Claim(claim))
}
