//! An mbox that several programs share, on the real disk: one that locks as procmail does, and two of ours,
//! which are killed again and again. Nothing is lost, nothing is torn, nothing is there twice.
//!
//! The programs are this test itself, started anew with the name of a directory.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use maildrop::mbox::{Mboxes, Settings};
use maildrop::{
    Absent, Addressee, Draft, Envelope, MaildropId, Measure, Patience, Place, Places, Progress,
    RealDisk, View,
};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use pop3::{Deletions, MessageNumber, Part};

const DROP: MaildropId = MaildropId(7);
const DIRECTORY: &str = "RESTANTE_TEST_MBOX";
/// Longer than any of them lives.
const PROGRAM_ENDS: Duration = Duration::from_secs(120);

struct OnePlace(PathBuf);

impl Places<RealDisk> for OnePlace {
    fn find(&self, _: MaildropId, _: Absent) -> io::Result<Place<RealDisk>> {
        Ok(Place {
            disk: RealDisk::directory(&self.0)?,
            file: "mrose".into(),
        })
    }

    fn path(&self, _: MaildropId) -> Option<PathBuf> {
        None
    }

    fn ids(&self) -> io::Result<Vec<MaildropId>> {
        Ok(vec![DROP])
    }
}

fn mboxes(directory: &Path) -> Arc<Mboxes<RealDisk>> {
    let settings = Settings {
        // Whoever was killed left one behind.
        dotlock_stale_after: Duration::from_millis(500),
        lock_wait: Duration::from_secs(20),
        ..Settings::default()
    };
    Arc::new(Mboxes::new(Arc::new(OnePlace(directory.into())), settings))
}

/// A message that shows whether all of it is there, in lines with CRLF.
fn message(name: &str) -> Vec<u8> {
    let lines = name.bytes().map(usize::from).sum::<usize>() * 37 % 900;
    let mut text = format!("Subject: {name}\r\n\r\n");
    for line in 0..lines {
        text.push_str(&format!("From {name} line {line}\r\n"));
    }
    text.push_str("end\r\n");
    text.into_bytes()
}

