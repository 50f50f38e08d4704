//! One client that is to be told of one end.

use std::time::Duration;

use druse_protocol::time::Micros;
use serde::{Deserialize, Serialize};

use super::Answer;
use crate::serial;
use crate::store::{Aggregate, Column};

/// How long it is tried: by then access tokens have run out by themselves.
pub(super) const DEADLINE: Duration = Duration::from_secs(5 * 60);
/// The first and the longest pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a client is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Which client.
    pub client: String,
    /// Where.
    pub address: String,
    /// Who has logged out.
    pub subject: String,
    /// Of which session.
    pub sid: String,
    /// When it is given up.
    #[serde(with = "serial::micros")]
    pub until: Micros,
}

/// A delivery as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// What is to be told.
    pub planned: Planned,
    /// How often it was tried in vain.
    pub failures: u32,
    /// When it is tried next.
    #[serde(with = "serial::micros")]
    pub due_at: Micros,
    /// What came of it, once nothing more is tried.
    pub outcome: Option<DeliveryOutcome>,
}

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The client knows.
    Delivered,
    /// The client does not take such tokens.
    Rejected,
    /// It was not to be reached in time.
    Abandoned,
}

/// What can happen to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum DeliveryEvent {
    /// A session has ended.
    Planned(Box<Planned>),
    /// The client did not take it, and may another time.
    Failed {
        /// When.
        #[serde(with = "serial::micros")]
        due_at: Micros,
    },
    /// Nothing more is tried.
    Concluded {
        /// Because of what.
        outcome: DeliveryOutcome,
    },
}

impl DeliveryRecord {
    /// What an answer makes of it.
    pub(super) fn decide(&self, answer: Answer, now: Micros) -> DeliveryEvent {
        let outcome = match answer {
            Answer::Taken => DeliveryOutcome::Delivered,
            Answer::Refused => DeliveryOutcome::Rejected,
            Answer::Failed { after } => {
                let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6)).min(LONGEST_PAUSE);
                let due_at = now + pause.max(after.unwrap_or_default());
                if due_at < self.planned.until {
                    return DeliveryEvent::Failed { due_at };
                }
                DeliveryOutcome::Abandoned
            }
        };
        DeliveryEvent::Concluded { outcome }
    }
}

impl Aggregate for DeliveryRecord {
    type Event = DeliveryEvent;
    const NAME: &'static str = "delivery";

    fn apply(state: Option<Self>, event: &DeliveryEvent, at: Micros) -> Option<Self> {
        match (state, event) {
            (None, DeliveryEvent::Planned(planned)) => {
                Some(Self { planned: (**planned).clone(), failures: 0, due_at: at, outcome: None })
            }
            (Some(delivery), _) if delivery.outcome.is_some() => None,
            (Some(delivery), DeliveryEvent::Failed { due_at }) => {
                Some(Self { failures: delivery.failures.saturating_add(1), due_at: *due_at, ..delivery })
            }
            (Some(delivery), DeliveryEvent::Concluded { outcome }) => {
                Some(Self { outcome: Some(*outcome), ..delivery })
            }
            _ => None,
        }
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        let state = if self.outcome.is_some() { "over" } else { "pending" };
        vec![("state", Column::Text(state.into())), ("ends_us", Column::Integer(self.due_at.0))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned() -> DeliveryRecord {
        let planned = Planned {
            client: "app".into(),
            address: "https://app.example/logout".into(),
            subject: "ann".into(),
            sid: "s".into(),
            until: Micros(0) + DEADLINE,
        };
        DeliveryRecord::apply(None, &DeliveryEvent::Planned(Box::new(planned)), Micros(0)).unwrap()
    }

    #[test]
    fn a_client_that_is_away_is_tried_ever_more_rarely_and_given_up() {
        let (mut delivery, mut pauses) = (planned(), Vec::new());
        loop {
            let now = delivery.due_at;
            let event = delivery.decide(Answer::Failed { after: None }, now);
            delivery = DeliveryRecord::apply(Some(delivery), &event, now).unwrap();
            if let Some(outcome) = delivery.outcome {
                assert_eq!(outcome, DeliveryOutcome::Abandoned);
                break;
            }
            pauses.push(delivery.due_at.saturating_since(now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_client_may_ask_for_more_time_but_not_beyond_the_deadline() {
        let answer = |seconds| Answer::Failed { after: Some(Duration::from_secs(seconds)) };
        let due = DeliveryEvent::Failed { due_at: Micros::from_secs(120) };
        assert_eq!(planned().decide(answer(120), Micros(0)), due);
        let abandoned = DeliveryEvent::Concluded { outcome: DeliveryOutcome::Abandoned };
        assert_eq!(planned().decide(answer(300), Micros(0)), abandoned);
    }

    #[test]
    fn what_is_concluded_stays_so() {
        for (answer, outcome) in
            [(Answer::Taken, DeliveryOutcome::Delivered), (Answer::Refused, DeliveryOutcome::Rejected)]
        {
            let event = planned().decide(answer, Micros(0));
            assert_eq!(event, DeliveryEvent::Concluded { outcome });
            let over = DeliveryRecord::apply(Some(planned()), &event, Micros(0)).unwrap();
            assert_eq!(DeliveryRecord::apply(Some(over), &event, Micros(0)), None);
        }
    }
}
