//! What a store promises, whichever database it is.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{Bench, Counted, Counter, NOW};
use crate::seal::Sealer;
use crate::store::driver::{Answer, Cell, Statement};
use crate::store::{Column, Commit, MAX_PAGE, Projection, SecretName, Store, StoreError, Versioned};

async fn begin(store: &Store, id: &str) -> Versioned<Counter> {
    change(store, id, None, &[Counted::Begun]).await.unwrap()
}

async fn change(
    store: &Store,
    id: &str,
    current: Option<Versioned<Counter>>,
    events: &[Counted],
) -> Result<Versioned<Counter>, StoreError> {
    let mut commit = Commit::new("tester", NOW);
    let after = commit.change(id, current, events)?;
    store.commit(commit).await.map(|_| after)
}

async fn load(store: &Store, id: &str) -> Option<Versioned<Counter>> {
    store.load(id).await.unwrap()
}

fn is_conflict<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Conflict))
}

fn sealer() -> Sealer {
    Sealer::from_text("k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()
}

/// All rows of a table, in order.
async fn table(store: &Store, sql: &'static str) -> Vec<Vec<Cell>> {
    let answers = store.read(vec![Statement::new(sql)]).await.unwrap();
    answers.into_iter().flat_map(|answer: Answer| answer.rows).map(|row| row.0).collect()
}

pub(super) async fn what_is_committed_is_read_back(bench: Bench) {
    let store = bench.store;
    Counter::create_table(&store).await;
    assert_eq!(load(&store, "a").await, None);
    let events = [Counted::Begun, Counted::Added { by: 3 }];
    let after = change(&store, "a", None, &events).await.unwrap();
    assert_eq!((after.version, after.state.value), (2, 3));
    assert_eq!(load(&store, "a").await, Some(after));
    assert_eq!(load(&store, "b").await, None);
}

/// Law 2: compare, then append.
pub(super) async fn a_commit_on_an_old_version_changes_nothing(bench: Bench) {
    let store = bench.store;
    Counter::create_table(&store).await;
    let old = begin(&store, "a").await;
    let new = change(&store, "a", Some(old.clone()), &[Counted::Added { by: 1 }]).await.unwrap();
    assert!(is_conflict(&change(&store, "a", Some(old), &[Counted::Added { by: 10 }]).await));
    assert!(is_conflict(&change(&store, "a", None, &[Counted::Begun]).await));
    assert_eq!(load(&store, "a").await, Some(new));
    assert_eq!(store.history("counter/a", 0).await.unwrap().len(), 2);
}

pub(super) async fn of_many_who_decide_on_one_version_one_wins(bench: Bench) {
    let store = bench.store.clone();
    Counter::create_table(&store).await;
    let seen = begin(&store, "a").await;
    let mut writers = JoinSet::new();
    for by in 1..=16 {
        let (store, seen) = (store.clone(), seen.clone());
        writers.spawn(async move { change(&store, "a", Some(seen), &[Counted::Added { by }]).await });
    }
    let outcomes = writers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| is_conflict(outcome)).count(), 15);
    let winner = outcomes.into_iter().flatten().next();
    assert_eq!(load(&store, "a").await, winner);
}

pub(super) async fn a_commit_over_several_streams_is_whole_or_nothing(bench: Bench) {
    let store = bench.store;
    Counter::create_table(&store).await;
    begin(&store, "taken").await;
    let mut commit = Commit::new("tester", NOW);
    commit.change::<Counter>("fresh", None, &[Counted::Begun]).unwrap();
    commit.keep_secret(&SecretName::new("counter", "fresh", "pin"), sealer().seal("n", b"s").unwrap());
    commit.change::<Counter>("taken", None, &[Counted::Begun]).unwrap();
    assert!(is_conflict(&store.commit(commit).await));
    assert_eq!(load(&store, "fresh").await, None);
    assert_eq!(store.history("counter/fresh", 0).await.unwrap(), []);
    assert!(table(&store, "select name from identity_secret").await.is_empty());
}

pub(super) async fn an_event_that_does_not_fit_is_refused_before_it_is_written(bench: Bench) {
    let store = bench.store;
    Counter::create_table(&store).await;
    let begun = begin(&store, "a").await;
    let outcome = change(&store, "a", Some(begun.clone()), &[Counted::Added { by: -1 }]).await;
    assert!(matches!(outcome, Err(StoreError::Impossible("counter"))));
    assert_eq!(load(&store, "a").await, Some(begun));
}

