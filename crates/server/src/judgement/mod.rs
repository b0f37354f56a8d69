//! The judgement of mail that strangers bring: SPF, DKIM and DMARC, and what follows from them.
//!
//! SPF can be known when the sender is ([`Judge::spf`]); the rest when the message has passed
//! ([`Judge::judge`]), which is watched on its way into the store ([`Text`]) and never read again.
//! By default nothing is refused: the judgement is written into an `Authentication-Results` field
//! (RFC 8601) for the owner's filters. What cannot be found out, because the DNS is silent or wrong,
//! is written down as such and never costs a message.
//!
//! Everything that is computed here was chosen by strangers. It has an end in time
//! ([`JUDGING_TIMEOUT`]) and memory, and what asks the DNS runs in a task of its own: if the libraries should
//! fail there, the message is taken and marked.
//!
//! ```no_run
//! # async fn receive() -> Result<(), server::judgement::ResolverError> {
//! use server::judgement::{Judge, Settings, Verdict, Who};
//!
//! let judge = Judge::new(Settings::default())?;
//! let who = Who {
//!     client: [192, 0, 2, 1].into(),
//!     helo: "mail.example.org",
//!     sender: "mrose@example.org",
//!     hostname: "mx.example.net",
//! };
//! let spf = judge.spf(&who).await; // after MAIL
//! assert_eq!(judge.verdict(&spf), Verdict::Accept);
//! let mut text = judge.text(); // after DATA
//! text.take(b"From: mrose@example.org\r\n\r\nTea?\r\n");
//! let judgement = judge.judge(&who, &spf, text).await;
//! print!("{}", judgement.authentication_results);
//! # Ok(())
//! # }
//! ```

mod body;
mod dkim;
mod dmarc;
mod outcome;
mod resolver;
mod results;
mod spf;
mod text;
mod verdict;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mail_auth::MessageAuthenticator;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::error;

use dkim::Signed;
use dmarc::Author;
use text::{Lost, Passed};

pub use outcome::Outcome;
pub use resolver::ResolverError;
pub use spf::Spf;
pub use text::Text;
pub use verdict::{Refusal, Verdict};

/// What a judge is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// What becomes of mail from a client that its domain forbids (`-all`).
    pub spf: OnFail,
    /// What becomes of mail that fails DMARC where the author's domain says `p=reject`.
    pub dmarc: OnFail,
    /// DNS servers to ask; none: those of `/etc/resolv.conf`.
    pub resolvers: Vec<SocketAddr>,
}

/// What becomes of mail that fails a check.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnFail {
    /// It is taken, and the field says so.
    #[default]
    Mark,
    /// It is refused.
    Reject,
}

/// Who brings a message, and for whom it says to bring it.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The address of the client.
    pub client: IpAddr,
    /// What it called itself in HELO or EHLO.
    pub helo: &'a str,
    /// The envelope's sender, without angle brackets; empty: the null sender.
    pub sender: &'a str,
    /// Our own name, which is also our authserv-id.
    pub hostname: &'a str,
}

/// What there is to say of a message.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The header field for the message, with its CRLF; ASCII, and its own stored form.
    pub authentication_results: String,
    /// What is to be done.
    pub verdict: Verdict,
    /// The result of SPF.
    pub spf: Outcome,
    /// The best result of any signature.
    pub dkim: Outcome,
    /// The worst result for any author.
    pub dmarc: Outcome,
}

/// Judges messages. Clones are the same judge.
#[derive(Clone)]
pub struct Judge {
    dns: MessageAuthenticator,
    settings: Arc<Settings>,
    /// For headers of messages that come in.
    room: Arc<Semaphore>,
}

impl Judge {
    /// A judge who asks these DNS servers. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// There is no resolver.
    pub fn new(settings: Settings) -> Result<Self, ResolverError> {
        Ok(Self {
            dns: resolver::resolver(&settings.resolvers)?,
            settings: Arc::new(settings),
            room: text::room(),
        })
    }

    /// What SPF says; at the latest after [`JUDGING_TIMEOUT`].
    pub async fn spf(&self, who: &Who<'_>) -> Spf {
        let unknown = || Spf::unknown(who);
        let (dns, who) = (self.dns.clone(), Owned::from(who));
        let spf = async move { spf::check(&dns, &who.borrow()).await };
        in_time(spf).await.unwrap_or_else(unknown)
    }

    /// What SPF alone decides.
    pub fn verdict(&self, spf: &Spf) -> Verdict {
        verdict::of_spf(&self.settings, spf)
    }

