//! What the settings of a server of Thunderbird's mean for us.

use std::path::{Path, PathBuf};

use super::prefs::Prefs;
use crate::moving::Surroundings;
use crate::moving::account::Found;
use crate::moving::names::Names;
use crate::moving::notes::{Notes, shown};
use crate::moving::provider;
use crate::moving::table::{Deliver, Keep, Table, Tls};

/// A server, `server7` or so, and all settings.
pub(super) struct Server<'a> {
    pub(super) prefs: &'a Prefs,
    pub(super) key: &'a str,
    pub(super) around: &'a Surroundings,
}

impl<'a> Server<'a> {
    /// Its name, its table, and where its password is; None if it names no server.
    pub(super) fn account(
        &self,
        names: &mut Names,
        notes: &mut Notes<'_>,
    ) -> Option<(String, Table, Found)> {
        let line = self.prefs.line(&self.name("type"));
        let (Some(host), Some(user)) =
            (self.hosts().first().copied(), self.users().first().copied())
        else {
            notes.at(
                line,
                format!("{} has no hostname or no userName", shown(self.key)),
                "it is left out",
            );
            return None;
        };
        let mut table = Table::new(host, user);
        let usual = format!("{user}-{host}");
        let name = names.like(self.text("name").unwrap_or(&usual));
        self.connection(&mut table, notes);
        table.keep = self.keep(notes);
        let place = self.around.home.join("Mail").join(&name);
        notes.at(
            line,
            format!("the folders of {}", shown(&name)),
            format!(
                "nothing is put into Thunderbird's own; the Maildir {} is taken",
                place.display()
            ),
        );
        table.deliver = vec![Deliver::Maildir(place)];
        if self.truth("limit_offline_message_size") == Some(true) {
            // In KiB; 50 is usual.
            let kib = self.number("max_size").unwrap_or(50);
            table.octets_max = u64::try_from(kib)
                .ok()
                .filter(|&it| it > 0)
                .map(|it| it.saturating_mul(1024));
        }
        if self.truth("check_new_mail") == Some(true) {
            let minutes = self.number("check_time").unwrap_or(10);
            table.poll_seconds = u64::try_from(minutes)
                .ok()
                .filter(|&it| it > 0)
                .map(|it| it.saturating_mul(60));
        }
        if self.truth("headers_only") == Some(true) {
            notes.at(
                self.prefs.line(&self.name("headers_only")),
                "headers_only",
                "messages are fetched whole; write max_size = \"…\" for those that are not to be",
            );
        }
        let found = self.login(&table, line, notes);
        Some((name, table, found))
    }

    /// The names of the server: the one that counts is the first.
    pub(super) fn hosts(&self) -> Vec<&'a str> {
        ["realhostname", "hostname"]
            .into_iter()
            .filter_map(|it| self.text(it))
            .collect()
    }

    /// Likewise those of the user.
    pub(super) fn users(&self) -> Vec<&'a str> {
        ["realuserName", "userName"]
            .into_iter()
            .filter_map(|it| self.text(it))
            .collect()
    }

    /// Where its mail and its state are. The whole path is that of the place where the profile was made.
    pub(super) fn directory(&self, prefs: &Path, host: &str) -> PathBuf {
        let profile = prefs.parent().unwrap_or(prefs);
        let relative = self
            .text("directory-rel")
            .and_then(|it| it.strip_prefix("[ProfD]"))
            .map(|it| profile.join(it.trim_start_matches('/')));
        let absolute = self.text("directory").map(PathBuf::from);
        let places = [relative, absolute];
        let there = places.iter().flatten().find(|it| it.is_dir());
        there
            .cloned()
            .unwrap_or_else(|| profile.join("Mail").join(host))
    }

    fn connection(&self, table: &mut Table, notes: &mut Notes<'_>) {
        let socket = self
            .number("socketType")
            .or_else(|| self.truth("isSecure").map(|it| if it { 3 } else { 0 }));
        table.tls = match socket {
            Some(3) => Tls::Implicit,
            Some(2) => Tls::Upgraded,
            Some(1) => {
                notes.at(
                    self.prefs.line(&self.name("socketType")),
                    "STARTTLS if the server offers it",
                    "here it must; if it does not, write tls = \"none\" and insecure = true",
                );
                Tls::Upgraded
            }
            _ => {
                notes.at(
                    self.prefs.line(&self.name("type")),
                    format!("no TLS with {}", shown(&table.host)),
                    "it is moved as it is, with insecure = true; try it without the lines tls, insecure and port",
                );
                Tls::None
            }
        };
        let usual = if table.tls == Tls::Implicit { 995 } else { 110 };
        table.port = self
            .number("port")
            .and_then(|it| u16::try_from(it).ok())
            .filter(|&it| it > 0)
            .unwrap_or(usual);
    }

    fn keep(&self, notes: &mut Notes<'_>) -> Keep {
        if self.truth("leave_on_server") != Some(true) {
            return Keep::Never;
        }
        let until_deleted = self.truth("delete_mail_left_on_server") == Some(true);
        if self.truth("delete_by_age_from_server") == Some(true) {
            if until_deleted {
                notes.at(
                    self.prefs.line(&self.name("delete_mail_left_on_server")),
                    "deleted after days or when it is deleted here",
                    "one of them is taken, the days; the other is keep = \"until-deleted\"",
                );
            }
            let days = self
                .number("num_days_to_leave_on_server")
                .unwrap_or(7)
                .max(0)
                .unsigned_abs();
            return Keep::Seconds(days.saturating_mul(86_400));
        }
        if until_deleted {
            Keep::UntilDeleted
        } else {
            Keep::Always
        }
    }

    fn login(&self, table: &Table, line: usize, notes: &mut Notes<'_>) -> Found {
        match self.number("authMethod").unwrap_or(3) {
            10 => {
                let advice = match provider::of(&table.host) {
                    Some(_) => {
                        "Thunderbird's own client id is not ours to use: write client_id = \"…\" beside oauth, with one of your own, and log in \
                     once: `restante fetch auth login NAME`"
                    }
                    None => {
                        "write auth = { oauth = \"…\", client_id = \"…\" } or { token_command = \"…\" }"
                    }
                };
                notes.at(line, format!("OAuth2 for {}", shown(&table.user)), advice);
                return Found::OAuth;
            }
            7 => {
                notes.at(
                    line,
                    format!("a client certificate for {}", shown(&table.user)),
                    "export it from Thunderbird, and write client_certificate and client_key",
                );
                return Found::Certificate;
            }
            5 | 6 => notes.at(
                line,
                format!("Kerberos or NTLM for {}", shown(&table.user)),
                "they are not spoken here; the best mechanism that the server has is taken",
            ),
            _ => {}
        }
        notes.at(
            line,
            format!("the password of {}", shown(&table.user)),
            "Thunderbird has it encrypted, so it will be asked for; to store it write auth = { keyring = true }",
        );
        Found::Nowhere
    }

    fn name(&self, setting: &str) -> String {
        format!("mail.server.{}.{setting}", self.key)
    }

    fn usual(setting: &str) -> String {
        format!("mail.server.default.{setting}")
    }

    fn text(&self, setting: &str) -> Option<&'a str> {
        self.prefs.text(&self.name(setting))
    }

    fn number(&self, setting: &str) -> Option<i64> {
        let own = self.prefs.number(&self.name(setting));
        own.or_else(|| self.prefs.number(&Self::usual(setting)))
    }

    fn truth(&self, setting: &str) -> Option<bool> {
        let own = self.prefs.truth(&self.name(setting));
        own.or_else(|| self.prefs.truth(&Self::usual(setting)))
    }
}
