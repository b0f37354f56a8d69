//! Maildrops in memory, gone with the process: the first back end, and what tests use.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pop3::{Deletions, MessageNumber, Octets, Part, ScanListing, UniqueId};

use crate::draft::{Delivered, Draft, Envelope, Measure, flags};
use crate::error::{CommitError, DeliverError, OpenError, TextError};
use crate::id::MaildropId;
use crate::native::media::Disk;
use crate::native::{Expired, HiddenMessage, now_us};
use crate::quota::{Addressee, Quota};
use crate::unique_id::{looks_own, own};
use crate::view::{Hidden, View};
use crate::{Patience, Progress};

/// All maildrops of one process.
#[derive(Default)]
pub struct Memory {
    drops: Mutex<HashMap<MaildropId, Maildrop>>,
}

struct Maildrop {
    generation: u64,
    next_uid: u64,
    messages: Vec<Arc<Message>>,
    /// Uids of those that sessions do not see.
    hidden: BTreeSet<u64>,
    in_use: bool,
}

struct Message {
    uid: u64,
    unique_id: UniqueId,
    octets: u64,
    header_octets: usize,
    internationalised: bool,
    appended_us: i64,
    text: Vec<u8>,
    /// Without the prefix, which is part of the text.
    envelope: Envelope,
}

