//! What headers become, and what is true of all of them.

use proptest::prelude::*;

use super::*;

/// The surrogate of some lines and a blank one, without the blank one.
fn of(lines: &str) -> String {
    of_octets(lines.as_bytes())
}

fn of_octets(lines: &[u8]) -> String {
    let mut header_text = lines.to_vec();
    header_text.extend_from_slice(b"\r\n\r\n");
    let surrogate = String::from_utf8(header(&header_text)).unwrap();
    let fields = surrogate.strip_suffix("\r\n").unwrap();
    fields.trim_end_matches("\r\n").to_owned()
}

#[test]
fn what_is_ascii_stays_octet_for_octet() {
    for text in [
        &b""[..],
        b"\r\n",
        b"Subject: a\r\n\r\n",
        b"Subject:a  b\t\r\n  c\r\nno field\r\nX:\0\r\r\n\r\n",
        b"To: (((\r\n\r\n",
        b"no end",
    ] {
        assert_eq!(header(text), text);
    }
}

#[test]
fn texts_become_encoded_words() {
    for (field, expected) in [
        ("Subject: é", "Subject: =?utf-8?B?w6k=?="),
        ("Subject:café", "Subject: =?utf-8?Q?caf=C3=A9?="),
        ("subject : a café b", "subject: a =?utf-8?Q?caf=C3=A9?= b"),
        // Those in a row are one.
        (
            "Subject: été à Lyon",
            "Subject: =?utf-8?B?w6l0w6kgw6A=?= Lyon",
        ),
        (
            "Subject: a\r\n café\r\n\tb",
            "Subject: a =?utf-8?Q?caf=C3=A9?= b",
        ),
        ("Subject: Привіт", "Subject: =?utf-8?B?0J/RgNC40LLRltGC?="),
        ("Comments: naïve", "Comments: =?utf-8?Q?na=C3=AFve?="),
        (
            "Content-Description: [naïve]",
            "Content-Description: =?utf-8?Q?=5Bna=C3=AFve=5D?=",
        ),
    ] {
        assert_eq!(of(field), expected, "{field}");
    }
}

#[test]
fn what_was_encoded_already_stays_and_keeps_its_space() {
    assert_eq!(
        of("Subject: =?utf-8?Q?a?= é =?utf-8?Q?b?="),
        "Subject: =?utf-8?Q?a?= =?utf-8?Q?_=C3=A9_?= =?utf-8?Q?b?="
    );
}

#[test]
fn what_is_not_utf8_is_unknown() {
    assert_eq!(
        of_octets(b"Subject: caf\xe9"),
        "Subject: =?unknown-8bit?Q?caf=E9?="
    );
}

#[test]
fn names_are_encoded_and_ascii_addresses_stay() {
    for (field, expected) in [
        (
            "From: Jörg <joerg@dobbs.org>",
            "From: =?utf-8?Q?J=C3=B6rg?= <joerg@dobbs.org>",
        ),
        (
            "From: \"Jörg, der Erste\" <joerg@dobbs.org>",
            "From: =?utf-8?Q?J=C3=B6rg=2C?= der Erste <joerg@dobbs.org>",
        ),
        (
            "To: a@dobbs.org, \"B, \\\"C\" <b@dobbs.org>, Käfer <c@dobbs.org>",
            "To: a@dobbs.org, \"B, \\\"C\" <b@dobbs.org>, =?utf-8?Q?K=C3=A4fer?=\r\n <c@dobbs.org>",
        ),
        (
            "Cc: joerg@dobbs.org (Jörg)",
            "Cc: =?utf-8?Q?J=C3=B6rg?= <joerg@dobbs.org>",
        ),
        (
            "From: Jörg <\"a b\"@dobbs.org>",
            "From: =?utf-8?Q?J=C3=B6rg?= <\"a b\"@dobbs.org>",
        ),
    ] {
        assert_eq!(of(field), expected);
    }
}

