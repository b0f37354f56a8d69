//! The examples of `proxy-protocol.txt`, every way to cut a header short, and every header that we
//! can print.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn forwarded(client: &str, server: &str, extras: Extras) -> Header {
    Header::Forwarded(Box::new(Forwarded {
        client: address(client),
        server: address(server),
        extras,
    }))
}

/// A whole header, or what is wrong with it. Nothing may depend on what follows it, and every
/// beginning must ask for more octets, and for none that are not the header's.
fn whole(octets: &[u8]) -> Result<Header, Malformed> {
    let read = match parse(octets) {
        Ok(Parsed::Whole(header, length)) => {
            assert_eq!(length, octets.len(), "{octets:?}");
            for short in 0..octets.len() {
                match parse(&octets[..short]) {
                    Ok(Parsed::More(more)) => {
                        assert!(
                            more > 0 && short + more <= octets.len(),
                            "{short} of {octets:?}"
                        );
                    }
                    other => panic!("{short} of {octets:?}: {other:?}"),
                }
            }
            Ok(header)
        }
        Ok(Parsed::More(more)) => panic!("{more} more wanted behind {octets:?}"),
        Err(why) => Err(why),
    };
    for after in [&b"CAPA\r\n"[..], b"\0", b"\x16\x03\x01", octets] {
        let followed = [octets, after].concat();
        match parse(&followed) {
            Ok(Parsed::Whole(header, length)) => {
                assert_eq!((Ok(header), length), (read.clone(), octets.len()));
            }
            Err(why) => assert_eq!(Err(why), read),
            Ok(Parsed::More(_)) => panic!("{followed:?}"),
        }
    }
    read
}

/// A block of version 2 with its length.
fn block(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [v2::SIGNATURE, &[0x20 | command, family], &length, rest].concat()
}

fn part(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// 192.0.2.7:51234 to 198.51.100.1:995.
const V4: &[u8] = b"\xc0\0\x02\x07\xc6\x33\x64\x01\xc8\x22\x03\xe3";

fn v4(extras: Extras) -> Header {
    forwarded("192.0.2.7:51234", "198.51.100.1:995", extras)
}

#[test]
fn lines_of_the_specification() {
    for (line, header) in [
        (
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            forwarded("192.168.0.1:56324", "192.168.0.11:443", Extras::default()),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            forwarded(
                "255.255.255.255:65535",
                "255.255.255.255:65535",
                Extras::default(),
            ),
        ),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             FFFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            forwarded(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                Extras::default(),
            ),
        ),
        (
            "PROXY TCP6 :: ::1 0 0\r\n",
            forwarded("[::]:0", "[::1]:0", Extras::default()),
        ),
        ("PROXY UNKNOWN\r\n", Header::Own),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Header::Own,
        ),
        ("PROXY UNKNOWN  what\x7fever\t\0\r\n", Header::Own),
    ] {
        assert_eq!(whole(line.as_bytes()), Ok(header), "{line}");
    }
}

#[test]
fn lines_that_are_nearly_right() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert_eq!(long.len(), 108);
    for (line, why) in [
        ("PROXY\r\n", Malformed::NoHeader),
        ("PROXY \r\n", Malformed::Line),
        ("proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n", Malformed::NoHeader),
        (" PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n", Malformed::NoHeader),
        ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n", Malformed::Line),
        ("PROXY tcp4 1.2.3.4 1.2.3.4 1 1\r\n", Malformed::Line),
        ("PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n", Malformed::Line),
        ("PROXY UNKNOWNS 1.2.3.4\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3 1.2.3.4 1 1234\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.4 ::1 12345 12345\r\n", Malformed::Line),
        ("PROXY TCP6 1.2.3.4 ::1 1 1\r\n", Malformed::Line),
        ("PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", Malformed::Line),
        ("PROXY TCP6 [::1] ::1 1 1\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", Malformed::Line),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n", Malformed::LineEnd),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r 1\r\n", Malformed::LineEnd),
        ("PROXY UNKNOWN\n\r\n", Malformed::LineEnd),
        (&long, Malformed::LineTooLong),
        ("USER bob\r\n", Malformed::NoHeader),
        ("\r\n", Malformed::NoHeader),
        ("\x16\x03\x01", Malformed::NoHeader),
    ] {
        let octets = line.as_bytes();
        // The CRLF of a command may begin a block of version 2, and is no header alone.
        let found = match parse(octets) {
            Ok(Parsed::More(_)) if line == "\r\n" => parse(b"\r\nUSER"),
            found => found,
        };
        assert_eq!(found, Err(why), "{line:?}");
    }
    // As soon as it is certain.
    assert_eq!(parse(b"PU"), Err(Malformed::NoHeader));
    assert_eq!(parse(b"PROXY UNKNOWN\rx"), Err(Malformed::LineEnd));
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(92));
    assert_eq!(parse(endless.as_bytes()), Err(Malformed::LineTooLong));
    let in_time = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(whole(in_time.as_bytes()), Ok(Header::Own));
}

