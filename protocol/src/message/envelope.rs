//! What goes round a message: transaction, retry mark, security part.

/// What a client puts round a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Transaction, or [`crate::codec::NO_TRANSACTION`].
    pub tx_id: i32,
    /// The operation may already have been carried out.
    pub retry: bool,
    /// Connection id and, if the client names its user, the user's id.
    pub security: Option<(i64, Option<i64>)>,
}

/// What a server puts round a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyEnvelope {
    /// The request's transaction.
    pub tx_id: i32,
    /// The connection id that the client is to echo, on secured connections.
    pub next_connection_id: Option<i64>,
}