/// Adds a line to a file, whole.
fn note(directory: &Path, file: &str, line: &str) {
    let path = directory.join(file);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// The whole lines of a file.
fn notes(directory: &Path, file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The directory, if this process was started to be one of the programs.
fn directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn program_that_delivers() {
    let Some(directory) = directory() else { return };
    let ours = mboxes(&directory);
    let to = Addressee::unlimited(DROP, "mrose");
    // Not for ever, should the one that started it fail.
    let begun = Instant::now();
    for n in (0..).take_while(|_| begun.elapsed() < PROGRAM_ENDS) {
        let name = format!("ours-{}-{n}", std::process::id());
        let text = message(&name);
        let mut draft: Draft = maildrop::Maildrops::memory().draft();
        draft.append(&text).unwrap();
        note(&directory, "begun", &name);
        let measure = Measure::default();
        if ours
            .deliver(&to, &draft, &measure, &Envelope::default())
            .is_ok()
        {
            note(&directory, "delivered", &name);
        }
    }
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn program_that_deletes() {
    let Some(directory) = directory() else { return };
    let ours = mboxes(&directory);
    let begun = Instant::now();
    for n in (0_usize..).take_while(|_| begun.elapsed() < PROGRAM_ENDS) {
        let Ok(session) = ours.open(DROP, &View::default()) else {
            continue;
        };
        let mut deletions = Deletions::default();
        let mut names = Vec::new();
        let count = session.listing().len();
        for index in (0..count).filter(|index| (index + n) % 3 == 0) {
            let number = MessageNumber::from_index(index).unwrap();
            let mut out = Vec::new();
            let mut text = session.text(number, Part::Whole).unwrap();
            while matches!(text.read(&mut out, Patience::Wait), Ok(Progress::More)) {}
            let (name, is_whole) = name_of(&out);
            if is_whole {
                names.push(name);
                deletions.mark(number);
            }
        }
        for name in &names {
            note(&directory, "marked", name);
        }
        if session.commit(&deletions).is_ok() {
            for name in &names {
                note(&directory, "deleted", name);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The name of a message, and whether all of it is there.
fn name_of(text: &[u8]) -> (String, bool) {
    let shown = String::from_utf8_lossy(text);
    let name = shown
        .strip_prefix("Subject: ")
        .and_then(|rest| rest.split("\r\n").next());
    let name = name.unwrap_or_default().to_owned();
    let is_whole = message(&name) == text;
    (name, is_whole)
}

/// As procmail does: a dotlock, then a lock from the end of the file on, then the message.
fn foreign_delivery(directory: &Path, name: &str) -> io::Result<()> {
    let dotlock = directory.join("mrose.lock");
    while let Err(error) = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&dotlock)
    {
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        std::thread::sleep(Duration::from_millis(30));
    }
    let path = directory.join("mrose");
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let end = file.seek(SeekFrom::End(0))?;
    let range = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: i64::try_from(end).unwrap(),
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_SETLKW(&range))?;
    // What a killed delivery of ours has left there ends with an empty line first.
    let before = fs::read(directory.join("mrose"))?;
    let empty = match before.is_empty() || before.ends_with(b"\n\n") {
        true => "",
        false => "\n\n",
    };
    let text = String::from_utf8(message(name))
        .unwrap()
        .replace("\r\n", "\n");
    let text = text.replace("\nFrom ", "\n>From ");
    let text = format!("{empty}From other Mon Nov 23 08:24:39 2026\n{text}\n");
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::remove_file(dotlock)
}

fn start(directory: &Path, program: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", program, "--ignored", "--test-threads", "1"])
        .env(DIRECTORY, directory)
        .stdout(File::create(directory.join(format!("{program}.out"))).unwrap())
        .stderr(File::create(directory.join(format!("{program}.err"))).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn programs_that_are_killed_beside_one_that_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let programs = ["program_that_delivers", "program_that_deletes"];
    let mut running = programs.map(|program| start(directory, program));
    let begun = Instant::now();
    let mut foreign = BTreeSet::new();
    let mut kills = 0;
    while begun.elapsed() < Duration::from_secs(20) {
        let name = format!("theirs-{}", foreign.len());
        foreign_delivery(directory, &name).unwrap();
        foreign.insert(name);
        // At moments that no clock of theirs knows.
        std::thread::sleep(Duration::from_micros(foreign.len() as u64 * 7919 % 200_000));
        let place = foreign.len() % 2;
        running[place].kill().unwrap();
        let status = running[place].wait().unwrap();
        let err = fs::read_to_string(directory.join(format!("{}.err", programs[place])));
        assert!(status.code().is_none(), "{}", err.unwrap_or_default());
        kills += 1;
        running[place] = start(directory, programs[place]);
    }
    for mut child in running {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ours = mboxes(directory);
    let session = ours.open(DROP, &View::default()).unwrap();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let (started, delivered) = (notes(directory, "begun"), notes(directory, "delivered"));
    let (marked, deleted) = (notes(directory, "marked"), notes(directory, "deleted"));
    for index in 0..session.listing().len() {
        let number = MessageNumber::from_index(index).unwrap();
        let mut out = Vec::new();
        let mut text = session.text(number, Part::Whole).unwrap();
        while text.read(&mut out, Patience::Wait).unwrap() != Progress::End {}
        let (name, is_whole) = name_of(&out);
        if is_whole {
            *found.entry(name).or_default() += 1;
        } else {
            // Died within its writing, and theirs came before we did: docs/mbox.md says so.
            let is_nobodys = !delivered.contains(&name) && !foreign.contains(&name);
            assert!(is_nobodys, "torn: {}", String::from_utf8_lossy(&out));
        }
    }
    for (name, count) in &found {
        assert_eq!(*count, 1, "{name} is there twice");
        assert!(started.contains(name) || foreign.contains(name), "{name}");
        assert!(!deleted.contains(name), "{name} was deleted and is there");
    }
    for name in delivered.iter().chain(&foreign) {
        let is_there = found.contains_key(name) || marked.contains(name);
        assert!(is_there, "{name} is lost");
    }
    assert!(
        kills > 5 && !delivered.is_empty() && !deleted.is_empty(),
        "{kills}"
    );
}
