//! A simulated disk: it can lose power, or fail, at every single call of the store.
//!
//! What was written but not synced is kept apart, so that a power cut can lose all of it, none of
//! it, or any part of it: single sectors of one write, later writes without earlier ones, names
//! without their files' octets, octets without their file's name. A failed sync is as bad as on
//! Linux: what was not durable stays visible and counts as clean, until the cache is forgotten.
//!
//! Several processes can share a disk. Each has its own handle ([`SimDisk::process`]), so that one
//! of them can die with its locks, and a [`Conductor`] decides before each call what it meets and
//! who else goes on first.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fate;
mod file;
mod names;
mod octets;
mod state;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use maildrop::native::media::{Disk, Stat};

pub use fate::{Call, Conductor, Fate, Loss, Part, Plan};
pub use file::SimFile;
use names::{NameChange, Node};
use state::{State, power_cut};

/// A disk in memory. Clones are the same disk and the same process.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    conductor: Option<Weak<dyn Conductor>>,
    process: u32,
}

/// What somebody else does.
type Meanwhile = Box<dyn FnOnce() + Send>;

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sets what will happen, counting calls from now on.
    pub fn plan(&self, plan: Plan) {
        let mut state = self.state();
        (state.plan, state.calls, state.syncs, state.cut_off) = (plan, 0, 0, 0);
    }

    /// This disk, for another process.
    pub fn process(&self, conductor: Weak<dyn Conductor>) -> Self {
        let mut state = self.state();
        state.processes += 1;
        Self {
            state: Arc::clone(&self.state),
            meanwhile: Arc::default(),
            conductor: Some(conductor),
            process: state.processes,
        }
    }

    /// The number of this handle's process.
    pub fn number(&self) -> u32 {
        self.process
    }

    /// Whether this handle's process still lives.
    pub fn is_alive(&self) -> bool {
        self.state().is_alive(self.process)
    }

    /// This handle's process dies, the others go on.
    pub fn die(&self) {
        self.state().die(self.process);
    }

    /// The power goes, with all processes, and comes back.
    pub fn cut(&self, loss: Loss) {
        self.state().cut(loss);
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

    /// The process died, the machine goes on: locks are free, nothing that was written is lost,
    /// nothing becomes durable.
    pub fn kill(&self) {
        let mut state = self.state();
        state.revive();
        state.plan = Plan::Calm;
    }

    /// The machine as it would come back after a power cut now.
    pub fn reboot(&self, loss: Loss) -> Self {
        let copy = self.copy();
        let mut state = copy.state();
        state.cut(loss);
        state.revive();
        state.plan = Plan::Calm;
        drop(state);
        copy
    }

    /// A disk with the same contents.
    pub fn copy(&self) -> Self {
        let state = self.state().clone();
        Self {
            state: Arc::new(Mutex::new(state)),
            process: self.process,
            ..Self::default()
        }
    }

    /// The octets of a file, to be looked at by a test.
    pub fn octets(&self, path: &str) -> Option<Vec<u8>> {
        let mut state = self.state();
        let key = state.names.file(path).ok()?;
        Some(state.octets(key).seen.clone())
    }

    /// Changes a file behind everybody's back, durably; what rot does.
    pub fn rot(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let key = state.names.file(path);
        let key = key.expect("the test names a file that exists");
        state.octets(key).rot(change);
    }

    /// As [`SimDisk::rot`], as another program does it: the file system's clock shows that it did.
    pub fn rewrite(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        self.rot(path, change);
        let mut state = self.state();
        if let Ok(key) = state.names.file(path) {
            state.octets(key).version += 1;
        }
    }

    /// As [`SimDisk::rot`], with every file that has no name.
    pub fn rot_unnamed(&self, change: impl Fn(&mut Vec<u8>)) {
        self.state().rot_unnamed(change);
    }

    /// The state for one call, and what the call meets.
    fn enter(&self, call: Call) -> io::Result<(MutexGuard<'_, State>, Fate)> {
        let conductor = self.conductor.as_ref().and_then(Weak::upgrade);
        let conducted = conductor.map(|it| it.before(self.process, call));
        let mut state = self.state();
        if !state.is_alive(self.process) {
            return Err(power_cut());
        }
        let planned = state.planned(call);
        Ok((state, conducted.unwrap_or(planned)))
    }

    /// As [`SimDisk::enter`], for a call that only looks.
    fn look(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let (mut state, fate) = self.enter(call)?;
        state.end(self.process, fate)?;
        Ok(state)
    }

    fn opened(&self, mut state: MutexGuard<'_, State>, key: u64) -> SimFile {
        SimFile {
            disk: self.clone(),
            key,
            opening: state.opened(self.process, key),
        }
    }

    fn change_names(
        &self,
        call: Call,
        change: impl FnOnce(&mut State) -> io::Result<NameChange>,
    ) -> io::Result<()> {
        let (mut state, fate) = self.enter(call)?;
        match change(&mut state) {
            Ok(change) => state.rename(self.process, fate, change),
            // Who dies does not hear that it could not be done.
            Err(error) if fate != Fate::Half => state.end(self.process, fate).and(Err(error)),
            Err(error) => Err(error),
        }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open(&self, path: &str) -> io::Result<SimFile> {
        let state = self.look(Call::Open)?;
        let key = state.names.file(path)?;
        let file = self.opened(state, key);
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(act) = meanwhile {
            act();
        }
        Ok(file)
    }

    fn create(&self, path: &str) -> io::Result<SimFile> {
        let mut key = 0;
        self.change_names(Call::Create, |state| {
            state.names.free(path)?;
            key = state.fresh_inode();
            Ok(NameChange {
                gone: None,
                come: Some((path.to_owned(), Node::File(key))),
            })
        })?;
        Ok(self.opened(self.state(), key))
    }

    fn create_unnamed(&self, dir: &str) -> io::Result<SimFile> {
        let (mut state, fate) = self.enter(Call::CreateUnnamed)?;
        if fate != Fate::Half {
            state.end(self.process, fate)?;
        }
        state.names.dir(dir)?;
        let key = state.fresh_inode();
        Ok(self.opened(state, key))
    }

    fn link(&self, file: &SimFile, path: &str) -> io::Result<()> {
        self.change_names(Call::Link, |state| {
            state.names.free(path)?;
            Ok(NameChange {
                gone: None,
                come: Some((path.to_owned(), Node::File(file.key))),
            })
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_names(Call::Rename, |state| {
            let key = state.names.file(from)?;
            state.names.room(to)?;
            Ok(NameChange {
                gone: Some(from.to_owned()),
                come: Some((to.to_owned(), Node::File(key))),
            })
        })
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        self.change_names(Call::Unlink, |state| {
            state.names.file(path)?;
            Ok(NameChange {
                gone: Some(path.to_owned()),
                come: None,
            })
        })
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        self.change_names(Call::MakeDir, |state| {
            state.names.free(path)?;
            Ok(NameChange {
                gone: None,
                come: Some((path.to_owned(), Node::Dir)),
            })
        })
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let (mut state, fate) = self.enter(Call::SyncDir)?;
        let found = state.names.dir(path);
        state.sync_dir(self.process, fate, path).and(found)
    }

    fn stat(&self, path: &str) -> io::Result<Stat> {
        let state = self.look(Call::StatName)?;
        if state.names.dir(path).is_ok() {
            return Ok(State::stat_dir(state.names.version(path)));
        }
        let key = state.names.file(path)?;
        Ok(state.stat(key))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.look(Call::List)?;
        state.names.dir(dir)?;
        Ok(state.names.list(dir))
    }

    fn pause(&self) {}

    fn free_octets(&self) -> io::Result<u64> {
        drop(self.look(Call::Free)?);
        Ok(FREE)
    }
}

/// Room on the disk, as it says itself; that it is used up is a matter of fate.
const FREE: u64 = 1 << 40;
