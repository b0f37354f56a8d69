//! The AUTHORIZATION state: who is it (RFC 1939 §4 and §7, RFC 2595 §4, RFC 5034 §4).
//!
//! Until a login is right, the other side is a stranger: what makes no sense is counted, and a
//! client that speaks HTTP has been sent here by somebody who wants our answers misread (ALPACA),
//! so it gets one and the connection ends.

use sasl::nonce::Nonces;
use sasl::prepare::{self, Prohibited};
use sasl::scram::Verifier;
use sasl::server::{Ending, Exchange, Lookup, Refused, Step};
use sasl::{BindingType, Login, Mechanism, Secret, base64};

use super::manner::Mode;
use super::{After, Channel, Connection, Manner, Next, Passwords, Settings, Stls, offered, parse};
use crate::capability::{self, Asked};
use crate::reply::{self, Refusal, Said};
use crate::wire::TERMINATOR;
use crate::xclient::Attributes;
use crate::{Command, Keyword, Language, Promise, Tolerance, Tolerances};

/// So many unknown commands end the connection.
const UNKNOWN_COMMANDS_MAX: u8 = 3;

/// The AUTHORIZATION state.
#[derive(Debug)]
pub(super) struct Authorization {
    phase: Phase,
    manner: Manner,
    introduction: Introduction,
    nonces: Nonces,
    /// Whether an exchange has been bound to the channel's `tls-exporter`.
    exporter_spent: bool,
    unknown_commands: u8,
    passwords_not_utf8: u64,
    /// Whether CAPA waits for what can be promised.
    is_promising: bool,
}

/// What a front end may say of its client.
#[derive(Debug)]
enum Introduction {
    /// What it has not said yet.
    Open(Attributes),
    /// Nothing more: a login has begun, so what comes may be the client's own.
    Over,
}

impl Default for Introduction {
    fn default() -> Self {
        Self::Open(Attributes::default())
    }
}

/// What the next line is.
#[derive(Debug)]
enum Phase {
    /// A command; after USER with the name it gave.
    Command { user: Option<String> },
    /// The client's answer to a challenge.
    Exchange(Exchange),
    /// Nothing yet: the driver looks a verifier up.
    Lookup(Lookup),
    /// Nothing yet: the driver verifies a login.
    Verifying(Ending),
    /// Nothing yet: the driver notes whose the connection is.
    Forwarding,
    /// The client's answer to why its login is refused; whatever it says, it then is
    /// (RFC 7628 §3.2.3).
    Explained(Refusal),
}

impl Default for Phase {
    fn default() -> Self {
        Self::Command { user: None }
    }
}

impl Authorization {
    /// Nobody has said anything yet.
    pub(super) fn new(nonces: Nonces) -> Self {
        Self {
            phase: Phase::default(),
            manner: Manner::default(),
            introduction: Introduction::default(),
            nonces,
            exporter_spent: false,
            unknown_commands: 0,
            passwords_not_utf8: 0,
            is_promising: false,
        }
    }

    /// Answers one line.
    pub(super) fn handle(
        &mut self,
        line: Result<&[u8], Refusal>,
        settings: &Settings,
        connection: &Connection,
        out: &mut Vec<u8>,
    ) -> After {
        match std::mem::take(&mut self.phase) {
            Phase::Exchange(exchange) => {
                let looked_up = exchange.looked_up().map(str::to_owned);
                let step = line
                    .and_then(response)
                    .map(|response| exchange.step(response.expose()));
                return match (step, looked_up) {
                    // Who has had a salt shown and goes no further counts as one who guessed wrong.
                    (Ok(Step::Refused(_)) | Err(_), Some(user)) => {
                        self.verify(Login::Disproved { user }, Ending::AtOnce)
                    }
                    (Ok(step), _) => self.step(step, out),
                    (Err(refusal), None) => self.refuse(refusal, out),
                };
            }
            Phase::Explained(refusal) => return self.refuse(refusal, out),
            other => self.phase = other,
        }
        match line.and_then(|line| match is_http(line) {
            true => Err(Refusal::Http),
            false => parse(line, connection.speaker, settings.tolerances),
        }) {
            Ok(command) => self.command(command, settings, connection, out),
            Err(refusal) => self.refuse(refusal, out),
        }
    }

