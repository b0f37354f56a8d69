//! A simulated disk: it can lose power, or fail, at every single call of the store.
//!
//! What was written but not synced is kept apart, so that a power cut can lose all of it, none of
//! it, or any part of it: single sectors of one write, later writes without earlier ones, names
//! without their files' octets, octets without their file's name. A failed sync is as bad as on
//! Linux: what was not durable stays visible and counts as clean, until the cache is forgotten.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use maildrop::native::media::{Disk, File, FileId, Lock, Stat};

/// What happens at the n-th call, counted from 0.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Plan {
    /// Nothing.
    #[default]
    Calm,
    /// The power goes: this call may have happened, none after it does.
    Crash(u64),
    /// This call fails.
    Fail(u64, io::ErrorKind),
    /// As `Fail`, but if the call syncs a file, all of that reaches the disk before it fails.
    FailLate(u64, io::ErrorKind),
    /// This call and all that change something after it fail.
    FailFrom(u64, io::ErrorKind),
    /// As `FailFrom`, but what the syncs should have saved reaches the disk.
    FailFromLate(u64, io::ErrorKind),
    /// This call, if it writes, writes half and fails for lack of space.
    ShortWrite(u64),
}

/// What a power cut does to what was not synced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loss {
    /// All of it is lost.
    Everything,
    /// The disk had written it all.
    Nothing,
    /// Any part of it, chosen by this seed.
    Some(u64),
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

/// What somebody else does.
type Meanwhile = Box<dyn FnOnce() + Send>;

/// An open file of a [`SimDisk`].
pub struct SimFile {
    state: Arc<Mutex<State>>,
    inode: u64,
    opening: u64,
}

#[derive(Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    /// Paths as everybody sees them; the root `""` is always there.
    names: BTreeMap<String, Node>,
    /// Paths as a power cut would leave them.
    durable_names: BTreeMap<String, Node>,
    /// Changes of names that were not synced, oldest first, with their directories.
    name_changes: Vec<NameChange>,
    locks: HashMap<(u64, Lock), u64>,
    next: u64,
    calls: u64,
    syncs: u64,
    plan: Plan,
    crashed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Node {
    Dir,
    File(u64),
}

#[derive(Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

/// One step: names that go and names that come (a rename is both).
#[derive(Clone)]
struct NameChange {
    gone: Vec<String>,
    come: Option<(String, Node)>,
}

/// What a call that changes something is about to meet.
enum Fate {
    Go,
    /// It happens, but nobody will know.
    Crash,
    Fail(io::Error),
    Half,
}

/// Octets that a disk writes in one piece.
const SECTOR: usize = 512;

