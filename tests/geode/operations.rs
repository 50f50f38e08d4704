//! Every operation and many values, against the real server.

use std::collections::HashMap;

use druse_client::{Client, Credentials, Error, Region, ServerLocation, Value};

use crate::server::Geode;

fn alice(server: &Geode) -> Client {
    server.client().credentials(Credentials::password("alice", "alice")).build().unwrap()
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_means_what_it_says() {
    let server = Geode::scripted();
    let client = alice(&server);
    let region: Region<String, String> = client.region("/orders");
    let (k, absent) = (text("k"), text("absent"));

    assert_eq!(region.get(&k).await.unwrap(), None);
    region.put(&k, &text("1")).await.unwrap();
    assert_eq!(region.get(&k).await.unwrap(), Some(text("1")));
    assert_eq!(region.put_if_absent(&k, &text("2")).await.unwrap(), Some(text("1")));
    assert_eq!(region.put_if_absent(&text("new"), &text("n")).await.unwrap(), None);
    assert_eq!(region.replace(&k, &text("3")).await.unwrap(), Some(text("1")));
    assert_eq!(region.replace(&absent, &text("3")).await.unwrap(), None);
    assert!(!region.contains_key(&absent).await.unwrap());
    assert!(region.replace_if(&k, &text("3"), &text("4")).await.unwrap());
    assert!(!region.replace_if(&k, &text("3"), &text("5")).await.unwrap());
    assert!(!region.remove_if(&k, &text("wrong")).await.unwrap());
    assert!(region.remove_if(&k, &text("4")).await.unwrap());
    assert!(!region.remove(&k).await.unwrap());
    assert!(region.remove(&text("new")).await.unwrap());

    region.put(&k, &text("1")).await.unwrap();
    region.invalidate(&k).await.unwrap();
    assert!(region.contains_key(&k).await.unwrap());
    assert!(!region.contains_value_for_key(&k).await.unwrap());
    assert_eq!(region.get(&k).await.unwrap(), None);
    region.clear().await.unwrap();
    assert_eq!(region.size().await.unwrap(), 0);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_operations_of_more_than_one_chunk() {
    let server = Geode::scripted();
    let client = alice(&server);
    let region: Region<String, i64> = client.region("orders");
    let entries: HashMap<String, i64> = (0..1_250).map(|n| (format!("key{n}"), n)).collect();
    region.put_all(&entries).await.unwrap();
    assert_eq!(region.size().await.unwrap(), 1_250);

    let mut keys = region.keys().await.unwrap();
    keys.sort();
    let mut expected: Vec<String> = entries.keys().cloned().collect();
    expected.sort();
    assert_eq!(keys, expected);

    keys.push(text("missing"));
    let values = region.get_all(&keys).await.unwrap();
    for (key, value) in keys.iter().zip(values) {
        assert_eq!(value, entries.get(key).copied(), "{key}");
    }
    region.remove_all(&keys).await.unwrap();
    assert_eq!(region.size().await.unwrap(), 0);
    region.put_all(std::iter::empty()).await.unwrap();
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_all_kinds_come_back_as_they_went() {
    let server = Geode::scripted();
    let client = alice(&server);
    let region: Region<i32, Value> = client.region("orders");
    let long = "x".repeat(70_000);
    let values = [
        Value::Boolean(true),
        Value::Character(0xe9),
        Value::Byte(-1),
        Value::Short(-2),
        Value::Integer(i32::MIN),
        Value::Long(i64::MAX),
        Value::Float(1.5),
        Value::Double(-0.0),
        Value::String("plain".into()),
        Value::String("caf\u{e9} \0 \u{1f600}".into()),
        Value::String(long.as_str().into()),
        Value::Date(1_700_000_000_000),
        Value::Uuid([7; 16]),
        Value::Bytes(vec![]),
        Value::Bytes(vec![1, 2, 3]),
        Value::Bytes(vec![9; 1 << 20]),
        Value::Integers(vec![1, -1]),
        Value::Doubles(vec![0.5]),
    ];
    for (key, value) in (0..).zip(&values) {
        region.put(&key, value).await.unwrap();
        let back = region.get(&key).await.unwrap();
        assert_eq!(back.as_ref(), Some(value), "number {key}");
    }
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locator_names_the_server() {
    let server = Geode::start(&["--scripted-users", "--locator-port", "0"]);
    let locator = ServerLocation::new("127.0.0.1", server.locator_port.unwrap());
    let credentials = Credentials::password("alice", "alice");
    let client = Client::builder().locator(locator).credentials(credentials).build().unwrap();
    let region: Region<String, String> = client.region("orders");
    region.put(&text("k"), &text("v")).await.unwrap();
    assert!(server.control("/region/get?region=orders&key=k").to_string().contains("\"v\""));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_is_wrong() {
    let server = Geode::scripted();
    let client = alice(&server);
    let missing: Region<String, String> = client.region("missing");
    assert!(matches!(missing.get(&text("k")).await, Err(Error::RegionNotFound { .. })));

    server.control("/grant?user=alice&scope=grid:data:read:orders");
    let region: Region<String, String> = client.region("orders");
    region.get(&text("k")).await.unwrap();
    let refused = region.put(&text("k"), &text("v")).await.unwrap_err();
    assert!(matches!(refused, Error::NotAuthorized(_)), "{refused:?}");

    let wrong = server.client().credentials(Credentials::password("alice", "bob")).build().unwrap();
    let refused = wrong.region::<String, String>("orders").get(&text("k")).await.unwrap_err();
    assert!(refused.needs_reauthentication(), "{refused:?}");

    let nobody = server.client().build().unwrap();
    let refused = nobody.region::<String, String>("orders").get(&text("k")).await.unwrap_err();
    assert!(matches!(refused, Error::Connect(_) | Error::Login(_)), "{refused:?}");
}
