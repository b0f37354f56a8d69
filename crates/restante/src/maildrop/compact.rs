//! `restante maildrop compact`: gives back at once what housekeeping would give back when it pays.

use std::io;

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
    let (mut given, mut in_use, mut failed, mut worst) = (0, 0, 0, Code::Temporary);
    for owned in &wanted {
        match maildrops.compact(owned.id) {
            Ok(done) => given += done.before.saturating_sub(done.after),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                in_use += 1;
                note!("{}: in use", owned.name());
            }
            Err(error) => {
                failed += 1;
                worst = match error.kind() {
                    io::ErrorKind::InvalidData => Code::Data,
                    _ => Code::InputOutput,
                };
                note!("{}: {}", owned.name(), output::plain(&error));
            }
        }
    }
    say!("{} of the disk given back.", octets(given))?;
    let left = count(in_use + failed, "maildrop is", "maildrops are");
    let failure = Failure::new(worst, format!("{left} as before; see above"));
    match (in_use, failed) {
        (0, 0) => Ok(()),
        (_, 0) => Err(failure.remedy("try again when nobody is logged in")),
        _ => Err(failure.remedy("restante maildrop verify tells more")),
    }
}
