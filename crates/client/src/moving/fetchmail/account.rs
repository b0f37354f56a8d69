//! What a user of a server of fetchmail's means for us.

use super::configuration::{Server, User};
use super::options::Options;
use crate::destination::Address;
use crate::moving::Surroundings;
use crate::moving::account::Found;
use crate::moving::netrc::Netrc;
use crate::moving::notes::{Notes, shown};
use crate::moving::read::Encoding;
use crate::moving::table::{Deliver, Keep, Table, Tls, shell};

/// What accounts are read with.
pub(super) struct Reader<'a> {
    pub(super) encoding: Encoding,
    pub(super) netrc: &'a Netrc,
    pub(super) around: &'a Surroundings,
    /// Seconds between two polls.
    pub(super) daemon: Option<u64>,
}

impl Reader<'_> {
    /// User and host, as they are called in `.fetchids`.
    pub(super) fn whose(&self, server: &Server, user: &User) -> (String, String) {
        let host = user.options.via.as_ref().unwrap_or(&server.name);
        (
            user.name.as_ref().unwrap_or(&self.around.user).clone(),
            host.clone(),
        )
    }

    /// Its table, and where its password is; None if it is not of POP3. Where its mail should go into a Maildir of ours, the
    /// table has no destination yet.
    pub(super) fn account(
        &self,
        server: &Server,
        user: &User,
        notes: &mut Notes<'_>,
    ) -> Option<(Table, Found)> {
        let options = &user.options;
        let (name, host) = self.whose(server, user);
        let mut table = Table::new(&host, &name);
        match options
            .protocol
            .as_ref()
            .map_or(("auto", user.line), |(it, line)| (it.as_str(), *line))
        {
            ("pop3", _) => {}
            ("apop", _) => table.mechanism = Some("apop"),
            ("auto", line) => notes.at(
                line,
                "no protocol",
                "fetchmail tries several; POP3 is taken",
            ),
            (other, line) => {
                notes.at(
                    line,
                    format!("protocol {} of {}", shown(other), shown(&server.name)),
                    "only POP3 is spoken here; the account is left out",
                );
                return None;
            }
        }
        connection(&mut table, options, user.line, self.around, notes);
        table.keep = if options.keep == Some(true) {
            Keep::Always
        } else {
            Keep::Never
        };
        table.octets_max = options.limit.filter(|&it| it > 0);
        table.poll_seconds = self
            .daemon
            .map(|it| it.saturating_mul(options.interval.unwrap_or(1).max(1)));
        self.deliver(&mut table, options, user.line, notes);
        let found = self.login(&mut table, server, options, user.line, notes);
        Some((table, found))
    }

    /// Where mail goes when there is no better place.
    pub(super) fn maildir(&self, name: &str) -> Deliver {
        Deliver::Maildir(self.around.home.join("Mail").join(name))
    }

    fn login(
        &self,
        table: &mut Table,
        server: &Server,
        options: &Options,
        line: usize,
        notes: &mut Notes<'_>,
    ) -> Found {
        if let Some((auth, line)) = &options.auth {
            match auth.as_str() {
                "any" | "password" => {}
                "cram" | "cram-md5" => table.mechanism = Some("cram-md5"),
                "external" => return Found::Certificate,
                "oauthbearer" | "xoauth2" => {
                    notes.at(
                        *line,
                        format!("auth {auth}"),
                        "write client_id = \"…\" beside oauth, with an id of your own, and log in once: `restante fetch auth login NAME`; or write \
                         auth = { token_command = \"…\" }",
                    );
                    return Found::OAuth;
                }
                other => notes.at(
                    *line,
                    format!("auth {}", shown(other)),
                    "there is no such mechanism here; the best one that the server has is taken",
                ),
            }
        }
        if let Some(file) = &options.password_file {
            return Found::File(self.around.expanded(file));
        }
        if let Some(password) = options.password.as_ref().filter(|it| !it.is_empty()) {
            return Found::Literal(self.encoding.secret(password));
        }
        let hosts = [&server.name, &table.host];
        match hosts
            .iter()
            .find_map(|host| self.netrc.password(host, &table.user))
        {
            Some(secret) => Found::Literal(secret),
            None => {
                notes.at(
                    line,
                    format!("user {} of {} has no password here", shown(&table.user), shown(&table.host)),
                    "it will be asked for; for fetches that nobody watches write auth = { password_command = \"…\" }",
                );
                Found::Nowhere
            }
        }
    }

    fn deliver(&self, table: &mut Table, options: &Options, line: usize, notes: &mut Notes<'_>) {
        let local = options.locals.first().unwrap_or(&self.around.user);
        if options.multidrop || options.locals.len() > 1 {
            notes.at(
                line,
                "mail for several people in one maildrop",
                "it is not told apart yet: all of it goes into one Maildir, and is kept on the server until you decide",
            );
            table.keep = Keep::Always;
        } else if options.batch.is_some() {
            notes.at(
                line,
                "bsmtp",
                "there is no such destination here; a Maildir is taken",
            );
        } else if let Some(command) = &options.command {
            if command.contains("%F") {
                notes.at(
                    line,
                    "%F in an mda",
                    "the sender is not told to commands; MAILER-DAEMON stands in its place",
                );
            }
            let quoted = |it: &str| format!("'{}'", it.replace('\'', ""));
            let command = command
                .replace("%T", &quoted(local))
                .replace("%F", "'MAILER-DAEMON'");
            table.deliver.push(Deliver::Command(shell(&command)));
        } else {
            table.deliver.extend(forward(options, local, line, notes));
        }
    }
}

