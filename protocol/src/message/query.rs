//! The requests QUERY 34 and QUERY_WITH_PARAMETERS 80 (Geode `QueryOp`, `QueryGeode10`, `QueryWithParametersGeode10`).

use super::envelope::Envelope;
use super::parts::{self, PartReader};
use super::value::ValueRef;
use crate::DecodeError;
use crate::codec::frame::Parts;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

/// Asks in OQL.
#[derive(Debug, Clone)]
pub struct Query<'a, V = QueryValues<'a>> {
    /// The text, in modified UTF-8.
    pub text: &'a [u8],
    /// Values for `$1`, `$2` …; `None` makes it a QUERY, which has none.
    pub values: Option<V>,
    /// How long a C++ client waits for the reply.
    pub timeout_ms: Option<i32>,
}

impl<'a> Query<'a> {
    /// Reads either request. The C++ client's additions, an event id and a time limit, are told by the number of parts.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Query, MessageType::QueryWithParameters])?;
        let text = parts.text("no query")?;
        if message.kind() == Some(MessageType::Query) {
            parts.optional();
            let timeout_ms = parts.optional_i32("the time limit is no number")?;
            parts.finish()?;
            return Ok(Self { text, values: None, timeout_ms });
        }
        let left = parts.count(1, "number of values", "no number of values")?;
        let mut timeout_ms = None;
        if parts.left() == left + 2 {
            parts.part("no constant")?;
            timeout_ms = Some(parts.i32("the time limit is no number")?);
        }
        let values = QueryValues { left, parts: parts.rest() };
        for _ in 0..left {
            parts.part("no value")?;
        }
        parts.finish()?;
        Ok(Self { text, values: Some(values), timeout_ms })
    }
}

impl<'a, V> Query<'a, V>
where
    V: Clone + IntoIterator<Item = ValueRef<'a>, IntoIter: ExactSizeIterator>,
{
    /// Writes the request as a Java client does: without a time limit.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let kind = match self.values {
            None => MessageType::Query,
            Some(_) => MessageType::QueryWithParameters,
        };
        let mut writer = parts::request(out, kind, envelope);
        writer.text(self.text);
        if let Some(values) = self.values.clone() {
            let values = values.into_iter();
            writer.i32(parts::count_i32(values.len()));
            values.for_each(|value| writer.part(value.to_part()));
        }
        parts::finish_request(writer, envelope);
    }
}

/// The bind values of a decoded request.
#[derive(Debug, Clone)]
pub struct QueryValues<'a> {
    left: usize,
    parts: Parts<'a>,
}

impl<'a> Iterator for QueryValues<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<ValueRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.parts.next().map(ValueRef::from_part)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for QueryValues<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{MessageWriter, NO_TRANSACTION};
    use crate::message::testing::{ENVELOPE, any_value, with_message};

    #[test]
    fn the_forms_of_the_cpp_client() {
        let mut out = Vec::new();
        let mut writer = MessageWriter::begin(&mut out, MessageType::Query, NO_TRANSACTION, 0);
        writer.text(b"select");
        writer.raw(&[0, 1, 0, 1]);
        writer.i32(9000);
        writer.finish(None);
        with_message(&out, |message| assert_eq!(Query::decode(message).unwrap().timeout_ms, Some(9000)));

        let mut out = Vec::new();
        let mut writer = MessageWriter::begin(&mut out, MessageType::QueryWithParameters, NO_TRANSACTION, 0);
        writer.text(b"select");
        writer.i32(1);
        writer.i32(15);
        writer.i32(9000);
        writer.object(&[0x35, 1]);
        writer.finish(None);
        with_message(&out, |message| {
            let query = Query::decode(message).unwrap();
            assert_eq!(query.timeout_ms, Some(9000));
            assert_eq!(query.values.unwrap().collect::<Vec<_>>(), [ValueRef::Object(&[0x35, 1])]);
        });
    }

    proptest! {
        #[test]
        fn there_and_back(
            text in "[a-z]{1,20}", values in proptest::option::of(proptest::collection::vec(any_value(), 0..5)),
        ) {
            let values: Option<Vec<_>> =
                values.as_ref().map(|values| values.iter().map(|value| value.get()).collect());
            let query = Query {
                text: text.as_bytes(), values: values.as_ref().map(|values| values.iter().copied()),
                timeout_ms: None,
            };
            let mut out = Vec::new();
            query.encode(&mut out, &ENVELOPE);
            with_message(&out, |message| {
                let found = Query::decode(message).unwrap();
                assert_eq!(found.text, text.as_bytes());
                assert_eq!(found.values.map(|values| values.collect::<Vec<_>>()), values);
            });
        }
    }
}
