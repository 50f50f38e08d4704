//! What can go wrong between a caller and the issuer, by culprit (identity-spec 1).

use std::time::Duration;

use crate::keys::KeysError;
use crate::seal::SealError;
use crate::signing_key::MintError;
use crate::store::StoreError;

/// How long somebody waits who is told to try later because the store is busy or away.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Why the issuer did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller is wrong, and is told how.
    #[error(transparent)]
    Refused(#[from] OAuthError),
    /// Nobody is at fault for good.
    #[error("try again in {} s", after.as_secs().max(1))]
    TryLater {
        /// After how long.
        after: Duration,
        /// Why, for our own log.
        #[source]
        cause: Option<StoreError>,
    },
    /// The caller asks more often than anybody needs to.
    #[error("slow down")]
    TooMany {
        /// After how long the next request is served.
        after: Duration,
    },
    /// Ours: an operator must look.
    #[error("the issuer is misconfigured: {0}")]
    Misconfigured(&'static str),
    /// Ours: a mistake in the program, or a damaged store.
    #[error("the issuer has failed")]
    Bug(#[source] StoreError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(_) | StoreError::Impossible(_) => Self::Bug(error),
            cause => Self::TryLater { after: STORE_PAUSE, cause: Some(cause) },
        }
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Randomness => Self::Misconfigured("the system gives no randomness"),
            _ => Self::Misconfigured("a master key is missing"),
        }
    }
}

impl From<MintError> for Error {
    fn from(_: MintError) -> Self {
        Self::Misconfigured("the signing key does not sign")
    }
}

impl From<KeysError> for Error {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Store(error) => error.into(),
            KeysError::Seal(error) => error.into(),
            KeysError::Mint(error) => error.into(),
            KeysError::Refused(_) => Self::Misconfigured("a signing key is not in the state it should be in"),
        }
    }
}

/// An error as OAuth has it: a code that programs read and a sentence for people, without anything that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.name())]
pub struct OAuthError {
    /// The code.
    pub code: ErrorCode,
    /// The sentence.
    pub description: &'static str,
}

impl OAuthError {
    /// An error of that code.
    #[must_use]
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description }
    }
}

/// The codes of RFC 6749 (4.1.2.1, 5.2), RFC 6750 (3.1), RFC 8693 (2.2.2) and OpenID Connect Core (3.1.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// A parameter is missing, malformed or repeated.
    InvalidRequest,
    /// The client is unknown, or has not shown that it is itself.
    InvalidClient,
    /// The code or token is not good, or somebody else's.
    InvalidGrant,
    /// The client may not do this.
    UnauthorizedClient,
    /// There is no such grant type.
    UnsupportedGrantType,
    /// There is no such response type.
    UnsupportedResponseType,
    /// A scope is malformed or beyond what may be had.
    InvalidScope,
    /// There is no such audience or resource.
    InvalidTarget,
    /// The access token is not good.
    InvalidToken,
    /// The access token does not reach so far.
    InsufficientScope,
    /// The subject or the issuer said no.
    AccessDenied,
    /// Nobody is logged in, and nobody may be asked.
    LoginRequired,
    /// The issuer has failed.
    ServerError,
    /// The issuer is busy.
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// The code as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}
