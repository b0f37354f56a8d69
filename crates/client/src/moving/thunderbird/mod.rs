//! Thunderbird: `prefs.js` of a profile, and `popstate.dat` in the directory of each account that uses POP3.
//!
//! Its passwords are encrypted in a store of its own, so nobody can move them; and its folders are its own, so fetched mail goes
//! into Maildirs.

mod account;
mod popstate;
mod prefs;
mod profile;

use std::path::Path;

use super::names::Names;
use super::notes::Notes;
use super::read::{Text, unusable};
use super::seen::Spelling;
use super::table::Keep;
use super::{Moved, MovingError, Surroundings};

/// A program writes them; those of a user of many years have a few hundred KiB.
const PREFS_OCTETS_MAX: u64 = 16 << 20;
/// More are no configuration of a person.
const ACCOUNT_COUNT_MAX: usize = 1_000;

/// Reads the profile at `path`, or the one that Thunderbird opens.
pub(super) fn moved(path: Option<&Path>, around: &Surroundings) -> Result<Moved, MovingError> {
    let file = profile::prefs(path, around)?;
    let text = Text::read_up_to(PREFS_OCTETS_MAX, &file)?;
    let prefs = prefs::Prefs::read(&text.text, "mail.server.");
    let mut servers: Vec<&str> = prefs
        .names()
        .filter_map(|it| it.strip_prefix("mail.server.")?.strip_suffix(".type"))
        .filter(|it| prefs.text(&format!("mail.server.{it}.type")) == Some("pop3"))
        .take(ACCOUNT_COUNT_MAX)
        .collect();
    if servers.is_empty() {
        return Err(unusable(&file, "it has no account that uses POP3"));
    }
    // server2 comes before server10.
    servers.sort_by_key(|it| (it.len(), *it));
    let mut notes = Notes::of(&file);
    let mut names = Names::taken(&around.taken);
    let mut moved = Moved::default();
    moved.files.push(file.clone());
    for key in servers {
        let server = account::Server {
            prefs: &prefs,
            key,
            around,
        };
        let Some((name, table, found)) = server.account(&mut names, &mut notes) else {
            continue;
        };
        let state = server.directory(&file, &table.host).join("popstate.dat");
        let mut seen = Vec::new();
        if state.is_file() {
            seen = popstate::seen(&state, &server.hosts(), &server.users(), &mut notes)?;
            moved.files.push(state);
        } else if table.keep != Keep::Never {
            notes.about(
                format!("no {}", state.display()),
                "all that is on the server counts as new; if you have it, run `restante fetch mark-seen` before you fetch",
            );
        }
        let seen = (seen, Spelling::FirstWord);
        moved
            .accounts
            .push(super::account::account(name, table, found, seen, around));
    }
    moved.notes = notes.into_list();
    Ok(moved)
}

#[cfg(test)]
mod tests;
