//! A file of 50 records of every kind that the store writes, and where each of them lies.

use maildrop::native::Session;
use maildrop::native::media::Disk as _;
use maildrop::{Envelope, Measure};
use pop3::{Deletions, MessageNumber, UniqueId};
use restante_tests::media::{Loss, SimDisk};
use std::ops::Range;

use crate::shop::{ALL, DROP, MROSE, Shared, deliver, path, retrieve, retrieve_all, store};

pub(crate) const FILE_HEADER: usize = 4096;
pub(crate) const MESSAGE: u8 = 1;
const DELETE: u8 = 2;
const NOTE: u8 = 3;
const UNDELETE: u8 = 5;
const FLAGS: u8 = 6;
const GONE: u8 = 7;

/// Where a record lies, read from its octets without the store.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) kind: u8,
    pub(crate) number: u64,
    /// Header, TLVs and body.
    pub(crate) all: Range<usize>,
    pub(crate) tlvs: Range<usize>,
    pub(crate) body: Range<usize>,
}

/// The records of a file that is whole.
pub(crate) fn places(octets: &[u8]) -> Vec<Place> {
    let number = |at: usize| u64::from_le_bytes(octets[at..at + 8].try_into().unwrap());
    let mut places = Vec::new();
    let mut at = FILE_HEADER;
    while at < octets.len() {
        assert_eq!(
            octets[at..at + 4],
            0x4d53_5211_u32.to_le_bytes(),
            "no record at {at}"
        );
        let tlvs =
            at + 64..at + 64 + usize::from(u16::from_le_bytes([octets[at + 6], octets[at + 7]]));
        let body = tlvs.end..tlvs.end + number(at + 8) as usize;
        places.push(Place {
            kind: octets[at + 4],
            number: number(at + 16),
            all: at..body.end,
            tlvs,
            body: body.clone(),
        });
        at = body.end.next_multiple_of(8);
    }
    places
}

/// Makes of the last record what a power cut may leave: its length, and no octet of it.
#[expect(clippy::ptr_arg, reason = "it is given to `SimDisk::rot` as it is")]
pub(crate) fn tear(octets: &mut Vec<u8>) {
    let last = places(octets).pop().expect("a record");
    octets[last.all].fill(0);
}

/// A message that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) id: Vec<u8>,
    pub(crate) text: Vec<u8>,
    /// Index of the record of its message.
    pub(crate) record: usize,
    pub(crate) uid: u64,
    /// Index of the record that has it deleted.
    pub(crate) deleted: Option<usize>,
    /// Index of the record that brings it back after that.
    pub(crate) undeleted: Option<usize>,
    /// Index of the record that hides it.
    pub(crate) hidden: Option<usize>,
    /// Index of the record that shows it again after that.
    pub(crate) shown: Option<usize>,
}

impl Mail {
    /// Whether it is there, if those records can be read.
    pub(crate) fn is_live(&self, reads: impl Fn(usize) -> bool) -> bool {
        let deleted = self.deleted.is_some_and(&reads);
        reads(self.record) && (!deleted || self.undeleted.is_some_and(&reads))
    }

    /// Whether sessions do not see it then.
    pub(crate) fn is_hidden(&self, reads: impl Fn(usize) -> bool) -> bool {
        self.hidden.is_some_and(&reads) && !self.shown.is_some_and(&reads)
    }
}

/// A maildrop, all that was ever acknowledged in it, and its file.
pub(crate) struct Specimen {
    pub(crate) disk: SimDisk,
    pub(crate) octets: Vec<u8>,
    pub(crate) places: Vec<Place>,
    pub(crate) mail: Vec<Mail>,
    /// Unique-ids that are used up although the file has no such message.
    pub(crate) gone: Vec<Vec<u8>>,
}

fn text(name: usize, octets: usize) -> Vec<u8> {
    let mut text = format!("Subject: {name}\r\n\r\n").into_bytes();
    while text.len() < octets {
        text.extend_from_slice(format!("line {} of {name} \u{e9}\r\n", text.len()).as_bytes());
    }
    text
}

struct Maker {
    store: Shared,
    /// Deletions so far.
    commits: usize,
    mail: Vec<Mail>,
}

