//! What clients of each generation understand of credentials that ran out, and the texts that they compare.
//!
//! | client | expired | on the wire |
//! |---|---|---|
//! | 1.15 and later | knows it | `AuthenticationExpiredException`, with the manager's own message |
//! | before 1.15, and C++ | cannot even load the class | `AuthenticationRequiredException`, with exactly [`USER_NOT_FOUND`] |
//!
//! Both make the client log in and repeat the operation, once. Everything that a peer compares word by word stands here and
//! nowhere else. Geode: `OldClientSupportProvider.getThrowable`, `OpExecutorImpl.executeWithPossibleReAuthentication`.
//! RFC.md, "Expiry by client generation".

use std::borrow::Cow;

use crate::auth::AuthError;
use crate::message::exception::{Exception, RemoteException, ThrowableClass};
use crate::version::VersionOrdinal;

/// The message of an `AuthenticationRequiredException` that makes every Java client log in again: clients before 1.15
/// compare all of it (Geode `HandShake`/`ServerConnection`: the unique id is not known).
pub const USER_NOT_FOUND: &str = "User authorization attributes not found.";

/// What a plain UNKNOWN_MESSAGE_TYPE_ERROR says (Geode `UnknownCommand`).
pub const UNKNOWN_MESSAGE_TYPE: &str =
    "Invalid data received. Please see the cache server log file for additional details.";

/// What a client is told that shows no credentials to a node that wants some (Geode `ServerSideHandshakeImpl`).
pub const NO_CREDENTIALS: &str = "No security credentials are provided";

/// What a client is told that wants to encrypt its credentials by an exchange of Diffie-Hellman keys.
pub const DIFFIE_HELLMAN: &str =
    "Diffie-Hellman credentials are not supported; remove security-client-dhalgo and use TLS";

/// The only way from an [`AuthError`] to the wire.
#[must_use]
pub fn exception_of(error: &AuthError, client: VersionOrdinal) -> Exception<'_> {
    let (class, message) = match error {
        AuthError::Expired(message) => (ThrowableClass::AuthenticationExpired, message),
        AuthError::Required(message) => (ThrowableClass::AuthenticationRequired, message),
        // "Try later" has no class of its own that clients know. Java clients hand this one to the application, keep the
        // connection and log in anew at the next operation; what would make them retry by themselves, a lost
        // connection, takes the server away from all their users (Geode `OpExecutorImpl.handleException`).
        AuthError::Failed(message) | AuthError::Unavailable(message) => {
            (ThrowableClass::AuthenticationFailed, message)
        }
        AuthError::NotAuthorized(message) => (ThrowableClass::NotAuthorized, message),
    };
    for_client(Exception::new(class, message.as_str()), client)
}

