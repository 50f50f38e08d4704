//! A client with a feed, without blocking: takes what comes, and acknowledges it now and then on its queue connection.

use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use druse_protocol::codec::{FrameLimits, Message, MessageType, NO_TRANSACTION};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::feed::{EntryEvent, FeedEventId, FeedMessage};
use druse_protocol::message::feed_control::PeriodicAck;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::subscriber::Subscriber;
use crate::grid::refusal;
use crate::wire::Outcome;

/// What is done with an event, and when it came.
pub(super) type Take<'a> = dyn FnMut(&EntryEvent<'_>, Instant) -> Outcome<()> + 'a;

/// One client's end of its two connections.
pub(super) struct Listener {
    feed: TcpStream,
    /// The beginning of a message whose end has not come.
    rest: Vec<u8>,
    queue: TcpStream,
    /// The same of the answer to an acknowledgement.
    answer: Vec<u8>,
    last: Last,
    /// Whether the last event has not been acknowledged.
    owes: bool,
    /// Whether an acknowledgement has not been answered.
    waits: bool,
    /// Whether the server has ended the feed.
    is_over: bool,
}

/// The id of the last event: with one writer there is one lane to acknowledge.
#[derive(Default)]
struct Last {
    member: Vec<u8>,
    thread: i64,
    sequence: i64,
}

impl Listener {
    /// Takes both connections over; `feed` and `queue` are what the poll says of them.
    pub(super) fn new(
        subscriber: Subscriber,
        registry: &Registry,
        feed: Token,
        queue: Token,
    ) -> Outcome<Self> {
        let mut listener = Self {
            feed: register(subscriber.feed, registry, feed)?,
            rest: subscriber.early,
            queue: register(subscriber.queue.into_parts().0, registry, queue)?,
            answer: Vec::new(),
            last: Last::default(),
            owes: false,
            waits: false,
            is_over: false,
        };
        // A marker at most: nobody has written since the interest was registered.
        let early = std::mem::take(&mut listener.rest);
        let taken = listener.take(&early, &mut |_, _| Ok(()))?;
        listener.rest = early[taken..].to_vec();
        Ok(listener)
    }

    /// Takes all that has come; returns how many events it was.
    pub(super) fn hear(&mut self, buffer: &mut [u8], take: &mut Take<'_>) -> Outcome<u64> {
        let mut events = 0;
        loop {
            let begun = self.rest.len();
            buffer[..begun].copy_from_slice(&self.rest);
            let size = match read(&mut self.feed, &mut buffer[begun..])? {
                None => return Ok(events),
                Some(0) => {
                    self.is_over = true;
                    return Ok(events);
                }
                Some(size) => size,
            };
            let filled = begun + size;
            let taken = self.take(&buffer[..filled], &mut |event, now| {
                events += 1;
                take(event, now)
            })?;
            self.rest.clear();
            self.rest.extend_from_slice(&buffer[taken..filled]);
            // A read that did not fill its buffer has emptied the socket: the next byte raises a new event.
            if filled < buffer.len() {
                return Ok(events);
            }
        }
    }

    /// Whether the server has ended the feed.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    fn take(&mut self, input: &[u8], take: &mut Take<'_>) -> Outcome<usize> {
        let (now, mut taken) = (Instant::now(), 0);
        while let Some((message, size)) = Message::decode(&input[taken..], &FrameLimits::default())? {
            if let FeedMessage::Entry(event) = FeedMessage::decode(&message)? {
                self.remember(&event.id);
                take(&event, now)?;
            }
            taken += size;
        }
        Ok(taken)
    }

    fn remember(&mut self, id: &FeedEventId<'_>) {
        if self.last.member != id.member {
            self.last.member = id.member.to_vec();
        }
        (self.last.thread, self.last.sequence) = (id.thread, id.sequence);
        self.owes = true;
    }

    /// Acknowledges the last event, unless that has been done or the last acknowledgement is still under way.
    pub(super) fn acknowledge(&mut self) -> Outcome<()> {
        if !self.owes || self.waits {
            return Ok(());
        }
        let Last { member, thread, sequence } = &self.last;
        let event = FeedEventId { member, thread: *thread, sequence: *sequence };
        let mut out = Vec::with_capacity(128);
        let envelope = Envelope { tx_id: NO_TRANSACTION, retry: false, security: None };
        PeriodicAck { events: vec![event] }.encode(&mut out, &envelope);
        // So few bytes always find room: the last ones were answered.
        self.queue.write_all(&out)?;
        (self.owes, self.waits) = (false, true);
        Ok(())
    }

    /// Takes the answer to an acknowledgement.
    pub(super) fn take_answer(&mut self, buffer: &mut [u8]) -> Outcome<()> {
        while let Some(size) = read(&mut self.queue, buffer)? {
            if size == 0 {
                return Err("the server ended a connection of a listener".into());
            }
            self.answer.extend_from_slice(&buffer[..size]);
            if let Some((message, size)) = Message::decode(&self.answer, &FrameLimits::default())? {
                refusal(&message)?;
                if message.kind() != Some(MessageType::Reply) {
                    return Err(format!("an acknowledgement was answered with {:?}", message.kind()).into());
                }
                self.answer.drain(..size);
                self.waits = false;
            }
            if size < buffer.len() {
                break;
            }
        }
        Ok(())
    }
}

fn register(stream: std::net::TcpStream, registry: &Registry, token: Token) -> Outcome<TcpStream> {
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    registry.register(&mut stream, token, Interest::READABLE)?;
    Ok(stream)
}

/// Reads what is there; `None` if it is nothing, 0 at the end.
fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> Outcome<Option<usize>> {
    match stream.read(buffer) {
        Ok(size) => Ok(Some(size)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}
