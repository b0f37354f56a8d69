//! The login: AUTHENTICATE (RFC 9051 §6.2.2), or LOGIN.

use std::time::Instant;

use sasl::client::Exchange;
use sasl::{Mechanism, base64};
use zeroize::Zeroizing;

use super::super::Settings;
use super::super::response::{Status, code};
use super::super::words;
use super::{Ended, Heard, NoResponse, Session};
use crate::destination::NotDelivered;
use crate::destination::known::{NotBegun, Shown};
use crate::destination::told::told;

/// First words up to this size go with AUTHENTICATE, where the server knows that (RFC 4959); lines have a largest size (RFC 7162 §4).
const FIRST_OCTETS_MAX: usize = 8000;

impl Session {
    /// AUTHENTICATE, or LOGIN where a password has no other way.
    pub(super) fn log_in(&mut self, settings: &Settings, shown: &Shown) -> Result<(), NotBegun> {
        self.ask_capabilities()?;
        let user = &settings.user;
        // AUTH=LOGIN says nothing that the command does not say.
        let exchange = shown.exchange(user, &settings.address, |mechanism| {
            mechanism != Mechanism::Login && self.can(&format!("AUTH={}", mechanism.name()))
        });
        let (ended, exchange) = match (exchange, shown) {
            (Some(mut exchange), _) => (self.authenticate(&mut exchange), Some(exchange)),
            (None, Shown::Token(_)) => {
                return Err(self
                    .unusable(&format!("it offers {}", shown.wants()))
                    .into());
            }
            (None, Shown::Password(_)) if self.can("LOGINDISABLED") => {
                let why = "it lets nobody log in by a password here; use TLS";
                return Err(self.unusable(why).into());
            }
            (None, Shown::Password(secret)) => {
                let words = (
                    words::quoted(user.as_bytes()),
                    words::quoted(secret.expose()),
                );
                let (Some(user), Some(secret)) = words else {
                    let why = "it offers no AUTH=PLAIN, and LOGIN takes only ASCII in user names and passwords";
                    return Err(self.unusable(why).into());
                };
                let secret = Zeroizing::new(secret);
                let line = Zeroizing::new(format!("LOGIN {user} {}", secret.as_str()));
                (self.ask(&line, |_| ()), None)
            }
        };
        let ended = ended.map_err(|why| self.lost(&why))?;
        let explanation = exchange.as_ref().and_then(Exchange::explanation);
        let said = match explanation.map(|it| told(&String::from_utf8_lossy(it))) {
            Some(explanation) if !explanation.is_empty() => {
                format!("{explanation} ({})", told(&ended.text))
            }
            _ => told(&ended.text),
        };
        let why = format!("{}: it refuses the login: {said}", self.server);
        match (ended.status, code(&ended.text).as_deref()) {
            (Status::Ok, _) => match exchange.map(Exchange::finish) {
                None | Some(Ok(())) => Ok(()),
                Some(Err(failed)) => Err(self.unusable(&failed.to_string()).into()),
            },
            (_, Some("UNAVAILABLE" | "INUSE" | "SERVERBUG" | "LIMIT")) => {
                Err(NotDelivered::NotNow(why).into())
            }
            _ => Err(NotBegun::Refused(why)),
        }
    }

    fn authenticate(&mut self, exchange: &mut Exchange) -> Result<Ended, NoResponse> {
        let name = exchange.mechanism().name();
        let first = exchange.initial_response();
        let first = first.map(|it| Zeroizing::new(base64::encode(it.expose())));
        // RFC 4959 §3: one that is empty is `=`; none of ours is.
        let mut first = first.filter(|it| !it.is_empty());
        let at_once = |it: &mut Zeroizing<String>| it.len() <= FIRST_OCTETS_MAX;
        let line = match first.take_if(|it| self.can("SASL-IR") && at_once(it)) {
            Some(first) => Zeroizing::new(format!("AUTHENTICATE {name} {}", first.as_str())),
            None => Zeroizing::new(format!("AUTHENTICATE {name}")),
        };
        let tag = self.say(&line)?;
        let until = Instant::now() + self.limits.reply;
        loop {
            let challenge = match self.heard(&tag, until, |_| ())? {
                Heard::Ended(ended) => return Ok(ended),
                Heard::Asked(challenge) => challenge,
            };
            let answer = match first.take() {
                Some(first) => Some(first),
                None => base64::decode(challenge.trim().as_bytes())
                    .ok()
                    .and_then(|challenge| exchange.step(&challenge).ok())
                    .map(|answer| Zeroizing::new(base64::encode(answer.expose()))),
            };
            let line = match answer {
                Some(answer) => Zeroizing::new(format!("{}\r\n", answer.as_str())),
                // There is nothing more to say.
                None => Zeroizing::new("*\r\n".to_owned()),
            };
            self.link.write(line.as_bytes(), self.limits.reply)?;
        }
    }
}
