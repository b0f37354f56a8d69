//! A Maildir in which somebody plants what is no message, as fast as he can.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use maildrop::{
    Absent, MaildirSettings, Maildirs, MaildropId, Patience, Place, Places, Progress, RealDisk,
    UniqueIds, View,
};
use pop3::{Deletions, MessageNumber, Part};

struct Only(PathBuf);

impl Places<RealDisk> for Only {
    fn find(&self, _: MaildropId, _: Absent) -> io::Result<Place<RealDisk>> {
        Ok(Place {
            disk: RealDisk::existing(&self.0)?,
            file: String::new(),
        })
    }

    fn path(&self, _: MaildropId) -> Option<PathBuf> {
        Some(self.0.clone())
    }

    fn ids(&self) -> io::Result<Vec<MaildropId>> {
        Ok(Vec::new())
    }
}

fn maildirs(path: &Path) -> Maildirs<RealDisk> {
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(path.join(part)).unwrap();
    }
    let settings = MaildirSettings {
        unique_ids: UniqueIds::Files,
        lock_wait: Duration::from_secs(5),
        host: "host".to_owned(),
        index_octets_max: 1 << 20,
    };
    let drafts = Arc::new(RealDisk::existing(path).unwrap());
    Maildirs::new(Arc::new(Only(path.to_owned())), drafts, settings)
}

/// All texts that can be read.
fn read_all(maildirs: &Maildirs<RealDisk>) -> Vec<u8> {
    let mut out = Vec::new();
    let Ok(session) = maildirs.open(MaildropId(1), &View::default()) else {
        return out;
    };
    for index in 0..session.listing().len() {
        let number = MessageNumber::from_index(index).unwrap();
        let mut text = session.text(number, Part::Whole).unwrap();
        for patience in [Patience::CacheOnly, Patience::Wait] {
            while let Ok(Progress::More) = text.read(&mut out, patience) {}
        }
    }
    out
}

/// Ends a race when this is dropped, thus also when a check has failed: else nobody would hear of it.
struct Over<'r>(&'r AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_from_elsewhere_is_read_and_nothing_holds_us() {
    const SECRET: &str = "the secret of somebody else";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Maildir");
    let maildirs = maildirs(&path);
    let elsewhere = directory.path().join("secret");
    fs::write(&elsewhere, SECRET).unwrap();
    let other = directory.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("2.M1P1.host"), SECRET).unwrap();
    let is_over = AtomicBool::new(false);
    let (mut rounds, mut seen, swaps) = (0_u32, 0_u32, AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            // A name that says its size, and one that must be measured.
            let files = [
                path.join("new/1.M1P1.host"),
                path.join("new/2.M1P1.host,W=27"),
            ];
            while !is_over.load(Ordering::Relaxed) {
                for file in &files {
                    let _ = fs::remove_file(file).or_else(|_| fs::remove_dir(file));
                    let _ = fs::write(file, "Subject: mine\n\n");
                    let _ = fs::remove_file(file);
                    let _ = symlink(&elsewhere, file);
                    let _ = fs::remove_file(file);
                    let _ = nix::unistd::mkfifo(file, nix::sys::stat::Mode::S_IRWXU);
                    let _ = fs::remove_file(file);
                    let _ = fs::create_dir(file);
                }
                swaps.fetch_add(9, Ordering::Relaxed);
                let cur = path.join("cur");
                let _ = fs::rename(&cur, path.join("was"));
                let _ = symlink(&other, &cur);
                let _ = fs::remove_file(&cur);
                let _ = fs::rename(path.join("was"), &cur);
            }
        });
        let _over = Over(&is_over);
        // A million take some minutes: RACE_SECONDS=200.
        let seconds = std::env::var("RACE_SECONDS").map_or(3, |text| text.parse().unwrap());
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let out = read_all(&maildirs);
            rounds += 1;
            seen += u32::from(!out.is_empty());
            let is_told = out
                .windows(SECRET.len())
                .any(|octets| octets == SECRET.as_bytes());
            assert!(!is_told, "a text of somebody else was read");
        }
    });
    let swaps = swaps.into_inner();
    println!("{rounds} sessions, {seen} of them read something, {swaps} things planted");
    assert!(
        rounds > 100 && seen > 0,
        "{rounds} sessions, {seen} with a text"
    );
}

