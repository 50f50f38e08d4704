//! A private Postgres server for tests: its own folder, a socket and no port, gone with its last user.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio_postgres::NoTls;

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// A running server.
pub(crate) struct Server {
    folder: TempDir,
    process: Child,
}

impl Server {
    /// The server of this process; started by whoever asks first, stopped when the last one has let go of it.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock();
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *shared = Arc::downgrade(&server);
        server
    }

    /// Makes an empty database, and answers with its address.
    pub(crate) async fn database(&self) -> String {
        let name = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let address = format!("host={} user=postgres", self.folder.path().display());
        let (client, connection) =
            tokio_postgres::connect(&format!("{address} dbname=postgres"), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(&format!("create database {name}")).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
        format!("{address} dbname={name}")
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (path, data) = (folder.path(), folder.path().join("data"));
        let owner = owner();
        if let Some((user, group)) = owner {
            chown(path, Some(user), Some(group)).unwrap();
        }
        let mut initdb = command("initdb", owner);
        // A language whose order of letters is not that of bytes: the store must not depend on it.
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        initdb.args(["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8", "-D"]).arg(&data);
        let output = initdb.current_dir(path).output().expect("initdb runs");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let mut postgres = command("postgres", owner);
        postgres.arg("-D").arg(&data).arg("-k").arg(path);
        postgres.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]);
        postgres.current_dir(path).stdout(Stdio::null()).stderr(fs::File::create(path.join("log")).unwrap());
        let mut server = Self { process: postgres.spawn().expect("postgres runs"), folder };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        for _ in 0..600 {
            let status = command("pg_isready", None).arg("-q").arg("-h").arg(self.folder.path()).status();
            if status.expect("pg_isready runs").success() {
                return;
            }
            if let Some(status) = self.process.try_wait().unwrap() {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                panic!("postgres ended with {status}: {log}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("postgres is not ready after a minute");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT is a fast shutdown: clients are cut off and nothing is left running.
        let _ = Command::new("kill").arg("-INT").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// The user and group that Postgres must run as: it refuses to run as root.
fn owner() -> Option<(u32, u32)> {
    let id = |flag: &str, name: &str| -> u32 {
        let output = Command::new("id").args([flag, name].iter().filter(|text| !text.is_empty())).output();
        let output = output.expect("id runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim()
            .parse()
            .unwrap_or_else(|_| panic!("there is no user {name}: is Debian's postgresql installed?"))
    };
    (id("-u", "") == 0).then(|| (id("-u", "postgres"), id("-g", "postgres")))
}

fn command(name: &str, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(binaries().join(name));
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}

/// Where the server's programs are; Debian keeps them out of the search path.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&in_path));
    let has_all =
        |folder: &PathBuf| has(folder, "initdb") && has(folder, "postgres") && has(folder, "pg_isready");
    folders
        .into_iter()
        .find(has_all)
        .expect("no Postgres server is installed: install Debian's package postgresql")
}

fn has(folder: &Path, name: &str) -> bool {
    folder.join(name).is_file()
}
