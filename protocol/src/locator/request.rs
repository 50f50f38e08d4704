//! What clients ask a locator.

use bytes::BufMut;

use super::wire::{locations, put_locations, put_string, string};
use super::{ServerLocation, incremental};
use crate::DecodeError;
use crate::codec::Reader;
use crate::value::put_byte_array;

const FIXED_ID_BYTE: u8 = 0x01;
const FIXED_ID_SHORT: u8 = 0x02;
const DATA_SERIALIZABLE: u8 = 0x2d;
const CLASS: u8 = 0x2b;

const LOCATOR_LIST: u8 = 0xca;
const CLIENT_CONNECTION: u8 = 0xcb;
const QUEUE_CONNECTION: u8 = 0xcc;
const CLIENT_REPLACEMENT: u8 = 0xd0;
const GET_ALL_SERVERS: u8 = 0xd5;
const CLIENT_PROXY_MEMBERSHIP_ID: u8 = 0x26;
const LOCATOR_STATUS: u16 = 0x086b;

/// The package under which Java writes the version messages, whatever their real one.
pub(super) const WIRE_PACKAGE: &str = "com.gemstone.org.jgroups.stack.tcpserver.";
const REAL_PACKAGE: &str = "org.apache.geode.distributed.internal.tcpserver.";

/// A question to a locator. Group `None` is Java's null and means the same as the empty group: any server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Which version does the locator speak?
    Version,
    /// Which locators are there?
    LocatorList {
        /// The group the client is interested in.
        group: Option<String>,
    },
    /// Which server should I connect to?
    ClientConnection {
        /// The group it must be in.
        group: Option<String>,
        /// Servers that have failed the client.
        excluded: Vec<ServerLocation>,
    },
    /// Should I move from this server to another?
    ClientReplacement {
        /// The group it must be in.
        group: Option<String>,
        /// Servers that have failed the client.
        excluded: Vec<ServerLocation>,
        /// Where the client is.
        current: ServerLocation,
    },
    /// Which servers are there?
    GetAllServers {
        /// The group they must be in.
        group: Option<String>,
    },
    /// Which servers should my feed be on?
    QueueConnection {
        /// The group they must be in.
        group: Option<String>,
        /// Who asks.
        client: ClientId,
        /// How many copies of the queue besides the first; -1 for all.
        redundancy: i32,
        /// Servers that have failed the client.
        excluded: Vec<ServerLocation>,
        /// Whether to look for a durable queue that exists.
        find_durable: bool,
    },
    /// How is the locator? Only management tools ask.
    Status {
        /// The group the tool is interested in.
        group: Option<String>,
    },
}

/// A client's identity as it stands in a request: opaque here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientId {
    /// The serialized member.
    pub identity: Vec<u8>,
    /// The client's counter.
    pub unique: i32,
}

