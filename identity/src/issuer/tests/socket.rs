//! The issuer on a real socket.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use super::site::Site;
use crate::issuer::http::{IssuerServer, MAX_BODY_BYTES, tls_from_files};
use crate::store::tests::Bench;

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: id\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn requests_are_answered_until_it_is_told_to_stop() {
    let bench = Bench::sqlite().await;
    let site = Site::new(&bench).await;
    let server = IssuerServer::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let (address, stop) = (server.local(), CancellationToken::new());
    let running = tokio::spawn(server.run(Arc::clone(&site.issuer), stop.clone()));
    let stream = || async { TcpStream::connect(address).await.unwrap() };
    let answer = talk(stream().await, &get("/keys")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"kty\":\"EC\""), "{answer}");
    let length = MAX_BODY_BYTES + 1;
    let large = format!(
        "POST /token HTTP/1.1\r\nHost: id\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{}",
        "x".repeat(length)
    );
    assert!(talk(stream().await, &large).await.starts_with("HTTP/1.1 413"));
    let idle = stream().await;
    stop.cancel();
    running.await.unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn it_speaks_tls() {
    let bench = Bench::sqlite().await;
    let site = Site::new(&bench).await;
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let folder = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = (folder.path().join("id.pem"), folder.path().join("id.key"));
    std::fs::write(&cert_file, certified.cert.pem()).unwrap();
    std::fs::write(&key_file, certified.signing_key.serialize_pem()).unwrap();
    assert!(tls_from_files(&key_file, &cert_file).is_err(), "mixed up");
    let tls = tls_from_files(&cert_file, &key_file).unwrap();
    let server = IssuerServer::bind("127.0.0.1:0".parse().unwrap(), Some(tls)).await.unwrap();
    let (address, stop) = (server.local(), CancellationToken::new());
    let running = tokio::spawn(server.run(Arc::clone(&site.issuer), stop.clone()));
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    assert!(talk(stream, &get("/livez")).await.ends_with("alive\n"));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn the_keeper_keeps_and_gives_its_lease_back() {
    let bench = Bench::sqlite().await;
    let site = Site::new(&bench).await;
    let stop = CancellationToken::new();
    let keeping = tokio::spawn({
        let (issuer, stop) = (Arc::clone(&site.issuer), stop.clone());
        async move { issuer.keep(stop).await }
    });
    let hour = std::time::Duration::from_secs(3600);
    // It has the lease as soon as nobody else gets it.
    while let Some(lease) = bench.store.take_lease("identity/keeper", "test", hour).await.unwrap() {
        bench.store.release_lease(&lease).await.unwrap();
        tokio::task::yield_now().await;
    }
    stop.cancel();
    keeping.await.unwrap();
    assert!(bench.store.take_lease("identity/keeper", "next", hour).await.unwrap().is_some());
}

/// Somebody guesses a client's secret: the fourth attempt waits, and in the end nobody is listened to.
#[tokio::test(start_paused = true)]
async fn guessing_a_clients_secret_is_slow() {
    use super::site::{basic, error, form_headers};
    use hyper::Method;
    use hyper::header::AUTHORIZATION;
    let bench = Bench::sqlite().await;
    let site = Site::new(&bench).await;
    let guess = || async {
        let mut headers = form_headers();
        headers.insert(AUTHORIZATION, basic("svc", "guess"));
        site.ask(Method::POST, "/token", "", headers, "grant_type=client_credentials").await
    };
    let begun = tokio::time::Instant::now();
    for _ in 0..8 {
        assert_eq!(error(&guess().await).0, 401);
    }
    assert!(begun.elapsed() >= std::time::Duration::from_millis(100 + 200 + 400));
    let (one, two, three) = tokio::join!(guess(), guess(), guess());
    let mut statuses = [one, two, three].map(|response| response.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses[2], 429);
}
