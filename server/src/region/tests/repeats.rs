//! Events that come again: `protocol/2-operations.md`, 3.2 and 3.3.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::region::Effect::{Absent, Applied, Mismatch, Present};

super::both_engines!(
    a_number_not_above_the_highest_is_not_applied,
    put_create_and_invalidate_repeat_their_version,
    destroy_and_remove_repeat_done,
    put_if_absent_repeats_stored,
    replace_repeats_the_real_old_value,
    replace_if_equals_repeats_true,
    what_was_not_applied_repeats_its_answer_too,
    put_all_repeats_its_versions,
    a_batch_partly_seen_applies_the_rest,
    one_of_a_batch_alone_repeats_its_version,
    other_threads_and_clients_are_other_lanes,
    an_operation_that_failed_leaves_no_record,
    events_are_forgotten_after_their_time,
    numbers_at_the_end_of_their_range_are_numbers,
);

async fn a_number_not_above_the_highest_is_not_applied(f: Fixture) {
    assert_eq!(says(&f.put(5, "k", "da").await), (Applied, None, Some(1)));
    let lower = f.put(3, "k", "db").await;
    assert_eq!((lower.effect, lower.version, lower.replayed), (Applied, None, true));
    let equal = f.put(5, "k", "dc").await;
    assert_eq!((equal.effect, equal.version.unwrap().entry, equal.replayed), (Applied, 1, true));
    assert_eq!(f.text("k"), "da");
    assert_eq!(says(&f.put(6, "k", "dd").await).2, Some(2));
    let other = f.region.mutate(
        &f.origin(2, 3),
        Mutation::Put { key: b"k", value: object("de"), condition: Condition::None, callback: None },
        f.now,
    );
    assert_eq!(other.finish().await.unwrap().version.unwrap().entry, 3);
    assert_eq!(f.text("k"), "de");
}

async fn put_create_and_invalidate_repeat_their_version(f: Fixture) {
    f.put(1, "k", "a").await;
    assert_eq!(says(&f.put(1, "k", "a").await), (Applied, None, Some(1)));
    f.invalidate(2, "k").await;
    f.put(0, "k", "b").await;
    assert_eq!(says(&f.invalidate(2, "k").await), (Applied, None, Some(2)));
    assert_eq!(f.text("k"), "b");
}

async fn destroy_and_remove_repeat_done(f: Fixture) {
    f.put(1, "k", "a").await;
    f.destroy(2, "k", None).await;
    assert_eq!(says(&f.destroy(2, "k", None).await), (Applied, None, Some(2)));
    f.put(3, "k", "b").await;
    f.destroy(4, "k", Some(object("b"))).await;
    f.put(0, "k", "b").await;
    assert_eq!(says(&f.destroy(4, "k", Some(object("b"))).await), (Applied, None, Some(4)));
    assert_eq!(f.text("k"), "b");
}

async fn put_if_absent_repeats_stored(f: Fixture) {
    f.put_if(1, "k", "a", Condition::IfAbsent).await;
    let again = f.put_if(1, "k", "a", Condition::IfAbsent).await;
    assert_eq!((says(&again), again.replayed), ((Applied, None, Some(1)), true));
}

async fn replace_repeats_the_real_old_value(f: Fixture) {
    f.put(1, "k", "a").await;
    f.put_if(2, "k", "b", Condition::IfPresent).await;
    f.put(0, "k", "c").await;
    let again = f.put_if(2, "k", "b", Condition::IfPresent).await;
    assert_eq!(says(&again), (Applied, Some("a".into()), Some(2)));
    assert_eq!(f.text("k"), "c");
}

async fn replace_if_equals_repeats_true(f: Fixture) {
    f.put(1, "k", "a").await;
    f.put_if(2, "k", "b", Condition::IfEquals(object("a"))).await;
    let again = f.put_if(2, "k", "b", Condition::IfEquals(object("a"))).await;
    assert_eq!((says(&again), again.replayed), ((Applied, None, Some(2)), true));
}

async fn what_was_not_applied_repeats_its_answer_too(f: Fixture) {
    assert_eq!(f.put_if(1, "k", "a", Condition::IfPresent).await.effect, Absent);
    f.put(0, "k", "x").await;
    assert_eq!(says(&f.put_if(1, "k", "a", Condition::IfPresent).await), (Absent, None, None));
    assert_eq!(f.put_if(2, "k", "a", Condition::IfAbsent).await.effect, Present);
    assert_eq!(f.destroy(3, "k", Some(object("y"))).await.effect, Mismatch);
    f.destroy(0, "k", None).await;
    let again = f.destroy(3, "k", Some(object("y"))).await;
    assert_eq!((again.effect, again.replayed), (Mismatch, true));
    assert_eq!(f.put_if(4, "k", "a", Condition::IfAbsent).await.effect, Applied);
    assert_eq!(f.put_if(5, "k", "b", Condition::IfAbsent).await.effect, Present);
    f.destroy(0, "k", None).await;
    assert_eq!(says(&f.put_if(5, "k", "b", Condition::IfAbsent).await), (Present, Some("a".into()), None));
    assert_eq!(f.text("k"), "-");
}

