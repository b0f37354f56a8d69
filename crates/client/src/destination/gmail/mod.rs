//! Gmail's own way in, `users.messages.import` of its API (experimental: tried against a stand-in, not yet against Gmail).
//!
//! A message is judged as spam or not as any that comes in, but nobody asks where it was sent from, so nothing breaks that a forwarded
//! message breaks. The token needs the scope `gmail.insert` and no more. Gmail does not say whether it has a message already, so one that
//! is in doubt may come twice.

mod answer;
mod body;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs;
use sasl::Secret;
use serde_json::json;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, SendBody};
use zeroize::Zeroizing;

use super::{
    Age, Destination, Ended, Exactness, Limits, Message, NotDelivered, Text, Tokens, told::told,
    word,
};
use crate::hex::Hex;
use crate::trust;
use answer::Answer;

/// Where Gmail's API is.
pub const BASE: &str = "https://gmail.googleapis.com";

/// The largest message that Gmail imports.
pub const OCTETS_MAX: u64 = 150 << 20;

/// Largest answer that is read.
const ANSWER_OCTETS_MAX: u64 = 64 << 10;

/// How long Gmail is left alone that does not say how long.
const PAUSE: Duration = Duration::from_secs(60);

/// The longest time that it is left alone when it says how long.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// So many octets in each second must be taken, on average.
const OCTETS_PER_SECOND_MIN: u64 = 1000;

/// Where messages go, and as what.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose mail it is, for the ledger; the token says it to Gmail.
    pub account: String,
    /// The identifiers of the labels that each message gets.
    pub labels: Vec<String>,
    /// Whether a message may be put into Spam.
    pub spam: Spam,
    /// [`BASE`], or another place that speaks as Gmail does; without TLS only on this machine.
    pub base: String,
    /// A file of the authorities that are believed; else those of the system.
    pub authorities: Option<PathBuf>,
    /// How long is waited.
    pub limits: Limits,
}

/// Whether a message may be put into Spam.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Spam {
    /// As Gmail thinks.
    #[default]
    Judged,
    /// Never.
    Never,
}

impl Settings {
    /// For new messages in the inbox of an account.
    pub fn new(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            labels: vec!["INBOX".to_owned(), "UNREAD".to_owned()],
            spam: Spam::default(),
            base: BASE.to_owned(),
            authorities: None,
            limits: Limits::default(),
        }
    }
}

/// Gmail as a destination.
pub struct Gmail {
    settings: Settings,
    name: String,
    url: String,
    agent: Agent,
    tokens: Tokens,
    /// Gmail wants to be left alone until then.
    pause: Option<Instant>,
    octets_max: u64,
}