#[test]
fn blocks() {
    let v6 = [
        &Ipv6Addr::LOCALHOST.octets()[..],
        &"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets(),
        &[0, 1, 0xff, 0xff],
    ]
    .concat();
    let unix = [0; 216];
    let noise = part(0xe0, &[7; 300]);
    for (octets, header) in [
        (block(1, 0x11, V4), v4(Extras::default())),
        (
            block(1, 0x11, &[V4, &noise].concat()),
            v4(Extras::default()),
        ),
        (
            block(1, 0x21, &v6),
            forwarded("[::1]:1", "[2001:db8::1]:65535", Extras::default()),
        ),
        // For itself: what the block says does not count, nor does its family.
        (block(0, 0, &[]), Header::Own),
        (block(0, 0x11, V4), Header::Own),
        (block(0, 0xff, &[1, 2, 3]), Header::Own),
        // Nobody that has an address.
        (block(1, 0, &[]), Header::Own),
        (block(1, 0, &[1, 2, 3]), Header::Own),
        (block(1, 0x01, V4), Header::Own),
        (block(1, 0x10, V4), Header::Own),
        (block(1, 0x12, V4), Header::Own),
        (block(1, 0x22, &v6), Header::Own),
        (block(1, 0x31, &unix), Header::Own),
        (block(1, 0x32, &unix), Header::Own),
    ] {
        assert_eq!(whole(&octets), Ok(header), "{octets:?}");
    }
}

