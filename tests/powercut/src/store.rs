//! The real store on a mounted volume, as the judge uses it.

use std::collections::BTreeMap;
use std::error::Error;

use maildrop::{
    Addressee, Envelope, MaildropId, Maildrops, Measure, OpenMaildrop, Patience, Progress,
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

/// What the maildrops hold, by account.
pub(crate) type Listings = BTreeMap<String, Listing>;

/// Unique-id and text in stored form of each message.
pub(crate) type Texts = Vec<(String, Vec<u8>)>;

pub(crate) fn texts(open: &OpenMaildrop) -> Result<Texts, Broken> {
    let listing = open.listing();
    let mut texts = Vec::new();
    for number in (0..listing.len()).filter_map(MessageNumber::from_index) {
        let unique_id = listing.unique_id(number).ok_or("no unique-id")?;
        let unique_id = String::from_utf8_lossy(unique_id).into_owned();
        let mut stored = Vec::new();
        let mut text = open.text(number, Part::Whole)?;
        while text.read(&mut stored, Patience::Wait)? != Progress::End {}
        let lines = stored.split_inclusive(|&octet| octet == b'\n');
        let dots = lines.filter(|line| line.starts_with(b".")).count();
        let octets = listing.octets(number).map(|octets| octets.0);
        if octets != Some((stored.len() - dots) as u64) {
            return Err(format!("{unique_id} is listed with {octets:?} octets").into());
        }
        texts.push((unique_id, stored));
    }
    Ok(texts)
}

pub(crate) fn recognised(texts: &[(String, Vec<u8>)], seed: u64) -> Result<Listing, Broken> {
    texts
        .iter()
        .map(|(unique_id, stored)| {
            let (letter, _) = Letter::recognise(stored, seed)?;
            Ok((unique_id.clone(), letter.number))
        })
        .collect()
}

/// Opens a maildrop and reads every octet of it.
pub(crate) fn listing(maildrops: &Maildrops, id: MaildropId, seed: u64) -> Result<Listing, Broken> {
    recognised(&texts(&maildrops.open(id)?)?, seed)
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
