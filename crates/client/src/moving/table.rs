//! An account as a table of our configuration, and its text.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

/// What an `[account.NAME]` may say. Whatever another program has a default for is said, since ours may differ.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) tls: Tls,
    pub(super) trust: Option<PathBuf>,
    pub(super) pins: Vec<String>,
    /// Certificate and key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    pub(super) proxy: Option<String>,
    pub(super) mechanism: Option<&'static str>,
    pub(super) auth: Auth,
    pub(super) deliver: Vec<Deliver>,
    pub(super) keep: Keep,
    pub(super) octets_max: Option<u64>,
    pub(super) poll_seconds: Option<u64>,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tls {
    Implicit,
    Upgraded,
    None,
}

/// Where what is shown to the server comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Auth {
    PasswordFile(PathBuf),
    PasswordCommand(Vec<String>),
    TokenCommand(Vec<String>),
    Provider(&'static str),
    Certificate,
    Prompt,
}

/// Where mail goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Deliver {
    Maildir(PathBuf),
    Mbox(PathBuf),
    /// To a server, for a recipient.
    Lmtp(String, String),
    /// Likewise.
    Smtp(String, String),
    Command(Vec<String>),
}

/// How long mail stays on the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keep {
    Always,
    Never,
    Seconds(u64),
    UntilDeleted,
}

/// A command line that a shell reads, as a command without one.
pub(super) fn shell(line: &str) -> Vec<String> {
    ["sh", "-c", line].map(str::to_owned).to_vec()
}

impl Table {
    pub(super) fn new(host: &str, user: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: 995,
            user: user.to_owned(),
            tls: Tls::Implicit,
            trust: None,
            pins: Vec::new(),
            client: None,
            proxy: None,
            mechanism: None,
            auth: Auth::Prompt,
            deliver: Vec::new(),
            keep: Keep::Always,
            octets_max: None,
            poll_seconds: None,
        }
    }

    /// Its text, under a name.
    pub(super) fn text(&self, name: &str) -> String {
        let mut out = format!("[account.{name}]\n");
        // Nothing that is written to a String fails.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "host = {}", Text(&self.host))?;
        writeln!(out, "port = {}", self.port)?;
        writeln!(out, "user = {}", Text(&self.user))?;
        match self.tls {
            Tls::Implicit => writeln!(out, "tls = \"implicit\"")?,
            Tls::Upgraded => writeln!(out, "tls = \"starttls\"")?,
            Tls::None => writeln!(out, "tls = \"none\"\ninsecure = true")?,
        }
        if let Some(trust) = &self.trust {
            writeln!(out, "trust = {}", Text(&trust.to_string_lossy()))?;
        }
        if !self.pins.is_empty() {
            writeln!(out, "pin = {}", List(&self.pins))?;
        }
        if let Some((certificate, key)) = &self.client {
            writeln!(
                out,
                "client_certificate = {}",
                Text(&certificate.to_string_lossy())
            )?;
            writeln!(out, "client_key = {}", Text(&key.to_string_lossy()))?;
        }
        if let Some(proxy) = &self.proxy {
            writeln!(out, "proxy = {}", Text(proxy))?;
        }
        if let Some(mechanism) = self.mechanism {
            writeln!(out, "mechanism = {}", Text(mechanism))?;
        }
        writeln!(out, "auth = {{ {} }}", self.auth)?;
        match self.deliver.as_slice() {
            [one] => writeln!(out, "deliver = {one}")?,
            many => {
                let all: Vec<String> = many.iter().map(Deliver::to_string).collect();
                writeln!(out, "deliver = [ {} ]", all.join(", "))?;
            }
        }
        match self.keep {
            Keep::Always => writeln!(out, "keep = true")?,
            Keep::Never => writeln!(out, "keep = false")?,
            Keep::Seconds(seconds) => writeln!(out, "keep = \"{}\"", duration(seconds))?,
            Keep::UntilDeleted => writeln!(out, "keep = \"until-deleted\"")?,
        }
        if let Some(octets) = self.octets_max {
            writeln!(out, "max_size = \"{}\"", size(octets))?;
        }
        if let Some(seconds) = self.poll_seconds {
            writeln!(out, "poll = \"{}\"", duration(seconds))?;
        }
        Ok(())
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PasswordFile(file) => {
                write!(f, "password_file = {}", Text(&file.to_string_lossy()))
            }
            Self::PasswordCommand(words) => write!(f, "password_command = {}", List(words)),
            Self::TokenCommand(words) => write!(f, "token_command = {}", List(words)),
            Self::Provider(provider) => write!(f, "oauth = {}", Text(provider)),
            Self::Certificate => f.write_str("certificate = true"),
            Self::Prompt => f.write_str("prompt = true"),
        }
    }
}

