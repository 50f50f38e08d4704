//! Passwords found right a moment ago, so that a herd of connections of one user costs one slow hash.
//!
//! A proof is an HMAC under a key that this process made for itself and never shows. It stands for the name, the hash
//! in the file and the password together, so that a changed hash makes it worthless.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use druse_protocol::time::Micros;
use ring::hmac;
use ring::rand::SystemRandom;

use crate::once::Digest;

/// How long a proof counts: as long as it takes all threads of a client to log in.
const LIFE: Duration = Duration::from_secs(60);
/// How many are kept.
const MAX_PROOFS: usize = 4096;

/// The proofs of the last minute.
pub(super) struct Proofs {
    key: hmac::Key,
    until: HashMap<Digest, Micros>,
    /// In the order of their making, which is that of their end.
    queue: VecDeque<(Micros, Digest)>,
}

impl Proofs {
    /// `None` if the system has no randomness.
    pub(super) fn new() -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(Self { key, until: HashMap::new(), queue: VecDeque::new() })
    }

    /// The key, for [`print`].
    pub(super) fn key(&self) -> hmac::Key {
        self.key.clone()
    }

    pub(super) fn holds(&self, print: &Digest, now: Micros) -> bool {
        self.until.get(print).is_some_and(|until| now < *until && *until <= now + LIFE)
    }

    pub(super) fn insert(&mut self, print: Digest, now: Micros) {
        while self.queue.front().is_some_and(|(until, _)| *until <= now) || self.queue.len() >= MAX_PROOFS {
            let Some((until, oldest)) = self.queue.pop_front() else { break };
            if self.until.get(&oldest) == Some(&until) {
                self.until.remove(&oldest);
            }
        }
        self.until.insert(print, now + LIFE);
        self.queue.push_back((now + LIFE, print));
    }
}

/// What stands for a name, a hash and a password.
pub(super) fn print(key: &hmac::Key, name: &str, hash: &str, password: &str) -> Digest {
    let mut context = hmac::Context::with_key(key);
    for part in [name, hash, password] {
        // With its length, so that no two triples look alike.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut print = Digest::default();
    print.copy_from_slice(context.sign().as_ref());
    print
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_differ_in_every_part() {
        let key = Proofs::new().unwrap().key();
        let of = |name, hash, password| print(&key, name, hash, password);
        assert_eq!(of("a", "b", "c"), of("a", "b", "c"));
        for other in [of("ab", "", "c"), of("a", "bc", ""), of("", "ab", "c"), of("a", "b", "d")] {
            assert_ne!(of("a", "b", "c"), other);
        }
        assert_ne!(of("a", "b", "c"), print(&Proofs::new().unwrap().key(), "a", "b", "c"));
    }

    #[test]
    fn proofs_end_and_are_bounded() {
        let mut proofs = Proofs::new().unwrap();
        let now = Micros::from_secs(1_000);
        proofs.insert([1; 32], now);
        assert!(proofs.holds(&[1; 32], now) && !proofs.holds(&[2; 32], now));
        assert!(!proofs.holds(&[1; 32], now + LIFE));
        assert!(!proofs.holds(&[1; 32], now - LIFE), "a clock that stepped back makes none last longer");
        for number in 0..2 * MAX_PROOFS as u64 {
            let mut print = Digest::default();
            print[..8].copy_from_slice(&number.to_be_bytes());
            proofs.insert(print, now);
        }
        assert_eq!((proofs.until.len(), proofs.queue.len()), (MAX_PROOFS, MAX_PROOFS));
        proofs.insert([3; 32], now + LIFE);
        assert_eq!((proofs.until.len(), proofs.queue.len()), (1, 1));
    }
}