#[test]
fn blocks_that_are_nearly_right() {
    let other = |at: usize, octet: u8| {
        let mut octets = block(1, 0x11, V4);
        octets[at] = octet;
        octets
    };
    let with = |parts: &[Vec<u8>]| block(1, 0x11, &[V4, &parts.concat()].concat());
    let id = part(5, b"a");
    let tls = |value: &[u8]| with(&[part(0x20, value)]);
    let twice = [part(0x21, b"a"), part(0x21, b"b")].concat();
    for (octets, why) in [
        (other(11, b'\r'), Malformed::NoHeader),
        (other(12, 0x11), Malformed::Version(1)),
        (other(12, 0x31), Malformed::Version(3)),
        (other(12, 0x22), Malformed::Command(2)),
        (other(13, 0x41), Malformed::Family(0x41)),
        (other(13, 0x13), Malformed::Family(0x13)),
        (other(14, 0x10), Malformed::BlockTooLong(0x100c)),
        (block(1, 0x11, &V4[1..]), Malformed::Addresses),
        (block(1, 0x12, &V4[1..]), Malformed::Addresses),
        (block(1, 0x21, &[0; 35]), Malformed::Addresses),
        (block(1, 0x31, &[0; 215]), Malformed::Addresses),
        (block(1, 0x11, &[V4, &[4]].concat()), Malformed::Cut),
        (block(1, 0x11, &[V4, &[4, 0]].concat()), Malformed::Cut),
        (block(1, 0x11, &[V4, &[4, 0, 1]].concat()), Malformed::Cut),
        (with(&[part(2, b"\xff")]), Malformed::Part(2)),
        (with(&[part(3, b"abc")]), Malformed::Part(3)),
        (with(&[part(3, b"abcd")]), Malformed::Checksum),
        (with(&[part(5, &[0; 129])]), Malformed::Part(5)),
        (with(&[id.clone(), id]), Malformed::Twice(5)),
        (
            with(&[part(3, b"abcd"), part(3, b"abcd")]),
            Malformed::Twice(3),
        ),
        (tls(&[1, 0, 0, 0]), Malformed::Part(0x20)),
        (tls(&[1, 0, 0, 0, 0, 0x21, 0]), Malformed::Cut),
        (tls(&[1, 0, 0, 0, 0, 0x21, 0, 9, 1]), Malformed::Cut),
        (tls(b"\x01\0\0\0\0\x22\0\x01\xff"), Malformed::Part(0x22)),
        (
            tls(&[&[1, 0, 0, 0, 0], &twice[..]].concat()),
            Malformed::Twice(0x21),
        ),
    ] {
        assert_eq!(parse(&octets), Err(why), "{octets:?}");
    }
    // Before a single octet of the block has come.
    assert_eq!(
        parse(&other(14, 0xff)[..16]),
        Err(Malformed::BlockTooLong(0xff0c))
    );
    assert_eq!(parse(&other(12, 0x2f)[..13]), Err(Malformed::Command(15)));
    let longest = block(1, 0x11, &[V4, &part(4, &[0; 4096 - 15])].concat());
    assert_eq!(whole(&longest), Ok(v4(Extras::default())));
}

#[test]
fn a_checksum_is_of_the_whole_header() {
    let mut octets = block(1, 0x11, &[V4, &part(3, &[0; 4]), &part(5, b"x")].concat());
    let place = 16 + V4.len() + 3;
    let checksum = crc32c::crc32c(&octets).to_be_bytes();
    octets[place..place + 4].copy_from_slice(&checksum);
    let unique_id = Some(b"x".to_vec());
    let extras = Extras {
        unique_id,
        ..Extras::default()
    };
    assert_eq!(whole(&octets), Ok(v4(extras)));
    // Without its type it is no checksum any more.
    for place in (16..octets.len()).filter(|&octet| octet != place - 3) {
        let mut octets = octets.clone();
        octets[place] ^= 0x10;
        assert!(parse(&octets).is_err(), "octet {place}");
    }
}

#[test]
fn tls_that_ends_at_the_balancer() {
    let names = [
        part(0x21, b"TLSv1.3"),
        part(0x22, b"bob"),
        part(0x23, b"SUITE"),
    ]
    .concat();
    let says = |flags: u8, verify: u8| {
        let value = [&[flags, 0, 0, 0, verify], &names[..], &part(0x24, b"?")].concat();
        let octets = block(1, 0x11, &[V4, &part(0x20, &value)].concat());
        match whole(&octets) {
            Ok(Header::Forwarded(client)) => client.extras.tls,
            other => panic!("{other:?}"),
        }
    };
    let tls = |certificate| ClientTls {
        version: Some("TLSv1.3".to_owned()),
        cipher: Some("SUITE".to_owned()),
        certificate,
    };
    let bob = || Certificate::Verified {
        common_name: Some("bob".to_owned()),
    };
    assert_eq!(says(0, 0), None, "in clear");
    // A certificate without TLS is none.
    assert_eq!(says(6, 0), None);
    assert_eq!(says(1, 0), Some(tls(Certificate::NotShown)));
    assert_eq!(says(3, 0), Some(tls(bob())));
    assert_eq!(says(5, 0), Some(tls(bob())));
    assert_eq!(says(7, 1), Some(tls(Certificate::NotVerified)));
}

