//! One connection through the proxy, frame by frame.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use druse_protocol::codec::{Chunk, ChunkedHeader, FrameLimits, Header, Message, MessageType};
use druse_protocol::handshake::{ClientHello, Welcome};
use druse_protocol::message::envelope::ReplyEnvelope;
use druse_protocol::message::exception::{Exception, Framing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::proxy::{Act, Plan};

pub(crate) struct Relay<'p> {
    client: TcpStream,
    node: TcpStream,
    plan: &'p Plan,
    from_client: BytesMut,
    from_node: BytesMut,
    greeted: bool,
    welcomed: bool,
    /// Requests whose replies are not there yet, and what is to become of these.
    outstanding: VecDeque<(MessageType, Option<Act>)>,
    mute: bool,
}

/// Whether the connection goes on.
type GoesOn = bool;

impl<'p> Relay<'p> {
    pub(crate) fn new(client: TcpStream, node: TcpStream, plan: &'p Plan) -> Self {
        Self {
            client,
            node,
            plan,
            from_client: BytesMut::new(),
            from_node: BytesMut::new(),
            greeted: false,
            welcomed: false,
            outstanding: VecDeque::new(),
            mute: false,
        }
    }

    /// Until one side closes or a fault breaks the connection.
    pub(crate) async fn run(mut self) {
        loop {
            let goes_on = tokio::select! {
                read = self.client.read_buf(&mut self.from_client) => {
                    matches!(read, Ok(read) if read > 0) && self.requests().await
                }
                read = self.node.read_buf(&mut self.from_node) => {
                    matches!(read, Ok(read) if read > 0) && self.replies().await
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn requests(&mut self) -> GoesOn {
        if !self.greeted {
            let Some((_, size)) = ClientHello::decode(&self.from_client).expect("a hello") else {
                return true;
            };
            let hello = self.from_client.split_to(size);
            self.greeted = true;
            if self.node.write_all(&hello).await.is_err() {
                return false;
            }
        }
        loop {
            let (kind, size) = match Message::decode(&self.from_client, &FrameLimits::default()) {
                Ok(Some((message, size))) => (message.kind().expect("a known request"), size),
                Ok(None) => return true,
                Err(error) => panic!("a client of ours sends nonsense: {error}"),
            };
            let request = self.from_client.split_to(size).freeze();
            if !self.request(kind, request).await {
                return false;
            }
        }
    }

    async fn request(&mut self, kind: MessageType, request: Bytes) -> GoesOn {
        let act = self.plan.act_on(kind, &request);
        match act {
            Some(Act::DropRequest) => return false,
            Some(Act::Answer(class)) => {
                assert!(self.outstanding.is_empty(), "an answer may not overtake others");
                let mut reply = Vec::new();
                let envelope = ReplyEnvelope { tx_id: -1, next_connection_id: None };
                Exception::new(class, "as the test wants it").encode(
                    &mut reply,
                    Framing::of(kind),
                    &envelope,
                );
                return self.client.write_all(&reply).await.is_ok();
            }
            _ => self.outstanding.push_back((kind, act)),
        }
        self.node.write_all(&request).await.is_ok()
    }

    async fn replies(&mut self) -> GoesOn {
        if self.mute {
            self.from_node.clear();
            return true;
        }
        if !self.welcomed {
            let Some((_, size)) = Welcome::decode(&self.from_node).expect("a welcome") else { return true };
            let welcome = self.from_node.split_to(size);
            self.welcomed = true;
            if self.client.write_all(&welcome).await.is_err() {
                return false;
            }
        }
        while let Some(&(kind, act)) = self.outstanding.front() {
            let Some(size) = measure(&self.from_node, kind.is_answered_in_chunks()) else { return true };
            let reply = self.from_node.split_to(size).freeze();
            self.outstanding.pop_front();
            match act {
                Some(Act::DropReply) => return false,
                Some(Act::LoseReply) => {
                    self.mute = true;
                    return true;
                }
                Some(Act::DelayReply(delay)) => tokio::time::sleep(delay).await,
                Some(Act::HoldReply) => self.plan.released().await,
                _ => {}
            }
            if self.client.write_all(&reply).await.is_err() {
                return false;
            }
        }
        assert!(self.from_node.is_empty(), "a reply that nobody has asked for");
        true
    }
}

/// How long the reply at the front of `input` is, if all of it is there.
fn measure(input: &[u8], chunked: bool) -> Option<usize> {
    let limits = FrameLimits { message_bytes: 256 << 20, ..FrameLimits::default() };
    let plain_error = MessageType::UnknownMessageTypeError.to_wire().to_be_bytes();
    if !chunked || (input.len() >= Header::SIZE && input.starts_with(&plain_error)) {
        return Message::decode(input, &limits).expect("a reply").map(|(_, size)| size);
    }
    let header = ChunkedHeader::decode(input, &limits).expect("a chunked reply")?;
    let mut rest = input;
    rest.advance(ChunkedHeader::SIZE);
    loop {
        let (chunk, size) = Chunk::decode(rest, &header, &limits).expect("a chunk")?;
        rest.advance(size);
        if chunk.flags.is_last() {
            return Some(input.len() - rest.len());
        }
    }
}
