//! One file a message family: what a request does, and its answer. Everything here is answered at once, or says what it
//! waits for; nothing here reads a socket or a clock.

mod bulk;
mod clear;
mod contains;
pub(crate) mod convert;
mod cq;
mod destroy;
mod feed;
mod get;
mod get_all;
mod get_entry;
pub(crate) mod housekeeping;
pub(crate) mod interest;
mod invalidate;
mod key_set;
mod metadata;
mod pdx;
mod put;
mod query;
mod size;
mod unsupported;

use druse_protocol::codec::{Message, MessageType, NO_TRANSACTION};
use druse_protocol::message::exception::Framing;

use crate::metrics::OperationKind;
use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// What statistics of clients are put into; it is no region.
///
/// Geode: `ClientHealthMonitoringRegion.java`.
const STATISTICS_REGION: &[u8] = b"__ADMIN_CLIENT_HEALTH_MONITORING__";

/// Carries a request out. Its user is bound and logged in.
///
/// # Errors
/// See [`Failure`].
pub(crate) fn run(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    use MessageType as M;
    if exchange.ask.tx_id != NO_TRANSACTION && !exchange.ask.kind.is_internal() {
        return Err(Failure::Transaction);
    }
    match exchange.ask.kind {
        M::Get => get::get(exchange, message),
        M::Put if is_statistics(message) => housekeeping::statistics(exchange),
        M::Put => put::put(exchange, message),
        M::Destroy => destroy::destroy(exchange, message),
        M::Invalidate => invalidate::invalidate(exchange, message),
        M::ContainsKey => contains::contains(exchange, message),
        M::KeySet => key_set::key_set(exchange, message),
        M::Size => size::size(exchange, message),
        M::ClearRegion => clear::clear(exchange, message),
        M::CreateRegion | M::DestroyRegion => clear::manage(exchange),
        M::PutAll | M::PutAllWithCallback => bulk::put_all(exchange, message),
        M::RemoveAll => bulk::remove_all(exchange, message),
        M::GetAll70 | M::GetAllWithCallback => get_all::get_all(exchange, message),
        M::GetEntry => get_entry::get_entry(exchange, message),
        M::Query | M::QueryWithParameters => query::query(exchange, message),
        M::GetClientPartitionAttributes => metadata::partition_attributes(exchange, message),
        M::GetClientPrMetadata => metadata::partition_metadata(exchange, message),
        M::GetFunctionAttributes => metadata::function_attributes(exchange, message),
        M::RegisterInstantiators | M::RegisterDataSerializers => housekeeping::register(exchange, message),
        M::GetPdxTypeById
        | M::GetPdxIdForType
        | M::AddPdxType
        | M::AddPdxEnum
        | M::GetPdxIdForEnum
        | M::GetPdxEnumById
        | M::GetPdxTypes
        | M::GetPdxEnums => pdx::pdx(exchange, message),
        M::RegisterInterest => interest::register(exchange, message),
        M::RegisterInterestList => interest::register_list(exchange, message),
        M::UnregisterInterest => interest::unregister(exchange, message),
        M::UnregisterInterestList => interest::unregister_list(exchange, message),
        M::ExecuteCq | M::ExecuteCqWithInitialResults => cq::execute(exchange, message),
        M::StopCq | M::CloseCq | M::GetCqStats => cq::end(exchange, message),
        M::GetDurableCqs => Ok(cq::durable(exchange)),
        M::MonitorCq => cq::monitor(message),
        M::MakePrimary => Ok(feed::make_primary(exchange, message)),
        M::ClientReady => Ok(feed::client_ready(exchange)),
        M::PeriodicAck => feed::acknowledge(exchange, message),
        M::RequestEventValue => feed::event_value(exchange, message),
        M::Ping => housekeeping::acknowledge(exchange),
        other => Err(unsupported::failure(other)),
    }
}

