//! Whoever brings mail by SMTP is a stranger, of whom nothing is believed: what he pays for mistakes,
//! whether he is asked to come again, and what is to be said of his mail.
//!
//! A recipient is looked up first, since that costs nobody but us; then SPF is asked for, once for each
//! sender, and the greylist last, which so never learns of mail that would be refused anyway.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use delivery::RecipientRefusal;
use delivery::lmtp::Session;
use pop3::xclient::Speaker;
use tracing::{debug, info};

use crate::front::Client;
use crate::greylist::{Greeted, Greylist};
use crate::judgement::{Judge, Judgement, Spf, Text, Verdict, Who};
use crate::limits::{Toll, TollBook};
use crate::listener::Visit;
use crate::log::Escaped;

/// What all sessions know of strangers. A reload leaves it as it is.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    tolls: Mutex<TollBook>,
    /// With the delay that it was made for.
    greylist: Mutex<Option<(Duration, Greylist)>>,
}

impl Strangers {
    fn greet(&self, delay: Duration, client: IpAddr, sender: &str, recipient: &str) -> Greeted {
        let mut greylist = locked(&self.greylist);
        let made = |(known, _): &(Duration, Greylist)| *known == delay;
        if !greylist.as_ref().is_some_and(made) {
            *greylist = None;
        }
        let (_, list) = greylist.get_or_insert_with(|| (delay, Greylist::new(delay)));
        list.greet(client, sender, recipient, Instant::now())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stranger at the other end of one connection.
pub(crate) struct Stranger<'a> {
    visit: &'a Visit,
    /// As accepted, or as a front end has said since.
    client: Client,
    /// Mistakes of the session that are in the book.
    mistakes: u32,
    delay: Duration,
    /// What SPF says, and of whom it was asked: the name in EHLO and the sender.
    spf: Option<((String, String), Spf)>,
    /// The message that is coming in.
    text: Option<Text>,
}

impl<'a> Stranger<'a> {
    pub(crate) fn new(visit: &'a Visit) -> Self {
        Self {
            visit,
            client: visit.client.clone(),
            mistakes: 0,
            delay: Duration::ZERO,
            spf: None,
            text: None,
        }
    }

    /// A front end says who it is.
    pub(crate) fn is_named(&mut self, client: Client) {
        self.client = client;
        self.spf = None;
    }

    /// Where he is, if that is known: a front end that has named nobody is not the one who pays.
    fn address(&self) -> Option<IpAddr> {
        match self.client.speaker {
            Speaker::Client => self.client.address(),
            Speaker::FrontEnd => None,
        }
    }

    /// Whether he is served at all.
    pub(crate) fn is_welcome(&mut self) -> bool {
        let Some(address) = self.address() else {
            return true;
        };
        let tolls = &self.visit.live.config.smtp.tolls;
        let toll = locked(&self.visit.server.strangers.tolls).toll(address, Instant::now(), tolls);
        self.pays(toll)
    }

    /// Puts the session's mistakes into the book, and says whether he is served any more.
    pub(crate) fn counts(&mut self, session: &Session) -> bool {
        let fresh = session.mistakes().saturating_sub(self.mistakes);
        self.mistakes += fresh;
        let (Some(address), true) = (self.address(), fresh > 0) else {
            return true;
        };
        let tolls = &self.visit.live.config.smtp.tolls;
        let mut toll = Toll::Free;
        let mut book = locked(&self.visit.server.strangers.tolls);
        for _ in 0..fresh {
            toll = book.mistake(address, Instant::now(), tolls);
        }
        drop(book);
        self.pays(toll)
    }

    fn pays(&mut self, toll: Toll) -> bool {
        self.delay = match toll {
            Toll::Free => Duration::ZERO,
            Toll::Delay(delay) => delay,
            Toll::Refuse => {
                debug!(client = self.client.name, "too many mistakes");
                return false;
            }
        };
        true
    }

    /// How long each reply to him waits.
    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// Whether a recipient that is known may have mail from him.
    pub(crate) async fn is_taken_for(
        &mut self,
        session: &Session,
        recipient: &str,
    ) -> Result<(), RecipientRefusal> {
        let Some(address) = self.address() else {
            return Ok(());
        };
        let sender = session.sender().unwrap_or_default();
        if let Some(judge) = &self.visit.live.judge {
            let who = self.who(address, session.name(), sender);
            let spf = self.spf(judge, &who).await;
            let verdict = judge.verdict(&spf);
            self.spf = Some(((who.helo.to_owned(), sender.to_owned()), spf));
            if verdict != Verdict::Accept {
                info!(
                    client = self.client.name,
                    sender = %Escaped(sender),
                    "mail refused: SPF forbids it"
                );
                return Err(RecipientRefusal::Forbidden);
            }
        }
        let Some(delay) = self.visit.live.config.smtp.greylist else {
            return Ok(());
        };
        let strangers = &self.visit.server.strangers;
        match strangers.greet(delay, address, sender, recipient) {
            Greeted::Known => Ok(()),
            Greeted::Later(wait) => {
                info!(
                    client = self.client.name,
                    sender = %Escaped(sender),
                    recipient = %Escaped(recipient),
                    seconds = wait.as_secs(),
                    "mail deferred: greylisted"
                );
                Err(RecipientRefusal::Later)
            }
        }
    }

    fn who<'b>(&'b self, client: IpAddr, helo: &'b str, sender: &'b str) -> Who<'b> {
        Who {
            client,
            helo,
            sender,
            hostname: &self.visit.live.config.hostname,
        }
    }

    /// What SPF says; asked once for each sender.
    async fn spf(&self, judge: &Judge, who: &Who<'_>) -> Spf {
        match &self.spf {
            Some(((helo, sender), spf)) if helo == who.helo && sender == who.sender => spf.clone(),
            _ => judge.spf(who).await,
        }
    }

    /// Looks at text of a message on its way into the draft.
    pub(crate) fn watch(&mut self, stored: &[u8]) {
        if let Some(judge) = &self.visit.live.judge {
            self.text.get_or_insert_with(|| judge.text()).take(stored);
        }
    }

    /// The message is not delivered.
    pub(crate) fn forget(&mut self) {
        self.text = None;
    }

    /// What is to be said of the message that has passed; none: nobody is there to say it.
    pub(crate) async fn judge(&mut self, session: &Session, sender: &str) -> Option<Judgement> {
        let text = self.text.take();
        let judge = self.visit.live.judge.as_ref()?;
        let who = self.who(self.address()?, session.name(), sender);
        let spf = self.spf(judge, &who).await;
        let text = text.unwrap_or_else(|| judge.text());
        let judgement = judge.judge(&who, &spf, text).await;
        info!(
            client = self.client.name,
            sender = %Escaped(sender),
            spf = %judgement.spf,
            dkim = %judgement.dkim,
            dmarc = %judgement.dmarc,
            "message judged"
        );
        Some(judgement)
    }
}
