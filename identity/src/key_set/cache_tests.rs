use super::*;
use crate::mint::SigningKey;

const SECOND: Duration = Duration::from_secs(1);

fn new_key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).unwrap()
}

fn set_of(keys: &[&SigningKey]) -> KeySet {
    let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
    KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// A state with its own time, and a set fetched at the beginning.
struct Bench {
    state: State,
    now: Micros,
}

impl Bench {
    fn new() -> Self {
        Self { state: State::new(Policy::network()), now: Micros::from_secs(1_000_000) }
    }

    fn with(keys: &[&SigningKey], life: Option<u64>) -> Self {
        let mut bench = Self::new();
        assert!(matches!(bench.ask("first"), Step::Fetch { forced: false }));
        bench.bring(keys, life);
        bench
    }

    fn ask(&mut self, id: &str) -> Step {
        self.state.decide(Algorithm::EdDsa, Some(id), self.now)
    }

    fn bring(&mut self, keys: &[&SigningKey], life: Option<u64>) {
        let life = life.map(Duration::from_secs);
        self.state.landed(Outcome::New { set: set_of(keys), life }, self.now);
    }

    fn fail(&mut self) {
        self.state.landed(Outcome::Failed, self.now);
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + SECOND * u32::try_from(seconds).unwrap();
    }
}

#[test]
fn a_set_is_refetched_at_four_fifths_of_its_life() {
    let key = new_key();
    let mut bench = Bench::with(&[&key], Some(100));
    bench.pass(79);
    assert!(matches!(bench.ask(key.id()), Step::Found { refresh: false, .. }));
    bench.pass(1);
    assert!(matches!(bench.ask(key.id()), Step::Found { refresh: true, .. }));
    assert!(matches!(bench.ask(key.id()), Step::Found { refresh: false, .. }), "one fetch at a time");
    bench.bring(&[&key], Some(100));
    bench.pass(79);
    assert!(matches!(bench.ask(key.id()), Step::Found { refresh: false, .. }));
}

#[test]
fn what_the_source_says_of_its_life_is_clamped() {
    let key = new_key();
    for (said, life) in
        [(None, 300), (Some(0), 60), (Some(59), 60), (Some(600), 600), (Some(1 << 40), 86_400)]
    {
        let mut bench = Bench::with(&[&key], said);
        bench.pass(life * 4 / 5 - 1);
        assert!(matches!(bench.ask(key.id()), Step::Found { refresh: false, .. }), "{said:?}");
        bench.pass(1);
        assert!(matches!(bench.ask(key.id()), Step::Found { refresh: true, .. }), "{said:?}");
    }
}

#[test]
fn when_its_life_is_over_callers_wait_for_the_next_set() {
    let (old, new) = (new_key(), new_key());
    let mut bench = Bench::with(&[&old], Some(100));
    bench.pass(100);
    assert!(matches!(bench.ask(old.id()), Step::Fetch { forced: false }));
    assert!(matches!(bench.ask(old.id()), Step::Wait));
    bench.bring(&[&new], None);
    assert!(matches!(bench.ask(new.id()), Step::Found { refresh: false, .. }));
    // A key absent from the newest set is gone, however often it is used.
    assert!(matches!(bench.ask(old.id()), Step::Fetch { forced: true }));
    bench.bring(&[&new], None);
    assert!(matches!(bench.ask(old.id()), Step::Unknown));
}

#[test]
fn while_fetching_fails_an_old_set_stands_in_for_a_day() {
    let key = new_key();
    let mut bench = Bench::with(&[&key], Some(100));
    let (mut attempts, mut served) = (0, 0);
    while bench.now < Micros::from_secs(1_000_000 + 86_400) {
        match bench.ask(key.id()) {
            Step::Found { refresh, .. } => {
                served += 1;
                if refresh {
                    attempts += 1;
                    bench.fail();
                }
            }
            Step::Fetch { forced: false } => {
                attempts += 1;
                bench.fail();
                assert!(matches!(bench.ask(key.id()), Step::Found { refresh: false, .. }));
            }
            other => panic!("{other:?}"),
        }
        bench.pass(1);
    }
    assert!(served > 70_000, "{served}");
    assert!((8_000..=8_700).contains(&attempts), "one in ten seconds, not {attempts}");
    bench.pass(10);
    assert!(matches!(bench.ask(key.id()), Step::Fetch { forced: false }));
    bench.fail();
    assert!(matches!(bench.ask(key.id()), Step::Unavailable { .. }));
}

#[test]
fn a_source_that_never_answered_is_asked_ever_more_rarely() {
    let mut bench = Bench::new();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        assert!(matches!(bench.ask("k"), Step::Fetch { forced: false }));
        bench.fail();
        let Step::Unavailable { again_at } = bench.ask("k") else { panic!("it has just failed") };
        pauses.push(again_at.saturating_since(bench.now).as_secs());
        bench.now = again_at;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
    // And one success forgets all that.
    let key = new_key();
    assert!(matches!(bench.ask(key.id()), Step::Fetch { .. }));
    bench.bring(&[&key], None);
    assert!(matches!(bench.ask(key.id()), Step::Found { refresh: false, .. }));
}

#[test]
fn an_unknown_id_forces_one_fetch_and_is_then_known_to_be_unknown() {
    let (old, new) = (new_key(), new_key());
    let mut bench = Bench::with(&[&old], None);
    assert!(matches!(bench.ask("forged"), Step::Fetch { forced: true }));
    assert!(matches!(bench.ask(new.id()), Step::Wait), "one at a time");
    assert!(matches!(bench.ask(old.id()), Step::Found { refresh: false, .. }), "others do not wait");
    bench.bring(&[&old, &new], None);
    assert!(matches!(bench.ask(new.id()), Step::Found { .. }));
    assert!(matches!(bench.ask("forged"), Step::Unknown));
    assert!(matches!(bench.ask("forged too"), Step::Unavailable { .. }), "at most one per ten seconds");
    bench.pass(10);
    assert!(matches!(bench.ask("forged"), Step::Unknown), "for thirty seconds");
    assert!(matches!(bench.ask("forged too"), Step::Fetch { forced: true }));
    bench.bring(&[&old, &new], None);
    bench.pass(20);
    assert!(matches!(bench.ask("forged"), Step::Fetch { forced: true }));
}

#[test]
fn an_id_whose_fetch_failed_is_not_called_unknown() {
    let key = new_key();
    let mut bench = Bench::with(&[&key], None);
    assert!(matches!(bench.ask("new"), Step::Fetch { forced: true }));
    bench.fail();
    assert!(matches!(bench.ask("new"), Step::Unavailable { .. }));
    bench.pass(10);
    assert!(matches!(bench.ask("new"), Step::Fetch { forced: true }));
}

#[test]
fn tokens_without_an_id_do_not_force_more_than_others() {
    let mut bench = Bench::with(&[], None);
    let nameless = |bench: &mut Bench| bench.state.decide(Algorithm::EdDsa, None, bench.now);
    assert!(matches!(nameless(&mut bench), Step::Fetch { forced: true }));
    bench.bring(&[], None);
    assert!(matches!(nameless(&mut bench), Step::Unknown));
    bench.pass(30);
    assert!(matches!(nameless(&mut bench), Step::Fetch { forced: true }));
    let key = new_key();
    bench.bring(&[&key], None);
    assert!(matches!(nameless(&mut bench), Step::Found { .. }));
}

/// D9-10.
#[test]
fn a_flood_of_forged_ids_costs_one_fetch_in_ten_seconds_and_refuses_nobody_else() {
    let key = new_key();
    let mut bench = Bench::with(&[&key], None);
    let mut fetched_at = Vec::new();
    for tick in 0..60_000_u64 {
        // A hundred forged ids a second for ten minutes.
        if let Step::Fetch { forced } = bench.ask(&format!("forged {tick}")) {
            assert!(forced);
            fetched_at.push(bench.now);
            bench.bring(&[&key], None);
        }
        assert!(matches!(bench.ask(key.id()), Step::Found { refresh: false, .. }));
        bench.now = bench.now + Duration::from_millis(10);
    }
    assert_eq!(fetched_at.len(), 60);
    assert!(fetched_at.windows(2).all(|pair| pair[1].saturating_since(pair[0]) >= SECOND * 10));
    assert!(bench.state.negatives.until.len() <= MAX_NEGATIVES);
}

#[test]
fn what_is_remembered_of_unknown_ids_is_bounded() {
    let mut negatives = Negatives::default();
    for id in 0..5_000_i64 {
        negatives.insert(Some(id.to_string()), Micros(id), SECOND * 30);
        assert_eq!(negatives.until.len(), negatives.by_time.len());
    }
    assert_eq!(negatives.until.len(), MAX_NEGATIVES);
    assert!(negatives.holds(Some("4999"), Micros(5_000)) && !negatives.holds(Some("0"), Micros(5_000)));
    negatives.insert(Some("4999".into()), Micros(6_000), SECOND);
    assert_eq!(negatives.until.len(), negatives.by_time.len());
    let mut flight = Flight { forced: true, asked: BTreeSet::new() };
    (0..5_000).for_each(|id| flight.ask(Some(&id.to_string())));
    assert_eq!(flight.asked.len(), MAX_NEGATIVES);
}

#[test]
fn a_clock_that_steps_back_does_not_keep_a_set_for_ever() {
    let key = new_key();
    let mut bench = Bench::with(&[&key], None);
    assert!(matches!(bench.ask("forged"), Step::Fetch { forced: true }));
    bench.bring(&[&key], None);
    bench.now = bench.now - SECOND * 7_200;
    assert!(matches!(bench.ask(key.id()), Step::Found { refresh: true, .. }));
    bench.bring(&[&key], None);
    assert!(matches!(bench.ask(key.id()), Step::Found { refresh: false, .. }));
    assert!(matches!(bench.ask("another"), Step::Fetch { forced: true }));
}

#[test]
fn a_set_that_cannot_be_fetched_again_is_stale_once_its_life_is_over() {
    let key = new_key();
    let mut bench = Bench::with(&[&key], Some(100));
    let stands = |bench: &Bench| bench.state.status(bench.now);
    bench.pass(90);
    assert!(matches!(bench.ask(key.id()), Step::Found { refresh: true, .. }));
    bench.fail();
    let status = stands(&bench);
    assert_eq!((status.fetches, status.failures, status.keys), (1, 1, 1));
    assert_eq!((status.age, status.is_stale), (Some(SECOND * 90), false));
    bench.pass(10);
    assert!(stands(&bench).is_stale);
    bench.pass(10);
    assert!(matches!(bench.ask(key.id()), Step::Fetch { .. }));
    bench.bring(&[&key], Some(100));
    let status = stands(&bench);
    assert_eq!((status.fetches, status.failures, status.is_stale), (2, 1, false));
    bench.pass(1_000);
    assert!(!stands(&bench).is_stale, "nobody has asked for it");

    let mut never = Bench::new();
    assert!(!stands(&never).is_stale, "not tried yet");
    assert!(matches!(never.ask("first"), Step::Fetch { .. }));
    never.fail();
    assert_eq!((stands(&never).is_stale, stands(&never).age), (true, None));
}