async fn put_all_repeats_its_versions(f: Fixture) {
    f.put(1, "b", "0").await;
    let first = f.put_all(2, &[("a", "1"), ("b", "2")]).await.unwrap();
    f.put(0, "a", "x").await;
    let again = f.put_all(2, &[("a", "1"), ("b", "2")]).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (0, 2));
    assert_eq!(first.versions, again.versions);
    assert_eq!(f.text("a"), "x");
    f.remove_all(4, &["a", "b"]).await;
    f.put(0, "a", "y").await;
    assert_eq!(entry_versions(&f.remove_all(4, &["a", "b"]).await), [Some(3), Some(3)]);
    assert_eq!(f.text("a"), "y");
    f.put(6, "c", "1").await;
    let old = f.put_all(2, &[("a", "1"), ("b", "2")]).await.unwrap();
    assert_eq!((entry_versions(&old), old.replayed), (vec![None, None], 2), "older than what is remembered");
}

async fn a_batch_partly_seen_applies_the_rest(f: Fixture) {
    f.put_all(1, &[("a", "1"), ("b", "1")]).await.unwrap();
    f.put(0, "a", "x").await;
    // Numbers 2 and 3: the first of them was used for b.
    let half = f.put_all(2, &[("b", "2"), ("c", "2")]).await.unwrap();
    assert_eq!((entry_versions(&half), half.replayed), (vec![Some(1), Some(1)], 1));
    assert_eq!((f.text("a"), f.text("b"), f.text("c")), ("x".into(), "1".into(), "2".into()));
    let again = f.put_all(2, &[("b", "2"), ("c", "2")]).await.unwrap();
    assert_eq!((again.versions, again.replayed), (half.versions, 2));
    // Begins before what is remembered.
    let early = f.put_all(1, &[("a", "3"), ("b", "3"), ("c", "3"), ("d", "3")]).await.unwrap();
    assert_eq!((entry_versions(&early), early.replayed), (vec![None, Some(1), Some(1), Some(1)], 3));
    assert_eq!((f.text("a"), f.text("d")), ("x".into(), "3".into()));
}

async fn one_of_a_batch_alone_repeats_its_version(f: Fixture) {
    f.put(1, "b", "0").await;
    f.put_all(2, &[("a", "1"), ("b", "1")]).await.unwrap();
    let alone = f.put(3, "b", "9").await;
    assert_eq!((alone.version.unwrap().entry, alone.replayed, f.text("b")), (2, true, "1".into()));
}

async fn other_threads_and_clients_are_other_lanes(f: Fixture) {
    f.put(5, "k", "a").await;
    let put =
        |value| Mutation::Put { key: b"k", value: object(value), condition: Condition::None, callback: None };
    let stranger = EventOrigin { member: ClientIdentity::new(b"other"), ..f.origin(1, 5) };
    assert!(!f.region.mutate(&stranger, put("b"), f.now).finish().await.unwrap().replayed);
    // Another connection of the same client has its own copy of the identity.
    let same = EventOrigin { member: ClientIdentity::new(b"client\0\0"), ..f.origin(1, 5) };
    assert!(f.region.mutate(&same, put("c"), f.now).finish().await.unwrap().replayed);
    let nobody = EventOrigin { event: None, ..f.origin(1, 5) };
    for value in ["d", "e"] {
        assert!(!f.region.mutate(&nobody, put(value), f.now).finish().await.unwrap().replayed);
    }
    // Another region has its own memory.
    let other = f.registry.create("/other", RegionOptions::default()).unwrap();
    assert!(!other.mutate(&f.origin(1, 5), put("f"), f.now).finish().await.unwrap().replayed);
}

async fn an_operation_that_failed_leaves_no_record(f: Fixture) {
    f.put(0, "k", "a").await;
    let null = Mutation::Put { key: b"k", value: Value::Invalid, condition: Condition::None, callback: None };
    assert_eq!(f.mutate(7, null).await.unwrap_err(), RegionError::NullValue);
    let applied = f.put(7, "k", "b").await;
    assert_eq!((applied.replayed, f.text("k")), (false, "b".into()));
}

