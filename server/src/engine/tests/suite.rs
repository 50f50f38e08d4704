//! One set of tests for every engine.

use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};

use super::*;

macro_rules! every_engine {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test(super::Fixture::new(super::super::memory(super::RETENTION))).await;
            })*
        }
        mod delayed {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test(super::Fixture::new(super::super::delayed(super::RETENTION))).await;
            })*
        }
    };
}

every_engine!(
    numbers_rise_per_log_key_and_region,
    conditions_guard_a_write,
    the_region_and_the_log_hold_one_allocation,
    a_batch_is_written_whole_or_not_at_all,
    a_batch_may_name_a_key_twice,
    a_cursor_passes_a_batch_whole,
    a_cursor_starts_at_any_retained_change,
    a_cursor_that_fell_out_learns_what_it_lost,
    retention_is_bounded_by_bytes_too,
    a_batch_leaves_the_log_whole,
    a_waiting_cursor_is_woken,
    kinds_and_old_records_stand_in_the_log,
    clear_is_one_change_and_versions_go_on,
    versions_of_removed_keys_count_on,
    tombstones_are_bounded_by_age,
    tombstones_are_bounded_by_number,
    a_scan_gives_every_lasting_key_once,
    usage_is_what_a_count_would_give,
    an_unknown_region_is_an_error,
    regions_share_the_log_and_nothing_else,
);

async fn numbers_rise_per_log_key_and_region(f: Fixture) {
    assert_eq!(numbers(&f.put("a", "1").await.record), (1, 1, 1));
    assert_eq!(numbers(&f.put("a", "2").await.record), (2, 2, 2));
    let written = f.put("b", "3").await;
    assert_eq!(numbers(&written.record), (3, 1, 3));
    assert!(written.old.is_none());
    assert_eq!(numbers(&f.put("b", "4").await.old.unwrap()), (3, 1, 3));
    assert_eq!((f.engine.log().last_seq(), f.engine.log().epoch()), (4, 7));
    assert_eq!(f.text("b").unwrap(), "4");
}

async fn conditions_guard_a_write(f: Fixture) {
    let first = f.put_if("a", "1", Expected::Nothing).await.unwrap().record;
    for wrong in [Expected::Nothing, Expected::Seq(9)] {
        let error = f.put_if("a", "2", wrong).await.unwrap_err();
        let EngineError::Conflict(mut writes) = error else { panic!("{error}") };
        assert_eq!(writes.pop().unwrap().draft.key(), b"a");
    }
    assert!(matches!(f.put_if("b", "2", Expected::Seq(1)).await, Err(EngineError::Conflict(_))));
    assert_eq!((f.text("a").unwrap(), f.engine.log().last_seq()), ("1".to_owned(), 1));
    f.put_if("a", "2", Expected::Seq(first.seq())).await.unwrap();
    assert_eq!(f.text("a").unwrap(), "2");
    // A tombstone is something.
    let grave = f.destroy("a", 0).await.record;
    assert!(f.put_if("a", "3", Expected::Nothing).await.is_err());
    f.put_if("a", "3", Expected::Seq(grave.seq())).await.unwrap();
}

async fn the_region_and_the_log_hold_one_allocation(f: Fixture) {
    let mut cursor = f.engine.log().cursor_after(0);
    let written = f.put("a", "1").await;
    let mut changes = Vec::new();
    cursor.read(1, &mut changes);
    assert!(changes[0].record.same(&written.record));
    assert!(changes[0].record.same(&f.get("a").unwrap()));
    let second = f.put("a", "2").await;
    cursor.read(1, &mut changes);
    assert!(changes[1].old.as_ref().unwrap().same(&written.record));
    assert!(changes[1].record.same(&second.record));
}

async fn a_batch_is_written_whole_or_not_at_all(f: Fixture) {
    f.put("c", "0").await;
    let batch = || {
        vec![
            write("a", Some("1"), Expected::Any),
            write("b", Some("2"), Expected::Nothing),
            write("c", Some("3"), Expected::Nothing),
        ]
    };
    let Err(EngineError::Conflict(writes)) = f.write_all(batch()).await else { panic!("written") };
    assert_eq!(writes.len(), 3);
    assert_eq!((f.keys(), f.engine.len(REGION), f.engine.log().last_seq()), (vec!["c".to_owned()], 1, 1));

    f.destroy("c", 0).await;
    let mut batch = batch();
    batch[2].expected = Expected::Seq(2);
    let written = f.write_all(batch).await.unwrap();
    let all: Vec<_> = written.iter().map(|written| numbers(&written.record)).collect();
    assert_eq!(all, [(3, 1, 3), (4, 1, 4), (5, 3, 5)]);
    assert_eq!((f.keys().len(), f.engine.len(REGION)), (3, 3));
    assert_eq!(f.write_all(Vec::new()).await.unwrap().len(), 0);
}

