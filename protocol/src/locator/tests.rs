//! The bytes are a 1.15.1 client's and a 1.15.1 locator's.

use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

fn server() -> ServerLocation {
    ServerLocation::new("127.0.0.1", 43401)
}

/// A captured request and what it means.
fn requests() -> Vec<(Vec<u8>, VersionOrdinal, Request)> {
    let current = VersionOrdinal::GEODE_1_15_0;
    let any = Some(String::new());
    let version =
        [&hex("000003ea 0023 2d2b57 0037")[..], b"com.gemstone.org.jgroups.stack.tcpserver.VersionRequest"];
    vec![
        (version.concat(), FIRST_QUESTION, Request::Version),
        (hex("000003ea 0096 01ca 45"), current, Request::LocatorList { group: None }),
        (
            hex("000003ea 0096 01cb 570000 00000000"),
            current,
            Request::ClientConnection { group: any.clone(), excluded: vec![] },
        ),
        (hex("000003ea 0096 01d5 570000"), current, Request::GetAllServers { group: any.clone() }),
        (
            hex("000003ea 0096 01cc 570000 0126 03 015c04 00000001 00000001 00000000 01"),
            current,
            Request::QueueConnection {
                group: any.clone(),
                client: ClientId { identity: vec![1, 0x5c, 4], unique: 1 },
                redundancy: 1,
                excluded: vec![],
                find_durable: true,
            },
        ),
        (
            hex("000003ea 0096 01d0 570000 00000000 57 0009 3132372e302e302e31 0000a989"),
            current,
            Request::ClientReplacement { group: any, excluded: vec![], current: server() },
        ),
    ]
}

/// A captured response and what it means.
fn responses() -> Vec<(Vec<u8>, Response)> {
    let version =
        [&hex("2d2b57 0038")[..], b"com.gemstone.org.jgroups.stack.tcpserver.VersionResponse", &hex("0096")];
    let locator = ServerLocation::new("localhost", 43410);
    vec![
        (version.concat(), Response::Version(VersionOrdinal::GEODE_1_15_0)),
        (
            hex("01cd 00000001 57 0009 6c6f63616c686f7374 0000a992 01"),
            Response::LocatorList { locators: vec![locator], balanced: true },
        ),
        (hex("01ce 01 57 0009 3132372e302e302e31 0000a989"), Response::ClientConnection(Some(server()))),
        (hex("01ce 00"), Response::ClientConnection(None)),
        (
            hex("01d6 00000001 57 0009 3132372e302e302e31 0000a989"),
            Response::GetAllServers(Some(vec![server()])),
        ),
        (hex("01d6 ffffffff"), Response::GetAllServers(None)),
        (
            hex("01cf 00 00000001 57 0009 3132372e302e302e31 0000a989"),
            Response::QueueConnection { durable_found: false, servers: vec![server()] },
        ),
    ]
}

#[test]
fn captured_requests_both_ways() {
    for (bytes, expected, meaning) in requests() {
        let Some(Opening::Request { ordinal, consumed }) = Opening::decode(&bytes) else {
            panic!("{meaning:?}")
        };
        assert_eq!(ordinal, expected);
        let body = &bytes[consumed..];
        assert_eq!(Request::decode(body), Ok(Some((meaning.clone(), body.len()))));
        let mut out = Vec::new();
        open(&mut out, ordinal);
        meaning.encode(&mut out);
        assert_eq!(out, bytes, "{meaning:?}");
    }
}

#[test]
fn captured_responses_both_ways() {
    for (bytes, meaning) in responses() {
        assert_eq!(Response::decode(&bytes), Ok(Some((meaning.clone(), bytes.len()))));
        let mut out = Vec::new();
        meaning.encode(&mut out);
        assert_eq!(out, bytes, "{meaning:?}");
    }
}

#[test]
fn every_beginning_asks_for_more() {
    for (bytes, ..) in requests() {
        for end in 0..6 {
            assert_eq!(Opening::decode(&bytes[..end]), None);
        }
        for end in 6..bytes.len() {
            assert_eq!(Request::decode(&bytes[6..end]), Ok(None));
        }
    }
    for (bytes, _) in responses() {
        for end in 0..bytes.len() {
            assert_eq!(Response::decode(&bytes[..end]), Ok(None));
        }
    }
}

