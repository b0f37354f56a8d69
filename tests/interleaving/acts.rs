//! What three threads do to one maildrop, and what must be true whenever one of them was answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use maildrop::native::media::Disk;
use maildrop::{
    Addressee, DeliverError, Envelope, MaildropId, Measure, OpenError, Patience, Progress, Store,
    View,
};
use pop3::{Deletions, MessageNumber, Part};
use restante_tests::media::{Loss, Plan, SimDisk};

use crate::gate;
use crate::stepped::Stepped;

const DROP: MaildropId = MaildropId(0x00ff_0000_0000_0001);
const MROSE: Addressee<'static> = Addressee::unlimited(DROP, "mrose");

/// What one thread does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Deliver,
    /// A session that retrieves and deletes all that it sees.
    TakeAll,
    Tidy,
}

/// Whether the threads share what is known in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Processes {
    One,
    Each,
}

/// What is there before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Setting {
    Nothing,
    TwoMessages,
    /// A file without messages, which is due to be replaced.
    Emptied,
    /// Two messages, and what a crash left of a third one.
    Torn,
    /// A message, and another one by a process that died before its sync.
    Unsynced,
}

/// A message: unique-id and text.
type Message = (Vec<u8>, Vec<u8>);

fn text(name: &str) -> Vec<u8> {
    format!("Subject: {name}\r\n\r\nbody of {name}\r\n").into_bytes()
}

fn deliver<D: Disk>(store: &Store<D>, text: &[u8]) -> Result<Message, DeliverError> {
    let mut draft = store.draft();
    draft.append(text)?;
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: 10,
        ..Measure::default()
    };
    let delivered = store.deliver(&MROSE, &draft, &measure, &Envelope::default())?;
    Ok((delivered.unique_id.as_bytes().to_vec(), text.to_vec()))
}

/// All messages of an open session.
fn read<D: Disk>(session: &maildrop::native::Session<D>) -> Vec<Message> {
    let listing = session.listing();
    let numbers = (0..listing.len()).filter_map(MessageNumber::from_index);
    numbers
        .map(|number| {
            let mut text = session.text(number, Part::Whole).unwrap();
            let mut out = Vec::new();
            while text.read(&mut out, Patience::Wait).unwrap() != Progress::End {}
            (listing.unique_id(number).unwrap().to_vec(), out)
        })
        .collect()
}

/// What is promised, changed in the instant of the answer.
#[derive(Default)]
struct Promised {
    kept: BTreeSet<Message>,
    /// Every unique-id that anybody was told, and of which text.
    seen: BTreeMap<Vec<u8>, Vec<u8>>,
    deleted: BTreeSet<Message>,
    /// Deletions that are under way: all or none.
    maybe_deleted: BTreeSet<Message>,
}

impl Promised {
    /// Somebody was shown this message, or told that it is safe.
    fn told(&mut self, message: &Message) {
        let (id, text) = message.clone();
        let before = self.seen.insert(id, text);
        let same = before.is_none_or(|before| before == message.1);
        assert!(same, "a unique-id twice: {message:?}");
        // A session may have taken it before its deliverer had the answer.
        if !self.deleted.contains(message) {
            self.kept.insert(message.clone());
        }
    }
}

/// One run of three threads.
pub(crate) struct Run {
    disk: SimDisk,
    stores: [Arc<Store<Stepped>>; 3],
    promised: Mutex<Promised>,
    sessions: AtomicUsize,
}

impl Run {
    pub(crate) fn new(setting: Setting, processes: Processes) -> Self {
        let disk = SimDisk::default();
        let mut promised = Promised::default();
        let before = Arc::new(Store::new(Arc::new(disk.clone())));
        let kept: &[&str] = match setting {
            Setting::Nothing => &[],
            Setting::Emptied | Setting::Unsynced => &["first"],
            Setting::TwoMessages | Setting::Torn => &["first", "second"],
        };
        for name in kept {
            promised.told(&deliver(&before, &text(name)).unwrap());
        }
        match setting {
            Setting::Nothing | Setting::TwoMessages => {}
            Setting::Emptied => {
                before.open(DROP).unwrap().commit(&all(1)).unwrap();
                promised.deleted = std::mem::take(&mut promised.kept);
            }
            Setting::Torn => {
                deliver(&before, &text("torn")).unwrap();
                let path = Store::<SimDisk>::path_of(DROP);
                disk.rot(&path, |octets| octets.truncate(octets.len() - 5));
            }
            Setting::Unsynced => {
                // Only a look at the file comes after the sync of a delivery.
                let rehearsal = disk.copy();
                rehearsal.plan(Plan::Calm);
                deliver(&Store::new(Arc::new(rehearsal.clone())), &text("unsynced")).unwrap();
                disk.plan(Plan::Crash(rehearsal.calls() - 2));
                let dying = Store::new(Arc::new(disk.clone()));
                deliver(&dying, &text("unsynced")).unwrap_err();
                disk.kill();
            }
        }
        let store = || Arc::new(Store::new(Arc::new(Stepped(disk.clone()))));
        let stores = match processes {
            Processes::One => {
                let shared = store();
                std::array::from_fn(|_| Arc::clone(&shared))
            }
            Processes::Each => std::array::from_fn(|_| store()),
        };
        if let Setting::TwoMessages | Setting::Emptied = setting {
            // Who knows the maildrop has it at hand.
            stores.iter().for_each(|it| drop(it.open(DROP).unwrap()));
        }
        Self {
            disk,
            stores,
            promised: Mutex::new(promised),
            sessions: AtomicUsize::new(0),
        }
    }

