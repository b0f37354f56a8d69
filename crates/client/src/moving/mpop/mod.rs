//! mpop: `~/.mpoprc` or `~/.config/mpop/config`, and `~/.mpop_uidls/*` (mpop(1), 1.4).
//!
//! Its defaults are not ours: no TLS, and mail is deleted from the server when it has been delivered.

mod account;
mod configuration;
mod connection;
mod keeping;
mod uidls;

use std::path::Path;

use super::names::Names;
use super::netrc::Netrc;
use super::notes::Notes;
use super::read::{Text, unusable};
use super::{Moved, MovingError, Program, Surroundings};

/// Reads the configuration at `path`, or where it usually is, and the unique-ids of each of its accounts.
pub(super) fn moved(path: Option<&Path>, around: &Surroundings) -> Result<Moved, MovingError> {
    let usual = [
        around.home.join(".mpoprc"),
        around.config_home.join("mpop/config"),
    ];
    let file = match path {
        Some(path) => path,
        None => usual
            .iter()
            .find(|it| it.exists())
            .ok_or_else(|| MovingError::NotFound {
                program: Program::Mpop,
                looked_for: usual.to_vec(),
            })?,
    };
    let text = Text::read(file)?;
    let mut notes = Notes::of(file);
    let configured = configuration::accounts(&text.text, &mut notes);
    if configured.is_empty() {
        return Err(unusable(file, "it configures no account of mpop's"));
    }
    let netrc = Netrc::of(around);
    let mut names = Names::taken(&around.taken);
    let mut moved = Moved::default();
    moved.files.push(file.to_owned());
    for settings in &configured {
        let name = names.like(&settings.name);
        let reader = account::Reader {
            settings,
            encoding: text.encoding(),
            netrc: &netrc,
            around,
        };
        moved
            .accounts
            .extend(reader.account(name, &mut notes, &mut moved.files)?);
    }
    moved.notes = notes.into_list();
    Ok(moved)
}

#[cfg(test)]
mod tests;
