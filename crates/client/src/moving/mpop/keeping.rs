//! What an account of mpop's leaves on its server, and which messages it leaves for their size.

use super::account::Reader;
use crate::moving::notes::{Notes, shown};
use crate::moving::table::{Keep, Table};

impl Reader<'_> {
    pub(super) fn keep(&self, notes: &mut Notes<'_>) -> Keep {
        match self.settings.command("keep") {
            None | Some(("off", _)) => Keep::Never,
            Some(("" | "on", _)) => Keep::Always,
            Some((argument, line)) => match duration(argument) {
                Some(seconds) => Keep::Seconds(seconds),
                None => {
                    notes.at(
                        line,
                        format!("keep {}", shown(argument)),
                        "it is no time that we know; all is kept. Write keep = \"14d\" for 14 days",
                    );
                    Keep::Always
                }
            },
        }
    }

    pub(super) fn sizes(&self, table: &mut Table, notes: &mut Notes<'_>) {
        for command in ["skipsize", "killsize"] {
            let Some((argument, line)) = self
                .settings
                .command(command)
                .filter(|(it, _)| *it != "off")
            else {
                continue;
            };
            let Some(octets) = size(argument) else {
                notes.at(
                    line,
                    format!("{command} {}", shown(argument)),
                    "it is no size; it is left out",
                );
                continue;
            };
            if command == "killsize" {
                notes.at(
                    line,
                    "killsize",
                    "nothing is deleted for its size here: what is larger is left on the server and listed",
                );
                // `killsize 0` with `keep on` says that all is old, which the unique-ids say by now.
                if octets == 0 {
                    continue;
                }
            }
            table.octets_max = Some(table.octets_max.map_or(octets, |other| other.min(octets)));
        }
    }
}

/// A number with `k` or `m` behind it, in octets; C's `0x` counts.
fn size(argument: &str) -> Option<u64> {
    let (figures, unit) = match argument.strip_suffix('k') {
        Some(figures) => (figures, 1 << 10),
        None => argument
            .strip_suffix('m')
            .map_or((argument, 1), |figures| (figures, 1 << 20)),
    };
    let number: u64 = match figures.strip_prefix("0x") {
        Some(figures) => u64::from_str_radix(figures, 16).ok()?,
        None => figures.parse().ok()?,
    };
    number.checked_mul(unit)
}

/// A number with its unit behind it.
fn duration(argument: &str) -> Option<u64> {
    let at = argument.find(|it: char| !it.is_ascii_digit())?;
    let unit = match argument[at..].trim_start() {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return None,
    };
    argument[..at].parse::<u64>().ok()?.checked_mul(unit)
}
