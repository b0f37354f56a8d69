//! What is done to the program, each time with the promise noted that came of it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use super::{NAMES, Workload};
use crate::dialogue::{Lmtp, Session, is_refusal};
use crate::history::{Deed, Listing, Sight};
use crate::letter::{Letter, Way, stuff};
use crate::program::Doom;

/// Above this a session deletes most of what it finds: a small disk stays half empty.
const MESSAGES_MAX: usize = 12;

/// When a server is killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Strike {
    /// Not at all.
    Never,
    /// So long after the request that asks for a promise.
    After(Duration),
    /// By itself, at any time.
    Doomed,
}

impl Workload<'_> {
    pub(super) fn letter(&self) -> Letter {
        Letter {
            seed: self.seed,
            number: self.number.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(super) fn deliver(&self, name: &str, doom: Option<Doom>) -> io::Result<()> {
        let letter = self.letter();
        let position = self.position()?;
        self.history().announce(name, letter.number, position);
        let promised = self.program.deliver(name, &letter.plain(), doom)?;
        let position = self.position()?;
        self.history()
            .delivered(name, letter.number, position, promised);
        Ok(())
    }

    /// What another process is shown.
    pub(super) fn list(&self, name: &str) -> io::Result<()> {
        self.listed(name).map(drop)
    }

    /// The same: what it was shown, and which of these messages are hidden. Nothing, if a session
    /// holds the maildrop.
    fn listed(&self, name: &str) -> io::Result<(Listing, BTreeSet<u32>)> {
        let position = self.position()?;
        let asked = self.history().moment(position);
        let nothing = || Ok((Listing::new(), BTreeSet::new()));
        let Some(unique_ids) = self.program.list(name)? else {
            return nothing();
        };
        let position = self.position()?;
        let (mut listing, mut hidden) = (Listing::new(), BTreeSet::new());
        for (unique_id, is_hidden) in unique_ids {
            let known = self.history().known(name, &unique_id);
            let number = match known {
                Some(number) => number,
                None => match self.program.show(name, &unique_id)? {
                    Some(plain) => match self.recognised(name, &stuff(&plain)) {
                        Some(number) => number,
                        None => return nothing(),
                    },
                    // A session has deleted it meanwhile, or holds the maildrop.
                    None => return nothing(),
                },
            };
            listing.push((unique_id, number));
            if is_hidden {
                hidden.insert(number);
            }
        }
        let sight = Sight::All(hidden.clone());
        let shown = self
            .history()
            .shown(name, &listing, &sight, asked, position);
        shown.unwrap_or_else(|what| self.is_broken(what));
        Ok((listing, hidden))
    }

    /// The operator shows again some of what is hidden, in a process that may be killed.
    pub(super) fn show(&self, name: &str, dice: &mut Rng, doom: Option<Doom>) -> io::Result<()> {
        let (listing, hidden) = self.listed(name)?;
        let mut unique_ids = Vec::new();
        let mut batch = BTreeSet::new();
        for (unique_id, number) in listing {
            if hidden.contains(&number) && dice.u8(..3) != 0 {
                unique_ids.push(unique_id);
                batch.insert(number);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let position = self.position()?;
        let place = self.history().asked(name, Deed::Show, batch, position);
        let done = self.program.undelete(name, &unique_ids, doom)?;
        let position = self.position()?;
        self.history().ended(name, place, position, done);
        Ok(())
    }

    pub(super) fn recognised(&self, name: &str, stored: &[u8]) -> Option<u32> {
        match Letter::recognise(stored, self.seed) {
            Ok((letter, Way::Pipe | Way::Lmtp)) => Some(letter.number),
            Err(what) => {
                self.is_broken(format!("{name}, without a power cut: {what}"));
                None
            }
        }
    }

    pub(super) fn strike(&self, strike: Strike) -> io::Result<()> {
        let Strike::After(patience) = strike else {
            return Ok(());
        };
        thread::sleep(patience);
        let mut server = self.server();
        match server.as_mut() {
            Some(server) => server.kill(),
            None => Ok(()),
        }
    }

    /// Starts the server that was killed, and lets other processes look first.
    pub(super) fn restart(&self) -> io::Result<()> {
        let mut server = self.server();
        *server = None;
        for name in NAMES {
            self.list(name)?;
        }
        *server = Some(self.program.serve(None)?);
        Ok(())
    }

    pub(super) fn deliver_by_lmtp(
        &self,
        lmtp: &mut Lmtp,
        names: &[&str],
        strike: Strike,
    ) -> io::Result<()> {
        let letter = self.letter();
        let number = letter.number;
        let announced = Cell::new(false);
        let ended = lmtp.deliver(
            names,
            &letter.stuffed(),
            || {
                let position = self.position()?;
                for name in names {
                    self.history().announce(name, number, position);
                }
                announced.set(true);
                Ok(())
            },
            || self.strike(strike),
            |name| {
                let position = self.position()?;
                self.history().delivered(name, number, position, true);
                Ok(())
            },
        );
        if announced.get() && ended.is_err() {
            let position = self.position()?;
            for name in names {
                // Those that were acknowledged stay so.
                self.history().delivered(name, number, position, false);
            }
        }
        ended
    }

    pub(super) fn lmtp_of(&self, dice: &mut Rng, strike: Strike) -> io::Result<()> {
        survived(self.lmtp_with(dice, strike), strike)
    }

    pub(super) fn lmtp_with(&self, dice: &mut Rng, strike: Strike) -> io::Result<()> {
        let mut lmtp = Lmtp::connect(self.program.lmtp_port)?;
        let count = dice.usize(1..4);
        for left in (0..count).rev() {
            let recipients = 1 + usize::from(dice.u8(..4) == 0);
            let names = dice.choose_multiple(NAMES, recipients);
            let strike = match strike {
                Strike::After(_) if left > 0 => Strike::Never,
                strike => strike,
            };
            self.deliver_by_lmtp(&mut lmtp, &names, strike)?;
        }
        Ok(())
    }

    pub(super) fn session_of(
        &self,
        name: &str,
        dice: &mut Rng,
        share: f64,
        strike: Strike,
    ) -> io::Result<()> {
        survived(self.session_with(name, dice, share, strike), strike)
    }

    /// Retrieves what is new, deletes or hides a share of what is there, and ends by QUIT or without.
    pub(super) fn session_with(
        &self,
        name: &str,
        dice: &mut Rng,
        share: f64,
        strike: Strike,
    ) -> io::Result<()> {
        let position = self.position()?;
        let asked = self.history().moment(position);
        let Some(mut session) = Session::login(self.program.pop3_port, name)? else {
            return Ok(());
        };
        let unique_ids = session.unique_ids()?;
        let position = self.position()?;
        let share = match unique_ids.len() > MESSAGES_MAX {
            true => 0.9,
            false => share,
        };
        let mut listing = Listing::new();
        for (index, unique_id) in unique_ids.into_iter().enumerate() {
            let known = self.history().known(name, &unique_id);
            let number = match known {
                Some(number) if dice.u8(..4) != 0 => number,
                _ => match self.recognised(name, &session.retrieve(index)?) {
                    Some(number) => number,
                    None => return Ok(()),
                },
            };
            listing.push((unique_id, number));
        }
        let shown = self
            .history()
            .shown(name, &listing, &Sight::Session, asked, position);
        shown.unwrap_or_else(|what| self.is_broken(what));
        let (mut deed, mut batch) = (Deed::Delete, BTreeSet::new());
        for (index, (_, number)) in listing.iter().enumerate() {
            if dice.f64() < share {
                deed = session.delete(index)?;
                batch.insert(*number);
            }
        }
        if strike == Strike::Never && dice.u8(..8) == 0 {
            // The connection is lost: nothing may be deleted or hidden.
            return Ok(());
        }
        let position = self.position()?;
        let place = self.history().asked(name, deed, batch, position);
        let ended = session.quit(|| self.strike(strike));
        let position = self.position()?;
        self.history().ended(name, place, position, ended.is_ok());
        ended
    }
}

/// A connection that is gone is what a killed server leaves; anything else is an error.
fn survived(ended: io::Result<()>, strike: Strike) -> io::Result<()> {
    match ended {
        Err(error) if strike == Strike::Never || is_refusal(&error) => Err(error),
        _ => Ok(()),
    }
}
