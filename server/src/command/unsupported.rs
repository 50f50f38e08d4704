//! What this node does not do, said so that an application sees it. RFC.md section 11.

use druse_protocol::codec::{Message, MessageType};

use crate::session::failure::Failure;

/// The bit of a function's state byte that announces results.
const HAS_RESULT: u8 = 0x02;

/// The answer to a request of a type that is not served.
pub(super) fn failure(kind: MessageType) -> Failure {
    use MessageType as M;
    Failure::Unsupported(match kind {
        M::CloseClientCqs => "closing of all queries at once",
        M::ExecuteFunction | M::ExecuteRegionFunction | M::ExecuteRegionFunctionSingleHop => "functions",
        M::Commit | M::Rollback | M::TransactionFailover | M::TransactionSynchronization => {
            return Failure::Transaction;
        }
        M::ProcessBatch | M::GatewayReceiverCommand => "gateway receiver",
        _ => "such operation",
    })
}

/// Whether a function is run without waiting for results: its answer is then a plain message.
pub(super) fn has_no_result(message: &Message<'_>) -> bool {
    let state = message.parts().next().and_then(|part| part.bytes.first().copied());
    state.is_some_and(|state| state & HAS_RESULT == 0)
}
