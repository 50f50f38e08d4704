use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

/// Serves one response to one request, and hands back what was asked.
fn serve_once(response: Vec<u8>) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the client hung up");
            request.extend_from_slice(&buffer[..read]);
        }
        // The client may well hang up before it has read everything.
        let _ = stream.write_all(&response);
        String::from_utf8(request).unwrap()
    });
    (url, served)
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_set_is_fetched_with_its_life() {
    for (headers, life) in [
        ("", None),
        ("Cache-Control: public, max-age=120\r\n", Some(120)),
        ("Cache-Control: MAX-AGE=\"7\"\r\n", Some(7)),
        ("Cache-Control: max-age=120, no-cache\r\n", Some(0)),
        ("Cache-Control: no-store\r\n", Some(0)),
        ("Cache-Control: max-age=soon\r\n", None),
    ] {
        let (url, served) = serve_once(response("200 OK", headers, b"{\"keys\":[]}"));
        let fetched = UrlSource::new(&url, None).unwrap().fetch(false).await.unwrap().unwrap();
        assert_eq!(fetched.document, b"{\"keys\":[]}");
        assert_eq!(fetched.life, life.map(Duration::from_secs), "{headers}");
        assert!(served.join().unwrap().starts_with("GET /keys HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn redirects_and_errors_are_not_followed() {
    for status in ["302 Found", "404 Not Found", "503 Service Unavailable", "204 No Content"] {
        let (url, served) = serve_once(response(status, "Location: http://127.0.0.1:1/elsewhere\r\n", b""));
        let error = UrlSource::new(&url, None).unwrap().fetch(false).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Status(code) if status.starts_with(&code.to_string())),
            "{error}"
        );
        served.join().unwrap();
    }
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_its_end() {
    let vast = vec![b' '; MAX_SET_BYTES + 4096];
    let (url, served) = serve_once(response("200 OK", "", &vast));
    match UrlSource::new(&url, None).unwrap().fetch(false).await {
        Ok(Some(fetched)) => assert_eq!(fetched.document.len(), MAX_SET_BYTES + 1),
        other => assert!(matches!(other, Err(FetchError::Read(_))), "{other:?}"),
    }
    served.join().unwrap();
}

#[tokio::test]
async fn nobody_listening_is_an_error_that_names_no_secret() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = UrlSource::new(&format!("http://{unused}/keys?api-key=hunter2"), None).unwrap();
    let error = source.fetch(false).await.unwrap_err();
    assert!(matches!(error, FetchError::Request(_)), "{error}");
    assert_eq!(source.source(), format!("http://{unused}/keys"));
    for shown in [error.to_string(), format!("{error:?}"), format!("{source:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn keys_come_by_https_or_from_loopback() {
    for url in
        ["https://issuer.example/jwks", "http://localhost:8080/k", "http://127.0.0.9/k", "http://[::1]:80/k"]
    {
        assert!(UrlSource::new(url, None).is_ok(), "{url}");
    }
    for url in [
        "http://issuer.example/jwks",
        "http://10.0.0.1/jwks",
        "https://169.254.169.254/latest",
        "https://[fe80::1]/k",
        "https://ann:hunter2@issuer.example/jwks?k=hunter2",
        "http://localhost@issuer.example/",
        "file:///etc/passwd",
        "/jwks",
        "",
    ] {
        let error = UrlSource::new(url, None).unwrap_err();
        assert!(matches!(error, FetchError::Address(_)), "{url}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn authorities_must_be_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let new = || UrlSource::new("https://issuer.example/", Some(&path));
    assert!(matches!(new(), Err(FetchError::Authorities(_))));
    fs::write(&path, "no certificate").unwrap();
    assert!(matches!(new(), Err(FetchError::Authorities(_))));
}

/// Answers one TLS connection on loopback; the answer to the request, if the handshake succeeds.
fn serve_tls(key: &rcgen::CertifiedKey<rcgen::KeyPair>) -> (String, thread::JoinHandle<()>) {
    let private = rustls::pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/keys", listener.local_addr().unwrap().port());
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, stream);
        // Fails where the client does not trust us.
        if stream.read(&mut [0; 4096]).is_ok() {
            stream.write_all(&response("200 OK", "", b"{\"keys\":[]}")).unwrap();
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    (url, served)
}

#[tokio::test]
async fn a_set_comes_by_tls_from_those_who_are_trusted() {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    fs::write(&path, key.cert.pem()).unwrap();
    let (url, served) = serve_tls(&key);
    let fetched = UrlSource::new(&url, Some(&path)).unwrap().fetch(false).await.unwrap().unwrap();
    assert_eq!(fetched.document, b"{\"keys\":[]}");
    served.join().unwrap();
    let (url, served) = serve_tls(&key);
    let error = UrlSource::new(&url, None).unwrap().fetch(false).await.unwrap_err();
    assert!(matches!(error, FetchError::Request(_)), "{error}");
    served.join().unwrap();
}

#[tokio::test]
async fn a_file_is_read_again_when_it_has_changed_or_must_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let source = FileSource::new(&path);
    assert!(matches!(source.fetch(false).await, Err(FetchError::Read(_))));
    fs::write(&path, "{\"keys\":[]}").unwrap();
    assert!(source.fetch(false).await.unwrap().is_some());
    assert_eq!(source.fetch(false).await.unwrap(), None);
    assert!(source.fetch(true).await.unwrap().is_some());
    fs::write(&path, "{\"keys\":[ ]}").unwrap();
    assert_eq!(source.fetch(false).await.unwrap().unwrap().document, b"{\"keys\":[ ]}");
    // Met in the middle of being written: looked at again.
    fs::write(&path, "{\"keys\":[").unwrap();
    assert!(source.fetch(false).await.unwrap().is_some());
    assert!(source.fetch(false).await.unwrap().is_some());
}