impl Memory {
    fn drops(&self) -> MutexGuard<'_, HashMap<MaildropId, Maildrop>> {
        self.drops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`crate::Maildrops::deliver`].
    pub(crate) fn deliver<D: Disk>(
        &self,
        to: &Addressee<'_>,
        draft: &Draft<D>,
        measure: &Measure,
        envelope: &Envelope,
    ) -> Result<Delivered, DeliverError> {
        let mut text = envelope.prefix.clone();
        draft.pieces(|piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        let mut drops = self.drops();
        let octets = envelope.prefix.len() as u64 + measure.octets;
        Self::check(&drops, to.id, to.quota, octets)?;
        let drop = match drops.entry(to.id) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(Maildrop::new()?),
        };
        let uid = drop.next_uid;
        let unique_id = envelope
            .unique_id
            .clone()
            .filter(|id| !looks_own(drop.generation, id))
            .filter(|id| !drop.messages.iter().any(|it| it.unique_id == *id))
            .unwrap_or_else(|| own(drop.generation, uid));
        let prefix = envelope.prefix.len();
        let header = usize::try_from(measure.header_octets).unwrap_or(usize::MAX);
        let message = Message {
            uid,
            unique_id: unique_id.clone(),
            octets,
            appended_us: now_us(),
            header_octets: prefix.saturating_add(header).min(text.len()),
            internationalised: measure.flags & flags::HEADER_8BIT != 0
                || !envelope.prefix.is_ascii(),
            text,
            envelope: Envelope {
                prefix: Vec::new(),
                received_us: envelope.received_us.or_else(|| Some(now_us())),
                ..envelope.clone()
            },
        };
        let octets = Octets(message.octets);
        drop.next_uid += 1;
        drop.messages.push(Arc::new(message));
        Ok(Delivered {
            uid,
            unique_id,
            octets,
        })
    }

    /// As [`crate::Maildrops::fits`].
    pub(crate) fn fits(&self, to: &Addressee<'_>, octets: u64) -> Result<(), DeliverError> {
        Self::check(&self.drops(), to.id, to.quota, octets)
    }

    /// As [`crate::Maildrops::expire`].
    pub(crate) fn expire(&self, id: MaildropId, before_us: i64) -> Expired {
        let mut expired = Expired::default();
        if let Some(drop) = self.drops().get_mut(&id).filter(|drop| !drop.in_use) {
            drop.messages.retain(|message| {
                let goes = message.appended_us < before_us;
                if goes {
                    expired.messages += 1;
                    expired.octets += message.octets;
                }
                !goes
            });
        }
        expired
    }

    /// As [`crate::Maildrops::erase`].
    pub(crate) fn erase(&self, id: MaildropId) -> io::Result<()> {
        let mut drops = self.drops();
        if drops.get(&id).is_some_and(|drop| drop.in_use) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        drops.remove(&id);
        Ok(())
    }

    fn check(
        drops: &HashMap<MaildropId, Maildrop>,
        id: MaildropId,
        quota: Quota,
        octets: u64,
    ) -> Result<(), DeliverError> {
        let (messages, held) = drops.get(&id).map_or((0, 0), Maildrop::held);
        match quota.fits(octets, messages, held) {
            true => Ok(()),
            false => Err(DeliverError::OverQuota),
        }
    }

    /// As [`crate::Maildrops::open`].
    pub(crate) fn open(
        self: &Arc<Self>,
        id: MaildropId,
        view: &View,
    ) -> Result<Session, OpenError> {
        let mut drops = self.drops();
        let mut session = Session {
            memory: Arc::clone(self),
            id,
            messages: Vec::new(),
            hidden: BTreeSet::new(),
            is_partial: false,
        };
        match drops.get_mut(&id) {
            Some(drop) if drop.in_use => return Err(OpenError::InUse),
            Some(drop) => {
                session.messages = drop.seen(view);
                session.hidden = drop.hidden.clone();
                session.is_partial = session.messages.len() < drop.messages.len();
                drop.in_use = !session.messages.is_empty();
            }
            None => {}
        }
        Ok(session)
    }

    /// As [`crate::Maildrops::hidden`].
    pub(crate) fn hidden(&self, id: MaildropId) -> Vec<HiddenMessage> {
        let drops = self.drops();
        let Some(drop) = drops.get(&id) else {
            return Vec::new();
        };
        let hidden = drop.messages.iter();
        hidden
            .filter(|message| drop.hidden.contains(&message.uid))
            .map(|message| HiddenMessage {
                uid: message.uid,
                unique_id: message.unique_id.clone(),
                octets: Octets(message.octets),
            })
            .collect()
    }

    /// As [`crate::Maildrops::unhide`].
    pub(crate) fn unhide(&self, id: MaildropId, uids: &[u64]) -> Vec<u64> {
        let mut drops = self.drops();
        let Some(drop) = drops.get_mut(&id) else {
            return Vec::new();
        };
        let mut shown = Vec::new();
        drop.hidden.retain(|uid| {
            let is_shown = uids.contains(uid);
            shown.extend(is_shown.then_some(*uid));
            !is_shown
        });
        shown
    }

    /// All maildrops that ever had a message, ascending.
    pub(crate) fn ids(&self) -> Vec<MaildropId> {
        let mut ids: Vec<_> = self.drops().keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Messages and octets of a maildrop, and its next uid.
    pub(crate) fn count(&self, id: MaildropId) -> (u64, u64, u64) {
        self.drops().get(&id).map_or((0, 0, 1), |drop| {
            let (messages, octets) = drop.held();
            (messages, octets, drop.next_uid)
        })
    }
}

impl Maildrop {
    fn new() -> Result<Self, DeliverError> {
        let mut generation = [0; 8];
        getrandom::fill(&mut generation)
            .map_err(|error| DeliverError::Unavailable(io::Error::other(error)))?;
        Ok(Self {
            generation: u64::from_le_bytes(generation),
            next_uid: 1,
            messages: Vec::new(),
            hidden: BTreeSet::new(),
            in_use: false,
        })
    }

    /// What a session sees.
    fn seen(&self, view: &View) -> Vec<Arc<Message>> {
        let is_shown = |message: &&Arc<Message>| match view.hidden {
            Hidden::LeftOut => !self.hidden.contains(&message.uid),
            Hidden::Shown => true,
        };
        let is_recent = |message: &&Arc<Message>| {
            view.since_us
                .is_none_or(|since_us| message.appended_us >= since_us)
        };
        let shown = self.messages.iter().filter(is_shown);
        view.newest(shown.filter(is_recent).cloned().collect())
    }

    /// Messages and their octets.
    fn held(&self) -> (u64, u64) {
        let octets = self.messages.iter().map(|it| it.octets).sum();
        (self.messages.len() as u64, octets)
    }
}

