//! The normalisers against the naive reference, cut where the input says.

#![no_main]

use delivery::normalise::{Dotted, FromLine, Plain};
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/delivery/src/normalise/reference.rs"]
mod reference;

fuzz_target!(|data: &[u8]| {
    // The first octet says how long the pieces are.
    let Some((&piece, text)) = data.split_first() else {
        return;
    };
    let piece = usize::from(piece).max(1);
    dotted(text, piece);
    plain(text, piece, FromLine::Keep);
    plain(text, piece, FromLine::Drop);
    let whole = stranger(text, text.len().max(1));
    assert_eq!(stranger(text, piece), whole);
});

/// What is stored of a stranger's text that has ended, and how many octets of it were read.
fn stranger(wire: &[u8], piece: usize) -> Option<(usize, Vec<u8>)> {
    let (mut text, mut stored, mut consumed) = (Dotted::of_stranger("mx"), Vec::new(), 0);
    for piece in wire.chunks(piece) {
        let taken = text.take(piece, &mut stored);
        consumed += taken.consumed;
        if taken.ended {
            let measure = text.gauge().measure();
            let octets = measure.octets + u64::from(measure.stuffed);
            assert_eq!(octets, stored.len() as u64);
            return Some((consumed, stored));
        }
    }
    None
}

fn dotted(wire: &[u8], piece: usize) {
    let (mut text, mut stored, mut consumed, mut ended) = (Dotted::default(), Vec::new(), 0, false);
    for piece in wire.chunks(piece) {
        let taken = text.take(piece, &mut stored);
        consumed += taken.consumed;
        ended = taken.ended;
        if ended {
            break;
        }
    }
    let expected = reference::dotted(wire);
    assert_eq!(ended, expected.is_some());
    if let Some((normalised, rest)) = expected {
        assert_eq!(consumed, wire.len() - rest.len());
        let (expected, measure, hops) = reference::stored(&normalised);
        assert_eq!(stored, expected);
        assert_eq!(text.gauge().measure(), measure);
        assert_eq!(text.gauge().hops(), hops);
    }
}

fn plain(input: &[u8], piece: usize, from_line: FromLine) {
    let (mut text, mut stored) = (Plain::new(from_line), Vec::new());
    for piece in input.chunks(piece) {
        text.take(piece, &mut stored);
    }
    let measure = text.finish(&mut stored);
    let normalised = reference::plain(input, from_line == FromLine::Drop);
    let (expected, expected_measure, _) = reference::stored(&normalised);
    assert_eq!(stored, expected);
    assert_eq!(measure, expected_measure);
}
