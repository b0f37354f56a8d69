//! An mbox on a simulated disk, and those who use it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use maildrop::mbox::{Mboxes, Session, Settings, Variant};
use maildrop::{
    Absent, Addressee, DeliverError, Delivered, Envelope, MaildropId, Measure, OpenError, Patience,
    Place, Places, Progress, Store, TextError, View,
};
use pop3::{Deletions, MessageNumber, Part};
use restante_tests::media::SimDisk;

pub(crate) const DROP: MaildropId = MaildropId(7);
pub(crate) const MROSE: Addressee<'static> = Addressee::unlimited(DROP, "mrose");
pub(crate) const NAME: &str = "mrose";

/// One mbox in the root of a disk.
struct OnePlace(SimDisk);

impl Places<SimDisk> for OnePlace {
    fn find(&self, id: MaildropId, _: Absent) -> io::Result<Place<SimDisk>> {
        match id == DROP {
            true => Ok(Place {
                disk: self.0.clone(),
                file: NAME.into(),
            }),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn path(&self, _: MaildropId) -> Option<PathBuf> {
        None
    }

    fn ids(&self) -> io::Result<Vec<MaildropId>> {
        Ok(vec![DROP])
    }
}

pub(crate) type Site = Arc<Mboxes<SimDisk>>;

/// Settings that wait for nobody.
pub(crate) fn settings(variant: Variant) -> Settings {
    Settings {
        variant,
        lock_wait: Duration::ZERO,
        ..Settings::default()
    }
}

pub(crate) fn site_with(disk: &SimDisk, settings: Settings) -> Site {
    Arc::new(Mboxes::new(Arc::new(OnePlace(disk.clone())), settings))
}

pub(crate) fn site(disk: &SimDisk) -> Site {
    site_with(disk, settings(Variant::Mboxrd))
}

/// Delivers a text in stored form.
pub(crate) fn deliver(site: &Site, text: &[u8]) -> Result<Delivered, DeliverError> {
    deliver_as(
        site,
        text,
        &Envelope {
            sender: Some(b"frop@dobbs.org".to_vec()),
            received_us: Some(1_795_422_279_000_000),
            ..Envelope::default()
        },
    )
}

pub(crate) fn deliver_as(
    site: &Site,
    text: &[u8],
    envelope: &Envelope,
) -> Result<Delivered, DeliverError> {
    // Drafts lie elsewhere, where nothing fails.
    let mut draft = Store::new(Arc::new(SimDisk::default())).draft();
    for piece in text.chunks(50_000) {
        draft.append(piece)?;
    }
    let measure = Measure {
        octets: text.len() as u64,
        ..Measure::default()
    };
    site.deliver(&MROSE, &draft, &measure, envelope)
}

/// A message as a client gets it: unique-id and text in stored form.
pub(crate) type Message = (Vec<u8>, Vec<u8>);

pub(crate) fn text(
    session: &Session<SimDisk>,
    index: usize,
    part: Part,
) -> Result<Vec<u8>, TextError> {
    let number = MessageNumber::from_index(index).unwrap();
    let mut text = session.text(number, part)?;
    let mut out = Vec::new();
    while text.read(&mut out, Patience::Wait)? != Progress::End {}
    Ok(out)
}

/// Octets of a stored text as LIST counts them: without stuffed dots.
fn octets(stored: &[u8]) -> u64 {
    let lines = stored.split(|&octet| octet == b'\n');
    (stored.len() - lines.filter(|line| line.starts_with(b".")).count()) as u64
}

pub(crate) fn retrieve(site: &Site) -> Result<Vec<Message>, OpenError> {
    let session = site.open(DROP, &View::default())?;
    let listing = session.listing();
    let mut all = Vec::new();
    for index in 0..listing.len() {
        let number = MessageNumber::from_index(index).unwrap();
        let text = text(&session, index, Part::Whole)
            .map_err(|error| OpenError::Unavailable(io::Error::other(error)))?;
        assert_eq!(listing.octets(number).unwrap().0, octets(&text));
        all.push((listing.unique_id(number).unwrap().to_vec(), text));
    }
    Ok(all)
}

pub(crate) fn texts(site: &Site) -> Vec<Vec<u8>> {
    let found = retrieve(site).unwrap();
    found.into_iter().map(|(_, text)| text).collect()
}

/// Marks at these positions.
pub(crate) fn marks(positions: &[usize]) -> Deletions {
    let mut deletions = Deletions::default();
    for &position in positions {
        deletions.mark(MessageNumber::from_index(position).unwrap());
    }
    deletions
}

/// What another program appends, which does it at once and durably.
pub(crate) fn foreign(disk: &SimDisk, text: &str) {
    disk.rewrite(NAME, |octets| {
        octets.extend_from_slice(b"From other@dobbs.org Mon Nov 23 09:00:00 2026\n");
        octets.extend_from_slice(text.replace("\r\n", "\n").as_bytes());
        octets.push(b'\n');
    });
}
