//! Continuous queries: EXECUTECQ 42, EXECUTECQ_WITH_IR 43, STOPCQ 44, CLOSECQ 45, GETCQSTATS 48, MONITORCQ 49,
//! GETDURABLECQS 105 (Geode `CreateCQOp`, `ExecuteCQ61` and their siblings). All are answered in chunks.
//!
//! | request | answer |
//! |---|---|
//! | 42, 44, 45, 48 | [`CqReply`] |
//! | 43 | [`QueryReply`](super::query_reply::QueryReply), of structs of `key` and `value` |
//! | 105 | [`DurableCqsReply`] |
//! | 49 | always an error: there is nothing behind it in Geode |
//!
//! Errors are texts of type CQDATAERROR 47 or CQ_EXCEPTION_TYPE 50, or exceptions; only these make a client log in again.
//! CLOSECLIENTCQS 46 has no parts, no handler in Geode and no sender.

use super::envelope::{Envelope, ReplyEnvelope};
use super::interest::DataPolicy;
use super::objects::{self, ObjectList};
use super::parts::{self, PartReader};
use super::region;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Chunk, ChunkedHeader, ChunkedWriter, Message, MessageType};
use crate::value::StrRef;

/// Wants to be told of changes of a query's results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecuteCq<'a> {
    /// The client's own name for it, in modified UTF-8: comes back with each event.
    pub name: &'a [u8],
    /// The query, in modified UTF-8.
    pub query: &'a [u8],
    /// [`ExecuteCq::RUNNING`], which is what clients send.
    pub state: i32,
    /// Whether the query outlives the client's absence.
    pub durable: bool,
    /// What the client keeps of the region.
    pub data_policy: DataPolicy,
    /// Whether the answer is to bring the results of the moment.
    pub with_initial_results: bool,
}

impl<'a> ExecuteCq<'a> {
    /// The state of a query that gets events (Geode `CqStateImpl`).
    pub const RUNNING: i32 = 1;

    /// Reads either request. A null part for durability means no.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let kinds = [MessageType::ExecuteCq, MessageType::ExecuteCqWithInitialResults];
        let mut parts = PartReader::of(message, &kinds)?;
        let with_initial_results = message.kind() == Some(MessageType::ExecuteCqWithInitialResults);
        let name = parts.text("no name of the CQ")?;
        let query = parts.text("no query")?;
        let state = parts.i32("no state of the CQ")?;
        let durable = parts.part("no word on durability")?.bytes.first().is_some_and(|&byte| byte != 0);
        let data_policy = DataPolicy::from_wire(parts.u8("no data policy")?)?;
        parts.finish()?;
        Ok(Self { name, query, state, durable, data_policy, with_initial_results })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let kind = match self.with_initial_results {
            true => MessageType::ExecuteCqWithInitialResults,
            false => MessageType::ExecuteCq,
        };
        let mut writer = parts::request(out, kind, envelope);
        writer.text(self.name);
        writer.text(self.query);
        writer.i32(self.state);
        writer.u8(u8::from(self.durable));
        writer.u8(self.data_policy.to_wire());
        parts::finish_request(writer, envelope);
    }
}

/// What is to become of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CqCommand {
    /// It gets no events until it is executed again.
    Stop,
    /// It ends.
    Close,
    /// Its statistics are to be made ready. No client of today asks.
    Statistics,
}

impl CqCommand {
    const fn kind(self) -> MessageType {
        match self {
            Self::Stop => MessageType::StopCq,
            Self::Close => MessageType::CloseCq,
            Self::Statistics => MessageType::GetCqStats,
        }
    }
}

/// Speaks of a query by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedCq<'a> {
    /// What is to become of it.
    pub command: CqCommand,
    /// Its name, in modified UTF-8.
    pub name: &'a [u8],
}

impl<'a> NamedCq<'a> {
    /// Reads any of the three requests.
    ///
    /// # Errors
    /// If it is another message, or the name is missing.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        use CqCommand as C;
        let mut parts = PartReader::of(message, &[C::Stop, C::Close, C::Statistics].map(C::kind))?;
        let command = match message.kind() {
            Some(MessageType::StopCq) => C::Stop,
            Some(MessageType::CloseCq) => C::Close,
            _ => C::Statistics,
        };
        let name = parts.text("no name of the CQ")?;
        parts.finish()?;
        Ok(Self { command, name })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, self.command.kind(), envelope);
        writer.text(self.name);
        parts::finish_request(writer, envelope);
    }
}