async fn a_batch_may_name_a_key_twice(f: Fixture) {
    let twice = ["1", "2", "3"].map(|text| write("a", Some(text), Expected::Any)).into();
    let written = f.write_all(twice).await.unwrap();
    let entries: Vec<_> = written.iter().map(|written| written.record.version().entry).collect();
    assert_eq!(entries, [1, 2, 3]);
    assert!(written[2].old.as_ref().unwrap().same(&written[1].record));
    assert_eq!((f.text("a").unwrap(), f.engine.len(REGION)), ("3".to_owned(), 1));
    let removed = vec![write("a", None, Expected::Any), write("a", Some("4"), Expected::Any)];
    f.write_all(removed).await.unwrap();
    assert_eq!((f.text("a").unwrap(), f.engine.len(REGION)), ("4".to_owned(), 1));
}

async fn a_cursor_passes_a_batch_whole(f: Fixture) {
    let mut cursor = f.engine.log().cursor_after(0);
    f.put("x", "0").await;
    f.write_all(["a", "b", "c"].map(|key| write(key, Some("1"), Expected::Any)).into()).await.unwrap();
    f.put("y", "0").await;
    let mut read = |most| {
        let mut changes = Vec::new();
        cursor.read(most, &mut changes);
        changes.iter().map(|change| (change.seq(), change.goes_on)).collect::<Vec<_>>()
    };
    assert_eq!(read(1), [(1, false)]);
    assert_eq!(read(1), [(2, true), (3, true), (4, false)]);
    assert_eq!(read(9), [(5, false)]);
    assert_eq!(read(9), []);
}

async fn a_cursor_starts_at_any_retained_change(f: Fixture) {
    for i in 0..5 {
        f.put("k", &i.to_string()).await;
    }
    for after in 0..=5 {
        let mut cursor = f.engine.log().cursor_after(after);
        let mut changes = Vec::new();
        cursor.read(100, &mut changes);
        let seen: Vec<u64> = changes.iter().map(Change::seq).collect();
        assert_eq!(seen, (after + 1..=5).collect::<Vec<_>>());
        assert_eq!((cursor.read(1, &mut changes), cursor.behind()), (CursorRead::CaughtUp, 0));
    }
    let from_the_future = f.engine.log().cursor_after(99);
    assert_eq!((f.engine.log().cursor_at_end().next_seq(), from_the_future.next_seq()), (6, 6));
    drop(from_the_future);
    assert_eq!(f.engine.log().usage().cursors, 0);
}

async fn a_cursor_that_fell_out_learns_what_it_lost(f: Fixture) {
    let mut cursor = f.engine.log().cursor_after(0);
    for i in 0..15 {
        f.put("k", &i.to_string()).await;
    }
    let mut changes = Vec::new();
    assert_eq!(cursor.read(3, &mut changes), CursorRead::Lost(1..=5));
    assert!(changes.is_empty());
    assert_eq!(cursor.read(3, &mut changes), CursorRead::Changes);
    assert_eq!((changes[0].seq(), changes.len(), cursor.behind()), (6, 3, 7));
    assert_eq!(f.engine.log().usage().changes, RETENTION.changes);
}

#[test]
fn history_is_short_until_somebody_reads() {
    let put = |engine: &MemoryEngine, times: usize| {
        for _ in 0..times {
            let write = write("k", Some("1"), Expected::Any);
            assert!(matches!(engine.write(RegionId(0), write, Note::default()), Outcome::Ready(Ok(_))));
        }
    };
    let engine = memory(Retention { changes: 30, bytes: 1 << 20, unread: 5 });
    engine.open(RegionId(0), TombstoneBounds::default());
    put(&engine, 50);
    assert_eq!(engine.log().usage().changes, 5);
    let mut cursor = engine.log().cursor_after(40);
    assert_eq!(cursor.read(1, &mut Vec::new()), CursorRead::Lost(41..=45));
    drop(cursor);
    put(&engine, 50);
    // Whoever has read once may come back.
    assert_eq!(engine.log().usage().changes, 30);
}

async fn retention_is_bounded_by_bytes_too(f: Fixture) {
    let large = "x".repeat(300 << 10);
    for _ in 0..4 {
        f.put("k", &large).await;
        assert!(f.engine.log().usage().bytes <= RETENTION.bytes);
    }
    // New and old value of the last change.
    assert_eq!(f.engine.log().usage().changes, 1);
    f.put("other", "small").await;
    f.put("k", &"x".repeat(5 << 20)).await;
    assert_eq!(f.engine.log().usage().changes, 1, "the newest change stays however large it is");
}

