use proptest::prelude::*;

use super::*;
use crate::codec::{Chunk, ChunkedHeader, FrameLimits, Message, MessageType};
use crate::error::DecodeError;
use crate::message::envelope::ReplyEnvelope;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

fn written(exception: &Exception<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    exception.write(&mut out);
    out
}

/// What stands between the leaf's descriptor and the message of every security exception; loaded by real clients of both
/// generations.
const SECURITY_TAIL: &str = "
    7200326f72672e6170616368652e67656f64652e73656375726974792e47656d466972655365637572697479457863657074696f6e34eef45480b3a93e
    0300014c000563617573657400154c6a6176612f6c616e672f5468726f7761626c653b787200216f72672e6170616368652e67656f64652e47656d4669
    7265457863657074696f6e9f3d32cfdac97f490200007872001a6a6176612e6c616e672e52756e74696d65457863657074696f6e9e5f06470a3483e502
    0000787200136a6176612e6c616e672e457863657074696f6ed0fd1f3e1a3b1cc4020000787200136a6176612e6c616e672e5468726f7761626c65d5c6
    35273977b8cb0300044c000563617573657400154c6a6176612f6c616e672f5468726f7761626c653b4c000d64657461696c4d6573736167657400124c
    6a6176612f6c616e672f537472696e673b5b000a737461636b547261636574001e5b4c6a6176612f6c616e672f537461636b5472616365456c656d656e
    743b4c001473757070726573736564457863657074696f6e737400104c6a6176612f7574696c2f4c6973743b787070";

const LEAF_REQUIRED: &str = "
    72 0039 6f72672e6170616368652e67656f64652e73656375726974792e41757468656e7469636174696f6e5265717569726564457863657074696f6e
    40e467fd630632e7 02 0000 78";
const LEAF_NOT_AUTHORIZED: &str = "
    72 0030 6f72672e6170616368652e67656f64652e73656375726974792e4e6f74417574686f72697a6564457863657074696f6e 05d15a8524c7c0a1
    03 0001 4c 0009 7072696e636970616c 74 0019 4c6a6176612f73656375726974792f5072696e636970616c3b 78";

