//! What can be said of a server and of a user of it; for each keyword what follows it and what it means for us.

/// What was said. Whatever is empty is filled from the defaults.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) via: Option<String>,
    pub(super) protocol: Option<(String, usize)>,
    pub(super) service: Option<(String, usize)>,
    pub(super) interval: Option<u64>,
    pub(super) auth: Option<(String, usize)>,
    pub(super) password: Option<String>,
    pub(super) password_file: Option<String>,
    pub(super) keep: Option<bool>,
    pub(super) limit: Option<u64>,
    pub(super) ssl: Option<bool>,
    pub(super) ssl_protocol: Option<String>,
    pub(super) authorities: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) smtp_hosts: Vec<String>,
    pub(super) lmtp: Option<bool>,
    pub(super) smtp_domain: Option<String>,
    pub(super) smtp_name: Option<String>,
    pub(super) command: Option<String>,
    pub(super) batch: Option<String>,
    /// Names of local users.
    pub(super) locals: Vec<String>,
    /// There are several local users, or what decides between them.
    pub(super) multidrop: bool,
}

/// What follows a keyword.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Follows {
    Nothing,
    Word,
    Number,
    /// As many words as are no keywords.
    Words,
    /// As many numbers as there are.
    Numbers,
    /// A number that may be left out, and a word.
    NumberAndWord,
}

/// What a keyword means for us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    /// One of the options above.
    Option,
    /// Nothing, and nobody will miss it.
    Quiet,
    /// Nothing; what to do.
    NoEqual(&'static str),
}

/// The keyword as it is called in full, what follows it and what it means; None if the word is no keyword of an option.
#[rustfmt::skip]
pub(super) fn keyword(word: &str) -> Option<(&'static str, Follows, Meaning)> {
    use Follows::{Nothing, Number, NumberAndWord, Numbers, Word, Words};
    use Meaning::{NoEqual, Option as Known, Quiet};
    const ENVELOPE: &str = "mail for several people is not told apart yet; sort it behind a delivery command";
    const TEXT: &str = "texts are delivered as they came";
    const COMMANDS: &str = "no commands are run around a fetch; run both from a script or a unit of systemd";
    Some(match word {
        "via" => ("via", Word, Known),
        "proto" | "protocol" => ("protocol", Word, Known),
        "service" | "port" => ("service", Word, Known),
        "interval" => ("interval", Number, Known),
        "auth" | "authenticate" | "preauth" | "preauthenticate" => ("auth", Word, Known),
        "pass" | "password" => ("password", Word, Known),
        "passwordfile" => ("passwordfile", Word, Known),
        "passwordfd" => ("passwordfd", Number, NoEqual("write auth = { password_command = \"…\" }")),
        "keep" => ("keep", Nothing, Known),
        "limit" => ("limit", Number, Known),
        "ssl" => ("ssl", Nothing, Known),
        "sslproto" => ("sslproto", Word, Known),
        "sslcertfile" => ("sslcertfile", Word, Known),
        "sslcert" => ("sslcert", Word, Known),
        "sslkey" => ("sslkey", Word, Known),
        "smtp" | "smtphost" => ("smtphost", Words, Known),
        "lmtp" => ("lmtp", Nothing, Known),
        "smtpaddress" => ("smtpaddress", Word, Known),
        "smtpname" => ("smtpname", Word, Known),
        "mda" => ("mda", Word, Known),
        "bsmtp" => ("bsmtp", Word, Known),
        "sslcertck" => ("sslcertck", Nothing, Quiet),
        "sslcertpath" => ("sslcertpath", Word, NoEqual("authorities are read from one file: trust = \"FILE\"; else the system's count")),
        "sslcommonname" => ("sslcommonname", Word, NoEqual("the certificate must be for the host; else pin it: pin = [\"its SHA-256\"]")),
        "sslfingerprint" => ("sslfingerprint", Word, NoEqual("MD5 can be forged, so it is not checked here; write pin = [\"SHA-256 of the certificate\"]")),
        "uidl" | "fastuidl" => (if word == "uidl" { "uidl" } else { "fastuidl" }, if word == "uidl" { Nothing } else { Number }, Quiet),
        "timeout" => ("timeout", Number, Quiet),
        "batchlimit" | "fetchsizelimit" | "expunge" | "warnings" => ("batchlimit", Number, Quiet),
        "fetchlimit" => ("fetchlimit", Number, NoEqual("say it when you fetch: --limit N")),
        "fetchall" => ("fetchall", Nothing, NoEqual("nothing is fetched twice here")),
        "flush" => ("flush", Nothing, NoEqual("what fetchmail has seen is not deleted for that; keep decides")),
        "limitflush" => ("limitflush", Nothing, NoEqual("nothing is deleted for its size here: what is larger than limit is left and listed")),
        "folder" | "folders" => ("folder", Words, NoEqual("POP3 has one maildrop for a user")),
        "antispam" => ("antispam", Numbers, Quiet),
        "rewrite" | "dns" | "tracepolls" | "idle" | "forcecr" | "stripcr" | "pass8" | "pass8bits" => ("rewrite", Nothing, Quiet),
        "dropstatus" => ("dropstatus", Nothing, NoEqual(TEXT)),
        "dropdelivered" => ("dropdelivered", Nothing, NoEqual(TEXT)),
        "mimedec" | "mimedecode" => ("mimedecode", Nothing, NoEqual(TEXT)),
        "checkalias" => ("checkalias", Nothing, Quiet),
        "bad-header" => ("bad-header", Word, Quiet),
        "properties" => ("properties", Word, Quiet),
        "aka" => ("aka", Words, Quiet),
        "local" | "localdomains" => ("localdomains", Words, NoEqual(ENVELOPE)),
        "envelope" => ("envelope", NumberAndWord, NoEqual(ENVELOPE)),
        "qvirtual" => ("qvirtual", Word, NoEqual(ENVELOPE)),
        "fetchdomains" => ("fetchdomains", Words, NoEqual("it is of ETRN and ODMR")),
        "pre" | "preconnect" => ("preconnect", Word, NoEqual(COMMANDS)),
        "post" | "postconnect" => ("postconnect", Word, NoEqual(COMMANDS)),
        "plugin" => ("plugin", Word, NoEqual("connections are made by TCP, or through proxy = \"socks5://HOST:PORT\"")),
        "plugout" => ("plugout", Word, NoEqual("connections are made by TCP")),
        "interface" => ("interface", Word, NoEqual("start fetches when the interface is up, from a unit of systemd")),
        "monitor" => ("monitor", Word, NoEqual("start fetches when the interface is up, from a unit of systemd")),
        "principal" => ("principal", Word, NoEqual("Kerberos is not spoken here")),
        "esmtpname" => ("esmtpname", Word, NoEqual("the local server must take mail without a login")),
        "esmtppassword" => ("esmtppassword", Word, NoEqual("the local server must take mail without a login")),
        _ => return None,
    })
}

