//! `restante alias import`: a table of aliases as `/etc/aliases` or Postfix's virtual(5) have it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};
use crate::stock;

/// Larger than a table of a million lines.
const FILE_OCTETS_MAX: u64 = 256 << 20;

/// Reads the file, and adds its aliases if every line is right.
///
/// # Errors
///
/// When the file cannot be read, when a line is wrong (every wrong line is named), and when the accounts
/// cannot be written.
pub(super) fn import(config: &Config, file: &Path) -> Result<(), Failure> {
    // Before root's rights are given up: the file may be root's.
    let text = read(file).map_err(|error| {
        Failure::new(Code::NoInput, output::unreadable(file, &error))
            .remedy("name a table such as /etc/aliases, or - for standard input")
    })?;
    if text.len() as u64 > FILE_OCTETS_MAX {
        return Err(Failure::new(
            Code::Data,
            format!("{} is larger than a table of aliases", file.display()),
        )
        .remedy("give it in parts of 256 MiB"));
    }
    let accounts = stock::accounts(config)?;
    match accounts.import_aliases(&text, &config.server.addressing())? {
        Ok(report) => say!(
            "{} imported.",
            count(report.aliases as u64, "alias", "aliases")
        ),
        Err(errors) => {
            for error in &errors {
                note!("{}: {error}", file.display());
            }
            Err(Failure::new(
                Code::Data,
                format!(
                    "{}; nothing was imported",
                    count(errors.len() as u64, "line is wrong", "lines are wrong")
                ),
            )
            .remedy("correct them, or take them out, and try again"))
        }
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // One octet more, so that what is too long is not taken for a whole table.
    let most = FILE_OCTETS_MAX + 1;
    match file.as_os_str() == "-" {
        true => io::stdin().lock().take(most).read_to_end(&mut text)?,
        false => File::open(file)?.take(most).read_to_end(&mut text)?,
    };
    Ok(text)
}
