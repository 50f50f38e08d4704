//! How feeds begin to be wanted by durable clients, and how streams and feeds end.

use std::sync::Arc;

use druse_protocol::codec::MessageType;
use druse_protocol::message::cq::{CqCommand, NamedCq};
use druse_protocol::message::envelope::Envelope;

use super::feeds::Feeds;
use super::registry::{Entry, Target};
use super::{acks, recovery};
use crate::client::Core;
use crate::error::Error;
use crate::operation::{Operation, Repeat};
use crate::user::User;
use crate::wire;

/// How many acknowledgements a client that leaves still sends, a thousand origins each.
const LAST_ACKS: usize = 100;

impl Core {
    /// Tells the primary that a durable client wants its events.
    pub(crate) async fn ready_for_events(self: &Arc<Self>) -> Result<(), Error> {
        if !self.feeds.is_durable() {
            let problem = "only a durable client is waited for: set FeedConfig::durable".to_owned();
            return Err(Error::Configuration(problem));
        }
        self.start_feeds();
        let deadline = self.runtime.now() + self.config.operation_timeout;
        loop {
            let topology = self.with_primary(deadline).await?;
            let Some(primary) = &topology.primary else { continue };
            // Whoever takes over from here on is told by the manager.
            self.feeds.set_ready();
            match recovery::say_ready(self, primary).await {
                Err(_) if primary.is_closed() && self.runtime.now() < deadline => {
                    self.topology_without(primary, deadline).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Suspends a continuous query on all servers; what the primary says counts.
    pub(crate) async fn stop_cq(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<(), Error> {
        let Target::Cq(cq) = &entry.target else { return Ok(()) };
        let deadline = self.runtime.now() + self.config.operation_timeout;
        let request = NamedCq { command: CqCommand::Stop, name: cq.name.as_bytes() };
        let encode = |out: &mut Vec<u8>, envelope: &Envelope| request.encode(out, envelope);
        let operation = Operation {
            kind: MessageType::StopCq,
            region: &cq.query,
            repeat: Repeat::Question,
            encode: &encode,
        };
        // Nobody registers it again meanwhile.
        entry.set_live(false);
        let mut outcome = Ok(());
        for link in self.feeds.links() {
            link.forget(entry);
            let stopped =
                self.execute_on(&entry.user, &link.endpoint, link.queue(), &operation, deadline).await;
            outcome = stopped.map(drop);
        }
        outcome
    }

    /// Ends the streams of a user who is about to be logged out.
    pub(crate) async fn end_streams_of(self: &Arc<Self>, user: &Arc<User>) {
        let entries = self.feeds.registry.entries().into_iter();
        for entry in entries.filter(|entry| Arc::ptr_eq(&entry.user, user)) {
            self.feeds.registry.remove(&entry);
            entry.mailbox.end();
            self.unregister(&entry).await;
        }
    }

    /// Ends all streams, acknowledges what has been taken, and closes the connections to the servers that hold events.
    pub(crate) async fn end_feeds(&self, keep_alive: bool) {
        self.feeds.leaving.cancel();
        let untaken = self.feeds.registry.end();
        for _ in 0..LAST_ACKS {
            if !acks::tell_primary(self).await {
                break;
            }
        }
        self.feeds.intake.lock().seal();
        drop(untaken);
        for link in self.feeds.links() {
            self.tell(link.queue(), wire::close_connection(keep_alive)).await;
        }
    }
}

impl Feeds {
    /// Ends when all tasks have.
    pub(crate) async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        // Links hold connections and, through their endpoints, the rest of the client.
        self.topology.send_replace(super::feeds::Topology::default());
    }
}