    /// Lets the three threads act, in the order that `choose` wants, and judges.
    pub(crate) fn play(
        &self,
        acts: [Act; 3],
        choose: impl FnMut(&[usize], Option<usize>) -> usize,
    ) {
        let bodies = acts.iter().enumerate().map(|(index, act)| {
            let body: Box<dyn FnOnce() + Send + '_> = Box::new(move || self.act(index, *act));
            body
        });
        gate::run(bodies.collect(), choose);
        self.judge();
        // All locks are free, and life goes on.
        let last = deliver(&self.stores[0], &text("last")).unwrap();
        self.promise(|promised| promised.told(&last));
        self.judge();
        drop(self.stores[1].open(DROP).unwrap());
    }

    fn promise(&self, change: impl FnOnce(&mut Promised)) {
        change(&mut self.promised.lock().unwrap());
    }

    fn act(&self, index: usize, act: Act) {
        let store = &self.stores[index];
        match act {
            Act::Deliver => {
                let message = deliver(store, &text(&format!("new {index}"))).unwrap();
                self.promise(|promised| promised.told(&message));
                self.judge();
            }
            Act::Tidy => {
                store.tidy(DROP).unwrap();
                self.judge();
            }
            Act::TakeAll => self.take_all(store),
        }
    }

    fn take_all(&self, store: &Arc<Store<Stepped>>) {
        let at_hand = store.open_at_hand(DROP, &View::default());
        let session = match at_hand.unwrap_or_else(|| store.open(DROP)) {
            Ok(session) => session,
            Err(OpenError::InUse) => return,
            Err(other) => panic!("{other:?}"),
        };
        let found = read(&session);
        if found.is_empty() {
            return;
        }
        assert_eq!(
            self.sessions.fetch_add(1, Ordering::SeqCst),
            0,
            "two sessions"
        );
        self.promise(|promised| {
            // What is shown is durable, whether or not its writer lived to say so.
            found.iter().for_each(|message| promised.told(message));
        });
        self.judge();
        self.promise(|promised| promised.maybe_deleted.extend(found.iter().cloned()));
        // The lock goes with the commit, so from here on another session may begin.
        self.sessions.fetch_sub(1, Ordering::SeqCst);
        assert_eq!(session.commit(&all(found.len())).unwrap(), 0);
        self.promise(|promised| {
            promised.maybe_deleted.clear();
            promised.kept.retain(|message| !found.contains(message));
            promised.deleted.extend(found);
        });
        self.judge();
    }

    /// If the power went now, what was promised would be there.
    fn judge(&self) {
        let promised = self.promised.lock().unwrap();
        for loss in [Loss::Everything, Loss::Nothing] {
            let later = Arc::new(Store::new(Arc::new(self.disk.reboot(loss))));
            let found = read(&later.open(DROP).unwrap());
            let there: BTreeSet<_> = found.iter().cloned().collect();
            assert_eq!(there.len(), found.len(), "a message twice");
            for message in promised.kept.difference(&promised.maybe_deleted) {
                assert!(there.contains(message), "{loss:?}: {message:?} is lost");
            }
            let deleted = promised.maybe_deleted.intersection(&there).count();
            assert!(
                deleted == 0 || deleted == promised.maybe_deleted.len(),
                "half of a commit"
            );
            for message in &there {
                // Deliveries under way may be there, with names that nobody was told.
                let strange =
                    promised.seen.contains_key(&message.0) && !promised.kept.contains(message);
                assert!(
                    !strange,
                    "{loss:?}: {message:?} is back, or has another's name"
                );
            }
            assert_eq!(later.verify(DROP, &mut |_| {}).unwrap().damages, []);
        }
    }
}

fn all(count: usize) -> Deletions {
    let mut deletions = Deletions::default();
    for index in 0..count {
        deletions.mark(MessageNumber::from_index(index).unwrap());
    }
    deletions
}
