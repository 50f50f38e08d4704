use argon2::Params;
use druse_protocol::auth::KeyScope;
use druse_protocol::time::ManualClock;

use super::*;
use crate::users::Entry;
use crate::users::hash::hash_with;

const NOW: Micros = Micros(1_767_225_600_000_000);

fn hash_of(password: &str) -> String {
    hash_with(password, b"0123456789abcdef", Params::new(64, 1, 1, None).unwrap()).unwrap()
}

fn entry(name: &str, password: &str) -> Entry {
    let mut entry = Entry::new(name, hash_of(password));
    entry.entitlements = vec!["grid:data:read:orders".into()];
    entry
}

/// A manager over a file that only looks when it is told to.
struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
    clock: Arc<ManualClock>,
    manager: UsersSecurityManager,
}

impl Bench {
    fn new(entries: &[Entry]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        write(&path, entries);
        let clock = Arc::new(ManualClock::new(NOW));
        let config = UsersConfig { look_every: Duration::from_secs(1 << 30), ..UsersConfig::new(&path) };
        let manager = UsersSecurityManager::open(config, clock.clone()).unwrap();
        Self { _folder: folder, path, clock, manager }
    }

    async fn log_in(&self, name: &str, password: &str) -> Result<Login, AuthError> {
        let peer = Peer { address: Some("10.0.0.1:999".parse().unwrap()), certificate: None };
        self.manager.authenticate(&Credentials::password(name, password), &peer).await
    }

    fn may_read(&self, login: &Login) -> Result<(), AuthError> {
        let wanted = ResourcePermission::read("orders", KeyScope::Text("1"));
        self.manager.authorize(&*login.principal, &wanted, self.clock.now())
    }
}

fn write(path: &Path, entries: &[Entry]) {
    fs::write(path, entries.iter().map(Entry::to_toml).collect::<String>()).unwrap();
}

