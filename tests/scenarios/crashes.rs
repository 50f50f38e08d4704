//! D9-09: the network, the node or the client goes at every step of a re-authentication, in virtual time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use druse_client::feed::{DurableClient, FeedConfig, FeedState, Interest, Subscription};
use druse_client::{BoxFuture, Client, ClientConfig, ServerLocation, Stream, Transport};
use druse_support::{Grid, Pipes, Tokens, eventually};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::common::{Orders, finish, hurried};
use crate::watching::{QUIET, Seen, all, client_of, within, write};

/// The provider and the manager take twenty milliseconds each: the login is asked for, sent, answered, and over.
const STEPS_MS: [u64; 12] = [0, 1, 10, 19, 20, 21, 30, 39, 40, 41, 50, 100];

/// A way to a node that can break, and lead to another one from then on.
#[derive(Clone)]
struct Line {
    to: Arc<Mutex<Pipes>>,
    life: Arc<Mutex<CancellationToken>>,
}

impl Line {
    fn to(grid: &Grid) -> Self {
        Self { to: Arc::new(Mutex::new(grid.pipes())), life: Arc::default() }
    }

    /// Everything that goes over it breaks off where it stands.
    fn break_off(&self) {
        std::mem::take(&mut *self.life.lock()).cancel();
    }

    fn lead_to(&self, grid: &Grid) {
        *self.to.lock() = grid.pipes();
    }

    fn connect_now(&self) -> io::Result<Box<dyn Stream>> {
        let mut far = self.to.lock().open()?;
        let (near, mut here) = tokio::io::duplex(64 << 10);
        let life = self.life.lock().clone();
        tokio::spawn(async move {
            // Whoever ends first, both are told by the pipes that go.
            let _ = life.run_until_cancelled(tokio::io::copy_bidirectional(&mut here, &mut far)).await;
        });
        Ok(Box::new(near))
    }
}

impl Transport for Line {
    fn connect<'a>(&'a self, _: &'a ServerLocation) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move { self.connect_now() })
    }
}

/// A client at the end of a line.
fn client_on(line: &Line, grid: &Grid, provider: &Tokens, feeds: FeedConfig) -> (Client, Orders) {
    let config = ClientConfig { feeds, ..hurried() };
    let builder = grid.piped_client().transport(line.clone()).config(config);
    let client = builder.auth_initialize(provider.clone()).build().unwrap();
    let orders = client.region("orders");
    (client, orders)
}

fn permits_of_the_dead(grid: &Grid) -> u64 {
    grid.manager.of("ann").permits_by_version.get(&1).copied().unwrap_or_default()
}

/// Somebody who follows what a writer writes, so many milliseconds after the end of their login.
struct Story {
    writer: Client,
    orders: Orders,
    line: Line,
    provider: Tokens,
    client: Client,
    changes: Subscription<String, i64>,
    seen: Seen,
    permits: u64,
}

async fn up_to(step: u64, grid: &Grid) -> Story {
    grid.manager.delay_login(Duration::from_millis(20));
    let (writer, orders) = client_of(grid, &Tokens::of("writer"));
    let line = Line::to(grid);
    let provider = Tokens::of("ann");
    let (client, followed) = client_on(&line, grid, &provider, FeedConfig::default());
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    write(&orders, 0..10).await;
    let seen = within(QUIET, &mut changes).await;
    grid.manager.expire("ann");
    let permits = permits_of_the_dead(grid);
    write(&orders, 10..20).await;
    tokio::time::sleep(Duration::from_millis(step)).await;
    Story { writer, orders, line, provider, client, changes, seen, permits }
}

