//! Any hello and answer there and back, byte by byte; any bytes survived.

use proptest::prelude::*;

use super::*;
use crate::auth::Credentials;
use crate::codec::Reader;
use crate::version::VersionOrdinal;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;

/// Every beginning is waited for; the whole is read to its end and no further.
fn check_incremental<'a, T: PartialEq + std::fmt::Debug, E: std::fmt::Debug>(
    bytes: &'a [u8],
    expected: &T,
    decode: impl Fn(&'a [u8]) -> Result<Option<(T, usize)>, E>,
    size: usize,
) {
    for end in 0..size {
        assert!(decode(&bytes[..end]).unwrap().is_none(), "{end} of {size}");
    }
    let (read, read_size) = decode(bytes).unwrap().unwrap();
    assert_eq!((&read, read_size), (expected, size));
}

fn with_rest(mut bytes: Vec<u8>) -> (Vec<u8>, usize) {
    let size = bytes.len();
    bytes.extend([0, 0, 0, 5, 0, 0]);
    (bytes, size)
}

fn any_credentials() -> impl Strategy<Value = Option<Credentials>> {
    let pairs = proptest::collection::vec((any::<String>(), any::<String>()), 0..3);
    proptest::option::of(pairs.prop_map(|pairs| {
        pairs.into_iter().fold(Credentials::new(), |all, (name, value)| all.with(name, value))
    }))
}

fn any_member() -> impl Strategy<Value = Member> {
    let address = prop_oneof![any::<[u8; 4]>().prop_map(Vec::from), any::<[u8; 16]>().prop_map(Vec::from),];
    let place = (address, any::<i32>(), any::<String>(), any::<u8>());
    let process = (any::<i32>(), any::<i32>(), any::<u8>(), proptest::collection::vec(any::<String>(), 0..3));
    let names = (any::<String>(), any::<String>(), any::<String>(), any::<i32>());
    let rest = (45_i16..200, any::<(u64, u64)>(), any::<u8>());
    (place, process, names, rest).prop_map(|(place, process, names, rest)| {
        let kind = [MemberKind::Normal, MemberKind::Locator, MemberKind::AdminOnly, MemberKind::Loner];
        let kind = kind.get(usize::from(process.2)).copied().unwrap_or(MemberKind::Other(process.2 | 0x80));
        Member {
            flags: place.3 & 3,
            direct_port: process.0,
            process_id: process.1,
            groups: process.3,
            name: names.0,
            durable_id: Some(names.2),
            durable_timeout_s: names.3,
            version: Some(VersionOrdinal(rest.0)),
            uuid: rest.1,
            weight: rest.2,
            ..Member::new(&place.0, place.1, place.2, kind, names.1)
        }
    })
}

