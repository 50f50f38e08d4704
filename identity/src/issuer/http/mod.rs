//! Requests and responses as the endpoints see them: small, whole, and without a socket.

mod form;
mod response;
mod server;
mod tls;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::{Method, StatusCode};

pub use form::{Form, with_parameters};
pub(super) use form::{decode, encode};
pub use response::Response;
pub use server::{IssuerServer, ServerError};
pub use tls::{TlsFilesError, tls_from_files};

use zeroize::Zeroizing;

use crate::error::{Error, ErrorCode, OAuthError};

/// The largest body, in bytes: an order of magnitude above what any client sends.
pub(crate) const MAX_BODY_BYTES: usize = 16 * 1024;

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, as it was sent.
    pub path: String,
    /// What stands behind the question mark, if anything.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// From where it comes.
    pub peer: IpAddr,
}

impl Request {
    /// A header, if it is there once and readable.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        if values.next().is_some() { None } else { first.to_str().ok() }
    }

    /// The parameters of the query.
    pub(super) fn query_form(&self) -> Result<Form, OAuthError> {
        Form::parse(&self.query)
    }

    /// The parameters of the body.
    pub(super) fn body_form(&self) -> Result<Form, OAuthError> {
        let kind = self.header(&CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let text = "the body must be application/x-www-form-urlencoded";
            return Err(OAuthError::new(ErrorCode::InvalidRequest, text));
        }
        let body = str::from_utf8(&self.body)
            .map_err(|_| OAuthError::new(ErrorCode::InvalidRequest, "the body is not UTF-8"))?;
        Form::parse(body)
    }

    /// The value of a cookie.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let headers = self.headers.get_all(hyper::header::COOKIE).iter();
        let pairs = headers.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

/// The header by which a client shows its secret (RFC 6749, 2.3.1).
#[must_use]
pub fn basic_authorization(client: &str, secret: &str) -> String {
    let pair = Zeroizing::new(format!("{}:{}", encode(client), encode(secret)));
    format!("Basic {}", STANDARD.encode(pair.as_bytes()))
}

/// An error as JSON, with the status that its code has (RFC 6749, 5.2; RFC 6750, 3.1).
pub(super) fn refusal(error: Error) -> Response {
    let (status, error, after) = match error {
        Error::Refused(error) => (status_of(error.code), error, None),
        Error::TooMany { after } => (
            StatusCode::TOO_MANY_REQUESTS,
            OAuthError::new(ErrorCode::TemporarilyUnavailable, "slow down"),
            Some(after),
        ),
        Error::TryLater { after, cause } => {
            tracing::warn!(?cause, "a request could not be served now");
            let text = "the issuer cannot answer at the moment";
            let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, text);
            (StatusCode::SERVICE_UNAVAILABLE, error, Some(after))
        }
        ours @ (Error::Misconfigured(_) | Error::Bug(_)) => {
            tracing::error!(error = ?ours, "a request failed, and it is our fault");
            let error = OAuthError::new(ErrorCode::ServerError, "the issuer has failed");
            (StatusCode::INTERNAL_SERVER_ERROR, error, None)
        }
    };
    let body = serde_json::json!({ "error": error.code.name(), "error_description": error.description });
    let mut response = Response::json(status, &body).uncached();
    if error.code == ErrorCode::InvalidClient {
        response = response.with("www-authenticate", "Basic realm=\"druse\"");
    }
    match after {
        Some(after) => response.with("retry-after", &after.as_secs().max(1).to_string()),
        None => response,
    }
}

const fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}
