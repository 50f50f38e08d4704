use super::*;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;

#[tokio::test]
async fn a_client_logs_in_puts_and_gets() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    assert_eq!(talk.get("k").await.expect("get"), None);
    assert_eq!(talk.put("k", b"v").await.expect("put"), 1);
    assert_eq!(talk.get("k").await.expect("get").as_deref(), Some(&b"v"[..]));
    assert_eq!(talk.put("k", b"w").await.expect("put"), 2);
    let asked: Vec<_> = node.manager.take_asked().into_iter().map(|(asked, _)| asked).collect();
    let (read, write) = ("ann DATA:READ:orders:k", "ann DATA:WRITE:orders:k");
    assert_eq!(asked, [read, write, read, write]);
}
