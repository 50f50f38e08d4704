//! Guessing is made slow: after some failures, further attempts of the same name from the same address, or of anything
//! from the same address, wait their turn. Pure; the time is told.
//!
//! The name alone is no key: else anybody could lock anybody out. Guessing one name from many addresses is bounded by
//! the number of hashes at a time instead.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use druse_protocol::time::Micros;

/// Failures of one name from one address that cost nothing: people mistype.
const FREE_PER_NAME: u32 = 3;
/// Failures of one address that cost nothing: many people may sit behind one.
const FREE_PER_ADDRESS: u32 = 20;
/// The pause after the first failure that costs something; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Who would wait longer than this is turned away: a node gives a login five seconds.
const MAX_WAIT: Duration = Duration::from_secs(4);
/// How long after the last failure all is forgotten.
const MEMORY: Duration = Duration::from_secs(10 * 60);
/// How many names and addresses are remembered.
const MAX_BUCKETS: usize = 4096;

/// Whose failures are counted together: an address (of IPv6 the network, as one machine owns all of it), and there
/// one name, or all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    address: Option<IpAddr>,
    name: Option<Box<str>>,
}

#[derive(Debug)]
struct Bucket {
    failures: u32,
    last_failure: Micros,
    /// When the last attempt that waits will have been made.
    busy_until: Micros,
}

/// The failures of late.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    buckets: HashMap<Key, Bucket>,
}

impl Limiter {
    /// How long an attempt must wait, if it may be made at all; `Err` is after how long to try again.
    pub(crate) fn admit(
        &mut self,
        name: &str,
        address: Option<IpAddr>,
        now: Micros,
    ) -> Result<Duration, Duration> {
        let turns = keys(name, address).map(|(key, free)| {
            let bucket = self.buckets.get(&key)?;
            let pause = bucket.pause(free, now)?;
            Some((key, bucket.busy_until.max(now) + pause))
        });
        let turns = turns.into_iter().flatten();
        let turn = turns.clone().map(|(_, turn)| turn).max().unwrap_or(now);
        let wait = turn.saturating_since(now);
        if wait > MAX_WAIT {
            return Err(wait);
        }
        for (key, _) in turns {
            if let Some(bucket) = self.buckets.get_mut(&key) {
                bucket.busy_until = turn;
            }
        }
        Ok(wait)
    }

    /// Notes that an attempt has failed.
    pub(crate) fn failed(&mut self, name: &str, address: Option<IpAddr>, now: Micros) {
        for (key, _) in keys(name, address) {
            if !self.buckets.contains_key(&key) {
                self.make_room(now);
            }
            let fresh = Bucket { failures: 0, last_failure: now, busy_until: now };
            let bucket = self.buckets.entry(key).or_insert(fresh);
            bucket.failures = if bucket.is_forgotten(now) { 1 } else { bucket.failures.saturating_add(1) };
            bucket.last_failure = now;
        }
    }

    /// Notes that an attempt has succeeded: the name's failures are forgiven, the address's are not, for else whoever
    /// has one password could guess at all the others.
    pub(crate) fn succeeded(&mut self, name: &str, address: Option<IpAddr>) {
        let [(key, _), _] = keys(name, address);
        self.buckets.remove(&key);
    }

    fn make_room(&mut self, now: Micros) {
        if self.buckets.len() < MAX_BUCKETS {
            return;
        }
        self.buckets.retain(|_, bucket| !bucket.is_forgotten(now));
        if self.buckets.len() >= MAX_BUCKETS {
            let oldest = self.buckets.iter().min_by_key(|(_, bucket)| bucket.last_failure);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.buckets.remove(&key);
            }
        }
    }
}

impl Bucket {
    /// The pause before the next attempt, if there is one.
    fn pause(&self, free: u32, now: Micros) -> Option<Duration> {
        let costly = self.failures.checked_sub(free).filter(|_| !self.is_forgotten(now))?;
        Some((FIRST_PAUSE * (1 << costly.min(8))).min(MAX_PAUSE))
    }

