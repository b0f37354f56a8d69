//! What a getmailrc means for us.

use std::path::{Path, PathBuf};

use super::ini::Section;
use super::tuple;
use crate::moving::Surroundings;
use crate::moving::account::Found;
use crate::moving::netrc::Netrc;
use crate::moving::notes::{Notes, shown};
use crate::moving::read::Encoding;
use crate::moving::table::{Keep, Table, Tls};

/// A getmailrc.
pub(super) struct Rc<'a> {
    pub(super) sections: Vec<Section>,
    pub(super) encoding: Encoding,
    pub(super) around: &'a Surroundings,
}

/// How a retriever knows messages again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Knows {
    ByUniqueId,
    /// By hashes of its own of headers, since the server has no good unique-ids.
    ByHeader,
}

impl Rc<'_> {
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|it| it.name == name)
    }

    /// A value in which `~`, `$HOME` and `$USER` stand for what they are.
    pub(super) fn expanded(&self, text: &str) -> String {
        let home = self.around.home.to_string_lossy();
        let text = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
            _ => text.to_owned(),
        };
        text.replace("${HOME}", &home)
            .replace("$HOME", &home)
            .replace("${USER}", &self.around.user)
            .replace("$USER", &self.around.user)
    }

    /// Its table, where its password is, and how it knows messages; None if it is not of POP3.
    pub(super) fn account(&self, notes: &mut Notes<'_>) -> Option<(Table, Found, Knows)> {
        let Some(retriever) = self.section("retriever") else {
            notes.about(
                "no section [retriever]",
                "it configures no account; it is left out",
            );
            return None;
        };
        let kind = retriever.value("type").unwrap_or("");
        let (tls, knows, multidrop) = match kind {
            "SimplePOP3Retriever" => (Tls::None, Knows::ByUniqueId, false),
            "SimplePOP3SSLRetriever" => (Tls::Implicit, Knows::ByUniqueId, false),
            "BrokenUIDLPOP3Retriever" => (Tls::None, Knows::ByHeader, false),
            "BrokenUIDLPOP3SSLRetriever" => (Tls::Implicit, Knows::ByHeader, false),
            "MultidropPOP3Retriever" => (Tls::None, Knows::ByUniqueId, true),
            "MultidropPOP3SSLRetriever" => (Tls::Implicit, Knows::ByUniqueId, true),
            _ => {
                notes.at(
                    retriever.line_of("type"),
                    format!("retriever {}", shown(kind)),
                    "only POP3 is spoken here; the account is left out",
                );
                return None;
            }
        };
        let Some(server) = retriever.value("server").filter(|it| !it.is_empty()) else {
            notes.at(
                retriever.line,
                "a retriever without a server",
                "it is left out",
            );
            return None;
        };
        let netrc = self.netrc(server);
        let user = match (netrc.0, retriever.value("username")) {
            (Some(login), _) => login,
            (None, Some(user)) => user.to_owned(),
            (None, None) => {
                notes.at(
                    retriever.line,
                    "a retriever without a username",
                    "its user is taken to be you; correct it",
                );
                self.around.user.clone()
            }
        };
        let mut table = Table::new(server, &user);
        table.tls = tls;
        self.connection(retriever, &mut table, notes);
        self.options(&mut table, notes);
        if let Some(destination) = self.section("destination") {
            table.deliver = self.destinations(destination, 0, notes);
        }
        if multidrop {
            notes.at(
                retriever.line_of("type"),
                "mail for several people in one maildrop",
                "it is not told apart yet, and is kept on the server until you decide; sort it behind a delivery command",
            );
            table.keep = Keep::Always;
        }
        for section in self
            .sections
            .iter()
            .filter(|it| it.name.to_ascii_lowercase().starts_with("filter"))
        {
            notes.at(
                section.line,
                format!("section [{}]", shown(&section.name)),
                "write rules on headers in its place: [[account.NAME.rule]]; or deliver to a command that filters",
            );
        }
        let found = match netrc.1 {
            Some(secret) => Found::Literal(secret),
            None => self.login(retriever, &mut table, notes),
        };
        Some((table, found, knows))
    }

    fn connection(&self, retriever: &Section, table: &mut Table, notes: &mut Notes<'_>) {
        table.port = if table.tls == Tls::Implicit { 995 } else { 110 };
        if table.tls == Tls::None {
            notes.at(
                retriever.line_of("type"),
                "a retriever without TLS",
                "it is moved as it is, with insecure = true; try it without the lines tls, insecure and port",
            );
        }
        if let Some(port) = retriever.value("port") {
            match port.parse() {
                Ok(port) if port > 0 => table.port = port,
                _ => notes.at(
                    retriever.line_of("port"),
                    "port",
                    format!("it is no port; {} is taken", table.port),
                ),
            }
        }
        let file = |key: &str| Some(self.around.expanded(&self.expanded(retriever.value(key)?)));
        table.trust = file("ca_certs");
        // The certificate may hold its key.
        if let Some(certificate) = file("certfile") {
            let key = file("keyfile").unwrap_or_else(|| certificate.clone());
            table.client = Some((certificate, key));
        }
        if let Some(pins) = retriever.value("ssl_fingerprints") {
            let pins: Option<Vec<String>> = tuple::strings(pins).map(|pins| {
                pins.iter()
                    .map(|it| it.to_ascii_lowercase().replace(':', ""))
                    .collect()
            });
            match pins.filter(|it| {
                it.iter()
                    .all(|pin| pin.len() == 64 && pin.bytes().all(|it| it.is_ascii_hexdigit()))
            }) {
                Some(pins) => table.pins = pins,
                None => notes.at(
                    retriever.line_of("ssl_fingerprints"),
                    "ssl_fingerprints",
                    "they are no tuple of SHA-256; write pin = [\"SHA-256 of the certificate\"]",
                ),
            }
        }
        for (key, _, line) in retriever.all() {
            let advice = match key {
                "ssl_cert_hostname" => {
                    "the certificate must be for the host; else pin it: pin = [\"its SHA-256\"]"
                }
                "ssl_version" | "ssl_ciphers" => {
                    "TLS 1.2 and 1.3 are spoken, with what is safe in them"
                }
                "delete_dup_msgids" => {
                    "a unique-id that two messages have is recognised, and both are fetched"
                }
                "type" | "server" | "port" | "username" | "password" | "password_command"
                | "use_apop" | "use_xoauth2" | "ca_certs" | "certfile" | "keyfile"
                | "ssl_fingerprints" | "timeout" | "envelope_recipient" => continue,
                _ => "getmail has no such option that we know; it is left out",
            };
            notes.at(line, shown(key), advice);
        }
    }

    /// `[options]`, which may be missing.
    fn options(&self, table: &mut Table, notes: &mut Notes<'_>) {
        let none = Section::default();
        let options = self.section("options").unwrap_or(&none);
        let number = |key: &str| options.number(key).filter(|&it| it > 0);
        let delete = options.on("delete").unwrap_or(false);
        table.keep = match (delete, number("delete_after")) {
            (true, _) => Keep::Never,
            (false, Some(days)) => Keep::Seconds(days.saturating_mul(86_400)),
            (false, None) => Keep::Always,
        };
        table.octets_max = number("max_message_size");
        if options.on("read_all").unwrap_or(true) && !delete {
            notes.at(
                options.line_of("read_all").max(1),
                "read_all",
                "nothing is fetched twice here; what oldmail does not know counts as new",
            );
        }
        for (key, value, line) in options.all() {
            let advice = match key {
                "delete_bigger_than" if value != "0" => {
                    "nothing is deleted for its size here; keep decides"
                }
                "max_messages_per_session" | "max_bytes_per_session" if value != "0" => {
                    "say it when you fetch: --limit N"
                }
                "delete" | "delete_after" | "max_message_size" | "read_all" | "use_netrc"
                | "netrc_file" => continue,
                "delete_bigger_than" | "max_messages_per_session" | "max_bytes_per_session" => {
                    continue;
                }
                "delivered_to"
                | "received"
                | "verbose"
                | "message_log"
                | "message_log_syslog"
                | "message_log_verbose"
                | "logfile"
                | "fingerprint"
                | "to_oldmail_on_each_mail"
                | "skip_imap_fetch_size"
                | "only_oldmail_file" => continue,
                _ => "getmail has no such option that we know; it is left out",
            };
            notes.at(line, shown(key), advice);
        }
    }

    fn login(&self, retriever: &Section, table: &mut Table, notes: &mut Notes<'_>) -> Found {
        let token = retriever.on("use_xoauth2") == Some(true);
        if token {
            table.mechanism = Some("xoauth2");
        } else if retriever.on("use_apop") == Some(true) {
            table.mechanism = Some("apop");
        }
        if let Some(command) = retriever
            .value("password_command")
            .filter(|it| !it.is_empty())
        {
            match tuple::strings(command).filter(|it| !it.is_empty()) {
                Some(words) => {
                    let words = words.iter().map(|it| self.expanded(it)).collect();
                    return if token {
                        Found::Token(words)
                    } else {
                        Found::Command(words)
                    };
                }
                None => notes.at(
                    retriever.line_of("password_command"),
                    "password_command is no tuple of strings",
                    "write auth = { password_command = [\"…\"] }",
                ),
            }
        }
        if token {
            notes.at(
                retriever.line_of("use_xoauth2"),
                "a token that no command prints",
                "write auth = { token_command = \"…\" } or { oauth = \"…\", client_id = \"…\" }",
            );
            return Found::OAuth;
        }
        match retriever.value("password").filter(|it| !it.is_empty()) {
            Some(password) => Found::Literal(self.encoding.secret(password)),
            None => {
                notes.at(
                    retriever.line,
                    format!("no password of {} here", shown(&table.user)),
                    "it will be asked for; if Python's keyring has it, write auth = { password_command = [\"keyring\", \"get\", \
                     \"SERVER\", \"USER\"] }",
                );
                Found::Nowhere
            }
        }
    }

    /// Who logs in, and his password, if getmail is told to look there.
    fn netrc(&self, server: &str) -> (Option<String>, Option<sasl::Secret>) {
        let options = self
            .section("options")
            .filter(|it| it.on("use_netrc") == Some(true));
        let Some(options) = options else {
            return (None, None);
        };
        let netrc = match options.value("netrc_file") {
            Some(file) => Netrc::read(&self.around.expanded(&self.expanded(file))),
            None => Netrc::of(self.around),
        };
        let found = netrc.first(server);
        found.map_or((None, None), |(login, password)| {
            (login.map(str::to_owned), password)
        })
    }
}

/// `oldmail-SERVER-PORT-USER` in a directory of getmail's: letters that cannot be in names of files become one `-`.
pub(super) fn oldmail(directory: &Path, table: &Table) -> PathBuf {
    let mut name = String::new();
    let mut changed = false;
    for letter in format!("oldmail-{}-{}-{}", table.host, table.port, table.user).chars() {
        let change = "/:;<>|".contains(letter);
        match (change, changed) {
            (true, true) => {}
            (true, false) => name.push('-'),
            (false, _) => name.push(letter),
        }
        changed = change;
    }
    directory.join(name)
}
