//! Command lines and their answers, outside of a message's text.

use std::mem;

use pop3::xclient::{Attributes, Speaker, Wrong};

use super::command::{Command, Greeting};
use super::data::{Dots, Envelope};
use super::parameters::MailParameters;
use super::reply::{self, Farewell, Refusal};
use super::{
    Answer, COMMAND_OCTETS_MAX, Dialect, Encryption, Hello, Next, REFUSALS_MAX, Session, State,
};

impl Session {
    /// Takes a command line, or what there is of it.
    pub(super) fn line(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Option<Next>) {
        let Some(lf) = memchr::memchr(b'\n', input) else {
            return (self.unfinished_line(input), Some(Next::Read));
        };
        let (used, line) = (lf + 1, &input[..lf]);
        let (behind_cr, too_long) = match mem::take(&mut self.state) {
            State::Overlong { cr, before } => {
                self.state = *before;
                (line.last().map_or(cr, |&octet| octet == b'\r'), true)
            }
            state => {
                self.state = state;
                (line.ends_with(b"\r"), used > COMMAND_OCTETS_MAX)
            }
        };
        // A line that ends otherwise for us than for the peer is how commands are smuggled.
        if !behind_cr {
            return (used, Some(self.farewell(Farewell::BareLf, out)));
        }
        let answer = match too_long {
            true => Err(Refusal::LineTooLong),
            false => Command::parse(&line[..lf - 1], self.settings.dialect)
                .and_then(|command| self.command(command, out)),
        };
        let next = match answer {
            Ok(next) => {
                self.refusals = 0;
                next
            }
            Err(why) => {
                reply::refusal(out, why);
                self.refusals += u32::from(why.is_nonsense());
                self.nonsense += u32::from(why.is_nonsense());
                (self.refusals >= REFUSALS_MAX)
                    .then(|| self.farewell(Farewell::TooManyRefusals, out))
            }
        };
        (used, next)
    }

    /// Leaves a line without end to the driver, unless it is too long to become a command.
    fn unfinished_line(&mut self, input: &[u8]) -> usize {
        let Some(&last) = input.last() else {
            return 0;
        };
        let before = match mem::take(&mut self.state) {
            State::Overlong { before, .. } => before,
            state if input.len() >= COMMAND_OCTETS_MAX => Box::new(state),
            state => {
                self.state = state;
                return 0;
            }
        };
        let cr = last == b'\r';
        self.state = State::Overlong { cr, before };
        input.len()
    }

    /// Answers one command outside of a message's text.
    fn command(&mut self, command: Command, out: &mut Vec<u8>) -> Answer {
        match command {
            Command::Hello { name, greeting } => {
                let extended = greeting == Greeting::Extended;
                match extended {
                    true => reply::extensions(out, &self.settings, &self.client),
                    false => reply::no_extensions(out, &self.settings),
                }
                self.hello = Some(Hello { name, extended });
                // Also ends a transaction, as RSET does (RFC 5321 §4.1.4).
                return Ok(self.begin_anew());
            }
            Command::Mail { sender, parameters } => self.mail(sender, parameters, out)?,
            Command::Rcpt { address } => return self.rcpt(address),
            Command::Data => self.data(out)?,
            Command::Bdat(chunk) => self.bdat(chunk),
            Command::Rset => {
                reply::ok(out);
                return Ok(self.begin_anew());
            }
            Command::Noop => reply::ok(out),
            Command::Vrfy => reply::vrfy(out),
            Command::Help => reply::help(out, self.settings.dialect),
            Command::Quit => {
                self.signed_off = true;
                reply::bye(out, &self.settings);
                self.state = State::Closed;
                return Ok(Some(Next::Close));
            }
            Command::StartTls => return self.start_tls(out),
            Command::Xclient(said) => return self.xclient(said, out),
            Command::BdatWithoutSize => {
                return Ok(Some(self.farewell(Farewell::BdatWithoutSize, out)));
            }
            Command::Http => return Ok(Some(self.farewell(Farewell::Http, out))),
        }
        Ok(None)
    }

