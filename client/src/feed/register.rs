//! Telling servers what streams are about: backups first, the primary last, and the primary's answer counts.

use std::sync::Arc;

use druse_protocol::codec::{MessageType, text};
use druse_protocol::message::cq::{CqCommand, ExecuteCq, NamedCq};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::interest::{
    DataPolicy, Interest, InterestResultPolicy, InterestTerms, RegisterInterest, RegisterInterestList,
    UnregisterInterest, UnregisterInterestList,
};
use druse_protocol::message::key::KeyRef;
use druse_protocol::time::Micros;

use super::change::Snapshot;
use super::event::{FeedState, QueueFate};
use super::feeds::Topology;
use super::interest::Matcher;
use super::link::Link;
use super::registry::{CqTarget, Entry, InterestTarget, Target};
use super::snapshot;
use crate::client::Core;
use crate::connection::Reply;
use crate::error::Error;
use crate::operation::{Operation, Repeat};

/// How often no primary may be had before whoever wants to register is told.
const MAX_FAILURES: usize = 2;

impl Core {
    /// Registers a new stream with all servers that hold the client's events; what its primary answered, and the state
    /// to begin the stream with.
    pub(crate) async fn register(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
    ) -> Result<(FeedState, Snapshot), Error> {
        self.start_feeds();
        let deadline = self.runtime.now() + self.config.operation_timeout;
        let mut told: Vec<Arc<Link>> = Vec::new();
        let mut answer = None;
        loop {
            let topology = self.with_primary(deadline).await?;
            for backup in topology.backups.iter().filter(|link| !knows(&told, link)) {
                // It does not count, unless this backup takes over: then it will be seen not to know the stream.
                let _ = entry.register_on(self, backup, false, deadline).await;
            }
            told.extend(topology.backups.iter().map(Arc::clone));
            if let Some(primary) = topology.primary.as_ref().filter(|link| !knows(&told, link)) {
                match entry.register_on(self, primary, entry.wants_snapshot(), deadline).await {
                    Ok(snapshot) => answer = Some((connected(&topology, primary), snapshot)),
                    Err(_) if primary.is_closed() && self.runtime.now() < deadline => {
                        self.topology_without(primary, deadline).await;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                told.push(Arc::clone(primary));
                // From here on whoever takes over registers it. That somebody has taken over already is looked at now.
                entry.set_live(true);
            }
            if self.feeds.links().iter().all(|link| knows(&told, link))
                && let Some(answer) = answer.take()
            {
                self.keep_fresh(&entry.user);
                return Ok(answer);
            }
        }
    }

    /// The topology, once it has a primary.
    pub(crate) async fn with_primary(&self, deadline: Micros) -> Result<Topology, Error> {
        let mut changes = self.feeds.topology.subscribe();
        let before = changes.borrow().failures;
        // Where nobody could be had so far, one more attempt, made at once, tells whether that has changed.
        let tolerated = if before == 0 { MAX_FAILURES } else { 0 };
        self.feeds.wanted.notify_one();
        loop {
            let topology = changes.borrow_and_update().clone();
            if topology.primary.is_some() {
                return Ok(topology);
            }
            if let Some(trouble) = &topology.trouble
                && topology.failures > before
                && (!trouble.is_retryable() || topology.failures - before > tolerated)
            {
                return Err(Error::clone(trouble));
            }
            tokio::select! {
                biased;
                () = self.feeds.closing.cancelled() => return Err(Error::Closed),
                changed = changes.changed() => changed.map_err(|_| Error::Closed)?,
                () = self.runtime.sleep_until(deadline) => {
                    let limit = self.config.operation_timeout;
                    return Err(Error::Timeout { server: "any server that takes a feed".to_owned(), limit });
                }
            }
        }
    }

    /// Waits until the manager has noticed that a link has ended.
    pub(crate) async fn topology_without(&self, lost: &Arc<Link>, deadline: Micros) {
        let mut changes = self.feeds.topology.subscribe();
        let is_gone =
            |topology: &Topology| !topology.primary.as_ref().is_some_and(|link| Arc::ptr_eq(link, lost));
        tokio::select! {
            biased;
            _ = changes.wait_for(is_gone) => {}
            () = self.runtime.sleep_until(deadline) => {}
        }
    }

    /// Takes a stream back from all servers. A courtesy: what they push in vain is passed over.
    pub(crate) async fn unregister(self: &Arc<Self>, entry: &Arc<Entry>) {
        let deadline = self.runtime.now() + self.config.operation_timeout;
        for link in self.feeds.links() {
            let _ = entry.unregister_on(self, &link, deadline).await;
        }
    }
}

fn knows(told: &[Arc<Link>], link: &Arc<Link>) -> bool {
    told.iter().any(|other| Arc::ptr_eq(other, link))
}

fn connected(topology: &Topology, primary: &Link) -> FeedState {
    let queue = topology.fate.unwrap_or(QueueFate::New);
    FeedState::Connected { server: primary.server().clone(), queue }
}

impl Entry {
    /// Registers with one server; what it answered, if that is wanted.
    pub(crate) async fn register_on(
        self: &Arc<Self>,
        core: &Arc<Core>,
        link: &Link,
        wants_snapshot: bool,
        deadline: Micros,
    ) -> Result<Snapshot, Error> {
        let snapshot = self.registered(core, link, wants_snapshot, deadline).await?;
        link.learn(self);
        Ok(snapshot)
    }

    async fn registered(
        &self,
        core: &Arc<Core>,
        link: &Link,
        wants_snapshot: bool,
        deadline: Micros,
    ) -> Result<Snapshot, Error> {
        match &self.target {
            Target::Interest(interest) => {
                let policy = if wants_snapshot { interest.policy } else { InterestResultPolicy::None };
                let reply = self.register_interest(core, link, interest, policy, deadline).await?;
                snapshot::of_interest(&reply).map_err(Error::Malformed)
            }
            Target::Cq(cq) => {
                let reply = self.execute_cq(core, link, cq, wants_snapshot, deadline).await?;
                match wants_snapshot {
                    true => snapshot::of_query(&reply).map_err(Error::Malformed),
                    false => Ok(Snapshot::new()),
                }
            }
        }
    }

    async fn register_interest(
        &self,
        core: &Arc<Core>,
        link: &Link,
        target: &InterestTarget,
        policy: InterestResultPolicy,
        deadline: Micros,
    ) -> Result<Reply, Error> {
        let terms = InterestTerms {
            policy,
            durable: self.durable,
            updates_as_invalidates: !target.values,
            // There is no local copy to keep up to date, and nothing to apply a delta to.
            data_policy: DataPolicy::Empty,
            serialize_values: true,
        };
        let region = &*target.region;
        match &target.matcher {
            Matcher::Keys(keys) => {
                let request = RegisterInterestList { region, keys, terms };
                let encode = |out: &mut Vec<u8>, envelope: &Envelope| request.encode(out, envelope);
                self.ask(core, link, MessageType::RegisterInterestList, region, deadline, &encode).await
            }
            matcher => {
                let request = RegisterInterest { region, interest: in_pattern(matcher), terms };
                let encode = |out: &mut Vec<u8>, envelope: &Envelope| request.encode(out, envelope);
                self.ask(core, link, MessageType::RegisterInterest, region, deadline, &encode).await
            }
        }
    }

    async fn execute_cq(
        &self,
        core: &Arc<Core>,
        link: &Link,
        cq: &CqTarget,
        initial_results: bool,
        deadline: Micros,
    ) -> Result<Reply, Error> {
        let request = ExecuteCq {
            name: cq.name.as_bytes(),
            query: &text::encode(&cq.query),
            state: ExecuteCq::RUNNING,
            durable: self.durable,
            data_policy: DataPolicy::Empty,
            with_initial_results: initial_results,
        };
        let kind = match initial_results {
            true => MessageType::ExecuteCqWithInitialResults,
            false => MessageType::ExecuteCq,
        };
        let encode = |out: &mut Vec<u8>, envelope: &Envelope| request.encode(out, envelope);
        self.ask(core, link, kind, &cq.query, deadline, &encode).await
    }

    /// Takes the stream back from one server.
    pub(crate) async fn unregister_on(
        self: &Arc<Self>,
        core: &Arc<Core>,
        link: &Link,
        deadline: Micros,
    ) -> Result<(), Error> {
        link.forget(self);
        match &self.target {
            Target::Cq(cq) => {
                let request = NamedCq { command: CqCommand::Close, name: cq.name.as_bytes() };
                let encode = |out: &mut Vec<u8>, envelope: &Envelope| request.encode(out, envelope);
                self.ask(core, link, MessageType::CloseCq, &cq.query, deadline, &encode).await.map(drop)
            }
            Target::Interest(target) => self.unregister_interest(core, link, target, deadline).await,
        }
    }

    /// Other streams may want the same: a server knows an interest once, however often it was told of it.
    async fn unregister_interest(
        &self,
        core: &Arc<Core>,
        link: &Link,
        target: &InterestTarget,
        deadline: Micros,
    ) -> Result<(), Error> {
        let region = &*target.region;
        let others: Vec<_> = core.feeds.registry.interests_in(region);
        let wanted = |is_wanted: &dyn Fn(&Matcher) -> bool| {
            others.iter().any(|entry| match &entry.target {
                Target::Interest(other) => is_wanted(&other.matcher),
                Target::Cq(_) => false,
            })
        };
        if let Matcher::Keys(keys) = &target.matcher {
            let is_wanted =
                |key: &Vec<u8>| wanted(&|other| matches!(other, Matcher::Keys(keys) if keys.contains(key)));
            let keys: Vec<_> = keys.iter().filter(|key| !is_wanted(key)).collect();
            if keys.is_empty() {
                return Ok(());
            }
            let keys = keys.iter().map(|key| KeyRef::from_canonical(key));
            let request = UnregisterInterestList { region, closing: false, keep_alive: false, keys };
            let encode = |out: &mut Vec<u8>, envelope: &Envelope| request.encode(out, envelope);
            return self
                .ask(core, link, MessageType::UnregisterInterestList, region, deadline, &encode)
                .await
                .map(drop);
        }
        if wanted(&|other| other.is_same_pattern(&target.matcher)) {
            return Ok(());
        }
        let interest = in_pattern(&target.matcher);
        let request = UnregisterInterest { region, interest, closing: false, keep_alive: false };
        let encode = |out: &mut Vec<u8>, envelope: &Envelope| request.encode(out, envelope);
        self.ask(core, link, MessageType::UnregisterInterest, region, deadline, &encode).await.map(drop)
    }

    async fn ask(
        &self,
        core: &Arc<Core>,
        link: &Link,
        kind: MessageType,
        region: &str,
        deadline: Micros,
        encode: &(dyn Fn(&mut Vec<u8>, &Envelope) + Send + Sync),
    ) -> Result<Reply, Error> {
        let operation = Operation { kind, region, repeat: Repeat::Question, encode };
        core.execute_on(&self.user, &link.endpoint, link.queue(), &operation, deadline).await
    }
}

/// The pattern of an interest that is no list of keys.
fn in_pattern(matcher: &Matcher) -> Interest<'_> {
    match matcher {
        Matcher::Pattern { text, .. } => Interest::in_pattern(text.as_bytes()),
        Matcher::All | Matcher::Keys(_) => Interest::ALL_KEYS,
    }
}
