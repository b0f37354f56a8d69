//! What a change of an mbox keeps until it is done: a file of ours beside it, `.NAME.restante`.
//!
//! It is made once, stays, and serves as the lock of sessions as well (`media::Lock`). In it is at most one
//! entry, whole and durable before the first octet of the mbox changes:
//!
//! ```text
//! 0   magic, 8 octets; zeros: there is no entry
//! 8   mark, 8 octets: 1 as soon as only the cut is left to do
//! 16  SHA-256 of the rest up to the end of the stretches
//! 48  kind, keep, end, stretches, octets of content: 8 octets each, little-endian
//! 88  content
//! …   stretches that stay: beginning and end, 8 octets each
//! ```
//!
//! An entry about an *append* has what is being appended at `keep`, where the mbox ended. One about a
//! *rewrite* has what the mbox held from `keep` to `end`, and which stretches of that stay.

use std::io;
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::locks::own;
use crate::native::media::{Disk, File, Lock};
use crate::places::Place;

/// What was under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Append,
    Rewrite,
}

/// An entry that is whole. Its content stays in the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// What the mbox has before this offset stays as it is.
    pub(super) keep: u64,
    /// How long the mbox was.
    pub(super) end: u64,
    pub(super) content_octets: u64,
    /// For each stretch that stays, where it will begin, and where it was.
    stays: Vec<(u64, Range<u64>)>,
    /// How long the mbox will be; of a rewrite.
    pub(super) new_end: u64,
    pub(super) is_marked: bool,
}

const MAGIC: &[u8; 8] = b"RSTMBOX1";
const MARK: [u8; 8] = 1_u64.to_le_bytes();
const CONTENT: u64 = 88;
/// Octets that are read and written at once.
pub(super) const PIECE: usize = 64 * 1024;

