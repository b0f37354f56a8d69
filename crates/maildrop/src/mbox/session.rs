//! A session of an mbox: what is in it is known, its locks are free, and other programs go on.
//!
//! So a text may be no more what it was when a client asks for it. Before anything of it goes out, and after
//! each piece, the file is asked whether anybody has changed it; if so, the message is looked through anew,
//! and what is not the same is not shown.

use std::io;
use std::sync::Arc;

use pop3::{Deletions, MessageNumber, Octets, Part, ScanListing};

use super::store::Mboxes;
use super::survey::{Survey, Surveyed, is_settled, sum};
use super::{Shown, Variant};
use crate::draft::Envelope;
use crate::error::{CommitError, TextError};
use crate::native::media::{Disk, File};
use crate::places::Place;
use crate::plain;
use crate::view::View;
use crate::{Patience, Progress};

/// A maildrop that a session holds. Dropping it deletes nothing and frees the lock.
pub struct Session<D: Disk> {
    /// None: it sees no message.
    opened: Option<Opened<D>>,
    /// Whether it sees fewer than there are.
    is_partial: bool,
}

/// One that has messages.
pub(super) struct Opened<D: Disk> {
    pub(super) mboxes: Arc<Mboxes<D>>,
    pub(super) place: Place<D>,
    /// With the lock of the session.
    pub(super) journal: D::File,
    file: Arc<D::File>,
    pub(super) survey: Arc<Survey>,
    /// Which messages the session sees, ascending.
    pub(super) seen: Vec<usize>,
}

impl<D: Disk> Session<D> {
    /// Of a maildrop without messages, which needs no lock: nothing can be removed.
    pub(super) fn empty() -> Self {
        Self {
            opened: None,
            is_partial: false,
        }
    }

    pub(super) fn new(
        mboxes: Arc<Mboxes<D>>,
        place: Place<D>,
        journal: D::File,
        file: D::File,
        survey: Arc<Survey>,
        view: &View,
    ) -> Self {
        let is_recent = |surveyed: &Surveyed| {
            let mark = surveyed.message.postmark.as_ref();
            // One without a date is shown rather than lost.
            let received_us = mark.map(|mark| mark.received_us);
            view.since_us
                .is_none_or(|since_us| received_us.is_none_or(|it| it >= since_us))
        };
        let recent = survey
            .messages
            .iter()
            .enumerate()
            .filter(|(_, it)| is_recent(it));
        let seen = view.newest(recent.map(|(place, _)| place).collect());
        let is_partial = seen.len() < survey.messages.len();
        let opened = Opened {
            mboxes,
            place,
            journal,
            file: Arc::new(file),
            survey,
            seen,
        };
        // One that sees nothing needs no lock either; the file is closed.
        Self {
            opened: (!opened.seen.is_empty()).then_some(opened),
            is_partial,
        }
    }

    /// Its messages and their numbers.
    pub(super) fn messages(&self) -> impl Iterator<Item = (MessageNumber, &Surveyed)> {
        let opened = self.opened.iter();
        let seen = opened.flat_map(|opened| {
            opened
                .seen
                .iter()
                .filter_map(move |&place| opened.survey.messages.get(place))
        });
        let numbered = seen.enumerate();
        numbered.filter_map(|(place, it)| Some((MessageNumber::from_index(place)?, it)))
    }

    /// As [`crate::OpenMaildrop::listing`].
    pub fn listing(&self) -> ScanListing {
        let seen = self.opened.as_ref().map_or(0, |opened| opened.seen.len());
        let mut listing = ScanListing::with_capacity(seen);
        if self.is_partial {
            listing.leave_some_out();
        }
        for (_, surveyed) in self.messages() {
            listing.push(Octets(surveyed.measured.octets), &surveyed.unique_id);
            if surveyed.measured.internationalised {
                listing.internationalise_last();
            }
        }
        listing
    }

    fn message(&self, number: MessageNumber) -> Result<(&Opened<D>, &Surveyed), TextError> {
        let found = self.opened.as_ref().and_then(|opened| {
            let place = *opened.seen.get(number.index())?;
            Some((opened, opened.survey.messages.get(place)?))
        });
        found.ok_or_else(|| TextError::Damaged {
            number,
            what: "there is no such message".into(),
        })
    }

