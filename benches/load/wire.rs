//! What a driver needs of a protocol: requests out, replies in, nothing else.

use std::error::Error;
use std::net::TcpStream;

/// What the driver's functions return: a text that says what went wrong is all that anybody does with it.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// One operation on one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// Read a value.
    Get,
    /// Overwrite a value.
    Put,
}

impl Operation {
    pub(crate) const ALL: [Self; 2] = [Self::Get, Self::Put];

    /// As it stands in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
        }
    }
}

/// One connection's end of a protocol, without the socket.
pub(crate) trait Wire: Send {
    /// Appends a request.
    fn request(&mut self, operation: Operation, key: &[u8], out: &mut Vec<u8>);

    /// Takes one whole reply off the front of `input` and says how long it was; `None` if it is not all there.
    ///
    /// # Errors
    /// If the reply is not what a server answers when all is well: a value is missing, short, or an error.
    fn reply(&mut self, operation: Operation, input: &[u8]) -> Outcome<Option<usize>>;
}

/// A client of a server: connections that share one login where the protocol has such a thing.
pub(crate) trait Client: Send {
    /// Opens a connection, ready for operations; the first one logs in. Blocking.
    fn connect(&mut self) -> Outcome<(TcpStream, Box<dyn Wire>)>;
}

/// Bytes of a value.
pub(crate) const VALUE_BYTES: usize = 100;
/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 14;

/// The text of key `number`.
pub(crate) fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"key-0000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}
