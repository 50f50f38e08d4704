//! Why a request was not carried out, and what its sender is told. The one place where the node's errors become wire
//! exceptions; the framing follows the request, never the error (protocol/2-operations.md section 4).

use std::borrow::Cow;

use bytes::BytesMut;
use druse_protocol::DecodeError;
use druse_protocol::auth::AuthError;
use druse_protocol::codec::MessageType;
use druse_protocol::compat;
use druse_protocol::message::envelope::ReplyEnvelope;
use druse_protocol::message::exception::{Exception, Framing, TextError, ThrowableClass, text_error_type};
use druse_protocol::version::VersionOrdinal;

use crate::metrics::OperationResult;
use crate::pdx::PdxError;
use crate::query::QueryError;
use crate::region::RegionError;
use crate::subscription::interest::InterestError;
use crate::subscription::notifier::Ending;
use crate::subscription::requests::NoFeed;

/// Why a request was not carried out. The connection stays in every case.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Who asks is not known, not any more, or may not do it.
    Auth(AuthError),
    /// The request makes no sense; its frame does.
    Malformed(DecodeError),
    /// There is no region at that path.
    NoRegion(Box<str>),
    /// The region could not do it.
    Region(RegionError),
    /// The registry of PDX types could not do it.
    Pdx(PdxError),
    /// The query could not be understood, or not be carried out.
    Query(QueryError),
    /// This node does not do such things.
    Unsupported(&'static str),
    /// It belongs to a transaction, which this node does not have.
    Transaction,
    /// What is wrong with the feed that the request is about.
    Feed(FeedFailure),
    /// What is asked about is not there. The text is for the application.
    NotFound(String),
}

impl Failure {
    /// How the operation counts.
    pub(crate) fn result(&self) -> OperationResult {
        match self {
            Self::Auth(AuthError::Expired(_)) => OperationResult::Expired,
            Self::Auth(AuthError::NotAuthorized(_)) => OperationResult::Refused,
            Self::Auth(_) => OperationResult::Unauthenticated,
            _ => OperationResult::Failed,
        }
    }

    /// Writes the answer to a request of that type.
    pub(crate) fn encode(
        &self,
        out: &mut BytesMut,
        request: MessageType,
        framing: Framing,
        client: VersionOrdinal,
        envelope: &ReplyEnvelope,
    ) {
        // A reply that has begun can only end in an exception.
        let text = self.text(request).filter(|_| framing != Framing::LastChunk);
        match text.zip(text_error_type(request)) {
            Some((text, kind)) => TextError { kind, text }.encode(out, framing, envelope),
            None => self.exception(request, client).encode(out, framing, envelope),
        }
    }

    /// What clients are told by the error type of their own operation.
    fn text(&self, request: MessageType) -> Option<Cow<'_, str>> {
        match self {
            Self::Malformed(DecodeError::Opaque { .. }) => None,
            Self::Malformed(error) => Some(format!("malformed {}: {error}", request.geode_name()).into()),
            Self::NotFound(text) => Some(text.into()),
            Self::Region(error @ RegionError::NullValue) => Some(error.to_string().into()),
            Self::Feed(FeedFailure::Ending(_)) => None,
            Self::Feed(error) => Some(error.to_string().into()),
            _ => None,
        }
    }

    fn exception(&self, request: MessageType, client: VersionOrdinal) -> Exception<'_> {
        let (class, text): (_, Cow<'_, str>) = match self {
            Self::Auth(error) => return compat::exception_of(error, client),
            Self::Malformed(error @ DecodeError::Opaque { .. }) => {
                (ThrowableClass::Serialization, error.to_string().into())
            }
            Self::Malformed(error) => (ThrowableClass::IllegalArgument, error.to_string().into()),
            Self::NoRegion(path) => {
                let text = format!("{path} was not found during {} request", request.geode_name());
                (ThrowableClass::RegionDestroyed, text.into())
            }
            // Not of the CancelException family: for those a client gives the whole server up.
            Self::Region(error @ (RegionError::Unavailable | RegionError::Unknown)) => {
                (ThrowableClass::InternalGemFire, error.to_string().into())
            }
            Self::Feed(FeedFailure::Ending(error)) => {
                (ThrowableClass::InternalGemFire, error.to_string().into())
            }
            Self::Feed(error) => (ThrowableClass::IllegalState, error.to_string().into()),
            Self::Region(error) => (ThrowableClass::IllegalState, error.to_string().into()),
            Self::Pdx(error) => (ThrowableClass::IllegalState, error.to_string().into()),
            Self::Query(error) => (class_of(error), error.to_string().into()),
            Self::Unsupported(what) => {
                (ThrowableClass::UnsupportedOperation, format!("this node has no {what}").into())
            }
            // Clients hand this family to the application as it is.
            Self::Transaction => (ThrowableClass::Transaction, "this node has no transactions".into()),
            Self::NotFound(text) => (ThrowableClass::IllegalArgument, text.into()),
        };
        Exception::new(class, text)
    }
}

/// As what Geode throws it.
const fn class_of(error: &QueryError) -> ThrowableClass {
    match error {
        QueryError::NoRegion(_) => ThrowableClass::RegionNotFound,
        QueryError::NoOrder { .. } | QueryError::NoTruth { .. } | QueryError::WrongValue { .. } => {
            ThrowableClass::TypeMismatch
        }
        QueryError::TooLarge { .. } => ThrowableClass::Query,
        QueryError::TooSlow { .. } => ThrowableClass::QueryExecutionTimeout,
        _ => ThrowableClass::QueryInvalid,
    }
}

/// What can be wrong with a request about a feed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedFailure {
    /// The client has none.
    #[error(transparent)]
    None(#[from] NoFeed),
    /// What it wants to be told of cannot be told.
    #[error(transparent)]
    Interest(#[from] InterestError),
    /// A query is no text.
    #[error("the query is no text")]
    BadText,
    /// A query is none that this node runs.
    #[error("{0}")]
    Query(#[from] QueryError),
    /// What no client of today asks for.
    #[error("monitoring of continuous queries is not supported")]
    Monitor,
    /// There are no feeds any more.
    #[error(transparent)]
    Ending(#[from] Ending),
}

impl<E: Into<FeedFailure>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Feed(error.into())
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<RegionError> for Failure {
    fn from(error: RegionError) -> Self {
        Self::Region(error)
    }
}

impl From<PdxError> for Failure {
    fn from(error: PdxError) -> Self {
        Self::Pdx(error)
    }
}
