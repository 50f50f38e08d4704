//! A real Geode server as a child process, and its control port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use druse_client::{Client, ClientBuilder, ServerLocation};
use serde_json::Value as Json;

/// Ends with the test that started it: its input closes.
pub(crate) struct Geode {
    child: Child,
    pub(crate) port: u16,
    pub(crate) locator_port: Option<u16>,
    control_port: u16,
}

impl Geode {
    /// With users whose expiry is ordered through the control port.
    pub(crate) fn scripted() -> Self {
        Self::start(&["--scripted-users"])
    }

    /// With more flags; the region is `orders`.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/serve-geode");
        let mut child = Command::new(&program)
            .args(["--region", "orders", "--until-stdin-closes"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let ready: Json = serde_json::from_str(&ready).unwrap_or_else(|error| {
            panic!("the Geode server did not start ({error}); has `tests/interop/build` been run? It said: {ready:?}")
        });
        let port =
            |name: &str| ready.get(name).and_then(Json::as_u64).and_then(|port| u16::try_from(port).ok());
        Self {
            child,
            port: port("port").unwrap(),
            locator_port: port("locator_port"),
            control_port: port("control_port").unwrap(),
        }
    }

    pub(crate) fn location(&self) -> ServerLocation {
        ServerLocation::new("127.0.0.1", self.port)
    }

    pub(crate) fn client(&self) -> ClientBuilder {
        Client::builder().server(self.location())
    }

    /// Sends a command to the control port.
    pub(crate) fn control(&self, path_and_query: &str) -> Json {
        let mut stream = TcpStream::connect(("127.0.0.1", self.control_port)).unwrap();
        write!(stream, "GET {path_and_query} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{path_and_query}: {answer}");
        serde_json::from_str(body).unwrap_or(Json::Null)
    }

    /// One of a user's counters, 0 if the server has not seen the user.
    pub(crate) fn count(&self, user: &str, counter: &str) -> u64 {
        self.control("/stats")
            .pointer(&format!("/users/{user}/{counter}"))
            .and_then(Json::as_u64)
            .unwrap_or(0)
    }
}

impl Drop for Geode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
