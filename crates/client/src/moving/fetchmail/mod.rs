//! fetchmail: `~/.fetchmailrc` and `~/.fetchids` (fetchmail(1), 6.4).
//!
//! Its defaults are not ours: mail is deleted from the server when it has been delivered, TLS is used if the server offers it,
//! and mail is handed to the SMTP server of this machine.

mod account;
mod configuration;
mod ids;
mod options;
mod words;

use std::path::Path;

use super::names::Names;
use super::netrc::Netrc;
use super::notes::{Notes, shown};
use super::read::{Text, unusable};
use super::seen::Spelling;
use super::{Moved, MovingError, Program, Surroundings};

/// Longer ones are what stands between two quotes that do not belong together.
const WORD_OCTETS_MAX: usize = 4096;

/// Reads the configuration at `path`, or where it usually is, and the unique-ids of its accounts.
pub(super) fn moved(path: Option<&Path>, around: &Surroundings) -> Result<Moved, MovingError> {
    let usual = around.home.join(".fetchmailrc");
    let file = path.unwrap_or(&usual);
    if path.is_none() && !usual.exists() {
        return Err(MovingError::NotFound {
            program: Program::Fetchmail,
            looked_for: vec![usual],
        });
    }
    let text = Text::read(file)?;
    let mut notes = Notes::of(file);
    let words = words::words(&text.text);
    if let Some(long) = words.iter().find(|it| it.text.len() > WORD_OCTETS_MAX) {
        return Err(unusable(
            file,
            format!(
                "a word of more than {WORD_OCTETS_MAX} octets in line {}; is a quote missing?",
                long.line
            ),
        ));
    }
    let configured = configuration::configuration(words, &mut notes);
    if configured.servers.is_empty() {
        return Err(unusable(file, "it configures no server of fetchmail's"));
    }
    let mut moved = Moved::default();
    moved.files.push(file.to_owned());

    let netrc = Netrc::of(around);
    let reader = account::Reader {
        encoding: text.encoding(),
        netrc: &netrc,
        around,
        daemon: configured.daemon,
    };
    let all = || {
        configured
            .servers
            .iter()
            .flat_map(|server| server.users.iter().map(move |user| (server, user)))
    };
    let whose: Vec<(String, String)> = all()
        .map(|(server, user)| reader.whose(server, user))
        .collect();
    let configured_ids = configured.id_file.as_deref().map(|it| around.expanded(it));
    let ids = match ids::file(configured_ids, file, &around.home) {
        Some(id_file) => {
            let ids = ids::Ids::read(&id_file, &whose, &mut notes)?;
            moved.files.push(id_file);
            ids
        }
        None => ids::Ids::default(),
    };

    let mut names = Names::taken(&around.taken);
    for ((server, user), (remote, host)) in all().zip(&whose) {
        if server.skipped && user.line == server.users[0].line {
            notes.at(
                server.line,
                format!("skip {}", shown(&server.name)),
                "fetchmail fetches it only when it is named; here every account is fetched that is configured",
            );
        }
        let Some((table, found)) = reader.account(server, user, &mut notes) else {
            continue;
        };
        let wanted = if server.users.len() == 1 {
            server.name.clone()
        } else {
            format!("{remote}-{}", server.name)
        };
        let name = names.like(&wanted);
        let seen = ids.of(remote, host);
        if seen.is_empty() && table.keep != super::table::Keep::Never {
            notes.at(
                user.line,
                format!("user {} of {} has no unique-ids in .fetchids", shown(remote), shown(host)),
                "all that is on its server counts as new; if you have it, run `restante fetch mark-seen` before you fetch",
            );
        }
        let mut table = table;
        if table.deliver.is_empty() {
            table.deliver = vec![reader.maildir(&name)];
        }
        moved.accounts.push(super::account::account(
            name,
            table,
            found,
            (seen.to_vec(), Spelling::FirstWord),
            around,
        ));
    }
    moved.notes = notes.into_list();
    Ok(moved)
}

#[cfg(test)]
mod tests;