/// Keywords before which `no` may stand without a space.
pub(super) fn negated(word: &str) -> Option<&str> {
    let rest = word.strip_prefix("no")?;
    [
        "bouncemail",
        "uidl",
        "checkalias",
        "dns",
        "envelope",
        "keep",
        "flush",
        "limitflush",
        "fetchall",
        "rewrite",
        "forcecr",
        "stripcr",
        "pass8",
        "pass8bits",
        "dropstatus",
        "dropdelivered",
        "mimedec",
        "mimedecode",
        "spambounce",
        "idle",
        "ssl",
        "sslcertck",
        "softbounce",
        "syslog",
        "invisible",
        "showdots",
        "tracepolls",
    ]
    .contains(&rest)
    .then_some(rest)
}

impl Options {
    /// What these say, and where they do not say anything, what `usual` says.
    pub(super) fn or(mut self, usual: &Self) -> Self {
        fn fill<T: Clone>(here: &mut Option<T>, usual: &Option<T>) {
            if here.is_none() {
                here.clone_from(usual);
            }
        }
        fill(&mut self.via, &usual.via);
        fill(&mut self.protocol, &usual.protocol);
        fill(&mut self.service, &usual.service);
        fill(&mut self.interval, &usual.interval);
        fill(&mut self.auth, &usual.auth);
        fill(&mut self.password, &usual.password);
        fill(&mut self.password_file, &usual.password_file);
        fill(&mut self.keep, &usual.keep);
        fill(&mut self.limit, &usual.limit);
        fill(&mut self.ssl, &usual.ssl);
        fill(&mut self.ssl_protocol, &usual.ssl_protocol);
        fill(&mut self.authorities, &usual.authorities);
        fill(&mut self.certificate, &usual.certificate);
        fill(&mut self.key, &usual.key);
        fill(&mut self.lmtp, &usual.lmtp);
        fill(&mut self.smtp_domain, &usual.smtp_domain);
        fill(&mut self.smtp_name, &usual.smtp_name);
        fill(&mut self.command, &usual.command);
        fill(&mut self.batch, &usual.batch);
        self.smtp_hosts.extend_from_slice(&usual.smtp_hosts);
        self.locals.extend_from_slice(&usual.locals);
        self.multidrop |= usual.multidrop;
        self
    }
}
