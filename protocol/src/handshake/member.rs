//! Member identities (Geode `InternalDistributedMember`, fixed id 92).

use bytes::BufMut;

use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::{put_array_length, put_byte_array, put_str};
use crate::version::VersionOrdinal;
use crate::wire::read_str;

/// The group by which a Druse node says that requests may be pipelined. Geode clients pass over groups.
pub const PIPELINED_GROUP: &str = "druse-pipelined";

/// Fixed-id byte code and id of a member.
const HEADER: [u8; 2] = [0x01, 0x5c];
const FLAG_PARTIAL: u8 = 0x04;
const FLAG_VERSION: u8 = 0x08;
/// How many groups a peer may claim. Real ones have a handful.
const MAX_GROUPS: usize = 256;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberKind {
    /// An ordinary member of a cluster.
    Normal,
    /// A locator.
    Locator,
    /// An administrator.
    AdminOnly,
    /// Alone: all clients, and servers without a locator.
    Loner,
    /// A number that nobody has given a name.
    Other(u8),
}

impl MemberKind {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::Normal => 10,
            Self::Locator => 11,
            Self::AdminOnly => 12,
            Self::Loner => 13,
            Self::Other(other) => other,
        }
    }

    const fn from_wire(byte: u8) -> Self {
        match byte {
            10 => Self::Normal,
            11 => Self::Locator,
            12 => Self::AdminOnly,
            13 => Self::Loner,
            other => Self::Other(other),
        }
    }
}

/// A member, read from or ready for the wire. Text is held as text: nobody compares these fields byte by byte; where
/// identity counts, the original bytes are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// IPv4 or IPv6 address bytes.
    pub address: Vec<u8>,
    /// Membership port: a client's local port, or 0.
    pub port: i32,
    /// Host name.
    pub host: String,
    /// Flag bits as they came, without the version and partial bits.
    pub flags: u8,
    /// Direct channel port; 0 for clients.
    pub direct_port: i32,
    /// Process id.
    pub process_id: i32,
    /// What it is.
    pub kind: MemberKind,
    /// Groups.
    pub groups: Vec<String>,
    /// Name, perhaps empty.
    pub name: String,
    /// A loner's unique tag, else its view as a number.
    pub tag: String,
    /// Durable client id, empty if the client is not durable. `None` where a C++ client leaves it out.
    pub durable_id: Option<String>,
    /// Durable time-out in seconds.
    pub durable_timeout_s: i32,
    /// Version, if the bytes say it.
    pub version: Option<VersionOrdinal>,
    /// UUID, most and least significant half.
    pub uuid: (u64, u64),
    /// Member weight.
    pub weight: u8,
}

impl Member {
    /// A member without groups, name or durable id.
    #[must_use]
    pub fn new(
        address: &[u8],
        port: i32,
        host: impl Into<String>,
        kind: MemberKind,
        tag: impl Into<String>,
    ) -> Self {
        Self {
            address: address.to_vec(),
            port,
            host: host.into(),
            flags: 0x01,
            direct_port: 0,
            process_id: 0,
            kind,
            groups: Vec::new(),
            name: String::new(),
            tag: tag.into(),
            durable_id: Some(String::new()),
            durable_timeout_s: 300,
            version: Some(VersionOrdinal::GEODE_1_15_0),
            uuid: (0, 0),
            weight: 0,
        }
    }

    /// Whether the member allows requests to be pipelined.
    #[must_use]
    pub fn is_pipelined(&self) -> bool {
        self.groups.iter().any(|group| group == PIPELINED_GROUP)
    }

    /// Whether the identity is that of a durable client.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.durable_id.as_deref().is_some_and(|id| !id.is_empty())
    }

    /// Reads a whole member, `01 5c` included. The last fields may be missing, as in identities of C++ clients, and bytes
    /// may follow that a newer member has more to say with.
    ///
    /// # Errors
    /// If the bytes are no member.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(&mut Reader::new(bytes))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header: [u8; 2] = reader.array("member header")?;
        if header != HEADER {
            return Err(DecodeError::Invalid {
                field: "member header",
                value: i64::from(u16::from_be_bytes(header)),
            });
        }
        let address = address(reader)?;
        let port = reader.i32("membership port")?;
        let host = text(reader, "host name")?;
        let flags = reader.u8("member flags")?;
        let direct_port = reader.i32("direct channel port")?;
        let process_id = reader.i32("process id")?;
        let kind = MemberKind::from_wire(reader.u8("member kind")?);
        let groups = groups(reader)?;
        let name = text(reader, "member name")?;
        let tag = text(reader, "unique tag")?;
        let (durable_id, durable_timeout_s) = durable(reader)?;
        let version = match flags & FLAG_VERSION != 0 || (durable_id.is_none() && !reader.is_empty()) {
            true => Some(VersionOrdinal::read(reader)?),
            false => None,
        };
        let mut member = Self {
            address,
            port,
            host,
            flags: flags & !(FLAG_VERSION | FLAG_PARTIAL),
            direct_port,
            process_id,
            kind,
            groups,
            name,
            tag,
            durable_id,
            durable_timeout_s,
            version,
            uuid: (0, 0),
            weight: 0,
        };
        member.read_tail(reader)?;
        Ok(member)
    }

    /// UUID and weight: the bytes may end anywhere in them, and members before Geode 1.0 have neither.
    fn read_tail(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        if self.version.is_none() && only_version_left(reader) {
            // A C++ client writes its version without announcing it.
            self.version = Some(VersionOrdinal::read(reader)?);
            return Ok(());
        }
        if self.has_tail() && reader.remaining() >= 16 {
            self.uuid = (reader.u64("uuid")?, reader.u64("uuid")?);
            self.weight = reader.u8("member weight").unwrap_or_default();
        }
        Ok(())
    }

    fn has_tail(&self) -> bool {
        self.version.is_none_or(|version| version >= VersionOrdinal::GFE_90)
    }

    /// Writes the whole member, `01 5c` included.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&HEADER);
        self.put_address(out);
        out.put_i32(self.port);
        put_str(&self.host, out);
        out.put_u8(self.flags | if self.version.is_some() { FLAG_VERSION } else { 0 });
        out.put_i32(self.direct_port);
        out.put_i32(self.process_id);
        out.put_u8(self.kind.to_wire());
        put_array_length(Some(self.groups.len()), out);
        for group in &self.groups {
            put_str(group, out);
        }
        put_str(&self.name, out);
        put_str(&self.tag, out);
        put_str(self.durable_id.as_deref().unwrap_or_default(), out);
        out.put_i32(self.durable_timeout_s);
        if let Some(version) = self.version {
            version.write(out);
        }
        if self.has_tail() {
            out.put_u64(self.uuid.0);
            out.put_u64(self.uuid.1);
            out.put_u8(self.weight);
        }
    }

    /// The short form that stands in event ids and version tags (Geode `writeEssentialData`).
    #[must_use]
    pub fn essential(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.tag.len() + self.name.len());
        self.put_address(&mut out);
        out.put_i32(self.port);
        out.put_u8(self.flags | FLAG_PARTIAL);
        out.put_u8(self.kind.to_wire());
        put_str(&self.tag, &mut out);
        put_str(&self.name, &mut out);
        out
    }

    fn put_address(&self, out: &mut impl BufMut) {
        put_byte_array(&self.address, out);
    }
}

