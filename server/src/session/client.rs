//! The client at the other end of one connection, and the user on whose behalf it asks.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use druse_protocol::auth::{AuthError, Credentials, Peer};
use druse_protocol::codec::{FIRST_CONNECTION_ID, Message, Security as SecurityPart};
use druse_protocol::handshake::{ClientHello, ClientProxyMembershipId, CommunicationMode};
use druse_protocol::time::Micros;
use druse_protocol::version::VersionOrdinal;

use crate::core::NodeCore;
use crate::engine::ClientIdentity;
use crate::region::{Region, RegionRegistry};
use crate::security::{Cell, ClientLogins, Security, unknown_user};

/// What the handshake has told, and what came after it.
pub(crate) struct Client {
    /// Decides how expiry is worded.
    pub(crate) version: VersionOrdinal,
    /// Names the client in changes and repeated operations.
    pub(crate) identity: ClientIdentity,
    /// By which its connections are told to be of one client.
    pub(crate) key: Box<[u8]>,
    /// Whether the connection is the one over which a client directs its feed.
    pub(crate) directs_feed: bool,
    /// When it said hello.
    pub(crate) since: Micros,
    /// Where it is.
    pub(crate) peer: Peer,
    /// The users of the client; `None` on a node that asks nobody who they are.
    pub(crate) logins: Option<ClientLogins>,
    connection_id: i64,
    /// Whether the client has been given a connection id of its own.
    has_id: bool,
    bound: Option<Bound>,
    /// Whether another user was bound since [`Client::begin_step`].
    has_switched: bool,
    /// The region of the latest request. Regions are never removed, so it stays right.
    region: Option<Arc<Region>>,
    /// The id that this connection has logged in last, and when.
    last_login: Option<(i64, Micros)>,
    /// What was shown then, as a hash under a key of this connection: enough to tell "the same again".
    last_shown: u64,
    shown_key: std::hash::RandomState,
}

/// The user of the latest request, kept for the next one.
struct Bound {
    /// `None` if it was found for a request that names nobody.
    unique_id: Option<i64>,
    /// What [`ClientUserAuths::removals`](crate::security::ClientUserAuths::removals) said.
    removals: u64,
    cell: Arc<Cell>,
}

/// What the security part of a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// There is none, or not a readable one.
    Nothing,
    /// It does not echo the connection's id.
    WrongConnection,
    /// It does; perhaps it names a user.
    User(Option<i64>),
}

impl Client {
    /// A client that has said hello.
    pub(crate) fn new(core: &NodeCore, hello: &ClientHello, peer: Peer, now: Micros) -> Self {
        let key = identity_key(&hello.client_id);
        let logins = core.security.as_ref().map(|security| security.connect(&key));
        Self {
            key: key.into(),
            directs_feed: hello.mode == CommunicationMode::ClientToServerForQueue,
            since: now,
            version: hello.version,
            identity: ClientIdentity::new(hello.client_id.essential()),
            peer,
            logins,
            connection_id: FIRST_CONNECTION_ID,
            has_id: false,
            bound: None,
            has_switched: false,
            region: None,
            last_login: None,
            last_shown: 0,
            shown_key: std::hash::RandomState::new(),
        }
    }

    /// What a request shows of its sender.
    pub(crate) fn shown(&self, message: &Message<'_>) -> Shown {
        match message.security().map(SecurityPart::from_client) {
            Some(SecurityPart::Request { connection_id, unique_id })
                if connection_id == self.connection_id =>
            {
                // 0 and -1 name nobody.
                Shown::User(unique_id.filter(|id| !matches!(id, 0 | -1)))
            }
            Some(SecurityPart::Request { .. }) => Shown::WrongConnection,
            Some(SecurityPart::Unreadable) | None => Shown::Nothing,
        }
    }

    /// The id that the client is to echo from now on. Geode gives out another one with every reply, which protects nothing
    /// and keeps clients from sending a request before they have the answer to the last; here it stays.
    pub(crate) fn connection_id(&mut self, security: &Security) -> i64 {
        if !self.has_id {
            self.connection_id = security.new_unique_id(|_| false);
            self.has_id = true;
        }
        self.connection_id
    }

