//! Two stores on one directory behave like two processes: locks belong to an opening of a file,
//! and each store knows only what it read. On the real disk.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use maildrop::native::media::{Disk as _, File as _, Lock, RealDisk};
use maildrop::native::{Backup, Run, Store};
use maildrop::{
    Addressee, DeliverError, Delivered, Envelope, MaildropId, Maildrops, Measure, NativeSettings,
    OpenError, OpenMaildrop, View,
};
use pop3::{Deletions, MessageNumber};

const DROP: MaildropId = MaildropId(0x1234_5678_9abc_def0);
const MROSE: Addressee<'static> = Addressee::unlimited(DROP, "mrose");
fn any() -> NativeSettings {
    NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    }
}

fn try_deliver(maildrops: &Maildrops, text: &[u8]) -> Result<Delivered, DeliverError> {
    let mut draft = maildrops.draft();
    draft.append(text)?;
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: text.len() as u64,
        ..Measure::default()
    };
    maildrops.deliver(&MROSE, &mut draft, &measure, &Envelope::default())
}

fn deliver(maildrops: &Maildrops, text: &[u8]) -> Delivered {
    try_deliver(maildrops, text).unwrap()
}

fn all(count: usize) -> Deletions {
    let mut deletions = Deletions::default();
    for index in 0..count {
        deletions.mark(MessageNumber::from_index(index).unwrap());
    }
    deletions
}

#[test]
fn what_another_process_did_is_not_at_hand() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = [0, 1].map(|_| Maildrops::native(dir.path(), &any()).unwrap());
    let all_of_it = View::default();
    let at_hand = || one.open_at_hand(DROP, &all_of_it);
    let messages = |opened: OpenMaildrop| opened.listing().len();
    // What nobody has opened is not known, and what is not there is empty as soon as that is.
    assert!(at_hand().is_none());
    assert_eq!(one.open(DROP).map(messages).unwrap(), 0);
    assert!(at_hand().is_none_or(|it| it.map(messages).unwrap() == 0));
    deliver(&one, b"A: 1\r\n\r\n");
    let session = at_hand().unwrap().unwrap();
    assert_eq!(session.listing().len(), 1);
    assert!(matches!(at_hand(), Some(Err(OpenError::InUse))));
    // Held, it is held for the other process as well.
    assert!(matches!(two.open(DROP), Err(OpenError::InUse)));
    drop(session);
    // A session of the other one: who waits for it must not be this thread.
    let session = two.open(DROP).unwrap();
    assert!(at_hand().is_none());
    drop(session);
    assert!(at_hand().is_some());
    deliver(&two, b"A: 2\r\n\r\n");
    assert!(at_hand().is_none());
    assert_eq!(one.open(DROP).map(messages).unwrap(), 2);
    assert_eq!(at_hand().map(|it| it.map(messages).unwrap()), Some(2));
    two.open(DROP).unwrap().commit(&all(1)).unwrap();
    assert!(at_hand().is_none());
    // What is recent is in the file, not in the index.
    assert_eq!(one.open(DROP).map(messages).unwrap(), 1);
    let recent = View {
        since_us: Some(0),
        ..all_of_it
    };
    assert!(at_hand().is_some() && one.open_at_hand(DROP, &recent).is_none());
    // The same name, another file.
    let path = dir.path().join(Store::<RealDisk>::path_of(DROP));
    let aside = dir.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    fs::copy(&aside, &path).unwrap();
    assert!(at_hand().is_none());
    assert_eq!(one.open(DROP).map(messages).unwrap(), 1);
}

/// Whatever other processes have done to a maildrop, this one has at hand what is there, or nothing.
#[test]
fn what_is_at_hand_is_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let new = || Maildrops::native(dir.path(), &any()).unwrap();
    let (one, two) = (new(), new());
    let seen = |session: OpenMaildrop| {
        let listing = session.listing();
        let numbers = (0..listing.len()).filter_map(MessageNumber::from_index);
        let ids = numbers.filter_map(|number| listing.unique_id(number).map(|id| id.to_vec()));
        (listing.is_partial(), ids.collect::<Vec<_>>())
    };
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut at_hand = 0;
    for step in 0..500 {
        let who = if random(3) == 0 { &one } else { &two };
        match random(12) {
            0..4 => drop(deliver(who, format!("N: {step}\r\n\r\n").as_bytes())),
            4 => {
                let session = who.open(DROP).unwrap();
                let half = all(session.listing().len().div_ceil(2));
                session.commit(&half).unwrap();
            }
            5 => {
                let session = who.open(DROP).unwrap();
                let first = all(session.listing().len().min(1));
                session.hide(&first).unwrap();
            }
            6 => who.tidy(DROP).unwrap(),
            7 => drop(who.compact(DROP).unwrap()),
            8 => {
                let uids = who.deleted(DROP).unwrap();
                let uids: Vec<_> = uids.iter().map(|deleted| deleted.uid).collect();
                who.undelete(DROP, &uids).unwrap();
            }
            9 => {
                let uids = who.hidden(DROP).unwrap();
                let uids: Vec<_> = uids.iter().map(|hidden| hidden.uid).collect();
                who.unhide(DROP, &uids).unwrap();
            }
            10 => who.rename(DROP, &format!("mrose{step}")).unwrap(),
            _ => {}
        }
        let opened = match one.open_at_hand(DROP, &View::default()) {
            Some(opened) => {
                at_hand += 1;
                opened
            }
            None => one.open(DROP),
        };
        let told = seen(opened.unwrap());
        assert_eq!(told, seen(new().open(DROP).unwrap()), "step {step}");
    }
    assert!(at_hand > 100, "{at_hand}");
}

