//! The helper in a thread of the test, which must be root's to take the rights of others: elsewhere only what
//! needs none is asked.

use std::fs::{self, Permissions};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::stat::Mode;
use nix::unistd::{User, geteuid, mkfifo};

use super::message::{Act, Done, MESSAGE_OCTETS_MAX, Operation, Refusal, Reply, Request};
use super::wire::{receive, send};
use super::*;
use crate::native::media::{Disk, File as _, RealDisk, RealFile};
use crate::places::{Absent, Place};

/// Two users whom every machine has, and who are neither root.
const BOB: &str = "daemon";
const EVE: &str = "nobody";

/// A directory with the maildrops of users, and the helper for it.
struct Machine {
    directory: tempfile::TempDir,
    home: Home,
    helper: Arc<Helper>,
    _served: JoinHandle<()>,
}

impl Machine {
    /// With homes that have a Maildir.
    fn with_maildirs() -> Option<Self> {
        let machine = Self::new("{local}/Maildir", Kept::Maildir, None)?;
        for name in [BOB, EVE] {
            machine.own_directory(name, name, 0o700);
            machine.own_directory(name, &format!("{name}/Maildir"), 0o700);
            machine.own_directory(name, &format!("{name}/Maildir/new"), 0o700);
        }
        Some(machine)
    }

