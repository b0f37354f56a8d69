//! A million-message day: one very large maildrop and very many small ones, beside Maildir on the
//! same disk in the same run. Prints tables in Markdown.
//!
//! ```sh
//! cargo bench -p restante-tests --bench day -- --dir /var/tmp/day        # make day
//! ```
//!
//! Maildir is served here as its best servers do it: sizes in the names, one `fsync` for the message and
//! one for `new/`, unlinked at the commit and one `fsync` for the directory. What is measured is the
//! file system's work and ours, no protocol.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use maildrop::{Addressee, Envelope, MaildropId, Maildrops, Measure, NativeSettings};
use pop3::{Deletions, MessageNumber};

const OCTETS: usize = 4096;
const THREADS: u64 = 8;

/// What is measured, in messages and maildrops.
struct Size {
    large: u64,
    /// Of the large maildrop, so many are delivered with all syncs by Maildir; the rest without.
    synced: u64,
    drops: u64,
    each: u64,
}

fn main() {
    let mut size = Size {
        large: 100_000,
        synced: 5_000,
        drops: 20_000,
        each: 3,
    };
    let mut dir = std::env::temp_dir().join("restante-day");
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--dir" => dir = PathBuf::from(arguments.next().expect("--dir needs a directory")),
            "--quick" => {
                size = Size {
                    large: 2_000,
                    synced: 200,
                    drops: 200,
                    each: 3,
                }
            }
            // What cargo bench adds.
            "--bench" => {}
            other => panic!("unknown argument {other}; there are --dir and --quick"),
        }
    }
    assert!(!dir.exists(), "{} is there already", dir.display());
    fs::create_dir_all(&dir).unwrap();
    let text = text();
    let mut table = Table::default();
    println!(
        "### One maildrop of {} messages of {OCTETS} octets\n",
        size.large
    );
    large(&dir, &size, &text, &mut table);
    table.print();
    println!(
        "\n### {} maildrops with {} messages each\n",
        size.drops, size.each
    );
    let mut table = Table::default();
    many(&dir, &size, &text, &mut table);
    table.print();
    fs::remove_dir_all(&dir).unwrap();
}

fn text() -> Vec<u8> {
    let mut text = b"From: a@example.org\r\nSubject: a message of the day\r\n\r\n".to_vec();
    while text.len() < OCTETS - 66 {
        text.extend_from_slice(
            b"all work and no play makes jack a dull boy, said the postmaster\r\n",
        );
    }
    text.resize(OCTETS - 2, b'.');
    text.extend_from_slice(b"\r\n");
    text
}

/// Rows of: what, native, Maildir.
#[derive(Default)]
struct Table(Vec<(String, String, String)>);

impl Table {
    fn row(&mut self, what: &str, native: impl Into<String>, maildir: impl Into<String>) {
        self.0
            .push((what.to_owned(), native.into(), maildir.into()));
    }