async fn events_are_forgotten_after_their_time(mut f: Fixture) {
    f.put(1, "k", "a").await;
    f.now = NOW + Duration::from_secs(299);
    assert!(f.put(1, "k", "b").await.replayed, "and used once more");
    f.now = NOW + Duration::from_secs(598);
    f.registry.sweep(f.now);
    assert_eq!(f.region.usage().lanes, 1);
    assert!(f.put(1, "k", "b").await.replayed);
    f.now = NOW + Duration::from_secs(898);
    assert!(!f.put(1, "k", "c").await.replayed, "forgotten even if nobody swept");
    f.now = NOW + Duration::from_secs(1198);
    f.registry.sweep(f.now);
    assert_eq!((f.region.usage().lanes, f.region.usage().lane_bytes), (0, 0));
}

async fn numbers_at_the_end_of_their_range_are_numbers(f: Fixture) {
    f.put(i64::MIN, "k", "a").await;
    f.put_all(i64::MAX, &[("k", "b"), ("l", "c")]).await.unwrap();
    assert!(f.put(i64::MIN, "k", "x").await.replayed);
    assert!(f.put_all(i64::MIN, &[("k", "x"), ("l", "x")]).await.unwrap().replayed == 2);
    assert_eq!((f.text("k"), f.text("l")), ("b".into(), "c".into()));
}

fn bounded(tracker: TrackerBounds) -> Fixture {
    Fixture::with(memory(RETENTION), RegionOptions { tracker, ..RegionOptions::default() })
}

async fn put_as(f: &Fixture, member: &str, thread: i64) -> bool {
    let origin = EventOrigin { member: ClientIdentity::new(member.as_bytes()), ..f.origin(thread, 1) };
    let put = Mutation::Put { key: b"k", value: object("v"), condition: Condition::None, callback: None };
    f.region.mutate(&origin, put, f.now).finish().await.unwrap().replayed
}

#[tokio::test]
async fn threads_of_a_client_are_bounded() {
    let f = bounded(TrackerBounds { lanes_per_client: 3, ..TrackerBounds::default() });
    for thread in 0..3 {
        assert!(!put_as(&f, "a", thread).await);
    }
    assert!(put_as(&f, "a", 0).await, "makes 1 the one that was used longest ago");
    assert!(!put_as(&f, "a", 3).await);
    assert_eq!(f.region.usage().lanes, 3);
    for (thread, known) in [(0, true), (2, true), (3, true), (1, false)] {
        assert_eq!(put_as(&f, "a", thread).await, known, "{thread}");
    }
}

#[tokio::test]
async fn threads_of_all_clients_are_bounded() {
    let f = bounded(TrackerBounds { lanes: 64, ..TrackerBounds::default() });
    for i in 0..1_000 {
        assert!(!put_as(&f, &format!("client{i}"), 1).await);
        assert!(put_as(&f, &format!("client{i}"), 1).await);
        assert!(f.region.usage().lanes <= 64);
    }
    assert!(f.region.usage().lanes > 32);
}

#[tokio::test]
async fn pinned_old_values_are_bounded_and_the_answer_says_so() {
    let f = bounded(TrackerBounds { pinned_bytes: 4_000, ..TrackerBounds::default() });
    let large = "x".repeat(3_000);
    f.put(0, "k", &large).await;
    f.put(0, "l", &large).await;
    f.put_if(1, "k", "a", Condition::IfPresent).await;
    assert_eq!(says(&f.put_if(1, "k", "a", Condition::IfPresent).await).1, Some(large.clone()));
    let second = EventOrigin { member: ClientIdentity::new(b"b"), ..f.origin(1, 1) };
    let replace =
        Mutation::Put { key: b"l", value: object("b"), condition: Condition::IfPresent, callback: None };
    f.region.mutate(&second, replace, f.now).finish().await.unwrap();
    let again = f.region.mutate(&second, replace, f.now).finish().await.unwrap();
    assert_eq!(says(&again), (Applied, Some("?".into()), Some(2)));
    assert!(f.region.usage().lane_bytes <= 4_000);
    f.put(2, "k", "c").await;
    assert_eq!(f.region.usage().lane_bytes, 0, "the next operation of the lane lets go of it");
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_log_leaves_no_record() {
    let engine = Arc::new(delayed(RETENTION));
    let same = Arc::new(|a: &[u8], b: &[u8]| a == b);
    let registry = RegionRegistry::new(Arc::clone(&engine) as Arc<dyn Engine>, same);
    let region = registry.create("/r", RegionOptions::default()).unwrap();
    let f = Fixture { registry, region, member: ClientIdentity::new(b"client"), now: NOW };
    let put = Mutation::Put { key: b"k", value: object("a"), condition: Condition::None, callback: None };
    engine.unreachable.store(true, Ordering::SeqCst);
    assert_eq!(f.mutate(1, put).await.unwrap_err(), RegionError::Unavailable);
    assert_eq!(f.put_all(1, &[("a", "1")]).await.unwrap_err(), RegionError::Unavailable);
    engine.unreachable.store(false, Ordering::SeqCst);
    assert!(!f.mutate(1, put).await.unwrap().replayed);
    f.registry.finish().await;
}
