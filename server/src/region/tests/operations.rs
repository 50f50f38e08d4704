//! What each operation does: `protocol/2-operations.md`, 2.2 to 2.9.

use super::*;
use crate::region::Effect::{Absent, Applied, Mismatch, Present};

super::both_engines!(
    put_stores_and_overwrites,
    put_if_absent_stores_once,
    replace_needs_an_entry,
    replace_if_equals_compares_as_java_does,
    destroy_and_remove,
    invalidate_keeps_the_entry,
    null_values_make_invalid_entries_only_where_there_was_none,
    put_all_and_remove_all,
    clear_empties,
    time_stands_in_the_version,
);

async fn put_stores_and_overwrites(f: Fixture) {
    assert_eq!(says(&f.put(0, "k", "a").await), (Applied, None, Some(1)));
    assert_eq!(says(&f.put(0, "k", "b").await), (Applied, Some("a".into()), Some(2)));
    assert_eq!((f.text("k"), f.region.len(), f.region.is_empty()), ("b".into(), 1, false));
}

async fn put_if_absent_stores_once(f: Fixture) {
    assert_eq!(says(&f.put_if(0, "k", "a", Condition::IfAbsent).await), (Applied, None, Some(1)));
    assert_eq!(says(&f.put_if(0, "k", "b", Condition::IfAbsent).await), (Present, Some("a".into()), None));
    assert_eq!((f.text("k"), f.changes()), ("a".into(), 1));
    f.destroy(0, "k", None).await;
    assert_eq!(says(&f.put_if(0, "k", "c", Condition::IfAbsent).await), (Applied, None, Some(3)));
    f.invalidate(0, "k").await;
    assert_eq!(says(&f.put_if(0, "k", "d", Condition::IfAbsent).await), (Present, Some("!".into()), None));
}

async fn replace_needs_an_entry(f: Fixture) {
    assert_eq!(says(&f.put_if(0, "k", "a", Condition::IfPresent).await), (Absent, None, None));
    f.put(0, "k", "a").await;
    let replaced = f.put_if(0, "k", "b", Condition::IfPresent).await;
    assert_eq!(says(&replaced), (Applied, Some("a".into()), Some(2)));
    f.destroy(0, "k", None).await;
    assert_eq!(says(&f.put_if(0, "k", "c", Condition::IfPresent).await), (Absent, None, None));
    assert_eq!(f.text("k"), "-");
}

async fn replace_if_equals_compares_as_java_does(f: Fixture) {
    let equals = |text| Condition::IfEquals(object(text));
    assert_eq!(says(&f.put_if(0, "k", "a", equals("x")).await), (Absent, None, None));
    f.put(0, "k", "a").await;
    assert_eq!(says(&f.put_if(0, "k", "b", equals("x")).await), (Mismatch, None, None));
    assert_eq!(f.put_if(0, "k", "b", Condition::IfEquals(Value::Invalid)).await.effect, Mismatch);
    assert_eq!(f.put_if(0, "k", "b", equals("A")).await.effect, Applied, "equal though not the same bytes");
    f.invalidate(0, "k").await;
    assert_eq!(f.put_if(0, "k", "c", equals("b")).await.effect, Mismatch);
    assert_eq!(f.put_if(0, "k", "c", Condition::IfEquals(Value::Invalid)).await.effect, Applied);
    assert_eq!(f.text("k"), "c");
}

async fn destroy_and_remove(f: Fixture) {
    assert_eq!(says(&f.destroy(0, "k", None).await), (Absent, None, None));
    assert_eq!(f.changes(), 0, "nothing happened, nobody is told");
    f.put(0, "k", "a").await;
    assert_eq!(says(&f.destroy(0, "k", Some(object("x"))).await), (Mismatch, None, None));
    assert_eq!(f.destroy(0, "k", Some(Value::Invalid)).await.effect, Mismatch);
    assert_eq!(says(&f.destroy(0, "k", Some(object("A"))).await), (Applied, Some("a".into()), Some(2)));
    let again = f.destroy(0, "k", None).await;
    assert_eq!(says(&again), (Absent, None, Some(2)), "with the tombstone's version");
    assert_eq!((f.text("k"), f.region.len(), f.changes()), ("-".into(), 0, 2));
    f.put_null("k", Condition::None).await.unwrap();
    assert_eq!(f.destroy(0, "k", Some(Value::Invalid)).await.effect, Applied);
}

async fn invalidate_keeps_the_entry(f: Fixture) {
    assert_eq!(says(&f.invalidate(0, "k").await), (Absent, None, None));
    f.put(0, "k", "a").await;
    assert_eq!(says(&f.invalidate(0, "k").await), (Applied, Some("a".into()), Some(2)));
    assert_eq!((f.text("k"), f.region.len()), ("!".into(), 1));
    assert_eq!(says(&f.invalidate(0, "k").await), (Applied, None, Some(2)));
    assert_eq!(f.changes(), 2, "invalid already");
}

