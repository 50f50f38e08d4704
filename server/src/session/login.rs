//! Logging in and out: messages 77 and 78. RFC.md section 3.

use druse_protocol::auth::AuthError;
use druse_protocol::codec::Message;
use druse_protocol::compat::NO_CREDENTIALS;
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::credentials::{RemoveUserAuth, UserCredentials, UserCredentialsReply};
use druse_protocol::message::feed::notice::FEED_PROPERTY;

use super::client::Shown;
use super::exchange::{Answer, Completion, Exchange};
use super::failure::Failure;
use crate::audit;
use crate::metrics::LoginResult;
use crate::security::{Authenticated, LoginRequest};

/// USER_CREDENTIAL_MESSAGE.
pub(super) fn login(
    exchange: &mut Exchange<'_>,
    message: &Message<'_>,
    shown: Shown,
) -> Result<Answer, Failure> {
    let Some(security) = exchange.core.security.clone() else {
        // The client then stops sending security parts to this node.
        let envelope = exchange.envelope();
        UserCredentialsReply { unique_id: None }.encode(exchange.out, &envelope);
        return Ok(Answer::Done);
    };
    match begin(exchange, message, shown, &security) {
        Ok(answer) => Ok(answer),
        Err(error) => Err(refused(exchange, error)),
    }
}

fn begin(
    exchange: &mut Exchange<'_>,
    message: &Message<'_>,
    shown: Shown,
    security: &std::sync::Arc<crate::security::Security>,
) -> Result<Answer, AuthError> {
    let Shown::User(named) = shown else {
        // Geode says nothing at all here, and the client waits until its patience ends.
        return Err(AuthError::Failed("a login needs a security part".to_owned()));
    };
    // The error names fields and lengths, never what stood in them.
    let malformed = |error| AuthError::Failed(format!("malformed credentials: {error}"));
    let credentials = UserCredentials::decode(message).map_err(malformed)?.credentials;
    let credentials = credentials.ok_or_else(|| AuthError::Required(NO_CREDENTIALS.to_owned()))?;
    let least = security.policies().least_between_logins;
    if exchange.client.is_too_soon(named, &credentials, least, exchange.now) {
        exchange.core.metrics.logins.of(LoginResult::Throttled).inc();
        let text = "this user has just logged in here, and that login is still good";
        return Err(AuthError::Failed(text.to_owned()));
    }
    let takes_notices = credentials.get(FEED_PROPERTY).is_some();
    let request = LoginRequest {
        credentials,
        peer: exchange.client.peer.clone(),
        named,
        names_no_ids: !exchange.client.version.knows_expiry(),
    };
    let logins = exchange.client.logins.as_ref().ok_or_else(crate::security::unknown_user)?;
    let asked = security.authenticate(logins, request, exchange.now);
    Ok(Answer::Wait(Box::pin(async move {
        let login = asked.await;
        let completion: Completion = Box::new(move |exchange| admit(exchange, login, takes_notices));
        completion
    })))
}

/// The manager has answered.
fn admit(
    exchange: &mut Exchange<'_>,
    login: Result<Authenticated, AuthError>,
    takes_notices: bool,
) -> Result<Answer, Failure> {
    let admitted = login.and_then(|login| {
        let (Some(security), Some(logins)) = (&exchange.core.security, &exchange.client.logins) else {
            return Err(crate::security::unknown_user());
        };
        if takes_notices {
            logins.note_takes_notices();
        }
        let admitted = logins.admit(security, &login, exchange.now)?;
        let (name, expires_at) = (login.subject().name(), login.subject().expires_at());
        if admitted.renewed {
            exchange.core.metrics.logins.of(LoginResult::Renewed).inc();
            exchange.core.metrics.reauthentications.inc();
            audit::reauthentication(&exchange.client.peer, name, expires_at);
        } else {
            exchange.core.metrics.logins.of(LoginResult::Accepted).inc();
            audit::login(&exchange.client.peer, name, expires_at);
        }
        Ok(admitted)
    });
    match admitted {
        Ok(admitted) => {
            exchange.client.logged_in(admitted.unique_id, exchange.now);
            let envelope = exchange.envelope();
            UserCredentialsReply { unique_id: Some(admitted.unique_id) }.encode(exchange.out, &envelope);
            Ok(Answer::Done)
        }
        Err(error) => {
            exchange.core.metrics.logins.of(LoginResult::of(&error)).inc();
            Err(refused(exchange, error))
        }
    }
}

fn refused(exchange: &Exchange<'_>, error: AuthError) -> Failure {
    audit::login_refused(&exchange.client.peer, &error.to_string());
    Failure::Auth(error)
}

/// REMOVE_USER_AUTH. Needs no login that is still good: a user may leave after the end. An id that names nobody is gone
/// already.
pub(super) fn logout(
    exchange: &mut Exchange<'_>,
    message: &Message<'_>,
    shown: Shown,
) -> Result<Answer, Failure> {
    RemoveUserAuth::decode(message)?;
    if let Some(logins) = &exchange.client.logins {
        match shown {
            Shown::User(Some(unique_id)) => {
                logins.remove(unique_id);
            }
            Shown::User(None) => {}
            // As Geode words it. The connection stays: this type's reply changes no id.
            Shown::Nothing | Shown::WrongConnection => {
                return Err(AuthError::Failed("Authentication failed".to_owned()).into());
            }
        }
    }
    let envelope = exchange.envelope();
    Acknowledgement::default().encode(exchange.out, &envelope);
    Ok(Answer::Done)
}
