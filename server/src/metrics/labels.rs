//! The closed sets of label values.

use druse_protocol::auth::AuthError;

/// The values of one label: a closed set, so that no peer can make up new ones.
pub trait Label: Copy + 'static {
    /// Every value, in the order of its index.
    const ALL: &'static [Self];
    /// The label's name in the Prometheus form.
    const NAME: &'static str;
    /// Position in [`Label::ALL`].
    fn index(self) -> usize;
    /// The value's name in the Prometheus form.
    fn text(self) -> &'static str;
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident as $label:literal { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];
            const NAME: &'static str = $label;
            fn index(self) -> usize { self as usize }
            fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

label! {
    /// What a client asked for.
    OperationKind as "operation" {
        /// GET.
        Get = "get",
        /// PUT, putIfAbsent and replace.
        Put = "put",
        /// DESTROY and conditional remove.
        Destroy = "destroy",
        /// INVALIDATE.
        Invalidate = "invalidate",
        /// CONTAINS_KEY.
        ContainsKey = "contains_key",
        /// KEY_SET.
        KeySet = "key_set",
        /// SIZE.
        Size = "size",
        /// CLEAR_REGION.
        Clear = "clear",
        /// PUTALL, with or without callback.
        PutAll = "put_all",
        /// REMOVE_ALL.
        RemoveAll = "remove_all",
        /// GET_ALL, with or without callback.
        GetAll = "get_all",
        /// GET_ENTRY.
        GetEntry = "get_entry",
        /// QUERY, with or without parameters.
        Query = "query",
        /// The registry of PDX types and enums.
        Pdx = "pdx",
        /// Questions about partitions, functions and the like.
        Metadata = "metadata",
        /// USER_CREDENTIAL_MESSAGE.
        Login = "login",
        /// REMOVE_USER_AUTH.
        Logout = "logout",
        /// PING.
        Ping = "ping",
        /// Whatever has no line of its own.
        Other = "other",
    }
}

label! {
    /// How an operation ended.
    OperationResult as "result" {
        /// Answered.
        Ok = "ok",
        /// The login had run out.
        Expired = "expired",
        /// The user may not do it.
        Refused = "refused",
        /// No login, or one the node does not know.
        Unauthenticated = "unauthenticated",
        /// Malformed, not supported, or failed in itself.
        Failed = "failed",
    }
}

label! {
    /// How an attempt to log in ended.
    LoginResult as "result" {
        /// A login the client did not have before.
        Accepted = "accepted",
        /// A login under an id that the client had already.
        Renewed = "renewed",
        /// Credentials that had run out.
        Expired = "expired",
        /// Wrong credentials, or another principal than before.
        Failed = "failed",
        /// The manager could not tell, or not in time.
        Unavailable = "unavailable",
        /// The client tried too often.
        Throttled = "throttled",
    }
}

impl LoginResult {
    /// How a login is counted that was refused for this reason.
    #[must_use]
    pub fn of(error: &AuthError) -> Self {
        match error {
            AuthError::Expired(_) => Self::Expired,
            AuthError::Unavailable(_) => Self::Unavailable,
            _ => Self::Failed,
        }
    }
}

label! {
    /// Why a connection was not served, or no longer.
    RefusalReason as "reason" {
        /// The node has as many connections as it may have.
        MaxConnections = "max_connections",
        /// That address has as many connections as it may have.
        MaxPerAddress = "max_per_address",
        /// The handshake did not come in time.
        HandshakeTimeout = "handshake_timeout",
        /// The handshake was malformed or refused.
        Handshake = "handshake",
        /// TLS could not be agreed on.
        Tls = "tls",
        /// Nothing was heard for too long.
        Idle = "idle",
        /// A message did not arrive completely in time.
        SlowMessage = "slow_message",
        /// The peer did not read its answers.
        WriteStall = "write_stall",
        /// The stream was not the protocol's.
        Malformed = "malformed",
        /// The node had no room for a message of that size.
        Memory = "memory",
        /// A login ran out before its answers were taken.
        Expired = "expired",
        /// An answer did not come about in time: a fault of the node's own.
        AnswerTimeout = "answer_timeout",
    }
}