    /// Binds the user that a request names.
    ///
    /// # Errors
    /// `Required` if the id names nobody of this client.
    pub(crate) fn bind(&mut self, unique_id: Option<i64>) -> Result<(), AuthError> {
        let (Some(unique_id), Some(logins)) = (unique_id, &self.logins) else { return Err(unknown_user()) };
        let removals = logins.removals();
        if self.bound.as_ref().is_some_and(|it| it.unique_id == Some(unique_id) && it.removals == removals) {
            return Ok(());
        }
        let cell = logins.cell(unique_id).ok_or_else(unknown_user)?;
        self.rebind(Bound { unique_id: Some(unique_id), removals, cell });
        Ok(())
    }

    /// Binds any user of the client, for requests that name none by protocol: the one they name all the same, the one of
    /// the request before, or another with a login.
    ///
    /// # Errors
    /// `Required` if the client has never logged in.
    pub(crate) fn bind_any(&mut self, unique_id: Option<i64>, now: Micros) -> Result<(), AuthError> {
        if self.bind(unique_id).is_ok() {
            return Ok(());
        }
        let Some(logins) = &self.logins else { return Err(unknown_user()) };
        let removals = logins.removals();
        if self.bound.as_ref().is_some_and(|it| it.removals == removals && it.cell.is_live(now)) {
            return Ok(());
        }
        let cell = logins.any_live(now).or_else(|| logins.any()).ok_or_else(unknown_user)?;
        self.rebind(Bound { unique_id: None, removals, cell });
        Ok(())
    }

    /// From here on it is noted whether there is more than one user.
    pub(crate) fn begin_step(&mut self) {
        self.has_switched = false;
    }

    /// The user of every request since [`Client::begin_step`], if it was one and the same.
    pub(crate) fn only_user(&self) -> Option<&Arc<Cell>> {
        self.user().filter(|_| !self.has_switched)
    }

    fn rebind(&mut self, bound: Bound) {
        self.has_switched |=
            self.bound.as_ref().is_some_and(|before| !Arc::ptr_eq(&before.cell, &bound.cell));
        self.bound = Some(bound);
    }

    /// The region at a path: most often that of the request before.
    pub(crate) fn region(&mut self, regions: &RegionRegistry, path: &str) -> Option<Arc<Region>> {
        if self.region.as_ref().is_none_or(|region| region.path() != path) {
            let found = regions.get(path.as_bytes())?;
            self.region = Some(found);
        }
        self.region.clone()
    }

    /// The user that was bound last.
    pub(crate) fn user(&self) -> Option<&Arc<Cell>> {
        self.bound.as_ref().map(|bound| &bound.cell)
    }

    /// Notes a login that took.
    pub(crate) fn logged_in(&mut self, unique_id: i64, now: Micros) {
        self.last_login = Some((unique_id, now));
    }

    /// Whether `named` was logged in on this very connection less than `least` ago with the very same credentials, that
    /// login is still good, and no request was refused to which this login would be the answer. A client that comes
    /// with newer credentials has its reason.
    pub(crate) fn is_too_soon(
        &mut self,
        named: Option<i64>,
        credentials: &Credentials,
        least: std::time::Duration,
        now: Micros,
    ) -> bool {
        let mut hasher = self.shown_key.build_hasher();
        credentials.iter().for_each(|property| property.hash(&mut hasher));
        let shown = hasher.finish();
        let same = std::mem::replace(&mut self.last_shown, shown) == shown;
        let (Some(named), Some(logins)) = (named, &self.logins) else { return false };
        let Some(cell) = logins.cell(named) else { return false };
        let answers = cell.take_invitation();
        let again =
            self.last_login.is_some_and(|(last, at)| named == last && now.saturating_since(at) < least);
        again && same && !answers && cell.is_live(now)
    }
}

/// What makes two connections those of one client: the counter, and the durable id or else the member bytes.
fn identity_key(id: &ClientProxyMembershipId) -> Vec<u8> {
    let (mark, name) = match id.durable_id() {
        Some(durable) => (1, durable.as_bytes()),
        None => (0, id.identity().as_ref()),
    };
    let mut key = vec![mark];
    key.extend_from_slice(&id.unique_id().to_be_bytes());
    key.extend_from_slice(name);
    key
}
