//! Java serialization streams (`java.io.ObjectOutputStream`), read by their complete grammar.
//!
//! Geode falls back to this form, behind type code 44, for everything it has no code for: exceptions, `LinkedHashMap`,
//! `List.of`, any plain `Serializable` class. Nothing in a stream says how long it is, so whoever wants to know what comes
//! behind one has to walk it token by token.
//!
//! ```text
//!  stream   := aced 0005 reset* object
//!  object   := 70 null | 71 handle | 72/7d class | 73 class data | 74/7c text | 75 class n values | 76 class | 7e class text
//!  class    := 72 name uid flags fields annotation super  |  7d interfaces annotation super  |  71 handle  |  70
//!  data     := of each class, from the top down:  fields  [ annotation ]
//!  annotation := ( 77/7a block | object )* 78
//! ```
//! There is one grammar with two uses: [`skip`] keeps nothing but the classes that it needs in order to go on, while
//! [`Stream`] keeps everything, for those who look for an exception's message. Both are bounded in depth, in classes and in
//! fields; [`Stream`] also in bytes, since its memory is a multiple of them.

mod collection;
mod parser;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use collection::{JavaEntry, collection, map};

use crate::codec::{Reader, text};
use crate::error::DecodeError;
use parser::Parser;

/// How deep objects may nest. Exceptions with their causes and maps within maps stay below ten; Java itself gives up on
/// chains of some thousands. A level costs a few hundred bytes of stack, and a walk runs on tasks with 2 MiB.
pub const MAX_DEPTH: usize = 128;
/// How many classes one stream may describe.
pub const MAX_CLASSES: usize = 16_384;
/// How many ancestors a class may have: each object costs one step for each.
pub const MAX_ANCESTORS: usize = 64;
/// How many fields the classes of one stream may have together.
pub const MAX_FIELDS: usize = 65_536;
/// The longest stream that [`Stream`] takes in. A server's exception has some 3 kB; memory is up to forty times this.
pub const MAX_KEPT_BYTES: usize = 1 << 20;

/// Moves behind one stream, which begins with `aced0005`.
///
/// # Errors
/// If the bytes are no complete stream, exceed a bound, or hold an object in the externalizable form of JDK 1.1, which has
/// no end of its own ([`DecodeError::Opaque`]).
pub fn skip(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    Parser::new(reader, false).stream().map(drop)
}

/// The name of the class of a stream's outermost object, without walking the rest. `None` for text, null and malformed
/// bytes.
#[must_use]
pub fn root_class_name(stream: &[u8]) -> Option<Cow<'_, str>> {
    // Magic, an object, array or enum constant, and a class that is described here: nothing could be referred to yet.
    let rest = stream.strip_prefix(&[0xac, 0xed, 0, 5])?;
    let rest = match rest {
        [0x73 | 0x75 | 0x76 | 0x7e, 0x72, rest @ ..] => rest,
        _ => return None,
    };
    text::decode(Reader::new(rest).utf("class name").ok()?)
}

/// A field's or an element's content, or a piece of an annotation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Content<'a> {
    /// No object.
    Null,
    /// The object of that number; see [`Stream::item`].
    Object(ItemId),
    /// Bytes that a class wrote by itself.
    Block(&'a [u8]),
    /// A number, character or truth value.
    Primitive(Primitive),
}

/// A value that is no object.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "Java's primitive types, by their names")]
pub enum Primitive {
    Boolean(bool),
    Byte(i8),
    Char(u16),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
}

/// An object's number: its handle on the wire, less the first handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemId(usize);

/// A class's number within its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassId(usize);

/// What a handle stands for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Item<'a> {
    /// A class descriptor, or the class itself as an object.
    Class(ClassId),
    /// An object.
    Object(Object<'a>),
    /// Text in modified UTF-8.
    Text(&'a [u8]),
    /// An array.
    Array(Array<'a>),
    /// An enum constant.
    Enum {
        /// Its class.
        class: ClassId,
        /// Its name, which is a text.
        constant: Content<'a>,
    },
    /// Something that is still being read, hence only seen inside itself.
    Unfinished,
}

/// An object: what each of its classes wrote, from the top down.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<'a> {
    /// The class of the object itself.
    pub class: ClassId,
    /// The data of each class that has any.
    pub data: Vec<ClassData<'a>>,
}

/// What one class of an object wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassData<'a> {
    /// The class.
    pub class: ClassId,
    /// The values of [`Class::fields`], in that order.
    pub fields: Vec<Content<'a>>,
    /// What the class's `writeObject` or `writeExternal` added.
    pub annotation: Vec<Content<'a>>,
}