async fn null_values_make_invalid_entries_only_where_there_was_none(f: Fixture) {
    assert_eq!(f.put_null("k", Condition::None).await.unwrap().effect, Applied);
    assert_eq!(f.text("k"), "!");
    for condition in [Condition::None, Condition::IfPresent, Condition::IfEquals(Value::Invalid)] {
        assert_eq!(f.put_null("k", condition).await.unwrap_err(), RegionError::NullValue);
    }
    assert_eq!(f.put_null("k", Condition::IfAbsent).await.unwrap().effect, Present);
    assert_eq!(f.put_null("other", Condition::IfAbsent).await.unwrap().effect, Applied);
    assert_eq!(f.put_null("third", Condition::IfPresent).await.unwrap().effect, Absent);
    assert_eq!((f.text("other"), f.text("third"), f.region.len()), ("!".into(), "-".into(), 2));
}

async fn put_all_and_remove_all(f: Fixture) {
    f.put(0, "b", "0").await;
    let stored = f.put_all(1, &[("a", "1"), ("b", "2"), ("c", "3")]).await.unwrap();
    assert_eq!((entry_versions(&stored), stored.replayed), (vec![Some(1), Some(2), Some(1)], 0));
    let mut cursor = f.region.engine.log().cursor_after(1);
    let mut changes = Vec::new();
    cursor.read(1, &mut changes);
    assert_eq!(changes.len(), 3, "seen as one");
    let removed = f.remove_all(4, &["a", "nobody", "b"]).await;
    assert_eq!(entry_versions(&removed), [Some(2), Some(1), Some(3)]);
    assert_eq!((f.region.len(), f.text("c")), (1, "3".into()));
    assert_eq!(f.put_all(7, &[]).await.unwrap().versions, []);
    let scanned: Vec<_> = f.region.scan().map(|record| record.key().to_vec()).collect();
    assert_eq!(scanned, [b"c"]);
}

async fn clear_empties(f: Fixture) {
    f.put_all(1, &[("a", "1"), ("b", "2")]).await.unwrap();
    let clear =
        async |sequence| f.region.clear(&f.origin(1, sequence), Some(b"why"), f.now).finish().await.unwrap();
    assert!(!clear(3).await);
    assert_eq!((f.region.len(), f.changes()), (0, 3));
    f.put(4, "a", "1").await;
    assert!(clear(3).await, "the same event again");
    assert_eq!(f.region.len(), 1);
}

async fn time_stands_in_the_version(f: Fixture) {
    let version = f.put(0, "k", "a").await.version.unwrap();
    assert_eq!((version.timestamp_millis, version.region), (5_000, 1));
}

#[tokio::test]
async fn a_full_region_takes_no_new_key() {
    let options = RegionOptions { max_entries: Some(2), ..RegionOptions::default() };
    let f = Fixture::with(memory(RETENTION), options);
    f.put(1, "a", "1").await;
    assert_eq!(f.put_all(2, &[("a", "2"), ("b", "2"), ("c", "2")]).await.unwrap_err(), RegionError::Full(2));
    assert_eq!((f.text("a"), f.region.len()), ("1".into(), 1), "all or nothing");
    f.put_all(2, &[("a", "2"), ("b", "2")]).await.unwrap();
    let put = |key| Mutation::Put { key, value: object("3"), condition: Condition::None, callback: None };
    assert_eq!(f.mutate(4, put(b"c")).await.unwrap_err(), RegionError::Full(2));
    f.mutate(4, put(b"b")).await.unwrap();
    f.destroy(5, "a", None).await;
    assert!(!f.mutate(6, put(b"c")).await.unwrap().replayed);
}

#[test]
fn regions_are_found_by_path() {
    let registry = RegionRegistry::new(Arc::new(memory(RETENTION)), Arc::new(|a: &[u8], b: &[u8]| a == b));
    let orders = registry.create("orders", RegionOptions::default()).unwrap();
    let open = registry.create("/orders/open", RegionOptions::default()).unwrap();
    assert_eq!((orders.path(), open.path()), ("/orders", "/orders/open"));
    for path in [&b"/orders/open"[..], b"orders/open"] {
        assert_eq!(registry.get(path).unwrap().id(), open.id());
    }
    assert!(registry.get(b"/order").is_none() && registry.get(b"/").is_none() && registry.get(b"").is_none());
    assert_eq!(
        registry.all().iter().map(|region| region.path().to_owned()).collect::<Vec<_>>(),
        ["/orders", "/orders/open"]
    );
    let fails = |path| registry.create(path, RegionOptions::default()).unwrap_err();
    assert_eq!(fails("/orders"), RegistryError::Exists("/orders".into()));
    assert_eq!(fails("/a/b"), RegistryError::NoParent("/a/b".into()));
    for path in ["", "/", "//a", "/a/", "a b", "/__x", "/orders/é"] {
        assert_eq!(fails(path), RegistryError::BadPath(path.into()), "{path}");
    }
}