    /// None if the test is not root's.
    fn new(path: &str, kept: Kept, group: Option<u32>) -> Option<Self> {
        if !geteuid().is_root() {
            println!("SKIPPED: only root can take the rights of users");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let mode = if group.is_some() { 0o775 } else { 0o755 };
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        chown(directory.path(), None, group).unwrap();
        let home = Home::new(&format!("{}/{path}", directory.path().display()), kept).unwrap();
        let (ours, theirs) = Helper::sockets().unwrap();
        let duty = Duty::new(home.clone(), 1, group).unwrap();
        Some(Self {
            directory,
            home,
            helper: Arc::new(Helper::new(ours).unwrap()),
            _served: thread::spawn(move || serve(&theirs, duty).unwrap()),
        })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn own_directory(&self, user: &str, path: &str, mode: u32) {
        let path = self.path(path);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        give(&path, user);
    }

    fn plant(&self, user: &str, path: &str, mode: u32, text: &str) {
        plant(&self.path(path), user, mode, text);
    }

    fn place(&self, user: &str) -> Place<RealDisk> {
        Helped::place(Arc::clone(&self.helper), &self.home, user, Absent::Fails).unwrap()
    }

    fn disk(&self, user: &str) -> RealDisk {
        self.place(user).disk
    }
}

fn give(path: &Path, user: &str) {
    let user = User::from_name(user).unwrap().unwrap();
    chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
}

fn plant(path: &Path, user: &str, mode: u32, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    give(path, user);
}

fn text(file: &RealFile) -> String {
    let mut octets = vec![0; 64];
    let len = file.read_at(&mut octets, 0).unwrap();
    String::from_utf8(octets[..len].to_vec()).unwrap()
}

/// Why something cannot be had.
fn why<T>(result: std::io::Result<T>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn what_is_made_belongs_to_the_user() {
    let Some(machine) = Machine::with_maildirs() else {
        return;
    };
    let disk = machine.disk(BOB);
    let file = disk.create("new/1").unwrap();
    file.write_at(&[b"hello"], 0).unwrap();
    assert!(file.is_own().unwrap());
    disk.make_dir("cur").unwrap();
    disk.rename("new/1", "cur/1:2,").unwrap();
    disk.sync_dir("cur").unwrap();
    disk.create("new/2").unwrap();
    // Over nothing, and never over something.
    disk.rename_new("new/2", "new/3").unwrap();
    disk.create("new/2").unwrap();
    let taken = disk.rename_new("new/3", "new/2").unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AlreadyExists);
    let bob = User::from_name(BOB).unwrap().unwrap();
    for path in ["cur", "cur/1:2,", "new/2"] {
        let metadata = fs::metadata(machine.path(BOB).join("Maildir").join(path)).unwrap();
        assert_eq!(metadata.uid(), bob.uid.as_raw(), "{path}");
        assert_eq!(metadata.gid(), bob.gid.as_raw(), "{path}");
        assert_eq!(metadata.mode() & 0o077, 0, "{path}");
    }
    assert_eq!(text(&disk.open("cur/1:2,").unwrap()), "hello");
    assert_eq!(disk.list("cur").unwrap(), ["1:2,"]);
    let stat = file.stat().unwrap();
    assert!(disk.is_named("cur/1:2,", stat.id).unwrap());
    assert_eq!(disk.stat("cur/1:2,").unwrap(), stat);
    disk.unlink("cur/1:2,").unwrap();
    assert_eq!(
        disk.stat("cur/1:2,").unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
    assert!(disk.free_octets().unwrap() > 0);
}

#[test]
fn a_maildir_is_made_in_the_users_home_and_no_home_is() {
    let Some(machine) = Machine::new("{local}/mail/Maildir", Kept::Maildir, None) else {
        return;
    };
    machine.own_directory(BOB, BOB, 0o700);
    let place =
        |user, absent| Helped::place(Arc::clone(&machine.helper), &machine.home, user, absent);
    assert_eq!(
        place(BOB, Absent::Fails).err().unwrap().kind(),
        std::io::ErrorKind::NotFound
    );
    place(BOB, Absent::IsMade).unwrap();
    assert!(machine.path(BOB).join("mail/Maildir").is_dir());
    assert!(place(EVE, Absent::IsMade).is_err());
    assert!(!machine.path(EVE).exists());
}

#[test]
fn files_of_others_are_not_reached() {
    let Some(machine) = Machine::with_maildirs() else {
        return;
    };
    let maildir = machine.path(BOB).join("Maildir");
    let disk = machine.disk(BOB);
    machine.plant(EVE, "eve", 0o644, "secret");
    machine.plant("root", "root", 0o640, "secret");
    for (name, target) in [("link", machine.path("eve")), ("up", machine.path(EVE))] {
        symlink(target, maildir.join("new").join(name)).unwrap();
        assert!(why(disk.open("new/link")).contains("os error 40"));
    }
    assert!(disk.open_to_read("new/up/Maildir").is_err());
    for (name, of) in [("of-eve", "eve"), ("of-root", "root")] {
        fs::hard_link(machine.path(of), maildir.join("new").join(name)).unwrap();
    }
    assert!(why(disk.open_to_read("new/of-eve")).contains("does not belong to daemon"));
    // What only root's group may read is not for a thread of root's either.
    assert!(why(disk.open_to_read("new/of-root")).contains("os error 13"));
    mkfifo(&maildir.join("new/fifo"), Mode::S_IRWXU).unwrap();
    give(&maildir.join("new/fifo"), BOB);
    assert!(why(disk.open("new/fifo")).contains("is not a regular file"));
    assert!(why(disk.open_to_read("new/fifo")).contains("is not a regular file"));
    // A second name of his own file is read but not written.
    machine.plant(BOB, &format!("{BOB}/Maildir/new/twice"), 0o600, "mine");
    fs::hard_link(maildir.join("new/twice"), machine.path("elsewhere")).unwrap();
    assert_eq!(text(&disk.open_to_read("new/twice").unwrap()), "mine");
    assert!(why(disk.open("new/twice")).contains("second name"));
}

/// Takes a lease on standard input and keeps it.
const HOLD: &str = "import fcntl, signal
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(0, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('leased', flush=True)
signal.pause()";

/// A lease lets its holder be asked before somebody else opens the file, and waited for.
#[test]
fn whoever_has_a_lease_on_his_file_holds_up_nobody() {
    let Some(machine) = Machine::with_maildirs() else {
        return;
    };
    let path = format!("{BOB}/Maildir/new/1");
    machine.plant(BOB, &path, 0o600, "mine");
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(machine.path(&path))
        .unwrap();
    let mut holder = std::process::Command::new("/usr/bin/python3")
        .args(["-c", HOLD])
        .stdin(file)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = [0; 6];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut told).unwrap();
    let opened = machine.disk(BOB).open_to_read("new/1");
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(opened.err().unwrap().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_home_that_is_not_there_is_no_empty_maildrop() {
    let Some(machine) = Machine::with_maildirs() else {
        return;
    };
    fs::remove_dir_all(machine.path(BOB)).unwrap();
    let place = |absent| Helped::place(Arc::clone(&machine.helper), &machine.home, BOB, absent);
    for absent in [Absent::Fails, Absent::IsMade] {
        let error = place(absent).err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::Other);
        assert!(error.to_string().contains("mounted"), "{error}");
    }
}

/// One whose files are slow waits for himself.
#[test]
fn a_user_has_some_of_the_lanes_and_no_more() {
    let (ours, theirs) = Helper::sockets().unwrap();
    let helper = Arc::new(Helper::new(ours).unwrap());
    // A helper that begins lanes and does nothing on them.
    let (lanes_told, lanes) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; MESSAGE_OCTETS_MAX];
        while let Ok(Some(received)) = receive(&theirs, &mut buffer) {
            let request = Request::read(received.octets.unwrap()).unwrap();
            lanes_told.send(received.file.unwrap()).unwrap();
            let (id, outcome) = (request.id, Ok(Done::default()));
            send(&theirs, &Reply { id, outcome }.write(), None).unwrap();
        }
    });
    let ask = |user: &'static str| {
        let helper = Arc::clone(&helper);
        thread::spawn(move || helper.ask(user, Operation::At(Act::Stat, user)))
    };
    let slow: Vec<_> = (0..2 * lanes::LANES_OF_USER_MAX)
        .map(|_| ask(BOB))
        .collect();
    let mut of_bob: Vec<_> = (0..lanes::LANES_OF_USER_MAX)
        .map(|_| lanes.recv().unwrap())
        .collect();
    // The others of his are not even sent.
    let other = ask(EVE);
    let of_eve = lanes.recv().unwrap();
    let answer = |lane: &OwnedFd| {
        let mut buffer = [0; MESSAGE_OCTETS_MAX];
        let received = receive(lane, &mut buffer).unwrap().unwrap();
        let request = Request::read(received.octets.unwrap()).unwrap();
        let (id, outcome) = (request.id, Ok(Done::default()));
        let user = request.user.to_owned();
        send(lane, &Reply { id, outcome }.write(), None).unwrap();
        user
    };
    assert_eq!(answer(&of_eve), EVE);
    assert!(other.join().unwrap().is_ok());
    of_bob.push(of_eve);
    let mut answered = 0;
    while answered < slow.len() {
        let mut ready: Vec<_> = of_bob
            .iter()
            .map(|lane| rustix::event::PollFd::new(lane, rustix::event::PollFlags::IN))
            .collect();
        rustix::event::poll(&mut ready, None).unwrap();
        let ready: Vec<_> = ready.iter().map(|it| !it.revents().is_empty()).collect();
        assert!(ready.iter().filter(|it| **it).count() <= lanes::LANES_OF_USER_MAX);
        for (lane, _) in of_bob.iter().zip(ready).filter(|(_, is_ready)| *is_ready) {
            assert_eq!(answer(lane), BOB);
            answered += 1;
        }
    }
    assert!(slow.into_iter().all(|it| it.join().unwrap().is_ok()));
}

