//! How a logout token gets to its client.

use std::time::Duration;

use druse_protocol::auth::BoxFuture;

use crate::key_set::agent_for;

/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a client says to a logout token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It knows.
    Taken,
    /// It does not take such a token, now or ever.
    Refused,
    /// It was not reached, or could not do it now.
    Failed {
        /// When it wants to be asked again, if it says so.
        after: Option<Duration>,
    },
}

/// A way to clients.
pub trait Transport: Send + Sync + 'static {
    /// Brings a token to an address.
    fn post(&self, address: &str, token: &str) -> BoxFuture<'static, Answer>;
}

/// The usual way: a form, without following redirects, over TLS but for loopback.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpTransport;

impl Transport for HttpTransport {
    fn post(&self, address: &str, token: &str) -> BoxFuture<'static, Answer> {
        let (address, token) = (address.to_owned(), token.to_owned());
        Box::pin(async move {
            let posting = tokio::task::spawn_blocking(move || post(&address, &token));
            posting.await.unwrap_or(Answer::Failed { after: None })
        })
    }
}

fn post(address: &str, token: &str) -> Answer {
    let Ok(agent) = agent_for(address, None, PATIENCE) else {
        tracing::warn!(address, "logout tokens are not sent to such an address");
        return Answer::Refused;
    };
    match agent.post(address).send_form([("logout_token", token)]) {
        // The body is of no interest, and is not read.
        Ok(response) => {
            let after =
                response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            answer(response.status().as_u16(), after.map(Duration::from_secs))
        }
        Err(error) => {
            tracing::debug!(address, %error, "a client was not told of a logout");
            Answer::Failed { after: None }
        }
    }
}

/// 400 is the client's word on the token (2.8 there); all else may be another the next time.
const fn answer(status: u16, after: Option<Duration>) -> Answer {
    match status {
        200 | 202 | 204 => Answer::Taken,
        400 => Answer::Refused,
        _ => Answer::Failed { after },
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What is made of one response, and what was sent for it.
    async fn converse(response: &'static str) -> (Answer, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/out", listener.local_addr().unwrap());
        let client = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"logout_token=a.b.c") {
                let mut chunk = [0; 1024];
                let count = stream.read(&mut chunk).unwrap();
                assert!(count > 0, "{}", String::from_utf8_lossy(&request));
                request.extend_from_slice(&chunk[..count]);
            }
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        let answer = HttpTransport.post(&address, "a.b.c").await;
        (answer, client.join().unwrap())
    }

    #[tokio::test]
    async fn answers_are_understood() {
        let failed = |after: Option<u64>| Answer::Failed { after: after.map(Duration::from_secs) };
        for (response, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Answer::Taken),
            ("HTTP/1.1 204 No Content\r\n\r\n", Answer::Taken),
            ("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", Answer::Refused),
            (
                "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n",
                failed(None),
            ),
            ("HTTP/1.1 503 Away\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", failed(Some(7))),
            ("rubbish\r\n\r\n", failed(None)),
        ] {
            let (answer, request) = converse(response).await;
            assert_eq!(answer, expected, "{response}");
            assert!(request.starts_with("POST /out HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("application/x-www-form-urlencoded"), "{request}");
        }
    }

    #[tokio::test]
    async fn nobody_is_told_in_the_clear() {
        for address in ["http://app.example/out", "https://169.254.169.254/out", "rubbish"] {
            assert_eq!(HttpTransport.post(address, "a.b.c").await, Answer::Refused, "{address}");
        }
    }
}