    fn print(&self) {
        println!("| | native | Maildir |\n|---|---:|---:|");
        for (what, native, maildir) in &self.0 {
            println!("| {what} | {native} | {maildir} |");
        }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = work();
    (start.elapsed(), value)
}

fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms {
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

fn rate(count: u64, time: Duration) -> String {
    format!("{:.0}/s", count as f64 / time.as_secs_f64())
}

/// Forgets what the machine has in memory, if it lets us.
fn cold() -> bool {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// Octets of the disk, and inodes, below a directory.
fn usage(dir: &Path) -> (u64, u64) {
    let meta = fs::symlink_metadata(dir).unwrap();
    let (mut octets, mut inodes) = (meta.blocks() * 512, 1);
    if meta.is_dir() {
        for entry in fs::read_dir(dir).unwrap() {
            let (below, count) = usage(&entry.unwrap().path());
            (octets, inodes) = (octets + below, inodes + count);
        }
    }
    (octets, inodes)
}

fn mib(octets: u64) -> String {
    format!("{:.1} MiB", octets as f64 / 1_048_576.0)
}

fn native(data: &Path) -> Maildrops {
    let settings = NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    };
    Maildrops::native(data, &settings).unwrap()
}

fn deliver(maildrops: &Maildrops, id: u64, text: &[u8]) {
    let mut draft = maildrops.draft();
    draft.append(text).unwrap();
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: 53,
        ..Measure::default()
    };
    let to = Addressee::unlimited(MaildropId(id), "mrose");
    maildrops
        .deliver(&to, &mut draft, &measure, &Envelope::default())
        .unwrap();
}

/// Opens, and lists as LIST and UIDL would.
fn list(maildrops: &Maildrops, id: u64) -> usize {
    let session = maildrops.open(MaildropId(id)).unwrap();
    session.listing().len()
}

fn delete_all(maildrops: &Maildrops, id: u64) -> Duration {
    let session = maildrops.open(MaildropId(id)).unwrap();
    let mut deletions = Deletions::default();
    for number in (0..session.listing().len()).filter_map(MessageNumber::from_index) {
        deletions.mark(number);
    }
    timed(|| session.commit(&deletions).unwrap()).0
}

/// A Maildir as a careful server keeps it.
struct Maildir(PathBuf);

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Maildir {
    fn new(path: PathBuf) -> Self {
        for name in ["tmp", "new", "cur"] {
            fs::create_dir_all(path.join(name)).unwrap();
        }
        Self(path)
    }

    fn deliver(&self, text: &[u8], durable: bool) {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let octets = text.len();
        let name = format!("1700000000.M{n:06}P1Q{n}.host,S={octets},W={octets}");
        let tmp = self.0.join("tmp").join(&name);
        let mut file = File::create_new(&tmp).unwrap();
        file.write_all(text).unwrap();
        if durable {
            file.sync_all().unwrap();
        }
        fs::rename(&tmp, self.0.join("new").join(&name)).unwrap();
        if durable {
            File::open(self.0.join("new")).unwrap().sync_all().unwrap();
        }
    }

    /// Names in order, sizes out of the names.
    fn list(&self) -> Vec<(String, u64)> {
        let names = fs::read_dir(self.0.join("new")).unwrap();
        let mut all: Vec<_> = names
            .map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let octets = name.rsplit_once("W=").unwrap().1.parse().unwrap();
                (name, octets)
            })
            .collect();
        all.sort_unstable();
        all
    }

    /// The same, where the names have no sizes.
    fn list_by_stat(&self) -> u64 {
        let names = fs::read_dir(self.0.join("new")).unwrap();
        names
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum()
    }

    fn read_all(&self) -> u64 {
        let new = self.0.join("new");
        let names = self.list();
        let read = |(name, _): &(String, u64)| {
            u64::from(crc32c::crc32c(&fs::read(new.join(name)).unwrap()) != 1)
        };
        names.iter().map(read).sum()
    }

    fn delete_all(&self) -> Duration {
        let names = self.list();
        let new = self.0.join("new");
        timed(|| {
            for (name, _) in &names {
                fs::remove_file(new.join(name)).unwrap();
            }
            File::open(&new).unwrap().sync_all().unwrap();
        })
        .0
    }
}

fn large(dir: &Path, size: &Size, text: &[u8], table: &mut Table) {
    let data = dir.join("native");
    let maildrops = native(&data);
    let id = 0x0123_4567_89ab_cdef;
    let (time, ()) = timed(|| (0..size.large).for_each(|_| deliver(&maildrops, id, text)));
    let maildir = Maildir::new(dir.join("maildir"));
    let (synced, ()) = timed(|| (0..size.synced).for_each(|_| maildir.deliver(text, true)));
    (size.synced..size.large).for_each(|_| maildir.deliver(text, false));
    table.row(
        "deliver durably, one after the other",
        rate(size.large, time),
        rate(size.synced, synced),
    );
    let (native_use, maildir_use) = (usage(&data), usage(&maildir.0));
    table.row("on disk", mib(native_use.0), mib(maildir_use.0));
    table.row(
        "inodes",
        native_use.1.to_string(),
        maildir_use.1.to_string(),
    );

    drop(maildrops);
    let fresh = || native(&data);
    list(&fresh(), id);
    let index = data.join(format!("{}x", maildrop_path(id)));
    if cold() {
        let (with, count) = timed(|| list(&fresh(), id));
        assert_eq!(count as u64, size.large);
        cold();
        let (names, _) = timed(|| maildir.list());
        table.row(
            "open and list, cold (index; sizes in names)",
            ms(with),
            ms(names),
        );
        fs::remove_file(&index).unwrap();
        cold();
        let store = fresh();
        let (without, _) = timed(|| list(&store, id));
        cold();
        let (stat, _) = timed(|| maildir.list_by_stat());
        table.row("open and list, cold, without them", ms(without), ms(stat));
    }
    let store = fresh();
    list(&store, id);
    let (known, _) = timed(|| list(&store, id));
    let (first, _) = timed(|| list(&fresh(), id));
    let (names, _) = timed(|| maildir.list());
    table.row(
        "open and list, warm, first time (index)",
        ms(first),
        ms(names),
    );
    table.row(
        "open and list, warm, again",
        ms(known),
        ms(timed(|| maildir.list()).0),
    );
    let (verified, found) = timed(|| store.verify(MaildropId(id), &mut |_| {}).unwrap());
    assert!(found.damages.is_empty());
    let (read, _) = timed(|| maildir.read_all());
    table.row(
        "verify: read every octet (Maildir has no checksums: read)",
        ms(verified),
        ms(read),
    );
    let deleted = delete_all(&store, id);
    let (tidied, ()) = timed(|| store.tidy(MaildropId(id)).unwrap());
    table.row(
        "delete all: what the client waits for",
        ms(deleted),
        ms(maildir.delete_all()),
    );
    table.row("giving the space back afterwards", ms(tidied), "–");
    table.row(
        "on disk then",
        mib(usage(&data).0),
        mib(usage(&maildir.0).0),
    );
    drop(store);
    fs::remove_dir_all(&data).unwrap();
    fs::remove_dir_all(&maildir.0).unwrap();
}