impl Maker {
    fn deliver(&mut self, octets: usize, envelope: &Envelope) {
        let stored = text(self.mail.len(), octets);
        let mut draft = self.store.draft();
        for piece in stored.chunks(100_000) {
            draft.append(piece).unwrap();
        }
        let measure = Measure {
            octets: stored.len() as u64,
            header_octets: 14,
            ..Measure::default()
        };
        let delivered = self.store.deliver(&MROSE, &draft, &measure, envelope);
        let (uid, id) = delivered.map(|it| (it.uid, it.unique_id)).unwrap();
        self.mail.push(Mail {
            id: id.as_bytes().to_vec(),
            text: [&envelope.prefix[..], &stored].concat(),
            record: 0,
            uid,
            deleted: None,
            undeleted: None,
            hidden: None,
            shown: None,
        });
    }

    /// A session that sees all, with these marked, and their mail.
    fn marked(&mut self, numbers: &[usize]) -> (Session<SimDisk>, Deletions, Vec<&mut Mail>) {
        let session = self.store.open_view(DROP, &ALL).unwrap();
        let mut marked = Deletions::default();
        for &number in numbers {
            marked.mark(MessageNumber::new(number as u32).unwrap());
        }
        let live = self.mail.iter_mut().filter(|mail| mail.is_live(|_| true));
        let live = (1..).zip(live);
        let mail = live.filter(|(number, _)| numbers.contains(number));
        (session, marked, mail.map(|(_, mail)| mail).collect())
    }

    fn delete(&mut self, numbers: &[usize]) {
        let commit = self.commits;
        let (session, deletions, mail) = self.marked(numbers);
        session.commit(&deletions).unwrap();
        for mail in mail {
            // Which record that is will be known when the file is done.
            (mail.deleted, mail.undeleted) = (Some(commit), None);
        }
        self.commits += 1;
    }

    /// Hides these, and shows the first of them again: there is one record of each kind.
    fn hide(&mut self, numbers: &[usize]) {
        let store = Shared::clone(&self.store);
        let (session, messages, mut mail) = self.marked(numbers);
        session.hide(&messages).unwrap();
        for mail in &mut mail {
            mail.hidden = Some(0);
        }
        let first = &mut mail[0];
        assert_eq!(store.unhide(DROP, &[first.uid]).unwrap(), [first.uid]);
        first.shown = Some(0);
    }

    /// What is dead leaves the file; its unique-ids stay used up.
    fn compact(&mut self) -> Vec<Vec<u8>> {
        self.store.compact(DROP).unwrap();
        let dead = self.mail.extract_if(.., |mail| mail.deleted.is_some());
        self.commits = 0;
        dead.map(|mail| mail.id).collect()
    }

    /// Brings back one that was deleted.
    fn undelete(&mut self) {
        let mail = self.mail.iter_mut().rfind(|mail| mail.deleted.is_some());
        let mail = mail.unwrap();
        assert_eq!(self.store.undelete(DROP, &[mail.uid]).unwrap(), [mail.uid]);
        // There is one such record; which it is will be known when the file is done.
        mail.undeleted = Some(0);
    }

    /// A crash leaves something torn; the next opening writes a NOTE in its place.
    fn tear(&mut self, disk: &SimDisk) {
        deliver(&self.store, &text(999, 700));
        disk.rot(&path(), tear);
        self.store = store(disk);
        drop(self.store.open(DROP).unwrap());
    }
}

