//! The small steps of an operation, each on its own: nanoseconds on one thread, without a socket.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use druse_identity::key_set::{FileSource, KeySetCache, Policy};
use druse_identity::token::{TokenConfig, TokenSecurityManager};
use druse_protocol::auth::{Credentials, KeyScope, Peer as Sender, ResourcePermission, SecurityManager};
use druse_protocol::codec::{FrameLimits, Message, NO_TRANSACTION};
use druse_protocol::message::envelope::{Envelope, ReplyEnvelope};
use druse_protocol::message::event_id::EventIdRef;
use druse_protocol::message::get::{Get, GetReply};
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::put::{Put, PutOperation, PutReply};
use druse_protocol::message::value::ValueRef;
use druse_protocol::message::version_tag::VersionTag;
use druse_protocol::time::{Clock, SystemClock};
use druse_protocol::value::{MapKind, Value, object_length};
use druse_server::measure::Dialogue;

use super::grid::{GridWire, REGION, hello};
use super::peer::{AUDIENCE, Bench, ISSUER};
use super::wire::{Operation, Outcome, VALUE_BYTES, Wire as _, key};

/// Batches of which the fastest counts: what others do on the machine only ever adds.
const BATCHES: usize = 25;
/// The length of a batch.
const BATCH: Duration = Duration::from_millis(8);

/// A step and its time.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) nanos: f64,
}

/// Times everything; `batch` shortens it for smoke runs.
pub(crate) fn measure(bench: &Bench, smoke: bool) -> Outcome<Vec<Step>> {
    let mut timer = Timer { batch: if smoke { Duration::from_micros(50) } else { BATCH }, steps: Vec::new() };
    messages(&mut timer)?;
    keys_and_values(&mut timer)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokens(&mut timer, bench))?;
    runtime.block_on(sessions(&mut timer, bench))?;
    Ok(timer.steps)
}

struct Timer {
    batch: Duration,
    steps: Vec<Step>,
}

impl Timer {
    fn time<T>(&mut self, name: &'static str, mut step: impl FnMut() -> T) {
        let fastest = (0..BATCHES).map(|_| self.batch(&mut step)).fold(f64::INFINITY, f64::min);
        self.steps.push(Step { name, nanos: fastest });
    }

    fn batch<T>(&self, step: &mut impl FnMut() -> T) -> f64 {
        let (begin, mut count) = (Instant::now(), 0_u32);
        while begin.elapsed() < self.batch {
            for _ in 0..64 {
                black_box(step());
            }
            count += 64;
        }
        begin.elapsed().as_secs_f64() * 1e9 / f64::from(count)
    }
}

fn frame(bytes: &[u8]) -> Outcome<Message<'_>> {
    Ok(Message::decode(bytes, &FrameLimits::default())?.ok_or("an incomplete message")?.0)
}

fn messages(timer: &mut Timer) -> Outcome<()> {
    let envelope = Envelope { tx_id: NO_TRANSACTION, retry: false, security: Some((1, Some(2))) };
    let reply = ReplyEnvelope { tx_id: NO_TRANSACTION, next_connection_id: Some(1) };
    let (text, value) = (key(7), [0x5a; VALUE_BYTES]);
    let mut out = Vec::with_capacity(1024);

    let get = Get { region: "/load", key: KeyRef::Text(&text), callback: ValueRef::Null };
    timer.time("write a get request", || {
        out.clear();
        black_box(&get).encode(&mut out, &envelope);
    });
    let bytes = out.clone();
    timer.time("read a get request", || {
        Get::decode(&frame(black_box(&bytes))?).map_err(Box::from) as Outcome<_>
    });

    let tag = Some(VersionTag::new(3, 4, 1_700_000_000_000));
    let found = GetReply { value: ValueRef::Bytes(&value), tag, ..GetReply::default() };
    out.clear();
    timer.time("write a get reply of 100 bytes", || {
        out.clear();
        black_box(&found).encode(&mut out, &reply);
    });
    let bytes = out.clone();
    timer.time("read a get reply of 100 bytes", || {
        GetReply::decode(&frame(black_box(&bytes))?).map(|reply| reply.value.bytes().len()).map_err(Box::from)
            as Outcome<_>
    });

    let put = Put {
        region: "/load",
        operation: PutOperation::Update,
        wants_old_value: false,
        expected: None,
        key: KeyRef::Text(&text),
        is_delta: false,
        value: ValueRef::Bytes(&value),
        event: EventIdRef { thread: 1, sequence: 2 },
        callback: ValueRef::Null,
    };
    timer.time("write a put request of 100 bytes", || {
        out.clear();
        black_box(&put).encode(&mut out, &envelope);
    });
    let bytes = out.clone();
    timer.time("read a put request of 100 bytes", || {
        Put::decode(&frame(black_box(&bytes))?).map_err(Box::from) as Outcome<_>
    });
    let done = PutReply { hop: None, old_value: None, tag };
    timer.time("write a put reply", || {
        out.clear();
        black_box(&done).encode(&mut out, &reply);
    });
    Ok(())
}

