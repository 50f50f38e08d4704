//! What a client says first.

use bytes::BufMut;

use super::client_id::ClientProxyMembershipId;
use super::incremental;
use crate::auth::Credentials;
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::version::VersionOrdinal;
use crate::wire::{put_properties, read_properties};

/// What every handshake of a client holds as its third field.
const REPLY_OK: u8 = 59;
/// Null where properties would stand.
const NULL_ARRAY: u8 = 0xff;
/// The longest hello in bytes: an identity, and on feeds credentials, of which the largest are tokens of some 10 kB.
pub const MAX_HELLO_BYTES: usize = 128 << 10;
/// How many ports a feed may announce; they are passed over.
const MAX_PORTS: usize = 64;

/// The first byte of a connection (Geode `CommunicationMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommunicationMode {
    /// Operations, 100; 104 and 105 are handled alike by Geode.
    ClientToServer,
    /// A feed whose server is to be the primary, 101.
    PrimaryServerToClient,
    /// A feed whose server is to be a secondary, 102.
    SecondaryServerToClient,
    /// A gateway sender, 103.
    GatewayToGateway,
    /// Operations of a client that has a feed, 107.
    ClientToServerForQueue,
}

impl CommunicationMode {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::ClientToServer => 100,
            Self::PrimaryServerToClient => 101,
            Self::SecondaryServerToClient => 102,
            Self::GatewayToGateway => 103,
            Self::ClientToServerForQueue => 107,
        }
    }

    /// The mode of a first byte; `None` if no client sends it.
    #[must_use]
    pub const fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            100 | 104 | 105 => Some(Self::ClientToServer),
            101 => Some(Self::PrimaryServerToClient),
            102 => Some(Self::SecondaryServerToClient),
            103 => Some(Self::GatewayToGateway),
            107 => Some(Self::ClientToServerForQueue),
            _ => None,
        }
    }

    /// Whether the server pushes and the client listens.
    #[must_use]
    pub const fn is_feed(self) -> bool {
        matches!(self, Self::PrimaryServerToClient | Self::SecondaryServerToClient)
    }

    /// Whether credentials are part of the hello; on the others they follow in messages.
    #[must_use]
    pub const fn shows_credentials(self) -> bool {
        self.is_feed() || matches!(self, Self::GatewayToGateway)
    }
}

/// How a client means to show who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityMode {
    /// Not at all.
    None,
    /// In clear (within TLS, one hopes). Feeds and gateways show credentials here and now; others send them in
    /// message 77, and have `None` here.
    Normal(Option<Credentials>),
    /// Encrypted by an exchange of Diffie-Hellman keys.
    DiffieHellman,
    /// The feed of a client with several users; it is bound to none of them.
    MultiUserFeed,
}

/// What a client says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// What the connection is for.
    pub mode: CommunicationMode,
    /// The client's version.
    pub version: VersionOrdinal,
    /// How long the client waits for replies, in milliseconds; 0 for ever. Feeds have 0 here.
    pub read_timeout_ms: i32,
    /// Who it is.
    pub client_id: ClientProxyMembershipId,
    /// Conflation wish: 0 the server's default, 1 on, 2 off.
    pub conflation: u8,
    /// How it means to show who it is.
    pub security: SecurityMode,
}

/// Why what came is no hello.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// No client begins with this byte.
    #[error("first byte {0:#04x} is not one of a Geode client")]
    NotAClient(u8),
    /// A version without a command table. The peer can be told, in the way that its mode wants.
    #[error("version ordinal {} is not supported", .version.0)]
    UnsupportedVersion {
        /// What the connection was to be for.
        mode: CommunicationMode,
        /// The version.
        version: VersionOrdinal,
    },
    /// The third field is not the one of a client. Geode closes without a word.
    #[error("reply code {0} where a client says 59")]
    BadReplyCode(u8),
    /// A conflation wish that does not exist. The peer can be told.
    #[error("conflation {conflation} is none of server default, on and off")]
    BadConflation {
        /// What the connection was to be for.
        mode: CommunicationMode,
        /// The client's version.
        version: VersionOrdinal,
        /// The wish.
        conflation: u8,
    },
    /// The bytes make no sense.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