fn encoded(member: &Member) -> Vec<u8> {
    let mut out = Vec::new();
    member.encode(&mut out);
    out
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

#[test]
fn a_cpp_client_may_leave_its_durable_id_out_and_grow_a_longer_version() {
    for (version, expected) in [("7d", VersionOrdinal::GEODE_1_14_0), ("ff0096", NEW)] {
        for durable in ["", "570006 5f67656d5f70 0000012c"] {
            let bytes = hex(&format!(
                "015c 047f000001 00000002 570001 68 00 0000302e 00000001 0d 00 570002 6473
                 570008 4e61746976655f78 {durable} {version}"
            ));
            let member = Member::decode(&bytes).unwrap();
            assert_eq!((member.version, &member.tag[..]), (Some(expected), "Native_x"));
            assert_eq!(member.is_durable(), !durable.is_empty());
        }
    }
}

#[test]
fn a_newer_member_may_have_more_to_say() {
    let member = Member::new(&[127, 0, 0, 1], 1, "h", MemberKind::Loner, "t");
    let longer = [&encoded(&member)[..], &[1, 2, 3]].concat();
    assert_eq!(Member::decode(&longer), Ok(member));
}

#[test]
fn a_member_of_gemfire_8_has_no_uuid() {
    let version = Some(VersionOrdinal::GFE_81);
    let member = Member { version, ..Member::new(&[127, 0, 0, 1], 1, "h", MemberKind::Loner, "t") };
    assert_eq!(encoded(&member).last(), Some(&35));
    assert_eq!(Member::decode(&encoded(&member)), Ok(member));
}

fn feed_hello(security: SecurityMode) -> Vec<u8> {
    let member = encoded(&Member::new(&[127, 0, 0, 1], 1, "h", MemberKind::Loner, "t"));
    let mut out = Vec::new();
    ClientHello {
        mode: CommunicationMode::PrimaryServerToClient,
        version: NEW,
        read_timeout_ms: 0,
        client_id: ClientProxyMembershipId::new(&member, 1).unwrap(),
        conflation: 0,
        security,
    }
    .encode(&mut out);
    out
}

#[test]
fn null_credentials_on_a_feed_are_written_as_null() {
    let bytes = feed_hello(SecurityMode::Normal(None));
    assert_eq!(bytes.last(), Some(&0xff));
    let (hello, size) = ClientHello::decode(&bytes).unwrap().unwrap();
    assert_eq!((hello.security, size), (SecurityMode::Normal(None), bytes.len()));
}

#[test]
fn a_hello_that_could_never_end_is_refused_and_not_waited_for() {
    let mut bytes = feed_hello(SecurityMode::Normal(None));
    bytes.pop();
    let many_small = [&[3][..], &[0x57, 0xff, 0xff], &[b'x'; 65_535], &[0x57, 0xff, 0xff]].concat();
    for hostile in [
        &[1, 0x58, 0x7f, 0xff, 0xff, 0xff][..],
        &[0xfd, 0, 0xff, 0, 0],
        &[1, 0x59, 0x40, 0, 0, 0],
        &many_small,
    ] {
        let error = ClientHello::decode(&[&bytes[..], hostile].concat()).unwrap_err();
        assert!(matches!(error, HelloError::Malformed(DecodeError::TooLarge { .. })), "{error}");
    }
}

proptest! {
    #[test]
    fn any_member_there_and_back(member in any_member()) {
        let bytes = encoded(&member);
        prop_assert_eq!(Member::decode(&bytes), Ok(member));
        for end in 0..bytes.len() - 17 {
            prop_assert!(Member::decode(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn any_hello_there_and_back(
        mode in proptest::sample::select(vec![100, 101, 102, 103, 107_u8]),
        version in proptest::sample::select(&VersionOrdinal::ACCEPTED[..]),
        member in any_member(),
        numbers in any::<(i32, i32)>(),
        conflation in 0..3_u8,
        secured: bool,
        credentials in any_credentials(),
    ) {
        let mode = CommunicationMode::from_wire(mode).unwrap();
        let shown = credentials.filter(|_| mode.shows_credentials());
        let client_id = ClientProxyMembershipId::new(&encoded(&member), numbers.1).unwrap();
        let hello = ClientHello {
            mode,
            version,
            read_timeout_ms: if mode.is_feed() { 0 } else { numbers.0 },
            client_id,
            conflation,
            security: if secured { SecurityMode::Normal(shown) } else { SecurityMode::None },
        };
        let mut out = Vec::new();
        hello.encode(&mut out);
        let (bytes, size) = with_rest(out);
        check_incremental(&bytes, &hello, ClientHello::decode, size);
    }

    #[test]
    fn any_identity_there_and_back(member in any_member(), counter: i32) {
        let id = ClientProxyMembershipId::new(&encoded(&member), counter).unwrap();
        let mut out = Vec::new();
        id.write(&mut out);
        for end in 0..out.len() {
            prop_assert!(ClientProxyMembershipId::read(&mut Reader::new(&out[..end])).is_err());
        }
        prop_assert_eq!(ClientProxyMembershipId::read(&mut Reader::new(&out)), Ok(id));
    }

    #[test]
    fn any_welcome_there_and_back(
        code in proptest::sample::select(vec![59, 60, 61, 62, 63, 64_u8]),
        numbers in any::<(u8, i32)>(),
        member in proptest::collection::vec(any::<u8>(), 0..300),
        message in "\\PC{0,40}",
        delta_propagation: bool,
    ) {
        let (endpoint_type, queue_size) = numbers;
        let welcome = Welcome { code, endpoint_type, queue_size, member, message, delta_propagation };
        let mut out = Vec::new();
        welcome.encode(&mut out);
        let (bytes, size) = with_rest(out);
        check_incremental(&bytes, &welcome, Welcome::decode, size);
    }

    #[test]
    fn any_feed_welcome_there_and_back(
        code in proptest::sample::select(vec![105, 60, 61, 62, 63_u8]),
        numbers in any::<(u8, i32, i32)>(),
        message in "\\PC{0,40}",
    ) {
        let (endpoint_type, queue_size, ping_interval_ms) = numbers;
        let welcome = FeedWelcome { code, endpoint_type, queue_size, message, ping_interval_ms };
        let mut out = Vec::new();
        welcome.encode(NEW, &mut out);
        let (bytes, size) = with_rest(out);
        check_incremental(&bytes, &welcome, FeedWelcome::decode, size);
    }

    #[test]
    fn any_gateway_welcome_there_and_back(
        member in proptest::collection::vec(any::<u8>(), 0..300),
        credentials in any_credentials(),
        numbers in any::<(i8, i32)>(),
    ) {
        let (distributed_system_id, pdx_registry_size) = numbers;
        let welcome = GatewayWelcome { version: NEW, member, credentials, distributed_system_id, pdx_registry_size };
        let mut out = Vec::new();
        welcome.encode(&mut out);
        let (bytes, size) = with_rest(out);
        check_incremental(&bytes, &GatewayAnswer::Accepted(welcome), GatewayAnswer::decode, size);
    }

    #[test]
    fn any_bytes_are_survived(mode in 100..108_u8, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for version in [&[0x7d_u8][..], &[0xff, 0, 150]] {
            let hello = [&[mode][..], version, &[59], &bytes].concat();
            let _ = ClientHello::decode(&hello);
        }
        let _ = Welcome::decode(&[&[59][..], &bytes].concat());
        let _ = FeedWelcome::decode(&[&[105][..], &bytes].concat());
        let _ = GatewayAnswer::decode(&[&[65][..], &bytes].concat());
        let _ = Member::decode(&[&[0x01, 0x5c, 4, 1, 2, 3, 4, 0, 0, 0, 1][..], &bytes].concat());
    }
}