/// The header as a balancer would print it.
fn print(client: &Forwarded, checksum: bool) -> Vec<u8> {
    let mut rest = Vec::new();
    let addresses = [client.client.ip(), client.server.ip()];
    for address in addresses {
        match address {
            IpAddr::V4(address) => rest.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => rest.extend_from_slice(&address.octets()),
        }
    }
    for port in [client.client.port(), client.server.port()] {
        rest.extend_from_slice(&port.to_be_bytes());
    }
    let Extras {
        alpn,
        authority,
        unique_id,
        tls,
    } = &client.extras;
    let mut say = |kind, value: &Option<Vec<u8>>| {
        if let Some(value) = value {
            rest.extend_from_slice(&part(kind, value));
        }
    };
    say(1, alpn);
    say(2, &authority.clone().map(String::into_bytes));
    say(5, unique_id);
    if let Some(tls) = tls {
        let (flags, verify, name) = match &tls.certificate {
            Certificate::NotShown => (1, 1, None),
            Certificate::NotVerified => (3, 1, None),
            Certificate::Verified { common_name } => (5, 0, common_name.clone()),
        };
        let mut value = vec![flags, 0, 0, 0, verify];
        for (kind, text) in [
            (0x21, tls.version.clone()),
            (0x22, name),
            (0x23, tls.cipher.clone()),
        ] {
            if let Some(text) = text {
                value.extend_from_slice(&part(kind, text.as_bytes()));
            }
        }
        say(0x20, &Some(value));
    }
    say(0xea, &Some(vec![1, 2, 3]));
    if checksum {
        rest.extend_from_slice(&part(3, &[0; 4]));
    }
    let family = if addresses[0].is_ipv4() { 0x11 } else { 0x21 };
    let mut octets = block(1, family, &rest);
    if checksum {
        let place = octets.len() - 4;
        let checksum = crc32c::crc32c(&octets).to_be_bytes();
        octets[place..].copy_from_slice(&checksum);
    }
    octets
}

fn ends() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = any::<(u32, u32)>().prop_map(|(client, server)| {
        [client, server].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))
    });
    let v6 = any::<(u128, u128)>().prop_map(|(client, server)| {
        [client, server].map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
    });
    (prop_oneof![v4, v6], any::<(u16, u16)>()).prop_map(|([client, server], ports)| {
        (
            SocketAddr::new(client, ports.0),
            SocketAddr::new(server, ports.1),
        )
    })
}

fn extras() -> impl Strategy<Value = Extras> {
    let octets = || prop::option::of(prop::collection::vec(any::<u8>(), 0..128));
    let text = || prop::option::of(".{0,20}");
    let certificate = prop_oneof![
        Just(Certificate::NotShown),
        Just(Certificate::NotVerified),
        text().prop_map(|common_name| Certificate::Verified { common_name }),
    ];
    let tls = (text(), text(), certificate).prop_map(|(version, cipher, certificate)| ClientTls {
        version,
        cipher,
        certificate,
    });
    (octets(), text(), octets(), prop::option::of(tls)).prop_map(
        |(alpn, authority, unique_id, tls)| Extras {
            alpn,
            authority,
            unique_id,
            tls,
        },
    )
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back((client, server) in ends(), extras in extras(), checksum: bool) {
        let plain = Forwarded { client, server, extras: Extras::default() };
        let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!(
            "PROXY {family} {} {} {} {}\r\n",
            client.ip(), server.ip(), client.port(), server.port()
        );
        prop_assert_eq!(whole(line.as_bytes()), Ok(Header::Forwarded(Box::new(plain.clone()))));
        let full = Forwarded { extras, ..plain };
        let octets = print(&full, checksum);
        prop_assert_eq!(whole(&octets), Ok(Header::Forwarded(Box::new(full))));
    }

    #[test]
    fn no_octets_upset_it(
        start in prop_oneof![Just(&b""[..]), Just(&b"PROXY "[..]), Just(v2::SIGNATURE)],
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let octets = [start, &rest].concat();
        if let Ok(Parsed::Whole(_, length)) = parse(&octets) {
            prop_assert!(length <= octets.len());
            let again = whole(&octets[..length]);
            prop_assert!(again.is_ok());
        }
    }
}
