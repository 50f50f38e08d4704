//! The same event, and different ones, at the same time.

use std::sync::Barrier;

use super::*;

fn put_if_absent(value: &str) -> Mutation<'_> {
    Mutation::Put { key: b"k", value: object(value), condition: Condition::IfAbsent, callback: None }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_arrives_twice_waits_for_the_first() {
    let f = Fixture::new(delayed(RETENTION));
    let origin = f.origin(1, 1);
    let first = f.region.mutate(&origin, put_if_absent("a"), f.now);
    let second = f.region.mutate(&origin, put_if_absent("a"), f.now);
    let third = f.region.mutate(&origin, put_if_absent("a"), f.now);
    let (first, second, third) = tokio::join!(first.finish(), second.finish(), third.finish());
    let all = [first.unwrap(), second.unwrap(), third.unwrap()];
    assert!(
        all.iter().all(|mutated| mutated.effect == Effect::Applied && mutated.version.unwrap().entry == 1)
    );
    assert_eq!(all.iter().filter(|mutated| !mutated.replayed).count(), 1);
    assert_eq!(f.changes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bulk_event_that_arrives_twice_waits_for_the_first() {
    let f = Fixture::new(delayed(RETENTION));
    let entries = [("a", "1"), ("b", "2")];
    let (first, second) = tokio::join!(f.put_all(1, &entries), f.put_all(1, &entries));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.replayed, second.replayed, f.changes()), (0, 2, 2));
    assert_eq!(first.versions, second.versions);
    let origin = f.origin(1, 3);
    let clear = || f.region.clear(&origin, None, f.now).finish();
    assert_eq!(tokio::join!(clear(), clear()), (Ok(false), Ok(true)));
}

#[tokio::test(start_paused = true)]
async fn an_operation_whose_connection_broke_ends_and_is_remembered() {
    let f = Fixture::new(delayed(RETENTION));
    drop(f.region.mutate(&f.origin(1, 1), put_if_absent("a"), f.now));
    let again = f.region.mutate(&f.origin(1, 1), put_if_absent("a"), f.now).finish().await.unwrap();
    assert_eq!((again.effect, again.replayed), (Effect::Applied, true));
    drop(f.region.mutate(&f.origin(1, 2), Mutation::Invalidate { key: b"k", callback: None }, f.now));
    f.registry.finish().await;
    assert_eq!(f.text("k"), "!");
}

#[tokio::test(start_paused = true)]
async fn a_conditional_operation_that_lost_a_race_decides_again() {
    let f = Fixture::new(delayed(RETENTION));
    let racers: Vec<_> = ["a", "b", "c", "d", "e"]
        .into_iter()
        .zip(1..)
        .map(|(value, thread)| f.region.mutate(&f.origin(thread, 1), put_if_absent(value), f.now))
        .collect();
    let mut winners = 0;
    for racer in racers {
        let mutated = racer.finish().await.unwrap();
        winners += usize::from(mutated.effect == Effect::Applied);
        if mutated.effect == Effect::Present {
            assert_eq!(says(&mutated).1, Some(f.text("k")));
        }
    }
    assert_eq!((winners, f.changes()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn counting_by_compare_and_set_loses_nothing() {
    let f = Fixture::new(delayed(RETENTION));
    f.put(0, "n", "0").await;
    let count = async |thread: i64| {
        for sequence in 1..=5 {
            // Each attempt is an event of its own, as from a client that calls replace(k, old, new) in a loop.
            for attempt in 0_i64.. {
                let old = f.text("n");
                let new = (old.parse::<u32>().unwrap() + 1).to_string();
                let condition = Condition::IfEquals(object(&old));
                let put = Mutation::Put { key: b"n", value: object(&new), condition, callback: None };
                let origin = f.origin(thread, sequence * 1_000 + attempt);
                if f.region.mutate(&origin, put, f.now).finish().await.unwrap().effect == Effect::Applied {
                    break;
                }
            }
        }
    };
    tokio::join!(count(1), count(2), count(3), count(4));
    assert_eq!(f.text("n"), "20");
}

/// Two connections, each on its own thread, carry the same events. Every one is applied once.
#[test]
fn threads_that_repeat_one_another_apply_each_event_once() {
    const EVENTS: i64 = 2_000;
    let f = Fixture::new(memory(RETENTION));
    let barrier = Barrier::new(2);
    let applied: usize = std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            barrier.wait();
            let one = |sequence: i64| {
                let key = (sequence % 7).to_be_bytes();
                let put = Mutation::Put {
                    key: &key,
                    value: object("v"),
                    condition: Condition::None,
                    callback: None,
                };
                let outcome = f.region.mutate(&f.origin(1, sequence), put, f.now);
                usize::from(!runtime.block_on(outcome.finish()).unwrap().replayed)
            };
            (1..=EVENTS).map(one).sum::<usize>()
        };
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().unwrap()).into_iter().sum()
    });
    // A thread that falls behind finds its numbers below the highest: nothing is ever applied twice.
    assert_eq!(applied, usize::try_from(EVENTS).unwrap());
    assert_eq!(f.changes(), EVENTS as u64);
}
