//! One maildrop on a simulated disk, and what a client gets out of it.

use std::sync::Arc;

use maildrop::native::Text;
use maildrop::native::media::File;
use maildrop::{
    Addressee, DeliverError, Envelope, Hidden, MaildropId, Measure, OpenError, Patience, Progress,
    Store, TextError, View,
};
use pop3::{Deletions, MessageNumber, Part, UniqueId};
use restante_tests::media::SimDisk;

pub(crate) const DROP: MaildropId = MaildropId(0x00ff_0000_0000_0001);

pub(crate) const MROSE: Addressee<'static> = Addressee::unlimited(DROP, "mrose");

/// Everything, hidden messages too.
pub(crate) const ALL: View = View {
    since_us: None,
    messages_max: None,
    hidden: Hidden::Shown,
};

pub(crate) type Shared = Arc<Store<SimDisk>>;

pub(crate) fn store(disk: &SimDisk) -> Shared {
    Arc::new(Store::new(Arc::new(disk.clone())))
}

pub(crate) fn path() -> String {
    Store::<SimDisk>::path_of(DROP)
}

pub(crate) fn deliver(store: &Shared, text: &[u8]) -> UniqueId {
    try_deliver(store, text).unwrap()
}

pub(crate) fn try_deliver(store: &Shared, text: &[u8]) -> Result<UniqueId, DeliverError> {
    let mut draft = store.draft();
    draft.append(text)?;
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: text.len().min(8) as u64,
        ..Measure::default()
    };
    let envelope = Envelope {
        sender: Some(b"a@b".to_vec()),
        ..Envelope::default()
    };
    let delivered = store.deliver(&MROSE, &draft, &measure, &envelope)?;
    Ok(delivered.unique_id)
}

/// What a client gets: unique-ids with texts, or none where a text is refused.
pub(crate) type Retrieved = Vec<(Vec<u8>, Option<Vec<u8>>)>;

pub(crate) fn retrieve(store: &Shared) -> Result<Retrieved, OpenError> {
    retrieve_as(store, &View::default())
}

/// The same with what is hidden from clients.
pub(crate) fn retrieve_all(store: &Shared) -> Result<Retrieved, OpenError> {
    retrieve_as(store, &ALL)
}

fn retrieve_as(store: &Shared, view: &View) -> Result<Retrieved, OpenError> {
    let session = store.open_view(DROP, view)?;
    let listing = session.listing();
    let mut all = Vec::new();
    for index in 0..listing.len() {
        let number = MessageNumber::from_index(index).unwrap();
        let mut text = session.text(number, Part::Whole).unwrap();
        let whole = read_all(&mut text, Vec::new(), "retrieve");
        all.push((listing.unique_id(number).unwrap().to_vec(), whole));
    }
    Ok(all)
}

/// The rest of a text, after what is had of it already; none if it is refused.
pub(crate) fn read_all(text: &mut Text<impl File>, had: Vec<u8>, what: &str) -> Option<Vec<u8>> {
    let mut out = had;
    loop {
        let before = out.len();
        match text.read(&mut out, Patience::Wait) {
            Ok(Progress::End) => return Some(out),
            Ok(_) => {}
            Err(TextError::Damaged { .. }) => {
                assert_eq!(out.len(), before, "{what}: an error and octets at once");
                return None;
            }
            Err(other) => panic!("{what}: {other:?}"),
        }
    }
}

/// A drop with a deletion in its middle: three messages are left.
pub(crate) fn small_drop() -> (SimDisk, Retrieved) {
    let disk = SimDisk::default();
    let store = store(&disk);
    for n in 0..3 {
        deliver(&store, format!("N: {n}\r\n\r\nbody {n}\r\n").as_bytes());
    }
    let mut deletions = Deletions::default();
    deletions.mark(MessageNumber::new(2).unwrap());
    store.open(DROP).unwrap().commit(&deletions).unwrap();
    deliver(&store, b"N: 3\r\n\r\nbody 3\r\n");
    let found = retrieve(&store).unwrap();
    assert_eq!(found.len(), 3);
    (disk, found)
}
