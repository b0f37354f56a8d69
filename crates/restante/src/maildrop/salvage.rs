//! `restante maildrop salvage`: what can be saved of a damaged file, into another directory.
//!
//! The damaged file stays as it is. How the result gets into place is printed, and left to a
//! person: only a person can tell what nobody can verify.

use std::fs;
use std::path::{Path, PathBuf};

use maildrop::{MaildropId, Salvaged, State, Trust};

use super::{bar, named, stock_of};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};
use crate::rights;

/// Saves what is in the file of an account, or in any file.
///
/// # Errors
///
/// When the file cannot be read or the destination not be written; EX_DATAERR when something is
/// lost or cannot be verified: it has been told then.
pub(super) fn salvage(config: &Config, from: &str, to: &Path) -> Result<(), Failure> {
    rights::become_owner(config)?;
    let (file, account) = match from.contains('/') || from.ends_with(".rsm") {
        true => (PathBuf::from(from), None),
        false => {
            let (accounts, maildrops) = stock_of(config)?;
            let owned = named(&accounts, &[from])?.remove(0);
            let file = maildrops.path(owned.id).unwrap_or_default();
            (file, owned.account)
        }
    };
    let unreadable = |error: std::io::Error| {
        Failure::new(Code::NoInput, output::unreadable(&file, &error))
            .remedy("name an account, or a file .rsm that the owner of the data directory may read")
    };
    let file = file.canonicalize().map_err(unreadable)?;
    let length = fs::metadata(&file).map_err(unreadable)?.len();
    let drop: Option<MaildropId> = file
        .file_stem()
        .and_then(|stem| stem.to_str()?.get(..16)?.parse().ok());
    let bar = bar(
        length,
        "{bar:30} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} to go",
    );
    let done = maildrop::salvage(&file, drop, to, &mut |octets| bar.inc(octets));
    bar.finish_and_clear();
    let done = done.map_err(|error| {
        Failure::new(
            Code::CannotCreate,
            format!(
                "{} cannot be salvaged to {}: {}",
                file.display(),
                to.display(),
                output::plain(&error)
            ),
        )
        .remedy("name an empty directory that has room, and that the owner of the data directory may write")
    })?;
    tell(&done, account.as_deref(), to)
}

fn tell(done: &Salvaged, account: Option<&str>, to: &Path) -> Result<(), Failure> {
    for damage in &done.damages {
        note!("byte {}: {}", damage.offset, damage.what);
    }
    match done.trust {
        Trust::Whole => {}
        Trust::Mended => note!("One bit of the file's header was wrong; it is known which."),
        Trust::Salt => note!("The file's header is damaged; unique-ids may have changed."),
        Trust::Nothing => note!("The file's header is lost, so nothing in it can be verified."),
    }
    let number = |state: State| {
        let all = done.messages.iter();
        all.filter(|message| message.state == state).count() as u64
    };
    let messages = |state| count(number(state), "message", "messages");
    let to = to.display();
    say!("{} verified: they can be restored", messages(State::Live))?;
    for (state, what) in [
        (State::Deleted, "verified, but a session had deleted them"),
        (State::Damaged, "damaged: their texts as they are"),
        (
            State::Unverified,
            "only look like messages: anybody can have written them",
        ),
    ] {
        if number(state) > 0 {
            say!("{} {what}: {to}/{}", messages(state), state.name())?;
        }
    }
    say!("What is what: {to}/report.json")?;
    let account = account.or_else(|| Some(done.account.as_str()).filter(|name| !name.is_empty()));
    let account = account.unwrap_or("ACCOUNT");
    if done.restorable.is_some() {
        say!("Put the verified ones into place: restante maildrop restore {to} {account}")?;
    }
    if done.messages.iter().any(|message| message.file.is_some()) {
        say!(
            "Look through the others; bring in what is wanted: restante maildrop import {account} DIR"
        )?;
    }
    let lost = number(State::Damaged) + number(State::Unverified);
    match (done.damages.is_empty(), lost, done.trust) {
        (true, 0, Trust::Whole | Trust::Mended) => Ok(()),
        _ => Err(Failure::new(Code::Data, "the file is damaged; see above")
            .remedy("a backup may have what is lost: restante maildrop restore")),
    }
}
