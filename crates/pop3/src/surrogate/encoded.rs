//! Encoded words (RFC 2047): texts that are not ASCII, in ASCII.

use sasl::base64;

use super::UNFOLDED_OCTETS_MAX;
use super::line::Line;

/// Longest encoded word that we make; RFC 2047 §2 allows 75. With the longest name that a field
/// has here, it fits on the first line.
const WORD_OCTETS_MAX: usize = 54;

/// Where the words stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// In a text without structure: any printable word may stay.
    Text,
    /// In a phrase: only atoms may (RFC 2047 §5).
    Phrase,
}

/// Adds a text without structure.
pub(super) fn text(value: &[u8], line: &mut Line) {
    words(value, Place::Text, line);
}

/// Adds a phrase, such as the name of a person, whose quotes are removed.
pub(super) fn phrase(value: &[u8], line: &mut Line) {
    words(value, Place::Phrase, line);
}

/// Words that need it are encoded, those in a row together with what is between them.
fn words(value: &[u8], place: Place, line: &mut Line) {
    let words: Vec<&[u8]> = value
        .split(|octet| matches!(octet, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
        .collect();
    let mut at = 0;
    while at < words.len() {
        if !needs(words[at], place) {
            line.piece(words[at]);
            at += 1;
            continue;
        }
        let run = words[at..].iter().take_while(|word| needs(word, place));
        let end = at + run.count();
        let mut text = words[at..end].join(&b' ');
        // White space between two encoded words is none (RFC 2047 §6.2), so it goes into ours.
        if at > 0 && is_encoded(words[at - 1]) {
            text.insert(0, b' ');
        }
        if words.get(end).is_some_and(|word| is_encoded(word)) {
            text.push(b' ');
        }
        encode(&text, line);
        at = end;
    }
}

fn needs(word: &[u8], place: Place) -> bool {
    let plain = match place {
        Place::Text => word.iter().all(u8::is_ascii_graphic),
        Place::Phrase => word.iter().all(|&octet| is_atom(octet)),
    };
    word.len() > UNFOLDED_OCTETS_MAX || !(plain || is_encoded(word))
}

/// Whether a word is an encoded one already.
fn is_encoded(word: &[u8]) -> bool {
    let inside = word
        .strip_prefix(b"=?")
        .and_then(|rest| rest.strip_suffix(b"?="));
    word.len() <= 75
        && inside.is_some_and(|inside| {
            let parts = inside.split(|&octet| octet == b'?');
            parts.count() == 3 && inside.iter().all(u8::is_ascii_graphic)
        })
}

/// An octet of an atom (RFC 5322 §3.2.3).
fn is_atom(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

/// Adds a text in encoded words.
fn encode(text: &[u8], line: &mut Line) {
    match str::from_utf8(text) {
        Ok(letters) => in_words(text, letters.chars().map(char::len_utf8), "utf-8", line),
        Err(_) => in_words(text, text.iter().map(|_| 1), "unknown-8bit", line),
    }
}

/// Adds a text whose letters have so many octets each: none is split.
fn in_words(text: &[u8], letters: impl Iterator<Item = usize>, charset: &str, line: &mut Line) {
    let quoted: usize = text.iter().map(|&octet| quoted_octets(octet)).sum();
    // Readable as it stands where most of it is ASCII; base 64 where it would be twice as long.
    let quote = quoted <= text.len() * 2;
    let around = charset.len() + "=???Q?=".len();
    let room = WORD_OCTETS_MAX - around;
    let (mut start, mut end, mut used) = (0, 0, 0);
    let mut put = |octets: &[u8]| {
        let word = match quote {
            true => format!("=?{charset}?Q?{}?=", quoted_printable(octets)),
            false => format!("=?{charset}?B?{}?=", base64::encode(octets)),
        };
        line.piece(word.as_bytes());
    };
    for letter in letters {
        let next = &text[end..end + letter];
        let cost = match quote {
            true => next
                .iter()
                .map(|&octet| quoted_octets(octet))
                .sum::<usize>(),
            false => letter,
        };
        let limit = match quote {
            true => room,
            false => room / 4 * 3,
        };
        if used + cost > limit {
            put(&text[start..end]);
            (start, used) = (end, 0);
        }
        end += letter;
        used += cost;
    }
    put(&text[start..]);
}

/// Octets of one in the Q encoding.
fn quoted_octets(octet: u8) -> usize {
    match stays(octet) || octet == b' ' {
        true => 1,
        false => 3,
    }
}

/// What may stand for itself everywhere, in a phrase, too (RFC 2047 §5).
fn stays(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!*+-/".contains(&octet)
}

fn quoted_printable(octets: &[u8]) -> String {
    let mut text = String::new();
    for &octet in octets {
        match octet {
            b' ' => text.push('_'),
            _ if stays(octet) => text.push(char::from(octet)),
            _ => {
                text.push('=');
                for digit in [octet >> 4, octet & 15] {
                    text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                }
            }
        }
    }
    text
}
