//! The login: the best mechanism that both sides know, and at most one more attempt.
//!
//! Inside TLS a server whose certificate is believed may see the password, but one that can prove that it
//! knows it is asked to (SCRAM). A server that announces SCRAM may still have no verifier for this user,
//! or one of too few
//! iterations, so a refusal there is followed by the plain way once. In clear that second attempt is what
//! whoever sits between may bring about; in clear he could have anything anyway, and it was asked for.

use pop3::Command;
use pop3::client::{Answer, Capabilities, Capability, Channel, Event, Exchange, Status};
use sasl::client::{ChannelBinding, Exchange as Mechanics, Failed};
use sasl::nonce::{Nonces, SEED_OCTETS};
use sasl::scram::Hash;
use sasl::{BindingType, Mechanism};

use crate::account::{Account, Transport};
use crate::conversation::Conversation;
use crate::error::ClientError;

const AWAITED: &str = "the reply to the login";

/// A way to log in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// USER and PASS (RFC 1939 §7).
    Pass,
    /// AUTH (RFC 5034).
    Auth(Mechanism),
}

/// What comes of a way.
enum Outcome {
    LoggedIn,
    Refused(Status),
    /// It cannot be gone, or not to its end, which the server knows; another one can perhaps.
    GivenUp(Failed),
}

/// Logs in.
pub(crate) async fn log_in(
    conversation: &mut Conversation,
    capabilities: &Capabilities,
    account: &Account,
) -> Result<(), ClientError> {
    let exporter = conversation.stream.exporter();
    let channel = match account.transport {
        Transport::InClear => Channel::Plain,
        Transport::Tls(_) | Transport::Stls(_) => Channel::Tls,
    };
    let ways = ways(capabilities, channel, exporter.is_some());
    let (mut refused, mut given_up) = (None, None);
    for way in ways {
        let outcome = match way {
            Way::Pass => pass(conversation, account).await?,
            Way::Auth(mechanism) => {
                let exporter = exporter.as_deref();
                let mechanics = mechanics(mechanism, exporter, capabilities, account);
                match mechanics {
                    Ok(mechanics) => auth(conversation, mechanics).await?,
                    // Such a password can only be sent.
                    Err(why @ Failed::Unpreparable) => Outcome::GivenUp(why),
                    Err(failed) => return Err(failed.into()),
                }
            }
        };
        match outcome {
            Outcome::LoggedIn => return Ok(()),
            Outcome::Refused(status) => match ClientError::login(status) {
                ClientError::LoginRefused(status) => refused = Some(status),
                not_now => return Err(not_now),
            },
            Outcome::GivenUp(why) => given_up = Some(why),
        }
    }
    Err(match (refused, given_up) {
        (Some(status), _) => ClientError::LoginRefused(status),
        (None, Some(why @ Failed::Unpreparable)) => {
            ClientError::NoMechanism(format!("{}; {why}", offered(capabilities)))
        }
        (None, Some(why)) => why.into(),
        (None, None) => ClientError::NoMechanism(offered(capabilities)),
    })
}

/// The ways to try, in their order: the best one that proves something, and the best plain one.
fn ways(capabilities: &Capabilities, channel: Channel, can_bind: bool) -> Vec<Way> {
    let offered =
        |mechanism: &Mechanism| capabilities.mechanisms().any(|it| it == mechanism.name());
    let mut proofs = vec![
        Mechanism::ScramSha256Plus,
        Mechanism::ScramSha256,
        Mechanism::ScramSha1Plus,
        Mechanism::ScramSha1,
    ];
    if !can_bind {
        proofs.retain(|mechanism| mechanism.binds() == sasl::Binds::No);
    }
    // A digest is better than a password in clear; inside TLS it is worth nothing, and its secret may
    // be another than the password.
    if channel == Channel::Plain {
        proofs.push(Mechanism::CramMd5);
    }
    let proof = proofs.into_iter().find(|it| offered(it)).map(Way::Auth);
    // A server that does not know CAPA knows USER, and so do many that do not say so.
    let says_user = capabilities.offers(&Capability::User);
    let says_nothing = capabilities.mechanisms().next().is_none();
    let plain = match says_user || says_nothing {
        true => Some(Way::Pass),
        false => [Mechanism::Plain, Mechanism::Login]
            .into_iter()
            .find(offered)
            .map(Way::Auth),
    };
    proof.into_iter().chain(plain).collect()
}

/// What the server offers, for people.
fn offered(capabilities: &Capabilities) -> String {
    let names: Vec<_> = capabilities.mechanisms().collect();
    names.join(", ")
}