/// A maildrop that a session holds.
pub(crate) struct Session {
    memory: Arc<Memory>,
    id: MaildropId,
    /// None: nothing is held.
    messages: Vec<Arc<Message>>,
    hidden: BTreeSet<u64>,
    is_partial: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.messages.is_empty()
            && let Some(drop) = self.memory.drops().get_mut(&self.id)
        {
            drop.in_use = false;
        }
    }
}

impl Session {
    pub(crate) fn listing(&self) -> ScanListing {
        let mut listing = ScanListing::with_capacity(self.messages.len());
        if self.is_partial {
            listing.leave_some_out();
        }
        for message in &self.messages {
            listing.push(Octets(message.octets), &message.unique_id);
            if message.internationalised {
                listing.internationalise_last();
            }
        }
        listing
    }

    pub(crate) fn text(&self, number: MessageNumber, part: Part) -> Result<Text, TextError> {
        match self.messages.get(number.index()) {
            Some(message) => Ok(Text {
                end: message.end_of(part),
                message: Arc::clone(message),
                at: 0,
            }),
            None => Err(TextError::Damaged {
                number,
                what: "there is no such message".into(),
            }),
        }
    }

    pub(crate) fn envelope(&self, number: MessageNumber) -> Result<Envelope, TextError> {
        match self.messages.get(number.index()) {
            Some(message) => Ok(message.envelope.clone()),
            None => Err(TextError::Damaged {
                number,
                what: "there is no such message".into(),
            }),
        }
    }

    pub(crate) fn is_hidden(&self, number: MessageNumber) -> bool {
        let message = self.messages.get(number.index());
        message.is_some_and(|message| self.hidden.contains(&message.uid))
    }

    pub(crate) fn hide(self, messages: &Deletions) -> usize {
        let named: Vec<_> = messages
            .iter()
            .filter_map(|number| Some(self.messages.get(number.index())?.uid))
            .collect();
        let left = self.messages.len() - named.len();
        if let Some(drop) = self.memory.drops().get_mut(&self.id) {
            drop.hidden.extend(named);
        }
        left
    }

    pub(crate) fn commit(self, deletions: &Deletions) -> Result<usize, CommitError> {
        let mut gone = deletions
            .iter()
            .filter_map(|number| self.messages.get(number.index()))
            .map(|message| message.uid)
            .peekable();
        let mut count = 0;
        if gone.peek().is_some()
            && let Some(drop) = self.memory.drops().get_mut(&self.id)
        {
            // Both ascend by uid.
            drop.messages.retain(|message| {
                let goes = gone.next_if_eq(&message.uid).is_some();
                count += usize::from(goes);
                !goes
            });
        }
        Ok(self.messages.len() - count)
    }
}

impl Message {
    /// How many octets of the text belong to a part.
    fn end_of(&self, part: Part) -> usize {
        match part {
            Part::Whole => self.text.len(),
            Part::Top(0) => self.header_octets,
            Part::Top(lines) => {
                let last = usize::try_from(lines - 1).unwrap_or(usize::MAX);
                memchr::memchr_iter(b'\n', &self.text[self.header_octets..])
                    .nth(last)
                    .map_or(self.text.len(), |end| self.header_octets + end + 1)
            }
        }
    }
}

/// A part of a message.
pub(crate) struct Text {
    message: Arc<Message>,
    at: usize,
    end: usize,
}

/// Octets of a chunk.
const CHUNK: usize = 64 * 1024;

impl Text {
    pub(crate) fn octets(&self) -> Octets {
        Octets(self.message.octets)
    }

    pub(crate) fn read(&mut self, out: &mut Vec<u8>, _: Patience) -> Result<Progress, TextError> {
        let to = self.end.min(self.at + CHUNK);
        out.extend_from_slice(&self.message.text[self.at..to]);
        self.at = to;
        Ok(match self.at == self.end {
            true => Progress::End,
            false => Progress::More,
        })
    }
}
