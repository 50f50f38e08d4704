//! The feed of ends for nodes (identity-spec 3.5): what is over, as soon as it is.

use std::time::Duration;

use hyper::StatusCode;

use super::Issuer;
use super::http::{Form, Request, Response};
use super::routes::Answer;
use crate::ends::{EndsError, FEED, Place, held, written};
use crate::error::{Error, ErrorCode, OAuthError};

/// The longest time back, in seconds: no login on a node lives for a day.
const LONGEST: u64 = 24 * 3600;

const NO_PLACE: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "one of after (a position) and within (seconds) is needed");
const NOT_ALLOWED: OAuthError =
    OAuthError::new(ErrorCode::InsufficientScope, "the client lacks identity:feed in its scope");

impl Issuer {
    /// Answers a node that follows. The question is held until something ends.
    pub(super) async fn feed(&self, request: &Request) -> Answer {
        // Secrets come in the header only: a query is written to logs.
        let client = self.authenticated_client_of(request, &Form::default()).await?;
        if !client.settings.scope.iter().any(|scope| scope == FEED) {
            return Err(NOT_ALLOWED.into());
        }
        let place = place(&request.query_form()?).ok_or(NO_PLACE)?;
        match held(&self.store, place, &*self.clock, self.config.feed_hold).await {
            Ok(ends) => Ok(Response::json(StatusCode::OK, &written(&ends)).uncached()),
            Err(EndsError::Gone) => Ok(Response::empty(StatusCode::GONE).uncached()),
            Err(EndsError::Store(error)) => Err(error.into()),
            Err(_) => Err(Error::Misconfigured("the feed of ends cannot be read")),
        }
    }
}

fn place(form: &Form) -> Option<Place> {
    match (form.get("after"), form.get("within")) {
        (Some(after), None) => after.parse().ok().filter(|after| *after >= 0).map(Place::After),
        (None, Some(within)) => {
            let seconds = within.parse().ok().filter(|seconds| *seconds <= LONGEST)?;
            Some(Place::Within(Duration::from_secs(seconds)))
        }
        _ => None,
    }
}
