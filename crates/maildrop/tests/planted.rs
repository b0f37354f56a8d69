//! Whoever can write below the data directory plants links, pipes and directories where the store
//! opens, makes and moves files: nothing outside is read, changed or waited for.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use maildrop::native::media::{Disk as _, File as _, RealDisk};
use maildrop::{
    Addressee, DeliverError, Envelope, MaildropId, Maildrops, Measure, NativeSettings, OpenError,
};
use pop3::{Deletions, MessageNumber};

const DROP: MaildropId = MaildropId(0x1234_5678_9abc_def0);
/// What lies outside and must stay as it is.
const OUTSIDE: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n";
/// What an open of a pipe without a writer would take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is planted.
#[derive(Clone, Copy, Debug)]
enum Plant {
    Symlink,
    /// A symbolic link to a directory that exists.
    SymlinkToDir,
    HardLink,
    Pipe,
    Directory,
    Socket,
}

const PLANTS: [Plant; 6] = [
    Plant::Symlink,
    Plant::SymlinkToDir,
    Plant::HardLink,
    Plant::Pipe,
    Plant::Directory,
    Plant::Socket,
];

struct Scene {
    _dir: tempfile::TempDir,
    data: PathBuf,
    outside: PathBuf,
}

impl Scene {
    /// A data directory with a large maildrop, its sidecar and copies of torn tails.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (data, outside) = (dir.path().join("data"), dir.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), OUTSIDE).unwrap();
        let maildrops = Self::maildrops_at(&data);
        for _ in 0..3 {
            deliver(&maildrops).unwrap();
        }
        Self {
            _dir: dir,
            data,
            outside,
        }
    }

    fn maildrops_at(data: &Path) -> Maildrops {
        let settings = NativeSettings {
            allow_volatile: true,
            ..NativeSettings::default()
        };
        Maildrops::native(data, &settings).unwrap()
    }

    /// Puts something at a path below the data directory.
    fn plant(&self, at: &str, plant: Plant) {
        let at = self.data.join(at);
        let _ = fs::remove_file(&at);
        let _ = fs::remove_dir_all(&at);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        match plant {
            Plant::Symlink => symlink(self.outside.join("file"), &at).unwrap(),
            Plant::SymlinkToDir => symlink(&self.outside, &at).unwrap(),
            Plant::HardLink => fs::hard_link(self.outside.join("file"), &at).unwrap(),
            Plant::Pipe => nix::unistd::mkfifo(&at, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            Plant::Directory => fs::create_dir(&at).unwrap(),
            Plant::Socket => drop(std::os::unix::net::UnixListener::bind(&at).unwrap()),
        }
    }

    /// Everything that the store does, by a process that starts now; whatever comes of it.
    fn everything(&self, what: &str) {
        let (done, ended) = mpsc::channel();
        let data = self.data.clone();
        let thread = std::thread::spawn(move || {
            let settings = NativeSettings {
                allow_volatile: true,
                ..NativeSettings::default()
            };
            let Ok(maildrops) = Maildrops::native(&data, &settings) else {
                done.send(()).unwrap();
                return;
            };
            let _ = maildrops.ids();
            let _ = maildrops.summary(DROP);
            let _ = maildrops.verify(DROP, &mut |_| {});
            let _ = deliver(&maildrops);
            match maildrops.open(DROP) {
                Ok(session) => {
                    let mut deletions = Deletions::default();
                    for index in 0..session.listing().len() {
                        deletions.mark(MessageNumber::from_index(index).unwrap());
                    }
                    let _ = session.commit(&deletions);
                }
                Err(OpenError::InUse) => panic!("nobody holds it"),
                Err(_) => {}
            }
            let _ = maildrops.tidy(DROP);
            let _ = deliver(&maildrops);
            done.send(()).unwrap();
        });
        let ended = ended.recv_timeout(PATIENCE);
        assert!(ended.is_ok() || thread.is_finished(), "{what}: it hangs");
        thread.join().unwrap();
        let inside: Vec<_> = fs::read_dir(&self.outside).unwrap().collect();
        assert_eq!(inside.len(), 1, "{what}: something was made outside");
        let file = fs::read(self.outside.join("file")).unwrap();
        assert_eq!(file, OUTSIDE, "{what}: something outside was written");
    }
}

