//! `restante maildrop undelete`: what a user deleted, as long as the maildrop's file holds it.

use std::collections::HashSet;
use std::time::{Duration, UNIX_EPOCH};

use maildrop::{Deleted, Maildrops};
use serde_json::json;

use super::{Owned, owned, store};
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
/// EX_DATAERR when there is no such message, or it is not whole any more.
pub(super) fn undelete(config: &Config, asked: &Asked<'_>) -> Result<(), Failure> {
    let (owned, maildrops) = owned(config, Some(asked.account))?;
    let owned = &owned[0];
    let deleted = maildrops.deleted(owned.id).map_err(|error| store(&error))?;
    if asked.messages.is_empty() && !asked.all {
        return list(owned, &deleted, asked.json);
    }
    let mut wanted: HashSet<&str> = asked.messages.iter().map(String::as_str).collect();
    let uids: Vec<u64> = deleted
        .iter()
        .filter(|it| wanted.remove(it.unique_id.to_string().as_str()) || asked.all)
        .map(|it| it.uid)
        .collect();
    for unique_id in &wanted {
        note!("{unique_id}: there is no such deleted message");
    }
    bring_back(&maildrops, owned, &uids, wanted.len() as u64)
}

fn bring_back(
    maildrops: &Maildrops,
    owned: &Owned,
    uids: &[u64],
    unknown: u64,
) -> Result<(), Failure> {
    let back = maildrops
        .undelete(owned.id, uids)
        .map_err(|error| store(&error))?;
    say!(
        "{} back in the maildrop of {}.",
        count(back.len() as u64, "message is", "messages are"),
        owned.name()
    )?;
    let left = (uids.len() - back.len()) as u64 + unknown;
    match left {
        0 => Ok(()),
        left => Err(Failure::new(
            Code::Data,
            format!(
                "{} not be brought back: the file does not hold them whole any more",
                count(left, "message could", "messages could")
            ),
        )
        .remedy("a backup may have them: restante maildrop restore")),
    }
}

fn list(owned: &Owned, deleted: &[Deleted], json: bool) -> Result<(), Failure> {
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
    if deleted.is_empty() && !json {
        note!("Nothing of {} can be brought back.", owned.name());
    }
    Ok(())
}