#[test]
fn openings_that_are_none() {
    for mode in (100..=107).chain([10]) {
        assert_eq!(Opening::decode(&[mode]), Some(Opening::ServerHandshake));
    }
    assert_eq!(Opening::decode(&[0x16, 3, 1]), Some(Opening::Unknown));
    assert_eq!(Opening::decode(b"GET / HTTP/1.1"), Some(Opening::Unknown));
    assert_eq!(Opening::decode(&hex("000003eb 0096")), Some(Opening::Unknown));
    let old = Opening::Request { ordinal: FIRST_QUESTION, consumed: 4 };
    assert_eq!(Opening::decode(&hex("000003e9")), Some(old));
}

#[test]
fn the_real_package_of_the_version_request_is_accepted() {
    let name = b"org.apache.geode.distributed.internal.tcpserver.VersionRequest";
    let bytes = [&[0x2d, 0x2b, 0x57, 0, name.len() as u8][..], name].concat();
    assert_eq!(Request::decode(&bytes), Ok(Some((Request::Version, bytes.len()))));
}

#[test]
fn hostile_requests_are_errors() {
    // Excluded servers null; a count that nothing holds; a negative one; a port above all ports; an unknown id; a
    // class of somebody else's.
    for bytes in [
        "01cb 570000 ffffffff",
        "01cb 570000 7fffffff",
        "01cb 570000 80000000",
        "01d0 570000 00000000 570001 61 00010000",
        "01c0",
        "02 0000",
        "2d 2b 570004 4576696c",
        "2c aced0005",
    ] {
        assert!(Request::decode(&hex(bytes)).is_err(), "{bytes}");
    }
    let mut endless = hex("01cb 570000 00001000");
    endless.resize(MAX_BYTES, 0x45);
    assert!(Request::decode(&endless).is_err());
}

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9.\u{e9}\u{4e2d}\u{1f600}-]{0,40}"
}

fn location() -> impl Strategy<Value = ServerLocation> {
    (name(), any::<u16>()).prop_map(|(host, port)| ServerLocation { host, port })
}

fn locations() -> impl Strategy<Value = Vec<ServerLocation>> {
    proptest::collection::vec(location(), 0..5)
}

fn group() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(name())
}

fn request() -> impl Strategy<Value = Request> {
    let client = (proptest::collection::vec(any::<u8>(), 0..300), any::<i32>())
        .prop_map(|(identity, unique)| ClientId { identity, unique });
    prop_oneof![
        Just(Request::Version),
        group().prop_map(|group| Request::LocatorList { group }),
        (group(), locations()).prop_map(|(group, excluded)| Request::ClientConnection { group, excluded }),
        (group(), locations(), location())
            .prop_map(|(group, excluded, current)| Request::ClientReplacement { group, excluded, current }),
        group().prop_map(|group| Request::GetAllServers { group }),
        (group(), client, any::<i32>(), locations(), any::<bool>()).prop_map(
            |(group, client, redundancy, excluded, find_durable)| Request::QueueConnection {
                group,
                client,
                redundancy,
                excluded,
                find_durable
            }
        ),
        group().prop_map(|group| Request::Status { group }),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    prop_oneof![
        any::<i16>().prop_map(|ordinal| Response::Version(VersionOrdinal(ordinal))),
        (locations(), any::<bool>())
            .prop_map(|(locators, balanced)| Response::LocatorList { locators, balanced }),
        proptest::option::of(location()).prop_map(Response::ClientConnection),
        proptest::option::of(locations()).prop_map(Response::GetAllServers),
        (any::<bool>(), locations())
            .prop_map(|(durable_found, servers)| Response::QueueConnection { durable_found, servers }),
    ]
}

proptest! {
    #[test]
    fn requests_come_back_as_they_went(request in request()) {
        let mut out = Vec::new();
        request.encode(&mut out);
        prop_assert_eq!(Request::decode(&out), Ok(Some((request, out.len()))));
    }

    #[test]
    fn responses_come_back_as_they_went(response in response()) {
        let mut out = Vec::new();
        response.encode(&mut out);
        prop_assert_eq!(Response::decode(&out), Ok(Some((response, out.len()))));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Opening::decode(&bytes);
        let _ = Request::decode(&bytes);
        let _ = Response::decode(&bytes);
    }
}