fn keys_and_values(timer: &mut Timer) -> Outcome<()> {
    let text = key(7);
    timer.time("bring a text key of 14 bytes to its one form", || {
        KeyRef::Text(black_box(&text)).key_bytes().is_ok()
    });
    let entry = |number: i32| (Value::String(format!("field-{number}").into()), Value::Integer(number));
    let map = Value::Map(MapKind::HashMap, (0..10).map(entry).collect()).to_bytes();
    let length = object_length(&map)?;
    if length != map.len() {
        return Err(format!("a map of {} bytes was taken for one of {length}", map.len()).into());
    }
    timer.time("step over a map of ten strings and numbers", || object_length(black_box(&map)).is_ok());
    Ok(())
}

fn manager(bench: &Bench, cached_tokens: usize) -> TokenSecurityManager {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keys = KeySetCache::new(FileSource::new(&bench.keys), Policy::file(), Arc::clone(&clock));
    let mut config = TokenConfig::new(ISSUER, AUDIENCE);
    config.cached_tokens = cached_tokens;
    TokenSecurityManager::new(config, keys, clock)
}

async fn tokens(timer: &mut Timer, bench: &Bench) -> Outcome<()> {
    let credentials = Credentials::token(bench.token("ann", Duration::from_secs(600))?);
    let sender = Sender::default();
    for (name, cached) in
        [("verify a token seen for the first time (ES256)", 0), ("verify a token seen before", 100)]
    {
        let manager = manager(bench, cached);
        let login = manager.authenticate(&credentials, &sender).await?;
        let mut fastest = f64::INFINITY;
        for _ in 0..BATCHES {
            let begin = Instant::now();
            for _ in 0..20 {
                black_box(manager.authenticate(&credentials, &sender).await?);
            }
            fastest = fastest.min(begin.elapsed().as_secs_f64() * 1e9 / 20.0);
        }
        timer.steps.push(Step { name, nanos: fastest });
        if cached > 0 {
            let (now, text) = (SystemClock.now(), "key-0000000007");
            let wanted = ResourcePermission::read(REGION, KeyScope::Text(text));
            let allowed = || manager.authorize(&*login.principal, black_box(&wanted), now);
            allowed()?;
            timer.time("`authorize` of the token manager", allowed);
        }
    }
    Ok(())
}

async fn sessions(timer: &mut Timer, bench: &Bench) -> Outcome<()> {
    let mut node = Dialogue::new(Arc::new(manager(bench, 100)), &format!("/{REGION}"))?;
    let (now, text) = (SystemClock.now(), key(7));
    let mut client = GridWire::new(1);
    node.send(&hello()?, now);
    let login = client.login_request(&bench.token("ann", Duration::from_secs(600))?);
    client.login_reply(node.send_and_wait(&login, now).await)?;
    let mut out = Vec::new();
    for operation in [Operation::Put, Operation::Get] {
        out.clear();
        client.request(operation, &text, &mut out);
        client.reply(operation, node.send(&out, now))?.ok_or("an incomplete reply")?;
    }
    let check = node.permission_check().ok_or("nobody is logged in")?;
    check.may_read(REGION, &text, now)?;
    timer.time("check that a login is good (the cell)", || check.is_live(black_box(now)));
    timer.time("may this user read this key: the cell, then the manager", || {
        check.may_read(REGION, black_box(&text), now).is_ok()
    });
    timer.time("a whole get in a node, from request bytes to reply bytes", || {
        node.send(black_box(&out), now).len()
    });
    // Each put needs an event of its own, or it would be answered from memory.
    timer.time("a whole put in a node, the writing of its request included", || {
        out.clear();
        client.request(Operation::Put, &text, &mut out);
        node.send(black_box(&out), now).len()
    });
    client.reply(Operation::Put, node.send(&out, now))?.ok_or("an incomplete reply")?;
    Ok(())
}
