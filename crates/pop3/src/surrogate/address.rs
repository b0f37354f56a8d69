//! Lists of addresses: names in encoded words, and nobody's address in place of one that is not
//! ASCII (RFC 6858 §2.1).
//!
//! Reading is lenient, since nothing here decides where mail goes: whatever is between two commas
//! and is not ASCII comes out as a name and an address in ASCII.

use super::UNFOLDED_OCTETS_MAX;
use super::encoded;
use super::line::Line;

/// Nobody's address, for ever (RFC 2606 §2): a reply to it goes to nobody else, either.
const NOBODY: &[u8] = b"<invalid@internationalized-address.invalid>";

/// Adds a list of mailboxes and groups.
pub(super) fn list(value: &[u8], line: &mut Line) {
    // Whether a comma is due before the next mailbox, and whether a group is open.
    let (mut due, mut open) = (false, false);
    for part in parts(value) {
        match part {
            Part::Group(name) => {
                separate(&mut due, line);
                let before = line.pieces();
                name_of(name, line);
                if line.pieces() == before {
                    line.piece(b"group");
                }
                line.attach(b":");
                open = true;
            }
            Part::End => {
                if open {
                    line.attach(b";");
                    (due, open) = (true, false);
                }
            }
            Part::Mailbox(text) => {
                let mailbox = Mailbox::read(text);
                if shows(text) {
                    separate(&mut due, line);
                    line.piece(text);
                    due = true;
                } else if !mailbox.is_empty() {
                    separate(&mut due, line);
                    mailbox.show(line);
                    due = true;
                }
            }
        }
    }
    if open {
        line.attach(b";");
    }
}

/// Adds a path, which has no name (RFC 5321 §4.1.2).
pub(super) fn path(_: &[u8], line: &mut Line) {
    line.piece(NOBODY);
}

fn separate(due: &mut bool, line: &mut Line) {
    if std::mem::take(due) {
        line.attach(b",");
    }
}

/// Whether a piece may stay as it is.
fn shows(text: &[u8]) -> bool {
    let printable = |octet: &u8| matches!(octet, b'\t' | b' '..=b'~');
    text.len() <= UNFOLDED_OCTETS_MAX && text.iter().all(printable)
}

/// One piece of a list.
enum Part<'a> {
    /// The name of a group, which begins.
    Group(&'a [u8]),
    Mailbox(&'a [u8]),
    /// The end of a group.
    End,
}

/// What commas, and the colon and semicolon of groups, separate.
fn parts(value: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, octet) in bare(value) {
        let text = value[start..at].trim_ascii();
        match octet {
            b':' => parts.push(Part::Group(text)),
            b',' | b';' => {
                if !text.is_empty() {
                    parts.push(Part::Mailbox(text));
                }
                if octet == b';' {
                    parts.push(Part::End);
                }
            }
            _ => continue,
        }
        start = at + 1;
    }
    let text = value[start..].trim_ascii();
    if !text.is_empty() {
        parts.push(Part::Mailbox(text));
    }
    parts
}

/// The octets that stand outside quoted strings, comments, angle brackets and domain literals, and
/// the brackets themselves.
fn bare(value: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let (mut quoted, mut comments, mut escaped) = (false, 0u32, false);
    let (mut angle, mut literal) = (false, false);
    value.iter().enumerate().filter_map(move |(at, &octet)| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted || comments > 0 => escaped = true,
            b'"' if comments == 0 => quoted = !quoted,
            _ if quoted => {}
            b'(' => comments = comments.saturating_add(1),
            b')' if comments > 0 => comments -= 1,
            _ if comments > 0 => {}
            b'[' => literal = true,
            b']' => literal = false,
            _ if literal => {}
            b'<' if !angle => {
                angle = true;
                return Some((at, octet));
            }
            b'>' if angle => {
                angle = false;
                return Some((at, octet));
            }
            _ if !angle => return Some((at, octet)),
            _ => {}
        }
        None
    })
}

/// A mailbox that cannot stay as it is.
struct Mailbox<'a> {
    /// The name, with quotes and comments.
    name: &'a [u8],
    /// The address, with comments.
    address: Vec<u8>,
}

impl<'a> Mailbox<'a> {
    fn read(text: &'a [u8]) -> Self {
        let place = |wanted| bare(text).find(|&(_, octet)| octet == wanted);
        let Some((open, _)) = place(b'<') else {
            return Self {
                name: b"",
                address: without_comments(text),
            }
            .named_by_comment(text);
        };
        let close = place(b'>').map_or(text.len(), |(at, _)| at);
        Self {
            name: &text[..open],
            address: without_comments(&text[open + 1..close.max(open + 1)]),
        }
    }

    /// Before names there were comments: `joerg@dobbs.org (Jörg)`.
    fn named_by_comment(self, text: &'a [u8]) -> Self {
        let open = memchr::memchr(b'(', text);
        let close = memchr::memrchr(b')', text);
        match (open, close) {
            (Some(open), Some(close)) if open < close && text.ends_with(b")") => Self {
                name: &text[open + 1..close],
                ..self
            },
            _ => self,
        }
    }

    fn is_empty(&self) -> bool {
        self.name.trim_ascii().is_empty() && self.address.is_empty()
    }

    fn show(&self, line: &mut Line) {
        let (mut name, address) = (unquoted(self.name), &self.address);
        let good = shows(address) && !address.is_empty();
        if !good && !address.is_empty() {
            // Whoever reads it sees what the address was, as part of the name.
            if !name.is_empty() {
                name.push(b' ');
            }
            name.push(b'<');
            name.extend_from_slice(address);
            name.push(b'>');
        }
        encoded::phrase(&name, line);
        match good {
            true => line.piece(&[&b"<"[..], address, b">"].concat()),
            false => line.piece(NOBODY),
        }
    }
}

/// Adds the name of a group.
fn name_of(name: &[u8], line: &mut Line) {
    match shows(name) && !name.is_empty() {
        true => line.piece(name),
        false => encoded::phrase(&unquoted(name), line),
    }
}

/// A phrase without its quotes and backslashes.
fn unquoted(phrase: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(phrase.len());
    let mut escaped = false;
    for &octet in phrase {
        match octet {
            _ if escaped => {
                escaped = false;
                text.push(octet);
            }
            b'\\' => escaped = true,
            b'"' => {}
            _ => text.push(octet),
        }
    }
    text.trim_ascii().to_vec()
}

fn without_comments(text: &[u8]) -> Vec<u8> {
    let (mut quoted, mut comments, mut escaped) = (false, 0u32, false);
    let mut kept = Vec::with_capacity(text.len());
    for &octet in text {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted || comments > 0 => escaped = true,
            b'"' if comments == 0 => quoted = !quoted,
            b'(' if !quoted => comments = comments.saturating_add(1),
            b')' if !quoted && comments > 0 => {
                comments -= 1;
                continue;
            }
            _ => {}
        }
        if comments == 0 {
            kept.push(octet);
        }
    }
    kept.trim_ascii().to_vec()
}
