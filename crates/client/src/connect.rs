//! From nothing to an open maildrop: [`reach`], CAPA, login, in as few round trips as the server allows.
//!
//! With PIPELINING, USER, PASS and the CAPA that follows a login go out together, and the listing behind them if it is wanted
//! ([`Next`]), or the server is known to forget nothing there. What is remembered of a server ([`Memory`]) saves the wait for the
//! CAPA before it: the login goes with it, and if the server turns out to be another one by what it says, a login that was refused is
//! tried once more by that.
//! UTF8 goes with the login, where it is announced and wanted, and costs nothing either.
//! Nothing is sent ahead of STLS or of its handshake, and nothing is guessed in clear.

use std::time::{Duration, SystemTime};

use pop3::client::{Broken, Capabilities, Capability, ResponseCode};
use pop3::{Command, Expire, Octets};
use tokio::time::{sleep, timeout};

use crate::account::{Account, Headers, Next, Transport};
use crate::conversation::{Conversation, Utf8};
use crate::error::ClientError;
use crate::flow::Flow;
use crate::login::{self, Asked, Behind, Learned, Pace};
use crate::memory::Memory;
use crate::patience::Patience;
use crate::reach::reach;
use crate::stream::Stream;
use crate::way::Way;

/// The part of the time for a login after which an answer to CAPA is lost, once the login is through.
const LOST_AFTER: u32 = 4;

/// How long a maildrop is left alone that a session of ours may still hold.
const FREE_AFTER: Duration = Duration::from_secs(2);

/// A remote maildrop that is open and ours.
#[derive(Debug)]
pub struct Maildrop {
    pub(crate) conversation: Conversation,
    /// What the server said before the login that it can do. What it says now, which may be something
    /// else (RFC 2449 §5), is the last that the conversation was told.
    before: Capabilities,
    /// What led in.
    way: Way,
    /// Without what is said after the login.
    memory: Memory,
    /// How many commands may be on their way.
    pace: Pace,
    pub(crate) patience: Patience,
    pub(crate) flow: Flow,
    /// The size of its largest message, as LIST has said.
    pub(crate) largest: Octets,
}

/// Connects and logs in.
///
/// A connection that breaks while commands are sent ahead is made once more, one command at a time; if that
/// leads in, [`Maildrop::memory`] says so.
///
/// # Errors
///
/// See [`ClientError`].
pub async fn connect(account: &Account, patience: Patience) -> Result<Maildrop, ClientError> {
    let awaited = "the login";
    timeout(patience.login, twice(account, patience))
        .await
        .map_err(|_| ClientError::TooSlow { awaited })?
}

async fn twice(account: &Account, patience: Patience) -> Result<Maildrop, ClientError> {
    let now = SystemTime::now();
    let mut attempt = Attempt {
        account,
        patience,
        now,
        pace: match account.memory.is_broken(now) {
            true => Pace::OneAtATime,
            false => Pace::Ahead,
        },
        sent_ahead: false,
    };
    match attempt.open().await {
        Err(error) if attempt.sent_ahead && may_be_of_pipelining(&error) => {
            attempt.pace = Pace::OneAtATime;
            let mut maildrop = attempt.open_when_free().await?;
            maildrop.pipelining_broke(now);
            Ok(maildrop)
        }
        outcome => outcome,
    }
}

/// What comes of a server that cannot keep commands apart.
pub(crate) fn may_be_of_pipelining(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Lost { .. }
            | ClientError::TooSlow { .. }
            | ClientError::Broken(
                Broken::Ended(_) | Broken::NotAReply | Broken::Unasked | Broken::OutOfStep
            )
    )
}

/// One connection.
struct Attempt<'a> {
    account: &'a Account,
    patience: Patience,
    now: SystemTime,
    pace: Pace,
    /// Whether anything was.
    sent_ahead: bool,
}

