//! Every captured frame is cut as its sender meant it, and written again byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use druse_protocol::codec::{ChunkFlags, ChunkedWriter, Message, MessageType, MessageWriter};
use support::{Capture, chunks, message};

fn rewritten(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let flags = message.header.flags.0 & !druse_protocol::codec::Flags::SECURITY;
    let mut writer = MessageWriter::begin(&mut out, message.kind().unwrap(), message.header.tx_id, flags);
    message.parts().for_each(|part| writer.part(part));
    writer.finish(message.security());
    out
}

fn rewritten_chunks(bytes: &[u8]) -> Vec<u8> {
    let (header, chunks) = chunks(bytes);
    let mut out = Vec::new();
    let mut writer =
        ChunkedWriter::begin(&mut out, header.kind().unwrap(), header.parts as i32, header.tx_id);
    for chunk in chunks {
        writer.begin_chunk();
        chunk.parts().for_each(|part| writer.part(part));
        if chunk.flags.0 & ChunkFlags::EXCEPTION != 0 {
            writer.end_exception(chunk.security());
        } else {
            writer.end_chunk(chunk.flags.is_last(), chunk.security());
        }
    }
    out
}

#[test]
fn every_exchange_is_read_and_written_again() {
    let mut types = std::collections::BTreeSet::new();
    let mut count = 0;
    for capture in Capture::all() {
        for exchange in capture.exchanges() {
            let request = message(&exchange.request);
            assert_eq!(rewritten(&request), exchange.request, "{}", capture.name);
            let kind = request.kind().unwrap();
            let again = match kind.is_answered_in_chunks() {
                true => rewritten_chunks(&exchange.reply),
                false => rewritten(&message(&exchange.reply)),
            };
            assert_eq!(again, exchange.reply, "{} {kind:?}", capture.name);
            types.insert(kind);
            count += 1;
        }
    }
    assert_eq!(count, 390, "exchanges");
    assert!(types.contains(&MessageType::GetAll70) && types.contains(&MessageType::UserCredentialMessage));
}
