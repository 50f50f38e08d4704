//! Following, in virtual time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{BoxFuture, Revocation, RevocationScope};
use druse_protocol::time::{Clock, ManualClock, Micros};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::*;

const LIFE: Duration = Duration::from_secs(3600);

/// Answers in order, then holds every question for good; notes what it is asked.
struct Script {
    answers: Mutex<VecDeque<Result<Ends, EndsError>>>,
    asked: mpsc::UnboundedSender<Place>,
}

impl EndsSource for Script {
    fn ends(&self, place: Place) -> BoxFuture<'_, Result<Ends, EndsError>> {
        let _ = self.asked.send(place);
        let answer = self.answers.lock().pop_front();
        Box::pin(async move {
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }

    fn name(&self) -> &str {
        "script"
    }
}

fn end(name: &str) -> Revocation {
    let scope = RevocationScope::Principal(name.to_owned());
    Revocation { scope, before: Micros(1), reason: "cut".into() }
}

fn page(names: &[&str], position: i64, more: bool) -> Result<Ends, EndsError> {
    Ok(Ends { ends: names.iter().map(|name| end(name)).collect(), position, more })
}

/// A follower of a script: what it was told, what it has asked, and its watch.
struct Following {
    told: Arc<Mutex<Vec<Revocation>>>,
    asked: mpsc::UnboundedReceiver<Place>,
    watch: Arc<Watch>,
    _follower: Follower,
}

impl Following {
    fn new(answers: impl IntoIterator<Item = Result<Ends, EndsError>>) -> Self {
        let (asked, questions) = mpsc::unbounded_channel();
        let source = Script { answers: Mutex::new(answers.into_iter().collect()), asked };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Micros(0)));
        let watch = Arc::new(Watch::new(BlindPolicy::UntilExpiry, Micros(0)));
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        let end = move |revocation: &Revocation| list.lock().push(revocation.clone());
        let follower = Follower::start(Arc::new(source), Arc::clone(&watch), clock, LIFE, end);
        Self { told, asked: questions, watch, _follower: follower }
    }

    async fn asked(&mut self) -> Place {
        self.asked.recv().await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn every_page_is_told_and_the_next_is_asked_from_its_end() {
    let mut following =
        Following::new([page(&["ann"], 5, true), page(&["bob"], 9, false), page(&[], 9, false)]);
    assert_eq!(following.asked().await, Place::Within(LIFE));
    assert_eq!(following.asked().await, Place::After(5));
    assert_eq!(following.asked().await, Place::After(9));
    assert!(following.watch.admits(Micros(0)));
    assert_eq!(following.asked().await, Place::After(9));
    assert_eq!(*following.told.lock(), [end("ann"), end("bob")]);
    assert_eq!((following.watch.ends(), following.watch.failures()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_loses_no_place() {
    let failed = || Err(EndsError::Status(503));
    let mut following = Following::new([page(&[], 5, false), failed(), failed(), page(&["ann"], 6, false)]);
    assert_eq!(following.asked().await, Place::Within(LIFE));
    for _ in 0..3 {
        assert_eq!(following.asked().await, Place::After(5));
    }
    assert_eq!(following.asked().await, Place::After(6));
    assert_eq!(*following.told.lock(), [end("ann")]);
    assert_eq!(following.watch.failures(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_gone_makes_it_read_everything_again() {
    let mut following = Following::new([page(&[], 5, false), Err(EndsError::Gone), page(&["ann"], 2, false)]);
    let mut places = Vec::new();
    for _ in 0..4 {
        places.push(following.asked().await);
    }
    assert_eq!(places, [Place::Within(LIFE), Place::After(5), Place::Within(LIFE), Place::After(2)]);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_owner() {
    let mut following = Following::new([page(&[], 5, false)]);
    following.asked().await;
    let Following { mut asked, _follower, .. } = following;
    drop(_follower);
    while asked.recv().await.is_some() {}
}