/// An array.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<'a> {
    /// The array's class, such as `[I`.
    pub class: ClassId,
    /// Its elements.
    pub elements: Elements<'a>,
}

/// The elements of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements<'a> {
    /// Primitive values, big-endian.
    Primitive(&'a [u8]),
    /// Objects.
    Objects(Vec<Content<'a>>),
}

/// A class, as its writer knew it.
#[derive(Debug, Clone, PartialEq)]
pub struct Class<'a> {
    /// Name in modified UTF-8, with dots; empty for a proxy.
    pub name: &'a [u8],
    /// `serialVersionUID`.
    pub uid: i64,
    /// How objects of the class are written.
    pub flags: ClassFlags,
    /// The fields, in the order of their values.
    pub fields: Vec<Field<'a>>,
    /// The class above, unless that is not serializable.
    pub parent: Option<ClassId>,
    handle: usize,
    /// How many classes are above; `None` while the descriptor is being read.
    ancestors: Option<usize>,
}

/// How objects of a class are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassFlags(pub u8);

impl ClassFlags {
    const WRITE_METHOD: u8 = 0x01;
    const SERIALIZABLE: u8 = 0x02;
    const EXTERNALIZABLE: u8 = 0x04;
    const BLOCK_DATA: u8 = 0x08;

    const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// A field of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// `B C D F I J S Z`, or `L` and `[` for objects and arrays.
    pub code: u8,
    /// Name in modified UTF-8.
    pub name: &'a [u8],
}

/// A stream with everything in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream<'a> {
    root: Content<'a>,
    items: Vec<Item<'a>>,
    classes: Vec<Class<'a>>,
}

impl<'a> Stream<'a> {
    /// Reads one stream, beginning at `aced0005`; what follows it stays in the reader.
    ///
    /// # Errors
    /// As [`skip`], and if the stream is longer than [`MAX_KEPT_BYTES`].
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let bytes = reader.rest();
        let kept = bytes.get(..MAX_KEPT_BYTES).unwrap_or(bytes);
        let mut inner = Reader::new(kept);
        let stream = Parser::new(&mut inner, true).stream().map_err(|error| match error {
            DecodeError::Truncated { .. } if kept.len() < bytes.len() => DecodeError::TooLarge {
                field: "java stream",
                value: bytes.len() as u64,
                limit: MAX_KEPT_BYTES as u64,
            },
            other => other,
        })?;
        reader.bytes(kept.len() - inner.remaining(), "java stream")?;
        Ok(stream)
    }

    /// The outermost object.
    #[must_use]
    pub const fn root(&self) -> Content<'a> {
        self.root
    }

    /// What a content stands for, if it is an object.
    #[must_use]
    pub fn item(&self, content: Content<'a>) -> Option<&Item<'a>> {
        match content {
            Content::Object(id) => self.items.get(id.0),
            _ => None,
        }
    }

    /// A class of this stream.
    #[must_use]
    pub fn class(&self, id: ClassId) -> Option<&Class<'a>> {
        self.classes.get(id.0)
    }

    /// The name of an object's class.
    #[must_use]
    pub fn class_name(&self, content: Content<'a>) -> Option<Cow<'a, str>> {
        let class = match self.item(content)? {
            Item::Object(object) => object.class,
            Item::Array(array) => array.class,
            Item::Enum { class, .. } => *class,
            _ => return None,
        };
        text::decode(self.class(class)?.name)
    }

    /// Whether an object's class is, or descends from, the class of that name.
    #[must_use]
    pub fn is_a(&self, content: Content<'a>, class_name: &str) -> bool {
        let Some(Item::Object(object)) = self.item(content) else { return false };
        let mut next = Some(object.class);
        while let Some(class) = next.and_then(|id| self.class(id)) {
            if class.name == class_name.as_bytes() {
                return true;
            }
            next = class.parent;
        }
        false
    }

    /// The value of a field that one of an object's classes declares. Two classes may each declare one of that name.
    #[must_use]
    pub fn field(&self, object: Content<'a>, class_name: &str, field: &str) -> Option<Content<'a>> {
        let Some(Item::Object(object)) = self.item(object) else { return None };
        object.data.iter().find_map(|data| {
            let class = self.class(data.class).filter(|class| class.name == class_name.as_bytes())?;
            let index = class.fields.iter().position(|known| known.name == field.as_bytes())?;
            data.fields.get(index).copied()
        })
    }

    /// A text's characters.
    #[must_use]
    pub fn text(&self, content: Content<'a>) -> Option<Cow<'a, str>> {
        match self.item(content)? {
            Item::Text(bytes) => text::decode(bytes),
            _ => None,
        }
    }
}