    fn command(
        &mut self,
        command: Command,
        settings: &Settings,
        connection: &Connection,
        out: &mut Vec<u8>,
    ) -> After {
        let passwords = connection.passwords;
        if let Keyword::User | Keyword::Pass | Keyword::Apop | Keyword::Auth = command.keyword() {
            self.introduction = Introduction::Over;
        }
        match command {
            Command::Xclient(said) => self.introduce(said, out),
            // Refused here already, before a password travels.
            Command::User(_) | Command::Pass(_) | Command::Apop { .. }
                if passwords == Passwords::AfterTls =>
            {
                self.refuse(Refusal::PasswordsAfterTls, out)
            }
            Command::User(name) => match user(&name) {
                // Always yes: a "no such user" here would list our users to anyone who asks.
                Ok(name) => {
                    reply::user(&name, out);
                    self.phase = Phase::Command { user: Some(name) };
                    After::Line
                }
                // Never with a code: that would say who exists (RFC 3206 §5).
                Err(Prohibited) => self.refuse(Refusal::Usage(Keyword::User), out),
            },
            Command::Pass(secret) => match std::mem::take(&mut self.phase) {
                // As it was typed: what it is compared with may have been made of that. Only what is no
                // UTF-8 is refused at once (RFC 6856 §2.2).
                Phase::Command { user: Some(user) } => match str::from_utf8(secret.expose()) {
                    Ok(_) => self.verify(Login::password(user, secret), Ending::AtOnce),
                    Err(_) => {
                        self.passwords_not_utf8 += 1;
                        self.refuse(Refusal::Password, out)
                    }
                },
                _ => self.refuse(Refusal::UserFirst, out),
            },
            Command::Apop { user: name, digest } => match user(&name) {
                Ok(user) => {
                    let timestamp = connection.timestamp.clone();
                    let login = Login::Apop {
                        user,
                        timestamp,
                        digest,
                    };
                    self.verify(login, Ending::AtOnce)
                }
                Err(Prohibited) => self.refuse(Refusal::Credentials, out),
            },
            Command::AuthList => {
                Said::Mechanisms.print(self.manner.language, out);
                for mechanism in offered(connection) {
                    reply::line(out, &[mechanism.name().as_bytes()]);
                }
                out.extend_from_slice(TERMINATOR);
                After::Line
            }
            Command::Auth {
                mechanism,
                initial_response,
            } => {
                self.phase = Phase::default();
                let named = Mechanism::named(mechanism.as_bytes());
                match named.filter(|known| connection.sasl.mechanisms.contains(known)) {
                    None => self.refuse(Refusal::UnknownMechanism, out),
                    Some(mechanism)
                        if mechanism.needs_tls() && passwords == Passwords::AfterTls =>
                    {
                        self.refuse(Refusal::PasswordsAfterTls, out)
                    }
                    Some(mechanism) => {
                        let response = initial_response.as_ref().map(Secret::expose);
                        {
                            let nonce = self.nonces.next();
                            let ground = connection.sasl.ground(&connection.timestamp, nonce);
                            self.step(Exchange::start(mechanism, response, &ground), out)
                        }
                    }
                }
            }
            Command::Capa if connection.expire == Promise::OnRequest => {
                self.is_promising = true;
                After::Wait(Next::Promise)
            }
            Command::Capa => {
                let language = self.manner.language;
                capability::list(settings, connection, Asked::BeforeLogin, language, out);
                After::Line
            }
            Command::Lang(range) => match self.manner.speak(range, settings, out) {
                Ok(()) => After::Line,
                Err(refusal) => self.refuse(refusal, out),
            },
            Command::Stls => match (connection.channel, connection.stls) {
                (Channel::Tls, _) => self.refuse(Refusal::AlreadyTls, out),
                (Channel::Plain, Stls::NotOffered) => self.refuse(Refusal::StlsNotOffered, out),
                (Channel::Plain, Stls::Offered) if self.manner.mode == Mode::Utf8 => {
                    self.refuse(Refusal::StlsAfterUtf8, out)
                }
                (Channel::Plain, Stls::Offered) => {
                    Said::BeginTls.print(self.manner.language, out);
                    After::End(Next::StartTls)
                }
            },
            Command::Utf8 => {
                self.manner.mode = Mode::Utf8;
                Said::Utf8.print(self.manner.language, out);
                After::Line
            }
            Command::Quit => {
                Said::Bye(&settings.name).print(self.manner.language, out);
                After::SignedOff
            }
            Command::Dele(_)
            | Command::Last
            | Command::List(_)
            | Command::Noop
            | Command::Retr(_)
            | Command::Rset
            | Command::Stat
            | Command::Top(..)
            | Command::Uidl(_) => self.refuse(Refusal::NotLoggedIn, out),
        }
    }