impl fmt::Display for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maildir(path) => write!(f, "{{ maildir = {} }}", Text(&path.to_string_lossy())),
            Self::Mbox(path) => write!(f, "{{ mbox = {} }}", Text(&path.to_string_lossy())),
            Self::Lmtp(to, who) => {
                write!(f, "{{ lmtp = {}, recipient = {} }}", Text(to), Text(who))
            }
            Self::Smtp(to, who) => {
                write!(f, "{{ smtp = {}, recipient = {} }}", Text(to), Text(who))
            }
            Self::Command(words) => write!(f, "{{ command = {} }}", List(words)),
        }
    }
}

/// A string as TOML has it.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                it if it.is_control() => write!(f, "\\u{:04X}", u32::from(it))?,
                it => f.write_char(it)?,
            }
        }
        f.write_char('"')
    }
}

struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|word| Text(word).to_string()).collect();
        write!(f, "[{}]", words.join(", "))
    }
}

/// In the largest unit that it is a whole number of.
fn duration(seconds: u64) -> String {
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "m")] {
        if seconds > 0 && seconds.is_multiple_of(unit) {
            return format!("{}{name}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

fn size(octets: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if octets > 0 && octets.is_multiple_of(unit) {
            return format!("{} {name}", octets / unit);
        }
    }
    format!("{octets} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_account() {
        let mut table = Table::new("pop.example.org", "mrose");
        table.auth = Auth::PasswordFile("/home/mrose/.config/restante/a.password".into());
        table.deliver = vec![Deliver::Maildir("/home/mrose/Mail".into())];
        assert_eq!(
            table.text("a"),
            "[account.a]\n\
             host = \"pop.example.org\"\n\
             port = 995\n\
             user = \"mrose\"\n\
             tls = \"implicit\"\n\
             auth = { password_file = \"/home/mrose/.config/restante/a.password\" }\n\
             deliver = { maildir = \"/home/mrose/Mail\" }\n\
             keep = true\n"
        );
    }

    #[test]
    fn all_that_can_be_said() {
        let mut table = Table::new("h", "a \"b\" \\c\u{1}\u{e4}");
        table.tls = Tls::None;
        table.port = 110;
        table.trust = Some("/t".into());
        table.pins = vec!["00".into(), "ff".into()];
        table.client = Some(("/c".into(), "/k".into()));
        table.proxy = Some("socks5://p:1080".into());
        table.mechanism = Some("apop");
        table.auth = Auth::PasswordCommand(shell("pass 'a'\n"));
        table.deliver = vec![
            Deliver::Mbox("/m".into()),
            Deliver::Lmtp("unix:/s".into(), "bob".into()),
            Deliver::Smtp("localhost:25".into(), "bob@localhost".into()),
            Deliver::Command(vec!["a".into(), "b c".into()]),
        ];
        table.keep = Keep::Seconds(14 * 86_400);
        table.octets_max = Some(3 << 20);
        table.poll_seconds = Some(90);
        let text = table.text("a");
        for line in [
            "user = \"a \\\"b\\\" \\\\c\\u0001\u{e4}\"",
            "tls = \"none\"",
            "insecure = true",
            "trust = \"/t\"",
            "pin = [\"00\", \"ff\"]",
            "client_certificate = \"/c\"",
            "client_key = \"/k\"",
            "proxy = \"socks5://p:1080\"",
            "mechanism = \"apop\"",
            "auth = { password_command = [\"sh\", \"-c\", \"pass 'a'\\n\"] }",
            "deliver = [ { mbox = \"/m\" }, { lmtp = \"unix:/s\", recipient = \"bob\" }, \
             { smtp = \"localhost:25\", recipient = \"bob@localhost\" }, { command = [\"a\", \"b c\"] } ]",
            "keep = \"14d\"",
            "max_size = \"3 MiB\"",
            "poll = \"90s\"",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
        }
    }

    #[test]
    fn figures_are_as_people_write_them() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (300, "5m"),
            (7_200, "2h"),
            (86_400, "1d"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
        for (octets, expected) in [
            (0, "0 B"),
            (1_000, "1000 B"),
            (2_048, "2 KiB"),
            (1 << 30, "1 GiB"),
        ] {
            assert_eq!(size(octets), expected);
        }
    }
}