#[test]
fn only_maildrops_of_people_are_served() {
    let Some(machine) = Machine::with_maildirs() else {
        return;
    };
    let ask = |user: &str, path: &str| machine.helper.ask(user, Operation::At(Act::Open, path));
    for path in [
        "daemon/.profile",
        "nobody/Maildir/new/1",
        "../etc/shadow",
        "",
        "/etc/passwd",
    ] {
        assert!(
            why(ask(BOB, path)).contains("no part of the maildrop"),
            "{path}"
        );
    }
    assert!(
        why(ask("no-such-user", "no-such-user/Maildir/new/1")).contains("no user no-such-user")
    );
    assert!(why(ask("root", "root/Maildir/new/1")).contains("below first_uid"));
    for name in ["..", "", "a/b", "a\0b"] {
        assert!(why(ask(name, "x")).contains("has no user"), "{name:?}");
    }
    let long = "x".repeat(5000);
    let refused = ask(BOB, &long).err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidFilename);
}

#[test]
fn a_spool_is_shared_by_its_group_and_each_keeps_his_own() {
    let mail = 8;
    let Some(machine) = Machine::new("{local}", Kept::Mbox, Some(mail)) else {
        return;
    };
    machine.plant(BOB, BOB, 0o660, "bob's");
    machine.plant(EVE, EVE, 0o660, "eve's");
    // As on a machine where the group of mail may read everybody's.
    chown(machine.path(EVE), None, Some(mail)).unwrap();
    let Place { disk, file } = machine.place(BOB);
    assert_eq!(file, BOB);
    assert_eq!(text(&disk.open(BOB).unwrap()), "bob's");
    let lock = disk.create(&format!("{BOB}.lock")).unwrap();
    assert!(lock.is_own().unwrap());
    disk.unlink(&format!("{BOB}.lock")).unwrap();
    // A lock of somebody else, whom the group could rob of it.
    machine.plant(EVE, &format!("{BOB}.lock"), 0o644, "");
    assert!(why(disk.unlink(&format!("{BOB}.lock"))).contains("does not belong"));
    assert!(
        why(disk.rename(&format!("{BOB}.lock"), &format!("{BOB}.lock.1.2")))
            .contains("does not belong")
    );
    machine.plant(BOB, &format!(".{BOB}.restante"), 0o600, "");
    assert!(
        why(disk.rename(&format!(".{BOB}.restante"), &format!("{BOB}.lock")))
            .contains("does not belong")
    );
    for path in [EVE, &format!("{EVE}.lock")] {
        assert!(why(disk.open(path)).contains("no part of the maildrop"));
    }
    // The group's rights are for names alone.
    let journal = format!(".{BOB}.restante");
    give(&machine.path(&journal), EVE);
    chown(machine.path(&journal), None, Some(mail)).unwrap();
    fs::set_permissions(machine.path(&journal), Permissions::from_mode(0o660)).unwrap();
    assert!(why(disk.open_to_read(&journal)).contains("os error 13"));
}

