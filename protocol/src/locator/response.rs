//! What a locator answers.

use bytes::BufMut;

use super::request::{put_version_class, version_class};
use super::wire::{locations, put_locations};
use super::{ServerLocation, incremental};
use crate::DecodeError;
use crate::codec::Reader;
use crate::version::VersionOrdinal;

const FIXED_ID_BYTE: u8 = 0x01;
const DATA_SERIALIZABLE: u8 = 0x2d;

const LOCATOR_LIST: u8 = 0xcd;
const CLIENT_CONNECTION: u8 = 0xce;
const QUEUE_CONNECTION: u8 = 0xcf;
const GET_ALL_SERVERS: u8 = 0xd6;

/// An answer of a locator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// To `Version`: what the locator speaks, and wants to be spoken to in.
    Version(VersionOrdinal),
    /// To `LocatorList`.
    LocatorList {
        /// The locators there are.
        locators: Vec<ServerLocation>,
        /// Whether load is spread evenly, so that clients need not move.
        balanced: bool,
    },
    /// To `ClientConnection` and `ClientReplacement`: a server, or none.
    ClientConnection(Option<ServerLocation>),
    /// To `GetAllServers`; `None` where there is none.
    GetAllServers(Option<Vec<ServerLocation>>),
    /// To `QueueConnection`.
    QueueConnection {
        /// Whether a durable queue of that client exists.
        durable_found: bool,
        /// The servers for the feed, best first.
        servers: Vec<ServerLocation>,
    },
}

impl Response {
    /// Reads a response and says how long it was; `Ok(None)` if it is not complete yet.
    ///
    /// # Errors
    /// If it is no response.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        incremental(bytes, Self::read)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8("locator response")? {
            DATA_SERIALIZABLE => {
                version_class(reader, "VersionResponse")?;
                Ok(Self::Version(VersionOrdinal(reader.i16("version of the locator")?)))
            }
            FIXED_ID_BYTE => Self::read_fixed(reader),
            code => Err(DecodeError::UnknownCode { code }),
        }
    }

    fn read_fixed(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8("locator response")? {
            LOCATOR_LIST => Ok(Self::LocatorList {
                locators: locations(reader)?.unwrap_or_default(),
                balanced: reader.bool("balanced")?,
            }),
            CLIENT_CONNECTION => Ok(Self::ClientConnection(match reader.bool("server found")? {
                true => Some(ServerLocation::read(reader)?),
                false => None,
            })),
            GET_ALL_SERVERS => Ok(Self::GetAllServers(locations(reader)?)),
            QUEUE_CONNECTION => Ok(Self::QueueConnection {
                durable_found: reader.bool("durable queue found")?,
                servers: locations(reader)?.unwrap_or_default(),
            }),
            other => Err(DecodeError::Invalid { field: "locator response", value: i64::from(other) }),
        }
    }

    /// Writes the response.
    pub fn encode(&self, out: &mut impl BufMut) {
        match self {
            Self::Version(ordinal) => {
                put_version_class(out, "VersionResponse");
                out.put_i16(ordinal.0);
            }
            Self::LocatorList { locators, balanced } => {
                out.put_slice(&[FIXED_ID_BYTE, LOCATOR_LIST]);
                put_locations(out, Some(locators));
                out.put_u8(u8::from(*balanced));
            }
            Self::ClientConnection(server) => {
                out.put_slice(&[FIXED_ID_BYTE, CLIENT_CONNECTION, u8::from(server.is_some())]);
                if let Some(server) = server {
                    server.write(out);
                }
            }
            Self::GetAllServers(servers) => {
                out.put_slice(&[FIXED_ID_BYTE, GET_ALL_SERVERS]);
                put_locations(out, servers.as_deref());
            }
            Self::QueueConnection { durable_found, servers } => {
                out.put_slice(&[FIXED_ID_BYTE, QUEUE_CONNECTION, u8::from(*durable_found)]);
                put_locations(out, Some(servers));
            }
        }
    }
}
