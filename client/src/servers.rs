//! Which server an operation goes to: the configured ones, or those that the locators name.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use druse_protocol::time::Micros;

use crate::discovery::Named;
use crate::endpoint::{Endpoint, ServerLocation};
use crate::error::Error;
use crate::runtime::Runtime;
use crate::sync::Mutex;

/// How long a server that has failed is left alone while others answer.
const PENALTY: Duration = Duration::from_secs(2);

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
    Fixed(Arc<[ServerLocation]>),
    Locators(Named),
}

#[derive(Default)]
struct State {
    penalties: Vec<(ServerLocation, Micros)>,
    turn: usize,
}

impl Servers {
    pub(crate) fn new(source: Source, new_endpoint: Box<NewEndpoint>, runtime: Arc<dyn Runtime>) -> Self {
        Self { source, endpoints: DashMap::new(), new_endpoint, runtime, state: Mutex::new(State::default()) }
    }

    /// The next server in turn. Those in `excluded` and those that have just failed come last, not never: with a
    /// single server there is nobody else. The locators are waited for, until `deadline`, only if they have not named a
    /// server that this operation has not tried.
    pub(crate) async fn pick(
        &self,
        excluded: &[ServerLocation],
        deadline: Micros,
    ) -> Result<Arc<Endpoint>, Error> {
        let known = match &self.source {
            Source::Fixed(servers) => Arc::clone(servers),
            Source::Locators(named) => {
                let known = named.known();
                let untried = known.iter().any(|server| !excluded.contains(server));
                if untried { known } else { named.newer(deadline).await? }
            }
        };
        let server = self.choose(&known, excluded);
        let server = server.ok_or_else(|| Error::Configuration("no server is configured".to_owned()))?;
        Ok(self.endpoint(server))
    }

    /// All servers, those that have just failed last.
    pub(crate) async fn in_turn(&self, deadline: Micros) -> Result<Vec<Arc<Endpoint>>, Error> {
        let known = match &self.source {
            Source::Fixed(servers) => Arc::clone(servers),
            Source::Locators(named) => {
                let known = named.known();
                if known.is_empty() { named.newer(deadline).await? } else { known }
            }
        };
        let now = self.runtime.now();
        let mut servers = known.to_vec();
        {
            let mut state = self.state.lock();
            state.penalties.retain(|(_, until)| *until > now);
            servers.sort_by_key(|server| state.penalties.iter().any(|(other, _)| other == server));
        }
        Ok(servers.into_iter().map(|server| self.endpoint(server)).collect())
    }

    fn choose(&self, known: &[ServerLocation], excluded: &[ServerLocation]) -> Option<ServerLocation> {
        let now = self.runtime.now();
        let mut state = self.state.lock();
        state.turn = state.turn.wrapping_add(1);
        state.penalties.retain(|(_, until)| *until > now);
        let rank = |server: &ServerLocation| {
            let failed = excluded.iter().filter(|other| *other == server).count();
            (failed, state.penalties.iter().any(|(other, _)| other == server))
        };
        let count = known.len();
        // `min_by_key` keeps the first of equals, so beginning elsewhere each time takes turns.
        (0..count)
            .filter_map(|step| known.get((state.turn + step) % count))
            .min_by_key(|server| rank(server))
            .cloned()
    }

    /// Leaves a server alone for a moment.
    pub(crate) fn failed(&self, server: &ServerLocation) {
        let until = self.runtime.now() + PENALTY;
        let mut state = self.state.lock();
        state.penalties.retain(|(other, _)| other != server);
        state.penalties.push((server.clone(), until));
        drop(state);
        if let Source::Locators(named) = &self.source {
            // A server that is gone for good is noticed at the next operation.
            named.doubt();
        }
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
}