/// What another process has said yes to is seen by whoever looks afterwards, however close.
#[test]
fn what_was_acknowledged_meanwhile_is_at_hand_or_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = [0, 1].map(|_| Maildrops::native(dir.path(), &any()).unwrap());
    deliver(&one, b"N: 0\r\n\r\n");
    drop(one.open(DROP).unwrap());
    let acknowledged = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        let delivering = scope.spawn(|| {
            for n in 1..200 {
                deliver(&two, format!("N: {n}\r\n\r\n").as_bytes());
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut at_hand = 0;
        while !delivering.is_finished() {
            let least = acknowledged.load(Ordering::SeqCst);
            let opened = one.open_at_hand(DROP, &View::default());
            at_hand += usize::from(opened.is_some());
            let opened = opened.unwrap_or_else(|| one.open(DROP)).unwrap();
            let seen = opened.listing().len();
            assert!(seen >= least, "{seen} of {least}");
        }
        assert!(at_hand > 0);
    });
}

#[test]
fn one_session_between_processes() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = [0, 1].map(|_| Maildrops::native(dir.path(), &any()).unwrap());
    deliver(&one, b"A: 1\r\n\r\n");
    let session = one.open(DROP).unwrap();
    assert!(matches!(two.open(DROP), Err(OpenError::InUse)));
    // Delivery needs no session lock, and both see what the other did.
    assert_eq!(deliver(&two, b"A: 2\r\n\r\n").uid, 2);
    assert_eq!(deliver(&one, b"A: 3\r\n\r\n").uid, 3);
    assert_eq!(session.commit(&all(1)).unwrap(), 0);
    let session = two.open(DROP).unwrap();
    assert_eq!(session.listing().len(), 2);
    // Housekeeping of one gives way to the session of the other.
    one.tidy(DROP).unwrap();
    assert_eq!(session.commit(&all(2)).unwrap(), 0);
    two.tidy(DROP).unwrap();
    // The file was replaced behind the first one's back.
    assert_eq!(deliver(&one, b"A: 4\r\n\r\n").uid, 4);
    assert_eq!(two.open(DROP).unwrap().listing().len(), 1);
    assert_eq!(one.verify(DROP, &mut |_| {}).unwrap().damages, []);
}

