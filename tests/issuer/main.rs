//! `druse issuer` as people use it: an issuer, its tools, and a node that takes its tokens.

#![allow(clippy::expect_used, reason = "what fails in a helper fails its test")]

mod browser;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use browser::Browser;
use druse::client::auth::providers::ClientCredentials;
use druse::client::{Client, Region};
use tempfile::TempDir;

/// A program that runs until it is dropped.
struct Running {
    process: Child,
    /// What it printed up to the line that says that it is ready.
    said: Vec<String>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let process = druse(arguments).stdout(Stdio::piped()).spawn().expect("druse runs");
        let mut running = Self { process, said: Vec::new() };
        let out = running.process.stdout.take().expect("a pipe");
        for line in BufReader::new(out).lines() {
            running.said.push(line.expect("a line"));
            if running.said.last().is_some_and(|line| line.starts_with("ready:")) {
                return running;
            }
        }
        panic!("druse {arguments:?} ended without being ready: {:?}", running.said);
    }

    /// The word of the last line that follows `after`.
    fn word(&self, after: &str) -> String {
        let ready = self.said.last().expect("a line");
        let (_, rest) = ready.split_once(after).unwrap_or_else(|| panic!("no {after:?} in {ready:?}"));
        rest.split([' ', ',']).next().expect("a word").to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Somebody who watches a region.
struct Watching {
    process: Child,
    events: BufReader<ChildStdout>,
    states: BufReader<ChildStderr>,
}

impl Watching {
    fn start(arguments: &[&str]) -> Self {
        let mut command = druse(&[&["watch"], arguments].concat());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("druse runs");
        let events = BufReader::new(process.stdout.take().expect("a pipe"));
        let states = BufReader::new(process.stderr.take().expect("a pipe"));
        Self { process, events, states }
    }

    fn event(&mut self) -> String {
        let mut line = String::new();
        self.events.read_line(&mut line).expect("a line");
        line
    }

    /// Waits until it says something about its feed.
    fn hears(&mut self, what: &str) {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert!(self.states.read_line(&mut line).expect("a line") > 0, "it ended without {what:?}");
        }
    }

    /// Stops it. Answers with the events that it still had.
    fn stop(mut self) -> String {
        self.process.kill().expect("killed");
        let mut rest = String::new();
        self.events.read_to_string(&mut rest).expect("text");
        rest
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn druse(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_druse"));
    command.args(arguments).env_remove("DRUSE_ISSUER_DATA").env("RUST_LOG", "warn");
    command
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = druse(arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("druse runs");
    // One that refuses its arguments does not read.
    let _ = process.stdin.take().expect("a pipe").write_all(input.as_bytes());
    process.wait_with_output().expect("an end")
}

/// What a command that succeeds prints.
fn says(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// What a command that fails complains of.
fn complains(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// An issuer on a port of its own with the client `feeder`, whose secret stands in a file.
struct Site {
    folder: TempDir,
    issuer: Running,
}

impl Site {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let arguments = ["issuer", "run", "--port", "0", "--data", text(&data)];
        let issuer = Running::start(&[&arguments[..], more].concat());
        let site = Self { folder, issuer };
        let arguments = [
            "client",
            "add",
            "feeder",
            "--grant-type",
            "client-credentials",
            "--scope",
            "grid:data:*:orders",
        ];
        let secret = site.tool(&arguments, "");
        std::fs::write(site.folder.path().join("secret"), secret).expect("written");
        site
    }

    fn name(&self) -> String {
        self.issuer.word("issuer ")
    }

    /// Runs a tool beside the running issuer.
    fn tool(&self, arguments: &[&str], input: &str) -> String {
        let data = self.folder.path().join("data");
        says(&[&["issuer"], arguments, &["--data", text(&data)]].concat(), input)
    }

    /// A node that takes the issuer's tokens.
    fn node(&self, more: &[&str]) -> Running {
        let (keys, name) = (format!("{}/keys", self.name()), self.name());
        let place = ["serve", "--port", "0", "--bind", "127.0.0.1", "--region", "orders"];
        let trust = ["--jwks-url", &keys, "--issuer", &name, "--audience", "grid"];
        Running::start(&[&place[..], &trust, more].concat())
    }

    fn token(&self, more: &[&str]) -> String {
        let secret = self.folder.path().join("secret");
        let name = self.name();
        let arguments = ["token", "--issuer", &name, "--client", "feeder", "--secret-file", text(&secret)];
        says(&[&arguments[..], more].concat(), "").trim().to_owned()
    }
}

#[test]
fn a_node_takes_the_tokens_of_the_issuer() {
    let site = Site::new();
    let node = site.node(&[]);
    let server = node.word("clients at ");
    let file = site.folder.path().join("token");
    std::fs::write(&file, site.token(&[])).expect("written");
    let as_feeder = ["--server", &server, "--token-file", text(&file)];
    says(&[&["put"], &as_feeder[..], &["/orders", "17", "tea"]].concat(), "");
    assert_eq!(says(&[&["get"], &as_feeder[..], &["/orders", "17"]].concat(), "").trim(), "\"tea\"");
    // A token for reading does not write.
    std::fs::write(&file, site.token(&["--scope", "grid:data:read:orders"])).expect("written");
    assert_eq!(says(&[&["get"], &as_feeder[..], &["/orders", "17"]].concat(), "").trim(), "\"tea\"");
    let refused = complains(&[&["put"], &as_feeder[..], &["/orders", "17", "ink"]].concat(), "");
    assert!(refused.contains("DATA:WRITE:orders"), "{refused}");
}

#[test]
fn a_session_that_ends_at_the_issuer_ends_on_the_node_with_its_feed() {
    let site = Site::new();
    let folder = site.folder.path();
    let secret = folder.join("node.secret");
    let node = ["client", "add", "node", "--grant-type", "client-credentials", "--scope", "identity:feed"];
    std::fs::write(&secret, site.tool(&node, "")).expect("written");
    let node = site.node(&["--ends-client", "node", "--ends-secret-file", text(&secret)]);
    let server = node.word("clients at ");
    let (ended, kept) = (folder.join("ended"), folder.join("kept"));
    std::fs::write(&ended, site.token(&[])).expect("written");
    let sessions = site.tool(&["session", "list", "--subject", "feeder"], "");
    let sid = sessions.split('\t').next().expect("an id").to_owned();
    std::fs::write(&kept, site.token(&[])).expect("written");
    let size = |file: &Path| run(&["size", "--server", &server, "--token-file", text(file), "/orders"], "");
    assert!(size(&ended).status.success() && size(&kept).status.success());
    let as_kept = ["--server", &server, "--token-file", text(&kept)];
    let put = |key: &str| says(&[&["put"], &as_kept[..], &["/orders", key, "tea"]].concat(), "");
    put("1");
    let mut theirs = Watching::start(&["--server", &server, "--token-file", text(&ended), "/orders"]);
    let mut others = Watching::start(&[&as_kept[..], &["/orders"]].concat());
    assert!(theirs.event().contains('1') && others.event().contains('1'));
    site.tool(&["session", "end", &sid], "");
    theirs.hears("is lost");
    put("2");
    assert!(others.event().contains('2'));
    assert_eq!(theirs.stop(), "", "nothing after the end");
    let refused = complains(&["size", "--server", &server, "--token-file", text(&ended), "/orders"], "");
    assert!(refused.contains("signed out"), "{refused}");
    assert!(size(&kept).status.success(), "the other session goes on");
}

/// Runs `druse login`, and is its browser and the operator.
fn log_in(arguments: &[&str], password: &str) {
    let mut command = druse(&[&["login"], arguments].concat());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("druse runs");
    let lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
    let mut lines = lines.map(|line| line.expect("a line"));
    let page = lines.find(|line| line.contains("/authorize?")).expect("an address");
    let shown = Browser::new().log_in(page.trim(), "operator", password);
    assert!(shown.starts_with("Logged in."), "{shown}");
    assert!(process.wait().expect("an end").success());
}

/// A program of somebody else that wants to know of logouts.
#[test]
fn a_program_is_told_when_its_session_ends() {
    let site = Site::new();
    let program = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/out", program.local_addr().expect("an address"));
    let registered = ["client", "add", "app", "--public", "--redirect-uri", "http://127.0.0.1/callback"];
    let grants = ["--grant-type", "authorization-code", "--grant-type", "refresh-token", "--scope", "openid"];
    let told = ["--scope", "offline_access", "--backchannel-logout-uri", &address];
    site.tool(&[&registered[..], &grants, &told].concat(), "");
    let (_, password) = site.issuer.said[0].split_once("with password ").expect("a password");
    let file = site.folder.path().join("app.login");
    let scope = ["--client", "app", "--scope", "openid offline_access"];
    log_in(&[&["--issuer", &site.name(), "--login", text(&file)], &scope[..]].concat(), password);
    site.tool(&["session", "cut", "--client", "app"], "");
    let (stream, _) = program.accept().expect("the issuer comes");
    let mut request = Vec::new();
    let mut reader = BufReader::new(&stream);
    let mut body = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            body = length.trim().parse().expect("a number");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.take(body).read_to_end(&mut request).expect("a form");
    assert!(request.starts_with(b"logout_token=ey"), "{}", String::from_utf8_lossy(&request));
    (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("answered");
}

/// A node that nobody has configured.
#[test]
fn somebody_logs_in_in_the_browser_and_works_until_logged_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let place = ["serve", "--port", "0", "--bind", "127.0.0.1", "--region", "orders"];
    let own = ["--issuer-port", "0", "--issuer-data", text(&data)];
    let node = Running::start(&[&place[..], &own].concat());
    let (server, name) = (node.word("clients at "), node.word("issuer "));
    let file = folder.path().join("my.login");
    let (_, password) = node.said[0].split_once("with password ").expect("a password");
    log_in(&["--issuer", &name, "--login", text(&file)], password);
    let with_login = ["--server", &server, "--login", text(&file)];
    says(&[&["put"], &with_login[..], &["/orders", "17", "tea"]].concat(), "");
    assert_eq!(says(&[&["get"], &with_login[..], &["/orders", "17"]].concat(), "").trim(), "\"tea\"");
    let token = says(&["token", "--login", text(&file)], "");
    assert_eq!(token.trim().split('.').count(), 3);
    let mut watching = Watching::start(&[&with_login[..], &["/orders"]].concat());
    assert!(watching.event().contains("tea"));
    says(&["issuer", "session", "cut", "--subject", "operator", "--data", text(&data)], "");
    watching.hears("is lost");
    assert!(complains(&["token", "--login", text(&file)], "").contains("invalid_grant"));
    assert!(complains(&["token", "--login", "nowhere"], "").contains("there is no login"));
}

#[test]
fn a_program_works_on_when_its_tokens_run_out() {
    let site = Site::with(&["--access-life", "1s"]);
    let node = site.node(&[]);
    let server = node.word("clients at ").parse().expect("an address");
    let secret = std::fs::read_to_string(site.folder.path().join("secret")).expect("read");
    let endpoint = format!("{}/token", site.name());
    let provider = ClientCredentials::new(&endpoint, "feeder", secret.trim()).expect("a provider");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Client::builder().server(server).auth_initialize(provider).build().expect("a client");
        let orders: Region<String, i64> = client.region("orders");
        // Three lives of a token.
        for number in 0..30 {
            orders.put(&"17".to_owned(), &number).await.expect("put");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        client.close().await;
    });
    let sessions = site.tool(&["session", "list", "--subject", "feeder", "--all"], "");
    assert!(sessions.lines().count() >= 3, "one for each token: {sessions}");
}

#[test]
fn the_first_account_is_made_once_and_its_password_printed_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let arguments = ["issuer", "run", "--port", "0", "--data", text(&data)];
    let first = Running::start(&arguments);
    assert!(first.said[0].starts_with("first account: operator with password "), "{:?}", first.said);
    drop(first);
    let second = Running::start(&arguments);
    assert_eq!(second.said.len(), 1, "{:?}", second.said);
    let accounts = says(&["issuer", "account", "list", "--data", text(&data)], "");
    assert_eq!(accounts, "operator\tenabled\tgrid:*:* identity:operate\n");
}

#[test]
fn tools_work_beside_a_running_issuer() {
    let site = Site::new();
    site.tool(&["account", "add", "ann", "--grant", "grid:data:read:orders"], "correct horse\n");
    site.tool(&["account", "grant", "ann", "--grant", "grid:data:*:orders"], "");
    assert!(site.tool(&["account", "list"], "").contains("ann\tenabled\tgrid:data:*:orders\n"));
    let keys = site.tool(&["key", "list"], "");
    assert!(keys.ends_with("\tES256\tactive\n"), "{keys}");
    let next = site.tool(&["key", "create"], "");
    assert!(site.tool(&["key", "list"], "").contains(&format!("{}\tES256\twaiting\n", next.trim())));
    site.token(&[]);
    let sessions = site.tool(&["session", "list", "--subject", "feeder"], "");
    let sid = sessions.split('\t').next().expect("an id").to_owned();
    assert!(sessions.contains("\tfeeder\tfeeder\tends in "), "{sessions}");
    site.tool(&["session", "end", &sid], "");
    assert_eq!(site.tool(&["session", "list"], ""), "");
    assert!(site.tool(&["session", "list", "--all"], "").contains("ended: Operator"));
    site.token(&[]);
    assert_eq!(site.tool(&["session", "cut", "--client", "feeder"], ""), "sessions ended: 1\n");
    let audit = site.tool(&["audit", "--of", "account/ann"], "");
    let kinds: Vec<&str> = audit.lines().filter_map(|line| line.split('\t').nth(3)).collect();
    assert_eq!(kinds, ["created", "entitlements_changed"]);
    assert!(!site.tool(&["audit"], "").contains("horse"));
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let site = Site::new();
    let data = site.folder.path().join("data");
    let refused =
        |arguments: &[&str]| complains(&[&["issuer"], arguments, &["--data", text(&data)]].concat(), "pw\n");
    assert!(refused(&["account", "add", "feeder"]).contains("there is one of that name already"));
    assert!(refused(&["account", "add", "bob", "--grant", "admin"]).contains("no entitlement"));
    assert!(refused(&["account", "disable", "bob"]).contains("there is none of that name"));
    assert!(refused(&["session", "end", "nonsense"]).contains("no id of a session"));
    assert!(refused(&["client", "add", "x", "--grant-type", "authorization-code"]).contains("redirect"));
    assert!(refused(&["run", "--bind", "0.0.0.0", "--port", "0"]).contains("in the clear"));
    assert!(refused(&["run", "--issuer", "https://id.example/path"]).contains("must be an origin"));
    std::fs::write(site.folder.path().join("secret"), "wrong").expect("written");
    let (name, secret) = (site.name(), site.folder.path().join("secret"));
    let arguments = ["token", "--issuer", &name, "--client", "feeder", "--secret-file", text(&secret)];
    assert!(complains(&arguments, "").contains("invalid_client"));
    let elsewhere =
        ["token", "--issuer", "http://id.example", "--client", "x", "--secret-file", text(&secret)];
    assert!(complains(&elsewhere, "").contains("in the clear"));
}