    /// Takes what a front end says of its client, each thing once.
    fn introduce(&mut self, said: Attributes, out: &mut Vec<u8>) -> After {
        let Introduction::Open(before) = &self.introduction else {
            return self.refuse(Refusal::ForwardedLate, out);
        };
        let Some(all) = before.clone().and(said) else {
            return self.refuse(Refusal::ForwardedTwice, out);
        };
        self.introduction = Introduction::Open(all.clone());
        self.phase = Phase::Forwarding;
        After::Wait(Next::Forwarded(all))
    }

    /// Does what a mechanism says.
    fn step(&mut self, step: Step, out: &mut Vec<u8>) -> After {
        match step {
            Step::Challenge(challenge, exchange) => {
                reply::challenge(&base64::encode(&challenge), out);
                self.phase = Phase::Exchange(exchange);
                After::Line
            }
            // One exchange a channel may be bound to it (RFC 9266 §4.1); the others may still begin.
            Step::Lookup(lookup) if self.exporter_spent && is_bound_to_exporter(&lookup) => {
                self.refuse(Refusal::BindingSpent, out)
            }
            Step::Lookup(lookup) => {
                let (user, hash) = (lookup.user().to_owned(), lookup.hash());
                self.phase = Phase::Lookup(lookup);
                After::Wait(Next::Lookup { user, hash })
            }
            Step::Verify(login, ending) => self.verify(login, ending),
            Step::Refused(why) => {
                let refusal = match why {
                    Refused::Malformed => Refusal::MalformedResponse,
                    // Another name is what is needed (RFC 3206 §5).
                    Refused::Name => Refusal::Credentials,
                    Refused::ServerFirst => Refusal::ServerFirst,
                    Refused::Binding => Refusal::Binding,
                    Refused::NotHere => Refusal::MechanismNotHere,
                };
                self.refuse(refusal, out)
            }
        }
    }

    fn verify(&mut self, login: Login, ending: Ending) -> After {
        self.phase = Phase::Verifying(ending);
        After::Wait(Next::Authenticate(login))
    }

    fn refuse(&mut self, refusal: Refusal, out: &mut Vec<u8>) -> After {
        let language = self.manner.language;
        // Who begins another login has given up the one before: PASS goes with the last USER, and that
        // was none (RFC 1939 §7).
        if let Refusal::NotUtf8
        | Refusal::Credentials
        | Refusal::Usage(Keyword::User | Keyword::Apop | Keyword::Auth) = refusal
            && let Phase::Command { .. } = self.phase
        {
            self.phase = Phase::default();
        }
        match refusal {
            Refusal::Http => {
                refusal.print_in(language, out);
                return After::End(Next::Close);
            }
            Refusal::UnknownCommand | Refusal::Nul | Refusal::LineTooLong | Refusal::BareLf => {
                self.unknown_commands += 1;
            }
            _ => {}
        }
        match self.unknown_commands {
            UNKNOWN_COMMANDS_MAX.. => {
                Refusal::TooManyErrors.print_in(language, out);
                After::End(Next::Close)
            }
            _ => {
                refusal.print_in(language, out);
                After::Line
            }
        }
    }