impl Request {
    /// Reads a request behind its opening, and says how long it was; `Ok(None)` if it is not complete yet.
    ///
    /// # Errors
    /// If it is no request, or a list that must be there is null.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        incremental(bytes, Self::read)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8("locator request")? {
            DATA_SERIALIZABLE => {
                version_class(reader, "VersionRequest")?;
                Ok(Self::Version)
            }
            FIXED_ID_BYTE => Self::read_fixed(reader),
            FIXED_ID_SHORT => match reader.u16("locator request")? {
                LOCATOR_STATUS => Ok(Self::Status { group: group(reader)? }),
                other => Err(DecodeError::Invalid { field: "locator request", value: i64::from(other) }),
            },
            code => Err(DecodeError::UnknownCode { code }),
        }
    }

    fn read_fixed(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // Fields are read in the order in which they stand here.
        match reader.u8("locator request")? {
            LOCATOR_LIST => Ok(Self::LocatorList { group: group(reader)? }),
            CLIENT_CONNECTION => {
                Ok(Self::ClientConnection { group: group(reader)?, excluded: excluded(reader)? })
            }
            CLIENT_REPLACEMENT => Ok(Self::ClientReplacement {
                group: group(reader)?,
                excluded: excluded(reader)?,
                current: ServerLocation::read(reader)?,
            }),
            GET_ALL_SERVERS => Ok(Self::GetAllServers { group: group(reader)? }),
            QUEUE_CONNECTION => Ok(Self::QueueConnection {
                group: group(reader)?,
                client: ClientId::read(reader)?,
                redundancy: reader.i32("redundancy")?,
                excluded: excluded(reader)?,
                find_durable: reader.bool("find durable")?,
            }),
            other => Err(DecodeError::Invalid { field: "locator request", value: i64::from(other) }),
        }
    }

    /// Writes the request; [`super::open`] comes before it.
    pub fn encode(&self, out: &mut impl BufMut) {
        match self {
            Self::Version => put_version_class(out, "VersionRequest"),
            Self::LocatorList { group } => fixed(out, LOCATOR_LIST, group),
            Self::ClientConnection { group, excluded } => {
                fixed(out, CLIENT_CONNECTION, group);
                put_locations(out, Some(excluded));
            }
            Self::ClientReplacement { group, excluded, current } => {
                fixed(out, CLIENT_REPLACEMENT, group);
                put_locations(out, Some(excluded));
                current.write(out);
            }
            Self::GetAllServers { group } => fixed(out, GET_ALL_SERVERS, group),
            Self::QueueConnection { group, client, redundancy, excluded, find_durable } => {
                fixed(out, QUEUE_CONNECTION, group);
                client.write(out);
                out.put_i32(*redundancy);
                put_locations(out, Some(excluded));
                out.put_u8(u8::from(*find_durable));
            }
            Self::Status { group } => {
                out.put_u8(FIXED_ID_SHORT);
                out.put_u16(LOCATOR_STATUS);
                put_string(out, group.as_deref());
            }
        }
    }
}

impl ClientId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let field = "client id";
        match reader.array(field)? {
            [FIXED_ID_BYTE, CLIENT_PROXY_MEMBERSHIP_ID] => {}
            [_, other] => return Err(DecodeError::Invalid { field, value: i64::from(other) }),
        }
        let identity = reader.byte_array(field)?.unwrap_or_default().to_vec();
        Ok(Self { identity, unique: reader.i32(field)? })
    }

    fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&[FIXED_ID_BYTE, CLIENT_PROXY_MEMBERSHIP_ID]);
        put_byte_array(&self.identity, out);
        out.put_i32(self.unique);
    }
}

/// Reads the class reference of a version message, under either of its packages.
pub(super) fn version_class(reader: &mut Reader<'_>, name: &str) -> Result<(), DecodeError> {
    let field = "class of a version message";
    let code = reader.u8(field)?;
    if code != CLASS {
        return Err(DecodeError::UnknownCode { code });
    }
    let class = string(reader, field)?.unwrap_or_default();
    let known = [WIRE_PACKAGE, REAL_PACKAGE].iter().any(|package| class.strip_prefix(package) == Some(name));
    if known { Ok(()) } else { Err(DecodeError::Invalid { field, value: 0 }) }
}

pub(super) fn put_version_class(out: &mut impl BufMut, name: &str) {
    out.put_slice(&[DATA_SERIALIZABLE, CLASS]);
    put_string(out, Some(&format!("{WIRE_PACKAGE}{name}")));
}

fn fixed(out: &mut impl BufMut, id: u8, group: &Option<String>) {
    out.put_slice(&[FIXED_ID_BYTE, id]);
    put_string(out, group.as_deref());
}

fn group(reader: &mut Reader<'_>) -> Result<Option<String>, DecodeError> {
    string(reader, "server group")
}

fn excluded(reader: &mut Reader<'_>) -> Result<Vec<ServerLocation>, DecodeError> {
    // Geode's locator fails on null, and closes without an answer.
    locations(reader)?.ok_or(DecodeError::Invalid { field: "excluded servers", value: -1 })
}
