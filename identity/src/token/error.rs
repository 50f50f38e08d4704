//! Why a token is refused. The texts are shown to the peer: they say which rule was broken and quote nothing of the
//! token but the time of its end.

use druse_protocol::auth::AuthError;
use druse_protocol::time::Micros;

use super::MAX_TOKEN_BYTES;
use crate::key_set::KeyError;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Step 1: size.
    #[error("the token is larger than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// Step 1: shape.
    #[error("the token does not have the three parts of a signed JWT")]
    Shape,
    /// Step 1: the header's size.
    #[error("the token's header is larger than 1024 bytes")]
    HeaderTooLarge,
    /// Step 1: the header's form.
    #[error("the token's header is not base64url of a JSON object with each member once")]
    Header,
    /// Step 1: a header member that would change what is verified, or with which key.
    #[error("the token's header has the member {0}, which is not accepted")]
    HeaderMember(&'static str),
    /// Step 2.
    #[error("the token is of another type than an access token")]
    Type,
    /// Step 3.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// Steps 3 and 4.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Step 5.
    #[error("the token's signature is not valid")]
    Signature,
    /// The payload's form.
    #[error("the token's payload is not base64url of a JSON object with each member once")]
    Payload,
    /// A claim of the wrong type.
    #[error("the token's claim {0} is malformed")]
    Claim(&'static str),
    /// A claim that must be there.
    #[error("the token has no claim {0}")]
    Missing(&'static str),
    /// Step 6: `iss`.
    #[error("the token is from another issuer")]
    Issuer,
    /// Step 6: `aud`.
    #[error("the token is for another audience")]
    Audience,
    /// Step 6: `nbf` or `iat`.
    #[error("the token is not valid yet: its {0} lies in the future")]
    Early(&'static str),
    /// Step 6: `exp`.
    #[error("the token expired at {0} since 1970")]
    Expired(Micros),
    /// Step 8.
    #[error("the token is bound to another TLS client certificate than this connection's")]
    Binding,
    /// Step 8: bound by a means that cannot be checked here.
    #[error("the token is bound by a means other than x5t#S256")]
    BindingKind,
    /// Step 9.
    #[error("the token's owner was signed out after it was issued")]
    Ended,
    /// Step 9, when it cannot be told.
    #[error("whether the token's owner was signed out is not known at the moment")]
    Blind,
}

impl From<TokenError> for AuthError {
    fn from(error: TokenError) -> Self {
        let text = error.to_string();
        match error {
            TokenError::Expired(_) => Self::Expired(text),
            TokenError::Key(KeyError::Unavailable { .. }) | TokenError::Blind => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}