impl fmt::Debug for Gmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Gmail");
        shown
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Gmail {
    /// One that has asked for nothing yet.
    ///
    /// # Errors
    ///
    /// When the token would travel in clear, or nobody's certificates can be believed.
    pub fn new(settings: Settings, tokens: Tokens) -> Result<Self, NotDelivered> {
        let base = settings.base.trim_end_matches('/');
        let never = settings.spam == Spam::Never;
        let url = format!(
            "{base}/upload/gmail/v1/users/me/messages/import?uploadType=multipart&internalDateSource=dateHeader&neverMarkSpam={never}&processForCalendar=false"
        );
        let agent = agent(&settings)?;
        Ok(Self {
            name: word("gmail", &settings.account),
            settings,
            url,
            agent,
            tokens,
            pause: None,
            octets_max: OCTETS_MAX,
        })
    }

    fn import(&self, token: &Secret, text: &mut Text) -> Result<Answer, NotDelivered> {
        let boundary = boundary();
        let labels = json!({ "labelIds": self.settings.labels });
        let head = format!(
            "--{boundary}\r\nContent-Type: application/json\r\n\r\n{labels}\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let (head, tail) = (head.as_bytes(), tail.as_bytes());
        let octets = body::octets(head, text, tail);
        let limits = &self.settings.limits;
        let sending = limits.block + Duration::from_secs(octets / OCTETS_PER_SECOND_MIN);
        let mut bearer = Zeroizing::new(b"Bearer ".to_vec());
        bearer.extend_from_slice(token.expose());
        let request = self
            .agent
            .post(&self.url)
            .header("Authorization", bearer.as_slice())
            .header("Content-Length", octets)
            .header(
                "Content-Type",
                format!("multipart/related; boundary={boundary}"),
            )
            .config()
            .timeout_send_body(Some(sending))
            .build();
        let sent = body::with(head, text, tail, |body| {
            let sent = request.send(SendBody::from_reader(body));
            (sent, body.is_taken())
        });
        let (sent, is_taken) =
            sent.map_err(|error| NotDelivered::io("the spool cannot be read", &error))?;
        let mut answer = sent.map_err(|error| failed(&error, is_taken))?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after");
        let retry_after = retry_after
            .and_then(|it| it.to_str().ok())
            .map(str::to_owned);
        let said = answer.body_mut().with_config().limit(ANSWER_OCTETS_MAX);
        // The status says it; the text only explains.
        let said = said.read_to_vec().unwrap_or_default();
        Ok(answer::read(status, retry_after.as_deref(), &said))
    }
}

/// What sends requests. No redirect is followed: who is sent elsewhere with a token gives it away.
fn agent(settings: &Settings) -> Result<Agent, NotDelivered> {
    let local = is_local(&settings.base);
    if !local && !settings.base.starts_with("https://") {
        let why = format!("{}: a token is not sent in clear", settings.base);
        return Err(NotDelivered::Unusable(why));
    }
    let unusable = |error: trust::TrustError| NotDelivered::Unusable(error.to_string());
    let roots = match (&settings.authorities, local) {
        (Some(file), _) => trust::certificates(file).map_err(unusable)?,
        (None, true) => Vec::new(),
        (None, false) => {
            let file = trust::system_file().map_err(unusable)?;
            trust::certificates(&file).map_err(unusable)?
        }
    };
    let roots: Vec<_> = roots
        .iter()
        .map(|root| Certificate::from_der(root).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build();
    let limits = &settings.limits;
    let config = Agent::config_builder()
        .tls_config(tls)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_response_header_size(32 << 10)
        .user_agent(concat!("restante/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(limits.connect))
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.block))
        .timeout_recv_response(Some(limits.end))
        .timeout_recv_body(Some(limits.connect));
    // What is on this machine is not reached by way of another one.
    let config = match local {
        true => config.proxy(None),
        false => config,
    };
    Ok(config.build().new_agent())
}

fn is_local(base: &str) -> bool {
    let Some(rest) = base.strip_prefix("http://") else {
        return false;
    };
    let place = rest.split('/').next().unwrap_or_default();
    let host = match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => host,
        _ => place,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// A line that stands in no message: nobody who writes one can know it.
fn boundary() -> String {
    let mut octets = [0; 20];
    getrandom::fill(&mut octets).expect("the system gives random octets");
    Hex(&octets).to_string()
}

/// No answer came.
fn failed(error: &ureq::Error, is_taken: bool) -> NotDelivered {
    let why = told(&error.to_string());
    match error {
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::BadUri(_) => {
            NotDelivered::Unusable(format!("Gmail: {why}"))
        }
        ureq::Error::Io(inner) if inner.get_ref().is_some_and(|it| it.is::<rustls::Error>()) => {
            NotDelivered::Unusable(format!("no TLS with Gmail: {}", trust::explain(inner)))
        }
        ureq::Error::Http(_) => {
            NotDelivered::Unusable("Gmail: the token is none that can be sent".to_owned())
        }
        _ if is_taken => NotDelivered::NotNow(format!(
            "Gmail: no answer to the message came, so it may have been delivered and may come twice: {why}"
        )),
        _ => NotDelivered::NotNow(format!("Gmail cannot be reached: {why}")),
    }
}

impl Destination for Gmail {
    fn name(&self) -> &str {
        &self.name
    }

    fn exactness(&self) -> Exactness {
        Exactness::OneInDoubt
    }

    fn open(&mut self, _ended: Ended) -> Result<(), NotDelivered> {
        (self.tokens)(Age::Any).map(drop)
    }

    fn deliver(&mut self, _message: &Message, text: &mut Text) -> Result<(), NotDelivered> {
        let octets = text.octets().0;
        if octets > self.octets_max {
            let most = self.octets_max;
            let why = format!("Gmail takes {most} octets at most, and this has {octets}");
            return Err(NotDelivered::Refused(why));
        }
        if let Some(until) = self.pause {
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            if left > 0 {
                let why = format!("Gmail wants to be left alone for {left} s more");
                return Err(NotDelivered::NotNow(why));
            }
            self.pause = None;
        }
        let mut age = Age::Any;
        loop {
            let token = (self.tokens)(age)?;
            match self.import(&token, text)? {
                Answer::Taken => return Ok(()),
                Answer::NotAuthorised(_) if age == Age::Any => age = Age::New,
                Answer::NotAuthorised(why) => return Err(NotDelivered::NoLogin(why)),
                Answer::Later(why, seconds) => {
                    let pause = seconds.map_or(PAUSE, Duration::from_secs).min(PAUSE_MAX);
                    self.pause = Some(Instant::now() + pause);
                    let seconds = pause.as_secs();
                    let why = format!("{why}; it is asked again in {seconds} s at the soonest");
                    return Err(NotDelivered::NotNow(why));
                }
                Answer::Not(why) => return Err(why),
            }
        }
    }
}
