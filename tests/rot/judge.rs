//! What may come of a file in which something has rotted, and what must.

use std::fmt;
use std::ops::Range;

use maildrop::OpenError;
use maildrop::native::Session;
use maildrop::native::media::Disk as _;
use pop3::{MessageNumber, Part};
use restante_tests::media::{Loss, SimDisk};
use restante_tests::showing::take_shown;

use crate::shop::{ALL, DROP, Shared, deliver, path, read_all, store};
use crate::specimen::{FILE_HEADER, MESSAGE, Place, Specimen};

/// A stretch of the file, as it was and as it is now.
pub(crate) struct Rot {
    range: Range<usize>,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl fmt::Debug for Rot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_one_bit() {
            true => write!(
                out,
                "{:#x} flips at {}",
                self.before[0] ^ self.after[0],
                self.range.start
            ),
            false => write!(
                out,
                "{:?} becomes {:x?}…",
                self.range,
                &self.after[..self.after.len().min(8)]
            ),
        }
    }
}

/// Which records have octets that are not what they were.
pub(crate) struct Hits(Vec<bool>);

impl Hits {
    pub(crate) fn any(&self) -> bool {
        self.0.contains(&true)
    }
}

impl Rot {
    pub(crate) fn new(
        octets: &[u8],
        range: Range<usize>,
        mut change: impl FnMut(u8) -> u8,
    ) -> Self {
        let before = octets[range.clone()].to_vec();
        let after = before.iter().map(|&octet| change(octet)).collect();
        Self {
            range,
            before,
            after,
        }
    }

    pub(crate) fn apply(&self, octets: &mut [u8]) {
        octets[self.range.clone()].copy_from_slice(&self.after);
    }

    pub(crate) fn undo(&self, octets: &mut [u8]) {
        octets[self.range.clone()].copy_from_slice(&self.before);
    }

    /// Where octets are not what they were.
    pub(crate) fn changed(&self) -> Vec<usize> {
        let differ = |&index: &usize| self.before[index] != self.after[index];
        let start = self.range.start;
        (0..self.before.len())
            .filter(differ)
            .map(|index| start + index)
            .collect()
    }

    pub(crate) fn is_one_bit(&self) -> bool {
        self.range.len() == 1 && (self.before[0] ^ self.after[0]).is_power_of_two()
    }

    pub(crate) fn hits_file_header(&self) -> bool {
        self.changed().first().is_some_and(|&at| at < FILE_HEADER)
    }

    pub(crate) fn hits(&self, specimen: &Specimen) -> Hits {
        let changed = self.changed();
        let hit = |range: &Range<usize>| {
            let first = changed.partition_point(|&at| at < range.start);
            changed.get(first).is_some_and(|&at| at < range.end)
        };
        Hits(
            specimen
                .places
                .iter()
                .map(|place| hit(&place.all))
                .collect(),
        )
    }
}

/// A text as a client gets it, or that it was refused; by either way out of the store, which show nothing
/// that is not of this text.
fn retrieve(
    session: &Session<SimDisk>,
    number: MessageNumber,
    text: &[u8],
    what: &str,
) -> Option<Vec<u8>> {
    let whole = || session.text(number, Part::Whole).unwrap();
    let read = read_all(&mut whole(), Vec::new(), what);
    let mut showing = whole();
    let shown = take_shown(&mut showing);
    assert!(text.starts_with(&shown), "{what}: shown {shown:?}");
    let rest = read_all(&mut showing, shown, what);
    assert!(rest == read, "{what}: read {read:?}, shown {rest:?}");
    read
}

/// Judges what one process makes of it. Not every text is read in every case: those near the rot
/// always, the others if it is `thorough`.
pub(crate) fn judge(specimen: &Specimen, rot: &Rot, store: &Shared, thorough: bool, what: &str) {
    let Hits(hits) = rot.hits(specimen);
    let session = match store.open_view(DROP, &ALL) {
        Ok(session) => session,
        Err(OpenError::Damaged(_)) if rot.hits_file_header() => return,
        Err(other) => panic!("{what}: {other:?}"),
    };
    let listing = session.listing();
    let mut index = 0;
    for mail in &specimen.mail {
        let number = MessageNumber::from_index(index).unwrap();
        let listed = listing.unique_id(number).as_deref() == Some(&mail.id[..]);
        let hit = hits[mail.record];
        let near = hits[mail.record.saturating_sub(1)] || hits.get(mail.record + 1) == Some(&true);
        if listed {
            index += 1;
            // Only rot of its deletion brings back what was deleted.
            let back = mail.undeleted.is_some() || mail.deleted.is_none_or(|commit| hits[commit]);
            assert!(back, "{what}: {mail:?} is back");
            // Only rot of its hiding shows it, and rot of its showing hides it; unless that is
            // remembered. A hiding may run over what is dead, which rot then brings back hidden.
            let is_back = mail.deleted.is_some() && mail.undeleted.is_none();
            let was_hidden = mail.hidden.is_some() && mail.shown.is_none_or(|it| hits[it]);
            let may_be_hidden = is_back || was_hidden;
            let may_be_seen = mail.hidden.is_none_or(|it| hits[it]) || mail.shown.is_some();
            match session.is_hidden(number) {
                true => assert!(may_be_hidden, "{what}: {mail:?} is hidden"),
                false => assert!(may_be_seen, "{what}: {mail:?} is seen"),
            }
            if hit || near || thorough {
                let expected = (!hit).then_some(&mail.text);
                let found = retrieve(&session, number, &mail.text, what);
                assert!(
                    found.as_ref() == expected,
                    "{what}: {mail:?} became {found:?}"
                );
            }
        } else {
            // Whoever remembers a deletion needs no record of it.
            let live = match (mail.deleted, mail.undeleted) {
                (Some(_), back) => back.is_some_and(|back| !hits[back]),
                (None, _) => true,
            };
            assert!(hit || !live, "{what}: {mail:?} is lost");
        }
    }
    assert_eq!(index, listing.len(), "{what}: a stranger, or another order");
}

