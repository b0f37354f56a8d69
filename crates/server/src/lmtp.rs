//! The loop of a session of LMTP (RFC 2033) or SMTP (RFC 5321): the same as POP3's, for `delivery::lmtp`.
//!
//! A message's text goes into a draft as it comes, so the memory of a session does not depend on
//! the message. Its octets are thrown on the disk by threads that may wait for it, and nothing is
//! read from the client meanwhile: a full disk or a slow one holds the sender back, not us.
//! Each recipient gets its own delivery and its own reply, and `250` only after the message is
//! durable.

use std::future::pending;
use std::time::{SystemTime, UNIX_EPOCH};

use auth::Peer;
use delivery::lmtp::{Encryption, Message, Next, Rejection, Session};
use delivery::{NotDelivered, RecipientRefusal};
use maildrop::{DeliverError, Draft, Maildrops, Quota};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, error, info};

use crate::config::Protocol;
use crate::connection::{Connection, cut, draining};
use crate::judgement::Verdict;
use crate::listener::{Visit, blocking};
use crate::log::{End, Escaped, Summary};
use crate::stranger::Stranger;

/// Serves one connection of LMTP or SMTP, from the greeting to the reason why it ended. The connection is
/// gone where a TLS handshake failed.
pub(crate) async fn serve(
    mut connection: Connection,
    visit: &Visit,
    summary: &mut Summary,
) -> (Option<Connection>, End) {
    let client = delivery::lmtp::Client {
        address: visit.client.peer.to_string(),
        speaker: visit.client.speaker,
        encryption: match (visit.client.peer, visit.transfer_acceptor()) {
            (Peer::Address(_), Some(_)) => Encryption::Offered,
            // Nobody listens in on a Unix socket.
            (Peer::Local, _) | (_, None) => Encryption::None,
        },
    };
    let settings = match visit.protocol {
        Protocol::Smtp => &visit.live.smtp,
        _ => &visit.live.lmtp,
    };
    let mut session = Session::new(settings.clone(), client);
    let mut stranger = match visit.protocol {
        Protocol::Smtp => Some(Stranger::new(visit)),
        _ => None,
    };
    connection.equip();
    if let Some(stranger) = &mut stranger
        && !stranger.is_welcome()
    {
        connection
            .output
            .extend_from_slice(&too_many_mistakes(visit));
        let end = connection.flush().await.err().unwrap_or(End::Refused);
        return (Some(connection), end);
    }
    session.greeting(&mut connection.output);
    loop {
        let driver = Driver {
            connection: &mut connection,
            session,
            text: Vec::new(),
            draft: None,
            stranger: stranger.as_mut(),
            visit,
            summary,
            silent_since: Instant::now(),
        };
        match driver.run().await {
            Ok(Stop::StartTls(clear)) => session = clear.secured(),
            Ok(Stop::Close(end)) | Err(end) => return (Some(connection), end),
        }
        let handshake = Box::pin(secure(connection, visit));
        connection = match handshake.await {
            Ok(connection) => connection,
            Err(end) => return (None, end),
        };
        summary.tls = connection.tls();
    }
}

/// The handshake behind STARTTLS (RFC 3207 §4). Input that came in clear behind the command ends the
/// connection.
async fn secure(connection: Connection, visit: &Visit) -> Result<Connection, End> {
    let acceptor = visit.transfer_acceptor().ok_or(End::Fault)?;
    let limit = visit.live.config.limits.handshake_timeout;
    connection.start_tls(acceptor, limit, pending()).await
}

/// Why the loop stopped in good order.
enum Stop {
    Close(End),
    StartTls(Box<Session>),
}

fn too_many_mistakes(visit: &Visit) -> Vec<u8> {
    let hostname = &visit.live.config.hostname;
    format!("421 4.7.0 {hostname} too many mistakes, try again later\r\n").into_bytes()
}

struct Driver<'a, 'v> {
    connection: &'a mut Connection,
    session: Session,
    /// Text that has come and is not in the draft yet; bounded by one read.
    text: Vec<u8>,
    /// The message that is coming in.
    draft: Option<Draft>,
    /// Who brings it, in SMTP.
    stranger: Option<&'a mut Stranger<'v>>,
    visit: &'v Visit,
    summary: &'a mut Summary,
    /// When the client had the last reply or sent the last octet of text; its time limit counts from
    /// here (RFC 5321 §4.5.3.2.7). Octets of a command that has no end keep nobody here.
    silent_since: Instant,
}

