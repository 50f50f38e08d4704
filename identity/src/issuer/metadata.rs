//! What others need to know of the issuer: its metadata (OpenID Connect Discovery 3, RFC 8414) and its keys.

use hyper::StatusCode;
use hyper::header::IF_NONE_MATCH;
use serde_json::json;

use super::http::{Request, Response};
use super::scope::IDENTITY;
use super::{GrantType, Issuer};
use crate::keys::{DOCUMENT_LIFE, KeyDocument};

impl Issuer {
    /// Names what is there, and nothing else.
    pub(super) fn metadata(&self) -> Response {
        let at = |path: &str| format!("{}{path}", self.config.issuer);
        let algorithms: Vec<&str> = self.config.keys.algorithms.iter().map(|one| one.name()).collect();
        let secret = ["client_secret_basic", "client_secret_post"];
        let metadata = json!({
            "issuer": self.config.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/keys"),
            "userinfo_endpoint": at("/userinfo"),
            "revocation_endpoint": at("/revoke"),
            "introspection_endpoint": at("/introspect"),
            "end_session_endpoint": at("/end-session"),
            "scopes_supported": IDENTITY,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": GrantType::ALL.map(GrantType::name),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "introspection_endpoint_auth_methods_supported": secret,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "prompt_values_supported": ["none", "login"],
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "sid", "at_hash", "preferred_username"
            ],
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "claims_parameter_supported": false,
        });
        let life = format!("public, max-age={}", DOCUMENT_LIFE.as_secs());
        Response::json(StatusCode::OK, &metadata)
            .with("cache-control", &life)
            .with("access-control-allow-origin", "*")
    }

    /// The published keys; whoever has them is told only that they are the same.
    pub(super) fn key_set(&self, request: &Request) -> Response {
        let document = self.keys.document();
        let known = request.header(&IF_NONE_MATCH).is_some_and(|tags| document.is_known_by(tags));
        let response = if known {
            Response::empty(StatusCode::NOT_MODIFIED)
        } else {
            Response::text(StatusCode::OK, "application/jwk-set+json", document.text().to_owned())
        };
        response
            .with("cache-control", &KeyDocument::cache_control())
            .with("etag", document.etag())
            .with("access-control-allow-origin", "*")
    }
}