#[test]
fn where_everybody_can_replace_everything_nobody_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().display();
    let spool = Home::new(&format!("{root}/{{local}}"), Kept::Mbox).unwrap();
    let homes = Home::new(&format!("{root}/{{local}}/Maildir"), Kept::Maildir).unwrap();
    for (mode, has_spool, has_homes) in [
        (0o777, false, false),
        // There somebody could make the home of another.
        (0o1777, true, false),
        (0o2775, true, true),
        (0o755, true, true),
    ] {
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        let is_served = |home: &Home| Duty::new(home.clone(), 1, None).is_ok();
        assert_eq!(is_served(&spool), has_spool, "{mode:o}");
        assert_eq!(is_served(&homes), has_homes, "{mode:o}");
    }
}

#[test]
fn what_is_no_request_is_answered_and_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::new(
        &format!("{}/{{local}}", directory.path().display()),
        Kept::Maildir,
    )
    .unwrap();
    let (control, theirs) = Helper::sockets().unwrap();
    let duty = Duty::new(home, 1, None).unwrap();
    let served = thread::spawn(move || serve(&theirs, duty));
    let mut buffer = [0; MESSAGE_OCTETS_MAX];
    let mut told = |socket: &OwnedFd, octets: &[u8], file: Option<BorrowedFd<'_>>| {
        send(socket, octets, file).unwrap();
        let received = receive(socket, &mut buffer).unwrap().unwrap();
        assert!(received.file.is_none());
        Reply::read(received.octets.unwrap()).unwrap()
    };
    let (ours, lane) = Helper::sockets().unwrap();
    let lane_request = Request {
        id: 7,
        user: "",
        operation: Operation::Lane,
    }
    .write()
    .unwrap();
    // Without a socket it is none.
    assert_eq!(
        told(&control, &lane_request, None).outcome,
        Err(Refusal::Malformed)
    );
    let begun = told(&control, &lane_request, Some(lane.as_fd()));
    assert!(begun.id == 7 && begun.outcome.is_ok());
    let long = vec![1; MESSAGE_OCTETS_MAX + 1];
    // More than one descriptor is not what any request comes with.
    let two = [lane.as_fd(), lane.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
    ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&two));
    rustix::net::sendmsg(
        &control,
        &[std::io::IoSlice::new(&lane_request)],
        &mut ancillary,
        rustix::net::SendFlags::empty(),
    )
    .unwrap();
    let mut room = [0; MESSAGE_OCTETS_MAX];
    let received = receive(&control, &mut room);
    let reply = received.unwrap().unwrap().octets.and_then(Reply::read);
    assert_eq!(reply.unwrap().outcome, Err(Refusal::Malformed));
    for octets in [&b"\0"[..], b"\x01", &lane_request[..7], &long] {
        assert_eq!(
            told(&control, octets, None).outcome,
            Err(Refusal::Malformed)
        );
        assert_eq!(told(&ours, octets, None).outcome, Err(Refusal::Malformed));
    }
    // Nor does a lane begin others.
    assert!(
        told(&ours, &lane_request, Some(lane.as_fd()))
            .outcome
            .is_err()
    );
    let operation = Operation::At(Act::Stat, "no-such-user");
    let request = Request {
        id: 9,
        user: "no-such-user",
        operation,
    }
    .write()
    .unwrap();
    // A descriptor is worked with by nobody.
    let reply = told(&ours, &request, Some(lane.as_fd()));
    assert_eq!((reply.id, reply.outcome), (9, Err(Refusal::Malformed)));
    let reply = told(&ours, &request, None);
    assert_eq!((reply.id, reply.outcome), (9, Err(Refusal::NoUser)));
    // As many lanes as there may be, and no more; then those that are over make room.
    let mut lanes = Vec::new();
    let refused = loop {
        let (ours, theirs) = Helper::sockets().unwrap();
        match told(&control, &lane_request, Some(theirs.as_fd())).outcome {
            Ok(_) => lanes.push(ours),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(
        (refused, lanes.len()),
        (Refusal::TooMany, lanes::LANES_MAX - 1)
    );
    drop((control, ours, lanes));
    served.join().unwrap().unwrap();
}

#[test]
fn more_ask_than_there_are_lanes() {
    let Some(machine) = Machine::with_maildirs() else {
        return;
    };
    thread::scope(|scope| {
        for number in 0..2 * lanes::LANES_MAX {
            let user = [BOB, EVE][number % 2];
            let disk = machine.disk(user);
            scope.spawn(move || {
                for round in 0..20 {
                    let (from, to) = (
                        format!("new/{number}.{round}"),
                        format!("new/{number}-{round}"),
                    );
                    disk.create(&from).unwrap();
                    disk.rename(&from, &to).unwrap();
                    assert!(disk.open(&to).unwrap().is_own().unwrap());
                }
            });
        }
    });
    for user in [BOB, EVE] {
        let owner = User::from_name(user).unwrap().unwrap().uid.as_raw();
        let new = machine.path(user).join("Maildir/new");
        let owners: Vec<_> = fs::read_dir(new)
            .unwrap()
            .map(|it| it.unwrap().metadata().unwrap().uid())
            .collect();
        assert_eq!(owners.len(), 20 * lanes::LANES_MAX);
        assert!(owners.iter().all(|uid| *uid == owner));
    }
}

#[test]
fn a_helper_that_has_ended_holds_nobody() {
    let (ours, theirs) = Helper::sockets().unwrap();
    let helper = Helper::new(ours).unwrap();
    drop(theirs);
    assert!(why(helper.ready()).contains("does not answer"));
}

/// Ends a race when this is dropped, thus also when a check has failed: else nobody would hear of it.
struct Over<'r>(&'r AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Somebody puts one thing after another where a message was, as fast as he can.
#[test]
fn races_win_nothing() {
    const SECRET: &str = "the secret of somebody else";
    let Some(machine) = Machine::with_maildirs() else {
        return;
    };
    let rounds: u64 = std::env::var("RACES").map_or(20_000, |text| text.parse().unwrap());
    let maildir = machine.path(BOB).join("Maildir");
    let secret = machine.path("secret");
    plant(&secret, EVE, 0o644, SECRET);
    machine.own_directory(EVE, "other", 0o755);
    plant(&machine.path("other/1"), EVE, 0o644, SECRET);
    let (is_over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut refused, mut had) = (0, 0);
    // Links, files of others, FIFOs.
    const WHY: [&str; 3] = ["os error 40", "does not belong", "not a regular file"];
    let mut seen = [false; WHY.len()];
    thread::scope(|scope| {
        scope.spawn(|| {
            let (path, aside) = (maildir.join("new/1"), maildir.join("new/aside"));
            while !is_over.load(Ordering::Relaxed) {
                let kind = swaps.fetch_add(1, Ordering::Relaxed) % 5;
                match kind {
                    0 => plant(&aside, BOB, 0o600, "mine"),
                    1 => symlink(&secret, &aside).unwrap(),
                    2 => fs::hard_link(&secret, &aside).unwrap(),
                    3 => {
                        mkfifo(&aside, Mode::S_IRWXU).unwrap();
                        give(&aside, BOB);
                    }
                    _ => {
                        // And what is above it.
                        let away = maildir.join("away");
                        let _ = fs::rename(maildir.join("new"), &away);
                        symlink(machine.path("other"), maildir.join("new")).unwrap();
                        fs::remove_file(maildir.join("new")).unwrap();
                        fs::rename(&away, maildir.join("new")).unwrap();
                        continue;
                    }
                }
                fs::rename(&aside, &path).unwrap();
            }
        });
        let _over = Over(&is_over);
        let disk = machine.disk(BOB);
        for round in 0..rounds {
            let opened = match round % 3 {
                0 => disk.open("new/1"),
                1 => disk.open_to_read("new/1"),
                _ => {
                    // Written and removed is only what is his as well.
                    let _ = disk.unlink("new/1");
                    let _ = disk
                        .create("new/1")
                        .and_then(|file| file.write_at(&[b"mine"], 0));
                    continue;
                }
            };
            match opened {
                Ok(file) => {
                    had += 1;
                    let text = text(&file);
                    // It may be caught before it is written.
                    assert!(matches!(&*text, "mine" | ""), "{text}");
                }
                Err(error) => {
                    refused += 1;
                    let error = error.to_string();
                    for (kind, seen) in WHY.iter().zip(&mut seen) {
                        *seen |= error.contains(kind);
                    }
                }
            }
        }
    });
    let swaps = swaps.into_inner();
    println!(
        "{rounds} tries against {swaps} swaps: {had} files had, {refused} refused, 0 foreign octets"
    );
    assert!(had > 0 && refused > 0 && swaps > 0);
    assert_eq!(seen, [true; WHY.len()], "{WHY:?}");
    assert_eq!(fs::read_to_string(&secret).unwrap(), SECRET);
    assert_eq!(fs::read_to_string(machine.path("other/1")).unwrap(), SECRET);
}
