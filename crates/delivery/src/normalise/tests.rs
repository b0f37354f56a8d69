//! The normalisers against the reference, cut at every place.

use maildrop::{Measure, flags};
use proptest::prelude::*;

use super::{Dotted, FromLine, Plain, reference};

/// Feeds `wire` in the given pieces; returns stored form, measure, hops and octets consumed.
fn dotted<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Measure, u32, usize, bool) {
    let (mut text, mut stored, mut consumed, mut ended) = (Dotted::default(), Vec::new(), 0, false);
    for piece in pieces {
        let taken = text.take(piece, &mut stored);
        consumed += taken.consumed;
        ended = taken.ended;
        if ended {
            break;
        }
        assert_eq!(taken.consumed, piece.len());
    }
    let gauge = text.gauge();
    (stored, gauge.measure(), gauge.hops(), consumed, ended)
}

fn plain<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    from_line: FromLine,
) -> (Vec<u8>, Measure) {
    let (mut text, mut stored) = (Plain::new(from_line), Vec::new());
    for piece in pieces {
        text.take(piece, &mut stored);
    }
    let measure = text.finish(&mut stored);
    (stored, measure)
}

/// RETR's reader: what a client makes of the stored form.
fn unstuff(stored: &[u8]) -> Vec<u8> {
    let lines = stored.split_inclusive(|&octet| octet == b'\n');
    lines
        .flat_map(|line| line.strip_prefix(b".").unwrap_or(line))
        .copied()
        .collect()
}

fn check_dotted(wire: &[u8]) {
    let whole = dotted([wire]);
    match reference::dotted(wire) {
        Some((text, rest)) => {
            let (stored, measure, hops) = reference::stored(&text);
            assert_eq!(unstuff(&stored), text);
            assert_eq!(
                whole,
                (stored, measure, hops, wire.len() - rest.len(), true),
                "{:?}",
                wire.escape_ascii().to_string()
            );
        }
        None => assert!(!whole.4, "{:?}", wire.escape_ascii().to_string()),
    }
    assert_eq!(dotted(wire.chunks(1)), whole, "octet by octet");
    for cut in 0..=wire.len() {
        let (one, two) = wire.split_at(cut);
        assert_eq!(dotted([one, two]), whole, "cut at {cut}");
    }
}

fn check_plain(input: &[u8]) {
    for from_line in [FromLine::Keep, FromLine::Drop] {
        let text = reference::plain(input, from_line == FromLine::Drop);
        let (stored, measure, _) = reference::stored(&text);
        let expected = (stored, measure);
        assert_eq!(plain([input], from_line), expected, "{input:?}");
        assert_eq!(plain(input.chunks(1), from_line), expected, "{input:?}");
        for cut in 0..=input.len() {
            let (one, two) = input.split_at(cut);
            assert_eq!(plain([one, two], from_line), expected, "cut at {cut}");
        }
    }
}

