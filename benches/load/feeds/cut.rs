//! Our node alone: logins that end under a steady writer, one after the other, and the last event that each of their feeds
//! brought.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use druse_protocol::message::feed::EntryEvent;

use super::Plan;
use super::delivery::DAY;
use super::hall::{Hall, Pace, Run, Script};
use super::subscriber::Subscriber;
use crate::grid::GridWire;
use crate::histogram::Histogram;
use crate::peer::{Bench, Peer};
use crate::speed::KEYS;
use crate::wire::{Operation, Outcome, Wire, key};

/// From one put to the next.
const STEP: Duration = Duration::from_millis(1);
/// How long is listened for events that must not come.
const AFTER: Duration = Duration::from_secs(1);
/// The shortest life of a login, whatever else the machine does, and what each feed adds to it.
const AHEAD: Duration = Duration::from_millis(1_500);
const OPENING: Duration = Duration::from_millis(20);

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) feeds: usize,
    pub(crate) puts_per_second: f64,
    /// From the end of each login to the arrival of the last event of its feed; zero where that came before.
    pub(crate) last_event: Histogram,
    /// Events that came after the end of their login.
    pub(crate) late: u64,
}

/// Plays it: all logins end within the time of the plan, and nobody renews.
pub(super) fn measure(bench: &Bench, plan: &Plan) -> Outcome<Cut> {
    let server = bench.start(Peer::Druse)?;
    let feeds = plan.cut_feeds;
    eprintln!("{feeds} logins that end on Druse");
    let first = AHEAD + OPENING * u32::try_from(feeds)?;
    let begin = Instant::now();
    let mut hall = Hall::new(server.address, &bench.token("load", DAY)?)?;
    let mut script = Ends { ends: Vec::new(), last: vec![None; feeds], late: 0 };
    for number in 0..feeds {
        // Anywhere between two microseconds.
        let life = first + plan.time.mul_f64((number as f64 + 0.37) / feeds as f64);
        let life = life.checked_sub(begin.elapsed()).ok_or("feeds were opened too slowly")?;
        let (token, end) = bench.token_with_end(&format!("listener-{number}"), life)?;
        hall.admit(Subscriber::with_interest(server.address, &token)?)?;
        script.ends.push(UNIX_EPOCH + Duration::from_micros(u64::try_from(end.0)?));
    }
    let time =
        (first + plan.time + AFTER).checked_sub(begin.elapsed()).ok_or("feeds were opened too slowly")?;
    let run = Run { pace: Pace::Every(STEP), time, puts: u64::MAX, complete: false, acknowledges: false };
    let done = hall.run(&mut script, &run)?;
    Ok(Cut {
        feeds,
        puts_per_second: done.puts as f64 / done.writing.as_secs_f64(),
        last_event: script.lateness()?,
        late: script.late,
    })
}

/// When each login ends, and when the last event came under it.
struct Ends {
    ends: Vec<SystemTime>,
    last: Vec<Option<SystemTime>>,
    late: u64,
}

impl Ends {
    fn lateness(&self) -> Outcome<Histogram> {
        let mut histogram = Histogram::default();
        for (number, (end, last)) in self.ends.iter().zip(&self.last).enumerate() {
            let last = last.ok_or_else(|| format!("listener {number} heard nothing at all"))?;
            // Silence long before the end would look like a good cut.
            if end.duration_since(last).is_ok_and(|early| early > AFTER) {
                return Err(
                    format!("listener {number} heard nothing more long before its login ended").into()
                );
            }
            histogram.record(last.duration_since(*end).unwrap_or_default());
        }
        Ok(histogram)
    }
}

impl Script for Ends {
    fn put(&mut self, number: u64, _due: Instant, wire: &mut GridWire, out: &mut Vec<u8>) {
        wire.request(Operation::Put, &key(number % KEYS), out);
    }

    fn event(&mut self, listener: usize, _event: &EntryEvent<'_>, _arrived: Instant) -> Outcome<()> {
        let now = SystemTime::now();
        self.late += u64::from(now > self.ends[listener]);
        self.last[listener] = Some(now);
        Ok(())
    }
}