impl Driver<'_, '_> {
    async fn run(mut self) -> Result<Stop, End> {
        self.connection.flush().await?;
        loop {
            self.connection.equip();
            let Connection { input, output, .. } = &mut *self.connection;
            let step = self.session.handle(input, output, &mut self.text);
            self.connection.consume(step.consumed);
            let is_over = matches!(step.next, Next::Close);
            if !self.is_served() && !is_over {
                return self.turn_away().await;
            }
            match step.next {
                Next::Read => {
                    self.draft_text().await?;
                    self.flush().await?;
                    if self.session.is_in_text() {
                        self.silent_since = Instant::now();
                    }
                    self.read().await?;
                }
                Next::Forwarded(said) => {
                    let client = self.visit.client.named(&said, &self.visit.front_ends);
                    info!(client = client.name, "client named by a front end");
                    if let Some(stranger) = &mut self.stranger {
                        let limits = &self.visit.live.config.limits;
                        let counted = self.visit.permit.count(client.address(), limits);
                        stranger.is_named(client);
                        if counted.is_err() || !stranger.is_welcome() {
                            return self.turn_away().await;
                        }
                    }
                }
                Next::Resolve { address, octets } => {
                    let resolved = self.resolve(address, octets).await?;
                    let resolved = self.greet(resolved).await?;
                    let output = &mut self.connection.output;
                    self.session.resolved(resolved, output);
                    if !self.is_served() {
                        return self.turn_away().await;
                    }
                }
                Next::StartTls => {
                    self.connection.flush().await?;
                    return match self.connection.input.is_empty() {
                        true => Ok(Stop::StartTls(Box::new(self.session))),
                        false => Err(End::Injection),
                    };
                }
                Next::Text => self.draft_text().await?,
                Next::Deliver(message) => self.deliver(message).await?,
                Next::Discard => {
                    self.text.clear();
                    self.forget();
                }
                Next::Close => {
                    let end = match self.session.signed_off() {
                        true => End::Quit,
                        false => End::Refused,
                    };
                    self.connection.flush().await?;
                    return Ok(Stop::Close(end));
                }
            }
            if self.connection.output.len() >= OUTPUT_OCTETS_MAX {
                self.flush().await?;
            }
        }
    }

    /// Writes the replies; the client's silence begins anew.
    async fn flush(&mut self) -> Result<(), End> {
        if !self.connection.output.is_empty() {
            let delay = self.stranger.as_ref().map(|stranger| stranger.delay());
            if let Some(delay) = delay.filter(|delay| !delay.is_zero()) {
                uncut(self.visit, sleep(delay)).await?;
            }
            self.connection.flush().await?;
            self.silent_since = Instant::now();
        }
        Ok(())
    }

    /// Waits for the client. While the server drains, a session ends between two messages, and is
    /// told so (RFC 5321 §3.8).
    async fn read(&mut self) -> Result<(), End> {
        let visit = self.visit;
        let limits = &visit.live.config.limits;
        let limit = match visit.protocol {
            Protocol::Smtp => limits.smtp_timeout,
            _ => limits.lmtp_timeout,
        };
        let between = self.draft.is_none();
        if self.text.is_empty() {
            self.text = Vec::new();
        }
        let over = async {
            tokio::select! {
                () = sleep_until(self.silent_since + limit) => End::Idle,
                () = draining(&visit.phase), if between => End::Drained,
                () = cut(&visit.phase) => End::Cut,
            }
        };
        let read = self.connection.read(over).await;
        let (code, why) = match read {
            Err(End::Idle) => ("4.4.2", "silent for too long, closing"),
            Err(End::Drained) => ("4.3.2", "shutting down, closing"),
            read => return read,
        };
        let hostname = &visit.live.config.hostname;
        let farewell = format!("421 {code} {hostname} {why}\r\n");
        self.connection
            .output
            .extend_from_slice(farewell.as_bytes());
        self.connection.flush().await?;
        read
    }

    /// Puts the text that has come into the draft; if that fails, the message is lost, not the
    /// session.
    async fn draft_text(&mut self) -> Result<(), End> {
        if let Err(why) = self.draw_up().await? {
            self.give_up(why);
        }
        Ok(())
    }

    fn give_up(&mut self, why: DeliverError) {
        log_draft_error(&why);
        self.forget();
        self.session.draft_failed(why);
    }