/// To a server of SMTP or LMTP: by default that of this machine.
fn forward(options: &Options, local: &str, line: usize, notes: &mut Notes<'_>) -> Option<Deliver> {
    let host = options
        .smtp_hosts
        .first()
        .map_or("localhost", String::as_str);
    if options.smtp_hosts.len() > 1 {
        notes.at(
            line,
            "several of smtphost",
            format!("only the first is taken, {}", shown(host)),
        );
    }
    let socket = host.starts_with('/');
    let (name, port) = match host.rsplit_once('/') {
        Some((name, port)) if !socket => (name, Some(port)),
        _ => (host, None),
    };
    let domain = options
        .smtp_domain
        .as_deref()
        .unwrap_or(if socket { "localhost" } else { name });
    let recipient = match &options.smtp_name {
        Some(name) => name.clone(),
        None if local.contains('@') => local.to_owned(),
        None => format!("{local}@{domain}"),
    };
    let name = if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_owned()
    };
    // Names of services are few, and a port is a number here.
    let port = |usual: &'static str| match port {
        None => usual,
        Some("smtp") => "25",
        Some("lmtp") => "24",
        Some("submission") => "587",
        Some(figures) => figures,
    };
    let (address, lmtp) = match (socket, options.lmtp == Some(true)) {
        (true, _) => (format!("unix:{host}"), true),
        (false, true) => (format!("{name}:{}", port("24")), true),
        (false, false) => (format!("{name}:{}", port("25")), false),
    };
    if address.parse::<Address>().is_err() {
        notes.at(
            line,
            format!("smtphost {}", shown(host)),
            "it is no address here, which is HOST:PORT or unix:/PATH; a Maildir is taken",
        );
        return None;
    }
    Some(if lmtp {
        Deliver::Lmtp(address, recipient)
    } else {
        Deliver::Smtp(address, recipient)
    })
}

fn connection(
    table: &mut Table,
    options: &Options,
    line: usize,
    around: &Surroundings,
    notes: &mut Notes<'_>,
) {
    table.tls = match (options.ssl, options.ssl_protocol.as_deref()) {
        (Some(true), _) => Tls::Implicit,
        (_, Some("")) => {
            notes.at(
                line,
                "sslproto ''",
                "it is moved as it is, without TLS and with insecure = true; try it without the lines tls, insecure and port",
            );
            Tls::None
        }
        (_, Some(_)) => Tls::Upgraded,
        (_, None) => {
            notes.at(
                line,
                "TLS if the server offers it",
                "here it must, by STLS; if it does not, write tls = \"none\" and insecure = true",
            );
            Tls::Upgraded
        }
    };
    table.port = if table.tls == Tls::Implicit { 995 } else { 110 };
    if let Some((service, line)) = &options.service {
        match service.as_str() {
            "pop3" | "pop-3" => table.port = 110,
            "pop3s" => table.port = 995,
            figures => match figures.parse() {
                Ok(port) if port > 0 => table.port = port,
                _ => notes.at(
                    *line,
                    format!("service {}", shown(figures)),
                    format!("a port is a number here; {} is taken", table.port),
                ),
            },
        }
    }
    table.trust = options
        .authorities
        .as_deref()
        .filter(|it| !it.is_empty())
        .map(|it| around.expanded(it));
    if let Some(certificate) = &options.certificate {
        let key = options.key.as_ref().unwrap_or(certificate);
        table.client = Some((around.expanded(certificate), around.expanded(key)));
    }
}
