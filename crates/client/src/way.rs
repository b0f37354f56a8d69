//! Ways to log in, and which of them to try.
//!
//! Inside TLS a server whose certificate is believed may see the password, but one that can prove that it
//! knows it is asked to (SCRAM). A server that announces SCRAM may still have no verifier for this user,
//! or one of too few iterations, so a refusal there is followed by the plain way once. In clear that
//! second attempt is what whoever sits between may bring about; in clear he could have anything anyway,
//! and it was asked for.

use std::fmt;
use std::str::FromStr;

use pop3::client::{Capabilities, Capability, Channel, Names};
use sasl::{Binds, Mechanism};

use crate::account::Credentials;
use crate::error::ClientError;

/// A way to log in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// USER and PASS (RFC 1939 §7).
    Pass,
    /// APOP (RFC 1939 §7): a digest of the password and of what the greeting says. It is MD5, which is
    /// better than a password in clear and worse than anything inside TLS.
    Apop,
    /// AUTH (RFC 5034).
    Auth(Mechanism),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("USER"),
            Self::Apop => f.write_str("APOP"),
            Self::Auth(mechanism) => mechanism.fmt(f),
        }
    }
}

impl FromStr for Way {
    type Err = NotAWay;

    fn from_str(text: &str) -> Result<Self, NotAWay> {
        match text.to_ascii_uppercase().as_str() {
            "USER" | "PASS" => Ok(Self::Pass),
            "APOP" => Ok(Self::Apop),
            name => Mechanism::named(name.as_bytes())
                .map(Self::Auth)
                .ok_or(NotAWay),
        }
    }
}

/// A text that names no way to log in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a way to log in is USER, APOP, or one of SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, SCRAM-SHA-1, \
     EXTERNAL, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN and CRAM-MD5"
)]
pub struct NotAWay;

/// What a server and a connection allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) channel: Channel,
    pub(crate) binding: Bindable,
    pub(crate) greeting: Greeting,
    /// In which characters the name and the password are that are to be said.
    pub(crate) names: Names,
}

/// Whether the TLS channel has a name that a proof could hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bindable {
    Yes,
    No,
}

/// Whether APOP has something to make a digest of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Greeting {
    Timestamp,
    Plain,
}

