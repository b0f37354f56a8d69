//! What is remembered of a server between two sessions, so that the next login takes fewer round trips.
//!
//! It is a guess, never a reason to believe anything: it is used inside TLS from the first octet on only,
//! where the certificate says whom it is about, and the server is asked again in every session.
//!
//! ```
//! use client::Memory;
//!
//! let line = "before=USER,PIPELINING,SASL:PLAIN:SCRAM-SHA-256 after=PIPELINING";
//! let memory: Memory = line.parse().unwrap();
//! assert_eq!(memory.to_string(), line);
//! assert_eq!("".parse(), Ok(Memory::default()));
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pop3::client::{Capabilities, Capability};

/// How long a server is not trusted with PIPELINING after it has failed. Servers are mended, and lines
/// that broke just then look like servers that cannot.
const BROKEN_FOR: Duration = Duration::from_secs(30 * 86_400);

/// Mechanisms that are remembered; a server has a dozen.
const MECHANISMS_MAX: usize = 32;

/// What is remembered of a server: one short line, printed and read again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// What it said before the login, as far as a login needs it.
    before: Option<Capabilities>,
    /// Whether it said PIPELINING after the login.
    after: Option<After>,
    /// When it last failed at it, in seconds since 1970.
    broke: Option<u64>,
    /// When it last refused a proof that the password is known, and took the password, in seconds since 1970.
    refused_proof: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum After {
    Pipelining,
    OneAtATime,
}

impl Memory {
    /// A server that announces PIPELINING lost its step, or a message, or the connection.
    pub fn pipelining_broke(&mut self, now: SystemTime) {
        self.broke = now.duration_since(UNIX_EPOCH).ok().map(|it| it.as_secs());
    }

    /// What the server said before the login, as far as it is remembered; none if it does not know CAPA.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.before.as_ref()
    }

    /// Whether that was not long ago.
    pub fn is_broken(&self, now: SystemTime) -> bool {
        self.broke.is_some_and(|at| is_recent(at, now))
    }

    /// A server that announces SCRAM has no verifier of this user: it refused the proof, and took the password. Each refused
    /// attempt costs seconds, and counts as a wrong password.
    pub(crate) fn proof_was_refused(&mut self, now: SystemTime) {
        self.refused_proof = now.duration_since(UNIX_EPOCH).ok().map(|it| it.as_secs());
    }

    /// Whether that was not long ago.
    pub(crate) fn refuses_proof(&self, now: SystemTime) -> bool {
        self.refused_proof.is_some_and(|at| is_recent(at, now))
    }

    /// What it will say before the login, if it may be spoken to before it has said so.
    pub(crate) fn ahead(&self, now: SystemTime) -> Option<&Capabilities> {
        let before = self.before.as_ref()?;
        (before.offers(&Capability::Pipelining) && !self.is_broken(now)).then_some(before)
    }

    /// Whether it will take commands ahead after the login.
    pub(crate) fn pipelines_after(&self, now: SystemTime) -> bool {
        self.after == Some(After::Pipelining) && !self.is_broken(now)
    }

    /// Whether it takes commands ahead before the login only.
    pub(crate) fn is_one_at_a_time_after(&self) -> bool {
        self.after == Some(After::OneAtATime)
    }

    /// The server has said before the login what it can do; none: it does not know CAPA.
    pub(crate) fn learn_before(&mut self, capabilities: Option<&Capabilities>) {
        self.before = capabilities.map(essence);
    }

    /// The server has said it after the login.
    pub(crate) fn learn_after(&mut self, capabilities: &Capabilities) {
        self.after = Some(match capabilities.offers(&Capability::Pipelining) {
            true => After::Pipelining,
            false => After::OneAtATime,
        });
    }

    /// Whether a login at a server that says this is as it would be by what is remembered. UTF8 changes what comes behind it alone.
    pub(crate) fn leads_in_as(&self, capabilities: &Capabilities) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|before| login(before) == login(capabilities))
    }
}

/// Whether it is to be remembered still. A clock that was set back makes nothing older.
fn is_recent(at: u64, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    now < Duration::from_secs(at).saturating_add(BROKEN_FOR)
}

/// What is kept of what a server says before the login.
fn essence(capabilities: &Capabilities) -> Capabilities {
    let mut kept = login(capabilities);
    if let Some(names) = capabilities.utf8() {
        kept.push(Capability::Utf8(names).to_string().as_bytes());
    }
    kept
}

/// What a login depends on.
fn login(capabilities: &Capabilities) -> Capabilities {
    let mut kept = Capabilities::default();
    for capability in [Capability::User, Capability::Pipelining] {
        if capabilities.offers(&capability) {
            kept.push(capability.to_string().as_bytes());
        }
    }
    let names: Vec<&str> = capabilities
        .mechanisms()
        .filter(|name| is_mechanism(name))
        .take(MECHANISMS_MAX)
        .collect();
    if !names.is_empty() {
        kept.push(format!("SASL {}", names.join(" ")).as_bytes());
    }
    kept
}

