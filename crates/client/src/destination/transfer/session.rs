//! One connection to a server of LMTP or SMTP: the greeting, EHLO or LHLO, STARTTLS, AUTH, and messages.

mod login;

use std::io;
use std::time::{Duration, Instant};

use super::envelope::{self, Nature, Sender};
use super::lines::{BareCr, Lines};
use super::offers::Offers;
use super::reply::{NotAReply, Reply};
use super::verdict::{Step, together, verdict};
use super::{Dialect, Settings};
use crate::destination::known::{Age, NotBegun, Shown};
use crate::destination::link::{Link, Protection, Unsaid};
use crate::destination::{Limits, NotDelivered, Text};

/// How long it takes to say goodbye, or to hear why a connection was closed, at most.
const SHORT: Duration = Duration::from_secs(2);

/// A connection that takes messages.
#[derive(Debug)]
pub(super) struct Session {
    link: Link,
    input: Vec<u8>,
    server: String,
    offers: Offers,
}

/// Why a message was not delivered, and what that means for the connection.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was gone before anything of the text was said: the same may be tried over another one.
    Gone(NotDelivered),
    /// It may be used again after RSET.
    Refused(NotDelivered),
    /// It is not to be used again.
    Over(NotDelivered),
}

/// Why no reply came.
#[derive(Debug, thiserror::Error)]
enum NoReply {
    #[error("{0}")]
    Lost(#[from] io::Error),
    #[error("{0}")]
    Wrong(#[from] NotAReply),
}

impl Session {
    /// Connects, and does all that comes before the first message; once more if a token is refused and there is another one.
    pub(super) fn begin(dialect: Dialect, settings: &mut Settings) -> Result<Self, NotDelivered> {
        let mut age = Age::Any;
        loop {
            let shown = match &mut settings.login {
                Some((_, by)) => Some(by.shown(age)?),
                None => None,
            };
            let shown = shown.as_ref();
            match Self::begin_by(dialect, settings, shown) {
                Ok(session) => return Ok(session),
                Err(NotBegun::Refused(_)) if shown.is_some_and(|it| it.renews(age)) => {
                    age = Age::New;
                }
                Err(failed) => return Err(failed.by(shown)),
            }
        }
    }

    fn begin_by(
        dialect: Dialect,
        settings: &Settings,
        shown: Option<&Shown>,
    ) -> Result<Self, NotBegun> {
        let limits = &settings.limits;
        let link = Link::open(&settings.address, &settings.protection, limits.connect)?;
        let mut session = Self {
            link,
            input: Vec::new(),
            server: settings.address.to_string(),
            offers: Offers::default(),
        };
        let greeting = session.reply(limits.reply);
        session.agreed(Step::Greeting, greeting)?;
        session.hello(dialect, settings)?;
        if let Protection::StartTls(trusted) = &settings.protection {
            session.start_tls(limits)?;
            let server = session.server.clone();
            // What was said in clear is forgotten (RFC 3207 §4.2).
            session = Self {
                link: session
                    .link
                    .begin_tls(&settings.address, trusted, limits.connect)?,
                input: Vec::new(),
                server,
                offers: Offers::default(),
            };
            session.hello(dialect, settings)?;
        }
        if let (Some((user, _)), Some(shown)) = (&settings.login, shown) {
            session.log_in(user, shown, settings)?;
        }
        let says_utf8 = settings.recipients.iter().any(|it| !it.is_ascii());
        if says_utf8 && !session.offers.utf8 {
            let why = "a recipient is no ASCII, and the server does not know SMTPUTF8";
            return Err(session.unusable(why).into());
        }
        Ok(session)
    }

    fn hello(&mut self, dialect: Dialect, settings: &Settings) -> Result<(), NotDelivered> {
        let name = match &settings.hello {
            Some(name) => name.clone(),
            None => self.link.own_literal(),
        };
        let command = match dialect {
            Dialect::Lmtp => "LHLO",
            Dialect::Smtp => "EHLO",
        };
        let reply = self.ask(&format!("{command} {name}\r\n"), settings.limits.reply);
        self.offers = Offers::read(&self.agreed(Step::Beginning(command), reply)?);
        Ok(())
    }

    fn start_tls(&mut self, limits: &Limits) -> Result<(), NotDelivered> {
        if !self.offers.start_tls {
            return Err(self.unusable("it offers no STARTTLS, and mail must not travel in clear"));
        }
        let reply = self.ask("STARTTLS\r\n", limits.reply);
        self.agreed(Step::Beginning("STARTTLS"), reply)?;
        match self.input.is_empty() {
            true => Ok(()),
            false => Err(self.unusable("something came in clear behind its reply to STARTTLS")),
        }
    }

    /// Delivers one message.
    pub(super) fn deliver(
        &mut self,
        dialect: Dialect,
        settings: &Settings,
        text: &mut Text,
    ) -> Result<(), Trouble> {
        let limits = &settings.limits;
        let octets = text.octets().0;
        if let Some(most) = self.offers.size.filter(|&most| most > 0 && octets > most) {
            let why = format!("{}: it takes {most} octets at most", self.server);
            return Err(Trouble::Refused(NotDelivered::Refused(why)));
        }
        // The other things that could be told need 8BITMIME as well (RFC 6531 §3.1).
        let nature = match self.offers.eight_bit {
            true => Nature::of(text).map_err(|error| Trouble::Over(spool(&error)))?,
            false => Nature::default(),
        };
        let sender = envelope::sender(&settings.sender, text, &self.offers);
        let recipients = &settings.recipients;
        let of_the_message = settings.sender == Sender::ReturnPath && !sender.is_empty();
        let mail = envelope::mail(&sender, recipients, octets, nature, &self.offers);
        let mut commands = vec![(Step::Mail { of_the_message }, mail)];
        for recipient in recipients {
            commands.push((Step::Rcpt(recipient), format!("RCPT TO:<{recipient}>\r\n")));
        }
        commands.push((Step::Data, "DATA\r\n".to_owned()));
        self.envelope(&commands, limits)?;
        self.text(dialect, limits, text)?;
        let whose: &[String] = match dialect {
            Dialect::Lmtp => recipients,
            Dialect::Smtp => &[String::new()],
        };
        let mut refused = Vec::new();
        for recipient in whose {
            let reply = self.reply(limits.end).map_err(|why| {
                Trouble::Over(NotDelivered::NotNow(format!(
                    "{}: no answer to the message came, so it may have been delivered and may come twice: {why}",
                    self.server
                )))
            })?;
            refused.extend(verdict(&self.server, Step::Text(recipient), &reply));
        }
        let taken = whose.len() - refused.len();
        together(&self.server, refused, taken).map_err(Trouble::Refused)
    }

    /// All that comes before the text, in as few packets as the server allows (RFC 2920).
    fn envelope(
        &mut self,
        commands: &[(Step<'_>, String)],
        limits: &Limits,
    ) -> Result<(), Trouble> {
        let ahead = match (self.offers.pipelining, commands.len()) {
            (false, _) => 1,
            // With one recipient a server that refuses it cannot but refuse DATA; with several the text may be wanted
            // for some of them, so that is awaited.
            (true, all @ ..=3) => all,
            (true, all) => all - 1,
        };
        for group in commands.chunks(ahead) {
            let lines: String = group.iter().map(|(_, line)| line.as_str()).collect();
            let written = self.link.write(lines.as_bytes(), limits.reply);
            written.map_err(|error| Trouble::Gone(self.lost(&error.into())))?;
            let (mut refused, mut begun) = (None, false);
            for &(step, _) in group {
                let reply = match self.reply(limits.reply) {
                    Ok(reply) => reply,
                    // What was refused before counts more than that the server hung up then.
                    Err(why) => {
                        return Err(match refused {
                            Some(refused) => Trouble::Over(refused),
                            None => Trouble::Gone(self.lost(&why)),
                        });
                    }
                };
                begun |= step == Step::Data && reply.code == 354;
                let verdict = verdict(&self.server, step, &reply);
                if let (421, Some(why), None) = (reply.code, &verdict, &refused) {
                    return Err(Trouble::Gone(NotDelivered::NotNow(why.to_string())));
                }
                refused = refused.or(verdict);
            }
            match refused {
                // It waits for a text that nobody may get: an empty one would be delivered.
                Some(why) if begun => return Err(Trouble::Over(why)),
                Some(why) => return Err(Trouble::Refused(why)),
                None => {}
            }
        }
        Ok(())
    }

    /// The text, with its end.
    fn text(&mut self, dialect: Dialect, limits: &Limits, text: &mut Text) -> Result<(), Trouble> {
        let mut lines = Lines::new(match dialect {
            Dialect::Lmtp => BareCr::Stays,
            Dialect::Smtp => BareCr::IsSpace,
        });
        let said = self
            .link
            .say(text, limits.block, |block, out| lines.take(block, out));
        let mut out = match said {
            Ok(out) => out,
            Err(Unsaid::Spool(error)) => return Err(Trouble::Over(spool(&error))),
            Err(Unsaid::Link(error)) => return Err(self.interrupted(error)),
        };
        lines.end(&mut out);
        // Whatever happens from here on, the end may have arrived.
        self.link.write(&out, limits.block).map_err(|error| {
            Trouble::Over(NotDelivered::NotNow(format!(
                "{}: the connection was lost at the end of the message, so it may have been delivered and may come twice: {error}",
                self.server
            )))
        })
    }

    /// A server that closes in the middle of a text may have said why.
    fn interrupted(&mut self, error: io::Error) -> Trouble {
        let said = self.reply(SHORT).ok();
        let why = said.and_then(|reply| verdict(&self.server, Step::Text(""), &reply));
        Trouble::Over(why.unwrap_or_else(|| self.lost(&error.into())))
    }

    /// Forgets what was begun.
    pub(super) fn reset(&mut self, limits: &Limits) -> bool {
        let reply = self.ask("RSET\r\n", limits.reply);
        reply.is_ok_and(|reply| reply.code / 100 == 2)
    }

    /// For how long nothing was said.
    pub(super) fn idle(&self) -> Duration {
        self.link.idle()
    }

    /// Says goodbye, whether anybody listens or not.
    pub(super) fn quit(&mut self) {
        let _ = self.ask("QUIT\r\n", SHORT);
    }

    fn ask(&mut self, line: &str, limit: Duration) -> Result<Reply, NoReply> {
        self.link.write(line.as_bytes(), limit)?;
        self.reply(limit)
    }

    fn reply(&mut self, limit: Duration) -> Result<Reply, NoReply> {
        let until = Instant::now() + limit;
        loop {
            if let Some(reply) = Reply::take(&mut self.input)? {
                return Ok(reply);
            }
            self.link.read(&mut self.input, until)?;
        }
    }

    fn agreed(&self, step: Step<'_>, reply: Result<Reply, NoReply>) -> Result<Reply, NotDelivered> {
        let reply = reply.map_err(|why| self.lost(&why))?;
        match verdict(&self.server, step, &reply) {
            Some(why) => Err(why),
            None => Ok(reply),
        }
    }

    fn lost(&self, why: &NoReply) -> NotDelivered {
        match why {
            NoReply::Lost(error) => NotDelivered::NotNow(format!("{}: {error}", self.server)),
            NoReply::Wrong(_) => self.unusable(&why.to_string()),
        }
    }

    fn unusable(&self, why: &str) -> NotDelivered {
        NotDelivered::Unusable(format!("{}: {why}", self.server))
    }
}

fn spool(error: &io::Error) -> NotDelivered {
    NotDelivered::io("the spool cannot be read", error)
}