    /// What has come of a message is not wanted.
    fn forget(&mut self) {
        self.draft = None;
        if let Some(stranger) = &mut self.stranger {
            stranger.forget();
        }
    }

    /// Whether the client has not made too many mistakes; puts the new ones into the book.
    fn is_served(&mut self) -> bool {
        let stranger = self.stranger.as_mut();
        stranger.is_none_or(|stranger| stranger.counts(&self.session))
    }

    /// The last words for somebody who has made too many mistakes.
    async fn turn_away(mut self) -> Result<Stop, End> {
        let words = too_many_mistakes(self.visit);
        self.connection.output.extend_from_slice(&words);
        self.flush().await?;
        Ok(Stop::Close(End::Refused))
    }

    /// Whether a recipient that is known may have mail from this sender.
    async fn greet(
        &mut self,
        resolved: Result<delivery::Recipient, RecipientRefusal>,
    ) -> Result<Result<delivery::Recipient, RecipientRefusal>, End> {
        let (Some(stranger), Ok(recipient)) = (&mut self.stranger, &resolved) else {
            return Ok(resolved);
        };
        let taken = Box::pin(stranger.is_taken_for(&self.session, &recipient.address));
        let taken = uncut(self.visit, taken).await?;
        Ok(taken.and(resolved))
    }

    /// Whether the message is taken; says so in its header, or to who has brought it.
    async fn judge(&mut self, message: &mut Message) -> Result<bool, End> {
        let Some(stranger) = &mut self.stranger else {
            return Ok(true);
        };
        let judgement = Box::pin(stranger.judge(&self.session, &message.sender));
        let Some(judgement) = uncut(self.visit, judgement).await? else {
            return Ok(true);
        };
        let refusal = match judgement.verdict {
            Verdict::Accept => {
                message.authentication_results = judgement.authentication_results;
                return Ok(true);
            }
            Verdict::Reject(refusal) | Verdict::Defer(refusal) => refusal,
        };
        info!(why = refusal.why, "message refused");
        let rejection = Rejection {
            code: refusal.code,
            status: refusal.status,
            why: refusal.why,
        };
        self.forget();
        let output = &mut self.connection.output;
        self.session.rejected(&rejection, output);
        Ok(false)
    }

    async fn draw_up(&mut self) -> Result<Result<(), DeliverError>, End> {
        if self.text.is_empty() {
            return Ok(Ok(()));
        }
        let mut draft = match self.draft.take() {
            Some(draft) => draft,
            None => self.visit.server.maildrops.draft(),
        };
        let mut text = std::mem::take(&mut self.text);
        if let Some(stranger) = &mut self.stranger {
            stranger.watch(&text);
        }
        let appended = if draft.len() + text.len() as u64 <= DRAFT_IN_MEMORY {
            let appended = draft.append(&text);
            (draft, text, appended)
        } else {
            blocking(move || {
                let appended = draft.append(&text);
                (draft, text, appended)
            })
            .await?
        };
        let result;
        (draft, text, result) = appended;
        text.clear();
        self.text = text;
        self.draft = Some(draft);
        Ok(result)
    }

    /// Which maildrops are behind an address, and whether each has room for so many octets.
    async fn resolve(
        &self,
        address: String,
        octets: u64,
    ) -> Result<Result<delivery::Recipient, RecipientRefusal>, End> {
        let server = self.visit.server.clone();
        let live = self.visit.live.clone();
        let at_hand = live.recipients.at_hand(server.auth.accounts(), &address);
        if let Some(found) = at_hand {
            let accepted = live.config.accepts(found, &address);
            // Of who may hold so much only, the file must be looked at.
            if !matches!(&accepted, Ok(recipient) if recipient.accounts.iter().any(has_quota)) {
                return Ok(accepted);
            }
        }
        blocking(move || {
            let config = &live.config;
            let accounts = server.auth.accounts();
            let look_up = || accounts.recipients(&address, &config.addressing());
            let found = match live.recipients.find(accounts, &address, look_up) {
                Ok(found) => found,
                Err(why) => {
                    error!(%why, "recipients cannot be looked up");
                    return Err(RecipientRefusal::Unavailable);
                }
            };
            if found.is_empty() {
                debug!(recipient = %Escaped(&address), "recipient unknown");
            }
            let recipient = config.accepts(found, &address)?;
            for account in &recipient.accounts {
                has_room(&server.maildrops, account, octets)?;
            }
            Ok(recipient)
        })
        .await
    }

