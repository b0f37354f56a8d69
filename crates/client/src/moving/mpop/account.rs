//! What the commands of an account of mpop's mean for us.

use std::path::PathBuf;

use super::configuration::Settings;
use super::uidls;
use crate::moving::account::{self, Found, MovedAccount};
use crate::moving::netrc::Netrc;
use crate::moving::notes::{Notes, shown};
use crate::moving::read::Encoding;
use crate::moving::seen::{Seen, Spelling};
use crate::moving::table::{Deliver, Table, shell};
use crate::moving::{MovingError, Surroundings};

/// What an account is read with.
pub(super) struct Reader<'a> {
    pub(super) settings: &'a Settings,
    pub(super) encoding: Encoding,
    pub(super) netrc: &'a Netrc,
    pub(super) around: &'a Surroundings,
}

impl Reader<'_> {
    /// The account; None if it names no server.
    pub(super) fn account(
        &self,
        name: String,
        notes: &mut Notes<'_>,
        files: &mut Vec<PathBuf>,
    ) -> Result<Option<MovedAccount>, MovingError> {
        let settings = self.settings;
        self.without_equal(notes);
        let Some(host) = settings.argument("host") else {
            notes.at(
                settings.line,
                format!("account {} has no host", shown(&settings.name)),
                "it is left out",
            );
            return Ok(None);
        };
        let user = settings.argument("user").unwrap_or_else(|| {
            notes.at(
                settings.line,
                format!("account {} has no user", shown(&settings.name)),
                "its user is taken to be you; correct it",
            );
            &self.around.user
        });
        let mut table = Table::new(host, user);
        self.connection(&mut table, notes);
        self.sizes(&mut table, notes);
        table.keep = self.keep(notes);
        table.deliver = vec![self.deliver(&name, notes)];
        let found = self.login(&mut table, notes);
        let seen = self.seen(host, user, notes, files)?;
        Ok(Some(account::account(
            name,
            table,
            found,
            (seen, Spelling::AsGiven),
            self.around,
        )))
    }

    /// Its mechanism, and where its password is.
    fn login(&self, table: &mut Table, notes: &mut Notes<'_>) -> Found {
        let settings = self.settings;
        let (mechanism, line) = settings.command("auth").unwrap_or(("", settings.line));
        let mut token = false;
        match mechanism {
            "" | "on" => {}
            "user" => table.mechanism = Some("pass"),
            "plain" => table.mechanism = Some("plain"),
            "login" => table.mechanism = Some("login"),
            "apop" => table.mechanism = Some("apop"),
            "cram-md5" => table.mechanism = Some("cram-md5"),
            "scram-sha-1" => table.mechanism = Some("scram-sha-1"),
            "scram-sha-256" => table.mechanism = Some("scram-sha-256"),
            "scram-sha-1-plus" => table.mechanism = Some("scram-sha-1-plus"),
            "scram-sha-256-plus" => table.mechanism = Some("scram-sha-256-plus"),
            "oauthbearer" | "xoauth2" => {
                token = true;
                table.mechanism = Some(if mechanism == "xoauth2" {
                    "xoauth2"
                } else {
                    "oauthbearer"
                });
            }
            "external" => return Found::Certificate,
            other => notes.at(
                line,
                format!("auth {}", shown(other)),
                "there is no such mechanism here; the best one that the server has is taken",
            ),
        }
        if let Some((command, line)) = settings
            .command("passwordeval")
            .filter(|(it, _)| !it.is_empty())
        {
            if command
                .split_whitespace()
                .next()
                .is_some_and(|it| ["echo", "printf"].contains(&it))
            {
                notes.at(
                    line,
                    "passwordeval prints what stands in it",
                    "it is moved as it is; put the password into a file of mode 0600 and write auth = { password_file = \"…\" }",
                );
            }
            return if token {
                Found::Token(shell(command))
            } else {
                Found::Command(shell(command))
            };
        }
        match settings
            .command("password")
            .filter(|(it, _)| !it.is_empty())
        {
            Some((_, line)) if token => {
                notes.at(
                    line,
                    "a token as password",
                    "tokens end within the hour; write auth = { token_command = \"…\" } or { oauth = \"…\", client_id = \"…\" }",
                );
                Found::OAuth
            }
            Some((password, _)) => Found::Literal(self.encoding.secret(password)),
            None if token => Found::OAuth,
            None => match self.netrc.password(&table.host, &table.user) {
                Some(secret) => Found::Literal(secret),
                None => {
                    notes.at(
                        settings.line,
                        format!("account {} has no password here", shown(&settings.name)),
                        "it will be asked for; if it is in your keyring, write auth = { password_command = [\"secret-tool\", \
                         \"lookup\", \"host\", \"HOST\", \"service\", \"pop3\", \"user\", \"USER\"] }",
                    );
                    Found::Nowhere
                }
            },
        }
    }

    fn deliver(&self, name: &str, notes: &mut Notes<'_>) -> Deliver {
        let settings = self.settings;
        let (argument, line) = settings.command("delivery").unwrap_or(("", settings.line));
        let (method, rest) = argument.split_once([' ', '\t']).unwrap_or((argument, ""));
        let rest = rest.trim_matches([' ', '\t']);
        let rest = rest
            .strip_prefix('"')
            .and_then(|it| it.strip_suffix('"'))
            .unwrap_or(rest);
        match method {
            "maildir" if !rest.is_empty() => Deliver::Maildir(self.around.expanded(rest)),
            "mbox" if !rest.is_empty() => Deliver::Mbox(self.around.expanded(rest)),
            "mda" if !rest.is_empty() => {
                if rest.contains("%F") {
                    notes.at(
                        line,
                        "%F in a delivery command",
                        "the sender is not told to commands; MAILER-DAEMON stands in its place",
                    );
                }
                Deliver::Command(shell(&rest.replace("%F", "MAILER-DAEMON")))
            }
            _ => {
                let place = self.around.home.join("Mail").join(name);
                notes.at(
                    line,
                    format!("delivery {}", shown(method)),
                    format!(
                        "there is no such destination here; the Maildir {} is taken",
                        place.display()
                    ),
                );
                Deliver::Maildir(place)
            }
        }
    }

    /// Says what has no equal.
    fn without_equal(&self, notes: &mut Notes<'_>) {
        for (command, argument, line) in self.settings.all() {
            let advice = match command {
                "host" | "port" | "user" | "password" | "passwordeval" | "auth" | "tls"
                | "tls_starttls" | "tls_trust_file" | "tls_fingerprint" | "tls_certcheck"
                | "tls_key_file" | "tls_cert_file" | "proxy_host" | "proxy_port" | "delivery"
                | "uidls_file" | "keep" | "killsize" | "skipsize" => continue,
                // Ours does the same, or has its own way that needs no setting.
                "pipelining" | "timeout" | "received_header" => continue,
                _ if argument.is_empty() => continue,
                "filter" => {
                    "write rules on headers in its place: [[account.NAME.rule]] with match and action; or deliver to a command \
                     that sorts"
                }
                "only_new" if argument == "on" => continue,
                "only_new" => "nothing is fetched twice here",
                "socket" => "a server is reached by its name only; host and port are taken",
                "source_ip" => "the system chooses the address",
                "tls_priorities" | "tls_min_dh_prime_bits" => {
                    "TLS 1.2 and 1.3 are spoken, with what is safe in them"
                }
                "tls_crl_file" => "lists of revoked certificates are not read",
                "tls_host_override" => {
                    "the certificate must be for the host; else pin it: pin = [\"its SHA-256\"]"
                }
                "ntlmdomain" => "NTLM is not spoken here",
                "tls_nostarttls" | "tls_force_sslv3" => "it is of a mpop of long ago; look at tls",
                _ => "there is no such setting here",
            };
            notes.at(line, shown(command), advice);
        }
    }

    fn seen(
        &self,
        host: &str,
        user: &str,
        notes: &mut Notes<'_>,
        files: &mut Vec<PathBuf>,
    ) -> Result<Vec<Seen>, MovingError> {
        let usual = self
            .settings
            .argument("uidls_file")
            .unwrap_or("~/.mpop_uidls/%U_at_%H")
            .replace("%U", user)
            .replace("%H", host);
        let usual = self.around.expanded(&usual);
        if let Some(file) = uidls::file(usual.clone(), host, user)
            && let Some(seen) = uidls::of(&file, host, user, notes)?
        {
            files.push(file);
            return Ok(seen);
        }
        notes.at(
            self.settings.line,
            format!("account {} has no unique-ids in {}", shown(&self.settings.name), usual.display()),
            "all that is on its server counts as new; if you have it, run `restante fetch mark-seen` before you fetch",
        );
        Ok(Vec::new())
    }
}