impl Ground<'_> {
    fn offers(&self, mechanism: Mechanism) -> bool {
        self.capabilities
            .mechanisms()
            .any(|it| it == mechanism.name())
    }

    /// The ways to try, in their order.
    pub(crate) fn ways(
        &self,
        credentials: &Credentials,
        forced: Option<Way>,
    ) -> Result<Vec<Way>, ClientError> {
        if let Some(way) = forced {
            return match self.hinders(way, credentials) {
                None => Ok(vec![way]),
                Some(why) => Err(ClientError::Unfit { way, why }),
            };
        }
        Ok(match credentials {
            Credentials::Password(_) => self.with_password(),
            // Microsoft's servers know XOAUTH2 and do not always say so.
            Credentials::Token(_) => match self.offers(Mechanism::OauthBearer) {
                true => vec![Way::Auth(Mechanism::OauthBearer)],
                false => vec![Way::Auth(Mechanism::XOauth2)],
            },
            // Many servers announce it only to whom they know, and only after the handshake they do.
            Credentials::Certificate => vec![Way::Auth(Mechanism::External)],
        })
    }

    /// Why a way that must be gone cannot be.
    fn hinders(&self, way: Way, credentials: &Credentials) -> Option<String> {
        let binds = match way {
            Way::Auth(mechanism) => mechanism.binds(),
            Way::Pass | Way::Apop => Binds::No,
        };
        match (way, binds) {
            _ if !way.fits(credentials) => Some(format!("it has no place for {credentials}")),
            (_, Binds::Yes) if self.binding == Bindable::No => {
                Some("it needs TLS 1.3, and there is none".to_owned())
            }
            (Way::Apop, _) if self.greeting == Greeting::Plain => {
                Some("the server's greeting has no timestamp".to_owned())
            }
            _ => None,
        }
    }

    /// The best way that proves something, and the best plain one.
    fn with_password(&self) -> Vec<Way> {
        let mut proofs = vec![
            Mechanism::ScramSha256Plus,
            Mechanism::ScramSha256,
            Mechanism::ScramSha1Plus,
            Mechanism::ScramSha1,
        ];
        if self.binding == Bindable::No {
            proofs.retain(|mechanism| mechanism.binds() == Binds::No);
        }
        // A digest is better than a password in clear; inside TLS it is worth nothing, and its secret may
        // be another than the password.
        let in_clear = self.channel == Channel::Plain;
        if in_clear {
            proofs.push(Mechanism::CramMd5);
        }
        let proof = proofs.into_iter().find(|&it| self.offers(it));
        // APOP only where it is asked for. A timestamp says nothing of this user: most have no secret for it, a refusal counts as a
        // wrong password, and solid-pop3d ends the connection then.
        let proof = proof.map(Way::Auth);
        // A server that does not know CAPA knows USER, and so do many that do not say so.
        let says_user = self.capabilities.offers(&Capability::User);
        let says_nothing = self.capabilities.mechanisms().next().is_none();
        let auth = [Mechanism::Plain, Mechanism::Login]
            .into_iter()
            .find(|&it| self.offers(it))
            .map(Way::Auth);
        // AUTH carries UTF-8 anyway; USER and PASS do where the server says so (RFC 6856 §2.2). Most that do not say so take it all the
        // same, and where there is nothing else it is tried.
        let carries = self.names == Names::Ascii || self.capabilities.utf8() == Some(Names::Utf8);
        let plain = match (says_user || says_nothing, carries) {
            (true, true) => Some(Way::Pass),
            (true, false) => auth.or(Some(Way::Pass)),
            (false, _) => auth,
        };
        proof.into_iter().chain(plain).collect()
    }
}