    /// The login that was verified is refused, or no verifier can be looked up now.
    pub(super) fn refused(&mut self, why: Refusal, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.phase) {
            // A maildrop that is busy has nothing to do with the token.
            Phase::Verifying(Ending::IfRefused(challenge)) if why == Refusal::Credentials => {
                reply::challenge(&base64::encode(&challenge), out);
                self.phase = Phase::Explained(why);
            }
            Phase::Verifying(_) | Phase::Lookup(_) | Phase::Forwarding => {
                why.print_in(self.manner.language, out);
            }
            other => self.phase = other,
        }
    }

    /// The verifier that was looked up: goes on with it.
    pub(super) fn found(&mut self, verifier: Verifier, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.phase) {
            Phase::Lookup(lookup) => {
                self.exporter_spent |= is_bound_to_exporter(&lookup);
                // Never more than a challenge.
                let _after = self.step(lookup.found(verifier), out);
            }
            other => self.phase = other,
        }
    }

    /// What can be promised is known; in which language CAPA is answered, if it waited for that.
    pub(super) fn promised(&mut self) -> Option<Language> {
        std::mem::take(&mut self.is_promising).then_some(self.manner.language)
    }

    /// The client is noted. Whether there was one to be noted.
    pub(super) fn forwarded(&mut self) -> bool {
        let was = self.is_forwarding();
        if was {
            self.phase = Phase::default();
        }
        was
    }

    /// What the client has chosen, if a login was being verified, and with what the server proves
    /// itself to a client that asks for that.
    pub(super) fn verified(&mut self) -> Option<(Manner, Option<Vec<u8>>)> {
        match std::mem::take(&mut self.phase) {
            Phase::Verifying(ending) => {
                let signature = match ending {
                    Ending::IfRight(signature) => Some(signature),
                    Ending::AtOnce | Ending::IfRefused(_) => None,
                };
                Some((std::mem::take(&mut self.manner), signature))
            }
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// How many passwords were refused for what they are.
    pub(super) fn passwords_not_utf8(&self) -> u64 {
        self.passwords_not_utf8
    }

    /// Whether the driver owes an answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_promising
            || matches!(
                self.phase,
                Phase::Verifying(_) | Phase::Lookup(_) | Phase::Forwarding
            )
    }

    /// Whether the driver owes an answer about a client.
    pub(super) fn is_forwarding(&self) -> bool {
        matches!(self.phase, Phase::Forwarding)
    }

    /// Whether the line that begins so is one of SASL's, which may be long (RFC 5034 §4), or the AUTH
    /// that brings the first of them.
    pub(super) fn is_sasl(&self, beginning: &[u8], tolerances: Tolerances) -> bool {
        match self.phase {
            Phase::Exchange(_) | Phase::Explained(_) => true,
            _ => {
                tolerances.has(Tolerance::AuthLong)
                    && beginning
                        .get(..5)
                        .is_some_and(|keyword| keyword.eq_ignore_ascii_case(b"AUTH "))
            }
        }
    }

    /// A line is too long; its end need not come before an HTTP request is seen to be one.
    pub(super) fn begin_dropping(&self, beginning: &[u8], out: &mut Vec<u8>) -> After {
        match self.phase {
            Phase::Command { .. } if is_http(beginning) => {
                Refusal::Http.print_in(self.manner.language, out);
                After::End(Next::Close)
            }
            _ => After::Line,
        }
    }
}

fn is_bound_to_exporter(lookup: &Lookup) -> bool {
    lookup.bound_to() == Some(BindingType::TlsExporter)
}

/// A user name, prepared as a query string (RFC 6856 §2.2).
fn user(name: &str) -> Result<String, Prohibited> {
    let name = prepare::query(name)?;
    // A space of another kind has become one that no name has here.
    match name.contains(' ') {
        true => Err(Prohibited),
        false => Ok(name.to_string()),
    }
}

/// The client's answer, base 64 removed; `*` alone gives up (RFC 5034 §4).
pub(super) fn response(line: &[u8]) -> Result<Secret, Refusal> {
    match line {
        b"*" => Err(Refusal::Cancelled),
        _ => match base64::decode(line) {
            Ok(octets) => Ok(Secret::new(octets)),
            Err(_) => Err(Refusal::NotBase64),
        },
    }
}

/// Whether a line is the first of an HTTP request, or the header line that all of them have.
fn is_http(line: &[u8]) -> bool {
    const METHODS: [&[u8]; 10] = [
        b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE", b"CONNECT",
        // HTTP/2 begins with "PRI * HTTP/2.0".
        b"PRI",
    ];
    let word = line.split(|&octet| octet == b' ').next().unwrap_or(line);
    METHODS.contains(&word)
        || line
            .get(..5)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"Host:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_known_by_its_first_word() {
        for line in [
            &b"GET / HTTP/1.1"[..],
            b"POST /x HTTP/1.0",
            b"OPTIONS * HTTP/1.1",
            b"PRI * HTTP/2.0",
            b"Host: mailgate.dobbs.org",
            b"host:x",
        ] {
            assert!(is_http(line));
        }
        for line in [&b"QUIT"[..], b"", b"GETS", b"get", b"USER GET", b"Hos"] {
            assert!(!is_http(line));
        }
    }
}
