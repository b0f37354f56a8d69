//! What mail goes through while every write is recorded: seeded steps, each promise noted.

mod acts;
mod steps;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use crate::files::Which;
use crate::history::History;
use crate::program::{Program, Server};
use crate::steer::Steer;
use crate::volume::tool;

/// The maildrops that everything happens to.
pub(crate) const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// A file that nobody syncs, beside the data directory: some image must have lost it.
pub(crate) const UNSYNCED: &str = "unsynced";
/// What it holds.
pub(crate) const UNSYNCED_TEXT: &[u8] = &[b'u'; 4096];

/// All that takes part in one recording.
pub(crate) struct Workload<'a> {
    program: &'a Program,
    steer: &'a Steer,
    data: PathBuf,
    seed: u64,
    history: Mutex<History>,
    broken: Mutex<Vec<String>>,
    server: Mutex<Option<Server>>,
    number: AtomicU32,
    compacts: bool,
    /// Whether processes can be killed at a system call.
    traces: bool,
}

impl<'a> Workload<'a> {
    /// Makes accounts and starts the server; nothing is recorded yet.
    ///
    /// # Errors
    ///
    /// When the program does not do what it must.
    pub(crate) fn new(
        program: &'a Program,
        steer: &'a Steer,
        data: &Path,
        seed: u64,
    ) -> io::Result<Self> {
        let mut history = History::default();
        for name in NAMES {
            program.add_user(name)?;
            history.account(name, 0);
        }
        program.set_disposition(NAMES[2], "hide")?;
        Ok(Self {
            program,
            steer,
            data: data.to_owned(),
            seed,
            history: Mutex::new(history),
            broken: Mutex::default(),
            server: Mutex::new(Some(program.serve(None)?)),
            number: AtomicU32::new(0),
            compacts: program.knows("compact")?,
            traces: tool("strace").arg("-V").output().is_ok(),
        })
    }

    /// Plays so many steps on the volume that is mounted at `volume`.
    ///
    /// # Errors
    ///
    /// When the rig or the program fails; a broken promise is no error here.
    pub(crate) fn play(&self, steps: usize, volume: &Path) -> io::Result<()> {
        fs::write(volume.join(UNSYNCED), UNSYNCED_TEXT)?;
        let mut dice = Rng::with_seed(self.seed);
        for _ in 0..steps {
            let (step, play): (_, fn(&Self, &mut Rng) -> io::Result<()>) = match dice.u8(..23) {
                0..2 => ("deliver, list", Self::deliver_then_list),
                2..5 => ("deliver killed, list", Self::kill_deliver_then_list),
                5..8 => ("deliver, deliver and list at once", Self::at_once),
                8..10 => ("LMTP", Self::lmtp),
                10..12 => ("session", Self::session),
                12..14 => ("server killed", Self::kill_server),
                14..16 => ("server killed at a sync", Self::kill_server_at_sync),
                16..18 => ("emptied, delivered again", Self::empty_then_deliver),
                18 if dice.bool() => ("account", Self::add_account),
                20..22 => ("shown again", Self::show_again),
                22 => ("disposition", Self::change_disposition),
                _ => ("compact", Self::compact),
            };
            noise(volume, &mut dice)?;
            let position = self.position()?;
            self.history().step(step, position);
            play(self, &mut dice)
                .map_err(|error| io::Error::new(error.kind(), format!("step {step:?}: {error}")))?;
        }
        Ok(())
    }

    /// Ends the server.
    ///
    /// # Errors
    ///
    /// When the log of the server cannot be read.
    pub(crate) fn end(self) -> io::Result<(History, Vec<String>)> {
        drop(self.server);
        let mut broken = self
            .broken
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if self.program.panicked()? {
            broken.push("the server panicked".into());
        }
        let history = self.history.into_inner();
        Ok((history.unwrap_or_else(PoisonError::into_inner), broken))
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self) -> io::Result<usize> {
        self.steer.position(Which::Live)
    }

    fn is_broken(&self, what: String) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.push(what);
    }
}

/// Others write on the same disk and sync nothing: their blocks lie between ours, and their names
/// in the same transactions of the journal.
fn noise(volume: &Path, dice: &mut Rng) -> io::Result<()> {
    let directory = volume.join("noise");
    fs::create_dir_all(&directory)?;
    for _ in 0..dice.usize(..4) {
        let name = directory.join(dice.u8(..12).to_string());
        match dice.u8(..4) {
            0 => fs::rename(&name, directory.join(dice.u8(..12).to_string())),
            // What replaces a file is written out soon, and not flushed.
            _ => fs::write(&name, vec![dice.u8(..); dice.usize(..60_000)]),
        }
        .or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(())
}