/// The file of that name, made if it is not there, and locked if that goes without waiting so long.
///
/// # Errors
///
/// `TimedOut` if another process has the lock; what the file system says.
pub(super) fn open_locked<D: Disk>(
    place: &Place<D>,
    lock: Lock,
    patience: std::time::Duration,
) -> io::Result<D::File> {
    let name = format!(".{}.restante", place.file);
    for _ in 0..RACES_MAX {
        let file = match place.disk.open(&name).and_then(own) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match place.disk.create(&name) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    other => other.map_err(|error| {
                        io::Error::new(error.kind(), format!("cannot make {name}: {error}"))
                    })?,
                }
            }
            other => other?,
        };
        if !file.wait_lock(lock, patience)? {
            let what = "another process of ours has held the lock of the mbox for too long";
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        if place.disk.is_named(&name, file.stat()?.id).unwrap_or(false) {
            return Ok(file);
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// How often to start again because somebody made or removed the file meanwhile.
const RACES_MAX: usize = 16;

impl Entry {
    /// Writes an entry, durably. `pieces` hands out its content.
    ///
    /// # Errors
    ///
    /// What the disk says; there may be an entry or none then.
    pub(super) fn write<D: Disk>(
        place: &Place<D>,
        file: &D::File,
        kind: Kind,
        (keep, end): (u64, u64),
        stays: Vec<Range<u64>>,
        pieces: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>,
    ) -> io::Result<Self> {
        if file.stat()?.len == 0 {
            // Before it ever holds anything, so that whoever finds something in it knows that its name lasts.
            place.disk.sync_dir("")?;
        }
        let mut sum = Sha256::new();
        let mut at = CONTENT;
        pieces(&mut |piece| {
            file.write_at(&[piece], at)?;
            sum.update(piece);
            at += piece.len() as u64;
            Ok(())
        })?;
        let content_octets = at - CONTENT;
        let mut stretches = Vec::with_capacity(stays.len() * 16);
        for stretch in &stays {
            stretches.extend_from_slice(&stretch.start.to_le_bytes());
            stretches.extend_from_slice(&stretch.end.to_le_bytes());
        }
        let fixed = [kind as u64, keep, end, stays.len() as u64, content_octets];
        let fixed = fixed.map(u64::to_le_bytes).concat();
        sum.update(&stretches);
        sum.update(&fixed);
        file.write_at(&[&stretches], at)?;
        file.write_at(&[&MAGIC[..], &[0; 8], &sum.finalize()[..], &fixed], 0)?;
        file.sync_all()?;
        Ok(Self::new(kind, keep, end, content_octets, stays))
    }

    fn new(kind: Kind, keep: u64, end: u64, content_octets: u64, stays: Vec<Range<u64>>) -> Self {
        let mut new_end = keep;
        let placed = stays.into_iter().map(|stretch| {
            let begins = new_end;
            new_end += stretch.end - stretch.start;
            (begins, stretch)
        });
        let stays = placed.collect();
        Self {
            kind,
            keep,
            end,
            content_octets,
            stays,
            new_end,
            is_marked: false,
        }
    }

    /// The entry of a file; none if there is none, or it was never whole.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub(super) fn read<F: File>(file: &F) -> io::Result<Option<Self>> {
        let len = file.stat()?.len;
        let mut head = [0; CONTENT as usize];
        if file.read_at(&mut head, 0)? < head.len() || head[..8] != *MAGIC {
            return Ok(None);
        }
        let number = |at: usize| {
            let octets = head[at..at + 8]
                .try_into()
                .expect("eight octets were cut out");
            u64::from_le_bytes(octets)
        };
        let kind = match number(48) {
            0 => Kind::Append,
            1 => Kind::Rewrite,
            _ => return Ok(None),
        };
        let [keep, end, count, content_octets] = [56, 64, 72, 80].map(number);
        let stretches_at = CONTENT.checked_add(content_octets).filter(|&at| at <= len);
        let fits = |at: &u64| count <= (len - at) / 16;
        let Some(stretches_at) = stretches_at.filter(fits) else {
            return Ok(None);
        };
        let mut sum = Sha256::new();
        for_each_piece(file, CONTENT..stretches_at, |_, piece| {
            sum.update(piece);
            Ok(())
        })?;
        let mut stays = Vec::new();
        for_each_piece(file, stretches_at..stretches_at + count * 16, |_, piece| {
            sum.update(piece);
            stays.extend(piece.chunks_exact(16).map(|both| {
                let [start, end] = [&both[..8], &both[8..]].map(|octets| {
                    u64::from_le_bytes(octets.try_into().expect("sixteen octets are two numbers"))
                });
                start..end
            }));
            Ok(())
        })?;
        sum.update(&head[48..]);
        if sum.finalize()[..] != head[16..48] {
            return Ok(None);
        }
        // What another user has put here has a good sum as well, and no number of it is to be trusted.
        let mut from = keep;
        for stretch in &stays {
            if stretch.start < from || stretch.end <= stretch.start || stretch.end > end {
                return Ok(None);
            }
            from = stretch.end;
        }
        let holds = match kind {
            Kind::Append => end == keep && keep.checked_add(content_octets).is_some(),
            Kind::Rewrite => end.checked_sub(keep) == Some(content_octets),
        };
        Ok(holds.then(|| Self {
            is_marked: head[8..16] == MARK,
            ..Self::new(kind, keep, end, content_octets, stays)
        }))
    }

    /// Notes, durably, that the mbox holds all that it shall, and more that is to be cut off.
    ///
    /// # Errors
    ///
    /// What the disk says; the note may be there or not then.
    pub(super) fn mark<F: File>(file: &F) -> io::Result<()> {
        file.write_at(&[&MARK], 8)?;
        file.sync_data()
    }

    /// Takes that note back, durably.
    ///
    /// # Errors
    ///
    /// As [`Entry::mark`].
    pub(super) fn unmark<F: File>(file: &F) -> io::Result<()> {
        file.write_at(&[&[0; 8]], 8)?;
        file.sync_data()
    }

    /// Content that lies, or lay, at an offset of the mbox.
    ///
    /// # Errors
    ///
    /// What the disk says; `UnexpectedEof` if there is less.
    pub(super) fn content<F: File>(&self, file: &F, at: u64, out: &mut [u8]) -> io::Result<()> {
        read_exact(file, out, CONTENT + (at - self.keep))
    }

    /// What a rewrite puts at an offset of the mbox.
    ///
    /// # Errors
    ///
    /// As [`Entry::content`].
    pub(super) fn rewritten<F: File>(&self, file: &F, at: u64, out: &mut [u8]) -> io::Result<()> {
        let mut place = self.stays.partition_point(|(begins, _)| *begins <= at);
        let mut done = 0;
        while done < out.len() {
            let at = at + done as u64;
            let Some((begins, stretch)) = place.checked_sub(1).and_then(|it| self.stays.get(it))
            else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let from = stretch.start + (at - begins);
            let left = usize::try_from(stretch.end.saturating_sub(from)).unwrap_or(usize::MAX);
            if left == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let to = out.len().min(done.saturating_add(left));
            self.content(file, from, &mut out[done..to])?;
            done = to;
            place += 1;
        }
        Ok(())
    }
}

/// Whether there may be an entry.
///
/// # Errors
///
/// What the disk says.
pub(super) fn has_entry<F: File>(file: &F) -> io::Result<bool> {
    Ok(file.stat()?.len > MAGIC.len() as u64)
}

/// There is no entry any more.
///
/// # Errors
///
/// What the disk says.
pub(super) fn void<F: File>(file: &F, lasts: Lasts) -> io::Result<()> {
    file.write_at(&[&[0; 8]], 0)?;
    file.truncate(8)?;
    match lasts {
        Lasts::Now => file.sync_all(),
        Lasts::WithTheNext => Ok(()),
    }
}

/// When it must be durable that there is no entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lasts {
    /// At once: it would be about a file that is no more like that.
    Now,
    /// Whenever: who finds the entry again sees that it was done.
    WithTheNext,
}

/// Reads a part of a file piece by piece; each with its offset.
///
/// # Errors
///
/// What the disk says; `UnexpectedEof` if the file is shorter.
pub(super) fn for_each_piece<F: File>(
    file: &F,
    part: Range<u64>,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut at = part.start;
    while at < part.end {
        let want = usize::try_from(part.end - at).map_or(PIECE, |left| left.min(PIECE));
        read_exact(file, &mut buffer[..want], at)?;
        each(at, &buffer[..want])?;
        at += want as u64;
    }
    Ok(())
}

fn read_exact<F: File>(file: &F, out: &mut [u8], at: u64) -> io::Result<()> {
    match file.read_at(out, at)? == out.len() {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
