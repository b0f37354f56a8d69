//! `restante maildrop compact`: gives back at once what housekeeping would give back when it pays.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::{all, named, stock_of};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, octets, say};

/// Writes the files of some accounts, or of all, anew without what is dead.
///
/// # Errors
///
/// EX_TEMPFAIL when somebody uses a maildrop, EX_DATAERR when one is damaged; the others are done.
pub(super) fn compact(config: &Config, accounts: &[String]) -> Result<(), Failure> {
    let (stock, maildrops) = stock_of(config)?;
    let wanted = match accounts {
        [] => all(&stock, &maildrops)?,
        some => named(&stock, some)?,
    };
    let (mut given, mut failed, mut worst) = (0, 0, Code::Temporary);
    let mut left: Vec<_> = wanted.iter().collect();
    let mut until = None;
    loop {
        left.retain(|owned| match maildrops.compact(owned.id) {
            Ok(done) => {
                given += done.before.saturating_sub(done.after);
                false
            }
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => true,
            Err(error) => {
                failed += 1;
                worst = match error.kind() {
                    io::ErrorKind::InvalidData => Code::Data,
                    _ => Code::InputOutput,
                };
                note!("{}: {}", owned.name(), output::plain(&error));
                false
            }
        });
        // All others first; how long that takes does not shorten the time for those.
        let until = *until.get_or_insert_with(|| Instant::now() + PATIENCE);
        if left.is_empty() || Instant::now() >= until {
            break;
        }
        thread::sleep(PAUSE);
    }
    for owned in &left {
        note!(
            "{}: in use by a session, or by the server's housekeeping after one",
            owned.name()
        );
    }
    let in_use = left.len() as u64;
    say!("{} of the disk given back.", octets(given))?;
    let left = count(in_use + failed, "maildrop is", "maildrops are");
    let failure = Failure::new(worst, format!("{left} as before; see above"));
    match (in_use, failed) {
        (0, 0) => Ok(()),
        (_, 0) => Err(failure.remedy("try again when nobody is logged in")),
        _ => Err(failure.remedy("restante maildrop verify tells more")),
    }
}

/// For so long maildrops in use are tried again: after a session the server has housekeeping of its
/// own to do, which takes a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// From try to try.
const PAUSE: Duration = Duration::from_millis(100);