#[test]
fn an_address_that_is_not_ascii_becomes_nobodys() {
    for (field, expected) in [
        (
            "From: jörg@dobbs.org",
            "From: =?utf-8?Q?=3Cj=C3=B6rg=40dobbs=2Eorg=3E?=\r\n <invalid@internationalized-address.invalid>",
        ),
        (
            "Sender: Fred <fred@exämple.org>",
            "Sender: Fred =?utf-8?Q?=3Cfred=40ex=C3=A4mple=2Eorg=3E?=\r\n <invalid@internationalized-address.invalid>",
        ),
        (
            "Return-Path: <jörg@dobbs.org>",
            "Return-Path: <invalid@internationalized-address.invalid>",
        ),
    ] {
        assert_eq!(of(field), expected);
    }
}

#[test]
fn groups_stay_groups() {
    assert_eq!(
        of("To: Käfer: a@dobbs.org, Jörg <b@dobbs.org>;, c@dobbs.org"),
        "To: =?utf-8?Q?K=C3=A4fer?=: a@dobbs.org, =?utf-8?Q?J=C3=B6rg?=\r\n <b@dobbs.org>;, c@dobbs.org"
    );
    assert_eq!(of("To: Käfer:;"), "To: =?utf-8?Q?K=C3=A4fer?=:;");
    assert_eq!(of("To: Käfer:"), "To: =?utf-8?Q?K=C3=A4fer?=:;");
}

#[test]
fn parameters_that_are_not_ascii_go() {
    for (field, expected) in [
        (
            "Content-Disposition: attachment; filename=\"übel; nicht\"; size=1",
            "Content-Disposition: attachment; size=1",
        ),
        (
            "Content-Type: text/plain; name=ü; charset=utf-8",
            "Content-Type: text/plain; charset=utf-8",
        ),
        (
            "Content-Type: text/plain; name*0=\"a\"; NAME*1=\"ü\"; name*2=b; name=c",
            "Content-Type: text/plain; name=c",
        ),
        (
            "Content-Disposition: attachment; filename=ü; filename*=utf-8''%C3%BC",
            "Content-Disposition: attachment; filename*=utf-8''%C3%BC",
        ),
        ("Content-Type: text/plüin; charset=utf-8", ""),
    ] {
        assert_eq!(of(field), expected);
    }
}

#[test]
fn what_cannot_be_said_goes() {
    for field in [
        "X-Spam: é",
        "Message-ID: <é@dobbs.org>",
        "Received: from é by a; b",
        "no field é",
        ": é",
        "Sübject: a",
        "Subject\u{a0}: a",
    ] {
        let surrogate = of(&format!("A: 1\r\n{field}\r\n continued é\r\nB: 2"));
        assert_eq!(surrogate, "A: 1\r\nB: 2", "{field}");
    }
}

#[test]
fn sizes_count_octets_without_stuffing() {
    let stored = b"..x\r\nSubject: \xc3\xa9\r\n\r\n";
    let surrogate = Surrogate::of_stored(stored);
    assert_eq!(
        surrogate.wire(),
        b"..x\r\nSubject: =?utf-8?B?w6k=?=\r\n\r\n"
    );
    // Each with one dot less than it is sent with.
    let own = stored.len() as u64 - 1;
    let sent = surrogate.wire().len() as u64 - 1;
    assert_eq!(
        surrogate.sizes().of_message(Octets(own + 5)),
        Octets(sent + 5)
    );
}

/// Headers in which everything that matters here is frequent.
fn headers() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "Subject",
        "From",
        "To",
        "cc",
        "Return-Path",
        "Content-Type",
        "Comments",
        "X-Other",
        "Content-Disposition",
        "",
        "Sender",
    ]);
    let piece = prop_oneof![
        prop::sample::select(vec![
            &b"\r\n "[..],
            b"\r\n\t",
            b" ",
            b",",
            b";",
            b":",
            b"<",
            b">",
            b"(",
            b")",
            b"\"",
            b"\\",
            b"@",
            b"[",
            b"]",
            b"=?utf-8?Q?a?=",
            b"=?",
            b"?=",
            b"\0",
            b"\r",
            b"\x1b",
            b"*0=",
            b"=",
            b"\xff",
            b"\xc3",
            "é".as_bytes(),
            "日本".as_bytes(),
            "🐸".as_bytes(),
        ])
        .prop_map(<[u8]>::to_vec),
        "[a-z.]{1,12}".prop_map(String::into_bytes),
        "[a-zé]{60,200}".prop_map(String::into_bytes),
    ];
    let value = prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat());
    let field =
        (name, value).prop_map(|(name, value)| [name.as_bytes(), b": ", &value, b"\r\n"].concat());
    prop::collection::vec(field, 0..6).prop_map(|fields| [&fields.concat()[..], b"\r\n"].concat())
}