fn address(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let address = reader.byte_array("member address")?.unwrap_or_default();
    match address.len() {
        0 | 4 | 16 => Ok(address.to_vec()),
        other => Err(DecodeError::Invalid { field: "length of the member address", value: other as i64 }),
    }
}

/// A text; null is empty, as Geode makes of it.
fn text(reader: &mut Reader<'_>, field: &'static str) -> Result<String, DecodeError> {
    Ok(read_str(reader, field)?.unwrap_or_default().into_owned())
}

fn groups(reader: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let count = reader.array_length("groups")?.unwrap_or(0);
    if count > MAX_GROUPS {
        return Err(DecodeError::TooLarge { field: "groups", value: count as u64, limit: MAX_GROUPS as u64 });
    }
    (0..count).map(|_| text(reader, "group")).collect()
}

fn only_version_left(reader: &Reader<'_>) -> bool {
    matches!(reader.rest(), [short] if *short < 0x80) || matches!(reader.rest(), [0xff, _, _])
}

/// C++ clients without a durable id leave both fields out; what follows then is the version byte, or nothing.
fn durable(reader: &mut Reader<'_>) -> Result<(Option<String>, i32), DecodeError> {
    match reader.rest().first() {
        Some(0x57 | 0x2a | 0x45 | 0x58 | 0x59) => {
            let id = text(reader, "durable id")?;
            Ok((Some(id), reader.i32("durable time-out")?))
        }
        _ => Ok((None, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// A 1.15.1 client's, as captured.
    const CLIENT: &str = "015c 04c0000202 0000b6ee 570009 3139322e302e322e32 09 00000000 00003c54 0d 00 570000 570008 \
                          3638386561353038 570000 0000012c ff0096 0000000000000000 0000000000000000 00";
    /// A 1.15.1 server's, as captured.
    const SERVER: &str = "015c 047f000001 0000a02a 570009 3132372e302e302e31 0b 0000e173 00007449 0a 00 570004 73727631 \
                          570001 30 570000 0000012c ff0096 fd2395039f2bfb2b c4ecdcccd8a15464 00";

    #[test]
    fn captured_members_round_trip_byte_for_byte() {
        for text in [CLIENT, SERVER] {
            let bytes = hex(text);
            let member = Member::decode(&bytes).unwrap();
            assert_eq!(member.version, Some(VersionOrdinal::GEODE_1_15_0));
            let mut again = Vec::new();
            member.encode(&mut again);
            assert_eq!(again, bytes);
        }
        assert_eq!(Member::decode(&hex(CLIENT)).unwrap().kind, MemberKind::Loner);
    }

    #[test]
    fn the_essential_form_as_captured() {
        let mut member = Member::new(&[127, 0, 0, 1], 0xa02a, "127.0.0.1", MemberKind::Normal, "0");
        member.name = "srv1".to_owned();
        member.flags = 0x03;
        assert_eq!(member.essential(), hex("047f000001 0000a02a 07 0a 570001 30 570004 73727631"));
    }

    #[test]
    fn every_truncation_is_an_error_or_a_tolerated_tail() {
        let bytes = hex(CLIENT);
        for end in 0..bytes.len() - 17 {
            assert!(Member::decode(&bytes[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn an_identity_of_a_cpp_client_is_read() {
        let mut bytes = hex(
            "015c 047f000001 00000002 570009 3132372e302e302e31 00 0000302e 00000007 0d 00 570002 6473 57000a",
        );
        bytes.extend(b"Native_abc");
        bytes.extend(hex("570004 5f67656d 0000012c 7d"));
        let member = Member::decode(&bytes).unwrap();
        assert_eq!(member.durable_id.as_deref(), Some("_gem"));
        assert_eq!(member.version, Some(VersionOrdinal::GEODE_1_14_0));
    }

    #[test]
    fn too_many_groups_are_refused() {
        let mut bytes = hex("015c 00 00000000 570000 00 00000000 00000000 0d fdffffff");
        bytes.push(0x7f);
        assert!(Member::decode(&bytes).is_err());
    }
}
