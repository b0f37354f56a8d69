//! Memory that connections share: free buffers for replies, and the room for long lines.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all connections of a server share.
pub(crate) struct Buffers {
    /// Buffers that nobody uses now. Replies need one between the first octet read and the last octet
    /// written; taking one from here saves asking the system for memory at each message.
    free: Mutex<Vec<Vec<u8>>>,
    /// One permit for each page of unfinished lines beyond the first of a connection.
    pages: Arc<Semaphore>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self::with_pages(LONG_PAGES_MAX)
    }
}

impl Buffers {
    fn with_pages(pages: usize) -> Self {
        Self {
            free: Mutex::default(),
            pages: Arc::new(Semaphore::new(pages)),
        }
    }

    pub(crate) fn take(&self) -> Vec<u8> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop()
            .unwrap_or_else(|| Vec::with_capacity(FRESH_OCTETS))
    }

    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        if (FRESH_OCTETS..=KEPT_OCTETS_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            if free.len() < KEPT_BUFFERS_MAX {
                free.push(buffer);
            }
        }
    }
}

/// A connection's part of the room for long lines.
///
/// Tokens are long, so a stranger may send a line of 64 KiB, and need not end it. What strangers can make
/// us keep is therefore bounded for all of them together, not only for each.
#[derive(Default)]
pub(crate) struct LongLine(Option<OwnedSemaphorePermit>);

/// There is no room for one more long line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoRoom;

impl LongLine {
    /// Takes the room that so many octets of an unfinished line need, and gives back what it does not
    /// need. The first page of every connection is free.
    pub(crate) fn hold(&mut self, octets: usize, buffers: &Buffers) -> Result<(), NoRoom> {
        let pages = octets / PAGE_OCTETS;
        let held = self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if pages < held {
            // Dropped, which gives it back.
            self.0 = self.0.as_mut().and_then(|all| all.split(pages));
        } else if pages > held {
            let more = u32::try_from(pages - held).map_err(|_| NoRoom)?;
            let room = Arc::clone(&buffers.pages);
            let more = room.try_acquire_many_owned(more).map_err(|_| NoRoom)?;
            match &mut self.0 {
                Some(held) => held.merge(more),
                none => *none = Some(more),
            }
        }
        Ok(())
    }
}

/// What a connection may keep without being counted: command lines, and all but the longest passwords.
const PAGE_OCTETS: usize = 4 << 10;

/// Unfinished lines of all connections have 64 MiB together: a thousand of the longest, or four thousand
/// tokens of the largest issuers.
const LONG_PAGES_MAX: usize = (64 << 20) / PAGE_OCTETS;

/// A new buffer holds a status line and small replies, and grows with the first message.
const FRESH_OCTETS: usize = 2 << 10;

/// A buffer that has grown beyond this is not kept, nor one that is smaller than a new one.
const KEPT_OCTETS_MAX: usize = 256 << 10;

/// At most so many free buffers are kept.
const KEPT_BUFFERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_a_bounded_number_of_bounded_buffers() {
        let buffers = Buffers::default();
        for _ in 0..1000 {
            buffers.give(Vec::with_capacity(FRESH_OCTETS));
        }
        buffers.give(Vec::with_capacity(KEPT_OCTETS_MAX + 1));
        buffers.give(Vec::with_capacity(FRESH_OCTETS - 1));
        let free = buffers.free.lock().unwrap();
        assert_eq!(free.len(), KEPT_BUFFERS_MAX);
        assert!(free.iter().all(|buffer| buffer.capacity() == FRESH_OCTETS));
    }

    #[test]
    fn long_lines_share_their_room_and_give_it_back() {
        let buffers = Buffers::with_pages(10);
        let hold = |line: &mut LongLine, octets| line.hold(octets, &buffers);
        let (mut first, mut second) = (LongLine::default(), LongLine::default());
        // A line that is not long needs no room.
        assert_eq!(hold(&mut first, PAGE_OCTETS - 1), Ok(()));
        assert_eq!(buffers.pages.available_permits(), 10);
        assert_eq!(hold(&mut first, 3 * PAGE_OCTETS), Ok(()));
        assert_eq!(hold(&mut first, 8 * PAGE_OCTETS), Ok(()));
        assert_eq!(hold(&mut second, 3 * PAGE_OCTETS), Err(NoRoom));
        // Who found none has not lost what he had.
        assert_eq!(hold(&mut second, 2 * PAGE_OCTETS), Ok(()));
        assert_eq!(hold(&mut second, 3 * PAGE_OCTETS), Err(NoRoom));
        assert_eq!(buffers.pages.available_permits(), 0);
        assert_eq!(hold(&mut first, 4 * PAGE_OCTETS + 1), Ok(()));
        assert_eq!(buffers.pages.available_permits(), 4);
        assert_eq!(hold(&mut second, 6 * PAGE_OCTETS), Ok(()));
        assert_eq!(hold(&mut second, 0), Ok(()));
        drop(first);
        assert_eq!(buffers.pages.available_permits(), 10);
    }
}
