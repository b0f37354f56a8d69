//! A session on a Maildir: messages as they were at its beginning, and their texts.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pop3::{Deletions, MessageNumber, Octets, Part, ScanListing, UniqueId};
use tracing::warn;

use super::name;
use super::scan::{PARTS, scan};
use crate::draft::Envelope;
use crate::error::{CommitError, TextError};
use crate::native::Peeked;
use crate::native::media::{Disk, File};
use crate::{Patience, Progress, plain};

/// A message, as a session knows it.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Where it lay, from the Maildir on.
    pub(super) path: Box<str>,
    pub(super) unique_id: UniqueId,
    /// As LIST says.
    pub(super) octets: u64,
    /// Whether its header has octets ≥ 0x80, as far as that is known (RFC 6856).
    pub(super) internationalised: bool,
    /// µs since 1970.
    pub(super) arrival_us: i64,
}

/// Where messages lay when one was not where it had been, by their names up to the flags.
pub(super) type Moved = Arc<Mutex<HashMap<Box<str>, Box<str>>>>;

/// A Maildir that a session has.
pub struct Session<D: Disk> {
    /// None: there is no Maildir, and no message.
    pub(super) disk: Option<Arc<D>>,
    pub(super) messages: Arc<Vec<Message>>,
    pub(super) is_partial: bool,
    pub(super) moved: Moved,
    /// Holds the lock; none: there is nothing to be deleted.
    #[expect(dead_code, reason = "freed when dropped")]
    pub(super) lock: Option<D::File>,
}

impl<D: Disk> Session<D> {
    /// Of a Maildir that is not there.
    pub(super) fn nothing() -> Self {
        Self {
            disk: None,
            messages: Arc::default(),
            is_partial: false,
            moved: Moved::default(),
            lock: None,
        }
    }

    /// As [`crate::OpenMaildrop::listing`].
    pub fn listing(&self) -> ScanListing {
        let mut listing = ScanListing::with_capacity(self.messages.len());
        if self.is_partial {
            listing.leave_some_out();
        }
        for message in &*self.messages {
            listing.push(Octets(message.octets), &message.unique_id);
            if message.internationalised {
                listing.internationalise_last();
            }
        }
        listing
    }

    /// As [`crate::OpenMaildrop::text`].
    pub fn text(&self, number: MessageNumber, part: Part) -> Result<Text<D>, TextError> {
        let (disk, _) = self.message(number)?;
        Ok(Text {
            disk: Arc::clone(disk),
            messages: Arc::clone(&self.messages),
            moved: Arc::clone(&self.moved),
            number,
            part,
            opened: None,
        })
    }

    /// As [`crate::OpenMaildrop::envelope`].
    pub fn envelope(&self, number: MessageNumber) -> Result<Envelope, TextError> {
        let (_, message) = self.message(number)?;
        Ok(Envelope {
            received_us: Some(message.arrival_us),
            unique_id: Some(message.unique_id.clone()),
            origin: Some(base_of(&message.path).as_bytes().to_vec()),
            ..Envelope::default()
        })
    }

    /// As [`crate::OpenMaildrop::commit`], but each message by itself: where a file cannot be deleted, those
    /// before it are gone, and those after it are not.
    pub fn commit(self, deletions: &Deletions) -> Result<usize, CommitError> {
        let Some(disk) = &self.disk else {
            return Ok(0);
        };
        let mut deleted = 0;
        let mut touched = [false; PARTS.len()];
        let mut moved = Vec::new();
        for number in deletions.iter() {
            let Some(message) = self.messages.get(number.index()) else {
                continue;
            };
            match delete(&**disk, &message.path, &mut touched) {
                Ok(()) => deleted += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => moved.push(message),
                Err(error) => return Err(CommitError::Unavailable(error)),
            }
        }
        if !moved.is_empty() {
            // What others have deleted is gone for good as well when we say so.
            touched = [true; PARTS.len()];
            deleted += moved.len();
            delete_moved(&**disk, moved).map_err(CommitError::Unavailable)?;
        }
        for (part, touched) in PARTS.iter().zip(touched) {
            if touched {
                let synced = disk.sync_dir(part);
                synced.map_err(CommitError::Unavailable)?;
            }
        }
        Ok(self.messages.len() - deleted)
    }

    fn message(&self, number: MessageNumber) -> Result<(&Arc<D>, &Message), TextError> {
        let message = self.messages.get(number.index());
        let found = self.disk.as_ref().zip(message);
        found.ok_or_else(|| TextError::Damaged {
            number,
            what: "there is no such message".into(),
        })
    }
}

/// Removes a message's file, and notes in which directory.
fn delete<D: Disk>(disk: &D, path: &str, touched: &mut [bool; PARTS.len()]) -> io::Result<()> {
    disk.unlink(path)?;
    for (part, touched) in PARTS.iter().zip(touched) {
        *touched = *touched || path.starts_with(part);
    }
    Ok(())
}

