//! Providers against an endpoint that says what the test says.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::thread;

use druse_protocol::auth::TOKEN;
use druse_protocol::time::{Clock as _, Micros, SystemClock};
use tempfile::TempDir;

use super::*;

/// An endpoint: answers in order with status and body, and notes each request's authorization and form.
struct Endpoint {
    address: SocketAddr,
    asked: mpsc::Receiver<(String, String)>,
}

impl Endpoint {
    fn new(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers: Vec<(u16, String)> =
            answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let (note, asked) = mpsc::channel();
        thread::spawn(move || {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read(&mut BufReader::new(&stream));
                let _ = note.send(request);
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                )
                .unwrap();
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    fn asked(&self) -> (String, String) {
        self.asked.recv().unwrap()
    }
}

fn read(from: &mut impl std::io::BufRead) -> (String, String) {
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).unwrap();
    (authorization, String::from_utf8(body).unwrap())
}

fn request() -> CredentialRequest {
    CredentialRequest::new("", "localhost:40404", Micros::MAX)
}

async fn token(provider: &impl AuthInitialize) -> Result<String, ProviderError> {
    let provided = provider.credentials(request()).await?;
    Ok(provided.credentials.get(TOKEN).unwrap().to_owned())
}

#[tokio::test]
async fn a_service_shows_its_secret_and_gets_what_it_asks_for() {
    let endpoint = Endpoint::new(&[(200, r#"{"access_token":"t1","expires_in":300,"token_type":"Bearer"}"#)]);
    let provider = ClientCredentials::new(&endpoint.url(), "svc", "s3cret").unwrap();
    let provider = provider.scope("grid:data:read:orders").audience("grid");
    assert!(!format!("{provider:?}").contains("s3cret"));
    let before = SystemClock.now();
    let provided = provider.credentials(request()).await.unwrap();
    assert_eq!(provided.credentials.get(TOKEN), Some("t1"));
    let life = provided.expires_at.unwrap().saturating_since(before);
    assert!(life.as_secs() >= 300, "counted from the question on: {life:?}");
    let (authorization, form) = endpoint.asked();
    assert_eq!(authorization, "Basic c3ZjOnMzY3JldA==");
    assert_eq!(form, "grant_type=client_credentials&scope=grid%3Adata%3Aread%3Aorders&audience=grid");
}

#[tokio::test]
async fn refusals_are_final_and_outages_are_not() {
    let refused = r#"{"error":"invalid_client","error_description":"the client\n is not authenticated"}"#;
    let answers = [(401, refused), (400, "<html>"), (503, "{}"), (429, refused), (302, "{}"), (200, "{}")];
    let endpoint = Endpoint::new(&answers);
    let provider = ClientCredentials::new(&endpoint.url(), "svc", "s").unwrap();
    match token(&provider).await {
        Err(ProviderError::Denied { message, .. }) => {
            assert!(
                message.ends_with("refuses: invalid_client (the client is not authenticated)"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    for (status, body) in answers.into_iter().skip(1) {
        let outcome = token(&provider).await;
        assert!(matches!(outcome, Err(ProviderError::Unavailable { .. })), "{status} {body}: {outcome:?}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = ClientCredentials::new(&format!("http://{nobody}/token"), "svc", "s").unwrap();
    assert!(matches!(token(&provider).await, Err(ProviderError::Unavailable { .. })));
    assert!(ClientCredentials::new("http://id.example/token", "svc", "s").is_err());
}

/// A folder with a login at an endpoint.
fn login(endpoint: &Endpoint) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.login");
    let login = LoginFile {
        token_endpoint: endpoint.url(),
        client: "cli".into(),
        refresh_token: Zeroizing::new("r0".into()),
    };
    assert!(!format!("{login:?}").contains("r0"));
    login.save(&path).unwrap();
    (folder, path)
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_its_successor_kept() {
    let endpoint = Endpoint::new(&[
        (200, r#"{"access_token":"t1","refresh_token":"r1"}"#),
        (200, r#"{"access_token":"t2"}"#),
        (200, r#"{"access_token":"t3","refresh_token":"r3"}"#),
    ]);
    let (_folder, path) = login(&endpoint);
    let provider = RefreshTokenCredentials::new(&path);
    let mut shown = Vec::new();
    for expected in ["t1", "t2", "t3"] {
        assert_eq!(token(&provider).await.unwrap(), expected);
        shown.push(endpoint.asked().1);
    }
    let form = |token: &str| format!("grant_type=refresh_token&refresh_token={token}&client_id=cli");
    // An issuer that sends no successor goes on with the old one.
    assert_eq!(shown, [form("r0"), form("r1"), form("r1")]);
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept.contains("\"r3\""), "{kept}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn those_who_share_a_login_follow_one_another() {
    let answers: Vec<String> =
        (1..=8).map(|n| format!(r#"{{"access_token":"t{n}","refresh_token":"r{n}"}}"#)).collect();
    let answers: Vec<(u16, &str)> = answers.iter().map(|answer| (200, answer.as_str())).collect();
    let endpoint = Endpoint::new(&answers);
    let (_folder, path) = login(&endpoint);
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let provider = RefreshTokenCredentials::new(&path);
            tokio::spawn(async move { token(&provider).await.unwrap() })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
    for n in 0..8 {
        assert!(
            endpoint.asked().1.contains(&format!("refresh_token=r{n}&")),
            "the {n}th shows the last successor"
        );
    }
}

#[tokio::test]
async fn a_caller_that_leaves_loses_no_token() {
    let endpoint = Endpoint::new(&[(200, r#"{"access_token":"t1","refresh_token":"r1"}"#)]);
    let (_folder, path) = login(&endpoint);
    let provider = RefreshTokenCredentials::new(&path);
    let asking = tokio::spawn(async move { token(&provider).await });
    tokio::task::spawn_blocking(move || (endpoint.asked(), endpoint)).await.unwrap();
    asking.abort();
    let _ = asking.await;
    // Waits for whoever still holds the file.
    let kept = tokio::task::spawn_blocking(move || login_file::Locked::open(&path).unwrap().read().unwrap());
    assert_eq!(kept.await.unwrap().refresh_token.as_str(), "r1");
}

#[tokio::test]
async fn a_login_that_is_over_must_be_made_anew() {
    let endpoint = Endpoint::new(&[(400, r#"{"error":"invalid_grant"}"#)]);
    let (folder, path) = login(&endpoint);
    let refused = |outcome| matches!(outcome, Err(ProviderError::Denied { .. }));
    assert!(refused(token(&RefreshTokenCredentials::new(&path)).await));
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"r0\""));
    std::fs::write(&path, "{}").unwrap();
    assert!(refused(token(&RefreshTokenCredentials::new(&path)).await));
    assert!(refused(token(&RefreshTokenCredentials::new(folder.path().join("none"))).await));
    assert!(!folder.path().join("none.lock").exists());
    let nowhere = RefreshTokenCredentials::new(folder.path().join("no/folder"));
    assert!(matches!(token(&nowhere).await, Err(ProviderError::Unavailable { .. })));
}