/// Puts in place of an exception what a client of that version understands. Whatever is sent to a client goes through
/// here: also an exception that a function threw may be, or be caused by, an expiry.
#[must_use]
pub fn for_client(exception: Exception<'_>, client: VersionOrdinal) -> Exception<'_> {
    let expired = |exception: &Exception<'_>| exception.class == ThrowableClass::AuthenticationExpired;
    // As Geode: the exception itself or its direct cause.
    let is_expiry = expired(&exception) || exception.cause.as_deref().is_some_and(expired);
    if client.knows_expiry() || !is_expiry {
        return exception;
    }
    Exception::new(ThrowableClass::AuthenticationRequired, USER_NOT_FOUND)
}

/// The only way from the wire to an [`AuthError`]; `None` if the exception is about something else.
#[must_use]
pub fn auth_error_of(exception: &RemoteException) -> Option<AuthError> {
    let message = exception.message.clone().unwrap_or_default();
    if exception.is_a(ThrowableClass::AuthenticationExpired) {
        Some(AuthError::Expired(message))
    } else if exception.is_a(ThrowableClass::AuthenticationRequired) {
        Some(AuthError::Required(message))
    } else if exception.is_a(ThrowableClass::AuthenticationFailed) {
        Some(AuthError::Failed(message))
    } else if exception.is_a(ThrowableClass::NotAuthorized) {
        Some(AuthError::NotAuthorized(message))
    } else {
        None
    }
}

/// Whether an exception asks the client to log in again and repeat the operation once.
#[must_use]
pub fn asks_for_login(exception: &RemoteException) -> bool {
    match auth_error_of(exception) {
        Some(AuthError::Expired(_)) => true,
        Some(AuthError::Required(message)) => message == USER_NOT_FOUND,
        _ => false,
    }
}

/// How a feed's refusal words an error in its handshake reply: `class: message`, and never translated, since clients
/// show it and compare nothing.
#[must_use]
pub fn feed_refusal(error: &AuthError) -> Cow<'static, str> {
    exception_of(error, VersionOrdinal::GEODE_1_15_0).to_java_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: VersionOrdinal = VersionOrdinal::GEODE_1_14_0;
    const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;

    #[test]
    fn expiry_is_translated_for_clients_that_do_not_know_it() {
        let error = AuthError::Expired("token of ann ended".to_owned());
        let old = exception_of(&error, OLD);
        assert_eq!(old, Exception::new(ThrowableClass::AuthenticationRequired, USER_NOT_FOUND));
        assert_eq!(
            old.stack_trace(),
            "org.apache.geode.security.AuthenticationRequiredException: User authorization attributes not found.\n"
        );
        let new = exception_of(&error, NEW);
        assert_eq!(new, Exception::new(ThrowableClass::AuthenticationExpired, "token of ann ended"));
    }

    #[test]
    fn an_expiry_as_direct_cause_is_translated_too_and_one_further_down_is_not() {
        let expiry = Exception::new(ThrowableClass::AuthenticationExpired, "over");
        let function = Exception::new(ThrowableClass::Function, "f").caused_by(expiry);
        assert_eq!(for_client(function.clone(), NEW), function);
        assert_eq!(for_client(function.clone(), OLD).class, ThrowableClass::AuthenticationRequired);
        let deeper = Exception::new(ThrowableClass::IllegalState, "g").caused_by(function);
        assert_eq!(for_client(deeper.clone(), OLD), deeper);
    }

    #[test]
    fn errors_come_back_as_they_went() {
        let text = || "why".to_owned();
        for error in [
            AuthError::Expired(text()),
            AuthError::Required(text()),
            AuthError::Failed(text()),
            AuthError::NotAuthorized(text()),
        ] {
            let remote = RemoteException::from(&exception_of(&error, NEW));
            assert_eq!(auth_error_of(&remote), Some(error));
        }
        let remote = RemoteException::from(&exception_of(&AuthError::Unavailable(text()), NEW));
        assert_eq!(auth_error_of(&remote), Some(AuthError::Failed(text())));
        let other = Exception::new(ThrowableClass::RegionDestroyed, "gone");
        assert_eq!(auth_error_of(&RemoteException::from(&other)), None);
    }

    #[test]
    fn only_expiry_and_the_exact_text_ask_for_a_login() {
        let asks = |class, message: &'static str| {
            asks_for_login(&RemoteException::from(&Exception::new(class, message)))
        };
        assert!(asks(ThrowableClass::AuthenticationExpired, "whatever"));
        assert!(asks(ThrowableClass::AuthenticationRequired, USER_NOT_FOUND));
        assert!(!asks(ThrowableClass::AuthenticationRequired, "Failed to find the authenticated user."));
        assert!(!asks(ThrowableClass::AuthenticationFailed, USER_NOT_FOUND));
    }

    #[test]
    fn feeds_are_refused_in_the_words_of_java() {
        assert_eq!(
            feed_refusal(&AuthError::Failed("bad creds for fail".to_owned())),
            "org.apache.geode.security.AuthenticationFailedException: bad creds for fail"
        );
    }
}
