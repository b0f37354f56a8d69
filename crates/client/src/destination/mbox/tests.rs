//! An mbox that is written, torn, read by others and written by them.

use super::*;
use crate::destination::Spool;
use crate::ledger::Key;
use pop3::client::ForeignId;

struct Place(tempfile::TempDir);

const ONE: &str = "Return-Path: <a@example.org>\r\nSubject: one\r\n\r\nFrom here\r\n.dot\r\n\r\n";
const TWO: &str = "Subject: two\r\n\r\nno end";

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("mbox")
    }

    fn stage(&self) -> PathBuf {
        self.0.path().join("stage")
    }

    fn open(&self, ended: Ended) -> Mbox {
        let mut mbox = Mbox::new(&self.path(), &self.stage());
        mbox.open(ended).unwrap();
        mbox
    }

    fn deliver(&self, mbox: &mut Mbox, texts: &[&str]) {
        for text in texts {
            let wire = text.replace("\r\n.", "\r\n..");
            let mut text = Text::whole(&Spool::new(self.0.path()), wire.as_bytes()).unwrap();
            let message = Message {
                key: Key::UniqueId(ForeignId::new(b"x").unwrap()),
                name: "0".repeat(40),
                octets: text.octets(),
                account: "bob@here".into(),
                received: None,
            };
            mbox.deliver(&message, &mut text).unwrap();
        }
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    /// How many messages there are with this subject.
    fn count(&self, subject: &str) -> usize {
        self.read()
            .matches(&format!("Subject: {subject}\n"))
            .count()
    }
}

#[test]
fn messages_stand_behind_postmarks_and_are_there_together() {
    let place = Place::new();
    std::fs::write(place.path(), "From x Thu Jan  1 00:00:00 1970\n\nold").unwrap();
    let mut mbox = place.open(Ended::InOrder);
    place.deliver(&mut mbox, &[ONE, TWO]);
    assert!(!place.read().contains("Subject"));
    mbox.commit().unwrap();
    let text = place.read();
    let mut lines = text.lines().filter(|line| !line.starts_with("From "));
    let expected = [
        "",
        "old",
        "",
        "Return-Path: <a@example.org>",
        "Subject: one",
        "",
        ">From here",
        ".dot",
        "",
        "",
        "Subject: two",
        "",
        "no end",
        "",
    ];
    assert!(lines.by_ref().eq(expected));
    assert!(text.contains("\n\nFrom a@example.org ") && text.contains("\n\nFrom MAILER-DAEMON "));
    place.deliver(&mut mbox, &["Subject: three\r\n\r\n"]);
    mbox.commit().unwrap();
    drop(mbox);
    assert_eq!(place.count("three"), 1);
    assert!(!place.stage().exists() && !place.0.path().join("mbox.lock").exists());
}

#[test]
fn whatever_a_crash_has_torn_is_completed_and_nothing_comes_twice() {
    let place = Place::new();
    let before = "From x Thu Jan  1 00:00:00 1970\nSubject: old\n\nold\n";
    // The whole file, and the stage as it is right before the mbox is touched.
    std::fs::write(place.path(), before).unwrap();
    let mut mbox = place.open(Ended::InOrder);
    place.deliver(&mut mbox, &[ONE, TWO]);
    let mut stage = mbox.stage.take().unwrap();
    stage.seal(before.len() as u64, b"\n").unwrap();
    let sealed = std::fs::read(place.stage()).unwrap();
    let mut file = mbox.file().unwrap();
    stage.copy(0, &mut file).unwrap();
    let whole = place.read();
    drop((stage, file, mbox));
    for end in before.len()..=whole.len() {
        std::fs::write(place.path(), &whole.as_bytes()[..end]).unwrap();
        std::fs::write(place.stage(), &sealed).unwrap();
        let mut mbox = place.open(Ended::InDoubt);
        assert_eq!(place.read(), whole, "{end}");
        place.deliver(&mut mbox, &[ONE, TWO, "Subject: new\r\n\r\n"]);
        mbox.commit().unwrap();
        assert_eq!(
            [place.count("one"), place.count("two"), place.count("new")],
            [1, 1, 1]
        );
    }
    // A stage that is torn itself says that the mbox was not touched.
    for end in 0..sealed.len() {
        std::fs::write(place.path(), before).unwrap();
        std::fs::write(place.stage(), &sealed[..end]).unwrap();
        let mbox = place.open(Ended::InDoubt);
        assert_eq!(place.read(), before);
        drop(mbox);
    }
}

