//! Which endpoint answers.

use std::net::IpAddr;

use hyper::{Method, StatusCode};

use super::Issuer;
use super::http::{Request, Response, refusal};
use crate::error::Error;

impl Issuer {
    /// Answers a request.
    pub async fn answer(&self, request: Request) -> Response {
        // HEAD is GET whose body the server leaves out.
        let method = if request.method == Method::HEAD { Method::GET } else { request.method.clone() };
        if ["/authorize", "/login", "/userinfo", "/end-session"].contains(&request.path.as_str())
            && let Err(after) = self.rates.lock().admit(&address(request.peer), self.now())
        {
            return refusal(Error::TooMany { after });
        }
        let outcome = match (request.path.as_str(), &method) {
            (
                "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server",
                &Method::GET,
            ) => Ok(self.metadata()),
            ("/keys", &Method::GET) => Ok(self.key_set(&request)),
            ("/authorize", &Method::GET | &Method::POST) => Ok(self.authorize(&request).await),
            ("/login", &Method::POST) => Ok(self.log_in(&request).await),
            ("/token", &Method::POST) => self.token(&request).await,
            ("/revoke", &Method::POST) => self.revoke(&request).await,
            ("/introspect", &Method::POST) => self.introspect(&request).await,
            ("/userinfo", &Method::GET | &Method::POST) => Ok(self.userinfo(&request).await),
            ("/end-session", &Method::GET | &Method::POST) => Ok(self.end_session(&request).await),
            ("/v1/feed", &Method::GET) => self.feed(&request).await,
            ("/livez", &Method::GET) => Ok(plain(StatusCode::OK, "alive\n")),
            ("/readyz", &Method::GET) => Ok(self.readiness().await),
            (path, _) => Ok(lost(path)),
        };
        outcome.unwrap_or_else(refusal)
    }

    /// Ready is who can reach the store and has a key to sign with.
    async fn readiness(&self) -> Response {
        let reachable = self.store.events_after(i64::MAX).await.is_ok();
        if reachable && self.keys.default_signer().is_some() {
            plain(StatusCode::OK, "ready\n")
        } else {
            plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    }
}

/// Who asks without a client's secret counts by address; of IPv6 by network, as one machine has all of it. No client's id
/// has a slash.
fn address(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V6(v6) => format!("{}/64", std::net::Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => format!("{v4}/32"),
    }
}

/// An address that is not there, or not in that way.
fn lost(path: &str) -> Response {
    let (gets, posts): (&[&str], &[&str]) = (
        &[
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
            "/keys",
            "/v1/feed",
            "/livez",
            "/readyz",
        ],
        &["/login", "/token", "/revoke", "/introspect"],
    );
    let both = ["/authorize", "/userinfo", "/end-session"];
    let allowed = if gets.contains(&path) {
        "GET, HEAD"
    } else if posts.contains(&path) {
        "POST"
    } else if both.contains(&path) {
        "GET, HEAD, POST"
    } else {
        return plain(StatusCode::NOT_FOUND, "there is nothing here\n");
    };
    plain(StatusCode::METHOD_NOT_ALLOWED, "not in this way\n").with("allow", allowed)
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    Response::text(status, "text/plain; charset=utf-8", text).uncached()
}

/// What an endpoint that speaks OAuth answers with.
pub(super) type Answer = Result<Response, Error>;
