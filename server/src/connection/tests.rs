//! Dialogues with a connection over an in-memory stream, in virtual time. The engine is a double that speaks real
//! frames: what they ask for stands in their type number.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BufMut;
use druse_protocol::time::ManualClock;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::*;

const ECHO: i32 = 5;
const WAIT: i32 = 1001;
const LONG: i32 = 1002;
const CLOSE: i32 = 1003;
const HANG: i32 = 1004;

/// Answers frames with frames; a first byte `H` is the handshake.
struct Double {
    greeted: bool,
    long: usize,
    good_until: Micros,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    closed: AtomicBool,
    offers: AtomicUsize,
}

impl ConnectionEngine for Double {
    type Completion = Vec<u8>;

    fn receive(&mut self, input: &[u8], _now: Micros, out: &mut BytesMut) -> Step<Vec<u8>> {
        self.seen.offers.fetch_add(1, Ordering::SeqCst);
        let mut consumed = 0;
        if !self.greeted {
            match input.first() {
                Some(b'H') => self.greeted = true,
                Some(b'.') | None => return Step { consumed: 0, next: Next::Input },
                Some(&byte) => return Step { consumed: 0, next: Next::Close(CloseReason::NotAClient(byte)) },
            }
            consumed = 1;
        }
        loop {
            let rest = &input[consumed..];
            let Some(header) = Header::decode(rest, &FrameLimits::default()).expect("a header") else {
                break;
            };
            let Some(frame) = rest.get(..Header::SIZE + header.length) else { break };
            consumed += frame.len();
            match header.type_number {
                ECHO => out.put_slice(frame),
                LONG => {
                    self.long = header.tx_id as usize;
                    return Step { consumed, next: Next::More };
                }
                WAIT => {
                    let answer = frame.to_vec();
                    let answered = Box::pin(async move {
                        tokio::time::sleep(Duration::from_secs(3)).await;
                        answer
                    });
                    return Step { consumed, next: Next::Wait(answered) };
                }
                HANG => return Step { consumed, next: Next::Wait(Box::pin(std::future::pending())) },
                CLOSE => {
                    out.put_slice(frame);
                    return Step { consumed, next: Next::Close(CloseReason::Requested) };
                }
                other => panic!("unexpected type {other}"),
            }
        }
        Step { consumed, next: Next::Input }
    }

    fn resume(&mut self, _now: Micros, out: &mut BytesMut) -> Step<Vec<u8>> {
        out.put_bytes(self.long as u8, 64 << 10);
        self.long -= 1;
        Step { consumed: 0, next: if self.long == 0 { Next::Input } else { Next::More } }
    }

    fn complete(&mut self, completion: Vec<u8>, _now: Micros, out: &mut BytesMut) -> Step<Vec<u8>> {
        out.put_slice(&completion);
        Step { consumed: 0, next: Next::Input }
    }

    fn good_until(&self) -> Micros {
        self.good_until
    }

    fn close(&mut self, _now: Micros) {
        assert!(!self.seen.closed.swap(true, Ordering::SeqCst), "closed once");
    }
}

/// A frame of this type with one part of `size` bytes; `tx` stands in the header.
fn frame(type_number: i32, tx: i32, size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_i32(type_number);
    out.put_i32(5 + size as i32);
    out.put_i32(1);
    out.put_i32(tx);
    out.put_u8(0);
    out.put_i32(size as i32);
    out.put_u8(0);
    out.put_bytes(7, size);
    out
}

/// A peer and the connection that serves it.
struct Dialogue {
    peer: DuplexStream,
    task: JoinHandle<End>,
    seen: Arc<Seen>,
    shared: Arc<Shared>,
}

/// What a dialogue starts from.
struct Setup {
    limits: Limits,
    pipe_bytes: usize,
    good_until: Micros,
    clock: Arc<ManualClock>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            pipe_bytes: 16 << 10,
            good_until: Micros::MAX,
            clock: Arc::new(ManualClock::new(Micros::from_secs(1))),
        }
    }
}

