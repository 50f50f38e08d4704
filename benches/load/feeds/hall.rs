//! One writer and many listeners on one thread.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use druse_protocol::message::feed::EntryEvent;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::listener::Listener;
use super::subscriber::Subscriber;
use crate::grid::{GridClient, GridWire};
use crate::wire::{Operation, Outcome, Wire};

/// How often a listener acknowledges, as Java clients do by default.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_millis(100);
/// How long events may stay out before a run is given up.
const PATIENCE: Duration = Duration::from_secs(15);
/// The clock of the poll counts milliseconds: whatever is due sooner is waited for without sleeping.
const POLL_STEP: Duration = Duration::from_millis(1);
/// Sockets that are looked at before the writer has a turn again.
const EVENTS: usize = 256;
const WRITER: Token = Token(0);

/// What is written, and what has to be heard of it.
pub(super) trait Script {
    /// Writes the put with that number, which was to go out at `due`.
    fn put(&mut self, number: u64, due: Instant, wire: &mut GridWire, out: &mut Vec<u8>);

    /// An event has come to the listener with that number.
    ///
    /// # Errors
    /// If it is not the one that was to come.
    fn event(&mut self, listener: usize, event: &EntryEvent<'_>, arrived: Instant) -> Outcome<()>;

    /// The server has ended the feed of the listener with that number.
    ///
    /// # Errors
    /// If it was not to.
    fn end(&mut self, _listener: usize) -> Outcome<()> {
        Err("the server ended the feed".into())
    }
}

/// When the writer writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// As soon as the last put has been answered.
    Closed,
    /// So often, or as soon after that as the last put has been answered.
    Every(Duration),
}

/// What a run is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) pace: Pace,
    /// For so long.
    pub(super) time: Duration,
    /// And no more puts than these.
    pub(super) puts: u64,
    /// Whether each listener hears of each put, and the run ends only then.
    pub(super) complete: bool,
    /// Whether listeners acknowledge; not where their logins end, as acknowledgements are refused then.
    pub(super) acknowledges: bool,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) puts: u64,
    /// How long was written.
    pub(super) writing: Duration,
    pub(super) events: u64,
    /// Until the last event had come.
    pub(super) elapsed: Duration,
}

/// A writer and its listeners.
pub(super) struct Hall {
    poll: Poll,
    writer: Writer,
    listeners: Vec<Listener>,
    buffer: Vec<u8>,
}

struct Writer {
    stream: TcpStream,
    wire: GridWire,
    input: Vec<u8>,
    waits: bool,
}

/// Where a run stands.
struct Progress {
    start: Instant,
    due: Instant,
    /// The last time that something came.
    last: Instant,
    /// When the writer stopped.
    stopped: Option<Instant>,
    acknowledged: u64,
    done: Done,
}

impl Hall {
    /// A writer whose user shows `token`, and nobody who listens.
    pub(super) fn new(server: SocketAddr, token: &str) -> Outcome<Self> {
        let mut connection = GridClient::new(server, token)?.open()?;
        connection.login(token)?;
        let (stream, wire) = connection.into_parts();
        stream.set_nonblocking(true)?;
        let (poll, mut stream) = (Poll::new()?, TcpStream::from_std(stream));
        poll.registry().register(&mut stream, WRITER, Interest::READABLE)?;
        let writer = Writer { stream, wire, input: Vec::new(), waits: false };
        Ok(Self { poll, writer, listeners: Vec::new(), buffer: vec![0; 256 << 10] })
    }

    /// Lets one more listen.
    pub(super) fn admit(&mut self, subscriber: Subscriber) -> Outcome<()> {
        let number = 1 + 2 * self.listeners.len();
        let (feed, queue) = (Token(number), Token(number + 1));
        self.listeners.push(Listener::new(subscriber, self.poll.registry(), feed, queue)?);
        Ok(())
    }

    /// How many listen.
    pub(super) fn len(&self) -> usize {
        self.listeners.len()
    }