fn maildrop_path(id: u64) -> String {
    let digits = format!("{id:016x}");
    format!("d/{}/{}/{digits}.rs", &digits[..1], &digits[1..3])
}

/// Maildrop ids of a day: spread as random ones are.
fn ids(size: &Size) -> impl Iterator<Item = u64> {
    (1..=size.drops).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn in_parallel(size: &Size, work: impl Fn(u64) + Sync) -> Duration {
    let all: Vec<_> = ids(size).collect();
    let next = AtomicU64::new(0);
    timed(|| {
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(&id) = all.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                        work(id);
                    }
                });
            }
        });
    })
    .0
}

fn many(dir: &Path, size: &Size, text: &[u8], table: &mut Table) {
    let data = dir.join("native");
    let maildrops = native(&data);
    let messages = size.drops * size.each;
    let maildir_of = |id: u64| {
        let digits = format!("{id:016x}");
        dir.join("maildir").join(&digits[..3]).join(&digits)
    };
    let time = in_parallel(size, |id| {
        (0..size.each).for_each(|_| deliver(&maildrops, id, text))
    });
    let made = in_parallel(size, |id| {
        let maildir = Maildir::new(maildir_of(id));
        (0..size.each).for_each(|_| maildir.deliver(text, true));
    });
    table.row(
        &format!("deliver durably, {THREADS} at once, first ones included"),
        rate(messages, time),
        rate(messages, made),
    );
    let (native_use, maildir_use) = (usage(&data), usage(&dir.join("maildir")));
    let each = |(octets, inodes): (u64, u64)| {
        let drops = size.drops as f64;
        format!(
            "{:.1} KiB, {:.2} inodes",
            octets as f64 / 1024.0 / drops,
            inodes as f64 / drops
        )
    };
    table.row("a maildrop on disk", each(native_use), each(maildir_use));
    drop(maildrops);
    let per = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6 / size.drops as f64);
    let open_all = |store: &Maildrops| ids(size).map(|id| list(store, id)).sum::<usize>();
    let list_all = || {
        ids(size)
            .map(|id| Maildir(maildir_of(id)).list().len())
            .sum::<usize>()
    };
    if cold() {
        let store = native(&data);
        let (open, count) = timed(|| open_all(&store));
        assert_eq!(count as u64, messages);
        cold();
        let (listed, count) = timed(list_all);
        assert_eq!(count as u64, messages);
        table.row("open and list one, cold", per(open), per(listed));
    }
    let store = native(&data);
    let (open, _) = timed(|| open_all(&store));
    table.row(
        "open and list one, warm, first time",
        per(open),
        per(timed(list_all).0),
    );
    let (open, _) = timed(|| open_all(&store));
    table.row(
        "open and list one, warm, again",
        per(open),
        per(timed(list_all).0),
    );
    let (verified, ()) = timed(|| {
        for id in ids(size) {
            assert!(
                store
                    .verify(MaildropId(id), &mut |_| {})
                    .unwrap()
                    .damages
                    .is_empty()
            );
        }
    });
    let (read, _) = timed(|| {
        ids(size)
            .map(|id| Maildir(maildir_of(id)).read_all())
            .sum::<u64>()
    });
    table.row("verify one", per(verified), per(read));
    let (deleted, _) = timed(|| ids(size).map(|id| delete_all(&store, id)).sum::<Duration>());
    let (unlinked, _) = timed(|| {
        ids(size)
            .map(|id| Maildir(maildir_of(id)).delete_all())
            .sum::<Duration>()
    });
    table.row(
        "delete all of one, one after the other",
        per(deleted),
        per(unlinked),
    );
    let (tidied, ()) = timed(|| ids(size).for_each(|id| store.tidy(MaildropId(id)).unwrap()));
    table.row("giving the space of one back afterwards", per(tidied), "–");
    table.row(
        "a maildrop on disk then",
        each(usage(&data)),
        each(usage(&dir.join("maildir"))),
    );
}
