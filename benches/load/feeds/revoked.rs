//! Our node alone: users who are cut off under a steady writer, one after the other, and the last event that each of their
//! feeds brought.

use std::io::Write;
use std::process::ChildStdin;
use std::time::{Duration, Instant};

use druse_protocol::message::feed::EntryEvent;

use super::Plan;
use super::hall::{Hall, Pace, Run, Script};
use super::subscriber::Subscriber;
use crate::grid::{GridClient, GridWire};
use crate::histogram::Histogram;
use crate::peer::{Bench, await_login, free_address};
use crate::process::Process;
use crate::speed::KEYS;
use crate::wire::{Operation, Outcome, Wire, key};

/// From one put to the next.
const STEP: Duration = Duration::from_millis(1);
/// How long is listened for events that must not come.
const AFTER: Duration = Duration::from_secs(1);
/// How long the node may take to start.
const START_LIMIT: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Revoked {
    pub(crate) feeds: usize,
    pub(crate) puts_per_second: f64,
    /// From the word to the node to the arrival of the last event; zero where that came before.
    pub(crate) last_event: Histogram,
    /// From the word to the node to the end of the feed.
    pub(crate) end: Histogram,
}

/// Plays it: within the time of the plan all users are cut off.
pub(super) fn measure(bench: &Bench, plan: &Plan) -> Outcome<Revoked> {
    let feeds = plan.revoked_feeds;
    eprintln!("{feeds} users who are cut off on Druse");
    let address = free_address()?;
    let program = std::env::current_exe()?.display().to_string();
    let command = [program, "--revoker".to_owned(), address.port().to_string()];
    let (mut process, words) = Process::start_told(&command, bench.place)?;
    await_login(&mut GridClient::new(address, "load")?, &mut process, START_LIMIT)
        .map_err(|error| format!("the node that revokes does not serve: {error}"))?;
    let mut hall = Hall::new(address, "load")?;
    for number in 0..feeds {
        hall.admit(Subscriber::with_interest(address, &name(number))?)?;
    }
    let puts = u64::try_from(plan.time.as_millis() / STEP.as_millis())?;
    let every = (puts / feeds as u64).max(1);
    let mut script = Revoker { words, every, users: vec![User::default(); feeds], told: 0 };
    let time = STEP * u32::try_from(every * (feeds as u64 + 1))? + AFTER;
    let run = Run { pace: Pace::Every(STEP), time, puts: u64::MAX, complete: false, acknowledges: false };
    let done = hall.run(&mut script, &run)?;
    script.found(feeds, done.puts as f64 / done.writing.as_secs_f64())
}

fn name(number: usize) -> String {
    format!("listener-{number}")
}

/// Tells the node whom to cut off, and what came of it.
struct Revoker {
    words: ChildStdin,
    /// Puts from one user to the next.
    every: u64,
    users: Vec<User>,
    told: usize,
}

/// When things happened to a user.
#[derive(Debug, Clone, Copy, Default)]
struct User {
    revoked: Option<Instant>,
    last_event: Option<Instant>,
    ended: Option<Instant>,
}

impl Revoker {
    fn found(&self, feeds: usize, puts_per_second: f64) -> Outcome<Revoked> {
        let mut found =
            Revoked { feeds, puts_per_second, last_event: Histogram::default(), end: Histogram::default() };
        for (number, user) in self.users.iter().enumerate() {
            let revoked = user.revoked.ok_or_else(|| format!("listener {number} was never cut off"))?;
            let last = user.last_event.ok_or_else(|| format!("listener {number} heard nothing at all"))?;
            let ended = user.ended.ok_or_else(|| format!("the feed of listener {number} never ended"))?;
            found.last_event.record(last.saturating_duration_since(revoked));
            found.end.record(ended.saturating_duration_since(revoked));
        }
        Ok(found)
    }
}

impl Script for Revoker {
    fn put(&mut self, number: u64, _due: Instant, wire: &mut GridWire, out: &mut Vec<u8>) {
        wire.request(Operation::Put, &key(number % KEYS), out);
        if (number + 1).is_multiple_of(self.every)
            && let Some(user) = self.users.get_mut(self.told)
        {
            let now = Instant::now();
            let word = format!("{}\n", name(self.told));
            // Whoever could not be named is missed at the end.
            user.revoked = self.words.write_all(word.as_bytes()).ok().map(|()| now);
            self.told += 1;
        }
    }

    fn event(&mut self, listener: usize, _event: &EntryEvent<'_>, arrived: Instant) -> Outcome<()> {
        self.users[listener].last_event = Some(arrived);
        Ok(())
    }

    fn end(&mut self, listener: usize) -> Outcome<()> {
        match self.users[listener] {
            User { revoked: Some(_), .. } => self.users[listener].ended = Some(Instant::now()),
            User { revoked: None, .. } => return Err("its feed ended before anybody had said so".into()),
        }
        Ok(())
    }
}