#[test]
fn wire_text_becomes_stored_text() {
    for (wire, stored) in [
        (&b".\r\n"[..], &b""[..]),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..a\r\n.\r\n", b"..a\r\n"),
        (b"..\r\n.\r\n", b"..\r\n"),
        // A sender that does not stuff: its dot is lost (RFC 5321 §4.5.2), nothing else is.
        (b".foo\r\n.\r\n", b"foo\r\n"),
        (b"...\r\n.\r\n", b"...\r\n"),
        // None of these is the end.
        (b"a\n.\nb\r\n.\r\n", b"a\r\n..\r\nb\r\n"),
        (b"a\n.\r\nb\r\n.\r\n", b"a\r\n..\r\nb\r\n"),
        (b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n"),
        (b"a\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n"),
        (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n"),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\r\n.\r\r\n.\r\n", b"a\r\n\r\r\n"),
        (b"a\r\n.\0\r\n.\r\n", b"a\r\n\0\r\n"),
        (b"a\n..b\r\n.\r\n", b"a\r\n...b\r\n"),
        (b"\n\n.\r\n\r\n.\r\n", b"\r\n\r\n..\r\n\r\n"),
        (b"\r\r\n\r\n.\r\n", b"\r\r\n\r\n"),
    ] {
        let (got, ..) = dotted([wire]);
        assert_eq!(
            got.escape_ascii().to_string(),
            stored.escape_ascii().to_string()
        );
        check_dotted(wire);
    }
}

#[test]
fn pipe_text_becomes_stored_text() {
    for (input, stored) in [
        (&b""[..], &b""[..]),
        (b"a", b"a\r\n"),
        (b"a\nb\r\n", b"a\r\nb\r\n"),
        (b".\n", b"..\r\n"),
        (b".", b"..\r\n"),
        (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n"),
        (b"a\r\n.\r\nb\n", b"a\r\n..\r\nb\r\n"),
        (b"a\r", b"a\r\r\n"),
        (b"a\rb\n", b"a\rb\r\n"),
        (b"\r\n\n", b"\r\n\r\n"),
        (b"From me\n", b"From me\r\n"),
    ] {
        let (got, _) = plain([input], FromLine::Keep);
        assert_eq!(
            got.escape_ascii().to_string(),
            stored.escape_ascii().to_string()
        );
        check_plain(input);
    }
}

#[test]
fn only_a_first_from_line_is_dropped() {
    for (input, stored) in [
        (&b"From me Thu\nSubject: x\n"[..], &b"Subject: x\r\n"[..]),
        (b"From me Thu\r\n.\n", b"..\r\n"),
        (b"From me", b""),
        (b"From", b"From\r\n"),
        (b"From: me\n", b"From: me\r\n"),
        (b"F", b"F\r\n"),
        (b"a\nFrom me\n", b"a\r\nFrom me\r\n"),
        (b"From me\nFrom you\n", b"From you\r\n"),
    ] {
        assert_eq!(plain([input], FromLine::Drop).0, stored);
        check_plain(input);
    }
}

#[test]
fn the_header_ends_at_the_first_blank_line() {
    for (wire, header_octets) in [
        (&b".\r\n"[..], 0),
        (b"\r\nbody\r\n.\r\n", 2),
        (b"a: b\r\n\r\nbody\r\n.\r\n", 8),
        (b"a: b\n\nbody\r\n.\r\n", 8),
        (b"a: b\r\n.\r\n", 6),
        (b"..a: b\r\n\r\n.\r\n", 10),
        (b"a: b\r\n\r\r\n\r\n.\r\n", 11),
    ] {
        let (_, measure, ..) = dotted([wire]);
        assert_eq!(measure.header_octets, header_octets);
    }
}

#[test]
fn flags_say_what_the_text_holds() {
    for (wire, expected) in [
        (&b"a: b\r\n\r\nc\r\n.\r\n"[..], 0),
        (b"a: \xe9\r\n\r\nc\r\n.\r\n", flags::HEADER_8BIT),
        (b"a: b\r\n\r\n\xe9\r\n.\r\n", flags::BODY_8BIT),
        (b"a: b\r\n\r\n\0\r\n.\r\n", flags::NUL),
        (b"a: b\r\n\r\na\rb\r\n.\r\n", flags::BARE_CR),
        (b"a: b\r\n\r\na\r\r\n.\r\n", flags::BARE_CR),
        (b"a: b\r\n\r\na\nb\r\n.\r\n", 0),
    ] {
        assert_eq!(dotted([wire]).1.flags, expected, "{wire:?}");
    }
}

#[test]
fn hops_are_counted_in_the_header_only() {
    let wire =
        b"Received: a\r\nRECEIVED\t: b\r\nReceived-SPF: c\r\nX-Received: d\r\n Received: e\r\n\
        received :f\r\n\r\nReceived: g\r\n.\r\n";
    assert_eq!(dotted([&wire[..]]).2, 3);
    check_dotted(wire);
}

#[test]
fn a_text_is_over_beyond_the_limit_only() {
    let mut text = Dotted::default();
    text.take(b"..234\r\n", &mut Vec::new());
    assert_eq!(text.gauge().octets(), 6);
    assert!(text.gauge().is_over(5));
    assert!(!text.gauge().is_over(6));
    assert!(!text.gauge().is_over(0));
}

/// Texts of the octets that matter, so that short ones meet every case.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        4 => Just(b'\r'), 4 => Just(b'\n'), 4 => Just(b'.'), 1 => Just(b'a'), 1 => Just(0u8), 1 => Just(0xe9u8)
    ];
    let piece = prop_oneof![
        8 => octet.prop_map(|octet| vec![octet]),
        3 => Just(b"\r\n".to_vec()),
        1 => Just(b"Received: x\r\n".to_vec()),
        1 => Just(b"From ".to_vec()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn dotted_agrees_with_the_reference(mut wire in hostile(), ends in any::<bool>()) {
        if ends {
            wire.extend_from_slice(b"\r\n.\r\nQUIT\r\n");
        }
        check_dotted(&wire);
    }

    #[test]
    fn plain_agrees_with_the_reference(input in hostile()) {
        check_plain(&input);
    }

    /// deliver(x) → RETR(x) un-stuffed == x, for any text with good line ends.
    #[test]
    fn stuffing_and_storing_gives_the_text_back(input in hostile()) {
        let text = reference::plain(&input, false);
        let (mut wire, ..) = reference::stored(&text);
        let stored = wire.clone();
        wire.extend_from_slice(b".\r\n");
        let (got, measure, ..) = dotted([&wire[..]]);
        prop_assert_eq!(&got, &stored, "stored as it came");
        prop_assert_eq!(measure.octets, text.len() as u64);
        prop_assert_eq!(unstuff(&got), text);
    }
}

/// `cargo test -p restante-delivery --release -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement, not a check"]
fn speed() {
    const PIECE: usize = 64 * 1024;
    let line = "The quick brown fox jumps over the lazy dog, and so on and on, 76 octets.\r\n";
    let texts = [
        ("CRLF, 75 octets a line", line.repeat(PIECE / line.len())),
        (
            "LF, 74 octets a line",
            line.replace('\r', "").repeat(PIECE / line.len()),
        ),
        (
            "every line stuffed",
            format!("..{line}").repeat(PIECE / line.len()),
        ),
        ("one line without end", "x".repeat(PIECE)),
        ("only LF", "\n".repeat(PIECE)),
    ];
    for (what, text) in texts {
        let rounds = (1 << 30) / text.len();
        let (mut dotted, mut plain) = (Dotted::default(), Plain::default());
        let mut stored = Vec::with_capacity(2 * PIECE + 8);
        dotted.take(b"a: b\r\n\r\n", &mut stored);
        plain.take(b"a: b\r\n\r\n", &mut stored);
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            stored.clear();
            dotted.take(std::hint::black_box(text.as_bytes()), &mut stored);
        }
        let took = start.elapsed();
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            stored.clear();
            plain.take(std::hint::black_box(text.as_bytes()), &mut stored);
        }
        let rate =
            |took: std::time::Duration| (rounds * text.len()) as f64 / took.as_secs_f64() / 1e6;
        println!(
            "{what}: dotted {:.0} MB/s, plain {:.0} MB/s",
            rate(took),
            rate(start.elapsed())
        );
    }
}