    /// Delivers to every recipient. Once begun it is finished, whatever becomes of the client.
    async fn deliver(&mut self, mut message: Message) -> Result<(), End> {
        if let Err(why) = self.draw_up().await? {
            self.give_up(why);
            return Ok(());
        }
        if !self.judge(&mut message).await? {
            return Ok(());
        }
        let maildrops = self.visit.server.maildrops.clone();
        let draft = self.draft.take();
        let octets = message.measure.octets;
        let results = blocking(move || {
            let mut draft = draft.unwrap_or_else(|| maildrops.draft());
            message.deliver(&maildrops, &mut draft, now_us())
        })
        .await?;
        for failed in results.iter().filter_map(|result| result.as_ref().err()) {
            for (account, why) in &failed.failures {
                match why {
                    DeliverError::OverQuota => log_full(account, octets),
                    why => log_not_delivered(account, why),
                }
            }
        }
        if results.iter().any(Result::is_ok) {
            self.summary.delivery.messages += 1;
            self.summary.delivery.octets += octets;
        }
        let results = results.into_iter();
        let results: Vec<_> = results
            .map(|result| result.map_err(NotDelivered::worst))
            .collect();
        let output = &mut self.connection.output;
        self.session.delivered(&results, output);
        Ok(())
    }
}

/// Waits for this, unless the server is told to cut.
async fn uncut<T>(visit: &Visit, work: impl Future<Output = T>) -> Result<T, End> {
    tokio::select! {
        done = work => Ok(done),
        () = cut(&visit.phase) => Err(End::Cut),
    }
}

/// Whether there is an end to what the maildrop may hold.
fn has_quota(account: &delivery::Account) -> bool {
    account.quota != Quota::default()
}

/// Whether a message of a size that was declared may fit (RFC 1870 §6.1). What is not known now is
/// found out when it is delivered.
fn has_room(
    maildrops: &Maildrops,
    account: &delivery::Account,
    octets: u64,
) -> Result<(), RecipientRefusal> {
    if !has_quota(account) {
        return Ok(());
    }
    let in_all = match octets {
        0 => 0,
        octets => octets.saturating_add(TRACE_OCTETS),
    };
    match maildrops.fits(&account.addressee(), in_all) {
        Ok(()) => Ok(()),
        Err(DeliverError::OverQuota) => {
            log_full(account, octets);
            Err(RecipientRefusal::Full)
        }
        // This one waits alone: behind the text others might have to wait with it.
        Err(why) => {
            log_not_delivered(account, &why);
            Err(RecipientRefusal::Broken)
        }
    }
}

/// Trace headers are part of the message in the maildrop; about so many octets at least.
const TRACE_OCTETS: u64 = 300;

/// Once for each message that is refused: an operator wants to know whose mail waits elsewhere.
fn log_full(account: &delivery::Account, octets: u64) {
    info!(
        account = account.name,
        maildrop = %account.maildrop,
        octets,
        quota_octets = account.quota.octets,
        quota_messages = account.quota.messages,
        "message not delivered: maildrop is full"
    );
}

/// Now, in µs since the beginning of 1970.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// The text could not be kept; whose it is does not matter.
fn log_draft_error(why: &DeliverError) {
    match why {
        DeliverError::Unavailable(cause) | DeliverError::NoSpace(cause) => {
            error!(%cause, "message not delivered: {why}");
        }
        DeliverError::OverQuota | DeliverError::Damaged(_) => {
            error!("message not delivered: {why}")
        }
    }
}

fn log_not_delivered(account: &delivery::Account, why: &DeliverError) {
    let (account, maildrop) = (&account.name, account.maildrop);
    match why {
        DeliverError::Unavailable(cause) | DeliverError::NoSpace(cause) => {
            error!(account, %maildrop, %cause, "message not delivered: {why}");
        }
        DeliverError::Damaged(what) => {
            error!(account, %maildrop, what, "message not delivered: maildrop damaged");
        }
        DeliverError::OverQuota => {}
    }
}

/// Replies beyond this are written before more input is handled.
const OUTPUT_OCTETS_MAX: usize = 32 << 10;

/// Below this a draft is in memory, and appending to it cannot wait for a disk.
const DRAFT_IN_MEMORY: u64 = 128 << 10;