/// Whether clients send messages of this type.
pub(crate) const fn is_request(kind: MessageType) -> bool {
    use MessageType as M;
    matches!(
        kind,
        M::Get
            | M::Ping
            | M::Put
            | M::Destroy
            | M::DestroyRegion
            | M::CloseConnection
            | M::ProcessBatch
            | M::RegisterInterest
            | M::UnregisterInterest
            | M::RegisterInterestList
            | M::UnregisterInterestList
            | M::CreateRegion
            | M::MakePrimary
            | M::Query
            | M::ClearRegion
            | M::ContainsKey
            | M::KeySet
            | M::ExecuteCq
            | M::ExecuteCqWithInitialResults
            | M::StopCq
            | M::CloseCq
            | M::CloseClientCqs
            | M::GetCqStats
            | M::MonitorCq
            | M::RegisterInstantiators
            | M::PeriodicAck
            | M::ClientReady
            | M::PutAll
            | M::ExecuteRegionFunction
            | M::ExecuteFunction
            | M::RegisterDataSerializers
            | M::RequestEventValue
            | M::GetClientPrMetadata
            | M::GetClientPartitionAttributes
            | M::UserCredentialMessage
            | M::RemoveUserAuth
            | M::ExecuteRegionFunctionSingleHop
            | M::QueryWithParameters
            | M::Size
            | M::Invalidate
            | M::Commit
            | M::Rollback
            | M::TransactionFailover
            | M::GetEntry
            | M::TransactionSynchronization
            | M::GetFunctionAttributes
            | M::GetPdxTypeById
            | M::GetPdxIdForType
            | M::AddPdxType
            | M::AddPdxEnum
            | M::GetPdxIdForEnum
            | M::GetPdxEnumById
            | M::GetAll70
            | M::GetPdxTypes
            | M::GetPdxEnums
            | M::GatewayReceiverCommand
            | M::GetDurableCqs
            | M::GetAllWithCallback
            | M::PutAllWithCallback
            | M::RemoveAll
    )
}

/// The requests that anybody may send who has said hello: signs of life, goodbyes, and what leads to a login or ends
/// one. Geode lets some thirty types through (ref. 3, section 7, row 7).
pub(crate) const fn needs_no_login(kind: MessageType) -> bool {
    use MessageType as M;
    matches!(kind, M::Ping | M::CloseConnection | M::UserCredentialMessage | M::RemoveUserAuth)
}

/// What directs a client's feed and neither reads nor writes anything. It needs a user who has logged in once, not one whose
/// login is still good: what it sets going is judged event by event, and clients say it on timers and when they change
/// servers, where nobody would answer "expired" with a login. Geode lets it through, too.
pub(crate) const fn outlives_login(kind: MessageType) -> bool {
    use MessageType as M;
    matches!(kind, M::MakePrimary | M::ClientReady | M::PeriodicAck)
}

/// Whether the answer to this request carries a security part on a node that asks for logins.
pub(crate) fn is_secured(kind: MessageType, message: &Message<'_>) -> bool {
    !(kind.is_internal() || kind == MessageType::Put && is_statistics(message))
}

/// How errors in answer to this request are framed.
pub(crate) fn framing(kind: MessageType, message: &Message<'_>) -> Framing {
    let is_function = matches!(
        kind,
        MessageType::ExecuteFunction
            | MessageType::ExecuteRegionFunction
            | MessageType::ExecuteRegionFunctionSingleHop
    );
    // A function without result is answered by a plain message.
    if is_function && unsupported::has_no_result(message) { Framing::Plain } else { Framing::of(kind) }
}

/// Under which name a request is counted.
pub(crate) const fn counted_as(kind: MessageType) -> OperationKind {
    use MessageType as M;
    match kind {
        M::Get => OperationKind::Get,
        M::Put => OperationKind::Put,
        M::Destroy => OperationKind::Destroy,
        M::Invalidate => OperationKind::Invalidate,
        M::ContainsKey => OperationKind::ContainsKey,
        M::KeySet => OperationKind::KeySet,
        M::Size => OperationKind::Size,
        M::ClearRegion => OperationKind::Clear,
        M::PutAll | M::PutAllWithCallback => OperationKind::PutAll,
        M::RemoveAll => OperationKind::RemoveAll,
        M::GetAll70 | M::GetAllWithCallback => OperationKind::GetAll,
        M::GetEntry => OperationKind::GetEntry,
        M::Query | M::QueryWithParameters => OperationKind::Query,
        M::GetPdxTypeById
        | M::GetPdxIdForType
        | M::AddPdxType
        | M::AddPdxEnum
        | M::GetPdxIdForEnum
        | M::GetPdxEnumById
        | M::GetPdxTypes
        | M::GetPdxEnums => OperationKind::Pdx,
        M::GetClientPrMetadata | M::GetClientPartitionAttributes | M::GetFunctionAttributes => {
            OperationKind::Metadata
        }
        M::UserCredentialMessage => OperationKind::Login,
        M::RemoveUserAuth => OperationKind::Logout,
        M::Ping => OperationKind::Ping,
        _ => OperationKind::Other,
    }
}

fn is_statistics(message: &Message<'_>) -> bool {
    message.parts().next().is_some_and(|part| part.bytes == STATISTICS_REGION)
}
