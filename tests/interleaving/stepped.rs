//! The simulated disk, with a stop before each call.

use std::io;
use std::time::Duration;

use maildrop::native::media::{Disk, File, Lock, Stat};
use restante_tests::media::{SimDisk, SimFile};

use crate::gate;

/// A disk whose calls happen one at a time.
#[derive(Clone)]
pub(crate) struct Stepped(pub(crate) SimDisk);

/// An open file of it.
pub(crate) struct SteppedFile(SimFile);

impl Disk for Stepped {
    type File = SteppedFile;

    fn open(&self, path: &str) -> io::Result<SteppedFile> {
        gate::stop();
        self.0.open(path).map(SteppedFile)
    }

    fn create(&self, path: &str) -> io::Result<SteppedFile> {
        gate::stop();
        self.0.create(path).map(SteppedFile)
    }

    fn create_unnamed(&self, dir: &str) -> io::Result<SteppedFile> {
        // Nobody else can see it.
        self.0.create_unnamed(dir).map(SteppedFile)
    }

    fn link(&self, file: &SteppedFile, path: &str) -> io::Result<()> {
        gate::stop();
        self.0.link(&file.0, path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        gate::stop();
        self.0.rename(from, to)
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        gate::stop();
        self.0.unlink(path)
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        gate::stop();
        self.0.make_dir(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        gate::stop();
        self.0.sync_dir(path)
    }

    fn stat(&self, path: &str) -> io::Result<Stat> {
        gate::stop();
        self.0.stat(path)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        gate::stop();
        self.0.list(dir)
    }

    fn pause(&self) {
        gate::wait();
    }

    fn free_octets(&self) -> io::Result<u64> {
        self.0.free_octets()
    }
}

impl Drop for SteppedFile {
    fn drop(&mut self) {
        // Closing frees its locks.
        gate::stop();
    }
}

impl File for SteppedFile {
    fn stat(&self) -> io::Result<Stat> {
        gate::stop();
        self.0.stat()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        gate::stop();
        self.0.read_at(buffer, offset)
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        gate::stop();
        self.0.read_cached(buffer, offset)
    }

    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        gate::stop();
        self.0.write_at(parts, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        gate::stop();
        self.0.truncate(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        gate::stop();
        self.0.allocate(len)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        gate::stop();
        self.0.punch(offset, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        gate::stop();
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        gate::stop();
        self.0.sync_all()
    }

    fn forget_cache(&self, from: u64) {
        self.0.forget_cache(from);
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        gate::stop();
        self.0.try_lock(lock)
    }

    fn wait_lock(&self, lock: Lock, _: Duration) -> io::Result<bool> {
        gate::stop();
        // However long it takes: that nobody ever frees it would be a deadlock, and is seen as one.
        while !self.0.try_lock(lock)? {
            gate::wait();
        }
        Ok(true)
    }

    fn unlock(&self, lock: Lock) {
        gate::stop();
        self.0.unlock(lock);
    }
}
