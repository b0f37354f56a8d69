//! Where the messages of a file are.

use std::io;
use std::ops::Range;

use super::lines::{Line, Lines, ReadAt};
use super::{Postmark, Variant};

/// A message in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Where what belongs to it begins: the line before its text, or the mark of MMDF. It ends where that of the
    /// next one begins, or the file ends.
    pub start: u64,
    /// Where its text is, without the postmark before it and the empty line behind it.
    pub text: Range<u64>,
    /// What the line before it says. Only MMDF does without.
    pub postmark: Option<Postmark>,
}

/// Why a file has no index.
#[derive(Debug)]
pub enum IndexError {
    /// It cannot be read.
    Unavailable(io::Error),
    /// There is something outside of all messages: at this offset.
    NoMbox(u64),
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        Self::Unavailable(error)
    }
}

/// Finds the messages of a file, without that in which programs of the University of Washington keep notes.
/// The file is read once; what is kept is as much for each message as its postmark.
///
/// # Errors
///
/// See [`IndexError`]. A file without any octet has no messages.
pub fn index<S: ReadAt + ?Sized>(file: &S, variant: Variant) -> Result<Vec<Message>, IndexError> {
    let mut lines = Lines::new(file);
    let mut found = match variant {
        Variant::Mmdf => between_marks(&mut lines)?,
        _ => behind_postmarks(file, &mut lines, variant.has_lengths())?,
    };
    if found
        .first()
        .is_some_and(|first| first.is_about_notes && first.has_notes)
    {
        found.remove(0);
    }
    Ok(found.into_iter().map(|found| found.message).collect())
}

/// A message that is being found.
struct Found {
    message: Message,
    /// Whether it says that it is a program's, and has what programs keep in one.
    is_about_notes: bool,
    has_notes: bool,
    /// Whether its header has ended.
    is_in_body: bool,
    /// What its header says of the octets of the body; none if that makes no sense.
    body_octets: Option<Option<u64>>,
}

impl Found {
    fn begins(line: &Line, postmark: Option<Postmark>) -> Self {
        Self {
            message: Message {
                start: line.start,
                text: line.end..line.end,
                postmark,
            },
            is_about_notes: false,
            has_notes: false,
            is_in_body: false,
            body_octets: None,
        }
    }

    /// Reads a line of it; whether the header ends with it.
    fn ends_header(&mut self, line: &Line) -> bool {
        if self.is_in_body {
            return false;
        }
        self.is_in_body = line.is_empty();
        if let Some(value) = field(&line.head, b"Content-Length") {
            let octets = crate::maildir::number(value);
            // Of two that differ nobody knows which is the sender's.
            self.body_octets = match self.body_octets {
                Some(before) if before != octets => Some(None),
                _ => Some(octets),
            };
        } else if let Some(value) = field(&line.head, b"Subject") {
            self.is_about_notes |= value == NOTE;
        } else {
            let is_field = |name| field(&line.head, name).is_some();
            self.has_notes |= is_field(b"X-IMAP") || is_field(b"X-IMAPbase");
        }
        self.is_in_body
    }
}

/// The value of a header field of this name.
pub(super) fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// All dialects but MMDF: a postmark counts at the beginning and behind an empty line.
fn behind_postmarks<S: ReadAt + ?Sized>(
    file: &S,
    lines: &mut Lines<'_, S>,
    has_lengths: bool,
) -> Result<Vec<Found>, IndexError> {
    let mut all = Vec::new();
    // Where a text ends if a postmark comes now: before the empty line, which is no part of it.
    let mut before = Some(0);
    while let Some(line) = lines.next()? {
        if let (Some(end), Some(postmark)) = (before, Postmark::parse(&line.head)) {
            close(&mut all, end);
            all.push(Found::begins(&line, Some(postmark)));
            before = Some(line.end);
            continue;
        }
        before = line.is_empty().then_some(line.start);
        let Some(found) = all.last_mut() else {
            match before {
                Some(_) => continue,
                None => return Err(IndexError::NoMbox(line.start)),
            }
        };
        if found.ends_header(&line)
            && has_lengths
            && let Some(Some(octets)) = found.body_octets
        {
            let end = line.end.saturating_add(octets);
            if is_end(file, end)? {
                lines.seek(end);
                before = Some(end);
            }
        }
    }
    close(&mut all, before.unwrap_or_else(|| lines.at()));
    Ok(all)
}

