//! A text on its way in, and what is known about it.

use std::io;
use std::sync::Arc;

use pop3::{Octets, UniqueId};

use crate::error::DeliverError;
use crate::native::media::{Disk, File, RealDisk};

/// What is known of a text from the way it came in, so that nobody ever has to read it again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Measure {
    /// Octets as RFC 1939 §11 counts them (CRLF, not stuffed).
    pub octets: u64,
    /// Number of stuffed dots.
    pub stuffed: u32,
    /// Octets of the stored form up to and including the blank line; all of them if there is none.
    pub header_octets: u64,
    /// What the text holds: bits of [`flags`].
    pub flags: u8,
}

/// Bits of [`Measure::flags`]; the native format keeps them with each message.
pub mod flags {
    /// An octet ≥ 0x80 in the header.
    pub const HEADER_8BIT: u8 = 1;
    /// An octet ≥ 0x80 in the body.
    pub const BODY_8BIT: u8 = 2;
    /// A NUL.
    pub const NUL: u8 = 4;
    /// A CR that no LF follows.
    pub const BARE_CR: u8 = 8;
}

/// What is written beside the text.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// Whole header lines with CRLF that come before the text (Return-Path, Delivered-To,
    /// Received). No line begins with a dot.
    pub prefix: Vec<u8>,
    /// Envelope sender, if it is known (empty: the null sender).
    pub sender: Option<Vec<u8>>,
    /// When the message came in, µs since 1970; none: now.
    pub received_us: Option<i64>,
    /// Unique-id that the message had elsewhere; none: our own. One that the maildrop has
    /// already, or that looks like one of ours, is replaced by our own.
    pub unique_id: Option<UniqueId>,
    /// Where it comes from (an imported file's name), for people.
    pub origin: Option<Vec<u8>>,
}

/// A message that is durable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivered {
    /// Number within the maildrop that is never used again.
    pub uid: u64,
    /// Unique-id as UIDL will show it.
    pub unique_id: UniqueId,
    /// Size as LIST will show it, prefix included.
    pub octets: Octets,
}

/// A text on its way in, in stored wire form: in memory up to 256 KiB, then in an unnamed file of
/// the store's own file system. One draft can be delivered to many maildrops.
pub struct Draft<D: Disk = RealDisk> {
    /// Where a large text spills to; none: it stays in memory.
    disk: Option<Arc<D>>,
    /// The whole text, or what the file does not hold yet.
    memory: Vec<u8>,
    spilled: Option<D::File>,
    /// Octets in the file.
    on_disk: u64,
    /// Their checksum. The file is never synced, so what it gives back may be something else.
    on_disk_crc: u32,
}

/// Octets of a draft that stay in memory; beyond, they are written out in pieces of this size.
pub(crate) const MEMORY_MAX: usize = 256 * 1024;

impl<D: Disk> Draft<D> {
    pub(crate) fn new(disk: Option<Arc<D>>) -> Self {
        Self {
            disk,
            memory: Vec::new(),
            spilled: None,
            on_disk: 0,
            on_disk_crc: 0,
        }
    }

    /// Appends octets of the stored form.
    ///
    /// # Errors
    ///
    /// When the unnamed file cannot be made or written. The draft is then unfit for delivery.
    pub fn append(&mut self, stored: &[u8]) -> Result<(), DeliverError> {
        if self.memory.len() + stored.len() > MEMORY_MAX
            && let Some(disk) = &self.disk
        {
            let file = match self.spilled.take() {
                Some(file) => file,
                None => disk.create_unnamed("")?,
            };
            file.write_at(&[&self.memory, stored], self.on_disk)?;
            self.on_disk += (self.memory.len() + stored.len()) as u64;
            let crc = crc32c::crc32c_append(self.on_disk_crc, &self.memory);
            self.on_disk_crc = crc32c::crc32c_append(crc, stored);
            self.memory.clear();
            self.spilled = Some(file);
        } else {
            self.memory.extend_from_slice(stored);
        }
        Ok(())
    }

    /// Octets so far.
    pub fn len(&self) -> u64 {
        self.on_disk + self.memory.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole text, if it is in memory.
    pub(crate) fn in_memory(&self) -> Option<&[u8]> {
        (self.on_disk == 0).then_some(&self.memory)
    }

    /// Hands out the text in pieces of at most [`MEMORY_MAX`] octets. An error at the end may mean
    /// that they were not what had been appended.
    pub(crate) fn pieces(&self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if let Some(file) = &self.spilled {
            let mut buffer = vec![0; MEMORY_MAX];
            let (mut at, mut crc) = (0, 0);
            while at < self.on_disk {
                let want = usize::try_from(self.on_disk - at)
                    .unwrap_or(MEMORY_MAX)
                    .min(MEMORY_MAX);
                if file.read_at(&mut buffer[..want], at)? != want {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                crc = crc32c::crc32c_append(crc, &buffer[..want]);
                each(&buffer[..want])?;
                at += want as u64;
            }
            if crc != self.on_disk_crc {
                let what = "the disk has changed a text that was on its way in";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        match self.memory.is_empty() {
            true => Ok(()),
            false => each(&self.memory),
        }
    }
}
