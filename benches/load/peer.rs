//! The servers that are compared: how each is started, and how a client of it is made.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use druse_identity::mint::{AccessToken, Mint};
use druse_protocol::time::Micros;

use super::grid::{GridClient, REGION};
use super::process::{Placement, Process};
use super::resp::RespClient;
use super::wire::{Client, Outcome};

pub(crate) const ISSUER: &str = "https://issuer.load";
pub(crate) const AUDIENCE: &str = "grid";
const PASSWORD: &str = "load-password";
/// How long a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// One of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Peer {
    Druse,
    Geode,
    Redis,
}

impl Peer {
    /// As it stands in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Druse => "Druse",
            Self::Geode => "Geode",
            Self::Redis => "Redis",
        }
    }

    /// Whether several requests may be under way on a connection.
    pub(crate) const fn is_pipelined(self) -> bool {
        !matches!(self, Self::Geode)
    }
}

/// Programs and keys for starting servers.
pub(crate) struct Bench {
    pub(crate) druse: PathBuf,
    pub(crate) geode: PathBuf,
    pub(crate) redis: PathBuf,
    pub(crate) geode_java_opts: String,
    pub(crate) place: Placement,
    mint: Mint,
    /// The key set, for servers.
    pub(crate) keys: PathBuf,
}

/// A server that takes logins.
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// From the start of its process to the first successful login.
    pub(crate) start_time: Duration,
}

impl Bench {
    /// Makes a signing key and writes its public half into `directory` for the servers.
    pub(crate) fn new(
        (druse, geode, redis): (PathBuf, PathBuf, PathBuf),
        geode_java_opts: String,
        place: Placement,
        directory: &Path,
    ) -> Outcome<Self> {
        let mint = Mint::generate(ISSUER, AUDIENCE)?;
        std::fs::create_dir_all(directory)?;
        let keys = directory.join("keys.json");
        std::fs::write(&keys, mint.key_set())?;
        Ok(Self { druse, geode, redis, geode_java_opts, place, mint, keys })
    }

    /// A token for `user` that ends after `life`.
    pub(crate) fn token(&self, user: &str, life: Duration) -> Outcome<String> {
        Ok(self.token_with_end(user, life)?.0)
    }

    /// The same, and the instant of its end.
    pub(crate) fn token_with_end(&self, user: &str, life: Duration) -> Outcome<(String, Micros)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let micros = |time: Duration| Micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        let end = micros(now + life);
        let token = AccessToken::new(user, end)
            .issued_at(micros(now))
            .scope(format!("grid:data:read:{REGION}"))
            .scope(format!("grid:data:write:{REGION}"));
        Ok((self.mint.mint(&token)?, end))
    }

    /// A client of a running server with a login that lasts.
    pub(crate) fn client(&self, peer: Peer, address: SocketAddr) -> Outcome<Box<dyn Client>> {
        match peer {
            Peer::Redis => Ok(Box::new(RespClient { server: address, password: PASSWORD.into() })),
            Peer::Druse | Peer::Geode => {
                let token = self.token("load", Duration::from_secs(24 * 3600))?;
                Ok(Box::new(GridClient::new(address, token)?))
            }
        }
    }

    /// Starts a server and logs in as soon as it lets anybody.
    pub(crate) fn start(&self, peer: Peer) -> Outcome<Running> {
        let address = free_address()?;
        let mut client = self.client(peer, address)?;
        let environment = match peer {
            Peer::Geode => vec![("JAVA_OPTS".to_owned(), self.geode_java_opts.clone())],
            Peer::Druse => vec![("RUST_LOG".to_owned(), "warn".to_owned())],
            Peer::Redis => Vec::new(),
        };
        let command = self.command(peer, address.port());
        let begin = Instant::now();
        let mut process = Process::start(&command, &environment, self.place)?;
        await_login(&mut *client, &mut process, START_LIMIT)
            .map_err(|error| format!("{} does not serve ({}): {error}", peer.name(), command.join(" ")))?;
        Ok(Running { peer, process, address, start_time: begin.elapsed() })
    }

    fn command(&self, peer: Peer, port: u16) -> Vec<String> {
        let keys = self.keys.display();
        let trust = format!("--region {REGION} --jwks-file {keys} --issuer {ISSUER} --audience {AUDIENCE}");
        let (program, arguments) = match peer {
            Peer::Druse => (&self.druse, format!("serve --port {port} --bind 127.0.0.1 {trust}")),
            Peer::Geode => (&self.geode, format!("--port {port} --max-connections 12000 {trust}")),
            Peer::Redis => {
                let memory_only = "--save --appendonly no --maxclients 12000 --bind 127.0.0.1";
                (&self.redis, format!("--port {port} --requirepass {PASSWORD} {memory_only}"))
            }
        };
        let mut command = vec![program.display().to_string()];
        for word in arguments.split_whitespace() {
            command.push(word.to_owned());
            // The empty text behind `--save` says: never.
            if word == "--save" {
                command.push(String::new());
            }
        }
        command
    }
}

/// Waits until a server lets a client in.
pub(crate) fn await_login(client: &mut dyn Client, server: &mut Process, limit: Duration) -> Outcome<()> {
    let begin = Instant::now();
    while let Err(error) = client.connect() {
        if !server.is_running() || begin.elapsed() > limit {
            return Err(error);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