/// Four processes deliver, four take the mail away and have the file replaced all the time.
#[test]
fn replacing_races_with_delivering() {
    let dir = tempfile::tempdir().unwrap();
    let each: usize = 150;
    let deliverers: Vec<_> = (0..4)
        .map(|who| {
            let maildrops = Maildrops::native(dir.path(), &any()).unwrap();
            std::thread::spawn(move || {
                (0..each)
                    .map(|n| {
                        let text = format!("From: {who}\r\nN: {n}\r\n\r\n");
                        deliver(&maildrops, text.as_bytes()).unique_id
                    })
                    .map(|id| id.as_bytes().to_vec())
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let take = |maildrops: &Maildrops| match maildrops.open(DROP) {
        Ok(session) => {
            let listing = session.listing();
            let ids: Vec<_> = (0..listing.len())
                .filter_map(MessageNumber::from_index)
                .filter_map(|number| listing.unique_id(number))
                .map(|id| id.to_vec())
                .collect();
            session.commit(&all(ids.len())).unwrap();
            maildrops.tidy(DROP).unwrap();
            ids
        }
        Err(OpenError::InUse) => Vec::new(),
        Err(other) => panic!("{other:?}"),
    };
    let takers: Vec<_> = (0..4)
        .map(|_| {
            let maildrops = Maildrops::native(dir.path(), &any()).unwrap();
            std::thread::spawn(move || (0..100).flat_map(|_| take(&maildrops)).collect::<Vec<_>>())
        })
        .collect();
    let delivered: Vec<_> = deliverers
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    let mut taken: Vec<_> = takers
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    taken.extend(take(&Maildrops::native(dir.path(), &any()).unwrap()));
    assert_eq!(delivered.len(), 4 * each);
    assert_eq!(taken.len(), delivered.len(), "each message once");
    let taken: HashSet<_> = taken.into_iter().collect();
    assert_eq!(taken, delivered.into_iter().collect::<HashSet<_>>());
}

#[test]
fn a_volatile_file_system_is_refused() {
    let shm = Path::new("/dev/shm");
    let is_tmpfs = fs::read_to_string("/proc/mounts")
        .is_ok_and(|mounts| mounts.lines().any(|line| line.contains(" /dev/shm tmpfs ")));
    if !is_tmpfs {
        eprintln!("SKIPPED: /dev/shm is no tmpfs here");
        return;
    }
    let dir = tempfile::tempdir_in(shm).unwrap();
    let strict = NativeSettings::default();
    let Err(refused) = Maildrops::native(dir.path(), &strict) else {
        panic!("tmpfs was taken");
    };
    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
    assert!(refused.to_string().contains("tmpfs"), "{refused}");
    let maildrops = Maildrops::native(dir.path(), &any()).unwrap();
    deliver(&maildrops, b"A: b\r\n\r\n");
    assert_eq!(maildrops.open(DROP).unwrap().listing().len(), 1);
}

/// Whoever can write below the data directory cannot make the store leave it, or hang.
#[test]
fn links_and_pipes_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let maildrops = Maildrops::native(dir.path(), &any()).unwrap();
    let file = maildrops.path(DROP).unwrap();
    assert_eq!(file, dir.path().join("d/1/23/123456789abcdef0.rsm"));
    deliver(&maildrops, b"A: b\r\n\r\n");
    let outside = elsewhere.path().join("x");
    fs::rename(&file, &outside).unwrap();

    symlink(&outside, &file).unwrap();
    assert!(matches!(
        maildrops.open(DROP),
        Err(OpenError::Unavailable(_))
    ));
    assert!(try_deliver(&maildrops, b"A: c\r\n\r\n").is_err());
    fs::remove_file(&file).unwrap();

    fs::create_dir(&file).unwrap();
    assert!(matches!(
        maildrops.open(DROP),
        Err(OpenError::Unavailable(_))
    ));
    fs::remove_dir(&file).unwrap();

    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(
        maildrops.open(DROP),
        Err(OpenError::Unavailable(_))
    ));
    assert!(try_deliver(&maildrops, b"A: c\r\n\r\n").is_err());
    fs::remove_file(&file).unwrap();

    let above = file.parent().unwrap();
    fs::remove_dir_all(above).unwrap();
    symlink(elsewhere.path(), above).unwrap();
    assert!(try_deliver(&maildrops, b"A: c\r\n\r\n").is_err());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[test]
fn names_of_all_maildrops() {
    let dir = tempfile::tempdir().unwrap();
    let maildrops = Maildrops::native(dir.path(), &any()).unwrap();
    assert_eq!(maildrops.ids().unwrap(), []);
    deliver(&maildrops, b"A: b\r\n\r\n");
    fs::write(dir.path().join("d/1/23/1234000000000000.rsm.new"), b"").unwrap();
    fs::write(dir.path().join("d/1/23/9994000000000000.rsm"), b"").unwrap();
    fs::create_dir_all(dir.path().join("d/zz/q")).unwrap();
    assert_eq!(maildrops.ids().unwrap(), [DROP]);
    let summary = maildrops.summary(DROP).unwrap();
    assert_eq!((summary.messages, summary.octets), (1, 8));
    assert_eq!(summary.account, "mrose");
    assert_eq!(summary.file_octets, 4096 + 64 + 8);
    assert_eq!(maildrops.summary(MaildropId(5)).unwrap().file_octets, 0);
    let mut heard = 0;
    maildrops
        .verify(DROP, &mut |octets| heard += octets)
        .unwrap();
    assert_eq!(heard, summary.file_octets);
}

/// An emptied file does not grow for ever although nobody tidies.
#[test]
fn an_emptied_file_is_replaced_before_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let maildrops = Maildrops::native(dir.path(), &any()).unwrap();
    let text = vec![b'x'; 600_000];
    for _ in 0..10 {
        deliver(&maildrops, &text);
        let session = maildrops.open(DROP).unwrap();
        session.commit(&all(1)).unwrap();
    }
    let len = fs::metadata(maildrops.path(DROP).unwrap()).unwrap().len();
    assert!(len < 2_000_000, "{len}");
}

/// One reads a record from a disk that spoils it, cuts it as torn, and fills the file up to the
/// very length that the other one knows.
#[test]
fn a_file_of_the_same_length_need_not_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = [0, 1].map(|_| Maildrops::native(dir.path(), &any()).unwrap());
    deliver(&one, b"A: 1\r\n\r\n");
    deliver(&one, &vec![b'x'; 4096]);
    let path = one.path(DROP).unwrap();
    let known = fs::metadata(&path).unwrap().len();
    let mut octets = fs::read(&path).unwrap();
    let end = octets.len() / 512 * 512;
    octets[end - 512..end].fill(0);
    fs::write(&path, &octets).unwrap();
    // The NOTE about the cut takes 80 octets.
    deliver(&two, &vec![b'y'; 4096 - 80]);
    assert_eq!(fs::metadata(&path).unwrap().len(), known);
    deliver(&one, b"A: 3\r\n\r\n");
    let three = Maildrops::native(dir.path(), &any()).unwrap();
    assert_eq!(three.open(DROP).unwrap().listing().len(), 3);
    assert_eq!(three.verify(DROP, &mut |_| {}).unwrap().damages, []);
}

/// Housekeeping asks whether anybody waits by taking the lock of who waits for a moment.
#[test]
fn whoever_asks_for_a_waiting_login_does_not_hide_it() {
    let dir = tempfile::tempdir().unwrap();
    let maildrops = Maildrops::native(dir.path(), &any()).unwrap();
    deliver(&maildrops, b"A: 1\r\n\r\n");
    let disk = RealDisk::directory(dir.path()).unwrap();
    let path = maildrops.path(DROP).unwrap();
    let path = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
    for _ in 0..200 {
        let file = disk.open(path).unwrap();
        assert!(file.try_lock(Lock::Tidying).unwrap() && file.try_lock(Lock::Session).unwrap());
        std::thread::scope(|scope| {
            let login = scope.spawn(|| maildrops.open(DROP).map(drop));
            let begun = Instant::now();
            while file.try_lock(Lock::Waiting).unwrap() {
                file.unlock(Lock::Waiting);
                assert!(
                    begun.elapsed() < Duration::from_secs(2),
                    "the login is not seen"
                );
            }
            file.unlock(Lock::Session);
            file.unlock(Lock::Tidying);
            login.join().unwrap().unwrap();
        });
    }
}

/// What a crash leaves of a text that was written to make the search for records slow.
#[test]
fn imitated_headers_do_not_keep_a_login_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let maildrops = Maildrops::native(dir.path(), &any()).unwrap();
    deliver(&maildrops, b"A: 1\r\n\r\n");
    let mut octets = fs::read(maildrops.path(DROP).unwrap()).unwrap();
    octets.resize(octets.len().next_multiple_of(8) + 512, 0);
    // Each eight octets begin a header with as many TLVs as there can be.
    for _ in 0..64 * 1024 {
        octets.extend_from_slice(&[0x11, 0x52, 0x53, 0x4d, 1, 0, 0xff, 0xff]);
    }
    fs::write(maildrops.path(DROP).unwrap(), &octets).unwrap();
    drop(maildrops);
    let begun = Instant::now();
    let maildrops = Maildrops::native(dir.path(), &any()).unwrap();
    assert_eq!(maildrops.open(DROP).unwrap().listing().len(), 1);
    assert!(
        // It took minutes.
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

/// The length that a manifest gives has rotted.
#[test]
fn a_copy_that_is_said_to_be_endless_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (data, saved) = (dir.path().join("data"), dir.path().join("saved"));
    fs::create_dir(&data).unwrap();
    fs::create_dir(&saved).unwrap();
    deliver(&Maildrops::native(&data, &any()).unwrap(), b"A: 1\r\n\r\n");
    let store = Store::new(Arc::new(RealDisk::directory(&data).unwrap()));
    let mut backup = Backup::open(RealDisk::directory(&saved).unwrap()).unwrap();
    let done = store
        .back_up(DROP, &mut backup, &mut |_| {})
        .unwrap()
        .unwrap();
    backup.finish().unwrap();
    let manifest = fs::read_to_string(saved.join("manifest")).unwrap();
    let length = format!("\"length\":{}", done.length);
    assert!(manifest.contains(&length));
    let endless = manifest.replace(&length, "\"length\":4611686018427387904");
    fs::write(saved.join("manifest"), endless).unwrap();
    let (tell, hear) = mpsc::channel();
    std::thread::spawn(move || {
        let backup = Backup::existing(RealDisk::directory(&saved).unwrap()).unwrap();
        tell.send(
            store
                .restore(DROP, &backup, Run::Real)
                .map(|it| it.messages),
        )
    });
    let restored = hear.recv_timeout(Duration::from_secs(10));
    assert_eq!(restored.expect("it ends").unwrap(), 1);
}
