//! The real store on a mounted volume, as the judge uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use maildrop::{
    Addressee, Envelope, Hidden, MaildropId, Maildrops, Measure, OpenError, OpenMaildrop, Patience,
    Progress, View,
};
use pop3::{Deletions, MessageNumber, Part};

use crate::history::Listing;
use crate::letter::{Letter, stuff};

/// What broke, in words.
pub(crate) type Broken = Box<dyn Error>;

/// The probe that is delivered after recovery must not look like one of the rig's letters.
pub(crate) const PROBE: &[u8] = b"Subject: after the power cut\r\n\r\nStill here.\r\n";

/// Every n-th of so many messages, from the first on.
pub(crate) fn marked(messages: usize, every: usize) -> Deletions {
    let mut deletions = Deletions::default();
    let indexes = (0..messages).step_by(every);
    for number in indexes.filter_map(MessageNumber::from_index) {
        deletions.mark(number);
    }
    deletions
}

/// What a maildrop holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    /// Every message.
    pub(crate) listing: Listing,
    /// Those of them that sessions do not see.
    pub(crate) hidden: BTreeSet<u32>,
}

/// What the maildrops hold, by account.
pub(crate) type Listings = BTreeMap<String, Found>;

/// One message as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stored {
    pub(crate) unique_id: String,
    pub(crate) text: Vec<u8>,
    pub(crate) is_hidden: bool,
}

impl Stored {
    /// The probe, under this unique-id.
    pub(crate) fn probe(unique_id: &str) -> Self {
        Self {
            unique_id: unique_id.to_owned(),
            text: PROBE.to_vec(),
            is_hidden: false,
        }
    }
}

/// Every message of a maildrop, hidden ones too.
pub(crate) type Texts = Vec<Stored>;

/// Opens a maildrop with what is hidden from sessions.
pub(crate) fn open(maildrops: &Maildrops, id: MaildropId) -> Result<OpenMaildrop, OpenError> {
    let view = View {
        hidden: Hidden::Shown,
        ..View::default()
    };
    maildrops.open_view(id, &view)
}

pub(crate) fn texts(open: &OpenMaildrop) -> Result<Texts, Broken> {
    let listing = open.listing();
    let mut texts = Vec::new();
    for number in (0..listing.len()).filter_map(MessageNumber::from_index) {
        let unique_id = listing.unique_id(number).ok_or("no unique-id")?;
        let unique_id = String::from_utf8_lossy(&unique_id).into_owned();
        let mut stored = Vec::new();
        let mut text = open.text(number, Part::Whole)?;
        while text.read(&mut stored, Patience::Wait)? != Progress::End {}
        let lines = stored.split_inclusive(|&octet| octet == b'\n');
        let dots = lines.filter(|line| line.starts_with(b".")).count();
        let octets = listing.octets(number).map(|octets| octets.0);
        if octets != Some((stored.len() - dots) as u64) {
            return Err(format!("{unique_id} is listed with {octets:?} octets").into());
        }
        texts.push(Stored {
            unique_id,
            text: stored,
            is_hidden: open.is_hidden(number),
        });
    }
    Ok(texts)
}

pub(crate) fn recognised(texts: &[Stored], seed: u64) -> Result<Found, Broken> {
    let mut found = Found {
        listing: Listing::new(),
        hidden: BTreeSet::new(),
    };
    for stored in texts {
        let (letter, _) = Letter::recognise(&stored.text, seed)?;
        let line = (stored.unique_id.clone(), letter.number);
        found.listing.push(line);
        if stored.is_hidden {
            found.hidden.insert(letter.number);
        }
    }
    Ok(found)
}

/// Opens a maildrop, reads every octet of it, and makes sure that sessions see what is not hidden.
pub(crate) fn found(maildrops: &Maildrops, id: MaildropId, seed: u64) -> Result<Found, Broken> {
    let all = texts(&open(maildrops, id)?)?;
    let session = texts(&maildrops.open(id)?)?;
    match session.iter().eq(all.iter().filter(|it| !it.is_hidden)) {
        true => recognised(&all, seed),
        false => Err("a session sees other messages than those that are not hidden".into()),
    }
}

/// Whether `verify` finds nothing.
pub(crate) fn whole(maildrops: &Maildrops, id: MaildropId) -> Result<(), Broken> {
    let verified = maildrops.verify(id, &mut |_| ())?;
    match verified.damages.first() {
        None => Ok(()),
        Some(damage) => Err(format!("verify: at {}: {}", damage.offset, damage.what).into()),
    }
}

pub(crate) fn deliver(maildrops: &Maildrops, name: &str, id: MaildropId) -> Result<String, Broken> {
    let mut draft = maildrops.draft();
    draft.append(&stuff(PROBE))?;
    let measure = Measure {
        octets: PROBE.len() as u64,
        header_octets: 32,
        ..Measure::default()
    };
    let to = Addressee::unlimited(id, name);
    let delivered = maildrops.deliver(&to, &mut draft, &measure, &Envelope::default())?;
    Ok(delivered.unique_id.to_string())
}

/// An error with everything that caused it.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}
