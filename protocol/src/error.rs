//! What can be wrong with bytes from a peer.

/// Bytes that are no message. Always the peer's fault, never a reason to panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("truncated: {field} needs {needed} bytes, {left} are left")]
    Truncated {
        /// The field being read.
        field: &'static str,
        /// How many bytes it wants.
        needed: usize,
        /// How many there are.
        left: usize,
    },
    /// A length or count below zero where none may be.
    #[error("negative length {value} of {field}")]
    NegativeLength {
        /// The field being read.
        field: &'static str,
        /// What was read.
        value: i64,
    },
    /// A length or count above the limit in force.
    #[error("{field} of {value} is above the limit of {limit}")]
    TooLarge {
        /// The field being read.
        field: &'static str,
        /// What was read.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// A value outside what the field allows.
    #[error("invalid {field}: {value}")]
    Invalid {
        /// The field being read.
        field: &'static str,
        /// What was read.
        value: i64,
    },
    /// A type code that Geode does not know.
    #[error("unknown header byte {code:#04x}")]
    UnknownCode {
        /// The code.
        code: u8,
    },
    /// A value that only a Java virtual machine with the user's class can delimit.
    #[error("a value of type code {code:#04x} cannot be delimited without its class")]
    Opaque {
        /// The type code.
        code: u8,
    },
    /// Text that is not (modified) UTF-8.
    #[error("{field} is not valid modified UTF-8")]
    BadText {
        /// The field being read.
        field: &'static str,
    },
    /// Objects within objects, deeper than the limit.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Bytes left over behind a complete value.
    #[error("{left} bytes left over behind {field}")]
    LeftOver {
        /// What was read.
        field: &'static str,
        /// How many bytes follow it.
        left: usize,
    },
    /// A part of the wrong kind, or one too few or too many.
    #[error("message {message}: {problem}")]
    Parts {
        /// The message's name.
        message: &'static str,
        /// What is wrong with its parts.
        problem: &'static str,
    },
}