fn deliver(maildrops: &Maildrops) -> Result<(), DeliverError> {
    let text = b"A: b\r\n\r\n";
    let mut draft = maildrops.draft();
    draft.append(text)?;
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: text.len() as u64,
        ..Measure::default()
    };
    let to = Addressee::unlimited(DROP, "mrose");
    let envelope = Envelope::default();
    maildrops
        .deliver(&to, &mut draft, &measure, &envelope)
        .map(drop)
}

/// Every name that the store uses, and every kind of thing in its place.
#[test]
fn whatever_is_planted_nothing_outside_is_touched() {
    let file = "d/1/23/123456789abcdef0.rsm";
    let names = [
        "d",
        "d/1",
        "d/1/23",
        file,
        "d/1/23/123456789abcdef0.rsx",
        "d/1/23/123456789abcdef0.rsm.new",
        "torn",
        "torn/123456789abcdef0-0-4096",
    ];
    for name in names {
        for plant in PLANTS {
            for torn in [false, true] {
                let scene = Scene::new();
                if torn {
                    // Now the opening wants to copy into `torn/`, too.
                    let path = scene.data.join(file);
                    let octets = fs::read(&path).unwrap();
                    fs::write(&path, &octets[..octets.len() - 1]).unwrap();
                }
                scene.plant(name, plant);
                scene.everything(&format!("{name} is a {plant:?}, torn: {torn}"));
            }
        }
    }
}

/// A file of another maildrop, with a hard link: it is that other one's, and stays whole.
#[test]
fn another_maildrop_is_not_taken_for_this_one() {
    let scene = Scene::new();
    let path = scene.data.join("d/1/23/123456789abcdef0.rsm");
    let before = fs::read(&path).unwrap();
    let other = scene.data.join("d/1/23/1230000000000000.rsm");
    fs::hard_link(&path, &other).unwrap();
    let maildrops = Scene::maildrops_at(&scene.data);
    let refused = maildrops.open(MaildropId(0x1230_0000_0000_0000));
    assert!(matches!(refused, Err(OpenError::Damaged(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// The disk itself believes no path, whoever made it.
#[test]
fn paths_that_lead_out() {
    let scene = Scene::new();
    let disk = RealDisk::new(&scene.data).unwrap();
    let absolute = scene.outside.join("file");
    symlink(&scene.outside, scene.data.join("away")).unwrap();
    symlink("/proc/self/root", scene.data.join("root")).unwrap();
    let file = disk.create_unnamed("").unwrap();
    file.write_at(&[b"x"], 0).unwrap();
    let paths = [
        "..",
        "../outside/file",
        "d/../../outside/file",
        "./../outside/file",
        "away/file",
        "away/../outside/file",
        "root/etc/passwd",
        absolute.to_str().unwrap(),
        "/etc/passwd",
        "/proc/self/environ",
        "d/\0/x",
    ];
    for path in paths {
        let new = format!("{path}/new");
        assert!(disk.open(path).is_err(), "{path:?}");
        assert!(disk.stat(path).is_err(), "{path:?}");
        assert!(disk.list(path).is_err(), "{path:?}");
        assert!(disk.create(&new).is_err(), "{path:?}");
        assert!(disk.create_unnamed(path).is_err(), "{path:?}");
        assert!(disk.link(&file, &new).is_err(), "{path:?}");
        assert!(disk.rename("d", &new).is_err(), "{path:?}");
        assert!(disk.unlink(path).is_err(), "{path:?}");
        assert!(disk.make_dir(&new).is_err(), "{path:?}");
        assert!(disk.sync_dir(path).is_err(), "{path:?}");
    }
    assert_eq!(fs::read(&absolute).unwrap(), OUTSIDE);
    assert_eq!(fs::read_dir(&scene.outside).unwrap().count(), 1);
}
