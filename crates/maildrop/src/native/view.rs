//! What of a maildrop a session sees, found without reading any message.
//!
//! Whether a message is hidden is in the index. When it was put here is in the header of its record;
//! messages are in the order of their arrival, so the newest are looked at one after the other until
//! only older ones come.

use std::io;
use std::sync::Arc;

use super::append::Appending;
use super::expire::appended_us;
use super::index::{Entry, Index};
use super::media::{Disk, File};
use super::record::{At, look};
use crate::view::{Hidden, View};

/// After so many older messages in a row nothing recent is expected: only a clock that was behind for
/// a while, and what was brought back, stand out of the order.
const OLDER_MAX: u32 = 1000;

impl<D: Disk> Appending<'_, D> {
    /// The messages that a session sees, ascending by uid, and whether there are others.
    pub(crate) fn seen(&mut self, view: &View) -> io::Result<(Vec<Entry>, bool)> {
        let index = &self.known().index;
        let Some(since_us) = view.since_us else {
            return Ok(index.seen(view));
        };
        let live = index.live;
        let shown = index.shown(view.hidden);
        let seen = self.recent(shown, since_us, view)?;
        let is_partial = (seen.len() as u64) < live;
        Ok((seen, is_partial))
    }

    /// Those of them that were put here since that moment, the newest, as many as may be seen. One
    /// that was brought back counts from then.
    fn recent(&mut self, all: Vec<Entry>, since_us: i64, view: &View) -> io::Result<Vec<Entry>> {
        let file = Arc::clone(&self.file);
        let len = file.stat()?.len;
        let known = self.known();
        let salt = known.header.salt;
        let (mut recent, mut older) = (Vec::new(), 0);
        for entry in all.into_iter().rev() {
            if view.is_full(recent.len()) {
                break;
            }
            let is_recent = match known.index.risen.get(&entry.uid) {
                Some(&risen_us) => risen_us >= since_us,
                None if older == OLDER_MAX => false,
                None => {
                    let is_recent = match look(&*file, &salt, entry.offset(), len)? {
                        At::Record(found) => appended_us(&found) >= since_us,
                        // Nobody can tell how old it is; sessions that see everything are told of it.
                        At::Nothing(_) => false,
                    };
                    older = if is_recent { 0 } else { older + 1 };
                    is_recent
                }
            };
            if is_recent {
                recent.push(entry);
            }
        }
        recent.reverse();
        Ok(recent)
    }
}

impl Index {
    /// What a view of all ages shows, and whether that is not all there is.
    pub(crate) fn seen(&self, view: &View) -> (Vec<Entry>, bool) {
        let seen = view.newest(self.shown(view.hidden));
        let is_partial = (seen.len() as u64) < self.live;
        (seen, is_partial)
    }

    fn shown(&self, hidden: Hidden) -> Vec<Entry> {
        // At once: a vector that grows is copied again and again.
        let mut shown = Vec::with_capacity(usize::try_from(self.live).unwrap_or(0));
        match hidden {
            Hidden::LeftOut => shown.extend(self.listed()),
            Hidden::Shown => shown.extend(self.alive()),
        }
        shown
    }
}
