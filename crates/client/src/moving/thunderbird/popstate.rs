//! `popstate.dat`: `*HOST USER`, then `k`, `d`, `b` or `f`, a unique-id and a time for each message.

use std::path::Path;

use crate::moving::MovingError;
use crate::moving::notes::Notes;
use crate::moving::read::{self, Line};
use crate::moving::seen::{Collected, Seen, SeenState, seconds};

/// Reads what a file says of an account. Servers and users are compared with all of their names.
pub(super) fn seen(
    file: &Path,
    hosts: &[&str],
    users: &[&str],
    notes: &mut Notes<'_>,
) -> Result<Vec<Seen>, MovingError> {
    let mut collected = Collected::default();
    let mut strangers = 0_usize;
    let mut place = Place::Before;
    read::lines(file, |number, line| match (line, place) {
        (Line::Whole(text), _) if text.starts_with(b"*") => {
            place = if is_of(&text[1..], hosts, users) {
                Place::Here
            } else {
                Place::Elsewhere
            };
        }
        (Line::Whole(text), _) if text.is_empty() || text.starts_with(b"#") => {}
        (Line::Whole(text), Place::Here) => {
            let mut words = text.split(|&it| it == b' ');
            let (state, id, time) = (words.next().unwrap_or_default(), words.next(), words.next());
            match (known(state), id) {
                (Some(state), Some(id)) => collected.add(number, id, time.and_then(seconds), state),
                _ => collected.unusable(number),
            }
        }
        (Line::TooLong, Place::Here) => collected.unusable(number),
        _ => strangers += 1,
    })?;
    if strangers > 0 {
        notes.about(
            format!(
                "{strangers} messages of another server or user in {}",
                file.display()
            ),
            "they are left out; was the account renamed? Then what is on its server counts as new",
        );
    }
    Ok(collected.into_list(notes))
}

/// Whose lines these are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Before,
    Here,
    Elsewhere,
}

/// A user's name may hold spaces, and that of a server no.
fn is_of(line: &[u8], hosts: &[&str], users: &[&str]) -> bool {
    let Some(end) = line.iter().position(|&it| it == b' ') else {
        return false;
    };
    let (host, user) = (&line[..end], line[end + 1..].trim_ascii());
    hosts
        .iter()
        .any(|it| it.as_bytes().eq_ignore_ascii_case(host))
        && users.iter().any(|it| it.as_bytes() == user)
}

/// `k`ept on the server, to be `d`eleted there; too `b`ig, or its body is to be `f`etched: only the header is there.
fn known(state: &[u8]) -> Option<SeenState> {
    match state {
        b"k" => Some(SeenState::Delivered),
        b"d" => Some(SeenState::DeletionPending),
        b"b" | b"f" => Some(SeenState::NotWhole),
        _ => None,
    }
}
