//! What all scenarios need.

use std::time::Duration;

use druse_client::auth::GateConfig;
use druse_client::{
    Client, ClientBuilder, ClientConfig, Clock, Credentials, Error, Micros, ProvidedCredentials, Region,
};
use druse_protocol::message::get::Get;
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::value::ValueRef;
use druse_support::raw::Raw;
use druse_support::{Grid, Tokens};

/// The region of all scenarios.
pub(crate) type Orders = Region<String, i64>;

/// A key.
pub(crate) fn key(n: usize) -> String {
    format!("key{n}")
}

/// Settings under which a provider may be asked again at once.
pub(crate) fn hurried() -> ClientConfig {
    let gate = GateConfig { min_interval: Duration::from_millis(1), ..GateConfig::default() };
    ClientConfig { gate, ..ClientConfig::default() }
}

/// A node, a client with this provider, its region.
pub(crate) async fn grid_with(provider: &Tokens) -> (Grid, Client, Orders) {
    let grid = Grid::start().await;
    let (client, orders) = connect(grid.client(), provider);
    (grid, client, orders)
}

/// A client with this provider, and its region.
pub(crate) fn connect(builder: ClientBuilder, provider: &Tokens) -> (Client, Orders) {
    let client = builder.config(hurried()).auth_initialize(provider.clone()).build().unwrap();
    let orders = client.region("orders");
    (client, orders)
}

/// A get of the key `k` by hand; an exception is given by its class.
pub(crate) async fn get(peer: &mut Raw) -> Result<Vec<u8>, String> {
    let mut request = Vec::new();
    let get = Get { region: "/orders", key: KeyRef::Text(b"k"), callback: ValueRef::Null };
    get.encode(&mut request, &peer.envelope());
    peer.ask(&request).await
}

/// Ends both, and looks whether the node has forgotten everybody.
pub(crate) async fn finish(grid: Grid, client: Client) {
    client.close().await;
    grid.finish().await;
}

/// Whether this is the refusal of a login.
pub(crate) fn is_login_refusal(error: &Error) -> bool {
    matches!(error, Error::Login(login) if login.is_refusal())
}

/// Runs `tasks` tasks of `task` and waits for all of them.
pub(crate) async fn herd<F, Fut>(tasks: usize, task: F) -> Vec<Fut::Output>
where
    F: Fn(usize) -> Fut,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    let tasks: Vec<_> = (0..tasks).map(|number| tokio::spawn(task(number))).collect();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

/// Whether a provider tells the client how long its tokens live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetimes {
    Told,
    Secret,
}

/// A provider of tokens that end when `end` says.
pub(crate) fn tokens(
    name: impl Into<String>,
    lifetimes: Lifetimes,
    end: impl Fn() -> Micros + Send + Sync + 'static,
) -> Tokens {
    let name = name.into();
    Tokens::scripted(move |call, _| {
        let end = end();
        let token = Credentials::token(format!("{name}:{call}:{}", end.0));
        let provided = ProvidedCredentials::new(token);
        Ok(if lifetimes == Lifetimes::Told { provided.expiring_at(end) } else { provided })
    })
}

/// A provider of tokens that live so long from when they are asked for.
pub(crate) fn living(grid: &Grid, name: impl Into<String>, lifetimes: Lifetimes, life: Duration) -> Tokens {
    let clock = grid.clock();
    tokens(name, lifetimes, move || clock.now() + life)
}