fn close(all: &mut [Found], end: u64) {
    if let Some(Found { message, .. }) = all.last_mut() {
        message.text.end = end;
    }
}

/// Whether a message may end there: the file does, or a postmark comes, perhaps behind an empty line.
fn is_end<S: ReadAt + ?Sized>(file: &S, end: u64) -> io::Result<bool> {
    let mut next = [0; 1024];
    // One octet more, since beyond the end of a file there is nothing either; and no file is so long that the
    // system would not take its offsets.
    let Some(last) = end
        .checked_sub(1)
        .filter(|&last| i64::try_from(last).is_ok())
    else {
        return Ok(false);
    };
    let octets = file.read_at(&mut next, last)?;
    let Some((&last, next)) = next[..octets].split_first() else {
        return Ok(false);
    };
    let behind = next
        .strip_prefix(b"\n")
        .or_else(|| next.strip_prefix(b"\r\n"));
    // Nothing may end within a line: there a sender could have written what follows.
    if last != b'\n' && behind.is_none() {
        return Ok(next.is_empty());
    }
    let next = behind.unwrap_or(next);
    let line = next.split(|&octet| octet == b'\n').next();
    Ok(next.is_empty() || line.and_then(Postmark::parse).is_some())
}

fn between_marks<S: ReadAt + ?Sized>(lines: &mut Lines<'_, S>) -> Result<Vec<Found>, IndexError> {
    let mut all: Vec<Found> = Vec::new();
    let mut is_open = false;
    while let Some(line) = lines.next()? {
        match (is_open, line.head == MARK) {
            (false, true) => all.push(Found::begins(&line, None)),
            (true, true) => close(&mut all, line.start),
            (false, false) if line.is_empty() => continue,
            (false, false) if all.is_empty() => return Err(IndexError::NoMbox(line.start)),
            // What looked like the end was a line of the text.
            (false, false) => {}
            (true, false) => {
                if let Some(found) = all.last_mut() {
                    let postmark = Postmark::parse(&line.head);
                    if postmark.is_some() && found.message.text.start == line.start {
                        found.message.text.start = line.end;
                        found.message.postmark = postmark;
                    } else {
                        found.ends_header(&line);
                    }
                }
                continue;
            }
        }
        is_open = !is_open;
    }
    if is_open {
        close(&mut all, lines.at());
    }
    Ok(all)
}

/// Whether the last message of an MMDF file has no end, as soon as its last line has one.
///
/// # Errors
///
/// What the system says.
pub(super) fn is_open_mmdf<S: ReadAt + ?Sized>(file: &S) -> io::Result<bool> {
    let mut lines = Lines::new(file);
    let mut is_open = false;
    while let Some(line) = lines.next()? {
        // The last line gets an end before anything comes behind it, and a CR is part of that then.
        let is_last = line.end - line.start == line.head.len() as u64;
        let text = line.head.strip_suffix(b"\r").filter(|_| is_last);
        let text = text.unwrap_or(&line.head);
        is_open = match text == MARK {
            true => !is_open,
            // Behind the end of a message: it was none.
            false => is_open || !text.is_empty(),
        };
    }
    Ok(is_open)
}

/// Before and behind each message of MMDF.
pub(super) const MARK: &[u8] = &[1; 4];

/// What the first message of a file is about, if it is a note of programs for themselves.
const NOTE: &[u8] = b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA";

#[cfg(test)]
mod tests {
    use super::*;

    const MARKED: &str = "From a@b Mon Nov 23 08:24:39 2026\n";

