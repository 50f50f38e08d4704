//! One thread, many connections, a closed loop: the next requests of a connection go out when the replies to its last
//! ones are in.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::histogram::Histogram;
use super::wire::{Client, Operation, Outcome, Wire, key};

/// Longest silence of a server before a run is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which keys are used.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keys {
    /// Any of the first so many.
    Random(u64),
    /// Each of the first so many, once; the run ends after the last.
    Each(u64),
}

/// What a run is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) operation: Operation,
    pub(crate) keys: Keys,
    /// Requests sent together on a connection; 1 is how Java clients work.
    pub(crate) depth: usize,
    /// When no more requests are sent; replies under way are still awaited.
    pub(crate) time: Duration,
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latency: Histogram,
}

/// Connections, ready for runs.
pub(crate) struct Driver {
    poll: Poll,
    lanes: Vec<Lane>,
}

struct Lane {
    stream: TcpStream,
    wire: Box<dyn Wire>,
    input: Vec<u8>,
    filled: usize,
    output: Vec<u8>,
    written: usize,
    waiting: usize,
    sent_at: Instant,
    random: u64,
    /// Whether a reply has come: from then on a node that allows several requests at a time keeps the connection's id.
    answered: bool,
}

impl Driver {
    /// Opens so many connections of one client.
    pub(crate) fn connect(client: &mut dyn Client, connections: usize) -> Outcome<Self> {
        let poll = Poll::new()?;
        let mut lanes = Vec::with_capacity(connections);
        for index in 0..connections {
            let (stream, wire) = client.connect()?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
            lanes.push(Lane {
                stream,
                wire,
                input: vec![0; 64 << 10],
                filled: 0,
                output: Vec::new(),
                written: 0,
                waiting: 0,
                sent_at: Instant::now(),
                random: 0x9e37_79b9_7f4a_7c15 ^ (index as u64 + 1) << 17,
                answered: false,
            });
        }
        Ok(Self { poll, lanes })
    }

    /// Does as `load` says.
    pub(crate) fn run(&mut self, load: &Load) -> Outcome<Measured> {
        let start = Instant::now();
        let mut run = Run { load, end: start + load.time, next: 0, measured: Measured::default() };
        let mut busy = 0;
        for lane in &mut self.lanes {
            busy += usize::from(lane.send(&mut run, start)?);
        }
        let mut events = Events::with_capacity(256);
        while busy > 0 {
            self.poll.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                return Err(format!("no reply for {} s", PATIENCE.as_secs()).into());
            }
            for event in &events {
                let lane = &mut self.lanes[event.token().0];
                if lane.waiting == 0 {
                    continue;
                }
                lane.flush()?;
                if event.is_readable() && !lane.receive(&mut run)? {
                    busy -= 1;
                }
            }
        }
        run.measured.elapsed = start.elapsed();
        Ok(run.measured)
    }
}

struct Run<'a> {
    load: &'a Load,
    end: Instant,
    next: u64,
    measured: Measured,
}

impl Run<'_> {
    fn next_key(&mut self, random: &mut u64) -> Option<u64> {
        match self.load.keys {
            Keys::Random(count) => {
                *random ^= *random << 13;
                *random ^= *random >> 7;
                *random ^= *random << 17;
                Some(*random % count)
            }
            Keys::Each(count) => {
                let number = self.next;
                self.next += 1;
                (number < count).then_some(number)
            }
        }
    }
}

impl Lane {
    /// Sends the next requests; `false` if the run is over for this connection.
    fn send(&mut self, run: &mut Run<'_>, now: Instant) -> Outcome<bool> {
        if now >= run.end {
            return Ok(false);
        }
        let depth = if self.answered { run.load.depth } else { 1 };
        for _ in 0..depth {
            let Some(number) = run.next_key(&mut self.random) else { break };
            self.wire.request(run.load.operation, &key(number), &mut self.output);
            self.waiting += 1;
        }
        self.sent_at = now;
        self.flush()?;
        Ok(self.waiting > 0)
    }

    fn flush(&mut self) -> Outcome<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(size) => self.written += size,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Takes what has come in, and sends the next requests once all replies are there; `false` if the run is over for
    /// this connection.
    fn receive(&mut self, run: &mut Run<'_>) -> Outcome<bool> {
        loop {
            let space = self.input.len() - self.filled;
            let size = match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(size) => size,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            self.filled += size;
            let now = Instant::now();
            self.take_replies(run, now)?;
            if self.waiting == 0 {
                return self.send(run, now);
            }
            // A read that did not fill its buffer has emptied the socket: the next byte raises a new event.
            if size < space {
                return Ok(true);
            }
        }
    }

    fn take_replies(&mut self, run: &mut Run<'_>, now: Instant) -> Outcome<()> {
        let mut taken = 0;
        while self.waiting > 0 {
            let rest = &self.input[taken..self.filled];
            let Some(size) = self.wire.reply(run.load.operation, rest)? else { break };
            taken += size;
            self.waiting -= 1;
            self.answered = true;
            run.measured.operations += 1;
            run.measured.latency.record(now - self.sent_at);
        }
        self.input.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(())
    }
}
