//! What is to be done about the keys now: pure, and told the time.

use druse_protocol::time::Micros;

use super::{KeyEvent, KeyPolicy, KeyRecord, KeyState};
use crate::key_set::Algorithm;
use crate::store::Versioned;

/// A key with its id and version.
type Key = Versioned<KeyRecord>;

/// One thing to do. The events of one step are one append: there is never a moment with two active keys or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a key for an algorithm, and publish it.
    Create(Algorithm),
    /// Let these happen to keys that are there.
    Change(Vec<(Versioned<KeyRecord>, KeyEvent)>),
}

/// Why an operator's wish about a key is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// No such key.
    #[error("there is no signing key of that id")]
    Unknown,
    /// Somebody might meet its tokens before the key itself.
    #[error("the key has not been published for long enough")]
    TooFresh,
    /// It signs already.
    #[error("the key is active already")]
    AlreadyActive,
    /// Its time is over.
    #[error("the key has been retired or removed")]
    Over,
    /// Tokens are signed with it. Activate another one first, or say that it is compromised.
    #[error("the key is active: it can be removed only if it is compromised")]
    StillActive,
}

/// The next step that time asks for, if any. To be asked again after each step.
#[must_use]
pub fn plan(keys: &[Key], policy: &KeyPolicy, now: Micros) -> Option<Step> {
    let due = policy.algorithms.iter().find_map(|algorithm| for_algorithm(keys, *algorithm, policy, now));
    due.or_else(|| leftover(keys, policy, now))
}

/// The step by which an operator activates a key before its turn.
///
/// # Errors
/// See [`KeyRefusal`].
pub fn activate(keys: &[Key], id: &str, policy: &KeyPolicy, now: Micros) -> Result<Step, KeyRefusal> {
    let key = keys.iter().find(|key| key.id == id).ok_or(KeyRefusal::Unknown)?;
    match key.state.state {
        KeyState::Active => Err(KeyRefusal::AlreadyActive),
        KeyState::Retired | KeyState::Removed => Err(KeyRefusal::Over),
        KeyState::Waiting if now < key.state.published_at + policy.lead => Err(KeyRefusal::TooFresh),
        KeyState::Waiting => Ok(succession(keys, key)),
    }
}

/// The step by which an operator removes a key.
///
/// # Errors
/// See [`KeyRefusal`].
pub fn remove(keys: &[Key], id: &str, compromised: bool) -> Result<Step, KeyRefusal> {
    let key = keys.iter().find(|key| key.id == id).ok_or(KeyRefusal::Unknown)?;
    match key.state.state {
        KeyState::Removed => Err(KeyRefusal::Over),
        KeyState::Active if !compromised => Err(KeyRefusal::StillActive),
        _ => Ok(Step::Change(vec![(key.clone(), KeyEvent::Removed { compromised })])),
    }
}

fn for_algorithm(keys: &[Key], algorithm: Algorithm, policy: &KeyPolicy, now: Micros) -> Option<Step> {
    let of = |state| {
        let fitting =
            keys.iter().filter(move |key| key.state.algorithm == algorithm && key.state.state == state);
        fitting.min_by_key(|key| key.state.published_at)
    };
    let next = of(KeyState::Waiting);
    let Some(active) = of(KeyState::Active) else {
        // At the very beginning, and after the active key was compromised, there is nothing to wait for: no token can
        // be signed meanwhile, and verifiers that do not know the key yet ask for it.
        return next.map(|next| succession(keys, next)).or_else(|| creation(algorithm));
    };
    let ends_at = active.state.activated_at.unwrap_or(active.state.published_at) + policy.period;
    match next {
        None if now + policy.lead >= ends_at => creation(algorithm),
        Some(next) if now >= ends_at.max(next.state.published_at + policy.lead) => {
            Some(succession(keys, next))
        }
        _ => None,
    }
}

/// RS256 keys are brought along, not made: until the next one comes, the last one signs.
fn creation(algorithm: Algorithm) -> Option<Step> {
    matches!(algorithm, Algorithm::Es256 | Algorithm::EdDsa).then_some(Step::Create(algorithm))
}

/// Keys that are of no more use: retired for long enough, or for an algorithm that is no longer wanted.
fn leftover(keys: &[Key], policy: &KeyPolicy, now: Micros) -> Option<Step> {
    let step = |key: &Key, event| Step::Change(vec![(key.clone(), event)]);
    keys.iter().find_map(|key| {
        let wanted = policy.algorithms.contains(&key.state.algorithm);
        match key.state.state {
            KeyState::Active if !wanted => Some(step(key, KeyEvent::Retired)),
            KeyState::Waiting if !wanted => Some(step(key, KeyEvent::Removed { compromised: false })),
            KeyState::Retired if now >= key.state.retired_at? + policy.retention => {
                Some(step(key, KeyEvent::Removed { compromised: false }))
            }
            _ => None,
        }
    })
}

/// `next` becomes active, and whichever was before it retires.
fn succession(keys: &[Key], next: &Key) -> Step {
    let before = keys
        .iter()
        .filter(|key| key.state.algorithm == next.state.algorithm && key.state.state == KeyState::Active);
    let retiring = before.map(|key| (key.clone(), KeyEvent::Retired));
    Step::Change(retiring.chain([(next.clone(), KeyEvent::Activated)]).collect())
}
