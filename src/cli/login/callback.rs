//! The browser comes back: one request on loopback, read without a web server.

use std::time::Duration;

use druse_identity::issuer::http::Form;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::cli::Failure;

/// The longest first line of a request, in bytes.
const MAX_LINE: usize = 8 * 1024;
/// How long a connection may take for it; browsers open some that they never use.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a request brings.
enum Brought {
    /// The code, or what the issuer says instead.
    Outcome(Result<Zeroizing<String>, Failure>),
    /// Something else: an icon, a guess.
    Nothing,
}

/// Waits for the code that belongs to `state`. Whatever else asks is sent away.
pub(super) async fn code(
    listener: &TcpListener,
    state: &str,
    issuer: &str,
) -> Result<Zeroizing<String>, Failure> {
    loop {
        let accepted = listener.accept().await;
        let (mut stream, _) = accepted
            .map_err(|error| Failure::unreachable("the browser's connection broke").because(&error))?;
        let Ok(Some(line)) = timeout(PATIENCE, first_line(&mut stream)).await else { continue };
        let brought = brought(&line, state, issuer);
        let (status, text) = match &brought {
            Brought::Outcome(Ok(_)) => ("200 OK", "Logged in. You can close this window."),
            Brought::Outcome(Err(_)) => {
                ("200 OK", "Not logged in. The terminal says why; you can close this window.")
            }
            Brought::Nothing => ("404 Not Found", "There is nothing here."),
        };
        let length = text.len();
        let response = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n{text}"
        );
        // A browser that has gone away has brought what it had to bring.
        let _ = timeout(PATIENCE, stream.write_all(response.as_bytes())).await;
        if let Brought::Outcome(outcome) = brought {
            return outcome;
        }
    }
}

/// The first line of a request; none if there is no end to it.
async fn first_line(from: &mut (impl AsyncRead + Unpin)) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let mut head = from.take(MAX_LINE as u64);
    let mut chunk = [0; 1024];
    while !bytes.contains(&b'\n') {
        match head.read(&mut chunk).await {
            Ok(count @ 1..) => bytes.extend(chunk.iter().take(count)),
            _ => return None,
        }
    }
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    Some(Zeroizing::new(str::from_utf8(line).ok()?.trim_end().to_owned()))
}

/// Reads `GET /callback?code=…&state=…&iss=… HTTP/1.1`.
fn brought(line: &str, state: &str, issuer: &str) -> Brought {
    let mut words = line.split(' ');
    let (Some("GET"), Some(target)) = (words.next(), words.next()) else { return Brought::Nothing };
    let Some(query) = target.strip_prefix("/callback?") else { return Brought::Nothing };
    let Ok(form) = Form::parse(query) else { return Brought::Nothing };
    // Not of this attempt, whoever sends it: it ends nothing (RFC 6749, 10.12).
    if form.get("state") != Some(state) {
        return Brought::Nothing;
    }
    if form.get("iss").is_some_and(|iss| iss != issuer) {
        return Brought::Outcome(Err(Failure::work("the answer is from another issuer")));
    }
    Brought::Outcome(match (form.get("code"), form.get("error")) {
        (Some(code), None) => Ok(Zeroizing::new(code.to_owned())),
        (_, error) => {
            let printable =
                |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
            let description = printable(form.get("error_description").unwrap_or("no reason given"));
            Err(Failure::work(format!("no login: {} ({description})", printable(error.unwrap_or("no code")))))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(line: &str) -> Option<Result<String, String>> {
        match brought(line, "st", "https://id.example") {
            Brought::Outcome(outcome) => {
                Some(outcome.map(|code| code.to_string()).map_err(|f| format!("{f:?}")))
            }
            Brought::Nothing => None,
        }
    }

    #[test]
    fn a_code_is_taken_if_it_is_of_this_attempt_and_issuer() {
        let line = |query: &str| format!("GET /callback?{query} HTTP/1.1");
        assert_eq!(outcome(&line("code=c%201&state=st")), Some(Ok("c 1".into())));
        assert_eq!(outcome(&line("code=c&state=st&iss=https%3A%2F%2Fid.example")), Some(Ok("c".into())));
        for foreign in ["code=c", "code=c&state=other", "code=c&state=st&state=st", "error=access_denied"] {
            assert_eq!(outcome(&line(foreign)), None, "{foreign}");
        }
        for (refused, text) in [
            ("code=c&state=st&iss=https%3A%2F%2Fevil.example", "another issuer"),
            ("error=access_denied&state=st&error_description=no%0Away", "access_denied (noway)"),
            ("state=st", "no code"),
            ("code=c&error=x&state=st", "no login: x"),
        ] {
            let outcome = outcome(&line(refused)).unwrap().unwrap_err();
            assert!(outcome.contains(text), "{refused}: {outcome}");
        }
        for other in [
            "POST /callback?code=c&state=st HTTP/1.1",
            "GET /favicon.ico HTTP/1.1",
            "GET / HTTP/1.1",
            "",
            "GET",
        ] {
            assert_eq!(outcome(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_none() {
        let long = vec![b'x'; MAX_LINE + 1];
        assert!(first_line(&mut long.as_slice()).await.is_none());
        assert!(first_line(&mut b"GET /".as_slice()).await.is_none());
        assert_eq!(
            first_line(&mut b"GET / HTTP/1.1\r\nHost: x".as_slice()).await.unwrap().as_str(),
            "GET / HTTP/1.1"
        );
    }
}