impl<'a> Attempt<'a> {
    async fn open(&mut self) -> Result<Maildrop, ClientError> {
        let account = self.account;
        let (mut conversation, greeting) = reach(account, self.patience).await?;
        conversation.ask_for_capabilities()?;
        let guessed = self.guess();
        let known = match guessed {
            Some(guessed) => Some(guessed.clone()),
            None => told_before(&mut conversation).await?,
        };
        let knows_capa = known.is_some();
        let mut before = known.unwrap_or_default();
        let mut pace = self.pace_with(&before);
        let takes_listing = match account.next {
            Next::Listing => !account.memory.is_one_at_a_time_after(),
            Next::Unsaid => account.memory.pipelines_after(self.now),
        };
        let behind = match takes_listing {
            true => Behind::CapaAndListing,
            false => Behind::Capa,
        };
        self.say_utf8(&mut conversation, &before, pace).await?;
        let mut outcome =
            login::log_in(&mut conversation, &before, greeting, account, pace, behind).await;
        if guessed.is_some() {
            outcome = match outcome {
                Err(error) if !is_refusal(&error) => return Err(error),
                outcome => outcome,
            };
            let told = told_before(&mut conversation).await?.unwrap_or_default();
            pace = self.pace_with(&told);
            if outcome.is_err() && !account.memory.leads_in_as(&told) {
                self.say_utf8(&mut conversation, &told, pace).await?;
                outcome =
                    login::log_in(&mut conversation, &told, greeting, account, pace, behind).await;
            }
            before = told;
        }
        let (way, asked, learned) = outcome?;
        if knows_capa {
            if asked == Asked::NotYet {
                conversation.ask_for_capabilities()?;
            }
            // Who has always gone on to take commands ahead is not waited for.
            if pace == Pace::OneAtATime || !account.memory.pipelines_after(self.now) {
                self.settle(&mut conversation).await?;
            }
        }
        let mut memory = account.memory.clone();
        memory.learn_before(knows_capa.then_some(&before));
        if learned == Learned::ProofRefused {
            memory.proof_was_refused(self.now);
        }
        Ok(Maildrop {
            conversation,
            before,
            way,
            memory,
            pace: self.pace,
            patience: self.patience,
            flow: Flow::new(&self.patience),
            largest: Octets(0),
        })
    }

    /// Says UTF8 if the server announces it and who gets the mail takes what comes then. It belongs before the login and behind the
    /// beginning of TLS (RFC 6856 §2.1). A server that could not keep commands apart gets none that it need not have.
    async fn say_utf8(
        &self,
        conversation: &mut Conversation,
        capabilities: &Capabilities,
        pace: Pace,
    ) -> Result<(), ClientError> {
        let is_wanted = self.account.headers == Headers::Utf8 && self.pace == Pace::Ahead;
        if !is_wanted || capabilities.utf8().is_none() || conversation.utf8 != Utf8::Unsaid {
            return Ok(());
        }
        conversation.say_utf8()?;
        match pace {
            Pace::Ahead => Ok(()),
            Pace::OneAtATime => conversation.settle().await,
        }
    }

    /// Waits for what was asked behind the login. A server that hands the connection over to another program
    /// then may have lost it, and will never answer.
    async fn settle(&self, conversation: &mut Conversation) -> Result<(), ClientError> {
        if !self.sent_ahead {
            return conversation.settle().await;
        }
        let awaited = "the reply to CAPA";
        timeout(self.patience.login / LOST_AFTER, conversation.settle())
            .await
            .map_err(|_| ClientError::TooSlow { awaited })?
    }

