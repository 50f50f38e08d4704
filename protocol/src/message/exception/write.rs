//! An exception into a Java stream.
//!
//! Two shapes. Most classes take the short one: a descriptor may declare fewer fields than the class has, so that
//! `Throwable` shrinks to its message and cause. Security exceptions take the full one, because their `getCause` reads a
//! field of `GemFireSecurityException` that a short descriptor would leave out. Descriptors and texts are always written in
//! full, never as handles: no position in the stream has to be known.

use super::{Exception, ThrowableClass};
use crate::codec::text;
use crate::codec::writer::Buffer;

/// Type code of an object in Java's own serialization (Geode `DSCODE.SERIALIZABLE`).
const SERIALIZABLE: u8 = 0x2c;
const STREAM_HEADER: [u8; 4] = [0xac, 0xed, 0, 5];
const NULL: u8 = 0x70;
const CLASS_DESCRIPTOR: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const END: u8 = 0x78;
const LONG_STRING: u8 = 0x7c;

/// Fields only.
const PLAIN: u8 = 0x02;
/// Fields, and an annotation behind them, since the class has a `writeObject`.
const ANNOTATED: u8 = 0x03;

const THROWABLE: &str = "Ljava/lang/Throwable;";
const CAUSE: Field = Field('L', "cause", THROWABLE);
const MESSAGE: Field = Field('L', "detailMessage", "Ljava/lang/String;");
const STACK_TRACE: Field = Field('[', "stackTrace", "[Ljava/lang/StackTraceElement;");
const SUPPRESSED: Field = Field('L', "suppressedExceptions", "Ljava/util/List;");
const PRINCIPAL: Field = Field('L', "principal", "Ljava/security/Principal;");

/// A field's type code, name and type.
struct Field(char, &'static str, &'static str);

impl Exception<'_> {
    /// Writes the exception as one serialized object, type code first.
    pub fn write(&self, out: &mut impl Buffer) {
        out.put_u8(SERIALIZABLE);
        out.put_slice(&STREAM_HEADER);
        object(out, self);
    }
}

fn object(out: &mut impl Buffer, exception: &Exception<'_>) {
    out.put_u8(OBJECT);
    if exception.class.is_a(ThrowableClass::Security) {
        security_object(out, exception);
    } else {
        short_object(out, exception);
    }
}

fn short_object(out: &mut impl Buffer, exception: &Exception<'_>) {
    for class in exception.class.lineage() {
        match (class, &exception.cause) {
            (ThrowableClass::Throwable, Some(_)) => descriptor(out, class, PLAIN, &[CAUSE, MESSAGE]),
            (ThrowableClass::Throwable, None) => descriptor(out, class, PLAIN, &[MESSAGE]),
            _ => descriptor(out, class, PLAIN, &[]),
        }
    }
    out.put_u8(NULL); // nothing is above Throwable
    if let Some(cause) = &exception.cause {
        object(out, cause);
    }
    optional_string(out, exception.message.as_deref());
}

fn security_object(out: &mut impl Buffer, exception: &Exception<'_>) {
    for class in exception.class.lineage() {
        match class {
            ThrowableClass::NotAuthorized => descriptor(out, class, ANNOTATED, &[PRINCIPAL]),
            ThrowableClass::Security => descriptor(out, class, ANNOTATED, &[CAUSE]),
            ThrowableClass::Throwable => {
                descriptor(out, class, ANNOTATED, &[CAUSE, MESSAGE, STACK_TRACE, SUPPRESSED]);
            }
            _ => descriptor(out, class, PLAIN, &[]),
        }
    }
    out.put_u8(NULL);
    // Values come from the top class down. Throwable: no cause of its own, message, no stack trace, nothing suppressed.
    out.put_u8(NULL);
    optional_string(out, exception.message.as_deref());
    out.put_slice(&[NULL, NULL, END]);
    match &exception.cause {
        Some(cause) => object(out, cause),
        None => out.put_u8(NULL),
    }
    out.put_u8(END);
    if exception.class == ThrowableClass::NotAuthorized {
        out.put_slice(&[NULL, END]);
    }
}

fn descriptor(out: &mut impl Buffer, class: ThrowableClass, flags: u8, fields: &[Field]) {
    out.put_u8(CLASS_DESCRIPTOR);
    utf(out, class.name());
    out.put_u64(class.serial_version_uid());
    out.put_u8(flags);
    out.put_u16(fields.len() as u16);
    for Field(code, name, signature) in fields {
        out.put_u8(*code as u8);
        utf(out, name);
        out.put_u8(STRING);
        utf(out, signature);
    }
    out.put_u8(END);
}

/// Writes one of the names above, which are short and plain.
fn utf(out: &mut impl Buffer, name: &str) {
    out.put_u16(name.len() as u16);
    out.put_slice(name.as_bytes());
}

fn optional_string(out: &mut impl Buffer, text: Option<&str>) {
    let Some(text) = text else { return out.put_u8(NULL) };
    let bytes = text::encode(text);
    match u16::try_from(bytes.len()) {
        Ok(length) => {
            out.put_u8(STRING);
            out.put_u16(length);
        }
        Err(_) => {
            out.put_u8(LONG_STRING);
            out.put_u64(bytes.len() as u64);
        }
    }
    out.put_slice(&bytes);
}
