//! A client's identity on a server (Geode `ClientProxyMembershipID`, fixed id 38).

use std::hash::{Hash, Hasher};
use std::time::Duration;

use bytes::{BufMut, Bytes};

use super::member::Member;
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::put_byte_array;

const HEADER: [u8; 2] = [0x01, 0x26];
/// The longest identity. Real ones have some 80 bytes; names and durable ids make them longer.
const MAX_IDENTITY: usize = 4096;

/// The member bytes that all connections of a client pool repeat, and the pool's counter. Two are the same client if the
/// counters are equal and either both have the same durable id or the bytes are identical.
#[derive(Debug, Clone)]
pub struct ClientProxyMembershipId {
    identity: Bytes,
    unique_id: i32,
    durable_id: Option<String>,
    durable_timeout_s: i32,
    essential: Bytes,
}

impl ClientProxyMembershipId {
    /// An identity from serialized member bytes.
    ///
    /// # Errors
    /// If they are no member.
    pub fn new(identity: &[u8], unique_id: i32) -> Result<Self, DecodeError> {
        let member = Member::decode(identity)?;
        let essential = Bytes::from(member.essential());
        let durable_timeout_s = member.durable_timeout_s;
        let durable_id = member.durable_id.filter(|id| !id.is_empty());
        let identity = Bytes::copy_from_slice(identity);
        Ok(Self { identity, unique_id, durable_id, durable_timeout_s, essential })
    }

    /// Reads `01 26`, the member bytes and the counter.
    ///
    /// # Errors
    /// If the bytes are no identity, or one above any sane length.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header: [u8; 2] = reader.array("client id header")?;
        if header != HEADER {
            let value = i64::from(u16::from_be_bytes(header));
            return Err(DecodeError::Invalid { field: "client id header", value });
        }
        let length = reader.array_length("client identity")?.unwrap_or(0);
        if length > MAX_IDENTITY {
            let (value, limit) = (length as u64, MAX_IDENTITY as u64);
            return Err(DecodeError::TooLarge { field: "client identity", value, limit });
        }
        let identity = reader.bytes(length, "client identity")?;
        let unique_id = reader.i32("client counter")?;
        Self::new(identity, unique_id)
    }

    /// Writes what [`ClientProxyMembershipId::read`] reads.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&HEADER);
        put_byte_array(&self.identity, out);
        out.put_i32(self.unique_id);
    }

    /// The serialized member.
    #[must_use]
    pub fn identity(&self) -> &Bytes {
        &self.identity
    }

    /// The pool's counter.
    #[must_use]
    pub const fn unique_id(&self) -> i32 {
        self.unique_id
    }

    /// The durable id, if the client is durable.
    #[must_use]
    pub fn durable_id(&self) -> Option<&str> {
        self.durable_id.as_deref()
    }

    /// How long a durable client's queue is to be kept while the client is away, `None` if it is not durable. It is no part
    /// of who the client is: one that comes back may say something else, and that counts from then on.
    #[must_use]
    pub fn durable_timeout(&self) -> Option<Duration> {
        self.durable_id.as_ref()?;
        Some(Duration::from_secs(u64::try_from(self.durable_timeout_s).unwrap_or(0)))
    }

    /// The member's short form, by which event ids are told apart.
    #[must_use]
    pub const fn essential(&self) -> &Bytes {
        &self.essential
    }

    /// The member, for logs.
    ///
    /// # Errors
    /// Never after a successful construction.
    pub fn member(&self) -> Result<Member, DecodeError> {
        Member::decode(&self.identity)
    }
}

impl PartialEq for ClientProxyMembershipId {
    fn eq(&self, other: &Self) -> bool {
        self.unique_id == other.unique_id
            && match (&self.durable_id, &other.durable_id) {
                (Some(ours), Some(theirs)) => ours == theirs,
                (None, None) => self.identity == other.identity,
                _ => false,
            }
    }
}

impl Eq for ClientProxyMembershipId {}

impl Hash for ClientProxyMembershipId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.unique_id.hash(state);
        match &self.durable_id {
            Some(id) => id.hash(state),
            None => self.identity.hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::MemberKind;

    fn id(durable: &str, port: i32, counter: i32) -> ClientProxyMembershipId {
        let mut member = Member::new(&[127, 0, 0, 1], port, "h", MemberKind::Loner, "tag");
        member.durable_id = Some(durable.to_owned());
        let mut bytes = Vec::new();
        member.encode(&mut bytes);
        ClientProxyMembershipId::new(&bytes, counter).unwrap()
    }

    #[test]
    fn equality_follows_geode() {
        assert_eq!(id("", 1, 1), id("", 1, 1));
        assert_ne!(id("", 1, 1), id("", 2, 1));
        assert_ne!(id("", 1, 1), id("", 1, 2));
        assert_eq!(id("d", 1, 1), id("d", 2, 1), "a durable client may come from another port");
        assert_ne!(id("d", 1, 1), id("e", 1, 1));
        assert_ne!(id("d", 1, 1), id("d", 1, 2));
        assert_ne!(id("d", 1, 1), id("", 1, 1));
    }

    #[test]
    fn only_a_durable_client_has_a_timeout() {
        assert_eq!(id("d", 1, 1).durable_timeout(), Some(Duration::from_secs(300)));
        assert_eq!(id("", 1, 1).durable_timeout(), None);
        let mut member = id("d", 1, 1).member().unwrap();
        for (said, counted) in [(12, 12), (0, 0), (-1, 0)] {
            member.durable_timeout_s = said;
            let mut bytes = Vec::new();
            member.encode(&mut bytes);
            let other = ClientProxyMembershipId::new(&bytes, 1).unwrap();
            assert_eq!(other.durable_timeout(), Some(Duration::from_secs(counted)));
            assert_eq!(other, id("d", 1, 1));
        }
    }

    #[test]
    fn it_round_trips() {
        let mut bytes = Vec::new();
        id("d", 7, 3).write(&mut bytes);
        let mut reader = Reader::new(&bytes);
        let again = ClientProxyMembershipId::read(&mut reader).unwrap();
        assert!(reader.is_empty());
        assert_eq!((again.durable_id(), again.unique_id()), (Some("d"), 3));
    }
}