/// Removes files that are not where they were: under whatever name they have now, up to the flags the same. Those that
/// are nowhere were deleted by others.
///
/// # Errors
///
/// `ResourceBusy` if another program gives them new names faster than they are found; what the file system says.
fn delete_moved<D: Disk>(disk: &D, mut messages: Vec<&Message>) -> io::Result<()> {
    for _ in 0..MOVES_MAX {
        let scan = scan(disk, 0)?;
        let now = scan.by_base();
        let mut left = Vec::new();
        for message in messages {
            match now.get(base_of(&message.path)) {
                None if scan.is_whole => {}
                None => left.push(message),
                Some(path) => match disk.unlink(path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => left.push(message),
                    Err(error) => return Err(error),
                },
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        messages = left;
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// How often files are looked for that have other names each time.
const MOVES_MAX: usize = 16;

/// A path without its directory and the flags.
pub(super) fn base_of(path: &str) -> &str {
    let file = path.split_once('/').map_or(path, |(_, file)| file);
    name::base_str(file)
}

/// Where messages lie now.
fn paths<D: Disk>(disk: &D) -> io::Result<HashMap<Box<str>, Box<str>>> {
    let scan = scan(disk, 0)?;
    let boxed = |(base, path): (&str, &str)| (base.into(), path.into());
    Ok(scan.files().map(boxed).collect())
}

/// A part of a message, to be read chunk by chunk. Its file is opened when the first one is.
pub struct Text<D: Disk> {
    disk: Arc<D>,
    messages: Arc<Vec<Message>>,
    moved: Moved,
    number: MessageNumber,
    part: Part,
    opened: Option<plain::Text<D::File>>,
}

impl<D: Disk> Text<D> {
    /// As [`crate::Text::octets`].
    pub fn octets(&self) -> Octets {
        Octets(self.message().octets)
    }

    /// As [`crate::Text::read`].
    pub fn read(&mut self, out: &mut Vec<u8>, patience: Patience) -> Result<Progress, TextError> {
        let opened = match &mut self.opened {
            Some(opened) => opened,
            None => match self.open(patience)? {
                Some(opened) => self.opened.insert(opened),
                None => return Ok(Progress::Cold),
            },
        };
        let progress = opened.read(out, patience)?;
        if progress == Progress::End {
            self.compare();
        }
        Ok(progress)
    }

    /// As [`crate::Text::is_peekable`].
    pub fn is_peekable(&self) -> bool {
        let is_whole = self.part == Part::Whole;
        is_whole && self.opened.as_ref().is_none_or(plain::Text::is_peekable)
    }

    /// As [`crate::Text::peek`]; nothing is verified.
    pub fn peek(&mut self, room: &mut [u8]) -> Option<Peeked> {
        if !self.is_peekable() {
            return None;
        }
        let opened = match &mut self.opened {
            Some(opened) => opened,
            None => {
                let opened = self.open(Patience::CacheOnly).ok()??;
                self.opened.insert(opened)
            }
        };
        opened.peek(room)
    }

    /// As [`crate::Text::advance`].
    pub fn advance(&mut self, octets: usize) {
        if let Some(opened) = &mut self.opened {
            opened.advance(octets);
            if opened.is_over() {
                self.compare();
            }
        }
    }

    /// Warns, at the end of a text, if it was not as long as LIST had said.
    fn compare(&self) {
        let Message { path, octets, .. } = self.message();
        let sent = self.opened.as_ref().and_then(plain::Text::octets);
        if sent.is_some_and(|sent| sent != *octets) {
            warn!(
                file = &**path,
                octets, "a message has not the size that its name or the cache says"
            );
        }
    }

    fn message(&self) -> &Message {
        // `Session::text` makes none without a message.
        &self.messages[self.number.index()]
    }

    fn open(&self, patience: Patience) -> Result<Option<plain::Text<D::File>>, TextError> {
        let message = self.message();
        let found = match patience {
            // Where it is not there, it may have another name.
            Patience::CacheOnly => self.disk.open_cached(&message.path).unwrap_or_default(),
            Patience::Wait => Some(self.look_for(message).map_err(TextError::Unavailable)?),
        };
        let Some(file) = found else {
            return Ok(None);
        };
        let end = file.stat().map_err(TextError::Unavailable)?.len;
        if end == 0 && patience == Patience::CacheOnly {
            // It may be no file at all: whoever waits for it looks.
            return Ok(None);
        }
        let file = Arc::new(file);
        Ok(Some(plain::Text::new(
            file,
            (0, end),
            None,
            self.number,
            self.part,
        )))
    }

    /// The message's file, under whatever name it has now.
    fn look_for(&self, message: &Message) -> io::Result<D::File> {
        let first = match self.disk.open_to_read(&message.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => error,
            other => return other,
        };
        let base = base_of(&message.path);
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a thousand messages that somebody has marked as seen only the first one is looked for.
        if let Some(path) = moved.get(base)
            && let Ok(file) = self.disk.open_to_read(path)
        {
            return Ok(file);
        }
        *moved = paths(&*self.disk)?;
        match moved.get(base) {
            Some(path) => self.disk.open_to_read(path),
            None => Err(first),
        }
    }
}
