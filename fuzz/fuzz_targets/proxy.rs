//! The first octets of a connection that must begin with a PROXY header: no panic, no octet wanted
//! that may not be the header's, and nothing that depends on where they are cut or what follows.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The parser alone: the crate around it would bring TLS and a runtime into the instrumented build.
#[path = "../../crates/server/src/proxy/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "a part of another crate"
)]
mod proxy;

use proxy::{BLOCK_OCTETS_MAX, Header, LINE_OCTETS_MAX, Parsed, parse};

fuzz_target!(|octets: &[u8]| {
    let whole = parse(octets);
    // As the server reads: never more than is asked for.
    let (mut read, mut wanted) = (0, 0);
    let piecewise = loop {
        match parse(&octets[..read]) {
            Ok(Parsed::More(more)) => {
                assert!(more > 0, "nothing is wanted, and there is no header");
                wanted = read + more;
                if wanted > octets.len() {
                    break Ok(Parsed::More(more));
                }
                read = wanted;
            }
            found => break found,
        }
    };
    assert!(wanted <= 16 + usize::from(BLOCK_OCTETS_MAX));
    match (&whole, &piecewise) {
        (Ok(Parsed::Whole(header, length)), Ok(Parsed::Whole(again, read_length))) => {
            assert_eq!((header, length), (again, read_length));
            assert_eq!(*length, read, "the header and no octet behind it");
            for short in 0..*length {
                let Ok(Parsed::More(more)) = parse(&octets[..short]) else {
                    panic!("whole at {short} of {length} octets");
                };
                assert!(short + more <= *length);
            }
            assert_eq!(parse(&octets[..*length]), whole);
            if let Header::Forwarded(client) = header {
                assert_eq!(client.client.is_ipv4(), client.server.is_ipv4());
                let said = &client.extras;
                let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                let tls = said.tls.as_ref();
                let length_said = text(&said.authority)
                    + said.alpn.as_ref().map_or(0, Vec::len)
                    + said.unique_id.as_ref().map_or(0, Vec::len)
                    + tls.map_or(0, |tls| text(&tls.version) + text(&tls.cipher));
                assert!(length_said <= *length);
            } else {
                // Not the family's fault, and not a line's.
                assert!(*length <= LINE_OCTETS_MAX || octets[0] == b'\r');
            }
        }
        (Ok(Parsed::More(_)), Ok(Parsed::More(_))) => {
            assert!(octets.len() < 16 + usize::from(BLOCK_OCTETS_MAX));
        }
        // What is wrong with octets that are not all read may be found later, or elsewhere.
        (Err(_), Err(_) | Ok(Parsed::More(_))) => {}
        other => panic!("at once and in pieces: {other:?}"),
    }
    if let Err(why) = whole {
        let text = why.to_string();
        assert!(!text.is_empty() && text.bytes().all(|octet| (0x20..0x7f).contains(&octet)));
        // More octets do not mend it.
        let followed = [octets, b"\r\n"].concat();
        assert!(parse(&followed).is_err());
    }
});