    fn texts(file: &str, variant: Variant) -> Vec<&str> {
        let found = index(file.as_bytes(), variant).unwrap();
        let text = |range: Range<u64>| &file[range.start as usize..range.end as usize];
        found
            .into_iter()
            .map(|message| text(message.text))
            .collect()
    }

    #[test]
    fn a_message_is_between_postmark_and_empty_line() {
        for (file, expected) in [
            ("", &[][..]),
            ("\n\n", &[]),
            ("M", &[""]),
            (
                "MS: a\n\nb\n\nMS: c\n\n\nM\nMS: d\n",
                &["S: a\n\nb\n", "S: c\n\n", "", "S: d\n"],
            ),
            (
                "MS: a\n\nM is none\nb\nMno\n",
                &["S: a\n", " is none\nb\nMno\n"],
            ),
            ("MS: a\n\nb\nM", &["S: a\n\nb\nM"]),
            ("MS: a\n\nno end", &["S: a\n\nno end"]),
            (
                "MS: a\r\n\r\nb\r\n\r\nMS: c\r\n",
                &["S: a\r\n\r\nb\r\n", "S: c\r\n"],
            ),
        ] {
            let file = file.replace('M', MARKED);
            let expected: Vec<String> = expected
                .iter()
                .map(|text| text.replace('M', MARKED))
                .collect();
            assert_eq!(texts(&file, Variant::Mboxrd), expected, "{file}");
        }
    }

    #[test]
    fn a_length_counts_only_where_it_may_and_fits() {
        let forged = |octets: usize| {
            format!("{MARKED}Content-Length: {octets}\n\none\n\n{MARKED}S: two\n\nmine\n")
        };
        let within = "one\n\n".len() + MARKED.len() + "S: two\n\nmine\n".len();
        for (octets, messages) in [
            (4, 2),
            (within, 1),
            (within + 1, 2),
            (3, 2),
            (usize::MAX, 2),
        ] {
            let file = forged(octets);
            assert_eq!(texts(&file, Variant::Mboxcl2).len(), messages, "{octets}");
            assert_eq!(texts(&file, Variant::Mboxrd).len(), 2, "{octets}");
        }
        assert_eq!(
            texts(&forged(4), Variant::Mboxcl)[0],
            "Content-Length: 4\n\none\n"
        );
    }

    #[test]
    fn messages_of_mmdf_are_between_marks() {
        let mark = "\u{1}\u{1}\u{1}\u{1}\n";
        let file = format!(
            "{mark}{MARKED}S: a\n\nFrom b\n{mark}{mark}S: c\n\n{MARKED}{mark}\n{mark}S: torn"
        );
        let second = format!("S: c\n\n{MARKED}");
        assert_eq!(
            texts(&file, Variant::Mmdf),
            ["S: a\n\nFrom b\n", &second, "S: torn"]
        );
        let within = format!("{mark}S: a\n\nb\n{mark}\nc\n{mark}{mark}S: d\n{mark}");
        let first = format!("S: a\n\nb\n{mark}\nc\n");
        assert_eq!(texts(&within, Variant::Mmdf), [&first, "S: d\n"]);
        assert!(index("x".as_bytes(), Variant::Mmdf).is_err());
    }

    #[test]
    fn notes_of_programs_are_no_messages() {
        let note = format!(
            "{MARKED}Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\ntext\n\n"
        );
        let file = format!("{note}{MARKED}S: a\n\n{note}");
        let found = texts(&file, Variant::Mboxrd);
        assert_eq!(found.len(), 2, "only the first: {found:?}");
        let letter = note.replace("X-IMAP", "X-Other");
        assert_eq!(texts(&letter, Variant::Mboxrd).len(), 1);
    }

    #[test]
    fn what_is_no_mbox_is_refused() {
        for file in ["Subject: x\n", "\n\nhello", "From here\n"] {
            let refused = index(file.as_bytes(), Variant::Mboxrd);
            assert!(matches!(refused, Err(IndexError::NoMbox(_))), "{file}");
        }
    }
}
