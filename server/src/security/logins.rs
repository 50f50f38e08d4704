//! Asking the security manager: paced for each client, bounded in number over the node and in time.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{AuthError, BoxFuture, Credentials, Peer};
use druse_protocol::time::Micros;

use super::Security;
use super::subject::Subject;
use super::user_auths::ClientUserAuths;

/// How long a login may take, waiting for others included. A Java client stops reading after ten seconds.
pub(crate) const LOGIN_TIME: Duration = Duration::from_secs(5);

/// A request to log in, as it was read.
pub(crate) struct LoginRequest {
    /// What the client shows.
    pub(crate) credentials: Credentials,
    /// Where it comes from.
    pub(crate) peer: Peer,
    /// The id to be bound again, if the client names one.
    pub(crate) named: Option<i64>,
    /// Whether clients of this kind never name ids.
    pub(crate) names_no_ids: bool,
}

/// A login that the manager has granted and no cell has taken in yet. Dropping it logs the subject out.
#[derive(Debug)]
pub(crate) struct Authenticated {
    pub(super) subject: Arc<Subject>,
    pub(super) named: Option<i64>,
    pub(super) names_no_ids: bool,
}

impl Authenticated {
    /// Who it is.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }
}

impl Security {
    /// Asks the manager. The future may be dropped at any time: what the manager has granted by then is logged out.
    pub(crate) fn authenticate(
        self: &Arc<Self>,
        auths: &ClientUserAuths,
        request: LoginRequest,
        now: Micros,
    ) -> BoxFuture<'static, Result<Authenticated, AuthError>> {
        // Taken when the request is read: whoever asked last counts as the later one, however long the answer takes.
        let ticket = self.next_ticket();
        let delay = auths.delay(now);
        let security = Arc::clone(self);
        Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let asked = security.ask(&request, ticket, now);
            let subject = tokio::time::timeout(LOGIN_TIME, asked).await.unwrap_or_else(|_| {
                Err(AuthError::Unavailable("the login took too long; try again later".to_owned()))
            })?;
            let LoginRequest { named, names_no_ids, .. } = request;
            Ok(Authenticated { subject, named, names_no_ids })
        })
    }

    async fn ask(
        self: &Arc<Self>,
        request: &LoginRequest,
        ticket: u64,
        asked_at: Micros,
    ) -> Result<Arc<Subject>, AuthError> {
        let unavailable = |_| AuthError::Unavailable("the node is shutting down".to_owned());
        let _permit = self.permits.acquire().await.map_err(unavailable)?;
        let mut login = self.manager.authenticate(&request.credentials, &request.peer).await?;
        login.expires_at = login.expires_at.map(|end| self.lead.at_wall(end));
        // What a revocation is compared with is the wall's time, as the revocation's own.
        let asked_at = self.lead.wall_at(asked_at);
        // From here on a logout is owed, and the subject sees to it.
        Ok(Arc::new(Subject::new(login, asked_at, ticket, Arc::clone(&self.logouts))))
    }
}