/// Whether it has the form of a mechanism's name (RFC 4422 §3.1).
fn is_mechanism(name: &str) -> bool {
    let fits =
        |octet: u8| octet.is_ascii_uppercase() || octet.is_ascii_digit() || b"-_".contains(&octet);
    (1..=20).contains(&name.len()) && name.bytes().all(fits)
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if let Some(before) = &self.before {
            let lines = before.iter().map(|line| line.to_string().replace(' ', ":"));
            words.push(format!("before={}", lines.collect::<Vec<_>>().join(",")));
        }
        match self.after {
            Some(After::Pipelining) => words.push("after=PIPELINING".to_owned()),
            Some(After::OneAtATime) => words.push("after=".to_owned()),
            None => {}
        }
        if let Some(broke) = self.broke {
            words.push(format!("broke={broke}"));
        }
        if let Some(refused) = self.refused_proof {
            words.push(format!("proof-refused={refused}"));
        }
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Memory {
    type Err = NotAMemory;

    fn from_str(text: &str) -> Result<Self, NotAMemory> {
        let mut memory = Self::default();
        for word in text.split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("before", lines)) => {
                    let mut capabilities = Capabilities::default();
                    for line in lines.split(',') {
                        capabilities.push(line.replace(':', " ").as_bytes());
                    }
                    memory.learn_before(Some(&capabilities));
                }
                Some(("after", "PIPELINING")) => memory.after = Some(After::Pipelining),
                Some(("after", "")) => memory.after = Some(After::OneAtATime),
                Some(("broke", seconds)) => {
                    memory.broke = Some(seconds.parse().map_err(|_| NotAMemory)?);
                }
                Some(("proof-refused", seconds)) => {
                    memory.refused_proof = Some(seconds.parse().map_err(|_| NotAMemory)?);
                }
                _ => return Err(NotAMemory),
            }
        }
        Ok(memory)
    }
}

/// A text that is not what is printed of a [`Memory`]; it can be forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is nothing that was remembered of a server")]
pub struct NotAMemory;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_remembered_is_short_and_read_again() {
        let mut told = Capabilities::default();
        for line in [
            "TOP",
            "UIDL",
            "IMPLEMENTATION Secret broke=1",
            "SASL PLAIN A,B after=X GSSAPI",
            "PIPELINING",
            "USER",
            "UTF8 user",
        ] {
            told.push(line.as_bytes());
        }
        let mut memory = Memory::default();
        assert_eq!(memory.to_string(), "");
        memory.learn_before(Some(&told));
        memory.learn_after(&Capabilities::default());
        memory.pipelining_broke(at(1_764_000_000));
        memory.proof_was_refused(at(1_764_000_001));
        let line = "before=USER,PIPELINING,SASL:PLAIN:GSSAPI,UTF8:USER after= broke=1764000000 proof-refused=1764000001";
        assert_eq!(memory.to_string(), line);
        assert_eq!(line.parse(), Ok(memory.clone()));
        assert!(memory.leads_in_as(&told));
        assert!(!memory.leads_in_as(&Capabilities::default()));
        // A server without anything of that is another one than a server that is not known.
        assert_eq!("before=".parse::<Memory>().unwrap().to_string(), "before=");
        for wrong in ["x", "after=x", "broke=", "broke=-1", "later=1"] {
            assert_eq!(wrong.parse::<Memory>(), Err(NotAMemory), "{wrong}");
        }
        let many = format!("before=SASL{}", ":X".repeat(5000));
        assert!(many.parse::<Memory>().unwrap().to_string().len() < 100);
    }

    #[test]
    fn a_server_that_failed_is_tried_again_after_a_month() {
        let mut memory: Memory = "before=PIPELINING after=PIPELINING".parse().unwrap();
        assert!(memory.ahead(at(0)).is_some() && memory.pipelines_after(at(0)));
        memory.pipelining_broke(at(1000));
        let month = 30 * 86_400;
        for (now, is_broken) in [
            (0, true),
            (1000, true),
            (999 + month, true),
            (1000 + month, false),
        ] {
            assert_eq!(memory.is_broken(at(now)), is_broken, "{now}");
            assert_eq!(memory.ahead(at(now)).is_none(), is_broken);
            assert_eq!(memory.pipelines_after(at(now)), !is_broken);
        }
        let slow: Memory = "before=USER".parse().unwrap();
        assert!(slow.ahead(at(0)).is_none());
    }

    proptest! {
        #[test]
        fn what_is_read_is_printed_as_what_is_read_again(
            text in "((before|after|broke)=[A-Za-z0-9:,=-]{0,30} ?){0,4}",
        ) {
            if let Ok(memory) = text.parse::<Memory>() {
                prop_assert_eq!(memory.to_string().parse(), Ok(memory));
            }
        }
    }
}