    /// Ends the transaction, if there is one, and what has been kept of its text.
    fn begin_anew(&mut self) -> Option<Next> {
        match mem::take(&mut self.state) {
            State::Chunks(_) => Some(Next::Discard),
            _ => None,
        }
    }

    /// STARTTLS (RFC 3207 §4).
    fn start_tls(&self, out: &mut Vec<u8>) -> Answer {
        match (self.client.encryption, &self.state) {
            (Encryption::None, _) => Err(Refusal::NotImplemented),
            (Encryption::Active, _) => Err(Refusal::TlsAlready),
            (Encryption::Offered, State::Idle) => {
                reply::start_tls(out);
                Ok(Some(Next::StartTls))
            }
            (Encryption::Offered, _) => Err(Refusal::WithinTransaction),
        }
    }

    /// A front end names its client: everything begins anew, as Postfix has it, with the greeting.
    fn xclient(&mut self, said: Result<Attributes, Wrong>, out: &mut Vec<u8>) -> Answer {
        let said = match (self.client.speaker, &self.state) {
            (Speaker::Client, _) => return Err(Refusal::NoFrontEnd),
            (_, State::Idle) => said.map_err(Refusal::of_attributes)?,
            _ => return Err(Refusal::WithinTransaction),
        };
        self.client.address = match said.address {
            Some(address) => address.to_canonical().to_string(),
            // What was said of another client is not true of this one.
            None => self.own_address.clone(),
        };
        // From the world a connection is one client's, who may have the next lines in his hand.
        if self.settings.dialect == Dialect::Smtp && said.address.is_some() {
            self.client.speaker = Speaker::Client;
        }
        self.hello = None;
        reply::greeting(out, &self.settings);
        Ok(Some(Next::Forwarded(said)))
    }

    fn mail(
        &mut self,
        sender: String,
        parameters: MailParameters,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let MailParameters { octets, utf8 } = parameters;
        let octets_max = self.settings.message_octets_max;
        match (&self.hello, &self.state) {
            (None, _) => Err(Refusal::HelloFirst),
            (_, State::Transaction(_) | State::Chunks(_)) => Err(Refusal::SenderTwice),
            // Refused before it travels (RFC 1870 §6.1).
            _ if octets_max != 0 && octets > octets_max => Err(Refusal::TooLarge),
            _ => {
                self.state = State::Transaction(Envelope {
                    sender,
                    octets,
                    utf8,
                    recipients: Vec::new(),
                });
                reply::sender(out);
                Ok(())
            }
        }
    }

    fn rcpt(&mut self, address: String) -> Answer {
        match mem::take(&mut self.state) {
            State::Transaction(envelope) => {
                let refusal = if !address.is_ascii() && !envelope.utf8 {
                    Some(Refusal::NotAscii)
                } else if envelope.recipients.len() >= self.settings.recipients_max {
                    Some(Refusal::TooManyRecipients)
                } else {
                    None
                };
                if let Some(why) = refusal {
                    self.state = State::Transaction(envelope);
                    return Err(why);
                }
                let next = Next::Resolve {
                    address: address.clone(),
                    octets: envelope.octets,
                };
                self.state = State::Resolving { envelope, address };
                Ok(Some(next))
            }
            other => {
                self.state = other;
                Err(self.no_transaction())
            }
        }
    }

    fn data(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match mem::take(&mut self.state) {
            State::Transaction(envelope) if !envelope.recipients.is_empty() => {
                self.state = State::Text(Dots::new(envelope, &self.settings));
                reply::go_ahead(out);
                Ok(())
            }
            State::Transaction(envelope) => {
                self.state = State::Transaction(envelope);
                Err(Refusal::RecipientFirst)
            }
            other => {
                self.state = other;
                Err(self.no_transaction())
            }
        }
    }

    pub(super) fn no_transaction(&self) -> Refusal {
        match (&self.hello, &self.state) {
            (_, State::Chunks(_)) => Refusal::WithinChunks,
            (Some(_), _) => Refusal::SenderFirst,
            (None, _) => Refusal::HelloFirst,
        }
    }
}