pub(super) async fn events_are_read_in_order_and_from_a_position(bench: Bench) {
    let store = bench.store;
    Counter::create_table(&store).await;
    let a = begin(&store, "a").await;
    begin(&store, "b").await;
    change(&store, "a", Some(a), &[Counted::Added { by: 2 }]).await.unwrap();
    let events = store.events_after(0).await.unwrap();
    let seen: Vec<_> = events.iter().map(|e| (e.stream.as_str(), e.version, e.kind.as_str())).collect();
    assert_eq!(seen, [("counter/a", 1, "begun"), ("counter/b", 1, "begun"), ("counter/a", 2, "added")]);
    assert!(events.is_sorted_by_key(|event| event.position));
    let last = events.last().unwrap();
    assert_eq!((last.at, last.actor.as_str(), last.body.as_str()), (NOW, "tester", r#"{"by":2}"#));
    assert_eq!(store.events_after(events[1].position).await.unwrap(), events[2..]);
    assert_eq!(store.events_after(last.position).await.unwrap(), []);
    assert_eq!(*store.written().borrow(), last.position);
}

/// Positions are given in the order of commits: whoever has read up to one never finds anything below it later.
pub(super) async fn following_the_log_misses_nothing_while_many_write(bench: Bench) {
    let store = bench.store.clone();
    Counter::create_table(&store).await;
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = bench.another_store().await;
        writers.spawn(async move {
            for number in 0..10 {
                begin(&store, &format!("{writer}-{number}")).await;
            }
        });
    }
    let (mut seen, mut after) = (0, 0);
    loop {
        while writers.try_join_next().is_some() {}
        let all_written = writers.is_empty();
        let page = store.events_after(after).await.unwrap();
        if all_written && page.is_empty() {
            break;
        }
        seen += page.len();
        after = page.last().map_or(after, |event| event.position);
    }
    assert_eq!(seen, 80);
}

pub(super) async fn states_are_found_by_column_page_by_page(bench: Bench) {
    let store = bench.store;
    Counter::create_table(&store).await;
    // Upper case before lower case: the order is that of bytes.
    let ids = ["B", "Z", "_", "a", "b"];
    for id in ids {
        begin(&store, id).await;
    }
    let b = load(&store, "b").await;
    change(&store, "b", b, &[Counted::Added { by: 1 }]).await.unwrap();
    let names = |found: Vec<Versioned<Counter>>| found.into_iter().map(|v| v.id).collect::<Vec<_>>();
    let even = || Column::Text("even".into());
    assert_eq!(names(store.find("parity", even(), "").await.unwrap()), ["B", "Z", "_", "a"]);
    assert_eq!(names(store.find("parity", even(), "Z").await.unwrap()), ["_", "a"]);
    assert_eq!(names(store.find("parity", Column::Text("odd".into()), "").await.unwrap()), ["b"]);
    assert_eq!(names(store.all("").await.unwrap()), ids);
}

/// Law 7: the log is the truth.
pub(super) async fn projections_are_rebuilt_byte_for_byte(bench: Bench) {
    let store = bench.store;
    Counter::create_table(&store).await;
    for number in 0..40 {
        let state = begin(&store, &format!("c{number}")).await;
        let events = vec![Counted::Added { by: number }; 3];
        change(&store, &state.id.clone(), Some(state), &events).await.unwrap();
    }
    let long = begin(&store, "long").await;
    change(&store, "long", Some(long), &vec![Counted::Added { by: 1 }; MAX_PAGE + 5]).await.unwrap();
    const ALL: &str = "select id, version, body, parity from identity_counter order by id";
    let before = table(&store, ALL).await;
    for damage in [
        "delete from identity_counter",
        "update identity_counter set version = 0, body = '{}', parity = 'none'",
        "insert into identity_counter (id, version, body, parity) values ('ghost', 1, '{}', 'odd')",
    ] {
        store.write(vec![Statement::new(damage)]).await.unwrap();
        assert_ne!(table(&store, ALL).await, before, "{damage}");
        assert_eq!(store.rebuild(&[Projection::of::<Counter>()]).await.unwrap(), 41);
        assert_eq!(table(&store, ALL).await, before, "{damage}");
    }
}

pub(super) async fn a_secret_is_kept_sealed_and_survives_a_rebuilding(bench: Bench) {
    let store = bench.store;
    Counter::create_table(&store).await;
    let (sealer, name) = (sealer(), SecretName::new("counter", "a", "pin"));
    let mut commit = Commit::new("tester", NOW);
    commit.change::<Counter>("a", None, &[Counted::Begun]).unwrap();
    commit.keep_secret(&name, sealer.seal(name.as_str(), b"1234").unwrap());
    store.commit(commit).await.unwrap();
    store.rebuild(&[Projection::of::<Counter>()]).await.unwrap();
    assert_eq!(store.secret(&name, &sealer).await.unwrap().unwrap().as_slice(), b"1234");
    // A secret in another's place does not open.
    let moved = "update identity_secret set name = 'counter/b/pin'";
    store.write(vec![Statement::new(moved)]).await.unwrap();
    let other = SecretName::new("counter", "b", "pin");
    assert!(matches!(store.secret(&other, &sealer).await, Err(StoreError::Corrupt(_))));
    let mut commit = Commit::new("tester", NOW);
    commit.forget_secret(&other);
    store.commit(commit).await.unwrap();
    assert!(store.secret(&other, &sealer).await.unwrap().is_none());
}

pub(super) async fn a_lease_has_one_holder_and_epochs_count_up(bench: Bench) {
    const HOUR: Duration = Duration::from_secs(3600);
    let store = bench.store.clone();
    let lease = store.take_lease("keeper", "a", HOUR).await.unwrap().unwrap();
    assert_eq!(lease.epoch(), 1);
    assert_eq!(store.take_lease("keeper", "b", HOUR).await.unwrap(), None);
    assert_eq!(store.take_lease("keeper", "a", HOUR).await.unwrap(), None, "asking anew is no renewal");
    assert_eq!(store.take_lease("other", "b", HOUR).await.unwrap().unwrap().epoch(), 1);
    store.renew_lease(&lease, HOUR).await.unwrap();
    store.release_lease(&lease).await.unwrap();
    let next = store.take_lease("keeper", "b", HOUR).await.unwrap().unwrap();
    assert_eq!(next.epoch(), 2);
    assert!(matches!(store.renew_lease(&lease, HOUR).await, Err(StoreError::LeaseLost)));
    assert!(matches!(store.release_lease(&lease).await, Err(StoreError::LeaseLost)));
    assert_eq!(store.take_lease("keeper", "c", HOUR).await.unwrap(), None, "it is still the second one's");
}

/// A life of nothing runs out at once on any clock.
pub(super) async fn a_lease_that_ran_out_goes_to_the_next_and_fences_the_last(bench: Bench) {
    let store = bench.store.clone();
    Counter::create_table(&store).await;
    let frozen = store.take_lease("keeper", "a", Duration::ZERO).await.unwrap().unwrap();
    let mut commit = Commit::new("keeper", NOW);
    commit.under(&frozen);
    commit.change::<Counter>("first", None, &[Counted::Begun]).unwrap();
    store.commit(commit).await.expect("over, but nobody else has wanted it");
    let leader = store.take_lease("keeper", "b", Duration::from_secs(3600)).await.unwrap().unwrap();
    for (lease, id, lands) in [(&frozen, "second", false), (&leader, "third", true)] {
        let mut commit = Commit::new("keeper", NOW);
        commit.under(lease);
        commit.change::<Counter>(id, None, &[Counted::Begun]).unwrap();
        let outcome = store.commit(commit).await;
        assert_eq!(outcome.is_ok(), lands, "{id}");
        assert_eq!(matches!(outcome, Err(StoreError::LeaseLost)), !lands, "{id}");
        assert_eq!(load(&store, id).await.is_some(), lands, "{id}");
    }
}

pub(super) async fn a_second_process_sees_everything(bench: Bench) {
    Counter::create_table(&bench.store).await;
    let other = bench.another_store().await;
    let begun = begin(&bench.store, "a").await;
    assert_eq!(load(&other, "a").await, Some(begun.clone()));
    let after = change(&other, "a", Some(begun.clone()), &[Counted::Added { by: 1 }]).await.unwrap();
    assert_eq!(load(&bench.store, "a").await, Some(after));
    assert!(is_conflict(&change(&bench.store, "a", Some(begun), &[Counted::Added { by: 2 }]).await));
}

pub(super) async fn a_database_of_a_newer_release_is_left_alone(bench: Bench) {
    let sql = "insert into identity_schema (version) values (999)";
    bench.store.write(vec![Statement::new(sql)]).await.unwrap();
    let outcome = super::open(&bench.place, bench.clock.clone()).await;
    assert!(matches!(outcome, Err(StoreError::Newer { found: 999, .. })), "{outcome:?}");
}

pub(super) async fn migrating_at_once_from_many_processes_works(bench: Bench) {
    for table in [
        "schema",
        "event",
        "lease",
        "secret",
        "key",
        "client",
        "client_cut",
        "account",
        "subject",
        "code",
        "login",
        "session",
        "herald",
        "delivery",
    ] {
        let sql = format!("drop table identity_{table}");
        bench.store.write(vec![Statement::new(sql)]).await.unwrap();
    }
    let outcomes = tokio::join!(
        bench.another_store(),
        bench.another_store(),
        bench.another_store(),
        bench.another_store()
    );
    Counter::create_table(&outcomes.0).await;
    begin(&outcomes.3, "a").await;
    assert!(load(&outcomes.1, "a").await.is_some());
    assert_eq!(table(&outcomes.2, "select version from identity_schema").await, [[Cell::Integer(1)]]);
}
