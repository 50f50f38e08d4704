//! What a client does with what it hears: answers to its requests, and messages on its feed (Geode `CacheClientUpdater`,
//! `QueueManagerImpl`).

use std::time::Duration;

use druse_protocol::codec::{FrameLimits, Message};
use druse_protocol::message::feed::{
    CqOperation, EntryEvent, EntryOperation, EventValue, FeedMessage, LaneNews, RegionEvent,
};
use druse_protocol::message::value::ValueRef;

use super::cache::{Cached, Place};
use super::client::{Reply, Request, Why};
use super::oracle::{Due, DueState};
use super::plan::{REGIONS, Want};
use super::world::{Event, World};
use super::{Verdict, wrong};
use crate::engine::{ChangeKind, Record, Value};

/// How long a client collects acknowledgements.
const ACKNOWLEDGE: Duration = Duration::from_millis(100);

impl World {
    /// An answer has come.
    pub(super) fn hear_reply(&mut self, client: usize, attempt: u64, reply: Reply) -> Verdict {
        if self.clients[client].attempt != attempt {
            return Ok(());
        }
        match reply {
            Reply::LoggedIn { user, id, why } => {
                self.clients[client].users[user].id = Some(id);
                match why {
                    Why::Connecting => self.go_on(client),
                    Why::Asked => return self.unpause(client),
                    Why::Refused => {}
                }
            }
            // An operation fails; what the client needs for its feed does not come about.
            Reply::LoginRefused { why: Why::Refused } | Reply::NoFeed if self.clients[client].is_up => {}
            Reply::LoginRefused { .. } | Reply::NoFeed | Reply::FeedRefused => self.go_down(client),
            Reply::Refused { user, request } => return self.log_in_again(client, user, request),
            Reply::Feed { socket } => {
                self.clients[client].socket = Some(socket);
                if self.sockets.get(&socket).is_none_or(|it| it.is_over) {
                    // What has come before the end is read.
                    self.read_feed(client)?;
                    self.go_down(client);
                } else {
                    self.go_on(client);
                }
            }
            Reply::Entries { want, records } => {
                self.take_entries(client, want, &records);
                self.go_on(client);
                return self.unpause(client);
            }
            Reply::Done => self.go_on(client),
        }
        Ok(())
    }

    /// A request was refused for want of a login: the client logs in, and asks once more for what its feed needs.
    fn log_in_again(&mut self, client: usize, user: usize, request: Request) -> Verdict {
        if matches!(request, Request::Read { .. }) {
            self.log_in(client, user, Why::Refused);
            return Ok(());
        }
        let pauses = self.clients[client].waits_for(&request);
        self.clients[client].script.push_front(request);
        self.log_in(client, user, Why::Connecting);
        if pauses { self.unpause(client) } else { Ok(()) }
    }

    fn take_entries(&mut self, client: usize, want: usize, records: &[Record]) {
        let it = &mut self.clients[client];
        let region = match &it.wants[want] {
            Want::Interest { region, .. } => *region,
            Want::Query { name, .. } => return it.results.take(name, records),
        };
        for record in records {
            let value = record.value().and_then(bytes_of);
            let entry = Cached { value, is_gone: false, version: record.version().region };
            it.cache.apply((region, record.key().to_vec()), entry);
        }
    }

    fn unpause(&mut self, client: usize) -> Verdict {
        let it = &mut self.clients[client];
        it.pauses = it.pauses.saturating_sub(1);
        self.read_feed(client)
    }

    /// A message has come.
    pub(super) fn arrive(&mut self, socket: u64, frame: Vec<u8>) -> Verdict {
        let Some(client) = self.sockets.get(&socket).filter(|it| !it.is_abandoned).map(|it| it.client) else {
            return Ok(());
        };
        self.clients[client].inbox.push_back(frame);
        self.read_feed(client)
    }

    /// Handles what has come, unless the client is busy.
    fn read_feed(&mut self, client: usize) -> Verdict {
        while self.clients[client].pauses == 0
            && self.clients[client].socket.is_some()
            && let Some(frame) = self.clients[client].inbox.pop_front()
        {
            let decoded = Message::decode(&frame, &FrameLimits::default()).ok().flatten();
            let message = decoded.and_then(|(message, _)| FeedMessage::decode(&message).ok());
            self.hear(client, &message.ok_or_else(|| wrong("a message that is none".to_owned()))?)?;
        }
        Ok(())
    }

