//! `restante maildrop show`: one message as it was delivered.

use std::io::{self, Write as _};

use pop3::{MessageNumber, wire};

use super::{open, owned, read};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output;

/// Prints a message.
///
/// # Errors
///
/// When there is no such message, or it is damaged.
pub(super) fn show(config: &Config, account: &str, wanted: &str) -> Result<(), Failure> {
    let (owned, maildrops) = owned(config, Some(account))?;
    let open = open(&maildrops, &owned[0])?;
    let listing = open.listing();
    let is_wanted = |number: &MessageNumber| {
        wanted == number.to_string()
            || listing.unique_id(*number).as_deref() == Some(wanted.as_bytes())
    };
    let number = (0..listing.len())
        .filter_map(MessageNumber::from_index)
        .find(is_wanted)
        .ok_or_else(|| {
            Failure::new(
                Code::Data,
                format!(
                    "the maildrop of {} has no message {wanted:?}",
                    owned[0].name()
                ),
            )
            .remedy(format!("see what it has: restante maildrop list {account}"))
        })?;
    let mut stdout = io::stdout().lock();
    let mut reader = wire::TextReader::new(wire::Form::Plain);
    let mut plain = Vec::new();
    read(&open, number, |stored| {
        plain.clear();
        reader.read(stored, &mut plain);
        stdout
            .write_all(&plain)
            .map_err(|error| output::unwritten(&error))
    })?;
    // The reader keeps back what might be the beginning of the terminator line.
    plain.clear();
    reader.read(b".\r\n", &mut plain);
    stdout
        .write_all(&plain)
        .and_then(|()| stdout.flush())
        .map_err(|error| output::unwritten(&error))
}
