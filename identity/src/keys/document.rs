//! The key set as it is published (RFC 7517, 5), and the headers under which caches may keep it (RFC 9111).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{DOCUMENT_LIFE, KeyRecord};
use crate::store::Versioned;

/// The published document. The same keys always make the same text, on every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDocument {
    text: String,
    etag: String,
}

impl KeyDocument {
    /// The document of all keys that are published.
    #[must_use]
    pub fn of(keys: &[Versioned<KeyRecord>]) -> Self {
        let mut published: Vec<_> = keys.iter().filter(|key| key.state.is_published()).collect();
        published.sort_by(|one, other| one.id.cmp(&other.id));
        let jwks: Vec<&Value> = published.iter().map(|key| &key.state.jwk).collect();
        let text = json!({ "keys": jwks }).to_string();
        let print = URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()));
        Self { text, etag: format!("\"{print}\"") }
    }

    /// The JSON text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of `ETag`, quotes included.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// The value of `Cache-Control`.
    #[must_use]
    pub fn cache_control() -> String {
        format!("public, max-age={}, must-revalidate", DOCUMENT_LIFE.as_secs())
    }

    /// Whether whoever sends this `If-None-Match` has the document already.
    #[must_use]
    pub fn is_known_by(&self, if_none_match: &str) -> bool {
        let mut tags = if_none_match.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }
}