async fn a_batch_leaves_the_log_whole(f: Fixture) {
    let many = |n: usize| (0..n).map(|i| write(&i.to_string(), Some("1"), Expected::Any)).collect();
    f.write_all(many(8)).await.unwrap();
    let mut cursor = f.engine.log().cursor_after(3);
    f.write_all(many(4)).await.unwrap();
    assert_eq!(f.engine.log().usage().changes, 4);
    assert_eq!(cursor.read(1, &mut Vec::new()), CursorRead::Lost(4..=8));
    let mut changes = Vec::new();
    cursor.read(1, &mut changes);
    assert_eq!(changes.len(), 4);
    f.write_all(many(50)).await.unwrap();
    assert_eq!(f.engine.log().usage().changes, 50, "a batch beyond the bounds lives until the next change");
    f.put("z", "1").await;
    assert_eq!(f.engine.log().usage().changes, 1);
}

async fn a_waiting_cursor_is_woken(f: Fixture) {
    let (mut a, mut b) = (f.engine.log().cursor_at_end(), f.engine.log().cursor_at_end());
    let mut idle = Context::from_waker(Waker::noop());
    assert_eq!(a.poll_ready(&mut idle), Poll::Pending);
    let waiting = tokio::spawn(async move {
        b.ready().await;
        b.next_seq()
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    f.put("a", "1").await;
    assert_eq!(waiting.await.unwrap(), 1);
    assert_eq!(a.poll_ready(&mut idle), Poll::Ready(()));
    a.read(1, &mut Vec::new());
    assert_eq!(a.poll_ready(&mut idle), Poll::Pending);
    drop(a);
    f.put("a", "2").await;
    assert_eq!(f.engine.log().usage().cursors, 0);
}

async fn kinds_and_old_records_stand_in_the_log(f: Fixture) {
    let mut cursor = f.engine.log().cursor_after(0);
    let origin = ClientIdentity::new(b"member");
    let note =
        Note { origin: Some(origin.clone()), callback: Some(SharedBytes::new(b"cb")), cause: Cause::Single };
    let first = write("a", Some("1"), Expected::Any);
    f.engine.write(REGION, first, note).finish().await.unwrap();
    f.put("a", "2").await;
    let invalid = Write { draft: Draft::new(b"a", Some(Value::Invalid), 0), expected: Expected::Any };
    f.write_all(vec![invalid]).await.unwrap();
    f.destroy("a", 0).await;
    f.put("a", "3").await;
    f.engine.clear(REGION, Micros(0), Note::default()).finish().await.unwrap();
    let mut changes = Vec::new();
    cursor.read(100, &mut changes);
    use ChangeKind::{Clear, Create, Destroy, Invalidate, Update};
    let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [Create, Update, Invalidate, Destroy, Create, Clear]);
    let olds: Vec<_> = changes.iter().map(|change| change.old.as_ref().map(Record::seq)).collect();
    assert_eq!(olds, [None, Some(1), Some(2), Some(3), Some(4), None]);
    assert_eq!(changes[0].note.origin, Some(origin));
    assert_eq!(changes[0].note.callback.as_ref().unwrap().as_slice(), b"cb");
    assert!(changes[5].record.key().is_empty());
}

async fn clear_is_one_change_and_versions_go_on(f: Fixture) {
    for i in 0..20 {
        f.put(&i.to_string(), "1").await;
    }
    for _ in 0..4 {
        f.put("5", "2").await;
    }
    f.destroy("6", 0).await;
    let record = f.engine.clear(REGION, Micros(9_000), Note::default()).finish().await.unwrap();
    assert_eq!((record.seq(), record.version().region, record.version().timestamp_millis), (26, 26, 9));
    assert_eq!((f.keys().len(), f.engine.len(REGION), f.get("6").is_none()), (0, 0, true));
    let usage = f.engine.usage(REGION);
    assert_eq!((usage.entries, usage.tombstones, usage.key_bytes, usage.value_bytes), (0, 0, 0, 0));
    assert_eq!(f.put("5", "3").await.record.version().entry, 6, "a client that cached version 5 takes it");
}

async fn versions_of_removed_keys_count_on(f: Fixture) {
    f.put("a", "1").await;
    assert_eq!(f.destroy("a", 0).await.record.version().entry, 2);
    assert!(f.get("a").unwrap().is_tombstone());
    assert_eq!((f.engine.len(REGION), f.keys().len(), f.engine.usage(REGION).tombstones), (0, 0, 1));
    assert_eq!(f.put("a", "2").await.record.version().entry, 3);
    assert_eq!((f.engine.len(REGION), f.keys().len(), f.engine.usage(REGION).tombstones), (1, 1, 0));
}

async fn tombstones_are_bounded_by_age(f: Fixture) {
    for (key, at) in [("a", 1_000), ("b", 2_000)] {
        f.put(key, "1").await;
        f.put(key, "2").await;
        f.destroy(key, at).await;
    }
    f.engine.sweep(Micros::from_secs(60));
    assert_eq!(f.engine.usage(REGION).tombstones, 2);
    f.engine.sweep(Micros::from_secs(61));
    assert!(f.get("a").is_none() && f.get("b").is_some());
    assert_eq!(f.put("a", "3").await.record.version().entry, 4, "goes on although the tombstone is gone");
    f.destroy("a", 61_000).await;
    f.put("a", "4").await;
    f.engine.sweep(Micros::from_secs(600));
    assert_eq!(f.text("a").unwrap(), "4", "an old tombstone does not take its successor along");
    assert_eq!(f.engine.usage(REGION).tombstones, 0);
}

async fn tombstones_are_bounded_by_number(f: Fixture) {
    for i in 0..4_000 {
        let key = i.to_string();
        f.put(&key, "1").await;
        f.destroy(&key, 0).await;
    }
    let usage = f.engine.usage(REGION);
    assert!(usage.tombstones <= BOUNDS.count && usage.tombstones > BOUNDS.count / 2, "{usage:?}");
    let none = RegionId(1);
    f.engine.open(none, TombstoneBounds { count: 0, ..BOUNDS });
    f.engine.write(none, write("a", Some("1"), Expected::Any), Note::default()).finish().await.unwrap();
    f.engine.write(none, write("a", None, Expected::Any), Note::default()).finish().await.unwrap();
    assert!(f.engine.get(none, b"a").is_none());
    let again = f.engine.write(none, write("a", Some("1"), Expected::Any), Note::default()).finish().await;
    assert_eq!(again.unwrap().record.version().entry, 3);
}

async fn a_scan_gives_every_lasting_key_once(f: Fixture) {
    let lasting: BTreeSet<String> = (0..300).map(|i| format!("lasting{i}")).collect();
    for key in &lasting {
        f.put(key, "1").await;
    }
    let (mut position, mut part, mut steps) = (ScanPosition::default(), Vec::new(), 0_u32);
    let mut seen = Vec::new();
    while f.engine.scan(REGION, &mut position, &mut part) {
        seen.extend(part.iter().map(|record| String::from_utf8(record.key().to_vec()).unwrap()));
        // Tables grow, entries are replaced, others come and go.
        for i in 0..10 {
            f.put(&format!("new{steps}-{i}"), "1").await;
        }
        f.put(&format!("lasting{}", steps % 300), "2").await;
        f.destroy(&format!("new{}-1", steps / 2), 0).await;
        steps += 1;
    }
    assert!(steps > 100 && part.is_empty());
    seen.retain(|key| key.starts_with("lasting"));
    assert_eq!(seen.len(), lasting.len());
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), lasting);
}