    /// The session that was given up may hold the maildrop for a moment.
    async fn open_when_free(&mut self) -> Result<Maildrop, ClientError> {
        loop {
            match self.open().await {
                Err(ClientError::NotNow(status)) if status.code == Some(ResponseCode::InUse) => {
                    sleep(FREE_AFTER).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// What the server will say, if it need not be waited for.
    fn guess(&mut self) -> Option<&'a Capabilities> {
        match (&self.account.transport, self.pace) {
            (Transport::Tls(_), Pace::Ahead) => {
                let account: &'a Account = self.account;
                let guessed = account.memory.ahead(self.now)?;
                self.sent_ahead = true;
                Some(guessed)
            }
            _ => None,
        }
    }

    fn pace_with(&mut self, capabilities: &Capabilities) -> Pace {
        match capabilities.offers(&Capability::Pipelining) && self.pace == Pace::Ahead {
            true => {
                self.sent_ahead = true;
                Pace::Ahead
            }
            false => Pace::OneAtATime,
        }
    }
}

/// A login that another way, or none at all, could have led to.
fn is_refusal(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::LoginRefused(_)
            | ClientError::TokenRefused { .. }
            | ClientError::NoMechanism(_)
            | ClientError::Unfit { .. }
    )
}

/// What the server has said first that it can do; none if it does not know CAPA, or not here.
async fn told_before(conversation: &mut Conversation) -> Result<Option<Capabilities>, ClientError> {
    if conversation.told.is_empty() {
        conversation.settle().await?;
    }
    Ok(conversation.told.remove(0))
}

impl Maildrop {
    /// Whether commands may be sent ahead (RFC 2449 §6.6).
    pub fn pipelines(&self) -> bool {
        self.pace == Pace::Ahead && self.capabilities().offers(&Capability::Pipelining)
    }

    /// What the server says that it can do: after the login, or before it if it does not say so now.
    pub fn capabilities(&self) -> &Capabilities {
        self.now().unwrap_or(&self.before)
    }

    /// How long the server wants to be left alone between two logins (RFC 2449 §6.5); none: it does not say.
    pub fn login_delay(&self) -> Option<Duration> {
        self.capabilities().iter().find_map(|it| match it {
            Capability::LoginDelay(seconds, _) => Some(Duration::from_secs(*seconds)),
            _ => None,
        })
    }

    /// By which way the login went.
    pub fn way(&self) -> Way {
        self.way
    }

    /// In which characters headers come: in UTF-8, too, if that was wanted and the server does it.
    pub fn headers_in(&self) -> Headers {
        match self.conversation.utf8 {
            Utf8::Accepted => Headers::Utf8,
            Utf8::Unsaid | Utf8::Due | Utf8::Refused => Headers::Ascii,
        }
    }

    /// Whether nobody can listen or interfere.
    pub fn is_inside_tls(&self) -> bool {
        matches!(self.conversation.stream, Stream::Tls(_))
    }

    /// What to remember of the server: it belongs into [`Account::memory`] the next time.
    pub fn memory(&self) -> Memory {
        let mut memory = self.memory.clone();
        if let Some(now) = self.now() {
            memory.learn_after(now);
        }
        memory
    }

    /// The server has lost its step, a message or the connection where commands were sent ahead: from now
    /// on one at a time, in the next sessions too.
    pub fn pipelining_broke(&mut self, now: SystemTime) {
        self.pace = Pace::OneAtATime;
        self.memory.pipelining_broke(now);
    }

    /// What the server has said after the login, if it has.
    fn now(&self) -> Option<&Capabilities> {
        self.conversation.told.last().and_then(Option::as_ref)
    }

    /// Whether the server deletes what was retrieved, without being asked to (RFC 2449 §6.7). It may say so only
    /// to whom it concerns; what it said to everybody counts too.
    fn deletes_what_is_retrieved(&self) -> bool {
        let deletes = |it: &Capability| matches!(it, Capability::Expire(Expire::Retrieved, _));
        let told = self.now().into_iter().chain([&self.before]);
        told.flat_map(Capabilities::iter).any(deletes)
    }

    /// Ends the session in good order; nothing was marked as deleted.
    ///
    /// A server that deletes what was retrieved does so in UPDATE, so it is not brought there: without
    /// QUIT it must not delete anything (RFC 1939 §6).
    pub async fn quit(mut self) {
        let settled = timeout(self.patience.silence, self.conversation.settle()).await;
        if !matches!(settled, Ok(Ok(()))) || self.deletes_what_is_retrieved() {
            return;
        }
        // Everything is here already; whatever comes of it changes nothing.
        let bye = self.conversation.ask(&Command::Quit, "the reply to QUIT");
        let _ = timeout(self.patience.silence, bye).await;
    }
}
