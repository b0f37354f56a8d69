//! The steps that a workload is made of.

use std::io;
use std::thread;
use std::time::Duration;

use auth::Accounts;
use fastrand::Rng;
use maildrop::{MaildropId, Maildrops, NativeSettings};

use super::acts::Strike;
use super::{NAMES, Workload};
use crate::dialogue::Lmtp;
use crate::program::Doom;

impl Workload<'_> {
    pub(super) fn deliver_then_list(&self, dice: &mut Rng) -> io::Result<()> {
        let name = some_name(dice);
        self.deliver(name, None)?;
        self.list(name)
    }

    pub(super) fn kill_deliver_then_list(&self, dice: &mut Rng) -> io::Result<()> {
        let name = some_name(dice);
        self.deliver(name, Some(self.doom(dice)))?;
        self.list(name)
    }

    /// At a system call, if strace is there: between a write and its sync lie a few microseconds,
    /// which no clock hits.
    pub(super) fn doom(&self, dice: &mut Rng) -> Doom {
        if !self.traces || dice.u8(..3) == 0 {
            return Doom::After(some_us(dice, 20_000));
        }
        match dice.u8(..8) {
            0 => Doom::At("pwritev", dice.u32(1..3)),
            1 => Doom::At("fsync", dice.u32(1..6)),
            2 => Doom::At("linkat", 1),
            _ => Doom::At("fdatasync", dice.u32(1..3)),
        }
    }

    pub(super) fn at_once(&self, dice: &mut Rng) -> io::Result<()> {
        let name = some_name(dice);
        let (pause, doomed) = (some_us(dice, 15_000), self.doom(dice));
        thread::scope(|scope| {
            let all = [
                scope.spawn(move || self.deliver(name, None)),
                scope.spawn(move || self.deliver(name, Some(doomed))),
                scope.spawn(move || {
                    thread::sleep(pause);
                    self.list(name)?;
                    self.list(name)
                }),
            ];
            all.into_iter().try_for_each(|one| match one.join() {
                Ok(ended) => ended,
                Err(_) => Err(io::Error::other("a thread panicked")),
            })
        })
    }

    pub(super) fn lmtp(&self, dice: &mut Rng) -> io::Result<()> {
        self.lmtp_of(dice, Strike::Never)?;
        self.list(some_name(dice))
    }

    pub(super) fn session(&self, dice: &mut Rng) -> io::Result<()> {
        let share = dice.choice([0.0, 0.3, 0.5, 1.0]).unwrap_or(0.5);
        self.session_of(some_name(dice), dice, share, Strike::Never)
    }

    pub(super) fn kill_server(&self, dice: &mut Rng) -> io::Result<()> {
        let most = dice.choice([0, 500, 2500]).unwrap_or(0);
        let strike = Strike::After(some_us(dice, most));
        match dice.u8(..3) == 0 {
            true => self.lmtp_of(dice, strike)?,
            false => self.session_of(some_name(dice), dice, 0.7, strike)?,
        }
        self.restart()
    }

    /// The server dies at a sync of its own: what it had written is in the cache only.
    pub(super) fn kill_server_at_sync(&self, dice: &mut Rng) -> io::Result<()> {
        if !self.traces {
            return self.kill_server(dice);
        }
        let doom = Doom::At("fdatasync", dice.u32(1..6));
        {
            let mut server = self.server();
            *server = None;
            // It may die before it listens.
            *server = self.program.serve(Some(doom)).ok();
        }
        let strike = Strike::After(Duration::from_millis(50));
        for _ in 0..2 {
            self.lmtp_of(dice, Strike::Doomed)?;
            self.session_of(some_name(dice), dice, 0.7, Strike::Doomed)?;
        }
        self.strike(strike)?;
        self.restart()
    }

    /// The server replaces the file of a maildrop that a session has emptied, just when the next
    /// message comes.
    pub(super) fn empty_then_deliver(&self, dice: &mut Rng) -> io::Result<()> {
        let name = some_name(dice);
        self.session_of(name, dice, 1.0, Strike::Never)?;
        thread::sleep(some_us(dice, 8000));
        match dice.bool() {
            true => self.deliver(name, None)?,
            false => {
                let mut lmtp = Lmtp::connect(self.program.lmtp_port)?;
                self.deliver_by_lmtp(&mut lmtp, &[name], Strike::Never)?;
            }
        }
        self.list(name)
    }

    /// What is hidden is shown again, and the session that comes next sees it.
    pub(super) fn show_again(&self, dice: &mut Rng) -> io::Result<()> {
        let name = some_name(dice);
        let doom = match dice.u8(..3) {
            0 => None,
            1 => Some(Doom::After(some_us(dice, 20_000))),
            _ => Some(self.doom(dice)),
        };
        self.show(name, dice, doom)?;
        self.list(name)?;
        self.session_of(name, dice, 0.3, Strike::Never)
    }

    /// From the next session on deletions of an account hide, or delete again.
    pub(super) fn change_disposition(&self, dice: &mut Rng) -> io::Result<()> {
        let disposition = if dice.bool() { "hide" } else { "delete" };
        self.program.set_disposition(some_name(dice), disposition)
    }

    pub(super) fn add_account(&self, dice: &mut Rng) -> io::Result<()> {
        let name = format!("late{}", dice.u32(..));
        self.program.add_user(&name)?;
        let position = self.position()?;
        self.history().account(&name, position);
        Ok(())
    }

    /// Rewrites a maildrop without what is dead in it: by a command that may be killed, if this
    /// build has it.
    pub(super) fn compact(&self, dice: &mut Rng) -> io::Result<()> {
        let name = some_name(dice);
        if self.compacts {
            let doom = match dice.u8(..4) {
                0 => Doom::At("fsync", dice.u32(1..4)),
                1 => Doom::At("fdatasync", dice.u32(1..4)),
                2 => Doom::At("renameat", 1),
                _ => Doom::After(Duration::from_secs(1)),
            };
            self.program.compact(name, doom)?;
        } else {
            let account = Accounts::open(&self.data).and_then(|accounts| accounts.show(name));
            let id = MaildropId(account.map_err(io::Error::other)?.maildrop);
            let settings = NativeSettings::default();
            match Maildrops::native(&self.data, &settings)?.compact(id) {
                Err(error) if error.kind() != io::ErrorKind::ResourceBusy => return Err(error),
                _ => {}
            }
        }
        self.list(name)
    }
}

fn some_us(dice: &mut Rng, max: u64) -> Duration {
    Duration::from_micros(dice.u64(..=max))
}

fn some_name(dice: &mut Rng) -> &'static str {
    NAMES[dice.usize(..NAMES.len())]
}