impl Way {
    /// Whether it has a place for these.
    fn fits(self, credentials: &Credentials) -> bool {
        let token = matches!(
            self,
            Self::Auth(Mechanism::OauthBearer | Mechanism::XOauth2)
        );
        let certificate = self == Self::Auth(Mechanism::External);
        match credentials {
            Credentials::Password(_) => !token && !certificate,
            Credentials::Token(_) => token,
            Credentials::Certificate => certificate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sasl::Secret;

    fn ways_of(
        lines: &[&str],
        channel: Channel,
        binding: Bindable,
        greeting: Greeting,
    ) -> Vec<Way> {
        let mut capabilities = Capabilities::default();
        for line in lines {
            capabilities.push(line.as_bytes());
        }
        let ground = Ground {
            capabilities: &capabilities,
            channel,
            binding,
            greeting,
            names: Names::Ascii,
        };
        let password = Credentials::Password(Secret::new("redqueen"));
        ground.ways(&password, None).unwrap()
    }

    #[test]
    fn the_best_way_comes_first_and_one_more_behind_it() {
        use Bindable::{No, Yes};
        use Greeting::{Plain as Bare, Timestamp};
        use Mechanism::{CramMd5, Login, Plain, ScramSha1, ScramSha256, ScramSha256Plus};
        let (clear, tls) = (Channel::Plain, Channel::Tls);
        let sasl = "SASL PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS";
        let auth = Way::Auth;
        for (lines, channel, binding, greeting, expected) in [
            (&[][..], tls, Yes, Bare, vec![Way::Pass]),
            (&["USER"], clear, No, Bare, vec![Way::Pass]),
            (&["USER"], clear, No, Timestamp, vec![Way::Pass]),
            (&["USER"], tls, No, Timestamp, vec![Way::Pass]),
            (&["SASL PLAIN"], tls, Yes, Bare, vec![auth(Plain)]),
            (&["SASL LOGIN"], tls, Yes, Bare, vec![auth(Login)]),
            (&["SASL GSSAPI"], tls, Yes, Bare, vec![]),
            (
                &[sasl],
                tls,
                Yes,
                Bare,
                vec![auth(ScramSha256Plus), auth(Plain)],
            ),
            (
                &[sasl, "USER"],
                tls,
                No,
                Bare,
                vec![auth(ScramSha256), Way::Pass],
            ),
            (
                &["SASL SCRAM-SHA-1 CRAM-MD5", "USER"],
                clear,
                No,
                Timestamp,
                vec![auth(ScramSha1), Way::Pass],
            ),
            (
                &["SASL CRAM-MD5", "USER"],
                clear,
                No,
                Timestamp,
                vec![auth(CramMd5), Way::Pass],
            ),
            (&["SASL CRAM-MD5", "USER"], tls, No, Bare, vec![Way::Pass]),
        ] {
            assert_eq!(
                ways_of(lines, channel, binding, greeting),
                expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn what_is_no_ascii_goes_where_it_may() {
        for (lines, expected) in [
            (&["USER", "UTF8 USER", "SASL PLAIN"][..], "USER"),
            (&["USER", "UTF8", "SASL LOGIN PLAIN"], "PLAIN"),
            (&["USER", "SASL LOGIN"], "LOGIN"),
            (&["USER", "SASL CRAM-MD5"], "USER"),
            (&[], "USER"),
        ] {
            let mut capabilities = Capabilities::default();
            for line in lines {
                capabilities.push(line.as_bytes());
            }
            let ground = Ground {
                capabilities: &capabilities,
                channel: Channel::Tls,
                binding: Bindable::No,
                greeting: Greeting::Plain,
                names: Names::Utf8,
            };
            let password = Credentials::Password(Secret::new("r\u{f6}d"));
            let ways = ground.ways(&password, None).unwrap();
            assert_eq!(ways, [expected.parse().unwrap()], "{lines:?}");
        }
    }

    #[test]
    fn a_way_is_read_as_it_is_printed() {
        for name in ["USER", "APOP", "PLAIN", "XOAUTH2", "SCRAM-SHA-256-PLUS"] {
            let way: Way = name.parse().unwrap();
            assert_eq!(way.to_string(), name);
            assert_eq!(name.to_lowercase().parse(), Ok(way));
        }
        assert_eq!("PASS".parse(), Ok(Way::Pass));
        assert_eq!("GSSAPI".parse::<Way>(), Err(NotAWay));
        // All that can be named are named.
        for mechanism in Mechanism::ALL {
            assert!(NotAWay.to_string().contains(mechanism.name()));
        }
    }

    #[test]
    fn a_way_that_cannot_be_gone_is_told() {
        let capabilities = Capabilities::default();
        let ground = Ground {
            capabilities: &capabilities,
            channel: Channel::Tls,
            binding: Bindable::No,
            greeting: Greeting::Plain,
            names: Names::Ascii,
        };
        let token = Credentials::Token(Secret::new("t"));
        for way in ["PLAIN", "USER", "APOP", "EXTERNAL", "SCRAM-SHA-256"] {
            let error = ground.ways(&token, way.parse().ok()).unwrap_err();
            let told = format!("{way} cannot be used here: it has no place for a token");
            assert_eq!(error.to_string(), told);
        }
        let password = Credentials::Password(Secret::new("p"));
        for (way, why) in [
            ("XOAUTH2", "it has no place for a password"),
            ("APOP", "the server's greeting has no timestamp"),
            ("SCRAM-SHA-1-PLUS", "it needs TLS 1.3, and there is none"),
        ] {
            let error = ground.ways(&password, way.parse().ok()).unwrap_err();
            assert!(error.to_string().ends_with(why), "{error}");
        }
        for way in ["OAUTHBEARER", "XOAUTH2"] {
            let way: Way = way.parse().unwrap();
            assert_eq!(ground.ways(&token, Some(way)).unwrap(), [way]);
        }
    }
}