#[test]
fn the_short_form_is_what_real_clients_decoded() {
    let expected = hex("
        2caced0005737200226a6176612e6c616e672e496c6c6567616c417267756d656e74457863657074696f6eb58973d37d668fbc02000078
        72001a6a6176612e6c616e672e52756e74696d65457863657074696f6e9e5f06470a3483e502000078
        7200136a6176612e6c616e672e457863657074696f6ed0fd1f3e1a3b1cc402000078
        7200136a6176612e6c616e672e5468726f7761626c65d5c635273977b8cb0200014c000d64657461696c4d657373616765
        7400124c6a6176612f6c616e672f537472696e673b7870 74000568656c6c6f");
    let exception = Exception::new(ThrowableClass::IllegalArgument, "hello");
    assert_eq!(written(&exception), expected);
    assert_eq!(expected.len(), 210);
}

#[test]
fn security_exceptions_take_the_form_in_which_java_finds_their_cause() {
    let text = crate::compat::USER_NOT_FOUND;
    let required = written(&Exception::new(ThrowableClass::AuthenticationRequired, text));
    let end = [&[0x74, 0, 0x28], text.as_bytes(), &hex("7070787078")].concat();
    let expected = [hex("2caced000573"), hex(LEAF_REQUIRED), hex(SECURITY_TAIL), end.clone()].concat();
    assert_eq!(required, expected);
    assert_eq!(required.len(), 539);
    let denied = written(&Exception::new(ThrowableClass::NotAuthorized, text));
    let leaf = hex(LEAF_NOT_AUTHORIZED);
    assert_eq!(denied, [hex("2caced000573"), leaf, hex(SECURITY_TAIL), end, hex("7078")].concat());
}

#[test]
fn long_and_unusual_messages_come_back() {
    for message in ["", "\0", "\u{1f600} é", &"x".repeat(65_536)] {
        for class in [ThrowableClass::IllegalState, ThrowableClass::NotAuthorized] {
            let exception = Exception::new(class, message);
            assert_eq!(RemoteException::read(&written(&exception)), Ok(RemoteException::from(&exception)));
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let cause = Exception::new(ThrowableClass::AuthenticationExpired, "over");
    let bytes = written(&Exception::new(ThrowableClass::Function, "f").caused_by(cause));
    for end in 0..bytes.len() {
        assert!(RemoteException::read(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(RemoteException::read(&longer), Err(DecodeError::LeftOver { .. })));
}

#[test]
fn what_is_no_throwable_is_refused() {
    let text = hex("2c aced0005 74 0001 61");
    assert!(RemoteException::read(&text).is_err());
    assert!(RemoteException::read(&[0x29]).is_err());
    assert!(RemoteException::read(&[]).is_err());
}

#[test]
fn a_long_chain_of_causes_ends_somewhere() {
    let mut exception = Exception::new(ThrowableClass::IllegalState, "innermost");
    for _ in 0..100 {
        exception = Exception::new(ThrowableClass::IllegalState, "outer").caused_by(exception);
    }
    let read = RemoteException::read(&written(&exception)).unwrap();
    assert_eq!(read.chain().count(), MAX_CAUSES + 1);
}

#[test]
fn a_circle_of_causes_ends_too() {
    // An IllegalArgumentException whose cause is the exception itself, by handle: Java's "no cause yet".
    let bytes = hex("
        2caced0005 73 72001a6a6176612e6c616e672e52756e74696d65457863657074696f6e9e5f06470a3483e502000078
        7200136a6176612e6c616e672e457863657074696f6ed0fd1f3e1a3b1cc402000078
        7200136a6176612e6c616e672e5468726f7761626c65d5c635273977b8cb0200024c00056361757365 7400154c6a6176612f6c616e672f5468726f7761626c653b
        4c000d64657461696c4d6573736167657400124c6a6176612f6c616e672f537472696e673b7870 71007e0005 70");
    let read = RemoteException::read(&bytes).unwrap();
    assert_eq!(
        (read.class_name(), read.message.as_deref(), &read.cause),
        ("java.lang.RuntimeException", None, &None)
    );
}

#[test]
fn an_unreadable_throwable_still_tells_its_class_and_text() {
    let exception = Exception::new(ThrowableClass::AuthenticationExpired, "over: yes");
    let bytes = written(&exception);
    let trace = exception.stack_trace();
    let reply = ExceptionReply { throwable: &bytes[..bytes.len() - 1], stack_trace: trace.as_bytes() };
    let read = reply.exception();
    assert_eq!((read.class(), read.message.as_deref()), (Some(exception.class), Some("over: yes")));
    let nothing = ExceptionReply { throwable: &[0x29], stack_trace: trace.as_bytes() };
    assert!(nothing.exception().is_a(ThrowableClass::Security));
    let no_trace = ExceptionReply { throwable: &bytes[..bytes.len() - 1], stack_trace: &[] };
    assert_eq!(no_trace.exception().class(), Some(exception.class));
}

#[test]
fn the_stack_trace_names_every_cause() {
    let exception = Exception::new(ThrowableClass::ServerOperation, "a").caused_by(Exception {
        class: ThrowableClass::NullPointer,
        message: None,
        cause: None,
    });
    assert_eq!(
        exception.stack_trace(),
        "org.apache.geode.cache.client.ServerOperationException: a\nCaused by: java.lang.NullPointerException\n"
    );
}

fn limits() -> FrameLimits {
    FrameLimits::default()
}

fn reply_of(exception: &Exception<'_>, framing: Framing, id: Option<i64>) -> Vec<u8> {
    let mut out = Vec::new();
    exception.encode(&mut out, framing, &ReplyEnvelope { tx_id: 3, next_connection_id: id });
    out
}

fn check_replies(exception: &Exception<'_>, id: Option<i64>) {
    let expected = RemoteException::from(exception);
    let plain = reply_of(exception, Framing::Plain, id);
    let (message, size) = Message::decode(&plain, &limits()).unwrap().unwrap();
    assert_eq!((size, message.part_count(), message.header.tx_id), (plain.len(), 2, 3));
    assert_eq!(message.security().map(<[u8]>::to_vec), id.map(|id| id.to_be_bytes().to_vec()));
    assert_eq!(ExceptionReply::decode(&message).unwrap().exception(), expected);

    let whole = reply_of(exception, Framing::Chunked, id);
    let header = ChunkedHeader::decode(&whole, &limits()).unwrap().unwrap();
    assert_eq!((header.kind(), header.parts, header.tx_id), (Some(MessageType::Exception), 2, 3));
    let (chunk, size) = Chunk::decode(&whole[ChunkedHeader::SIZE..], &header, &limits()).unwrap().unwrap();
    assert_eq!(
        (ChunkedHeader::SIZE + size, chunk.flags.0),
        (whole.len(), if id.is_some() { 0x43 } else { 0x41 })
    );
    assert_eq!(ExceptionReply::from_chunk(&chunk).unwrap().exception(), expected);

    // Behind a header that announced one part each.
    let last = reply_of(exception, Framing::LastChunk, id);
    assert_eq!(last, whole[ChunkedHeader::SIZE..]);
    let response = ChunkedHeader { type_number: 1, parts: 1, tx_id: 3 };
    let (chunk, _) = Chunk::decode(&last, &response, &limits()).unwrap().unwrap();
    assert_eq!(ExceptionReply::from_chunk(&chunk).unwrap().exception(), expected);
}

#[test]
fn text_errors_go_both_ways_in_both_framings() {
    for &request in MessageType::ALL {
        let Some(kind) = text_error_type(request) else { continue };
        let error = TextError { kind, text: "the key is null, été".into() };
        let envelope = ReplyEnvelope { tx_id: 4, next_connection_id: Some(8) };
        let mut out = Vec::new();
        error.encode(&mut out, Framing::of(request), &envelope);
        if request.is_answered_in_chunks() {
            let header = ChunkedHeader::decode(&out, &limits()).unwrap().unwrap();
            let (chunk, _) = Chunk::decode(&out[ChunkedHeader::SIZE..], &header, &limits()).unwrap().unwrap();
            assert_eq!(TextError::decode_chunk(&header, &chunk), Ok(Some(error)));
            assert_eq!(ExceptionReply::from_chunk(&chunk), None);
        } else {
            let (message, _) = Message::decode(&out, &limits()).unwrap().unwrap();
            assert_eq!(TextError::decode(&message), Ok(Some(error)));
            assert!(ExceptionReply::decode(&message).is_err());
        }
    }
}

fn any_exception() -> impl Strategy<Value = Exception<'static>> {
    let class = proptest::sample::select(ThrowableClass::ALL);
    let chain = proptest::collection::vec((class, any::<Option<String>>()), 1..6);
    chain.prop_map(|links| {
        let link = |cause, (class, message): (_, Option<String>)| {
            Some(Box::new(Exception { class, message: message.map(Into::into), cause }))
        };
        *links.into_iter().fold(None, link).unwrap()
    })
}

proptest! {
    #[test]
    fn any_exception_comes_back_from_any_framing(exception in any_exception(), id in any::<Option<i64>>()) {
        check_replies(&exception, id);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), trace in any::<Vec<u8>>()) {
        let bytes = [&hex("2caced000573")[..], &bytes].concat();
        let _ = ExceptionReply { throwable: &bytes, stack_trace: &trace }.exception();
    }
}