fn refused(result: Result<Login, AuthError>) -> String {
    match result {
        Err(AuthError::Failed(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_right_password_lets_in_with_its_rights_and_its_lifetime() {
    let mut short = entry("bob", "pw");
    short.lifetime = Some(Duration::from_millis(1_500));
    let bench = Bench::new(&[entry("ann", "pw"), short]);
    let ann = bench.log_in("ann", "pw").await.unwrap();
    assert_eq!((ann.principal.name(), ann.expires_at, ann.issued_at), ("ann", None, Some(NOW)));
    assert_eq!(bench.may_read(&ann), Ok(()));
    let bob = bench.log_in("bob", "pw").await.unwrap();
    assert_eq!(bob.expires_at, Some(Micros(NOW.0 + 1_500_000)));
    bench.clock.advance(Duration::from_millis(1_499));
    assert_eq!(bench.may_read(&bob), Ok(()));
    bench.clock.advance(Duration::from_millis(1));
    assert!(matches!(bench.may_read(&bob), Err(AuthError::Expired(_))));
    assert_eq!(bench.may_read(&ann), Ok(()));
    let again = bench.log_in("bob", "pw").await.unwrap();
    assert_eq!(bench.may_read(&again), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn all_refusals_read_alike() {
    let mut shut = entry("cid", "pw");
    shut.disabled = true;
    let bench = Bench::new(&[entry("ann", "pw"), shut]);
    let texts = [
        refused(bench.log_in("ann", "wrong").await),
        refused(bench.log_in("nobody", "pw").await),
        refused(bench.log_in("cid", "pw").await),
        refused(bench.log_in("ann", &"x".repeat(2_000)).await),
        refused(bench.log_in(&"x".repeat(2_000), "pw").await),
        refused(bench.log_in("", "").await),
    ];
    assert!(texts.iter().all(|text| text == REFUSED), "{texts:?}");
    let none = bench.manager.authenticate(&Credentials::new(), &Peer::default()).await;
    assert!(matches!(none, Err(AuthError::Required(_))));
    let token = bench.manager.authenticate(&Credentials::token("t"), &Peer::default()).await;
    assert!(refused(token).contains("security-username"));
}

#[tokio::test(start_paused = true)]
async fn guessing_is_slow_and_then_refused_and_others_do_not_notice() {
    let bench = Bench::new(&[entry("ann", "pw"), entry("bob", "pw")]);
    let began = tokio::time::Instant::now();
    for guess in 0..8 {
        refused(bench.log_in("ann", &format!("guess {guess}")).await);
        bench.clock.set(NOW + began.elapsed());
    }
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(100 + 200 + 400 + 800 + 1_600), "{waited:?}");
    let guesses: Vec<String> = (0..16).map(|guess| format!("more {guess}")).collect();
    let (one, two, three) = tokio::join!(
        bench.log_in("ann", &guesses[0]),
        bench.log_in("ann", &guesses[1]),
        bench.log_in("ann", &guesses[2]),
    );
    refused(one);
    refused(two);
    assert!(matches!(three, Err(AuthError::Unavailable(_))));
    let before = began.elapsed();
    assert!(bench.log_in("bob", "pw").await.is_ok());
    assert_eq!(began.elapsed(), before);
}

#[tokio::test(start_paused = true)]
async fn a_herd_with_one_password_hashes_once() {
    let bench = Bench::new(&[entry("ann", "pw")]);
    // All seats are taken: whoever needs a hash waits.
    let all = u32::try_from(bench.manager.shared.hashing.available_permits()).unwrap();
    let seats = bench.manager.shared.hashing.acquire_many(all).await.unwrap();
    let herd = async {
        let (one, two, three) =
            tokio::join!(bench.log_in("ann", "pw"), bench.log_in("ann", "pw"), bench.log_in("ann", "pw"));
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
    };
    let open = async {
        tokio::task::yield_now().await;
        assert_eq!(bench.manager.shared.flights.len(), 1);
        drop(seats);
    };
    tokio::join!(herd, open);
    let seats = bench.manager.shared.hashing.acquire_many(all).await.unwrap();
    assert!(bench.log_in("ann", "pw").await.is_ok(), "the proof still counts");
    bench.clock.advance(Duration::from_secs(60));
    let late = tokio::time::timeout(Duration::from_secs(1), bench.log_in("ann", "pw")).await;
    assert!(late.is_err(), "the proof has ended, and there is no seat");
    drop(seats);
    assert!(bench.log_in("ann", "pw").await.is_ok());
    assert_eq!(bench.manager.shared.flights.len(), 0);
}

#[derive(Default)]
struct Sink(Mutex<Vec<(String, String)>>);

impl RevocationSink for Sink {
    fn revoke(&self, revocation: &Revocation) {
        self.0.lock().push((revocation.scope.to_string(), revocation.reason.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_changed_loses_all_logins_and_the_others_none() {
    let names = ["ann", "bob", "cid", "dan", "eve"];
    let mut entries: Vec<Entry> = names.iter().map(|name| entry(name, "pw")).collect();
    let bench = Bench::new(&entries);
    let sink = Arc::new(Sink::default());
    bench.manager.watch_revocations(sink.clone());
    let mut logins = Vec::new();
    for name in names {
        logins.push(bench.log_in(name, "pw").await.unwrap());
    }
    assert_eq!(bench.manager.reload().unwrap(), 0);
    bench.clock.advance(Duration::from_secs(5));
    entries[1].hash = hash_of("new");
    entries[2].disabled = true;
    entries[3].entitlements.clear();
    entries.truncate(4);
    write(&bench.path, &entries);
    assert_eq!(bench.manager.reload().unwrap(), 4);
    assert_eq!(bench.may_read(&logins[0]), Ok(()));
    for login in &logins[1..] {
        assert!(matches!(bench.may_read(login), Err(AuthError::Expired(_))), "{login:?}");
    }
    let told = sink.0.lock().clone();
    let told: Vec<_> = told.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect();
    assert_eq!(
        told,
        [
            ("bob", "the password was changed"),
            ("cid", "the user was disabled"),
            ("dan", "the rights were changed"),
            ("eve", "the user was removed"),
        ]
    );
    refused(bench.log_in("bob", "pw").await);
    assert!(bench.log_in("bob", "new").await.is_ok());
    refused(bench.log_in("cid", "pw").await);
    refused(bench.log_in("eve", "pw").await);
    let dan = bench.log_in("dan", "pw").await.unwrap();
    assert!(matches!(bench.may_read(&dan), Err(AuthError::NotAuthorized(_))));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_has_become_wrong_or_has_gone_changes_nothing() {
    let bench = Bench::new(&[entry("ann", "pw")]);
    let ann = bench.log_in("ann", "pw").await.unwrap();
    fs::write(&bench.path, "[[user]]\nname = ").unwrap();
    assert!(matches!(bench.manager.reload(), Err(UserFileError::Form { .. })));
    fs::remove_file(&bench.path).unwrap();
    assert!(matches!(bench.manager.reload(), Err(UserFileError::Read(_))));
    assert_eq!(bench.may_read(&ann), Ok(()));
    assert!(bench.log_in("ann", "pw").await.is_ok());
    write(&bench.path, &[]);
    assert_eq!(bench.manager.reload().unwrap(), 1);
    assert!(matches!(bench.may_read(&ann), Err(AuthError::Expired(_))));
}

#[tokio::test]
async fn the_file_is_watched_until_the_manager_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    write(&path, &[entry("ann", "pw")]);
    let config = UsersConfig { look_every: Duration::from_millis(5), ..UsersConfig::new(&path) };
    let manager = UsersSecurityManager::open(config, Arc::new(ManualClock::new(NOW))).unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    struct Tell(tokio::sync::mpsc::UnboundedSender<String>);
    impl RevocationSink for Tell {
        fn revoke(&self, revocation: &Revocation) {
            self.0.send(revocation.scope.to_string()).unwrap();
        }
    }
    manager.watch_revocations(Arc::new(Tell(tell)));
    write(&path, &[]);
    assert_eq!(told.recv().await.as_deref(), Some("ann"));
    drop(manager);
    assert_eq!(told.recv().await, None, "the watch has let go of everything");
}

#[tokio::test]
async fn a_file_that_is_wrong_at_the_start_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(NOW));
    let opened = UsersSecurityManager::open(UsersConfig::new(folder.path().join("none.toml")), clock);
    assert!(matches!(opened.err(), Some(UserFileError::Read(_))));
}

#[tokio::test(start_paused = true)]
async fn nothing_shows_a_hash_or_a_password() {
    let bench = Bench::new(&[entry("ann", "hunter2")]);
    let login = bench.log_in("ann", "hunter2").await.unwrap();
    let table = bench.manager.shared.table.load_full();
    let shown = format!("{:?} {login:?} {:?}", bench.manager, table.get("ann"));
    assert!(!shown.contains("argon2") && !shown.contains("hunter2"), "{shown}");
}
