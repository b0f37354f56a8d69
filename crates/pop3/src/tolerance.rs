//! Known odd clients: what of the RFCs they do not keep, and whether that is forgiven.
//!
//! Most of what clients do in ways of their own is either right by the RFCs or leniency in reading
//! that nobody can misunderstand ([`Command::parse`](crate::Command::parse): case, spaces). What is
//! here goes further: it departs from a clause because a client that many people use needs it. Each
//! departure has a name, the client, the day on which it was noted, and a switch. On by default is
//! what can harm nobody.
//!
//! Message text is never changed for anybody, and nothing is forgiven around STLS.
//!
//! ```
//! use pop3::{Tolerance, Tolerances};
//!
//! let tolerances = Tolerances::default().without(Tolerance::BareLf);
//! assert!(!tolerances.has(Tolerance::BareLf));
//! assert!(tolerances.has(Tolerance::AuthAlone));
//! ```

/// A departure from an RFC that a client needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tolerance {
    /// AUTH without a mechanism lists the mechanisms. RFC 5034 §4 wants one; Outlook and Outlook
    /// Express ask so before they log in. On: the list is that of CAPA.
    AuthAlone,
    /// AUTH with its initial response may be as long as a line of an exchange
    /// ([`SASL_OCTETS_MAX`](crate::server::SASL_OCTETS_MAX)). RFC 5034 §4 keeps clients to 255
    /// octets; those that bring access tokens send 4 KB and more at once. On: the line has a limit.
    AuthLong,
    /// LF alone ends a line. RFC 1939 §3 wants CRLF; scripts, devices and people at a terminal
    /// send LF. On: no message text comes in by POP3, so nothing can be smuggled by it. Off helps
    /// where something in between reads lines in another way than we do.
    BareLf,
    /// LAST is a command: the highest number that RETR or DELE named in this session
    /// (RFC 1460 §5; removed by RFC 1725). Off: programs that are older than UIDL take it for what
    /// was fetched *ever*, which no session knows, and fetch everything again.
    Last,
    /// UTF8 in the TRANSACTION state, where RFC 6856 §2 does not allow it. Outlook is said to do so
    /// (Courier's server bears with it). Off: that it fails without was never shown to us. Refused all
    /// the same once a surrogate's size was shown, since sizes do not change during a session
    /// (RFC 1939 §5).
    Utf8AfterLogin,
}

impl Tolerance {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AuthAlone,
        Self::AuthLong,
        Self::BareLf,
        Self::Last,
        Self::Utf8AfterLogin,
    ];

    /// Its name: the key that switches it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthAlone => "auth_alone",
            Self::AuthLong => "auth_long",
            Self::BareLf => "bare_lf",
            Self::Last => "last",
            Self::Utf8AfterLogin => "utf8_after_login",
        }
    }

    /// Who needs it.
    pub fn client(self) -> &'static str {
        match self {
            Self::AuthAlone => "Outlook, Outlook Express",
            Self::AuthLong => "programs with access tokens",
            Self::BareLf => "scripts, devices",
            Self::Last => "programs older than UIDL",
            Self::Utf8AfterLogin => "Outlook",
        }
    }

    /// The day on which it was noted here, as year, month and day. What is old and was not seen
    /// again may go.
    pub fn noted(self) -> &'static str {
        match self {
            Self::AuthAlone => "2026-11-23",
            Self::AuthLong => "2026-11-23",
            Self::BareLf => "2026-11-23",
            Self::Last => "2026-11-27",
            Self::Utf8AfterLogin => "2026-11-27",
        }
    }

    /// The tolerance of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|tolerance| tolerance.name() == name)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Which of them are forgiven.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tolerances(u8);

impl Tolerances {
    /// None: the RFCs to the letter.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub fn with(self, tolerance: Tolerance) -> Self {
        Self(self.0 | tolerance.bit())
    }

    /// These but one.
    #[must_use]
    pub fn without(self, tolerance: Tolerance) -> Self {
        Self(self.0 & !tolerance.bit())
    }

    /// Whether it is among them.
    pub fn has(self, tolerance: Tolerance) -> bool {
        self.0 & tolerance.bit() != 0
    }

    /// Those that are, in the order of [`Tolerance::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Tolerance> {
        Tolerance::ALL
            .into_iter()
            .filter(move |tolerance| self.has(*tolerance))
    }
}

impl Default for Tolerances {
    /// Those that clients are known to need and that can harm nobody.
    fn default() -> Self {
        Self::NONE
            .with(Tolerance::AuthAlone)
            .with(Tolerance::AuthLong)
            .with(Tolerance::BareLf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_and_a_switch_of_its_own() {
        for tolerance in Tolerance::ALL {
            assert_eq!(Tolerance::named(tolerance.name()), Some(tolerance));
            let alone = Tolerances::NONE.with(tolerance);
            assert!(alone.iter().eq([tolerance]));
            assert_eq!(alone.without(tolerance), Tolerances::NONE);
        }
        assert_eq!(Tolerance::named("Last"), None);
    }

    #[test]
    fn each_has_its_day() {
        for tolerance in Tolerance::ALL {
            let day: Vec<u16> = tolerance
                .noted()
                .split('-')
                .map(|part| part.parse().unwrap())
                .collect();
            assert!(matches!(day[..], [2026..=2099, 1..=12, 1..=31]), "{day:?}");
        }
    }
}