fn mechanics(
    mechanism: Mechanism,
    exporter: Option<&[u8]>,
    capabilities: &Capabilities,
    account: &Account,
) -> Result<Mechanics, Failed> {
    let (user, secret) = (&account.user, &account.secret);
    match mechanism {
        Mechanism::CramMd5 => Ok(Mechanics::cram_md5(user, secret)),
        Mechanism::Login => Ok(Mechanics::login(user, secret)),
        _ => match mechanism.scram() {
            Some((hash, binds)) => {
                let binding = match (binds, exporter) {
                    (sasl::Binds::Yes, Some(octets)) => {
                        ChannelBinding::Bound(BindingType::TlsExporter, octets)
                    }
                    (_, Some(_)) if !offers_plus(capabilities, hash) => ChannelBinding::NotOffered,
                    _ => ChannelBinding::Unsupported,
                };
                Mechanics::scram(hash, binding, user, secret, &nonce())
            }
            None => Ok(Mechanics::plain(user, secret)),
        },
    }
}

fn offers_plus(capabilities: &Capabilities, hash: Hash) -> bool {
    let plus = match hash {
        Hash::Sha256 => Mechanism::ScramSha256Plus,
        Hash::Sha1 => Mechanism::ScramSha1Plus,
    };
    capabilities.mechanisms().any(|name| name == plus.name())
}

fn nonce() -> String {
    let mut seed = [0; SEED_OCTETS];
    getrandom::fill(&mut seed).expect("the system gives random octets");
    Nonces::new(seed).next()
}

/// USER and PASS.
async fn pass(conversation: &mut Conversation, account: &Account) -> Result<Outcome, ClientError> {
    let user = Command::User(account.user.clone());
    if let Event::Refused { status, .. } = conversation.ask(&user, AWAITED).await? {
        return Ok(Outcome::Refused(status));
    }
    let pass = Command::Pass(account.secret.clone());
    match conversation.ask(&pass, AWAITED).await? {
        Event::LoggedIn(_) => Ok(Outcome::LoggedIn),
        Event::Refused { status, .. } => Ok(Outcome::Refused(status)),
        _ => Err(pop3::client::Broken::OutOfStep.into()),
    }
}

/// AUTH.
async fn auth(
    conversation: &mut Conversation,
    mut mechanics: Mechanics,
) -> Result<Outcome, ClientError> {
    let name = mechanics.mechanism().name();
    let first = mechanics.initial_response();
    let mut failed = None;
    let step = |challenge: &[u8]| match mechanics.step(challenge) {
        Ok(response) => Answer::Respond(response),
        Err(why) => {
            failed = Some(why);
            Answer::Cancel
        }
    };
    let Conversation {
        session, output, ..
    } = conversation;
    let mut exchange = Exchange::begin(session, name, first, step, output)?;
    let status = loop {
        match conversation.next(AWAITED).await? {
            Event::Challenge(challenge) => {
                let Conversation {
                    session, output, ..
                } = conversation;
                exchange.step(session, &challenge, output)?;
            }
            Event::LoggedIn(_) => break None,
            Event::Refused { status, .. } => break Some(status),
            _ => return Err(pop3::client::Broken::OutOfStep.into()),
        }
    };
    drop(exchange);
    match (failed, status) {
        (None | Some(Failed::Refused), Some(status)) => Ok(Outcome::Refused(status)),
        // A server that keeps old verifiers is none that knows no password.
        (Some(why @ Failed::Iterations(_)), Some(_)) => Ok(Outcome::GivenUp(why)),
        (Some(why), _) => Err(why.into()),
        (None, None) => {
            mechanics.finish()?;
            Ok(Outcome::LoggedIn)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways_of(lines: &[&str], channel: Channel, can_bind: bool) -> Vec<Way> {
        let mut capabilities = Capabilities::default();
        for line in lines {
            capabilities.push(line.as_bytes());
        }
        ways(&capabilities, channel, can_bind)
    }

    #[test]
    fn the_best_way_comes_first_and_one_more_behind_it() {
        use Mechanism::{CramMd5, Login, Plain, ScramSha1, ScramSha256, ScramSha256Plus};
        let sasl = "SASL PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS";
        for (lines, channel, can_bind, expected) in [
            (&[][..], Channel::Tls, true, vec![Way::Pass]),
            (&["USER"], Channel::Plain, false, vec![Way::Pass]),
            (&["SASL PLAIN"], Channel::Tls, true, vec![Way::Auth(Plain)]),
            (&["SASL LOGIN"], Channel::Tls, true, vec![Way::Auth(Login)]),
            (&["SASL GSSAPI"], Channel::Tls, true, vec![]),
            (
                &[sasl],
                Channel::Tls,
                true,
                vec![Way::Auth(ScramSha256Plus), Way::Auth(Plain)],
            ),
            (
                &[sasl, "USER"],
                Channel::Tls,
                false,
                vec![Way::Auth(ScramSha256), Way::Pass],
            ),
            (
                &["SASL SCRAM-SHA-1 CRAM-MD5", "USER"],
                Channel::Plain,
                false,
                vec![Way::Auth(ScramSha1), Way::Pass],
            ),
            (
                &["SASL CRAM-MD5", "USER"],
                Channel::Plain,
                false,
                vec![Way::Auth(CramMd5), Way::Pass],
            ),
            (
                &["SASL CRAM-MD5", "USER"],
                Channel::Tls,
                false,
                vec![Way::Pass],
            ),
        ] {
            assert_eq!(ways_of(lines, channel, can_bind), expected, "{lines:?}");
        }
    }
}
