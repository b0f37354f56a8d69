//! The login: AUTH (RFC 4954).

use sasl::base64;
use zeroize::Zeroizing;

use super::super::Settings;
use super::super::verdict::Step;
use super::Session;
use crate::destination::known::{NotBegun, Shown};
use crate::destination::told::told;

/// First words go with AUTH if its line has no more than 512 octets with them (RFC 4954 §4, RFC 5321 §4.5.3.1.4).
const FIRST_OCTETS_MAX: usize = 512 - "AUTH  \r\n".len();

impl Session {
    /// Shows the server by what it knows us.
    pub(super) fn log_in(
        &mut self,
        user: &str,
        shown: &Shown,
        settings: &Settings,
    ) -> Result<(), NotBegun> {
        if !self.link.is_tls() {
            let what = match shown {
                Shown::Password(_) => "a password is",
                Shown::Token(_) => "a token is",
            };
            return Err(self
                .unusable(&format!("{what} not sent in clear; use TLS"))
                .into());
        }
        let exchange = shown.exchange(user, &settings.address, |it| self.offers.offers(it));
        let Some(mut exchange) = exchange else {
            let why = format!(
                "it offers {} (it offers: {})",
                shown.wants(),
                self.offers.mechanisms()
            );
            return Err(self.unusable(&why).into());
        };
        let name = exchange.mechanism().name();
        let first = exchange.initial_response();
        let mut first = first.map(|it| Zeroizing::new(base64::encode(it.expose())));
        let fits = |it: &mut Zeroizing<String>| it.len() + name.len() <= FIRST_OCTETS_MAX;
        let mut line = match first.take_if(fits) {
            Some(first) => Zeroizing::new(format!("AUTH {name} {}\r\n", first.as_str())),
            None => Zeroizing::new(format!("AUTH {name}\r\n")),
        };
        let reply = loop {
            let reply = self
                .ask(&line, settings.limits.reply)
                .map_err(|why| self.lost(&why))?;
            if reply.code != 334 {
                break reply;
            }
            let answer = match first.take() {
                Some(first) => first,
                None => {
                    let challenge = reply.lines.concat();
                    let answer = base64::decode(challenge.trim().as_bytes())
                        .map_err(|error| error.to_string())
                        .and_then(|it| exchange.step(&it).map_err(|it| it.to_string()))
                        .map_err(|why| self.unusable(&why))?;
                    Zeroizing::new(base64::encode(answer.expose()))
                }
            };
            line = Zeroizing::new(format!("{}\r\n", answer.as_str()));
        };
        // The server does not believe it (RFC 4954 §6).
        if reply.code == 535 {
            let explanation = exchange.explanation();
            let explanation = explanation.map(|it| told(&String::from_utf8_lossy(it)));
            let explanation = explanation.filter(|it| !it.is_empty());
            let explanation = explanation.map(|it| format!(" ({it})")).unwrap_or_default();
            let server = &self.server;
            let why = format!("{server}: it answers AUTH with {reply}{explanation}");
            return Err(NotBegun::Refused(why));
        }
        self.agreed(Step::Beginning("AUTH"), Ok(reply))?;
        exchange
            .finish()
            .map_err(|failed| self.unusable(&failed.to_string()).into())
    }
}
