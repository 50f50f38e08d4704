//! A node that believes everybody, until standard input names them: how fast an embedder's manager cuts somebody off.

use std::any::Any;
use std::io::BufRead;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, Login, Peer, Principal, ResourcePermission, Revocation,
    RevocationScope, RevocationSink, SecurityManager, TOKEN,
};
use druse_protocol::time::{Clock, Micros, SystemClock};
use druse_server::Node;

use super::grid::REGION;
use super::wire::Outcome;

/// Serves until standard input ends; each of its lines is somebody to be cut off.
pub(crate) fn run(port: u16) -> Outcome<()> {
    let manager = Arc::new(Believer::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let builder = Node::builder()
        .bind(IpAddr::V4(Ipv4Addr::LOCALHOST))
        .port(port)
        .region(REGION)
        .security(Arc::clone(&manager) as Arc<dyn SecurityManager>);
    let node = runtime.block_on(builder.start())?;
    for name in std::io::stdin().lock().lines() {
        manager.cut_off(&name?);
    }
    runtime.block_on(node.shutdown());
    Ok(())
}

/// Takes the token for the name.
#[derive(Default)]
struct Believer {
    sinks: Mutex<Vec<Arc<dyn RevocationSink>>>,
}

impl Believer {
    fn cut_off(&self, name: &str) {
        let revocation = Revocation {
            scope: RevocationScope::Principal(name.into()),
            before: SystemClock.now(),
            reason: "measured".into(),
        };
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.iter().for_each(|sink| sink.revoke(&revocation));
    }
}

#[derive(Debug)]
struct Name(String);

impl Principal for Name {
    fn name(&self) -> &str {
        &self.0
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl SecurityManager for Believer {
    fn authenticate<'a>(
        &'a self,
        credentials: &'a Credentials,
        _: &'a Peer,
    ) -> BoxFuture<'a, Result<Login, AuthError>> {
        Box::pin(async {
            let name = credentials.get(TOKEN).ok_or_else(|| AuthError::Required("no token".to_owned()))?;
            Ok(Login { principal: Arc::new(Name(name.to_owned())), issued_at: None, expires_at: None })
        })
    }

    fn authorize(&self, _: &dyn Principal, _: &ResourcePermission<'_>, _: Micros) -> Result<(), AuthError> {
        Ok(())
    }

    fn watch_revocations(&self, sink: Arc<dyn RevocationSink>) {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).push(sink);
    }
}