/// The fields that were rewritten, as lines.
fn rewritten(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (field, after) = rest.split_at(field_octets(rest));
        if !field.is_ascii() {
            let mut out = Vec::new();
            rewrite(field, &mut out);
            lines.extend(
                out.split_inclusive(|&octet| octet == b'\n')
                    .map(<[u8]>::to_vec),
            );
        }
        rest = after;
    }
    lines
}

proptest! {
    #[test]
    fn a_surrogate_is_ascii_and_its_own_surrogate(text in headers()) {
        let surrogate = header(&text);
        prop_assert!(surrogate.is_ascii());
        prop_assert!(surrogate.ends_with(b"\r\n"));
        prop_assert_eq!(&header(&surrogate), &surrogate);
        if text.is_ascii() {
            prop_assert_eq!(surrogate, text);
        }
    }

    #[test]
    fn lines_are_short_and_words_too(text in headers()) {
        for line in rewritten(&text) {
            let line = line.strip_suffix(b"\r\n").expect("each line ends with CRLF");
            prop_assert!(line.len() <= 998, "{}", line.len());
            prop_assert!(line.iter().all(|octet| matches!(octet, b'\t' | b' '..=b'~')));
            // No line is white space alone, which would be a blank one to some.
            prop_assert!(!line.trim_ascii().is_empty());
            let line = String::from_utf8_lossy(line);
            for word in line.split([' ', '\t']){
                let word = word.trim_end_matches([',', ':', ';']);
                let encoded = word.starts_with("=?") && word.ends_with("?=");
                if encoded && word.matches('?').count() == 4 {
                    prop_assert!(word.len() <= 75, "{}", word);
                }
            }
        }
    }

    /// What a text says in encoded words is what it said.
    #[test]
    fn a_text_says_what_it_said(words in prop::collection::vec("[a-zé日🐸]{1,40}", 1..12)) {
        let text = words.join(" ");
        let surrogate = of(&format!("Subject: {text}"));
        prop_assert_eq!(decoded(surrogate.strip_prefix("Subject: ").unwrap()), text);
    }

    #[test]
    fn ascii_addresses_stay(
        names in prop::collection::vec("[a-zéü日 ]{0,30}", 1..6),
        field in prop::sample::select(vec!["From", "To"]),
    ) {
        let mailboxes: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(place, name)| format!("{name} <user{place}@dobbs.org>"))
            .collect();
        let surrogate = of(&format!("{field}: {}", mailboxes.join(", ")));
        let flat = surrogate.replace("\r\n", "");
        for place in 0..names.len() {
            let address = format!("<user{place}@dobbs.org>");
            prop_assert_eq!(flat.matches(&address).count(), 1);
        }
        prop_assert_eq!(flat.matches(',').count(), names.len() - 1);
        prop_assert!(!flat.contains("invalid"));
    }
}

/// What a reader of encoded words sees.
fn decoded(value: &str) -> String {
    let value = value.replace("\r\n", "");
    let (mut text, mut after_encoded) = (String::new(), true);
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        let inside = word
            .strip_prefix("=?utf-8?")
            .and_then(|it| it.strip_suffix("?="));
        if text.is_empty() || (inside.is_some() && after_encoded) {
            // White space between two encoded words is none.
        } else {
            text.push(' ');
        }
        after_encoded = inside.is_some();
        match inside.map(|inside| inside.split_at(2)) {
            Some(("B?", octets)) => {
                let octets = sasl::base64::decode(octets.as_bytes()).unwrap();
                text.push_str(str::from_utf8(&octets).unwrap());
            }
            Some((_, octets)) => text.push_str(&unquoted(octets)),
            None => text.push_str(word),
        }
    }
    text
}

fn unquoted(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'=', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = str::from_utf8(&digits).unwrap();
                octets.push(u8::from_str_radix(digits, 16).unwrap());
                rest = after;
            }
            (b'_', _) => octets.push(b' '),
            _ => octets.push(*first),
        }
    }
    String::from_utf8(octets).unwrap()
}