/// Wants to switch all queries on or off, at a time when Geode could do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonitorCq<'a> {
    /// What to do; below 1 nothing that ever had a meaning.
    pub operation: i32,
    /// Full path of the region whose queries are meant; `None` for all.
    pub region: Option<&'a str>,
}

impl<'a> MonitorCq<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::MonitorCq])?;
        let operation = parts.i32("no operation")?;
        let region = if parts.left() > 0 { Some(region::decode(&mut parts)?) } else { None };
        parts.finish()?;
        Ok(Self { operation, region })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::MonitorCq, envelope);
        writer.i32(self.operation);
        if let Some(region) = self.region {
            writer.text(region.as_bytes());
        }
        parts::finish_request(writer, envelope);
    }
}

/// Asks which durable queries of the client there are. The request says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetDurableCqs;

impl GetDurableCqs {
    /// Writes the request, with a null part: a message without parts would be passed over.
    pub fn encode(out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::GetDurableCqs, envelope);
        writer.null();
        parts::finish_request(writer, envelope);
    }
}

/// It is done: REPLY 6 in one chunk, with a text that nobody compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CqReply<'a> {
    /// What was done, in modified UTF-8.
    pub text: &'a [u8],
}

impl CqReply<'static> {
    /// The answer to [`ExecuteCq`], in the words of Geode.
    pub const CREATED: Self = Self { text: b"cq created successfully." };
    /// The answer to [`CqCommand::Stop`].
    pub const STOPPED: Self = Self { text: b"cq stopped successfully." };
    /// The answer to [`CqCommand::Close`].
    pub const CLOSED: Self = Self { text: b"cq closed successfully." };
    /// The answer to [`CqCommand::Statistics`].
    pub const STATISTICS: Self = Self { text: b"cq stats sent successfully." };
}

impl<'a> CqReply<'a> {
    /// Reads the reply.
    ///
    /// # Errors
    /// If the header is that of another message, or the chunk holds no text.
    pub fn decode_chunk(header: &ChunkedHeader, chunk: &Chunk<'a>) -> Result<Self, DecodeError> {
        if header.kind() != Some(MessageType::Reply) {
            return Err(DecodeError::Invalid { field: "message type", value: i64::from(header.type_number) });
        }
        let part = parts::only_part(chunk, "CQ reply")?;
        let problem = DecodeError::Parts { message: "CQ reply", problem: "no text" };
        Ok(Self { text: part.raw().ok_or(problem)? })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = ChunkedWriter::begin(out, MessageType::Reply, 1, envelope.tx_id);
        writer.begin_chunk();
        writer.text(self.text);
        parts::end_chunk(&mut writer, true, envelope);
    }
}

/// The answer to [`GetDurableCqs`], chunk by chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DurableCqsReply<'a> {
    /// The names of one chunk, serialized strings.
    pub names: ObjectList<'a>,
}

impl<'a> DurableCqsReply<'a> {
    /// The most names that Geode puts into one chunk (`BaseCommand.MAXIMUM_CHUNK_SIZE`).
    pub const NAMES_PER_CHUNK: usize = 100;

    /// Reads one chunk.
    ///
    /// # Errors
    /// If it holds no list.
    pub fn decode_chunk(chunk: &Chunk<'a>) -> Result<Self, DecodeError> {
        let part = parts::only_part(chunk, "GETDURABLECQS")?;
        Ok(Self { names: ObjectList::read_list(part.bytes, "names of CQs")? })
    }

    /// Writes what goes in front of the first chunk.
    pub fn encode_header(out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        ChunkedWriter::begin(out, MessageType::Response, 1, envelope.tx_id);
    }