impl Setup {
    fn start(self) -> Dialogue {
        let metrics = Arc::new(Metrics::default());
        let shared = Arc::new(Shared {
            clock: self.clock,
            frames: self.limits.frames(),
            memory: MemoryBudget::new(self.limits.in_flight_bytes, Arc::clone(&metrics)),
            metrics,
            shutdown: Shutdown::default(),
            limits: self.limits,
        });
        let seen = Arc::new(Seen::default());
        let engine = Double { greeted: false, long: 0, good_until: self.good_until, seen: Arc::clone(&seen) };
        let (peer, stream) = tokio::io::duplex(self.pipe_bytes);
        let deadline = Instant::now() + shared.limits.handshake_time;
        let connection = Connection::new(stream, engine, Arc::clone(&shared), deadline);
        let (told, task) = tokio::sync::oneshot::channel();
        shared.shutdown.spawn(async move {
            match connection.run().await {
                Outcome::Ended(end) => drop(told.send(end)),
                Outcome::HandedOver(..) => panic!("this engine keeps its socket"),
            }
        });
        let task = tokio::spawn(async move { task.await.expect("the connection's end") });
        Dialogue { peer, task, seen, shared }
    }
}

impl Dialogue {
    async fn send(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).await.expect("the connection reads");
    }

    async fn expect(&mut self, bytes: &[u8]) {
        let mut found = vec![0; bytes.len()];
        self.peer.read_exact(&mut found).await.expect("an answer");
        assert!(found == bytes, "an unexpected answer of {} bytes", found.len());
    }

    async fn end(self) -> End {
        let end = self.task.await.expect("no panic");
        assert!(self.seen.closed.load(Ordering::SeqCst), "the engine was closed");
        end
    }

    async fn expect_cut(self, reason: RefusalReason) {
        match self.end().await {
            End::Cut(found) => assert_eq!(found, reason),
            other => panic!("{other:?} instead of {reason:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frames_of_one_read_are_answered_in_order() {
    let mut dialogue = Setup::default().start();
    let frames = [b"H".to_vec(), frame(ECHO, 1, 3), frame(ECHO, 2, 0), frame(ECHO, 3, 9)].concat();
    dialogue.send(&frames).await;
    dialogue.expect(&frames[1..]).await;
    drop(dialogue.peer.shutdown().await);
    assert!(matches!(dialogue.end().await, End::Peer(None)));
}

#[tokio::test(start_paused = true)]
async fn bytes_may_come_one_by_one() {
    let mut dialogue = Setup::default().start();
    let frames = [b"H".to_vec(), frame(ECHO, 1, 30), frame(ECHO, 2, 30)].concat();
    for byte in &frames {
        dialogue.send(std::slice::from_ref(byte)).await;
        tokio::task::yield_now().await;
    }
    dialogue.expect(&frames[1..]).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_holds_back_what_follows_and_not_what_went_before() {
    let mut dialogue = Setup::default().start();
    let frames = [b"H".to_vec(), frame(ECHO, 1, 1), frame(WAIT, 2, 1), frame(ECHO, 3, 1)].concat();
    let begun = Instant::now();
    dialogue.send(&frames).await;
    dialogue.expect(&frame(ECHO, 1, 1)).await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "a ready answer never waits for a login");
    dialogue.expect(&[frame(WAIT, 2, 1), frame(ECHO, 3, 1)].concat()).await;
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_reply_is_continued_only_when_the_last_share_has_gone() {
    let mut dialogue = Setup::default().start();
    dialogue.send(&[b"H".to_vec(), frame(LONG, 3, 1), frame(ECHO, 9, 1)].concat()).await;
    for share in [3, 2, 1] {
        dialogue.expect(&vec![share; 64 << 10]).await;
    }
    dialogue.expect(&frame(ECHO, 9, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_message_is_offered_when_it_is_complete_and_its_room_comes_back() {
    let mut dialogue = Setup::default().start();
    let large = frame(ECHO, 1, 1 << 20);
    dialogue.send(b"H").await;
    dialogue.send(&large[..100]).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(dialogue.shared.metrics.bytes_in_flight.get(), large.len() as i64);
    dialogue.send(&large[100..]).await;
    dialogue.expect(&large).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(dialogue.shared.metrics.bytes_in_flight.get(), 0);
    assert!(dialogue.seen.offers.load(Ordering::SeqCst) <= 4, "not once for each piece");
}

#[tokio::test(start_paused = true)]
async fn close_comes_after_the_last_answer() {
    let mut dialogue = Setup::default().start();
    dialogue.send(&[b"H".to_vec(), frame(CLOSE, 1, 1), frame(ECHO, 2, 1)].concat()).await;
    dialogue.expect(&frame(CLOSE, 1, 1)).await;
    let mut rest = Vec::new();
    dialogue.peer.read_to_end(&mut rest).await.expect("the end");
    assert!(rest.is_empty(), "nothing behind a goodbye is answered");
    assert!(matches!(dialogue.end().await, End::Engine(CloseReason::Requested)));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_turned_away() {
    let mut dialogue = Setup::default().start();
    dialogue.send(&[0x16, 3, 1]).await;
    assert!(matches!(dialogue.end().await, End::Engine(CloseReason::NotAClient(0x16))));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_trickles_is_cut_at_its_time() {
    let mut dialogue = Setup::default().start();
    let begun = Instant::now();
    for _ in 0..9 {
        dialogue.send(b".").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    dialogue.expect_cut(RefusalReason::HandshakeTimeout).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_a_longest_length() {
    let mut dialogue = Setup::default().start();
    dialogue.send(&vec![b'.'; FREE_BYTES]).await;
    dialogue.expect_cut(RefusalReason::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn silence_is_cut_but_pings_keep_a_connection() {
    let mut dialogue = Setup::default().start();
    dialogue.send(b"H").await;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        dialogue.send(&frame(ECHO, 1, 1)).await;
        dialogue.expect(&frame(ECHO, 1, 1)).await;
    }
    let begun = Instant::now();
    dialogue.expect_cut(RefusalReason::Idle).await;
    assert!((60..=75).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_is_cut() {
    let mut dialogue = Setup::default().start();
    dialogue.send(b"H").await;
    let begun = Instant::now();
    for byte in &frame(ECHO, 1, 100)[..29] {
        dialogue.send(std::slice::from_ref(byte)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    dialogue.expect_cut(RefusalReason::SlowMessage).await;
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_room_is_cut_and_others_are_served() {
    let limits = Limits { in_flight_bytes: 1 << 20, ..Limits::default() };
    let mut dialogue = Setup { limits, ..Setup::default() }.start();
    let _held = dialogue.shared.memory.try_reserve(900 << 10).expect("room");
    dialogue.send(&[b"H".to_vec(), frame(ECHO, 1, 10)].concat()).await;
    dialogue.expect(&frame(ECHO, 1, 10)).await;
    dialogue.send(&frame(ECHO, 1, 500 << 10)[..100]).await;
    dialogue.expect_cut(RefusalReason::Memory).await;
}

#[tokio::test(start_paused = true)]
async fn a_length_beyond_the_limit_is_cut_before_anything_is_held() {
    let limits = Limits { message_bytes: 1 << 20, ..Limits::default() };
    let mut dialogue = Setup { limits, ..Setup::default() }.start();
    dialogue.send(b"H").await;
    dialogue.send(&frame(ECHO, 1, 2 << 20)[..40]).await;
    let shared = Arc::clone(&dialogue.shared);
    dialogue.expect_cut(RefusalReason::Malformed).await;
    assert_eq!(shared.metrics.bytes_in_flight.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_not_served_further_and_cut() {
    let mut dialogue = Setup { pipe_bytes: 1 << 10, ..Setup::default() }.start();
    dialogue.send(b"H").await;
    // The connection stops reading once its answers are stuck, so this write ends by the cut.
    let many = frame(ECHO, 1, 100).repeat(10_000);
    let begun = Instant::now();
    assert!(dialogue.peer.write_all(&many).await.is_err(), "nobody reads for a peer that does not");
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert!(dialogue.shared.metrics.bytes_received.get() < 200 << 10);
    dialogue.expect_cut(RefusalReason::WriteStall).await;
}

#[tokio::test(start_paused = true)]
async fn unread_answers_do_not_outlive_the_login_they_rest_on() {
    let good_until = Micros::from_secs(1) + Duration::from_secs(4);
    let mut dialogue = Setup { pipe_bytes: 1 << 10, good_until, ..Setup::default() }.start();
    dialogue.send(b"H").await;
    let begun = Instant::now();
    dialogue.send(&frame(LONG, 1, 1)).await;
    let shared = Arc::clone(&dialogue.shared);
    let Dialogue { mut peer, task, .. } = dialogue;
    assert!(matches!(task.await.expect("no panic"), End::Cut(RefusalReason::Expired)));
    assert_eq!(begun.elapsed().as_secs(), 4);
    let mut taken = Vec::new();
    peer.read_to_end(&mut taken).await.expect("what was sent in time");
    assert_eq!(taken.len(), 1 << 10);
    assert_eq!(shared.metrics.bytes_sent.get(), 1 << 10);
}

/// The end comes sooner than it was expected when the flush began: here by a clock that is set forward.
#[tokio::test(start_paused = true)]
async fn the_end_is_looked_at_again_before_every_write() {
    let good_until = Micros::from_secs(5);
    let clock = Arc::new(ManualClock::new(Micros::from_secs(1)));
    let setup = Setup { pipe_bytes: 1 << 10, good_until, clock: Arc::clone(&clock), ..Setup::default() };
    let mut dialogue = setup.start();
    dialogue.send(b"H").await;
    dialogue.send(&frame(LONG, 1, 1)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    clock.set(good_until);
    let Dialogue { mut peer, task, .. } = dialogue;
    let mut taken = Vec::new();
    peer.read_to_end(&mut taken).await.expect("what was sent in time");
    assert_eq!(taken.len(), 1 << 10);
    assert!(matches!(task.await.expect("no panic"), End::Cut(RefusalReason::Expired)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_given_up() {
    let mut dialogue = Setup::default().start();
    dialogue.send(&[b"H".to_vec(), frame(HANG, 1, 1)].concat()).await;
    dialogue.expect_cut(RefusalReason::AnswerTimeout).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_answers_what_has_been_read_and_what_has_arrived() {
    let mut dialogue = Setup::default().start();
    dialogue.send(&[b"H".to_vec(), frame(WAIT, 1, 1), frame(ECHO, 2, 1)].concat()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let shared = Arc::clone(&dialogue.shared);
    let finished = tokio::spawn(async move { shared.shutdown.finish(Duration::from_secs(20)).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    dialogue.send(&frame(ECHO, 3, 1)).await;
    dialogue.expect(&[frame(WAIT, 1, 1), frame(ECHO, 2, 1), frame(ECHO, 3, 1)].concat()).await;
    let mut rest = Vec::new();
    dialogue.peer.read_to_end(&mut rest).await.expect("the end");
    assert!(matches!(dialogue.end().await, End::Drained));
    finished.await.expect("the shutdown ends");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_an_idle_connection_at_once() {
    let mut dialogue = Setup::default().start();
    dialogue.send(b"H").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    let shared = Arc::clone(&dialogue.shared);
    let mut rest = Vec::new();
    let (finished, read) = tokio::join!(shared.shutdown.finish(Duration::from_secs(20)), async {
        let read = dialogue.peer.read_to_end(&mut rest).await;
        drop(dialogue.peer);
        read
    });
    assert_eq!((finished, read.expect("the end")), ((), 0));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_connection_still_closes_its_engine() {
    let mut dialogue = Setup::default().start();
    dialogue.send(&[b"H".to_vec(), frame(HANG, 1, 1)].concat()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    dialogue.shared.shutdown.finish(Duration::from_secs(1)).await;
    assert!(dialogue.seen.closed.load(Ordering::SeqCst));
}

#[test]
fn an_idle_connection_is_small() {
    type Plain = Connection<tokio::net::TcpStream, Double>;
    let size = size_of::<Plain>();
    assert!(size <= 512, "{size} bytes besides the engine");
}