impl Specimen {
    /// The 50 records, after so many small messages.
    pub(crate) fn new(before: usize) -> Self {
        let disk = SimDisk::default();
        let mut maker = Maker {
            store: store(&disk),
            commits: 0,
            mail: Vec::new(),
        };
        let plain = Envelope::default();
        let foreign = |n: usize| Envelope {
            unique_id: UniqueId::new(format!("old-{n}").into_bytes()),
            ..Envelope::default()
        };
        for n in 0..3 {
            maker.deliver(300, &foreign(n));
        }
        maker.delete(&[1, 3]);
        let gone = maker.compact();
        for n in 0..before {
            maker.deliver(20 + n % 90, &plain);
        }
        let told = Envelope {
            prefix: b"Return-Path: <a@b>\r\n".to_vec(),
            sender: Some(b"a@b".to_vec()),
            ..Envelope::default()
        };
        let bounce = Envelope {
            sender: Some(Vec::new()),
            ..Envelope::default()
        };
        let imported = |n: usize| Envelope {
            unique_id: UniqueId::new(format!("UID{n}-1").into_bytes()),
            origin: Some(format!("/var/mail/mrose, message {n}").into_bytes()),
            received_us: Some(1),
            ..Envelope::default()
        };
        for n in 0..8 {
            maker.deliver(30 + 61 * n, &told);
            maker.deliver(900 + 517 * n, &bounce);
            maker.deliver(10 + 211 * n, &imported(n));
            if n % 3 == 1 {
                maker.delete(&[1 + n, 3 + n, 4 + n, 5 + n]);
            }
        }
        maker.tear(&disk);
        for octets in [
            65_536, 65_537, 70_000, 20_000, 262_145, 6_000, 511, 512, 513,
        ] {
            maker.deliver(octets, &told);
        }
        let blocks = maker
            .mail
            .iter()
            .filter(|mail| mail.is_live(|_| true))
            .count()
            - 7;
        maker.delete(&[blocks]);
        maker.undelete();
        maker.hide(&[4, 5, 9]);
        maker.store.rename(DROP, "mallory").unwrap();
        maker.tear(&disk);
        for n in 8..11 {
            maker.deliver(100 + 90 * (n - 8), &imported(n));
        }
        maker.delete(&[2, 11, 12]);
        maker.deliver(1_200, &told);
        // What is asked of the last record is the hardest.
        Self::of(&disk, maker.mail, gone)
    }

    fn of(disk: &SimDisk, mut mail: Vec<Mail>, gone: Vec<Vec<u8>>) -> Self {
        let octets = disk.octets(&path()).unwrap();
        let places = places(&octets);
        let records = |kind: u8| -> Vec<usize> {
            let all = 0..places.len();
            all.filter(|&index| places[index].kind == kind).collect()
        };
        let (messages, commits) = (records(MESSAGE), records(DELETE));
        assert_eq!(messages.len(), mail.len());
        for (mail, record) in mail.iter_mut().zip(messages) {
            mail.record = record;
            mail.deleted = mail.deleted.map(|commit| commits[commit]);
            mail.undeleted = mail.undeleted.map(|_| records(UNDELETE)[0]);
            mail.hidden = mail.hidden.map(|_| records(FLAGS)[0]);
            mail.shown = mail.shown.map(|_| records(FLAGS)[1]);
        }
        for copy in disk.list("torn").unwrap() {
            disk.unlink(&format!("torn/{copy}")).unwrap();
        }
        Self {
            disk: disk.reboot(Loss::Nothing),
            octets,
            places,
            mail,
            gone,
        }
    }

    /// The same with a sidecar beside it.
    pub(crate) fn with_sidecar() -> Self {
        let specimen = Self::new(520);
        store(&specimen.disk).tidy(DROP).unwrap();
        assert!(specimen.disk.octets(&sidecar()).is_some());
        specimen
    }

    /// A fresh copy of its disk.
    pub(crate) fn copy(&self) -> SimDisk {
        self.disk.reboot(Loss::Nothing)
    }
}

pub(crate) fn sidecar() -> String {
    format!("{}x", path().strip_suffix('m').unwrap())
}

#[test]
fn the_specimen_holds_every_kind_that_is_written() {
    let specimen = Specimen::new(0);
    assert_eq!(specimen.places.len(), 50);
    let count = |kind| {
        specimen
            .places
            .iter()
            .filter(|place| place.kind == kind)
            .count()
    };
    let kinds = [MESSAGE, DELETE, NOTE, UNDELETE, FLAGS, GONE];
    assert_eq!(kinds.map(count), [38, 5, 3, 1, 2, 1]);
    assert_eq!(specimen.places.last().unwrap().kind, MESSAGE);
    let live = specimen.mail.iter().filter(|mail| mail.is_live(|_| true));
    let seen = live.clone().filter(|mail| !mail.is_hidden(|_| true));
    let as_retrieved = |mail: &Mail| (mail.id.clone(), Some(mail.text.clone()));
    let live: Vec<_> = live.map(as_retrieved).collect();
    let seen: Vec<_> = seen.map(as_retrieved).collect();
    assert_eq!((live.len(), seen.len()), (23, 21));
    assert_eq!(retrieve_all(&store(&specimen.copy())).unwrap(), live);
    assert_eq!(retrieve(&store(&specimen.copy())).unwrap(), seen);
}
