//! The plan over days of virtual time, and keys in a store of either kind.

use std::time::Duration;

use druse_protocol::time::Micros;

use super::*;
use crate::store::tests::{NOW, on_both_databases};
use crate::store::{Aggregate as _, Versioned};

mod suite;

const DAY: Duration = Duration::from_secs(24 * 3600);

type Key = Versioned<KeyRecord>;

/// Keys in memory, to which steps are applied as the store would.
#[derive(Default)]
struct Ring {
    keys: Vec<Key>,
    made: usize,
}

impl Ring {
    /// Takes steps until none is left, and answers with how many there were.
    fn tend(&mut self, policy: &KeyPolicy, now: Micros) -> usize {
        let mut steps = 0;
        while let Some(step) = plan(&self.keys, policy, now) {
            self.apply(step, now);
            steps += 1;
            assert!(steps < 20, "the plan does not come to rest");
        }
        steps
    }

    fn apply(&mut self, step: Step, now: Micros) {
        match step {
            Step::Create(algorithm) => self.create(algorithm, now),
            Step::Change(changes) => {
                changes.into_iter().for_each(|(key, event)| self.change(&key, &event, now))
            }
        }
    }

    fn create(&mut self, algorithm: Algorithm, now: Micros) {
        self.made += 1;
        let created = KeyEvent::Created { algorithm, jwk: serde_json::json!({ "n": self.made }) };
        let state = KeyRecord::apply(None, &created, now).unwrap();
        self.keys.push(Versioned { id: format!("k{}", self.made), version: 1, state });
    }

    fn change(&mut self, key: &Key, event: &KeyEvent, now: Micros) {
        let place = self.keys.iter().position(|known| known.id == key.id).unwrap();
        let state = KeyRecord::apply(Some(self.keys[place].state.clone()), event, now);
        self.keys[place].state = state.expect("the plan keeps to the states");
    }

    fn states(&self) -> Vec<(&str, &str)> {
        self.keys.iter().map(|key| (key.id.as_str(), key.state.state.name())).collect()
    }
}

#[test]
fn the_first_key_serves_at_once() {
    let mut ring = Ring::default();
    ring.tend(&KeyPolicy::default(), NOW);
    assert_eq!(ring.states(), [("k1", "active")]);
    assert_eq!(ring.tend(&KeyPolicy::default(), NOW), 0);
}

#[test]
fn a_successor_is_published_for_the_lead_before_it_signs() {
    let (mut ring, policy) = (Ring::default(), KeyPolicy::default());
    ring.tend(&policy, NOW);
    let due = NOW + policy.period;
    let instant = Duration::from_micros(1);
    assert_eq!(ring.tend(&policy, due - policy.lead - instant), 0);
    ring.tend(&policy, due - policy.lead);
    assert_eq!(ring.states(), [("k1", "active"), ("k2", "waiting")]);
    assert_eq!(ring.tend(&policy, due - instant), 0);
    ring.tend(&policy, due);
    assert_eq!(ring.states(), [("k1", "retired"), ("k2", "active")]);
    assert_eq!(ring.tend(&policy, due + policy.retention - instant), 0);
    ring.tend(&policy, due + policy.retention);
    assert_eq!(ring.states(), [("k1", "removed"), ("k2", "active")]);
}

#[test]
fn a_keeper_that_slept_past_the_turn_still_keeps_the_lead() {
    let (mut ring, policy) = (Ring::default(), KeyPolicy::default());
    ring.tend(&policy, NOW);
    let late = NOW + policy.period + DAY;
    ring.tend(&policy, late);
    assert_eq!(ring.states(), [("k1", "active"), ("k2", "waiting")]);
    ring.tend(&policy, late + policy.lead);
    assert_eq!(ring.states(), [("k1", "retired"), ("k2", "active")]);
}

/// Whatever the rhythm in which the keeper comes by: one active key at each moment, each verifier has had each key for
/// the lead before it signs, and a key that has signed is published for the retention.
#[test]
fn a_hundred_days_of_rotation_keep_the_promises() {
    let algorithms = vec![Algorithm::Es256, Algorithm::EdDsa];
    let policy = KeyPolicy { algorithms, period: DAY, ..KeyPolicy::default() };
    let (mut ring, mut now) = (Ring::default(), NOW);
    let mut minutes = [1_u64, 7, 61, 240, 5].into_iter().cycle();
    while now < NOW + DAY * 100 {
        ring.tend(&policy, now);
        for algorithm in &policy.algorithms {
            let active = ring
                .keys
                .iter()
                .filter(|key| key.state.algorithm == *algorithm && key.state.state == KeyState::Active);
            assert_eq!(active.count(), 1);
        }
        now = now + Duration::from_secs(60 * minutes.next().unwrap());
    }
    assert!(ring.made > 150, "{}", ring.made);
    for key in ring.keys.iter().skip(2) {
        if let Some(activated) = key.state.activated_at {
            assert!(activated >= key.state.published_at + policy.lead);
        }
        if key.state.state == KeyState::Removed {
            assert!(now >= key.state.retired_at.unwrap() + policy.retention);
        }
    }
}

#[test]
fn a_clock_that_steps_back_undoes_nothing() {
    let (mut ring, policy) = (Ring::default(), KeyPolicy::default());
    ring.tend(&policy, NOW);
    ring.tend(&policy, NOW + policy.period - policy.lead);
    let before = format!("{:?}", ring.states());
    assert_eq!(ring.tend(&policy, NOW - DAY), 0);
    assert_eq!(format!("{:?}", ring.states()), before);
}

