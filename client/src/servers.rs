//! Which server an operation goes to: the configured ones, or those that the locators name.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use druse_protocol::auth::BoxFuture;
use druse_protocol::time::Micros;
use tracing::{debug, warn};

use crate::endpoint::{Endpoint, ServerLocation};
use crate::error::Error;
use crate::runtime::Runtime;
use crate::sync::Mutex;

/// How long a server that has failed is left alone while others answer.
const PENALTY: Duration = Duration::from_secs(2);

/// How long an answer of the locators is good for. Geode clients ask as often (`ping-interval`).
const LOCATOR_INTERVAL: Duration = Duration::from_secs(10);

/// Asks locators for servers; the real one does IO.
pub(crate) trait Discovery: Send + Sync + 'static {
    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerLocation>, Error>>;
}

/// Makes the endpoint of a server seen for the first time.
pub(crate) type NewEndpoint = dyn Fn(ServerLocation) -> Endpoint + Send + Sync;

/// The servers of a client.
pub(crate) struct Servers {
    source: Source,
    endpoints: DashMap<ServerLocation, Arc<Endpoint>>,
    new_endpoint: Box<NewEndpoint>,
    runtime: Arc<dyn Runtime>,
    state: Mutex<State>,
}

pub(crate) enum Source {
    Fixed(Vec<ServerLocation>),
    Locators(Box<dyn Discovery>),
}

#[derive(Default)]
struct State {
    known: Vec<ServerLocation>,
    asked_at: Option<Micros>,
    penalties: Vec<(ServerLocation, Micros)>,
    turn: usize,
}

impl Servers {
    pub(crate) fn new(source: Source, new_endpoint: Box<NewEndpoint>, runtime: Arc<dyn Runtime>) -> Self {
        Self { source, endpoints: DashMap::new(), new_endpoint, runtime, state: Mutex::new(State::default()) }
    }

    /// The next server in turn. Those in `excluded` and those that have just failed come last, not never: with a
    /// single server there is nobody else.
    pub(crate) async fn pick(&self, excluded: &[ServerLocation]) -> Result<Arc<Endpoint>, Error> {
        let known = self.known().await?;
        let now = self.runtime.now();
        let chosen = {
            let mut state = self.state.lock();
            state.turn = state.turn.wrapping_add(1);
            state.penalties.retain(|(_, until)| *until > now);
            let turn = state.turn;
            let rank = |server: &ServerLocation| {
                let failed = excluded.iter().filter(|other| *other == server).count();
                (failed, state.penalties.iter().any(|(other, _)| other == server))
            };
            let count = known.len();
            // `min_by_key` keeps the first of equals, so beginning elsewhere each time takes turns.
            (0..count)
                .filter_map(|step| known.get((turn + step) % count))
                .min_by_key(|server| rank(server))
                .cloned()
        };
        let server = chosen.ok_or_else(|| Error::Locator("the locators know no server".to_owned()))?;
        Ok(self.endpoint(server))
    }

    /// All servers, those that have just failed last.
    pub(crate) async fn in_turn(&self) -> Result<Vec<Arc<Endpoint>>, Error> {
        let mut known = self.known().await?;
        let now = self.runtime.now();
        {
            let mut state = self.state.lock();
            state.penalties.retain(|(_, until)| *until > now);
            known.sort_by_key(|server| state.penalties.iter().any(|(other, _)| other == server));
        }
        Ok(known.into_iter().map(|server| self.endpoint(server)).collect())
    }

    /// Leaves a server alone for a moment.
    pub(crate) fn failed(&self, server: &ServerLocation) {
        let until = self.runtime.now() + PENALTY;
        let mut state = self.state.lock();
        state.penalties.retain(|(other, _)| other != server);
        state.penalties.push((server.clone(), until));
        // A server that is gone for good is noticed at the next operation.
        state.asked_at = None;
    }

    /// All endpoints in use.
    pub(crate) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.endpoints.iter().map(|entry| Arc::clone(entry.value())).collect()
    }

    /// The endpoint of one server, if it has been used.
    pub(crate) fn get(&self, server: &ServerLocation) -> Option<Arc<Endpoint>> {
        self.endpoints.get(server).map(|entry| Arc::clone(entry.value()))
    }

    fn endpoint(&self, server: ServerLocation) -> Arc<Endpoint> {
        let entry =
            self.endpoints.entry(server.clone()).or_insert_with(|| Arc::new((self.new_endpoint)(server)));
        Arc::clone(&entry)
    }

    async fn known(&self) -> Result<Vec<ServerLocation>, Error> {
        let discovery = match &self.source {
            Source::Fixed(servers) => return Ok(servers.clone()),
            Source::Locators(discovery) => discovery,
        };
        let now = self.runtime.now();
        let known = {
            let mut state = self.state.lock();
            let fresh = state.asked_at.is_some_and(|at| now.saturating_since(at) < LOCATOR_INTERVAL);
            if fresh && !state.known.is_empty() {
                return Ok(state.known.clone());
            }
            // One operation asks; the others go on with what was known.
            state.asked_at = Some(now);
            state.known.clone()
        };
        match discovery.servers().await {
            Ok(servers) if !servers.is_empty() => {
                debug!(count = servers.len(), "servers named by the locators");
                self.state.lock().known.clone_from(&servers);
                Ok(servers)
            }
            Ok(_) if known.is_empty() => Err(Error::Locator("the locators know no server".to_owned())),
            Ok(_) => Ok(known),
            Err(error) if known.is_empty() => Err(error),
            Err(error) => {
                warn!(%error, "locators do not answer, going on with the servers known");
                Ok(known)
            }
        }
    }
}
