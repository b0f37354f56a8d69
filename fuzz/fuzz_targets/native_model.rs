//! Any sequence of operations, restarts and power cuts, compared with a list of what was promised.

#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use maildrop::{Addressee, Envelope, MaildropId, Measure, Patience, Progress, Store};
use pop3::{Deletions, MessageNumber, Part};
use restante_tests::media::{Loss, SimDisk};

const DROP: MaildropId = MaildropId(0x0123_4567_89ab_cdef);
const FUZZ: Addressee<'static> = Addressee::unlimited(DROP, "fuzz");

type Message = (Vec<u8>, Vec<u8>);

fn start(disk: &SimDisk) -> Arc<Store<SimDisk>> {
    Arc::new(Store::new(Arc::new(disk.clone())))
}

fn deliver(store: &Store<SimDisk>, text: &[u8]) -> Message {
    let mut draft = store.draft();
    draft.append(text).expect("memory");
    let measure = Measure {
        octets: text.len() as u64,
        ..Measure::default()
    };
    let delivered = store
        .deliver(&FUZZ, &draft, &measure, &Envelope::default())
        .expect("nothing fails");
    (delivered.unique_id.as_bytes().to_vec(), text.to_vec())
}

fn check(store: &Arc<Store<SimDisk>>, model: &[Message]) {
    let session = store.open(DROP).expect("nobody else is here");
    let listing = session.listing();
    assert_eq!(listing.len(), model.len());
    for (index, (id, expected)) in model.iter().enumerate() {
        let number = MessageNumber::from_index(index).expect("few messages");
        assert_eq!(listing.unique_id(number).as_deref(), Some(&id[..]));
        let mut text = session.text(number, Part::Whole).expect("it is listed");
        let mut out = Vec::new();
        while text.read(&mut out, Patience::Wait).expect("it is whole") == Progress::More {}
        assert_eq!(&out, expected);
    }
}

fuzz_target!(|input: &[u8]| {
    let mut disk = SimDisk::default();
    let mut store = start(&disk);
    let mut model: Vec<Message> = Vec::new();
    let mut ever = BTreeSet::new();
    for (n, step) in input.chunks(2).take(64).enumerate() {
        let (what, how) = (step[0], step.get(1).copied().unwrap_or(0));
        match what % 8 {
            0..=2 => {
                let len = usize::from(how) * if what & 0x80 == 0 { 3 } else { 1500 };
                let message = deliver(&store, &vec![n as u8; len]);
                assert!(ever.insert(message.0.clone()), "a unique-id used again");
                model.push(message);
            }
            3 => {
                let session = store.open(DROP).expect("nobody else is here");
                let goes = |at: usize| at < 8 && how >> at & 1 == 1;
                let mut deletions = Deletions::default();
                (0..model.len())
                    .filter(|&at| goes(at))
                    .filter_map(MessageNumber::from_index)
                    .for_each(|number| {
                        deletions.mark(number);
                    });
                session.commit(&deletions).expect("nothing fails");
                let mut at = 0;
                model.retain(|_| {
                    at += 1;
                    !goes(at - 1)
                });
            }
            4 => store.tidy(DROP).expect("nothing fails"),
            5 => store = start(&disk),
            6 => check(&store, &model),
            _ => {
                disk = disk.reboot(match how {
                    0 => Loss::Everything,
                    1 => Loss::Nothing,
                    seed => Loss::Some(u64::from(seed)),
                });
                store = start(&disk);
            }
        }
    }
    check(&store, &model);
});