    /// As [`crate::OpenMaildrop::text`].
    ///
    /// # Errors
    ///
    /// When there is no message of that number.
    pub fn text(&self, number: MessageNumber, part: Part) -> Result<Text<D::File>, TextError> {
        let (opened, surveyed) = self.message(number)?;
        let variant = opened.mboxes.settings.variant;
        let range = (surveyed.message.text.start, surveyed.message.text.end);
        let shown = Some(Shown::new(variant));
        let settled = opened.survey.is_settled;
        Ok(Text {
            plain: plain::Text::new(Arc::clone(&opened.file), range, shown, number, part),
            file: Arc::clone(&opened.file),
            number,
            variant,
            verified_ns: settled.then_some(opened.survey.stat.changed_ns),
            surveyed: surveyed.clone(),
        })
    }

    /// As [`crate::OpenMaildrop::envelope`]: what the postmark says.
    ///
    /// # Errors
    ///
    /// When there is no message of that number.
    pub fn envelope(&self, number: MessageNumber) -> Result<Envelope, TextError> {
        let (_, surveyed) = self.message(number)?;
        let mark = surveyed.message.postmark.as_ref();
        Ok(Envelope {
            sender: mark.map(|mark| mark.sender().to_vec()),
            received_us: mark.map(|mark| mark.received_us),
            unique_id: Some(surveyed.unique_id.clone()),
            ..Envelope::default()
        })
    }

    /// As [`crate::OpenMaildrop::commit`].
    ///
    /// # Errors
    ///
    /// See [`CommitError`]; nothing is deleted then, also if another program has changed the file otherwise
    /// than by appending. Only where the disk failed when the file had been cut already, and then failed again,
    /// the messages can be gone.
    pub fn commit(self, deletions: &Deletions) -> Result<usize, CommitError> {
        match self.opened {
            None => Ok(0),
            Some(opened) if deletions.is_empty() => Ok(opened.seen.len()),
            Some(opened) => Ok(opened.commit(deletions)?),
        }
    }

    /// Refuses: an mbox has no place where that could be noted.
    ///
    /// # Errors
    ///
    /// Always `Unsupported`.
    pub fn hide(self, _: &Deletions) -> Result<usize, CommitError> {
        let what = "messages of an mbox cannot be hidden";
        let error = io::Error::new(io::ErrorKind::Unsupported, what);
        Err(CommitError::Unavailable(error))
    }
}

/// A part of a message on its way out.
pub struct Text<F> {
    plain: plain::Text<F>,
    file: Arc<F>,
    number: MessageNumber,
    variant: Variant,
    /// When the file was changed last before the message was found to be what it was; none: it was not yet.
    verified_ns: Option<i128>,
    surveyed: Surveyed,
}

impl<F: File> Text<F> {
    /// Octets of the whole message, as LIST says.
    pub fn octets(&self) -> Octets {
        Octets(self.surveyed.measured.octets)
    }

    /// As [`crate::Text::read`].
    ///
    /// # Errors
    ///
    /// See [`TextError`]: `Damaged` if another program has changed the message. Nothing is appended then.
    pub fn read(&mut self, out: &mut Vec<u8>, patience: Patience) -> Result<Progress, TextError> {
        // A message is looked through anew where that may take its time.
        if patience == Patience::CacheOnly && !self.is_verified()? {
            return Ok(Progress::Cold);
        }
        self.verify()?;
        let before = out.len();
        let read = self.plain.read(out, patience).and_then(|progress| {
            self.verify()?;
            let octets = self.plain.octets().filter(|_| progress == Progress::End);
            match octets.is_none_or(|octets| octets == self.surveyed.measured.octets) {
                true => Ok(progress),
                false => Err(self.changed()),
            }
        });
        if read.is_err() {
            out.truncate(before);
        }
        read
    }

    fn is_verified(&self) -> Result<bool, TextError> {
        let stat = self.file.stat().map_err(TextError::Unavailable)?;
        Ok(self.verified_ns == Some(stat.changed_ns))
    }

    /// Makes sure that the file holds the message as it did.
    fn verify(&mut self) -> Result<(), TextError> {
        let stat = self.file.stat().map_err(TextError::Unavailable)?;
        if self.verified_ns == Some(stat.changed_ns) {
            return Ok(());
        }
        let message = &self.surveyed.message;
        let is_same = match sum(&*self.file, message, self.variant) {
            Ok(sum) => sum == self.surveyed.sum,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(TextError::Unavailable(error)),
        };
        if !is_same {
            return Err(self.changed());
        }
        // Within one tick of the file system's clock it could be changed again without a sign.
        self.verified_ns = is_settled(&stat).then_some(stat.changed_ns);
        Ok(())
    }

    fn changed(&self) -> TextError {
        // The next session sees it as it is then.
        let what = format!(
            "another program has changed the mbox meanwhile, and message {} with it",
            self.number
        );
        TextError::Unavailable(io::Error::other(what))
    }
}
