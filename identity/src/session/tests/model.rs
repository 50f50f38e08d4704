//! Random lives of a session against a model that knows which tokens were given out, and to whom.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Act {
    /// The client presents the newest token that it has received.
    Client { response_lost: bool },
    /// Somebody presents the token of a generation.
    Thief { generation: u32 },
    /// Time passes.
    Wait { seconds: u64 },
    /// It is ended.
    End,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => any::<bool>().prop_map(|response_lost| Act::Client { response_lost }),
        2 => (0..8_u32).prop_map(|generation| Act::Thief { generation }),
        3 => (0..30_u64).prop_map(|seconds| Act::Wait { seconds }),
        1 => Just(Act::End),
    ]
}

proptest! {
    /// Generations only grow by one; a retry within the grace never ends the session of a client that is alone; a copy
    /// used after its replacement and the grace always does; and nothing comes after the end.
    #[test]
    fn no_life_of_a_session_breaks_its_laws(acts in prop::collection::vec(act(), 1..60)) {
        let grace = SessionPolicy::default().grace;
        let (mut state, mut now, mut received, mut stolen) = (session(), NOW, 0, false);
        for act in acts {
            let before = state.clone();
            let generation = match act {
                Act::Wait { seconds } => { now = now + Duration::from_secs(seconds); continue }
                Act::End => {
                    if let Some(event) = decide::end(&state, EndReason::Logout) {
                        state = happen(Some(state), &[event], now);
                    }
                    continue;
                }
                Act::Client { .. } => received,
                Act::Thief { generation } => { stolen = true; generation }
            };
            match ask(&state, present(generation), now) {
                Refresh::Rotate(events) => {
                    prop_assert_eq!(generation, before.generation);
                    state = happen(Some(state), &events, now);
                    prop_assert_eq!(state.generation, before.generation + 1);
                }
                Refresh::Replay(events) => {
                    prop_assert_eq!(generation + 1, before.generation);
                    prop_assert!(now.saturating_since(before.rotated_at.unwrap()) <= grace);
                    state = happen(Some(state), &events, now);
                    prop_assert_eq!(state.generation, before.generation);
                }
                Refresh::Refuse(refusal, events) => {
                    state = happen(Some(state), &events, now);
                    match refusal {
                        Refusal::Over => prop_assert!(state.end.is_some()),
                        Refusal::Reuse => {
                            prop_assert!(state.end.is_some() && generation < before.generation);
                            let old = generation + 1 < before.generation;
                            let late = now.saturating_since(before.rotated_at.unwrap()) > grace;
                            prop_assert!(old || late);
                        }
                        Refusal::FromTheFuture => prop_assert!(generation > before.generation && stolen),
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
            }
            if before.end.is_some() {
                prop_assert_eq!(&state, &before, "nothing comes after the end");
            } else if let Act::Client { response_lost: false } = act {
                received = state.generation;
            }
        }
    }
}
