//! What a gateway receiver answers to a sender that it accepts (mode 103). A refusal is a [`super::Welcome`].
//!
//! ```text
//!  code:u8 version endpoint:u8 queue:i32 member:bytes message:UTF [ 1:u8 credentials, code 65 ] cluster:i8 types:i32
//! ```

use bytes::BufMut;

use super::incremental;
use super::welcome::{AcceptanceCode, MAX_WELCOME_BYTES, Welcome, put_text, read_code, read_text};
use crate::auth::Credentials;
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::put_byte_array;
use crate::version::VersionOrdinal;
use crate::wire::{put_properties, read_properties};

/// A receiver's yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayWelcome {
    /// The receiver's version: decides the form of what follows.
    pub version: VersionOrdinal,
    /// The receiver's serialized member, the same on every connection.
    pub member: Vec<u8>,
    /// The receiver's own credentials, which only those with the old kind of authenticator show.
    pub credentials: Option<Credentials>,
    /// The low byte of the number of the receiver's cluster; -1 if it has none.
    pub distributed_system_id: i8,
    /// How many PDX types and enums the receiver has; a sender that has more sends all of its own.
    pub pdx_registry_size: i32,
}

/// What a receiver says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayAnswer {
    /// Come in.
    Accepted(GatewayWelcome),
    /// Stay out; the member and the reason are in there.
    Refused(Welcome),
}

impl GatewayWelcome {
    /// Writes the answer.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(match self.credentials {
            Some(_) => AcceptanceCode::OkWithServerCredentials as u8,
            None => AcceptanceCode::Ok as u8,
        });
        self.version.write(out);
        out.put_u8(0);
        out.put_i32(0);
        put_byte_array(&self.member, out);
        put_text(out, "");
        if let Some(credentials) = &self.credentials {
            out.put_u8(1);
            put_properties(credentials, out);
        }
        out.put_i8(self.distributed_system_id);
        out.put_i32(self.pdx_registry_size);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = read_code(reader)?;
        let version = VersionOrdinal::read(reader)?;
        reader.u8("endpoint type")?;
        reader.i32("queue size")?;
        let member = reader.byte_array("server member")?.unwrap_or_default().to_vec();
        read_text(reader)?;
        let shown = code == AcceptanceCode::OkWithServerCredentials as u8 && reader.u8("security mode")? == 1;
        let credentials = if shown { read_properties(reader)? } else { None };
        let distributed_system_id = reader.i8("distributed system")?;
        let pdx_registry_size = reader.i32("registry size")?;
        Ok(Self { version, member, credentials, distributed_system_id, pdx_registry_size })
    }
}

impl GatewayAnswer {
    /// Reads an answer off the front of `bytes`: it and its size, or `Ok(None)` if it is not all there yet.
    ///
    /// # Errors
    /// If the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        const OK: u8 = AcceptanceCode::Ok as u8;
        const OK_WITH_CREDENTIALS: u8 = AcceptanceCode::OkWithServerCredentials as u8;
        match bytes.first() {
            None => Ok(None),
            Some(&(OK | OK_WITH_CREDENTIALS)) => {
                let mut reader = Reader::new(bytes);
                let whole = GatewayWelcome::read(&mut reader)
                    .map(|welcome| (Self::Accepted(welcome), bytes.len() - reader.remaining()));
                incremental(bytes, MAX_WELCOME_BYTES, "handshake reply", whole)
            }
            Some(_) => Ok(Welcome::decode(bytes)?.map(|(welcome, size)| (Self::Refused(welcome), size))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_answers_and_every_beginning_of_them() {
        for (credentials, pdx_registry_size) in [(None, 0), (Some(Credentials::password("wan1", "p")), 7)] {
            let version = VersionOrdinal::GEODE_1_15_0;
            let welcome = GatewayWelcome {
                version,
                member: vec![9; 72],
                credentials,
                distributed_system_id: -1,
                pdx_registry_size,
            };
            let mut bytes = Vec::new();
            welcome.encode(&mut bytes);
            for end in 0..bytes.len() {
                assert_eq!(GatewayAnswer::decode(&bytes[..end]), Ok(None), "{end}");
            }
            let size = bytes.len();
            if welcome.credentials.is_none() {
                assert_eq!(bytes[..10], [0x3b, 0xff, 0, 150, 0, 0, 0, 0, 0, 72]);
                assert_eq!(bytes[size - 7..], [0, 0, 0xff, 0, 0, 0, 0]);
            }
            assert_eq!(GatewayAnswer::decode(&bytes), Ok(Some((GatewayAnswer::Accepted(welcome), size))));
        }
    }

    #[test]
    fn a_refusal_has_no_version() {
        let refused = Welcome::refused(AcceptanceCode::AuthenticationFailed, vec![1], "over");
        let mut bytes = Vec::new();
        refused.encode(&mut bytes);
        let size = bytes.len();
        assert_eq!(GatewayAnswer::decode(&bytes), Ok(Some((GatewayAnswer::Refused(refused), size))));
    }
}