#[test]
fn a_link_in_place_of_a_list_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Maildir");
    let maildirs = maildirs(&path);
    fs::write(path.join("new/1.M1P1.host"), "Subject: a\n\n").unwrap();
    let elsewhere = directory.path().join("elsewhere");
    for name in ["restante-sizes", "restante-lock"] {
        fs::write(&elsewhere, "what is not ours\n").unwrap();
        let link = path.join(name);
        let _ = fs::remove_file(&link);
        symlink(&elsewhere, &link).unwrap();
        let _ = maildirs.open(MaildropId(1), &View::default());
        assert_eq!(fs::read(&elsewhere).unwrap(), b"what is not ours\n");
        fs::remove_file(&link).unwrap();
    }
    // A FIFO is no list either, and nobody waits at its other end.
    let fifo = path.join("restante-sizes");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    fs::write(path.join("new/2.M1P1.host"), "Subject: b\n\n").unwrap();
    let session = maildirs.open(MaildropId(1), &View::default()).unwrap();
    assert_eq!(session.listing().len(), 2);
}

#[test]
fn a_hole_without_an_end_is_no_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Maildir");
    let maildirs = maildirs(&path);
    fs::write(path.join("new/1.M1P1.host"), "Subject: a\n\n").unwrap();
    let hole = fs::File::create(path.join("new/2.M1P1.host")).unwrap();
    hole.set_len(4 << 40).unwrap();
    // Four TiB of zeros would be read for half an hour.
    let session = maildirs.open(MaildropId(1), &View::default()).unwrap();
    assert_eq!(session.listing().len(), 1);
}

/// Another program gives messages other flags all the time: what was acknowledged as deleted is gone, and what was not is
/// there.
#[test]
fn a_deletion_that_is_acknowledged_has_happened_whatever_moves() {
    const COUNT: usize = 40;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Maildir");
    let maildirs = maildirs(&path);
    let cur = path.join("cur");
    let (mut done, mut refused) = (0, 0);
    for round in 0..40 {
        for number in 0..COUNT {
            let name = format!("{round}{number:04}.M1P1.host,W=14:2,");
            fs::write(cur.join(name), "Subject: a\r\n\r\n").unwrap();
        }
        let session = maildirs.open(MaildropId(1), &View::default()).unwrap();
        assert_eq!(session.listing().len(), COUNT);
        let mut deletions = Deletions::default();
        for index in 0..COUNT {
            deletions.mark(MessageNumber::from_index(index).unwrap());
        }
        let is_over = AtomicBool::new(false);
        let committed = thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for entry in fs::read_dir(&cur).unwrap() {
                        let file = entry.unwrap().path();
                        let name = file.file_name().unwrap().to_str().unwrap();
                        let other = match name.strip_suffix('S') {
                            Some(unseen) => unseen.to_owned(),
                            None => format!("{name}S"),
                        };
                        let _ = fs::rename(&file, cur.join(other));
                    }
                }
            });
            let _over = Over(&is_over);
            session.commit(&deletions)
        });
        match committed {
            Ok(left) => {
                assert_eq!(left, 0);
                assert_eq!(fs::read_dir(&cur).unwrap().count(), 0, "round {round}");
                done += 1;
            }
            Err(_) => {
                refused += 1;
                for entry in fs::read_dir(&cur).unwrap() {
                    fs::remove_file(entry.unwrap().path()).unwrap();
                }
            }
        }
    }
    println!("{done} sessions deleted, {refused} were refused");
    assert!(done > 0);
}
