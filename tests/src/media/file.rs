//! An open file of the simulated disk.

use std::io;
use std::sync::Weak;
use std::time::Duration;

use maildrop::native::media::{File, Lock, Stat};

use super::SimDisk;
use super::fate::{Call, Fate, Part};
use super::octets::Change;

/// An open file of a [`SimDisk`].
pub struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) key: u64,
    pub(super) opening: u64,
}

impl SimFile {
    fn sync(&self) -> io::Result<()> {
        let (mut state, fate) = self.disk.enter(Call::Sync)?;
        let fate = match fate {
            // Only writes can be done by half.
            Fate::Half => Fate::Go,
            other => other,
        };
        match fate {
            Fate::Go | Fate::Die(Part::Whole) => state.octets(self.key).sync(),
            Fate::Fail(_, reached) => state.octets(self.key).sync_in_vain(reached),
            _ => {}
        }
        state.syncs += u64::from(fate == Fate::Go);
        state.end(self.disk.process, fate)
    }

    fn modify(&self, call: Call, change: Change) -> io::Result<()> {
        let (mut state, fate) = self.disk.enter(call)?;
        let change = match fate {
            Fate::Go | Fate::Die(Part::Whole | Part::Unsynced) | Fate::Cut(_) => Some(change),
            Fate::Half | Fate::Die(Part::Half) => change.half(),
            Fate::Fail(..) | Fate::Die(Part::None) => None,
        };
        if let Some(change) = change {
            let before = state.stat(self.key).len;
            state.octets(self.key).change(change);
            state.cut_off += before.saturating_sub(state.stat(self.key).len);
        }
        state.end(self.disk.process, fate)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if let Ok(mut state) = self.disk.state.lock() {
            state.closed(self.opening);
        }
    }
}

impl File for SimFile {
    fn stat(&self) -> io::Result<Stat> {
        Ok(self.disk.look(Call::Stat)?.stat(self.key))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.look(Call::Read)?;
        let octets = &state.octets(self.key).seen;
        let from = usize::try_from(offset).unwrap().min(octets.len());
        let to = (from + buffer.len()).min(octets.len());
        buffer[..to - from].copy_from_slice(&octets[from..to]);
        Ok(to - from)
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        // All of it is in memory.
        self.read_at(buffer, offset).map(Some)
    }

    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.modify(Call::Write, Change::Write(offset, parts.concat()))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.modify(Call::Truncate, Change::Truncate(len))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.modify(Call::Allocate, Change::Truncate(len))
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.modify(Call::Punch, Change::Punch(offset, len as usize))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn forget_cache(&self, from: u64) {
        let mut state = self.disk.state();
        if state.is_alive(self.disk.process) {
            state.octets(self.key).forget_cache(from);
        }
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        let mut state = self.disk.look(Call::Lock)?;
        Ok(state.lock(self.opening, self.key, lock))
    }

    fn wait_lock(&self, lock: Lock, _: Duration) -> io::Result<bool> {
        let got = self.try_lock(lock)?;
        if !got && let Some(conductor) = self.disk.conductor.as_ref().and_then(Weak::upgrade) {
            conductor.waits_in_vain(self.disk.process);
        }
        Ok(got)
    }

    fn unlock(&self, lock: Lock) {
        let mut state = self.disk.state();
        state.unlock(self.opening, self.key, lock);
    }
}