    /// Begins to watch a message.
    pub fn text(&self) -> Text {
        Text::new(&self.room)
    }

    /// What there is to say of the message that has passed; at the latest after
    /// [`JUDGING_TIMEOUT`].
    pub async fn judge(&self, who: &Who<'_>, spf: &Spf, text: Text) -> Judgement {
        let (signed, authors) = match text.finish() {
            Ok(passed) => {
                let (dns, spf) = (self.dns.clone(), spf.clone());
                let found = in_time(async move { verify(&dns, &passed, &spf).await }).await;
                found.unwrap_or_else(|| unknown(Outcome::TempError, "took too long"))
            }
            Err(Lost::TooLarge) => unknown(Outcome::PermError, verdict::HEADER_TOO_LARGE),
            Err(Lost::NoRoom) => unknown(Outcome::TempError, verdict::NO_ROOM),
        };
        let best = [Outcome::Pass, Outcome::TempError, Outcome::None];
        let has = |outcome: &Outcome| signed.iter().any(|signed| signed.outcome == *outcome);
        let worst = [
            Outcome::Fail,
            Outcome::TempError,
            Outcome::PermError,
            Outcome::None,
        ];
        let had = |outcome: &Outcome| authors.iter().any(|author| author.outcome == *outcome);
        Judgement {
            authentication_results: results::field(who.hostname, spf, &signed, &authors),
            verdict: verdict::of_all(&self.settings, spf, &authors),
            spf: spf.outcome(),
            dkim: best.into_iter().find(has).unwrap_or(Outcome::Fail),
            dmarc: worst.into_iter().find(had).unwrap_or(Outcome::Pass),
        }
    }
}

/// Verifies the signatures, then what they and SPF say of the author.
async fn verify(
    dns: &MessageAuthenticator,
    passed: &Passed,
    spf: &Spf,
) -> (Vec<Signed>, Vec<Author>) {
    let Some((message, mut signed)) = dkim::read(passed) else {
        return unknown(Outcome::PermError, verdict::NO_AUTHOR);
    };
    // In a time of its own: a forger's signature of his own domain, whose servers never answer, must not
    // keep the author's policy from being asked for.
    let verified = timeout(SIGNATURES_TIMEOUT, dns.verify_dkim(&message)).await;
    let is_late = verified.is_err();
    let verified = verified.unwrap_or_default();
    signed.extend(verified.iter().map(Signed::verified));
    if is_late {
        signed.extend(
            message
                .dkim_headers
                .iter()
                .map(|it| Signed::late(&it.header)),
        );
    }
    if signed.is_empty() {
        signed.push(Signed::nothing(Outcome::None, None));
    }
    let mut authors = dmarc::check(dns, &message, &verified, spf).await;
    if is_late {
        for author in &mut authors {
            author.waits_for(message.dkim_headers.iter().map(|it| &*it.header.d));
        }
    }
    (signed, authors)
}

fn unknown(outcome: Outcome, why: &'static str) -> (Vec<Signed>, Vec<Author>) {
    (
        vec![Signed::nothing(outcome, Some(why))],
        vec![Author::unknown(outcome, Some(why))],
    )
}

/// In a task of its own, so that a failure of the libraries is not one of the session. None: it took
/// too long, or failed.
async fn in_time<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    match tokio::spawn(timeout(JUDGING_TIMEOUT, work)).await {
        Ok(done) => done.ok(),
        Err(failed) => {
            error!(%failed, "a judgement failed; please report it");
            None
        }
    }
}

/// [`Who`] for a task of its own.
struct Owned {
    client: IpAddr,
    names: [String; 3],
}

impl From<&Who<'_>> for Owned {
    fn from(who: &Who<'_>) -> Self {
        Self {
            client: who.client,
            names: [who.helo, who.sender, who.hostname].map(str::to_owned),
        }
    }
}

impl Owned {
    fn borrow(&self) -> Who<'_> {
        let [helo, sender, hostname] = self.names.each_ref().map(String::as_str);
        Who {
            client: self.client,
            helo,
            sender,
            hostname,
        }
    }
}

/// Longest time for SPF, and again for DKIM and DMARC together. A sender waits 5 minutes for MAIL and
/// 10 for the text (RFC 5321 §4.5.3.2); few names need more than a second.
pub const JUDGING_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for the signatures' keys, out of [`JUDGING_TIMEOUT`].
const SIGNATURES_TIMEOUT: Duration = Duration::from_secs(5);