    /// Writes one chunk of names in modified UTF-8. The last one must be sent, even if it is empty.
    ///
    /// # Errors
    /// If a name is malformed; what was written of the chunk is taken back.
    pub fn encode_chunk<'n>(
        out: &mut impl Buffer,
        names: impl IntoIterator<Item = &'n [u8], IntoIter: ExactSizeIterator>,
        last: bool,
        envelope: &ReplyEnvelope,
    ) -> Result<(), DecodeError> {
        let mut names = names.into_iter();
        let start = out.position();
        let mut writer = ChunkedWriter::resume(out);
        writer.begin_chunk();
        let mut result = Ok(());
        writer.object_with(|out| {
            objects::begin_list(out, names.len());
            result = names.try_for_each(|name| StrRef::Modified(name).put_canonical(out));
        });
        parts::end_chunk(&mut writer, last, envelope);
        if result.is_err() {
            out.rewind(start);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{FrameLimits, NO_TRANSACTION};
    use crate::message::testing::{REPLY_ENVELOPE, check_request, with_chunks, with_message};

    #[test]
    fn null_for_durability_means_no() {
        let mut out = Vec::new();
        let envelope = Envelope { tx_id: NO_TRANSACTION, retry: false, security: None };
        let mut writer = parts::request(&mut out, MessageType::ExecuteCq, &envelope);
        writer.text(b"c");
        writer.text(b"select * from /r");
        writer.i32(ExecuteCq::RUNNING);
        writer.null();
        writer.u8(0);
        parts::finish_request(writer, &envelope);
        with_message(&out, |message| assert!(!ExecuteCq::decode(message).unwrap().durable));
    }

    #[test]
    fn done_is_said_in_one_chunk() {
        for reply in [CqReply::CREATED, CqReply::STOPPED, CqReply::CLOSED, CqReply::STATISTICS] {
            let mut out = Vec::new();
            reply.encode(&mut out, &REPLY_ENVELOPE);
            let header = ChunkedHeader::decode(&out, &FrameLimits::default()).unwrap().unwrap();
            with_chunks(&out, |chunk| assert_eq!(CqReply::decode_chunk(&header, chunk), Ok(reply)));
            let other = ChunkedHeader { type_number: 50, ..header };
            with_chunks(&out, |chunk| assert!(CqReply::decode_chunk(&other, chunk).is_err()));
        }
    }

    #[test]
    fn a_malformed_name_leaves_no_half_of_a_chunk() {
        let mut out = vec![7];
        let names = [&b"good"[..], &[0x80]];
        assert!(DurableCqsReply::encode_chunk(&mut out, names, true, &REPLY_ENVELOPE).is_err());
        assert_eq!(out, [7]);
    }

    proptest! {
        #[test]
        fn requests_there_and_back(
            name in "[a-z]{1,9}", query in "[a-z]{1,20}", state: i32, durable: bool, data_policy in 0..7_u8,
            with_initial_results: bool, operation: i32, region in proptest::option::of("/[a-z]{1,9}"),
        ) {
            let data_policy = DataPolicy::from_wire(data_policy).unwrap();
            let (name, query) = (name.as_bytes(), query.as_bytes());
            check_request!(ExecuteCq, ExecuteCq { name, query, state, durable, data_policy, with_initial_results });
            for command in [CqCommand::Stop, CqCommand::Close, CqCommand::Statistics] {
                check_request!(NamedCq, NamedCq { command, name });
            }
            check_request!(MonitorCq, MonitorCq { operation, region: region.as_deref() });
        }

        #[test]
        fn durable_queries_there_and_back(names in proptest::collection::vec("[a-zé]{1,9}", 0..150)) {
            let mut out = Vec::new();
            DurableCqsReply::encode_header(&mut out, &REPLY_ENVELOPE);
            for chunk in names.chunks(DurableCqsReply::NAMES_PER_CHUNK) {
                let names = chunk.iter().map(String::as_bytes);
                DurableCqsReply::encode_chunk(&mut out, names, false, &REPLY_ENVELOPE).unwrap();
            }
            DurableCqsReply::encode_chunk(&mut out, [], true, &REPLY_ENVELOPE).unwrap();
            let mut found = Vec::new();
            with_chunks(&out, |chunk| {
                let reply = DurableCqsReply::decode_chunk(chunk).unwrap();
                found.extend(reply.names.iter().map(|name| {
                    let name = StrRef::read(&mut crate::codec::Reader::new(name)).unwrap().unwrap();
                    name.to_text().unwrap().into_owned()
                }));
            });
            prop_assert_eq!(found, names);
        }
    }
}
