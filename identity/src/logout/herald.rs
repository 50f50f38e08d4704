//! Planning and sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::task::JoinSet;

use super::delivery::DEADLINE;
use super::{
    Answer, DeliveryEvent, DeliveryOutcome, DeliveryRecord, PlaceEvent, PlaceRecord, Planned, Transport,
    token,
};
use crate::error::Error;
use crate::issuer::ClientRecord;
use crate::keys::Keys;
use crate::session::Session;
use crate::store::{Aggregate as _, Commit, Lease, MAX_PAGE, Recorded, Store, StoreError, Versioned};
use druse_protocol::time::{Clock, Micros};

/// The one place that is kept.
const PLACE: &str = "logout";
/// Who writes about it in the log.
const ACTOR: &str = "keeper";
/// How many clients are told at a time.
const AT_ONCE: usize = 32;

/// Tells clients of ends. Of several processes the keeper does so.
pub(crate) struct Herald {
    issuer: String,
    store: Store,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    transport: Arc<dyn Transport>,
    /// Up to where the log holds nothing to plan, beyond the place that is kept.
    read: AtomicI64,
}

impl Herald {
    pub(crate) fn new(
        issuer: String,
        store: Store,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self { issuer, store, keys, clock, transport, read: AtomicI64::new(0) }
    }

    /// Plans what the log has brought, and sends what is due.
    pub(crate) async fn tell(&self, lease: Option<&Lease>) -> Result<(), Error> {
        while self.plan(lease).await? {}
        self.send(lease).await
    }

    /// Reads a page of the log; answers whether there is more.
    async fn plan(&self, lease: Option<&Lease>) -> Result<bool, Error> {
        let place = self.store.load::<PlaceRecord>(PLACE).await?;
        let Some(kept) = place.as_ref().map(|place| place.state.position) else {
            // What ended before anybody could be told is not told.
            let (_, newest) = self.store.endings_after(i64::MAX).await?;
            return self.advance(lease, None, newest, Vec::new()).await.map(|()| false);
        };
        let from = kept.max(self.read.load(Ordering::Relaxed));
        let (events, newest) = self.store.endings_after(from).await?;
        let more = events.len() >= MAX_PAGE;
        let last = events.last().map_or(from, |event| event.position);
        let position = if more { last } else { last.max(newest) };
        let mut planned = Vec::new();
        for event in &events {
            planned.extend(self.planned(event).await?.map(|one| (event.position, one)));
        }
        if !planned.is_empty() {
            self.advance(lease, place, position, planned).await?;
        }
        self.read.store(position, Ordering::Relaxed);
        Ok(more)
    }

    /// What a client is to be told of an event, if it is the end of a session of one that wants to know.
    async fn planned(&self, event: &Recorded) -> Result<Option<Planned>, StoreError> {
        let until = event.at + DEADLINE;
        let Some((Session::NAME, sid)) = event.stream.split_once('/') else { return Ok(None) };
        if until <= self.clock.now() {
            return Ok(None);
        }
        let Some(session) = self.store.load::<Session>(sid).await? else { return Ok(None) };
        let opened = session.state.opened;
        let client = self.store.load::<ClientRecord>(&opened.client).await?;
        let address = client.and_then(|client| client.state.settings.backchannel_logout_uri);
        // Without an ID token the client has never heard of the session.
        let address = address.filter(|_| opened.scope.iter().any(|scope| scope == "openid"));
        Ok(address.map(|address| Planned {
            client: opened.client,
            address,
            subject: opened.subject,
            sid: sid.to_owned(),
            until,
        }))
    }

    async fn advance(
        &self,
        lease: Option<&Lease>,
        place: Option<Versioned<PlaceRecord>>,
        position: i64,
        planned: Vec<(i64, Planned)>,
    ) -> Result<(), Error> {
        let mut commit = self.commit(lease);
        commit.change(PLACE, place, &[PlaceEvent::Advanced { position }])?;
        for (position, planned) in planned {
            let planned = DeliveryEvent::Planned(Box::new(planned));
            // An event is planned for once, whoever reads it.
            commit.change::<DeliveryRecord>(&position.to_string(), None, &[planned])?;
        }
        Ok(self.store.commit(commit).await.map(drop)?)
    }

    async fn send(&self, lease: Option<&Lease>) -> Result<(), Error> {
        let due = self.store.due::<DeliveryRecord>("pending", self.clock.now()).await?;
        let mut sending = JoinSet::new();
        for delivery in due.into_iter().take(AT_ONCE) {
            let sent = self.sent(&delivery)?;
            sending.spawn(async move { (delivery, sent.await) });
        }
        while let Some(done) = sending.join_next().await {
            let Ok((delivery, answer)) = done else { continue };
            self.conclude(lease, delivery, answer).await?;
        }
        Ok(())
    }

    /// One attempt, unless it is too late for any.
    fn sent(
        &self,
        delivery: &Versioned<DeliveryRecord>,
    ) -> Result<impl Future<Output = Answer> + Send + 'static, Error> {
        let (now, planned) = (self.clock.now(), &delivery.state.planned);
        let posting = if now < planned.until {
            let key = self.keys.default_signer().ok_or(Error::Misconfigured("there is no signing key"))?;
            let token = token::mint(planned, &self.issuer, &key, now)?;
            Some(self.transport.post(&planned.address, &token))
        } else {
            None
        };
        Ok(async move {
            match posting {
                Some(posting) => posting.await,
                None => Answer::Failed { after: None },
            }
        })
    }

    async fn conclude(
        &self,
        lease: Option<&Lease>,
        delivery: Versioned<DeliveryRecord>,
        answer: Answer,
    ) -> Result<(), Error> {
        let event = delivery.state.decide(answer, self.clock.now());
        if let DeliveryEvent::Concluded { outcome: DeliveryOutcome::Rejected | DeliveryOutcome::Abandoned } =
            &event
        {
            tracing::warn!(
                client = delivery.state.planned.client,
                ?event,
                "a client was not told of a logout"
            );
        }
        let mut commit = self.commit(lease);
        let id = delivery.id.clone();
        commit.change(&id, Some(delivery), &[event])?;
        match self.store.commit(commit).await {
            // Somebody else has told it as well.
            Err(StoreError::Conflict) => Ok(()),
            outcome => Ok(outcome.map(drop)?),
        }
    }

    fn commit(&self, lease: Option<&Lease>) -> Commit {
        let now: Micros = self.clock.now();
        let mut commit = Commit::new(ACTOR, now);
        if let Some(lease) = lease {
            commit.under(lease);
        }
        commit
    }
}
