//! Every exception that a real server sent to real clients is read whole.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use druse_protocol::codec::{MessageType, text};
use druse_protocol::compat;
use druse_protocol::message::exception::{ExceptionReply, RemoteException, ThrowableClass};
use support::{Capture, chunks, message};

/// The exceptions of one capture; each must be readable, and agree with its own stack trace.
fn exceptions(capture: &Capture) -> Vec<RemoteException> {
    let mut all = Vec::new();
    for exchange in capture.exchanges() {
        let reply = match message(&exchange.request).kind().unwrap().is_answered_in_chunks() {
            true => chunks(&exchange.reply).1.iter().find_map(ExceptionReply::from_chunk),
            false => ExceptionReply::decode(&message(&exchange.reply)).ok(),
        };
        let Some(reply) = reply else { continue };
        let exception = RemoteException::read(reply.throwable).expect("readable to the last byte");
        let trace = text::decode(reply.stack_trace).unwrap();
        assert_eq!(trace.lines().next(), exception.to_string().lines().next(), "{}", capture.name);
        for cause in exception.chain().skip(1) {
            assert!(trace.contains(&format!("Caused by: {cause}")), "{cause}");
        }
        all.push(exception);
    }
    all
}

#[test]
fn every_captured_exception_is_read() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for capture in Capture::all() {
        for exception in exceptions(&capture) {
            *counts.entry(format!("{} {}", capture.name, exception.class_name())).or_default() += 1;
        }
    }
    let of = |capture: &str, class: ThrowableClass| {
        counts.get(&format!("{capture} {}", class.name())).copied().unwrap_or_default()
    };
    assert_eq!(of("expiry-1.15.1", ThrowableClass::AuthenticationExpired), 5);
    assert_eq!(of("expiry-1.14.4", ThrowableClass::AuthenticationRequired), 5);
    assert_eq!(of("ops-1.15.1", ThrowableClass::RegionDestroyed), 2);
    assert_eq!(counts.values().sum::<usize>(), 16);
}

#[test]
fn a_real_server_asks_either_generation_for_a_login_as_we_do() {
    for name in ["expiry-1.14.4", "expiry-1.15.1"] {
        let asking = exceptions(&Capture::read(name)).iter().filter(|e| compat::asks_for_login(e)).count();
        assert_eq!(asking, 5, "{name}");
    }
}

#[test]
fn an_exception_in_chunks_may_stand_behind_the_header_of_a_response() {
    let mut seen = Vec::new();
    for exchange in Capture::read("expiry-1.15.1").exchanges() {
        if message(&exchange.request).kind().unwrap().is_answered_in_chunks() {
            let (header, chunks) = chunks(&exchange.reply);
            if chunks.iter().any(|chunk| ExceptionReply::from_chunk(chunk).is_some()) {
                seen.push(header.kind().unwrap());
            }
        }
    }
    // getAll had announced its response when the expiry met it; keySet had not.
    seen.sort();
    assert_eq!(seen, [MessageType::Response, MessageType::Exception]);
}