#[test]
fn what_others_do_meanwhile_stays() {
    let place = Place::new();
    let mut mbox = place.open(Ended::InOrder);
    place.deliver(&mut mbox, &[ONE, TWO]);
    let mut stage = mbox.stage.take().unwrap();
    stage.seal(0, b"").unwrap();
    let sealed = std::fs::read(place.stage()).unwrap();
    let mut file = mbox.file().unwrap();
    stage.copy(0, &mut file).unwrap();
    let whole = place.read();
    drop((stage, file, mbox));
    // Another program has delivered behind what was torn, or behind all of it; a mail program has taken notes.
    let other = "\nFrom y Thu Jan  1 00:00:00 1970\nSubject: other\n\n\n";
    let noted = whole.replace("Subject: two\n", "Subject: two\nStatus: RO\nX-UID: 7\n");
    for text in [
        format!("{}{other}", &whole[..whole.len() / 3]),
        format!("{whole}{other}"),
        format!("{other}{noted}"),
    ] {
        std::fs::write(place.path(), &text).unwrap();
        std::fs::write(place.stage(), &sealed).unwrap();
        let mut mbox = place.open(Ended::InDoubt);
        assert_eq!(place.read(), text);
        place.deliver(&mut mbox, &[ONE, TWO]);
        mbox.commit().unwrap();
        assert_eq!(place.count("two"), 1, "{}", place.read());
        assert_eq!(place.count("other"), 1);
        assert!(place.count("one") >= 1);
    }
}

#[test]
fn a_lock_of_another_program_is_waited_for_and_a_stale_one_is_not() {
    let place = Place::new();
    let lock = place.0.path().join("mbox.lock");
    let mut mbox = place.open(Ended::InOrder);
    place.deliver(&mut mbox, &[ONE]);
    std::fs::write(&lock, "").unwrap();
    let freed = std::thread::spawn({
        let lock = lock.clone();
        move || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            std::fs::remove_file(lock).unwrap();
        }
    });
    mbox.commit().unwrap();
    freed.join().unwrap();
    assert_eq!(place.count("one"), 1);
    place.deliver(&mut mbox, &[TWO]);
    let file = File::create(&lock).unwrap();
    file.set_modified(SystemTime::now() - std::time::Duration::from_secs(1000))
        .unwrap();
    mbox.commit().unwrap();
    assert_eq!(place.count("two"), 1);
    assert!(!lock.exists());
}

#[test]
fn half_a_message_is_none() {
    let place = Place::new();
    for (before, half) in [(10, 20), (10, 300_000), (300_000, 20), (300_000, 300_000)] {
        let mut stage = Stage::create(&place.stage()).unwrap();
        let before = "b".repeat(before);
        stage.write(before.as_bytes()).unwrap();
        let mark = stage.mark();
        stage.write("h".repeat(half).as_bytes()).unwrap();
        stage.back_to(mark).unwrap();
        stage.write(b"after").unwrap();
        stage.seal(0, b"").unwrap();
        let mut file = File::create(place.path()).unwrap();
        stage.copy(0, &mut file).unwrap();
        assert!(place.read() == format!("{before}after"));
        assert!(Stage::left(&place.stage()).unwrap().is_some());
    }
}

#[test]
fn what_was_taken_does_not_count_when_the_stage_cannot_be_mended() {
    let place = Place::new();
    // Writing to it fails, and so does cutting it.
    std::os::unix::fs::symlink("/dev/full", place.stage()).unwrap();
    let mut mbox = place.open(Ended::InOrder);
    place.deliver(&mut mbox, &[ONE]);
    let large = format!("Subject: large\r\n\r\n{}", "line\r\n".repeat(100_000));
    let mut text = Text::whole(&Spool::new(place.0.path()), large.as_bytes()).unwrap();
    assert!(mbox.put(&mut text).is_err());
    assert!(matches!(mbox.commit(), Err(NotDelivered::NotNow(_))));
    assert!(!place.path().exists());
}

#[test]
fn a_lock_that_one_of_ours_has_left_is_not_waited_for() {
    let place = Place::new();
    let lock = place.0.path().join("mbox.lock");
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let began = std::time::Instant::now();
    let locked = Locked::take(&place.path(), File::create(place.path()).unwrap()).unwrap();
    let says = std::fs::read_to_string(&lock).unwrap();
    assert!(says.starts_with("0 restante "), "{says:?}");
    drop(locked);
    let left = says.replace(&std::process::id().to_string(), &ended.id().to_string());
    std::fs::write(&lock, left).unwrap();
    drop(Locked::take(&place.path(), File::create(place.path()).unwrap()).unwrap());
    assert!(began.elapsed() < std::time::Duration::from_secs(30));
    assert!(!lock.exists());
}