impl Change {
    fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let (from, to) = (*offset as usize, *offset as usize + data.len());
                if octets.len() < to {
                    octets.resize(to, 0);
                }
                octets[from..to].copy_from_slice(data);
            }
            Self::Truncate(len) => octets.resize(*len as usize, 0),
        }
    }

    /// The sectors of a write, or the change itself.
    fn pieces(&self) -> Vec<Self> {
        match self {
            Self::Write(offset, data) => {
                let first = SECTOR - (*offset as usize % SECTOR);
                let (head, rest) = data.split_at(first.min(data.len()));
                std::iter::once(head)
                    .chain(rest.chunks(SECTOR))
                    .scan(*offset, |at, piece| {
                        let write = Self::Write(*at, piece.to_vec());
                        *at += piece.len() as u64;
                        Some(write)
                    })
                    .collect()
            }
            Self::Truncate(_) => vec![self.clone()],
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        for gone in &self.gone {
            names.remove(gone);
        }
        if let Some((name, node)) = &self.come {
            names.insert(name.clone(), *node);
        }
    }

    fn touches(&self, dir: &str) -> bool {
        let come = self.come.iter().map(|(name, _)| name);
        self.gone.iter().chain(come).any(|path| parent(path) == dir)
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A small generator (splitmix64): the same seed, the same losses.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn power_cut() -> io::Error {
    io::Error::other("the power is gone")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    /// Counts a call that only looks.
    fn look(&mut self) -> io::Result<()> {
        let n = self.calls;
        self.calls += 1;
        match self.plan {
            _ if self.crashed => Err(power_cut()),
            Plan::Crash(at) if at == n => {
                self.crashed = true;
                Err(power_cut())
            }
            Plan::Fail(at, kind) | Plan::FailLate(at, kind) if at == n => Err(kind.into()),
            _ => Ok(()),
        }
    }

    /// Counts a call that changes something.
    fn change(&mut self) -> Fate {
        let n = self.calls;
        self.calls += 1;
        match self.plan {
            _ if self.crashed => Fate::Fail(power_cut()),
            Plan::Crash(at) if at == n => {
                self.crashed = true;
                Fate::Crash
            }
            Plan::Fail(at, kind) | Plan::FailLate(at, kind) if at == n => Fate::Fail(kind.into()),
            Plan::FailFrom(at, kind) | Plan::FailFromLate(at, kind) if at <= n => {
                Fate::Fail(kind.into())
            }
            Plan::ShortWrite(at) if at == n => Fate::Half,
            _ => Fate::Go,
        }
    }

    /// A change of names.
    fn rename(&mut self, change: NameChange) -> io::Result<()> {
        let fate = self.change();
        if let Fate::Fail(error) = fate {
            return Err(error);
        }
        change.apply(&mut self.names);
        self.name_changes.push(change);
        match fate {
            Fate::Crash => Err(power_cut()),
            _ => Ok(()),
        }
    }

    fn dir(&self, path: &str) -> io::Result<()> {
        match path.is_empty() || self.names.get(path) == Some(&Node::Dir) {
            true => Ok(()),
            false => Err(not_found()),
        }
    }

    fn free(&self, path: &str) -> io::Result<()> {
        self.dir(parent(path))?;
        match self.names.contains_key(path) {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => Ok(()),
        }
    }

    fn file(&self, path: &str) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            _ => Err(not_found()),
        }
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sets what will happen, counting calls from now on.
    pub fn plan(&self, plan: Plan) {
        let mut state = self.state();
        (state.plan, state.calls, state.syncs) = (plan, 0, 0);
    }

    /// What another process does between the next opening of a file and whatever its opener does
    /// with it.
    pub fn meanwhile(&self, act: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(act));
    }

    /// Calls since [`SimDisk::plan`].
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Syncs of files and directories since [`SimDisk::plan`].
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The process dies, the machine goes on: locks are free, nothing that was written is lost,
    /// nothing becomes durable.
    pub fn kill(&self) {
        let mut state = self.state();
        state.locks.clear();
        state.crashed = false;
        state.plan = Plan::Calm;
    }

    /// The machine as it comes back after a power cut now.
    pub fn reboot(&self, loss: Loss) -> Self {
        let state = self.state();
        let mut random = Random(match loss {
            Loss::Some(seed) => seed,
            _ => 0,
        });
        let mut keep = || match loss {
            Loss::Everything => false,
            Loss::Nothing => true,
            Loss::Some(_) => random.next() & 1 == 0,
        };
        let mut after = State {
            next: state.next,
            ..State::default()
        };
        let mut names = state.durable_names.clone();
        for change in state.name_changes.iter().filter(|_| keep()) {
            change.apply(&mut names);
        }
        // What lies in a directory whose own name was lost is lost with it.
        let reachable = |path: &str| {
            path.match_indices('/')
                .all(|(at, _)| names.get(&path[..at]) == Some(&Node::Dir))
        };
        let lost: Vec<String> = names
            .keys()
            .filter(|path| !reachable(path))
            .cloned()
            .collect();
        for path in lost {
            names.remove(&path);
        }
        for node in names.values() {
            let Node::File(number) = node else { continue };
            let inode = &state.inodes[number];
            let mut octets = inode.durable.clone();
            for change in &inode.changes {
                for piece in change.pieces() {
                    if keep() {
                        piece.apply(&mut octets);
                    }
                }
            }
            let inode = Inode {
                seen: octets.clone(),
                durable: octets,
                changes: Vec::new(),
            };
            after.inodes.insert(*number, inode);
        }
        after.durable_names = names.clone();
        after.names = names;
        Self {
            state: Arc::new(Mutex::new(after)),
            meanwhile: Arc::default(),
        }
    }

    /// The octets of a file, to be looked at by a test.
    pub fn octets(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.file(path).ok()?;
        Some(state.inodes[&inode].seen.clone())
    }

    /// Changes a file behind everybody's back, durably; what rot does.
    pub fn rot(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let number = state.file(path).expect("the test names a file that exists");
        let inode = state.inodes.get_mut(&number).expect("names lead to inodes");
        change(&mut inode.seen);
        inode.durable = inode.seen.clone();
        inode.changes.clear();
    }

    /// As [`SimDisk::rot`], with every file that has no name.
    pub fn rot_unnamed(&self, change: impl Fn(&mut Vec<u8>)) {
        let mut state = self.state();
        let named: Vec<_> = state.names.values().copied().collect();
        for (number, inode) in &mut state.inodes {
            if !named.contains(&Node::File(*number)) {
                change(&mut inode.seen);
            }
        }
    }

    fn opened(&self, state: &mut State, inode: u64) -> SimFile {
        SimFile {
            state: Arc::clone(&self.state),
            inode,
            opening: state.fresh(),
        }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open(&self, path: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        state.look()?;
        let inode = state.file(path)?;
        let file = self.opened(&mut state, inode);
        drop(state);
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(act) = meanwhile {
            act();
        }
        Ok(file)
    }

    fn create(&self, path: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        state.free(path)?;
        let inode = state.fresh();
        state.inodes.insert(inode, Inode::default());
        state.rename(NameChange {
            gone: Vec::new(),
            come: Some((path.to_owned(), Node::File(inode))),
        })?;
        Ok(self.opened(&mut state, inode))
    }

    fn create_unnamed(&self, dir: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        if let Fate::Fail(error) = state.change() {
            return Err(error);
        }
        state.dir(dir)?;
        let inode = state.fresh();
        state.inodes.insert(inode, Inode::default());
        Ok(self.opened(&mut state, inode))
    }

    fn link(&self, file: &SimFile, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.free(path)?;
        state.rename(NameChange {
            gone: Vec::new(),
            come: Some((path.to_owned(), Node::File(file.inode))),
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.file(from)?;
        state.dir(parent(to))?;
        state.rename(NameChange {
            gone: vec![from.to_owned()],
            come: Some((to.to_owned(), Node::File(inode))),
        })
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.file(path)?;
        state.rename(NameChange {
            gone: vec![path.to_owned()],
            come: None,
        })
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.free(path)?;
        state.rename(NameChange {
            gone: Vec::new(),
            come: Some((path.to_owned(), Node::Dir)),
        })
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        match state.change() {
            Fate::Fail(error) => return Err(error),
            Fate::Crash => return Err(power_cut()),
            Fate::Half => return Err(io::ErrorKind::StorageFull.into()),
            Fate::Go => {}
        }
        state.dir(path)?;
        state.syncs += 1;
        let state = &mut *state;
        state.name_changes.retain(|change| {
            let now = change.touches(path);
            if now {
                change.apply(&mut state.durable_names);
            }
            !now
        });
        Ok(())
    }

    fn stat(&self, path: &str) -> io::Result<Stat> {
        let mut state = self.state();
        state.look()?;
        let inode = state.file(path)?;
        Ok(state.stat(inode))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.look()?;
        state.dir(dir)?;
        Ok(state
            .names
            .keys()
            .filter(|path| !path.is_empty() && parent(path) == dir)
            .map(|path| path.rsplit('/').next().unwrap_or(path).to_owned())
            .collect())
    }
}

impl State {
    fn stat(&self, inode: u64) -> Stat {
        Stat {
            id: FileId { device: 1, inode },
            len: self.inodes[&inode].seen.len() as u64,
        }
    }
}

impl SimFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.change();
        let late = matches!(state.plan, Plan::FailLate(..) | Plan::FailFromLate(..));
        let inode = state.inodes.get_mut(&self.inode).expect("open files exist");
        match fate {
            Fate::Go => {
                // Not what is seen: what a failed sync lost looks clean and is never written.
                for change in std::mem::take(&mut inode.changes) {
                    change.apply(&mut inode.durable);
                }
                state.syncs += 1;
                Ok(())
            }
            Fate::Crash => Err(power_cut()),
            Fate::Fail(error) => {
                // Clean from now on, although the disk never got it, or did.
                for change in std::mem::take(&mut inode.changes) {
                    if late {
                        change.apply(&mut inode.durable);
                    }
                }
                Err(error)
            }
            Fate::Half => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn modify(&self, changes: Vec<Change>) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.change();
        if let Fate::Fail(error) = fate {
            return Err(error);
        }
        let inode = state.inodes.get_mut(&self.inode).expect("open files exist");
        let half = matches!(fate, Fate::Half);
        for mut change in changes {
            if let (true, Change::Write(_, data)) = (half, &mut change) {
                data.truncate(data.len() / 2);
            }
            change.apply(&mut inode.seen);
            inode.changes.push(change);
        }
        match fate {
            Fate::Crash => Err(power_cut()),
            Fate::Half => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock() {
            state.locks.retain(|_, holder| *holder != self.opening);
        }
    }
}

impl File for SimFile {
    fn stat(&self) -> io::Result<Stat> {
        let mut state = self.state();
        state.look()?;
        Ok(state.stat(self.inode))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state();
        state.look()?;
        let octets = &state.inodes[&self.inode].seen;
        let from = usize::try_from(offset).unwrap().min(octets.len());
        let to = (from + buffer.len()).min(octets.len());
        buffer[..to - from].copy_from_slice(&octets[from..to]);
        Ok(to - from)
    }

    fn read_cached(&self, _: &mut [u8], _: u64) -> io::Result<Option<usize>> {
        self.state().look()?;
        Ok(None)
    }

    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.modify(vec![Change::Write(offset, parts.concat())])
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.modify(vec![Change::Truncate(len)])
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn forget_cache(&self, from: u64) {
        let mut state = self.state();
        let inode = state.inodes.get_mut(&self.inode).expect("open files exist");
        // Dirty pages cannot be forgotten; what counts as clean is read from the disk again.
        if inode.changes.is_empty() {
            let keep = usize::try_from(from).unwrap().min(inode.seen.len());
            inode.seen.truncate(keep);
            let rest = inode.durable.get(keep..).unwrap_or_default();
            inode.seen.extend_from_slice(rest);
        }
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        let mut state = self.state();
        state.look()?;
        let holder = *state
            .locks
            .entry((self.inode, lock))
            .or_insert(self.opening);
        Ok(holder == self.opening)
    }

    fn unlock(&self, lock: Lock) {
        let mut state = self.state();
        if state.locks.get(&(self.inode, lock)) == Some(&self.opening) {
            state.locks.remove(&(self.inode, lock));
        }
    }
}
