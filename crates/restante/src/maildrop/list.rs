//! `restante maildrop list`: who has how much, or what one maildrop holds.

use std::io;

use maildrop::Summary;
use pop3::MessageNumber;
use serde_json::json;

use super::{open, owned};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, octets, say};

/// Lists all maildrops.
///
/// # Errors
///
/// EX_DATAERR when one is damaged, EX_IOERR when one cannot be read; the others are listed all the same.
pub(super) fn list(config: &Config, json: bool) -> Result<(), Failure> {
    let (all, maildrops) = owned(config, None)?;
    let width = all
        .iter()
        .map(|owned| owned.name().len())
        .max()
        .unwrap_or(0);
    let (mut failed, mut code) = (0, Code::Data);
    for owned in &all {
        let name = owned.name();
        match maildrops.summary(owned.id) {
            Ok(summary) if json => say!(
                "{}",
                json!({
                    "account": owned.account,
                    "maildrop": owned.id.to_string(),
                    "messages": summary.messages,
                    "octets": summary.octets,
                    "hidden_messages": summary.hidden_messages,
                    "file_octets": summary.file_octets,
                    "disk_octets": summary.disk_octets,
                    "reclaimable_octets": summary.reclaimable_octets,
                    "grace_messages": summary.grace_messages,
                    "grace_octets": summary.grace_octets,
                })
            )?,
            Ok(summary) => {
                let line = format!(
                    "{name:<width$}  {:<14}  {:<12}  {}",
                    count(summary.messages, "message", "messages"),
                    octets(summary.octets),
                    remarks(&summary)
                );
                say!("{}", line.trim_end())?;
            }
            Err(error) => {
                failed += 1;
                // A disk that fails is more than a file that makes no sense.
                if error.kind() != io::ErrorKind::InvalidData {
                    code = Code::InputOutput;
                }
                note!("{name}: {}", output::plain(&error));
            }
        }
    }
    match failed {
        0 => Ok(()),
        number => Err(Failure::new(
            code,
            format!("{} cannot be read", count(number, "maildrop", "maildrops")),
        )
        .remedy("restante maildrop verify tells more")),
    }
}

/// What a maildrop has beside its messages.
fn remarks(summary: &Summary) -> String {
    let mut remarks = Vec::new();
    if summary.hidden_messages > 0 {
        remarks.push(format!("{} hidden", summary.hidden_messages));
    }
    if summary.grace_messages > 0 {
        remarks.push(format!(
            "{} ({}) can be brought back",
            count(
                summary.grace_messages,
                "deleted message",
                "deleted messages"
            ),
            octets(summary.grace_octets)
        ));
    }
    if summary.reclaimable_octets > 0 {
        remarks.push(format!(
            "{} reclaimable",
            octets(summary.reclaimable_octets)
        ));
    }
    remarks.join(", ")
}

/// Lists the messages of one maildrop.
///
/// # Errors
///
/// When the account is unknown, or its maildrop cannot be opened.
pub(super) fn messages(config: &Config, account: &str, json: bool) -> Result<(), Failure> {
    let (owned, maildrops) = owned(config, Some(account))?;
    let open = open(&maildrops, &owned[0])?;
    let listing = open.listing();
    for number in (0..listing.len()).filter_map(MessageNumber::from_index) {
        let (Some(octets), Some(unique_id)) = (listing.octets(number), listing.unique_id(number))
        else {
            continue;
        };
        let unique_id = String::from_utf8_lossy(&unique_id);
        let is_hidden = open.is_hidden(number);
        match json {
            true => say!(
                "{}",
                json!({
                    "message": number.get(),
                    "octets": octets.0,
                    "unique_id": unique_id,
                    "hidden": is_hidden,
                })
            )?,
            false => say!(
                "{number:>6}  {:>12}  {unique_id}{}",
                octets.0,
                if is_hidden { "  hidden" } else { "" }
            )?,
        }
    }
    if listing.is_empty() && !json {
        note!("The maildrop of {} is empty.", owned[0].name());
    }
    Ok(())
}