    fn is_forgotten(&self, now: Micros) -> bool {
        // A clock that has stepped back forgets too, rather than punish until it has caught up.
        now.saturating_since(self.last_failure) >= MEMORY || self.last_failure > now + MEMORY
    }
}

fn keys(name: &str, address: Option<IpAddr>) -> [(Key, u32); 2] {
    let address = address.map(network);
    [
        (Key { address, name: Some(name.into()) }, FREE_PER_NAME),
        (Key { address, name: None }, FREE_PER_ADDRESS),
    ]
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = Micros(1_000_000_000_000);

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn fail(limiter: &mut Limiter, name: &str, address: Option<IpAddr>, times: usize) {
        (0..times).for_each(|_| limiter.failed(name, address, NOW));
    }

    #[test]
    fn the_fourth_attempt_waits_and_each_further_one_longer() {
        let mut limiter = Limiter::default();
        let (mut now, mut waits) = (NOW, Vec::new());
        for _ in 0..10 {
            let wait = limiter.admit("ann", ip("10.0.0.1"), now).unwrap();
            waits.push(wait.as_millis());
            now = now + wait;
            limiter.failed("ann", ip("10.0.0.1"), now);
        }
        assert_eq!(waits, [0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000]);
    }

    #[test]
    fn attempts_at_once_queue_up_and_are_then_turned_away() {
        let mut limiter = Limiter::default();
        fail(&mut limiter, "ann", ip("10.0.0.1"), 8);
        let mut admit = || limiter.admit("ann", ip("10.0.0.1"), NOW).map(|wait| wait.as_secs());
        assert_eq!([admit(), admit()], [Ok(2), Ok(4)]);
        assert_eq!(admit().map_err(|wait| wait.as_secs()), Err(6));
        assert_eq!(admit().map_err(|wait| wait.as_secs()), Err(6), "being turned away lengthens nothing");
    }

    #[test]
    fn others_do_not_wait() {
        let mut limiter = Limiter::default();
        fail(&mut limiter, "ann", ip("10.0.0.1"), 10);
        assert_eq!(limiter.admit("bob", ip("10.0.0.1"), NOW), Ok(Duration::ZERO));
        assert_eq!(limiter.admit("ann", ip("10.0.0.2"), NOW), Ok(Duration::ZERO));
        assert_eq!(limiter.admit("ann", None, NOW), Ok(Duration::ZERO));
    }

    #[test]
    fn an_address_that_tries_many_names_waits_for_all_of_them() {
        let mut limiter = Limiter::default();
        (0..20).for_each(|name| limiter.failed(&name.to_string(), ip("2001:db8::1"), NOW));
        assert_eq!(limiter.admit("new", ip("2001:db8::2"), NOW), Ok(FIRST_PAUSE));
        assert_eq!(limiter.admit("new", ip("2001:db8:0:1::2"), NOW), Ok(Duration::ZERO));
    }

    #[test]
    fn success_forgives_the_name_and_time_forgives_all() {
        let mut limiter = Limiter::default();
        fail(&mut limiter, "ann", ip("10.0.0.1"), 10);
        limiter.succeeded("ann", ip("10.0.0.1"));
        assert_eq!(limiter.admit("ann", ip("10.0.0.1"), NOW), Ok(Duration::ZERO));
        fail(&mut limiter, "ann", ip("10.0.0.1"), 30);
        assert!(limiter.admit("bob", ip("10.0.0.1"), NOW).unwrap() > Duration::ZERO);
        assert_eq!(limiter.admit("ann", ip("10.0.0.1"), NOW + MEMORY), Ok(Duration::ZERO));
        assert_eq!(limiter.admit("ann", ip("10.0.0.1"), NOW - MEMORY * 3), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut limiter = Limiter::default();
        for name in 0..MAX_BUCKETS + 200 {
            limiter.failed(&name.to_string(), ip("10.0.0.1"), NOW + Duration::from_micros(name as u64));
            assert!(limiter.buckets.len() <= MAX_BUCKETS);
        }
        assert!(
            limiter.admit("x", ip("10.0.0.1"), NOW).unwrap() > Duration::ZERO,
            "the address is still known"
        );
    }
}