    fn hear(&mut self, client: usize, message: &FeedMessage<'_>) -> Verdict {
        if let Some(id) = message.id() {
            if self.clients[client].duplicates.has_seen(&id) {
                self.tell(|| format!("client {client} drops {} of thread {:x}", id.sequence, id.thread));
                return Ok(());
            }
            let attempt = self.clients[client].attempt;
            self.after(ACKNOWLEDGE, Event::Acknowledge { client, attempt });
        }
        match message {
            FeedMessage::Entry(event) => self.hear_entry(client, event),
            FeedMessage::Region(event) => self.hear_region(client, event),
            FeedMessage::ReAuthenticate(ask) => {
                let user = match ask.user {
                    Some(id) => self.clients[client].users.iter().position(|user| user.id == Some(id)),
                    None => Some(0),
                };
                self.answer_ask(client, user)
            }
            FeedMessage::Notice(notice) => {
                self.tell(|| format!("client {client} is told {:?}", notice.news));
                if let LaneNews::Lost { from, to } = notice.news {
                    self.note_loss(client, notice.user, from as u64, to as u64);
                }
                Ok(())
            }
            FeedMessage::Marker(_) => {
                self.clients[client].is_live = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Message 110: a Java client logs in on the thread of its feed.
    fn answer_ask(&mut self, client: usize, user: Option<usize>) -> Verdict {
        let Some(user) = user else { return Ok(()) };
        if !self.clients[client].several() {
            self.clients[client].pauses += 1;
        }
        self.log_in(client, user, Why::Asked);
        Ok(())
    }

    fn note_loss(&mut self, client: usize, id: i64, from: u64, to: u64) {
        let it = &mut self.clients[client];
        let user = it.users.iter().position(|user| user.id == Some(id)).unwrap_or_default();
        let lane = it.lane_of(user);
        it.book.lanes.entry(lane).or_default().told_lost.push((from, to));
        if it.several() {
            return;
        }
        // What was lost is fetched, over the feed that goes on.
        let is_idle = it.is_up && it.script.is_empty();
        it.fetch_all();
        if is_idle {
            self.go_on(client);
        }
    }

    fn hear_entry(&mut self, client: usize, event: &EntryEvent<'_>) -> Verdict {
        let cqs: Vec<(String, CqOperation)> = event
            .cqs
            .clone()
            .map(|cq| (String::from_utf8_lossy(cq.name).into_owned(), cq.operation))
            .collect();
        if cqs.iter().any(|(_, operation)| *operation == CqOperation::Error) {
            let text = event.key.text().map(|text| text.into_owned()).unwrap_or_default();
            return self.hear_error(client, &cqs, &text);
        }
        let operation = match event.operation {
            EntryOperation::Create => ChangeKind::Create,
            EntryOperation::Update => ChangeKind::Update,
            EntryOperation::Invalidate => ChangeKind::Invalidate,
            EntryOperation::Destroy => ChangeKind::Destroy,
        };
        let seq = event.id.sequence as u64;
        let due = self.take_due(client, seq, &cqs)?;
        let key = event.key.key_bytes().map(|key| key.to_vec()).unwrap_or_default();
        self.hear_rows(client, (seq, &key), &cqs, due.whole.as_ref())?;
        let expected = due.value();
        let value = event.value.and_then(|value| match value {
            EventValue::Whole(ValueRef::Object(bytes)) => Some(bytes.to_vec()),
            _ => None,
        });
        // A create or update without its value cannot be told from an invalidate.
        let is_bare = due.interest == Some(false) && operation == ChangeKind::Invalidate;
        let is_same = due.kind == operation || (is_bare && due.brings_value());
        let is_value = value == expected || (due.late_values && value.is_some() && value == due.whole);
        if !is_same || due.interest.is_some() != event.interest || !is_value {
            let (kind, interest) = (due.kind, due.interest);
            return Err(wrong(format!(
                "I3: {seq} came as {operation:?} with {value:?}, and is {kind:?} ({interest:?}) with {expected:?}"
            )));
        }
        if !event.interest || !self.clients[client].is_live {
            return Ok(());
        }
        let version = event.tag.map_or(0, |tag| tag.region_version);
        let entry = Cached { value, is_gone: operation == ChangeKind::Destroy, version };
        self.put(client, seq, (due.region, key), entry)
    }

    /// I5: what is sent after a snapshot is newer than the snapshot.
    fn put(&mut self, client: usize, seq: u64, place: Place, entry: Cached) -> Verdict {
        let it = &mut self.clients[client];
        let is_own = it.own_keys.contains(&place);
        let (line, known) = (it.line, it.cache.get(&place).map(|known| known.version));
        let version = entry.version;
        if !it.cache.apply(place, entry) && seq > line && !is_own {
            return Err(wrong(format!(
                "I5: {seq} (version {version}) came after a snapshot (at {line}) that had {known:?}: nobody is told"
            )));
        }
        Ok(())
    }

    fn hear_region(&mut self, client: usize, event: &RegionEvent<'_>) -> Verdict {
        let cqs: Vec<(String, CqOperation)> = event
            .cqs
            .clone()
            .map(|cq| (String::from_utf8_lossy(cq.name).into_owned(), cq.operation))
            .collect();
        let due = self.take_due(client, event.id.sequence as u64, &cqs)?;
        if due.kind != ChangeKind::Clear || REGIONS[usize::from(due.region)] != event.region {
            return Err(wrong(format!("I3: {} came as the end of a region", event.id.sequence)));
        }
        self.hear_rows(client, (event.id.sequence as u64, &[]), &cqs, None)?;
        let it = &mut self.clients[client];
        if due.interest.is_some() && it.is_live {
            it.cache.clear_region(due.region, due.version);
        }
        Ok(())
    }

    /// The listeners of queries hear that something is wrong.
    fn hear_error(&mut self, client: usize, cqs: &[(String, CqOperation)], text: &str) -> Verdict {
        self.tell(|| format!("client {client}: onError of {cqs:?}: {text}"));
        let it = &mut self.clients[client];
        let users: Vec<usize> = cqs.iter().filter_map(|(name, _)| it.user_of(name)).collect();
        if let Some((from, to)) = lost_range(text) {
            for &user in &users {
                let lane = it.lane_of(user);
                it.book.lanes.entry(lane).or_default().told_lost.push((from, to));
            }
        }
        if text.contains("lost") {
            cqs.iter().for_each(|(name, _)| {
                it.results.forget(name);
                it.book.owes_notice.remove(name);
            });
        }
        if text == "login expired" {
            users.first().into_iter().for_each(|&user| self.read_something(client, user));
        }
        Ok(())
    }

    fn take_due(
        &mut self,
        client: usize,
        seq: u64,
        cqs: &[(String, CqOperation)],
    ) -> Result<Told, super::Violation> {
        self.tell(|| format!("client {client} hears {seq} {cqs:?}"));
        let it = &mut self.clients[client];
        let user = cqs.first().and_then(|(name, _)| it.user_of(name)).unwrap_or_default();
        let lane = it.lane_of(user);
        let manager = std::sync::Arc::clone(&self.node.manager);
        let names: Vec<String> = it.users.iter().map(|user| user.name.clone()).collect();
        let denied = move |lane: usize, key: &str| manager.was_denied(&names[lane.saturating_sub(1)], key);
        if let Some((name, _)) = cqs.iter().find(|(name, _)| it.book.owes_notice.contains(name)) {
            return Err(wrong(format!("I4: {seq} came for {name} before its loss was told")));
        }
        let due = it.book.handled(lane, seq, it.conflates, &denied)?;
        let named = |name: &str| due.cqs.get(name).or_else(|| due.closed.get(name));
        let same = cqs.iter().all(|(name, operation)| named(name) == Some(operation));
        let has_all = due.cqs.keys().all(|name| cqs.iter().any(|(it, _)| it == name));
        if !same || !(has_all || due.state == DueState::Void) {
            return Err(wrong(format!("I3: {seq} came for {cqs:?} and is one for {:?}", due.cqs)));
        }
        Ok(Told::of(due))
    }

    /// Tells the node what has been handled; never, if the client is of those that do not.
    pub(super) fn acknowledge(&mut self, client: usize, attempt: u64) {
        let it = &mut self.clients[client];
        if it.attempt != attempt || !it.is_up || it.kind == super::plan::Kind::NeverAcking {
            return;
        }
        let numbers = it.duplicates.take_unacknowledged();
        if numbers.is_empty() || self.happens(self.plan.faults.lost_acks) {
            return;
        }
        self.send(client, Request::Acknowledge(numbers));
    }
}

/// What a client needs to know of a change that it has handled.
struct Told {
    kind: ChangeKind,
    region: u16,
    interest: Option<bool>,
    late_values: bool,
    whole: Option<Vec<u8>>,
    version: u64,
}

impl Told {
    fn of(due: &Due) -> Self {
        Self {
            kind: due.change.kind,
            region: due.change.region.0,
            interest: due.interest,
            late_values: due.late_values,
            whole: due.change.record.value().and_then(bytes_of),
            version: due.change.record.version().region,
        }
    }

    /// The value that the message brings.
    fn value(&self) -> Option<Vec<u8>> {
        self.whole.clone().filter(|_| self.brings_value() && self.interest != Some(false))
    }

    fn brings_value(&self) -> bool {
        matches!(self.kind, ChangeKind::Create | ChangeKind::Update)
    }
}

/// The bytes of a value; none of an entry without one.
pub(super) fn bytes_of(value: Value<'_>) -> Option<Vec<u8>> {
    match value {
        Value::Invalid => None,
        Value::Bytes(bytes) | Value::Object(bytes) => Some(bytes.to_vec()),
    }
}

/// The range in "events 3 to 7 were lost".
fn lost_range(text: &str) -> Option<(u64, u64)> {
    let mut words = text.strip_prefix("events ")?.split(' ');
    let from = words.next()?.parse().ok()?;
    let to = words.nth(1)?.parse().ok()?;
    Some((from, to))
}
