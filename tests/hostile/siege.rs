//! A node under attack, and a client of it that has nothing to do with that.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use druse_client::{Client, ClientBuilder, Error, Region};
use druse_server::NodeBuilder;
use druse_server::metrics::RefusalReason;
use druse_support::raw::Raw;
use druse_support::{Grid, Tokens, eventually};
use tokio::task::JoinHandle;

thread_local! {
    /// Node, clients and attackers of a test share its thread, so that a panic in any task of theirs counts here.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// A node, an honest client that works throughout, and what there was before the attack.
pub(crate) struct Siege {
    pub(crate) grid: Grid,
    honest: Honest,
}

struct Honest {
    client: Client,
    rounds: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
    work: JoinHandle<Result<(), Error>>,
}

impl Siege {
    /// A node with its defaults, over sockets.
    pub(crate) async fn begin() -> Self {
        Self::with(|node| node).await
    }

    /// A node set up further, over sockets.
    pub(crate) async fn with(set_up: impl FnOnce(NodeBuilder) -> NodeBuilder) -> Self {
        let grid = Grid::with(set_up).await;
        let client = grid.client();
        Self::around(grid, client).await
    }

    /// The same in virtual time: everybody comes through pipes.
    pub(crate) async fn in_virtual_time(set_up: impl FnOnce(NodeBuilder) -> NodeBuilder) -> Self {
        let grid = Grid::in_virtual_time(set_up).await;
        let client = grid.piped_client();
        Self::around(grid, client).await
    }

    async fn around(grid: Grid, client: ClientBuilder) -> Self {
        count_panics();
        let honest = Honest::new(client);
        let siege = Self { grid, honest };
        siege.honest_goes_on().await;
        siege
    }

    /// An attacker's connection, behind its handshake; all attackers are one client.
    pub(crate) async fn attacker(&self) -> Raw {
        Raw::greeted(self.grid.address(), "mallory").await
    }

    /// The same with a login.
    pub(crate) async fn known_attacker(&self) -> Raw {
        Raw::logged_in(self.grid.address(), "mallory", "mallory:1").await
    }

    /// A stream through a pipe, on which nothing has been said.
    pub(crate) fn pipe(&self) -> Raw {
        let mut raw = Raw::over(self.grid.pipes().open().unwrap());
        // In virtual time patience costs nothing.
        raw.patience = Duration::from_secs(86_400);
        raw
    }

    /// How many connections have been cut or refused for that.
    pub(crate) fn refused(&self, reason: RefusalReason) -> u64 {
        self.grid.metrics().connections_refused.of(reason).get()
    }

    /// Bytes that messages under way hold.
    pub(crate) fn bytes_in_flight(&self) -> i64 {
        self.grid.metrics().bytes_in_flight.get()
    }

    /// Waits until only so many connections are left beside the honest client's.
    pub(crate) async fn attackers_gone_but(&self, left: i64) {
        let honest = || i64::try_from(self.honest.client.connections()).unwrap();
        eventually("the attackers' connections are over", || {
            self.grid.metrics().connections_open.get() <= honest() + left
        })
        .await;
    }

    /// The honest client does another round, with an answer to every request.
    pub(crate) async fn honest_goes_on(&self) {
        let rounds = &self.honest.rounds;
        let before = rounds.load(Ordering::SeqCst);
        eventually("the honest client goes on", || {
            rounds.load(Ordering::SeqCst) > before + 1 || self.honest.work.is_finished()
        })
        .await;
        assert!(!self.honest.work.is_finished(), "an honest request has failed");
    }

    /// Looks whether the attack has left anything behind.
    pub(crate) async fn end(self) {
        self.attackers_gone_but(0).await;
        self.honest_goes_on().await;
        let Self { grid, honest: Honest { client, stop, work, .. } } = self;
        stop.store(true, Ordering::SeqCst);
        work.await.unwrap().unwrap();
        assert_eq!(grid.manager.logins("honest"), 1, "nobody was thrown out");
        assert_eq!(grid.metrics().bytes_in_flight.get(), 0);
        client.close().await;
        grid.finish().await;
        assert_eq!(PANICS.get(), 0, "something has panicked");
    }
}

impl Honest {
    fn new(builder: ClientBuilder) -> Self {
        let client = builder.auth_initialize(Tokens::of("honest")).build().unwrap();
        let (rounds, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let work = tokio::spawn(work(client.region("orders"), Arc::clone(&rounds), Arc::clone(&stop)));
        Self { client, rounds, stop, work }
    }
}

async fn work(
    orders: Region<String, i64>,
    rounds: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
) -> Result<(), Error> {
    let key = "honest".to_owned();
    while !stop.load(Ordering::SeqCst) {
        let round = rounds.load(Ordering::SeqCst);
        orders.put(&key, &round).await?;
        assert_eq!(orders.get(&key).await?, Some(round), "somebody else's bytes");
        rounds.store(round + 1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            usual(panic);
        }));
    });
}
