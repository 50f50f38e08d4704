//! Any throwable out of a Java stream: its classes, its message, its causes.

use std::fmt;

use super::{Exception, ThrowableClass};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::java_stream::{Content, Item, Stream};

/// How many causes of causes are kept. Java's own chains have two to four; a chain can be a circle.
pub const MAX_CAUSES: usize = 16;

const SERIALIZABLE: u8 = 0x2c;

/// A throwable that a peer sent, of whatever class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteException {
    /// The class and all above it, as far as the sender named them: never empty, the class itself first.
    pub lineage: Vec<String>,
    /// What `getMessage` would return.
    pub message: Option<String>,
    /// What `getCause` would return.
    pub cause: Option<Box<Self>>,
}

impl RemoteException {
    /// Reads one serialized object (type code first), which must be a throwable and all there is.
    ///
    /// # Errors
    /// If the bytes are anything else, or exceed the bounds of [`crate::value::java_stream`].
    pub fn read(object: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(object);
        match reader.u8("exception")? {
            SERIALIZABLE => {}
            code => return Err(DecodeError::Invalid { field: "exception", value: i64::from(code) }),
        }
        let stream = Stream::read(&mut reader)?;
        reader.finish("exception")?;
        let root = stream.root();
        if !stream.is_a(root, ThrowableClass::Throwable.name()) {
            return Err(DecodeError::Invalid { field: "exception class", value: 0 });
        }
        Ok(of_stream(&stream, root))
    }

    /// Reads the first line of a stack trace, `class.name: message`, for want of anything better.
    #[must_use]
    pub fn from_stack_trace(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        let (class, message) = match line.split_once(": ") {
            Some((class, message)) => (class, Some(message.to_owned())),
            None => (line, None),
        };
        Self { lineage: vec![class.to_owned()], message, cause: None }
    }

    /// The full name of its class.
    #[must_use]
    pub fn class_name(&self) -> &str {
        self.lineage.first().map_or("", String::as_str)
    }

    /// Its class, if it is one that we know.
    #[must_use]
    pub fn class(&self) -> Option<ThrowableClass> {
        ThrowableClass::from_name(self.class_name())
    }

    /// Whether its class is, or descends from, the given one.
    #[must_use]
    pub fn is_a(&self, class: ThrowableClass) -> bool {
        // A name taken from a stack trace comes without a lineage, and then ours serves.
        self.lineage.iter().any(|name| name == class.name())
            || self.class().is_some_and(|known| known.is_a(class))
    }

    /// The exception itself, its cause, the cause's cause, and so on.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |exception| exception.cause.as_deref())
    }
}

impl fmt::Display for RemoteException {
    /// As Java's `toString`; the causes are left to `source`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class_name())?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RemoteException {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<&Exception<'_>> for RemoteException {
    /// What a peer would read if the exception were sent to it.
    fn from(exception: &Exception<'_>) -> Self {
        Self {
            lineage: exception.class.lineage().map(|class| class.name().to_owned()).collect(),
            message: exception.message.as_deref().map(str::to_owned),
            cause: exception.cause.as_deref().map(|cause| Box::new(cause.into())),
        }
    }
}

fn of_stream(stream: &Stream<'_>, root: Content<'_>) -> RemoteException {
    // Walked in a loop and put together from the innermost cause outwards: a chain may be long, and may be a circle.
    let mut chain = vec![root];
    while let Some(cause) = chain.last().and_then(|&thrown| cause_of(stream, thrown)) {
        if chain.len() > MAX_CAUSES || chain.contains(&cause) {
            break;
        }
        chain.push(cause);
    }
    let mut outer: Option<Box<RemoteException>> = None;
    for &thrown in chain.iter().rev() {
        let field = stream.field(thrown, ThrowableClass::Throwable.name(), "detailMessage");
        let message = field.and_then(|text| stream.text(text)).map(|text| text.into_owned());
        outer =
            Some(Box::new(RemoteException { lineage: lineage_of(stream, thrown), message, cause: outer }));
    }
    outer.map(|exception| *exception).unwrap_or_default()
}

/// What `getCause` returns: security exceptions have a field of their own that goes before Throwable's.
fn cause_of<'a>(stream: &Stream<'a>, thrown: Content<'a>) -> Option<Content<'a>> {
    [ThrowableClass::Security, ThrowableClass::Throwable].into_iter().find_map(|class| {
        stream
            .field(thrown, class.name(), "cause")
            .filter(|&cause| cause != thrown && stream.is_a(cause, ThrowableClass::Throwable.name()))
    })
}

fn lineage_of(stream: &Stream<'_>, thrown: Content<'_>) -> Vec<String> {
    let mut lineage = Vec::new();
    let mut next = match stream.item(thrown) {
        Some(Item::Object(object)) => stream.class(object.class),
        _ => None,
    };
    while let Some(class) = next {
        lineage.push(String::from_utf8_lossy(class.name).into_owned());
        next = class.parent.and_then(|parent| stream.class(parent));
    }
    lineage
}
