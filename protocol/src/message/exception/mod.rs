//! Exceptions: Java throwables as a client sees them, written and read **by shape**, without a Java virtual machine.
//!
//! ```text
//!  Exception (class, message, cause) ──write──► 2c aced0005 73 …     part 0, for Java clients
//!                                    ──text───► class: message\n     part 1, which is all that the C++ client reads
//!  RemoteException (class names, message, cause) ◄──read── part 0, else part 1
//! ```
//! | file | job |
//! |---|---|
//! | [`ThrowableClass`] | the classes that every client can load |
//! | `write` | an [`Exception`] into a Java stream |
//! | `read` | a [`RemoteException`] out of one, whatever its class |
//! | `reply` | the EXCEPTION message, plain and chunked |
//! | `text_error` | the errors that are text only |
//!
//! Which of its own errors a node shows as which class is not decided here; for credentials see [`crate::compat`].

mod class;
mod read;
mod reply;
#[cfg(test)]
mod tests;
mod text_error;
mod write;

use std::borrow::Cow;

pub use class::ThrowableClass;
pub use read::{MAX_CAUSES, RemoteException};
pub use reply::{ExceptionReply, Framing};
pub use text_error::{TextError, text_error_type};

/// A throwable to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception<'a> {
    /// Its class; one that is not abstract, or a client cannot make the object.
    pub class: ThrowableClass,
    /// What `getMessage` returns. Peers read it: never a secret in here.
    pub message: Option<Cow<'a, str>>,
    /// What `getCause` returns.
    pub cause: Option<Box<Self>>,
}

impl<'a> Exception<'a> {
    /// An exception with a message and no cause.
    #[must_use]
    pub fn new(class: ThrowableClass, message: impl Into<Cow<'a, str>>) -> Self {
        Self { class, message: Some(message.into()), cause: None }
    }

    /// The same with a cause.
    #[must_use]
    pub fn caused_by(mut self, cause: Self) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// What Java's `toString` gives, which feeds show in a refused handshake: `class.name: message`.
    #[must_use]
    pub fn to_java_string(&self) -> String {
        match &self.message {
            Some(message) => format!("{}: {message}", self.class.name()),
            None => self.class.name().to_owned(),
        }
    }

    /// What Java's `printStackTrace` gives, without frames: where our code was is nobody's business.
    #[must_use]
    pub fn stack_trace(&self) -> String {
        let mut text = self.to_java_string();
        let mut next = self.cause.as_deref();
        while let Some(cause) = next {
            text.push_str("\nCaused by: ");
            text.push_str(&cause.to_java_string());
            next = cause.cause.as_deref();
        }
        text.push('\n');
        text
    }
}
