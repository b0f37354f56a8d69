//! Texts of strangers against the reference, cut at every place.

use maildrop::Measure;
use proptest::prelude::*;

use crate::normalise::{Dotted, Plain, reference};

/// The text of a stranger in pieces: stored form and measure.
fn of_stranger<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Measure, u32) {
    let (mut text, mut stored) = (Dotted::of_stranger("mx.b.net"), Vec::new());
    for piece in pieces {
        text.take(piece, &mut stored);
    }
    (stored, text.gauge().measure(), text.gauge().hops())
}

/// The same of a text that is not stuffed, such as one in chunks.
fn of_strange_chunks<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Measure) {
    let (mut text, mut stored) = (Plain::of_stranger("mx.b.net"), Vec::new());
    for piece in pieces {
        text.take(piece, &mut stored);
    }
    let measure = text.finish(&mut stored);
    (stored, measure)
}

/// Cut at every place, it is what the reference says, and measured as what is stored.
fn check_stranger(wire: &[u8]) {
    let shown = wire.escape_ascii().to_string();
    let (text, rest) = reference::dotted(wire).expect("it has a terminator");
    assert_eq!(rest, b"");
    let expected = reference::stored(&reference::distrusted(&text, "mx.b.net"));
    assert_eq!(of_stranger([wire]), expected, "{shown}");
    assert_eq!(
        of_stranger(wire.chunks(1)),
        expected,
        "{shown} octet by octet"
    );
    for cut in 0..wire.len() {
        let (head, tail) = wire.split_at(cut);
        assert_eq!(of_stranger([head, tail]), expected, "{shown} cut at {cut}");
    }
    let text = reference::plain(wire, false);
    let (stored, measure, _) = reference::stored(&reference::distrusted(&text, "mx.b.net"));
    let expected = (stored, measure);
    assert_eq!(of_strange_chunks([wire]), expected, "{shown} in a chunk");
    let octets = of_strange_chunks(wire.chunks(1));
    assert_eq!(octets, expected, "{shown} in chunks of an octet");
}

/// Whether a header with this field has it renamed.
fn is_renamed(field: &str) -> bool {
    let wire = format!("A: b\r\n{field}\r\nC: d\r\n\r\ntext\r\n.\r\n");
    let (stored, ..) = of_stranger([wire.as_bytes()]);
    let renamed = format!("A: b\r\nX-Forged-{field}\r\nC: d\r\n\r\ntext\r\n");
    let kept = format!("A: b\r\n{field}\r\nC: d\r\n\r\ntext\r\n");
    let stored = String::from_utf8(stored).expect("the tests are ASCII");
    assert!(stored == renamed || stored == kept, "{stored}");
    stored == renamed
}

#[test]
fn results_in_our_name_are_renamed() {
    for field in [
        "Authentication-Results: mx.b.net; spf=pass",
        "AUTHENTICATION-RESULTS:MX.B.NET;spf=pass",
        "Authentication-Results : mx.b.net 1; none",
        "Authentication-Results:\r\n mx.b.net\r\n ; none",
        "Authentication-Results: (a (b\\)) c)\r\n\t(d)\"mx.b.net\"; none",
        "Authentication-Results: \"mx\\.b.net\"; none",
        "Authentication-Results: mx.b.net.; none",
        "Authentication-Results: mx.b.net(c); none",
        // Nobody's name, or one that does not end.
        "Authentication-Results:",
        "Authentication-Results: ; spf=pass",
        "Authentication-Results: (mx.b.net; spf=pass",
        "Authentication-Results: \"mx.b.net; spf=pass",
    ] {
        assert!(is_renamed(field), "{field}");
        let wire = format!("{field}\r\n\r\n{field}\r\n.\r\n");
        check_stranger(wire.replace('\t', " ").as_bytes());
    }
}

#[test]
fn results_of_others_stay() {
    for field in [
        "Authentication-Results: mx.b.net.example.org; spf=pass",
        "Authentication-Results: a.mx.b.net; spf=pass",
        "Authentication-Results: b.net (mx.b.net); spf=pass",
        "ARC-Authentication-Results: i=1; mx.b.net; spf=pass",
        "X-Authentication-Results: mx.b.net; spf=pass",
        "Authentication-Resultsx: mx.b.net; spf=pass",
        "Subject:\r\n Authentication-Results: mx.b.net; spf=pass",
    ] {
        assert!(!is_renamed(field), "{field}");
        check_stranger(format!("{field}\r\n\r\n.\r\n").as_bytes());
    }
}

#[test]
fn who_hides_his_name_is_not_believed() {
    for (spaces, renamed) in [(500, false), (2000, true)] {
        let field = format!(
            "Authentication-Results: ({}) a.org; none",
            "x".repeat(spaces)
        );
        assert_eq!(is_renamed(&field), renamed, "{spaces}");
    }
}

#[test]
fn a_text_that_ends_in_its_header_is_whole() {
    for wire in [
        &b".\r\n"[..],
        b"\r\n.\r\n",
        b"Authentication-Results: mx.b.net\r\n.\r\n",
        b"Authentication-Results:\r\n.\r\n",
        b"Authentication-Results\r\n.\r\n",
        b"Auth\r\n.\r\n",
        b"A: b\r\nAuthentication-Results: (\r\n ..\r\n.\r\n",
        b"..Authentication-Results: mx.b.net\r\n\r\n.\r\n",
        b".Authentication-Results: mx.b.net\n\n..\r\n.\r\n",
    ] {
        check_stranger(wire);
    }
}

proptest! {
    #[test]
    fn fields_of_strangers_are_renamed_as_the_reference_says(
        parts in prop::collection::vec(
            prop::sample::select(&[
                "Authentication-Results", "authentication-results:", ":", " ", "mx.b.net", "b.net",
                ";", "\r\n", "\r\n ", "\n", "\r", "(", ")", "\"", "\\", ".", "x", "A: b\r\n",
            ][..]),
            0..16,
        ),
    ) {
        let text = parts.concat().replace("\r\n.", "\r\n..");
        let dot = if text.starts_with('.') { "." } else { "" };
        check_stranger(format!("{dot}{text}\r\n.\r\n").as_bytes());
    }
}

/// A program that takes a bare CR for a line end would see a field of ours behind it.
#[test]
fn no_field_hides_behind_a_bare_cr_in_the_header() {
    let wire = b"Subject: a\rAuthentication-Results: mx.b.net; dmarc=pass\r\n\rX: \r\r\n\r\nbo\rdy\r\n.\r\n";
    check_stranger(wire);
    let (stored, measure, _) = of_stranger([&wire[..]]);
    let expected =
        b"Subject: a Authentication-Results: mx.b.net; dmarc=pass\r\n X:  \r\n\r\nbo\rdy\r\n";
    assert_eq!(
        stored.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    assert_eq!(measure.octets, expected.len() as u64);
}
