//! Logging in and out: USER_CREDENTIAL_MESSAGE 77 and REMOVE_USER_AUTH 78 (Geode `AuthenticateUserOp`, `PutUserCredentials`,
//! `RemoveUserAuth`).

use super::envelope::{Envelope, ReplyEnvelope};
use super::parts;
use crate::auth::Credentials;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, Reader};
use crate::error::DecodeError;
use crate::wire::{put_properties, read_properties};

/// What names no user in a security part.
pub const NO_UNIQUE_ID: i64 = -1;

/// A login. Which id it is for stands in the security part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCredentials {
    /// What the client shows; `None` for null.
    pub credentials: Option<Credentials>,
}

impl UserCredentials {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or its one part holds no `Properties`.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let name = "USER_CREDENTIAL_MESSAGE";
        if message.kind() != Some(MessageType::UserCredentialMessage) || message.part_count() != 1 {
            return Err(DecodeError::Parts { message: name, problem: "exactly one part is expected" });
        }
        let part = message.parts().expect(name, "no credentials")?;
        let bytes =
            part.raw().ok_or(DecodeError::Parts { message: name, problem: "the part is an object" })?;
        if bytes.is_empty() {
            return Ok(Self { credentials: None });
        }
        let mut reader = Reader::new(bytes);
        let credentials = read_properties(&mut reader)?;
        reader.finish("properties")?;
        Ok(Self { credentials })
    }

    /// Writes the request. Its envelope must have a security part.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        match &self.credentials {
            Some(credentials) => put_properties(credentials, &mut *bytes),
            None => bytes.push(0xff),
        }
        let mut writer = parts::request(out, MessageType::UserCredentialMessage, envelope);
        writer.raw(&bytes);
        parts::finish_request(writer, envelope);
    }
}

/// The answer to a successful login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserCredentialsReply {
    /// The user's id; `None` if the server asks nobody who they are.
    pub unique_id: Option<i64>,
}

impl UserCredentialsReply {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or its part is no id.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let name = "reply to USER_CREDENTIAL_MESSAGE";
        if message.kind() != Some(MessageType::Response) {
            return Err(DecodeError::Parts { message: name, problem: "it is no RESPONSE" });
        }
        let part = message.parts().expect(name, "no id")?;
        match part.raw() {
            Some([]) => Ok(Self { unique_id: None }),
            _ => {
                let id = part
                    .as_i64()
                    .ok_or(DecodeError::Parts { message: name, problem: "the id has not 8 bytes" })?;
                Ok(Self { unique_id: Some(id) })
            }
        }
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        match self.unique_id {
            Some(id) => writer.i64(id),
            None => writer.bytes(&[]),
        }
        parts::finish_reply(writer, envelope);
    }
}

/// A user leaves. Which one stands in the security part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveUserAuth {
    /// Whether durable state of the user is to be kept.
    pub keep_alive: bool,
}

impl RemoveUserAuth {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message or has no such part.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let name = "REMOVE_USER_AUTH";
        if message.kind() != Some(MessageType::RemoveUserAuth) {
            return Err(DecodeError::Parts { message: name, problem: "it is another message" });
        }
        let part = message.parts().expect(name, "no keep-alive flag")?;
        let flag = part
            .as_u8()
            .ok_or(DecodeError::Parts { message: name, problem: "the flag is no single byte" })?;
        Ok(Self { keep_alive: flag != 0 })
    }

    /// Writes the request. Its envelope must have a security part.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::RemoveUserAuth, envelope);
        writer.u8(u8::from(self.keep_alive));
        parts::finish_request(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{FrameLimits, NO_TRANSACTION};

    fn envelope(security: Option<(i64, Option<i64>)>) -> Envelope {
        Envelope { tx_id: NO_TRANSACTION, retry: false, security }
    }

    #[test]
    fn a_login_round_trips_with_both_security_parts() {
        for (unique_id, size) in [(Some(NO_UNIQUE_ID), 16), (None, 8)] {
            let login = UserCredentials { credentials: Some(Credentials::password("ann", "p\u{e4}ss")) };
            let mut bytes = Vec::new();
            login.encode(&mut bytes, &envelope(Some((26739, unique_id))));
            let (message, _) = Message::decode(&bytes, &FrameLimits::default()).unwrap().unwrap();
            assert_eq!(message.security().map(<[u8]>::len), Some(size));
            assert_eq!(UserCredentials::decode(&message).unwrap(), login);
        }
    }

    #[test]
    fn replies_with_and_without_security() {
        for unique_id in [Some(i64::MIN), Some(7), None] {
            let reply = UserCredentialsReply { unique_id };
            let mut bytes = Vec::new();
            reply.encode(&mut bytes, &ReplyEnvelope { tx_id: NO_TRANSACTION, next_connection_id: Some(1) });
            let (message, _) = Message::decode(&bytes, &FrameLimits::default()).unwrap().unwrap();
            assert_eq!(UserCredentialsReply::decode(&message), Ok(reply));
        }
    }

    #[test]
    fn null_properties_are_told_from_none() {
        for (credentials, expected) in [(None, None), (Some(Credentials::new()), Some(0))] {
            let mut bytes = Vec::new();
            UserCredentials { credentials }.encode(&mut bytes, &envelope(Some((1, None))));
            let (message, _) = Message::decode(&bytes, &FrameLimits::default()).unwrap().unwrap();
            let shown = UserCredentials::decode(&message).unwrap().credentials;
            assert_eq!(shown.as_ref().map(Credentials::len), expected);
        }
    }
}
