//! The identities that have connections.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::user_auths::ClientUserAuths;

/// Client identities and their users. As many as there are connections, at most.
#[derive(Default)]
pub(super) struct Clients(Mutex<HashMap<Box<[u8]>, Arc<ClientUserAuths>>>);

impl Clients {
    /// Counts a connection of `identity`.
    pub(super) fn connect(&self, identity: &[u8]) -> Arc<ClientUserAuths> {
        let mut clients = self.0.lock();
        let auths = clients.entry(identity.into()).or_insert_with(|| Arc::new(ClientUserAuths::new()));
        // Under the lock, so that the last connection to go cannot take it away in between.
        auths.connected();
        Arc::clone(auths)
    }

    /// Counts a connection of `identity` off; with the last one everything goes.
    pub(super) fn disconnect(&self, identity: &[u8]) {
        let mut clients = self.0.lock();
        if clients.get(identity).is_some_and(|auths| auths.disconnected()) {
            clients.remove(identity);
        }
    }

    /// All of them, as of now.
    pub(super) fn all(&self) -> Vec<Arc<ClientUserAuths>> {
        self.0.lock().values().cloned().collect()
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}