    /// Writes and listens as `run` says.
    pub(super) fn run(&mut self, script: &mut impl Script, run: &Run) -> Outcome<Done> {
        let start = Instant::now();
        let mut progress = Progress {
            start,
            due: start,
            last: start,
            stopped: None,
            acknowledged: 0,
            done: Done::default(),
        };
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.write(script, run, &mut progress)?;
            if self.is_over(run, &progress)? {
                return Ok(progress.done);
            }
            self.poll.poll(&mut events, Some(self.pause(run, &progress)))?;
            for event in &events {
                self.take(event.token(), script, &mut progress)?;
            }
            if run.acknowledges {
                self.acknowledge(&mut progress)?;
            }
        }
    }

    /// Sends the next put, if it is time.
    fn write(&mut self, script: &mut impl Script, run: &Run, progress: &mut Progress) -> Outcome<()> {
        let now = Instant::now();
        if self.writer.waits || progress.stopped.is_some() {
            return Ok(());
        }
        if now >= progress.start + run.time || progress.done.puts >= run.puts {
            progress.stopped = Some(now);
            progress.done.writing = now - progress.start;
            return Ok(());
        }
        let due = match run.pace {
            Pace::Closed => now,
            Pace::Every(_) if now < progress.due => return Ok(()),
            Pace::Every(step) => {
                let next = progress.due + step;
                std::mem::replace(&mut progress.due, next)
            }
        };
        let mut out = Vec::with_capacity(512);
        script.put(progress.done.puts, due, &mut self.writer.wire, &mut out);
        // A put always finds room: the one before was answered.
        self.writer.stream.write_all(&out)?;
        self.writer.waits = true;
        progress.done.puts += 1;
        Ok(())
    }

    fn is_over(&self, run: &Run, progress: &Progress) -> Outcome<bool> {
        let Some(stopped) = progress.stopped else {
            return match self.writer.waits && progress.last.elapsed() > PATIENCE {
                true => Err(format!("no answer to a put for {} s", PATIENCE.as_secs()).into()),
                false => Ok(false),
            };
        };
        let (heard, wanted) = (progress.done.events, progress.done.puts * self.listeners.len() as u64);
        if !run.complete || heard >= wanted {
            return Ok(true);
        }
        match stopped.elapsed() > PATIENCE {
            true => Err(format!("{heard} of {wanted} events came within {} s", PATIENCE.as_secs()).into()),
            false => Ok(false),
        }
    }

    fn pause(&self, run: &Run, progress: &Progress) -> Duration {
        match run.pace {
            Pace::Every(_) if !self.writer.waits && progress.stopped.is_none() => {
                let left = progress.due.saturating_duration_since(Instant::now());
                if left < 2 * POLL_STEP { Duration::ZERO } else { POLL_STEP }
            }
            _ => POLL_STEP,
        }
    }

    fn take(&mut self, token: Token, script: &mut impl Script, progress: &mut Progress) -> Outcome<()> {
        progress.last = Instant::now();
        let Some(index) = token.0.checked_sub(1) else { return self.writer.take_answer(&mut self.buffer) };
        let number = index / 2;
        let listener = &mut self.listeners[number];
        if index % 2 == 1 {
            let answer = listener.take_answer(&mut self.buffer);
            return answer.map_err(|error| format!("acknowledgement of listener {number}: {error}").into());
        }
        let heard = listener
            .hear(&mut self.buffer, &mut |event, now| script.event(number, event, now))
            .map_err(|error| format!("listener {number}: {error}"))?;
        if listener.is_over() {
            script.end(number).map_err(|error| format!("listener {number}: {error}"))?;
        }
        progress.done.events += heard;
        progress.done.elapsed = progress.start.elapsed();
        Ok(())
    }

    /// Lets those acknowledge whose turn it is: spread over the interval, so that they do not come in one heap.
    fn acknowledge(&mut self, progress: &mut Progress) -> Outcome<()> {
        let count = self.listeners.len() as u64;
        let share = progress.start.elapsed().as_secs_f64() / ACKNOWLEDGE_EVERY.as_secs_f64();
        let wanted = (share * count as f64) as u64;
        for turn in progress.acknowledged.max(wanted.saturating_sub(count))..wanted {
            self.listeners[(turn % count) as usize].acknowledge()?;
        }
        progress.acknowledged = wanted;
        Ok(())
    }
}

impl Writer {
    fn take_answer(&mut self, buffer: &mut [u8]) -> Outcome<()> {
        match self.stream.read(buffer) {
            Ok(0) => return Err("the server closed the writer's connection".into()),
            Ok(size) => self.input.extend_from_slice(&buffer[..size]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if let Some(size) = self.wire.reply(Operation::Put, &self.input)? {
            self.input.drain(..size);
            self.waits = false;
        }
        Ok(())
    }
}