#[test]
fn wishes_that_make_no_sense_are_refused_each_with_its_reason() {
    let (mut ring, policy) = (Ring::default(), KeyPolicy::default());
    ring.tend(&policy, NOW);
    ring.create(Algorithm::Es256, NOW);
    let wish = |ring: &Ring, id: &str, now| activate(&ring.keys, id, &policy, now).err();
    assert_eq!(wish(&ring, "k9", NOW), Some(KeyRefusal::Unknown));
    assert_eq!(wish(&ring, "k1", NOW), Some(KeyRefusal::AlreadyActive));
    assert_eq!(wish(&ring, "k2", NOW), Some(KeyRefusal::TooFresh));
    assert_eq!(remove(&ring.keys, "k1", false).err(), Some(KeyRefusal::StillActive));
    assert_eq!(remove(&ring.keys, "k9", true).err(), Some(KeyRefusal::Unknown));
    let later = NOW + policy.lead;
    ring.apply(activate(&ring.keys, "k2", &policy, later).unwrap(), later);
    assert_eq!(ring.states(), [("k1", "retired"), ("k2", "active")]);
    assert_eq!(wish(&ring, "k1", later), Some(KeyRefusal::Over));
    ring.apply(remove(&ring.keys, "k1", false).unwrap(), later);
    assert_eq!(remove(&ring.keys, "k1", true).err(), Some(KeyRefusal::Over));
}

#[test]
fn a_compromised_key_goes_at_once_and_has_a_successor_at_once() {
    let (mut ring, policy) = (Ring::default(), KeyPolicy::default());
    ring.tend(&policy, NOW);
    ring.apply(remove(&ring.keys, "k1", true).unwrap(), NOW);
    assert!(ring.keys[0].state.compromised);
    ring.tend(&policy, NOW);
    assert_eq!(ring.states(), [("k1", "removed"), ("k2", "active")]);
}

#[test]
fn an_algorithm_that_is_no_longer_wanted_is_phased_out() {
    let (mut ring, mut policy) = (Ring::default(), KeyPolicy::default());
    ring.tend(&policy, NOW);
    policy.algorithms = vec![Algorithm::EdDsa];
    ring.tend(&policy, NOW);
    assert_eq!(ring.states(), [("k1", "retired"), ("k2", "active")]);
    ring.tend(&policy, NOW + policy.retention);
    assert_eq!(ring.states(), [("k1", "removed"), ("k2", "active")]);
}

#[test]
fn rsa_keys_are_waited_for_and_never_made() {
    let policy = KeyPolicy { algorithms: vec![Algorithm::Rs256], ..KeyPolicy::default() };
    let mut ring = Ring::default();
    assert_eq!(ring.tend(&policy, NOW), 0);
    ring.create(Algorithm::Rs256, NOW);
    ring.tend(&policy, NOW);
    assert_eq!(ring.states(), [("k1", "active")]);
    assert_eq!(ring.tend(&policy, NOW + policy.period * 2), 0, "the last one signs until another comes");
}

#[test]
fn policies_that_do_not_fit_together_are_refused() {
    let policy = KeyPolicy::default();
    assert_eq!(policy.check(), Ok(()));
    for (wrong, error) in [
        (KeyPolicy { algorithms: vec![], ..policy.clone() }, KeyPolicyError::NoAlgorithm),
        (
            KeyPolicy { algorithms: vec![Algorithm::Es256, Algorithm::Es256], ..policy.clone() },
            KeyPolicyError::Twice(Algorithm::Es256),
        ),
        (
            KeyPolicy { algorithms: vec![Algorithm::Ps256], ..policy.clone() },
            KeyPolicyError::Algorithm(Algorithm::Ps256),
        ),
        (KeyPolicy { lead: DOCUMENT_LIFE, ..policy.clone() }, KeyPolicyError::Lead),
        (KeyPolicy { period: policy.lead * 2, ..policy.clone() }, KeyPolicyError::Period),
    ] {
        assert_eq!(wrong.check(), Err(error));
    }
}

#[test]
fn the_document_is_the_same_whatever_the_order_and_known_by_its_tag() {
    let (mut ring, policy) = (Ring::default(), KeyPolicy::default());
    ring.tend(&policy, NOW);
    ring.create(Algorithm::Es256, NOW);
    let document = KeyDocument::of(&ring.keys);
    ring.keys.reverse();
    assert_eq!(KeyDocument::of(&ring.keys), document);
    assert_eq!(document.text(), r#"{"keys":[{"n":1},{"n":2}]}"#);
    for known in [document.etag(), "*", &format!("\"x\", W/{}", document.etag())] {
        assert!(document.is_known_by(known), "{known}");
    }
    assert!(!document.is_known_by("\"x\""));
    assert_eq!(KeyDocument::cache_control(), "public, max-age=300, must-revalidate");
}

on_both_databases!(crate::keys::tests::suite:
    keys_serve_after_a_restart
    the_private_half_is_sealed_and_goes_with_the_key
    without_the_master_key_nothing_signs
    of_several_processes_one_makes_the_key
    a_keeper_that_lost_its_lease_writes_nothing
    a_rotation_reaches_another_process
    a_compromised_key_leaves_the_document_and_another_signs
    an_rsa_key_is_brought_along_and_signs
);