/// Judges a process that starts afresh, on this disk; `true` if it cut the file.
pub(crate) fn judge_fresh(
    specimen: &Specimen,
    rot: &Rot,
    disk: &SimDisk,
    thorough: bool,
    what: &str,
) -> bool {
    let Hits(hits) = rot.hits(specimen);
    if thorough {
        judge_verify(specimen, rot, &hits, disk, what);
    }
    let fresh = store(disk);
    judge(specimen, rot, &fresh, thorough, what);
    let copies = disk.list("torn").unwrap_or_default();
    if let [copy] = &copies[..] {
        // Nothing that is whole was cut, and what was cut is all there.
        let at: usize = copy.rsplit('-').next().unwrap().parse().unwrap();
        let from = specimen
            .places
            .partition_point(|place| place.all.start < at);
        assert!(hits[from..].iter().all(|&hit| hit), "{what}: cut at {at}");
        let mut octets = specimen.octets.clone();
        rot.apply(&mut octets);
        let start = specimen.places[from].all.start;
        let torn = specimen.places[from..]
            .iter()
            .any(|place| looks_torn(&octets, place));
        let length = rot
            .changed()
            .iter()
            .any(|changed| (start + 6..start + 8).contains(changed));
        assert!(
            torn || length && !rot.is_one_bit(),
            "{what}: cut although it was all written"
        );
        let kept = disk.octets(&format!("torn/{copy}"));
        assert!(
            kept.as_deref() == Some(&octets[at..]),
            "{what}: the copy differs"
        );
    } else {
        assert!(copies.is_empty(), "{what}: {copies:?}");
        let len = disk.stat(&path()).unwrap().len as usize;
        assert_eq!(len, specimen.octets.len(), "{what}: cut without a copy");
    }
    if thorough && !rot.hits_file_header() {
        let id = deliver(&fresh, b"N: 9\r\n\r\n");
        let mut used = specimen
            .mail
            .iter()
            .map(|mail| &mail.id)
            .chain(&specimen.gone);
        assert!(
            !used.any(|used| used == id.as_bytes()),
            "{what}: {id} names two messages"
        );
        let later = store(&disk.reboot(Loss::Everything));
        let session = later.open(DROP).unwrap();
        let last = MessageNumber::from_index(session.listing().len() - 1).unwrap();
        assert_eq!(session.listing().unique_id(last), Some(id), "{what}");
        let new = b"N: 9\r\n\r\n";
        assert!(retrieve(&session, last, new, what).is_some_and(|text| text == new));
    }
    !copies.is_empty()
}

/// Whether a crash could have left this of a record: in one of its sectors it is all zeros.
fn looks_torn(octets: &[u8], place: &Place) -> bool {
    let octets = &octets[place.all.clone()];
    let first = (512 - place.all.start % 512).min(octets.len());
    let (first, rest) = octets.split_at(first);
    let zeros = |octets: &[u8]| octets.iter().all(|&octet| octet == 0);
    zeros(first) || rest.chunks(512).any(zeros)
}

/// `verify` names what has rotted, and nothing if that means nothing.
fn judge_verify(specimen: &Specimen, rot: &Rot, hits: &[bool], disk: &SimDisk, what: &str) {
    let damages = store(disk).verify(DROP, &mut |_| {}).unwrap().damages;
    if rot.hits_file_header() {
        assert_eq!(damages.len(), 1, "{what}");
        return;
    }
    let first = hits
        .iter()
        .position(|&hit| hit)
        .map(|record| &specimen.places[record]);
    let found = damages
        .first()
        .map(|damage| (damage.offset as usize, damage.uid));
    let in_body = first.is_some_and(|place| rot.changed()[0] >= place.body.start);
    let expected = first.map(|place| {
        let uid = (in_body && place.kind == MESSAGE).then_some(place.number);
        (place.all.start, uid)
    });
    assert_eq!(found, expected, "{what}: {damages:?}");
}
