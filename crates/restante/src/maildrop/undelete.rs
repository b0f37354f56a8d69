//! `restante maildrop undelete`: what a user deleted, as long as the maildrop's file holds it, and what
//! was hidden.

use std::time::{Duration, UNIX_EPOCH};

use maildrop::{Deleted, HiddenMessage, Maildrops};
use serde_json::json;

use super::{Owned, owned, unreadable};
use crate::config::Config;
use crate::date;
use crate::failure::{Code, Failure};
use crate::output::{count, note, say};

/// What `maildrop undelete` was asked for.
pub(super) struct Asked<'a> {
    pub(super) account: &'a str,
    /// Unique-ids of the messages; none: only list what there is.
    pub(super) messages: &'a [String],
    /// Everything.
    pub(super) all: bool,
    pub(super) json: bool,
}

/// Lists what could be brought back, or brings it back.
///
/// # Errors
///
/// EX_DATAERR when there is no such message, when it is not whole any more, or when the maildrop is
/// damaged; EX_IOERR when that cannot be read.
pub(super) fn undelete(config: &Config, asked: &Asked<'_>) -> Result<(), Failure> {
    let (owned, maildrops) = owned(config, Some(asked.account))?;
    let owned = &owned[0];
    let deleted = maildrops
        .deleted(owned.id)
        .map_err(|error| unreadable(owned, &error))?;
    let hidden = maildrops
        .hidden(owned.id)
        .map_err(|error| unreadable(owned, &error))?;
    if asked.messages.is_empty() && !asked.all {
        return list(owned, &deleted, &hidden, asked.json);
    }
    let mut unknown = asked.messages.to_vec();
    let mut is_wanted = |unique_id: String| {
        let is_named = unknown.contains(&unique_id);
        unknown.retain(|asked| *asked != unique_id);
        asked.all || is_named
    };
    let mut uids = Wanted::default();
    for it in &deleted {
        if is_wanted(it.unique_id.to_string()) {
            uids.deleted.push(it.uid);
            if it.is_hidden {
                uids.hidden_before.push(it.uid);
            }
        }
    }
    for it in &hidden {
        if is_wanted(it.unique_id.to_string()) {
            uids.hidden.push(it.uid);
        }
    }
    let lost = match asked.all || !uids.deleted.is_empty() || !uids.hidden.is_empty() {
        true => bring_back(&maildrops, owned, uids)?,
        false => 0,
    };
    let unknown = unknown.iter().map(|id| format!("{id:?}"));
    let unknown = unknown.collect::<Vec<_>>().join(", ");
    let unknown = (!unknown.is_empty()).then(|| {
        format!(
            "the maildrop of {} has no deleted or hidden {unknown}",
            owned.name()
        )
    });
    match (lost, unknown) {
        (0, None) => Ok(()),
        (0, Some(unknown)) => Err(Failure::new(Code::Data, unknown).remedy(format!(
            "see what there is: restante maildrop undelete {}",
            owned.name()
        ))),
        (lost, unknown) => {
            if let Some(unknown) = unknown {
                note!("{unknown}");
            }
            Err(Failure::new(
                Code::Data,
                format!(
                    "{} not be brought back: the file does not hold them whole any more",
                    count(lost, "message could", "messages could")
                ),
            )
            .remedy("a backup may have them: restante maildrop restore"))
        }
    }
}

/// What shall come back, by uid.
#[derive(Default)]
struct Wanted {
    deleted: Vec<u64>,
    /// Those of the deleted ones that were hidden before.
    hidden_before: Vec<u64>,
    hidden: Vec<u64>,
}

/// Returns how many messages the file does not hold any more.
fn bring_back(maildrops: &Maildrops, owned: &Owned, wanted: Wanted) -> Result<u64, Failure> {
    let Wanted {
        deleted,
        hidden_before,
        mut hidden,
    } = wanted;
    let back = maildrops
        .undelete(owned.id, &deleted)
        .map_err(|error| unreadable(owned, &error))?;
    let count_back = back.len() + hidden.len();
    // What was hidden when it was deleted shall be seen, too. Where nothing was, there is no second
    // change that could fail after the first has been made.
    hidden.extend(hidden_before.iter().filter(|uid| back.contains(uid)));
    if !hidden.is_empty() {
        maildrops
            .unhide(owned.id, &hidden)
            .map_err(|error| unreadable(owned, &error))?;
    }
    say!(
        "{} back in the maildrop of {}.",
        count(count_back as u64, "message is", "messages are"),
        owned.name()
    )?;
    Ok((deleted.len() - back.len()) as u64)
}

fn list(
    owned: &Owned,
    deleted: &[Deleted],
    hidden: &[HiddenMessage],
    json: bool,
) -> Result<(), Failure> {
    for it in deleted {
        let since = Duration::from_micros(u64::try_from(it.deleted_us).unwrap_or(0));
        let deleted = date::moment(UNIX_EPOCH + since);
        match json {
            true => say!(
                "{}",
                json!({
                    "unique_id": it.unique_id.to_string(),
                    "octets": it.octets.0,
                    "deleted": deleted,
                    "kept": it.is_kept,
                    "hidden": it.is_hidden,
                })
            )?,
            false => say!(
                "{}  {:>12}  {deleted}{}",
                it.unique_id,
                it.octets.0,
                if it.is_kept {
                    ""
                } else {
                    "  may go at any time"
                }
            )?,
        }
    }
    for it in hidden {
        match json {
            true => say!(
                "{}",
                json!({
                    "unique_id": it.unique_id.to_string(),
                    "octets": it.octets.0,
                    "hidden": true,
                })
            )?,
            false => say!("{}  {:>12}  hidden", it.unique_id, it.octets.0)?,
        }
    }
    if deleted.is_empty() && hidden.is_empty() && !json {
        note!("Nothing of {} can be brought back.", owned.name());
    }
    Ok(())
}
