//! What a message's octets must be, and what they are.
//!
//! Whatever mail a server has, each message is read once before the clock runs ([`Sum`]) and must be
//! the same, octet by octet, ever after. Mail of a generated corpus also tells by itself whether it
//! is what was delivered ([`Stamp`]), so that a server which is wrong from the beginning is found
//! out, and a message that can be read only once, as in a drain, is verified too.

mod lines;
mod stamp;

use pop3::Octets;

use lines::Lines;
use stamp::Reader;
pub(crate) use stamp::{FIELD, Stamp};

/// What a message was when it was read first: octets as LIST counts them, and a checksum (CRC-32C)
/// of all of them as they travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sum {
    pub(crate) octets: Octets,
    pub(crate) checksum: u32,
}

/// Looks at one message while it comes in.
pub(crate) struct Inspector {
    lines: Lines,
    checksum: u32,
    stamp: Option<Reader>,
    /// The text as it travels, where it is wanted.
    kept: Option<Vec<u8>>,
}

impl Inspector {
    /// For a message that is known: only its checksum counts.
    pub(crate) fn of_known() -> Self {
        Self {
            lines: Lines::new(),
            checksum: 0,
            stamp: None,
            kept: None,
        }
    }

    /// For one that is read first: its stamp counts too, if it has one.
    pub(crate) fn of_unknown() -> Self {
        Self {
            stamp: Some(Reader::new()),
            ..Self::of_known()
        }
    }

    /// The same, and what it is shown is kept.
    pub(crate) fn that_keeps() -> Self {
        Self {
            kept: Some(Vec::new()),
            ..Self::of_unknown()
        }
    }

    /// What was kept.
    pub(crate) fn take_text(&mut self) -> Vec<u8> {
        self.kept.take().unwrap_or_default()
    }

    /// Sees the next octets as they travel, dot-stuffing and all, without the terminator.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub(crate) fn see(&mut self, wire: &[u8]) -> Result<(), String> {
        self.checksum = crc32c::crc32c_append(self.checksum, wire);
        if let Some(stamp) = &mut self.stamp {
            stamp.see(wire);
        }
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(wire);
        }
        self.lines.see(wire)
    }

    /// What was seen in all; the octets are those that the reader counted, without stuffing.
    ///
    /// # Errors
    ///
    /// When the message is not what its stamp says.
    pub(crate) fn end(self, octets: Octets) -> Result<(Sum, Option<Stamp>), String> {
        let stamp = match self.stamp {
            Some(reader) => reader.end(octets)?,
            None => None,
        };
        let sum = Sum {
            octets,
            checksum: self.checksum,
        };
        Ok((sum, stamp))
    }
}