impl ClientHello {
    /// Reads a hello off the front of `bytes`: it and its size, or `Ok(None)` if it is not all there yet.
    ///
    /// # Errors
    /// See [`HelloError`].
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, HelloError> {
        let mut reader = Reader::new(bytes);
        let whole = match Self::read(&mut reader) {
            Ok(hello) => Ok((hello, bytes.len() - reader.remaining())),
            Err(HelloError::Malformed(error)) => Err(error),
            Err(error) => return Err(error),
        };
        Ok(incremental(bytes, MAX_HELLO_BYTES, "hello", whole)?)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, HelloError> {
        let first = reader.u8("mode")?;
        let mode = CommunicationMode::from_wire(first).ok_or(HelloError::NotAClient(first))?;
        let version = VersionOrdinal::read(reader)?;
        // The sender's version is not looked at on gateway connections.
        if mode != CommunicationMode::GatewayToGateway && !version.is_accepted() {
            return Err(HelloError::UnsupportedVersion { mode, version });
        }
        let reply_code = reader.u8("reply code")?;
        if !mode.is_feed() && reply_code != REPLY_OK {
            return Err(HelloError::BadReplyCode(reply_code));
        }
        let mut read_timeout_ms = reader.i32("read time-out")?;
        if mode.is_feed() {
            skip_ports(reader, read_timeout_ms)?;
            read_timeout_ms = 0;
        }
        let client_id = ClientProxyMembershipId::read(reader)?;
        let conflation = reader.u8("overrides")? & 0x03;
        if conflation == 3 {
            return Err(HelloError::BadConflation { mode, version, conflation });
        }
        let security = match reader.u8("security mode")? {
            0 => SecurityMode::None,
            2 => SecurityMode::DiffieHellman,
            3 if mode.is_feed() => SecurityMode::MultiUserFeed,
            // Geode takes every other number for 1 on connections that show nothing now.
            _ if !mode.shows_credentials() => SecurityMode::Normal(None),
            1 => SecurityMode::Normal(read_properties(reader)?),
            other => {
                let value = i64::from(other);
                return Err(DecodeError::Invalid { field: "security mode", value }.into());
            }
        };
        Ok(Self { mode, version, read_timeout_ms, client_id, conflation, security })
    }

    /// Writes the hello.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.mode.to_wire());
        self.version.write(out);
        out.put_u8(REPLY_OK);
        out.put_i32(self.read_timeout_ms);
        self.client_id.write(out);
        out.put_u8(self.conflation);
        match &self.security {
            SecurityMode::None => out.put_u8(0),
            SecurityMode::Normal(credentials) => {
                out.put_u8(1);
                match credentials {
                    Some(credentials) => put_properties(credentials, out),
                    None if self.mode.shows_credentials() => out.put_u8(NULL_ARRAY),
                    None => {}
                }
            }
            SecurityMode::DiffieHellman => out.put_u8(2),
            SecurityMode::MultiUserFeed => out.put_u8(3),
        }
    }
}

fn skip_ports(reader: &mut Reader<'_>, count: i32) -> Result<(), DecodeError> {
    let count = usize::try_from(count)
        .map_err(|_| DecodeError::NegativeLength { field: "ports", value: i64::from(count) })?;
    if count > MAX_PORTS {
        return Err(DecodeError::TooLarge { field: "ports", value: count as u64, limit: MAX_PORTS as u64 });
    }
    reader.bytes(count * size_of::<i32>(), "ports").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::{Member, MemberKind};

    fn hello(mode: CommunicationMode, security: SecurityMode) -> ClientHello {
        let mut identity = Vec::new();
        Member::new(&[127, 0, 0, 1], 4711, "localhost", MemberKind::Loner, "abcdef01").encode(&mut identity);
        ClientHello {
            mode,
            version: VersionOrdinal::GEODE_1_15_0,
            read_timeout_ms: if mode.is_feed() { 0 } else { 5000 },
            client_id: ClientProxyMembershipId::new(&identity, 1).unwrap(),
            conflation: 0,
            security,
        }
    }

    fn encoded(hello: &ClientHello) -> Vec<u8> {
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        bytes
    }

    #[test]
    fn it_is_not_there_until_its_last_byte_is_and_leaves_the_rest_alone() {
        let feed = SecurityMode::Normal(Some(Credentials::password("ann", "secret")));
        for hello in [
            hello(CommunicationMode::ClientToServer, SecurityMode::Normal(None)),
            hello(CommunicationMode::ClientToServerForQueue, SecurityMode::None),
            hello(CommunicationMode::PrimaryServerToClient, feed.clone()),
            hello(CommunicationMode::SecondaryServerToClient, SecurityMode::MultiUserFeed),
            hello(CommunicationMode::GatewayToGateway, feed),
            hello(CommunicationMode::ClientToServer, SecurityMode::DiffieHellman),
        ] {
            let mut bytes = encoded(&hello);
            let size = bytes.len();
            for end in 0..size {
                assert_eq!(ClientHello::decode(&bytes[..end]), Ok(None), "{end} of {size}");
            }
            bytes.extend([1, 2, 3]);
            assert_eq!(ClientHello::decode(&bytes), Ok(Some((hello, size))));
        }
    }

    #[test]
    fn what_no_client_says_is_refused_at_once() {
        for first in [0x00, 0x16, 99, 108] {
            assert_eq!(ClientHello::decode(&[first]), Err(HelloError::NotAClient(first)));
        }
        let mut bytes = encoded(&hello(CommunicationMode::ClientToServer, SecurityMode::None));
        bytes[3] = 126;
        let version = VersionOrdinal(126);
        let mode = CommunicationMode::ClientToServer;
        bytes[1..4].copy_from_slice(&[0xff, 0, 126]);
        assert_eq!(ClientHello::decode(&bytes), Err(HelloError::UnsupportedVersion { mode, version }));
        bytes[1..4].copy_from_slice(&[0xff, 0, 150]);
        bytes[4] = 58;
        assert_eq!(ClientHello::decode(&bytes), Err(HelloError::BadReplyCode(58)));
        bytes[4] = 59;
        let at = bytes.len() - 2;
        bytes[at] = 3;
        assert_eq!(
            ClientHello::decode(&bytes),
            Err(HelloError::BadConflation { mode, version: VersionOrdinal::GEODE_1_15_0, conflation: 3 })
        );
    }

    #[test]
    fn lengths_are_refused_before_their_bytes_come() {
        let mut bytes = encoded(&hello(CommunicationMode::PrimaryServerToClient, SecurityMode::None));
        let last = bytes.len() - 1;
        bytes[last] = 1;
        for properties in [&[0xfd, 0x7f, 0xff, 0xff, 0xff][..], &[1, 0x58, 0x7f, 0xff, 0xff, 0xff]] {
            let mut bytes = bytes.clone();
            bytes.extend(properties);
            assert!(ClientHello::decode(&bytes).is_err());
        }
    }
}