#[tokio::test(start_paused = true)]
async fn d9_09_the_network_breaks_at_any_step_and_every_event_comes_once() {
    for step in STEPS_MS {
        let grid = Grid::in_virtual_time(|node| node).await;
        let Story { writer, orders, line, provider, client, mut changes, mut seen, permits } =
            up_to(step, &grid).await;
        line.break_off();
        write(&orders, 20..30).await;
        let rest = within(Duration::from_secs(30), &mut changes).await;
        seen.values.extend(rest.values);
        assert_eq!(seen.values, all(0..30), "after {step} ms: {:?}", rest.states);
        assert_eq!(permits_of_the_dead(&grid), permits, "nothing under the login that had ended");
        assert_eq!(provider.calls(), 2, "after {step} ms");
        client.close().await;
        finish(grid, writer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn d9_09_the_node_crashes_at_any_step_and_another_takes_its_place() {
    for step in STEPS_MS {
        let grid = Grid::in_virtual_time(|node| node).await;
        let clock = grid.clock();
        let manager = Arc::clone(&grid.manager);
        let other = Grid::guarded(manager, |node| node.clock(Arc::new(clock))).await;
        let Story { writer, line, provider, client, mut changes, mut seen, permits, .. } =
            up_to(step, &grid).await;
        line.lead_to(&other);
        line.break_off();
        let rest = within(Duration::from_secs(30), &mut changes).await;
        assert!(rest.was(|state| matches!(state, FeedState::Resynchronised { .. })), "{:?}", rest.states);
        seen.values.extend(rest.values);
        let before = seen.values.len();
        assert_eq!(seen.values, all(0..i64::try_from(before).unwrap()), "after {step} ms");
        assert!((10..=20).contains(&before));
        let second = Tokens::of("second writer");
        let transport = other.pipes();
        let builder = grid.piped_client().transport(transport).config(hurried());
        let second = builder.auth_initialize(second).build().unwrap();
        write(&second.region("orders"), 20..30).await;
        assert_eq!(within(QUIET, &mut changes).await.values, all(20..30), "after {step} ms");
        assert_eq!(permits_of_the_dead(&grid), permits, "nothing under the login that had ended");
        assert_eq!(provider.calls(), 2, "after {step} ms");
        client.close().await;
        second.close().await;
        other.stop().await;
        finish(grid, writer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn d9_09_a_durable_client_crashes_at_any_step_and_is_started_again() {
    for step in STEPS_MS {
        let grid = Grid::in_virtual_time(|node| node).await;
        grid.manager.delay_login(Duration::from_millis(20));
        let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
        let durable = DurableClient { id: "reader".to_owned(), timeout: Duration::from_secs(300) };
        let feeds = FeedConfig { durable: Some(durable), ..FeedConfig::default() };
        let line = Line::to(&grid);
        let (client, followed) = client_on(&line, &grid, &Tokens::of("ann"), feeds.clone());
        let mut changes = followed.subscribe(Interest::all_keys()).durable(true).await.unwrap();
        client.ready_for_events().await.unwrap();
        write(&orders, 0..10).await;
        assert_eq!(within(QUIET, &mut changes).await.values, all(0..10));
        grid.manager.expire("ann");
        let permits = permits_of_the_dead(&grid);
        write(&orders, 10..20).await;
        tokio::time::sleep(Duration::from_millis(step)).await;
        line.break_off();
        drop((changes, followed, client));
        write(&orders, 20..30).await;
        eventually("the node has noticed", || grid.metrics().feeds.away.get() == 1).await;

        // Another process with its own memory, hence its own provider.
        let again = Tokens::scripted(|call, _| Ok(druse_support::provider::token("ann", 10 + call)));
        let (client, followed) = client_on(&line, &grid, &again, feeds);
        let mut changes = followed.subscribe(Interest::all_keys()).durable(true).await.unwrap();
        client.ready_for_events().await.unwrap();
        let seen = within(Duration::from_secs(30), &mut changes).await;
        // Nobody had taken any of them, so that none was acknowledged.
        assert_eq!(seen.values, all(10..30), "after {step} ms: {:?}", seen.states);
        assert_eq!(permits_of_the_dead(&grid), permits, "nothing under the login that had ended");
        assert_eq!(again.calls(), 1);
        drop(changes);
        client.close().await;
        finish(grid, writer).await;
    }
}