async fn usage_is_what_a_count_would_give(f: Fixture) {
    for i in 0..200_usize {
        f.put(&format!("key{}", i % 50), &"v".repeat(i)).await;
        if i % 7 == 0 {
            f.destroy(&format!("key{}", i % 30), 0).await;
        }
    }
    let mut expected = Usage::default();
    for record in (0..50).filter_map(|i| f.get(&format!("key{i}"))) {
        expected.key_bytes += record.key().len();
        expected.value_bytes += record.value().map_or(0, |value| value.bytes().len());
        expected.entries += usize::from(!record.is_tombstone());
        expected.tombstones += usize::from(record.is_tombstone());
    }
    let usage = f.engine.usage(REGION);
    assert!(usage.overhead_bytes > 50 * RECORD_OVERHEAD);
    assert_eq!(Usage { overhead_bytes: 0, ..usage }, expected);
    assert_eq!(f.engine.len(REGION), expected.entries);
}

async fn an_unknown_region_is_an_error(f: Fixture) {
    let unknown = RegionId(9);
    let answer = f.engine.write(unknown, write("a", None, Expected::Any), Note::default()).finish().await;
    assert!(matches!(answer, Err(EngineError::NoRegion)));
    assert!(f.engine.get(unknown, b"a").is_none());
    assert!(!f.engine.scan(unknown, &mut ScanPosition::default(), &mut Vec::new()));
}

async fn regions_share_the_log_and_nothing_else(f: Fixture) {
    let other = RegionId(1);
    f.engine.open(other, BOUNDS);
    f.put("a", "1").await;
    let write = write("a", Some("2"), Expected::Nothing);
    let written = f.engine.write(other, write, Note::default()).finish().await.unwrap();
    assert_eq!(numbers(&written.record), (2, 1, 1));
    assert_eq!((f.text("a").unwrap(), f.engine.len(REGION), f.engine.len(other)), ("1".to_owned(), 1, 1));
    f.engine.clear(other, Micros(0), Note::default()).finish().await.unwrap();
    assert_eq!((f.engine.len(REGION), f.engine.len(other)), (1, 0));
}
