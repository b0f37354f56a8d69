//! The loop of a POP3 session: ask the session what must happen next, and do it.
//!
//! The session (`pop3::server`) decides; nothing here knows a command. What this file adds is
//! order in time: nothing is read while a whole line is left, nothing is flushed while more
//! replies may come, no next chunk of a message is read before the last is written, and no
//! sign-off is sent before the deletions are durable. When a connection ends in any other way than
//! QUIT, the open maildrop is dropped: its lock is free and nothing is deleted (RFC 1939 §3, §6).

mod surrogate;

use std::ops::Range;
use std::time::{Duration, SystemTime};

use ::sasl::Login;
use ::sasl::scram::Hash;
use auth::{Denied, Identity};
use maildrop::{
    CommitError, MaildropId, OpenError, OpenMaildrop, Patience, Progress, Text, TextError,
};
use pop3::reply::Refusal;
use pop3::server::{Channel, Next, Sasl, Session, Stls};
use pop3::wire::TERMINATOR;
use pop3::xclient::Attributes;
use pop3::{Deletions, Expire, Header, MessageNumber, Part, Promise, ScanListing};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, error, info, warn};

use crate::access::{self, Asked};
use crate::config::Protocol;
use crate::connection::{Connection, cut, draining};
use crate::front::Client;
use crate::limits::Turned;
use crate::listener::{Visit, blocking, evicted};
use crate::log::{End, Escaped, Summary};
use crate::{certificate, sasl, tidy};

/// Serves one POP3 connection, from the greeting to the reason why it ended. The connection comes
/// back, if it can still be closed in good order.
pub(crate) async fn serve(
    mut connection: Connection,
    visit: &Visit,
    summary: &mut Summary,
) -> (Option<Connection>, End) {
    let started = Instant::now();
    let timestamp = visit.server.timestamps.next(&visit.live.config.hostname);
    greet(&mut connection, visit, &timestamp);
    let mut starts_tls = visit.protocol == Protocol::Pop3s;
    loop {
        if starts_tls {
            // In a place of its own, which is free again when the handshake is over.
            let handshake = Box::pin(secure(connection, visit, started));
            connection = match handshake.await {
                Ok(connection) => connection,
                Err(end) => return (None, end),
            };
            summary.tls = connection.tls();
        }
        let offered = match sasl::offer(&connection, visit) {
            Ok(sasl) => offer(&connection, visit, &timestamp, sasl),
            Err(end) => return (Some(connection), end),
        };
        let session = Session::new(visit.live.pop3.clone(), offered);
        let mut driver = Driver {
            client: visit.client.clone(),
            connection: &mut connection,
            session,
            open: None,
            maildrop: None,
            visit,
            summary,
            started,
            silent_since: Instant::now(),
            in_a_row: 0,
        };
        let stop = driver.run().await;
        driver.summary.retrieval = driver.session.summary().clone();
        // A maildrop that is still open is given back before anything waits for the peer again.
        driver.open = None;
        match stop {
            // Nothing of the old session is left. Its greeting stands: there is no second one.
            Ok(Stop::StartTls) => starts_tls = true,
            Ok(Stop::Close(end)) | Err(end) => return (Some(connection), end),
        }
    }
}

/// Puts the greeting into the output. Where everything is inside TLS, it will be too.
fn greet(connection: &mut Connection, visit: &Visit, timestamp: &str) {
    let channel = match visit.protocol {
        Protocol::Pop3s => Channel::Tls,
        Protocol::Pop3 | Protocol::Lmtp | Protocol::Smtp => Channel::Plain,
    };
    let passwords = visit.client.passwords(channel, visit.plaintext_login);
    connection.equip();
    let output = &mut connection.output;
    pop3::server::greeting(visit.client.speaker, passwords, timestamp, output);
}

async fn secure(
    connection: Connection,
    visit: &Visit,
    started: Instant,
) -> Result<Connection, End> {
    // `bind` and a reload refuse to take the certificate away, and without one nobody is offered STLS.
    let acceptor = visit.acceptor().ok_or(End::Fault)?;
    let limit = visit.live.config.limits.handshake_timeout;
    let over = stranger_over(visit, started);
    connection.start_tls(acceptor, limit, over).await
}

/// How much of a text was written without waiting for the disk.
enum Shown {
    All,
    Some,
    Nothing,
}

/// Why the loop stopped in good order.
enum Stop {
    Close(End),
    StartTls,
}

struct Driver<'a> {
    /// Whose the connection is: as accepted, or as a front end has said since.
    client: Client,
    connection: &'a mut Connection,
    session: Session,
    /// The maildrop, while the session is in TRANSACTION.
    open: Option<OpenMaildrop>,
    /// Which one it is or was.
    maildrop: Option<MaildropId>,
    visit: &'a Visit,
    summary: &'a mut Summary,
    /// When the connection came in, or its PROXY header had; the time limit of AUTHORIZATION counts from here.
    started: Instant,
    /// When the client had the last answer; `idle_timeout` counts from here.
    silent_since: Instant,
    /// Octets of texts since somebody else could have the thread.
    in_a_row: usize,
}

impl Driver<'_> {
    async fn run(&mut self) -> Result<Stop, End> {
        // A greeting in clear.
        self.flush().await?;
        loop {
            self.connection.equip();
            let Connection { input, output, .. } = &mut *self.connection;
            let before = self.session.summary().passwords_not_utf8;
            let step = self.session.handle(input, output);
            self.connection.consume(step.consumed);
            if before == 0 && self.session.summary().passwords_not_utf8 > 0 {
                // Nobody looks at it, so nobody else could say why this user cannot log in. Once is enough:
                // a stranger can send as many as he likes.
                let why = "the password is not UTF-8: its program uses another charset";
                info!(peer = %self.client.peer, why, "login refused");
            }
            match step.next {
                Next::Read => {
                    // Only now: ten pipelined commands cost one write (RFC 2449 §6.6).
                    self.flush().await?;
                    self.read().await?;
                }
                Next::Write => self.flush().await?,
                Next::Promise => self.promise().await?,
                Next::Forwarded(said) => self.forwarded(&said),
                Next::Authenticate(login) => self.authenticate(login).await?,
                Next::Lookup { user, hash } => self.look_up(&user, hash).await?,
                Next::Measure(numbers) => self.measure(&numbers).await?,
                Next::Send(number, part, Header::AsStored) => self.send(number, part).await?,
                Next::Send(number, part, Header::Surrogate) => {
                    self.send_surrogate(number, part).await?;
                }
                Next::Commit(deletions) => self.commit(deletions, OpenMaildrop::commit).await?,
                Next::Hide(messages) => self.commit(messages, OpenMaildrop::hide).await?,
                Next::StartTls => {
                    self.flush().await?;
                    return match self.connection.input.is_empty() {
                        true => Ok(Stop::StartTls),
                        false => Err(End::Injection),
                    };
                }
                Next::Close => {
                    let end = match self.session.summary().signed_off {
                        true => End::Quit,
                        false => End::Refused,
                    };
                    // What says goodbye leaves with the end of the connection, unless something would come
                    // between them, or it is a stranger, who has only so much time.
                    let is_owner = self.maildrop.is_some();
                    if end != End::Quit || !is_owner || self.is_tidying_due() {
                        self.flush().await?;
                        self.tidy();
                    }
                    return Ok(Stop::Close(end));
                }
            }
        }
    }

    /// Waits for the client, for as long as its state allows (RFC 1939 §3).
    async fn read(&mut self) -> Result<(), End> {
        let visit = self.visit;
        let limits = &visit.live.config.limits;
        if self.open.is_some() {
            let over = async {
                tokio::select! {
                    () = sleep_until(self.silent_since + limits.idle_timeout) => End::Idle,
                    () = cut(&visit.phase) => End::Cut,
                }
            };
            return self.connection.read(over).await;
        }
        let read = self
            .connection
            .read(stranger_over(visit, self.started))
            .await;
        if read == Err(End::NoRoom) {
            self.connection.equip();
            Refusal::Unavailable.print(&mut self.connection.output);
            self.flush().await?;
        }
        read
    }

    /// Writes the replies. A stranger who reads slowly gets no more time than one who reads fast.
    ///
    /// The time of silence begins anew: every command has a reply, and octets that are no command
    /// yet have none, so they keep nobody here (RFC 1939 §3 speaks of commands).
    async fn flush(&mut self) -> Result<(), End> {
        if self.connection.output.is_empty() {
            return Ok(());
        }
        if self.session.is_logged_in() {
            self.connection.flush().await?;
        } else {
            tokio::select! {
                biased;
                flushed = self.connection.flush() => flushed?,
                end = stranger_over(self.visit, self.started) => return Err(end),
            }
        }
        self.silent_since = Instant::now();
        Ok(())
    }

    /// Notes the client that a front end names. From here on the limits are the client's.
    fn forwarded(&mut self, said: &Attributes) {
        let visit = self.visit;
        let client = visit.client.named(said, &visit.front_ends);
        let output = &mut self.connection.output;
        if said.address.is_some() {
            visit.name(&client);
            let limits = &visit.live.config.limits;
            if let Err(turned) = visit.permit.count(client.address(), limits) {
                debug!(?turned, "client of a front end turned away");
                return self.session.refused(Refusal::TooManySessions, output);
            }
        }
        let session = said.session.as_deref().unwrap_or_default();
        debug!(session = %Escaped(session), "client named by a front end");
        let channel = self.session.connection().channel;
        let passwords = client.passwords(channel, visit.plaintext_login);
        self.client = client;
        self.session.forwarded(passwords, output);
    }

    /// Says how long mail is kept, to somebody who has not logged in.
    async fn promise(&mut self) -> Result<(), End> {
        let visit = self.visit;
        let promise = tokio::select! {
            promise = promise(visit) => promise,
            end = stranger_over(visit, self.started) => return Err(end),
        };
        let output = &mut self.connection.output;
        self.session.promised(promise, output);
        Ok(())
    }

    /// Checks a login and opens the maildrop that it is for.
    async fn authenticate(&mut self, mut login: Login) -> Result<(), End> {
        let visit = self.visit;
        visit.name(&self.client);
        let peer = self.client.peer;
        let by_certificate = matches!(login, Login::External { .. });
        let asked = Asked::by(&mut login, &visit.live.config.access);
        let entered = async {
            match visit.server.auth.verify(login, peer).await {
                Ok(identity) => enter(visit, &identity, asked)
                    .await
                    .map(|entered| entered.map(|(open, listing)| (identity, open, listing))),
                Err(Denied::Credentials) => Ok(Err(Refusal::Credentials)),
                Err(Denied::Unavailable(why)) => {
                    error!(why, "logins cannot be checked");
                    Ok(Err(Refusal::Unavailable))
                }
            }
        };
        let entered = tokio::select! {
            entered = entered => entered?,
            // Also between logins that were sent at once: no other wait is between them.
            end = stranger_over(visit, self.started) => return Err(end),
        };
        let certificate = match by_certificate {
            true => self.connection.peer_certificate().map(certificate::shown),
            false => None,
        };
        let output = &mut self.connection.output;
        match entered {
            Ok((identity, open, listing)) => {
                debug!(
                    messages = listing.len(),
                    octets = listing.total().0,
                    recent = matches!(asked, Asked::Recent(_)),
                    "maildrop opened"
                );
                self.summary.account = Some(identity.account().to_owned());
                self.summary.is_recent = matches!(asked, Asked::Recent(_));
                self.summary.certificate = certificate;
                self.maildrop = Some(MaildropId(identity.maildrop()));
                self.open = Some(open);
                let rules = access::rules(&identity, &visit.live.config);
                self.session
                    .opened(identity.account(), listing, rules, output);
            }
            // Who was refused is logged where it is known whether the name is one: people type
            // passwords as names.
            Err(why) => {
                self.session.refused(why, output);
                // The next refusal of a batch is seconds away, and a client that is gone must not
                // have all of them computed.
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Finds what SCRAM goes on with. Nobody has proved anything yet.
    async fn look_up(&mut self, user: &str, hash: Hash) -> Result<(), End> {
        let visit = self.visit;
        visit.name(&self.client);
        let peer = self.client.peer;
        let user = access::account_of(user, &visit.live.config.access);
        let found = tokio::select! {
            found = visit.server.auth.lookup(user, hash, peer) => found,
            end = stranger_over(visit, self.started) => return Err(end),
        };
        let output = &mut self.connection.output;
        match found {
            Ok(verifier) => self.session.found(verifier, output),
            Err(why) => {
                error!(%why, "SCRAM verifiers cannot be looked up");
                self.session.refused(Refusal::Unavailable, output);
            }
        }
        Ok(())
    }

    /// Streams a part of a message. The status line waits in the output, so a message that fits
    /// leaves with it, and with the terminator, in one write.
    async fn send(&mut self, number: MessageNumber, part: Part) -> Result<(), End> {
        let Some(open) = &self.open else {
            error!("the session sends a message without a maildrop");
            return Err(End::Fault);
        };
        match open.text(number, part) {
            Ok(text) => {
                let start = self.connection.output.len();
                self.stream(text, start, 0).await
            }
            Err(why) => {
                self.refuse_text(&why);
                Ok(())
            }
        }
    }

    /// Streams a text, but for so many octets at its beginning. What is in the output from `start` on
    /// leaves with it, or not at all.
    async fn stream(
        &mut self,
        text: Text,
        mut start: usize,
        mut skipped: usize,
    ) -> Result<(), End> {
        let mut text = Some(text);
        let mut on_its_way = false;
        loop {
            if skipped == 0
                && let Some(text) = &mut text
            {
                match self.show(text, &mut start).await? {
                    Shown::All => return Ok(()),
                    Shown::Some => on_its_way = true,
                    Shown::Nothing => {}
                }
                self.connection.equip();
            }
            let before = self.connection.output.len();
            match self.read_text(&mut text).await? {
                Ok(Progress::End) if skipped == 0 => break,
                Ok(progress) => {
                    let output = &mut self.connection.output;
                    let gone = skipped.min(output.len() - before);
                    output.drain(before..before + gone);
                    skipped -= gone;
                    if progress == Progress::End {
                        break;
                    }
                }
                Err(why) if on_its_way => {
                    // The client must not take what it has for the message: no terminator, no
                    // further word. There is no other honest reply left.
                    self.log_text_error(&why);
                    return Err(End::Damaged);
                }
                Err(why) => {
                    self.connection.output.truncate(start);
                    self.refuse_text(&why);
                    return Ok(());
                }
            }
            if self.connection.output.len() >= OUTPUT_OCTETS_MAX {
                self.flush().await?;
                on_its_way = true;
            }
        }
        self.session.sent(&mut self.connection.output);
        match self.connection.output.len() >= OUTPUT_OCTETS_MAX {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Writes a text, after what is in the output, as far as the page cache holds it, and the terminator with
    /// its end. Nothing of it stays here while the client has no room. A short one waits in the output
    /// instead if there are more commands: their replies leave together.
    ///
    /// What belongs to the text begins at `start` in the output; what was before it may leave alone.
    async fn show(&mut self, text: &mut Text, start: &mut usize) -> Result<Shown, End> {
        let mut shown = Shown::Nothing;
        let is_gathered =
            !self.connection.input.is_empty() && text.octets().0 < OUTPUT_OCTETS_MAX as u64;
        if is_gathered || !text.is_peekable() {
            return Ok(shown);
        }
        let mut most = usize::MAX;
        loop {
            let waiting = self.connection.output.len();
            let (mut octets, mut is_end, mut tried) = (0, false, false);
            let write = self.connection.write_some(|room| {
                // The client had no room after all: it will not have much.
                let most = if std::mem::replace(&mut tried, true) {
                    SHOWN_OCTETS_MIN
                } else {
                    most
                };
                let place = most.min(room.len() - TERMINATOR.len());
                let peeked = text.peek(&mut room[..place])?;
                (octets, is_end) = (peeked.octets.len(), peeked.is_end);
                let Range { start, mut end } = peeked.octets;
                if is_end {
                    room[end..][..TERMINATOR.len()].copy_from_slice(TERMINATOR);
                    end += TERMINATOR.len();
                }
                Some(start..end)
            });
            let Some(written) = write.await? else {
                return Ok(shown);
            };
            let left = waiting - self.connection.output.len();
            if written > 0 || left > *start {
                shown = Shown::Some;
            }
            *start = start.saturating_sub(left);
            text.advance(written.min(octets));
            if is_end && written >= octets {
                let output = &mut self.connection.output;
                self.session.sent(output);
                // So much of the terminator is gone already.
                output.drain(..written - octets);
                self.connection.flush().await?;
                self.silent_since = Instant::now();
                return Ok(Shown::All);
            }
            // What a slow client does not take is read again, so it is shown little more than it takes.
            most = match written < octets {
                true => written + SHOWN_OCTETS_MIN,
                false => most.saturating_mul(2),
            };
            self.in_a_row += written;
            if self.in_a_row >= IN_A_ROW_OCTETS_MAX {
                // A client that always has room would keep the thread.
                self.in_a_row = 0;
                yield_now().await;
            }
        }
    }

    /// Appends the next chunk: at once if the page cache holds it, else from a thread that may
    /// wait for the disk.
    async fn read_text(
        &mut self,
        text: &mut Option<Text>,
    ) -> Result<Result<Progress, TextError>, End> {
        let output = &mut self.connection.output;
        let Some(mut held) = text.take() else {
            return Err(End::Fault);
        };
        let read = held.read(output, Patience::CacheOnly);
        if !matches!(read, Ok(Progress::Cold)) {
            *text = Some(held);
            return Ok(read);
        }
        let mut chunk = std::mem::take(output);
        let (held, chunk, read) = blocking(move || {
            let read = held.read(&mut chunk, Patience::Wait);
            (held, chunk, read)
        })
        .await?;
        self.connection.output = chunk;
        *text = Some(held);
        Ok(read)
    }

    fn log_text_error(&self, why: &TextError) {
        let account = self.summary.account.as_deref();
        let maildrop = self.maildrop.map(tracing::field::display);
        match why {
            TextError::Unavailable(cause) => {
                error!(account, maildrop, %cause, "message not readable: {why}");
            }
            // Not `message`: that is the name of an event's text, and of two only one is shown.
            TextError::Damaged { number, what } => {
                error!(
                    account,
                    maildrop,
                    number = number.get(),
                    what,
                    "message damaged"
                );
            }
        }
    }

    fn refuse_text(&mut self, why: &TextError) {
        self.log_text_error(why);
        let refusal = match why {
            TextError::Unavailable(_) => Refusal::Unavailable,
            TextError::Damaged { .. } => Refusal::Damaged,
        };
        self.session.refused(refusal, &mut self.connection.output);
    }

    /// UPDATE (RFC 1939 §6). It is finished even if the client goes away or the server is told to
    /// end meanwhile: nothing below waits for anybody but the disk.
    async fn commit(
        &mut self,
        messages: Deletions,
        commit: fn(OpenMaildrop, &Deletions) -> Result<usize, CommitError>,
    ) -> Result<(), End> {
        let Some(open) = self.open.take() else {
            error!("the session commits without a maildrop");
            return Err(End::Fault);
        };
        // Without a message there is nothing to write.
        let committed = match messages.is_empty() {
            true => commit(open, &messages),
            false => blocking(move || commit(open, &messages)).await?,
        };
        let output = &mut self.connection.output;
        match committed {
            Ok(left) => self.session.committed(left, output),
            Err(why) => {
                let CommitError::Unavailable(cause) = &why;
                error!(%cause, "deletions not committed: {why}");
                self.session.refused(Refusal::Unavailable, output);
            }
        }
        Ok(())
    }

    /// After UPDATE, when the client has its answer: what the store has put off until now. The
    /// client does not wait for it, nor does the connection.
    fn tidy(&self) {
        if let Some(id) = self.maildrop
            && self.is_tidying_due()
        {
            tidy::later(&self.visit.server, &self.visit.phase, id);
        }
    }

    fn is_tidying_due(&self) -> bool {
        let done = self.session.summary();
        self.maildrop.is_some()
            && (done.messages_deleted > 0
                || done.messages_hidden > 0
                || done.messages_left >= TIDY_MESSAGES_MIN)
    }
}

/// Opens the maildrop of somebody who has proved who they are, if it is time for a login: the only
/// way to one. What comes to nothing is no login.
async fn enter(
    visit: &Visit,
    identity: &Identity,
    asked: Asked,
) -> Result<Result<(OpenMaildrop, ScanListing), Refusal>, End> {
    let Some(allowed) = visit.live.config.login_delay else {
        return open(visit, identity, asked).await;
    };
    let auth = &visit.server.auth;
    if auth.spend(identity, allowed).is_err() {
        info!(account = identity.account(), "login too soon");
        // Or a program that tries again at once would fill the log.
        sleep(TOO_SOON_PAUSE).await;
        return Ok(Err(Refusal::TooSoon));
    }
    let opened = open(visit, identity, asked).await;
    if !matches!(opened, Ok(Ok(_))) {
        auth.give_back(identity, allowed);
    }
    opened
}

/// Opens a maildrop. One that is held is asked for again until `lock_wait` is over; no thread waits.
async fn open(
    visit: &Visit,
    identity: &Identity,
    asked: Asked,
) -> Result<Result<(OpenMaildrop, ScanListing), Refusal>, End> {
    let until = Instant::now() + visit.live.config.lock_wait;
    let mut pause = LOCK_PAUSE_MIN;
    let view = asked.view(identity, &visit.live.config.access, SystemTime::now());
    loop {
        let maildrops = visit.server.maildrops.clone();
        let id = MaildropId(identity.maildrop());
        let listed = |open: OpenMaildrop| {
            let listing = open.listing();
            (open, listing)
        };
        // Most clients come again before anything has changed: then no thread but this one is needed.
        let opened = match maildrops.open_at_hand(id, &view) {
            Some(opened) => opened.map(listed),
            None => blocking(move || maildrops.open_view(id, &view).map(listed)).await?,
        };
        match opened {
            // Only now does the session keep its place: one account could hold every place of the
            // server by waiting for itself.
            Ok(entered) => match visit.permit.prove(id, &visit.live.config.limits) {
                Ok(()) => return Ok(Ok(entered)),
                // An empty maildrop is nobody's alone. It has been looked at, so there is no waiting.
                Err(Turned::MaildropFull) => {
                    info!(account = identity.account(), maildrop = %id, "enough sessions of this account");
                    return Ok(Err(Refusal::InUse));
                }
                Err(_) => return Ok(Err(Refusal::TooManySessions)),
            },
            Err(OpenError::InUse) if Instant::now() + pause <= until => {
                sleep(pause).await;
                pause = (pause * 2).min(LOCK_PAUSE_MAX);
            }
            Err(OpenError::InUse) => {
                info!(account = identity.account(), maildrop = %id, "maildrop in use");
                return Ok(Err(Refusal::InUse));
            }
            Err(OpenError::Unavailable(cause)) => {
                error!(account = identity.account(), maildrop = %id, %cause, "maildrop unavailable");
                return Ok(Err(Refusal::Unavailable));
            }
            Err(OpenError::Damaged(what)) => {
                error!(account = identity.account(), maildrop = %id, what, "maildrop damaged");
                return Ok(Err(Refusal::Damaged));
            }
        }
    }
}

/// What this connection may offer its client (design decision 14, RFC 2595 §4).
fn offer(
    connection: &Connection,
    visit: &Visit,
    timestamp: &str,
    sasl: Sasl,
) -> pop3::server::Connection {
    // Our own TLS and no other: what ends at a front end binds nobody to this connection.
    let channel = match connection.tls() {
        Some(_) => Channel::Tls,
        None => Channel::Plain,
    };
    let stls = match (visit.acceptor(), channel, visit.client.channel()) {
        (Some(_), Channel::Plain, Channel::Plain) => Stls::Offered,
        _ => Stls::NotOffered,
    };
    pop3::server::Connection {
        channel,
        passwords: visit.client.passwords(channel, visit.plaintext_login),
        stls,
        speaker: visit.client.speaker,
        timestamp: timestamp.to_owned(),
        expire: Promise::OnRequest,
        sasl,
    }
}

/// How long mail is kept, as far as it is the same for all (RFC 2449 §6.7).
async fn promise(visit: &Visit) -> Promise {
    let default = visit.live.config.keeping.expire;
    match visit.server.auth.expiries().await {
        Ok(expiries) => {
            let least = announced(expiries.least(default));
            // Some account may say for itself that its mail goes when it is retrieved; it does not, as
            // long as nothing is taken away from those that say no more.
            let kept = !visit.live.config.access.disposition.takes_away();
            match expiries.differ(default) || (kept && least == Expire::Retrieved) {
                true => Promise::Least(least),
                false => Promise::All(least),
            }
        }
        // Nobody can log in either, and is told so.
        Err(why) => {
            warn!(%why, "it cannot be said how long mail is kept");
            Promise::Unknown
        }
    }
}

pub(crate) fn announced(expire: auth::Expire) -> Expire {
    match expire {
        auth::Expire::Retrieved => Expire::Retrieved,
        auth::Expire::Days(days) => Expire::Days(days),
        auth::Expire::Never => Expire::Never,
    }
}

/// Resolves when somebody who has not logged in must go.
async fn stranger_over(visit: &Visit, started: Instant) -> End {
    tokio::select! {
        () = login_overdue(visit, started) => End::LoginTimeout,
        () = draining(&visit.phase) => End::Drained,
        end = evicted(visit) => end,
    }
}

/// Resolves when the session has been without login for too long; that is sooner while the
/// server is crowded.
async fn login_overdue(visit: &Visit, started: Instant) {
    let limits = &visit.live.config.limits;
    let mut crowded = visit.server.admission.crowded();
    loop {
        let allowed = match *crowded.borrow_and_update() {
            true => limits
                .authorization_timeout_crowded
                .min(limits.authorization_timeout),
            false => limits.authorization_timeout,
        };
        tokio::select! {
            () = sleep_until(started + allowed) => return,
            Ok(()) = crowded.changed() => {}
        }
    }
}

/// Replies and text beyond this are written before more are made.
pub(crate) const OUTPUT_OCTETS_MAX: usize = 32 << 10;

/// The least of a text that is shown at once: a block of 64 KiB, and what is before it in the file.
const SHOWN_OCTETS_MIN: usize = (64 + 4) << 10;

/// So much of texts is written before somebody else may have the thread.
const IN_A_ROW_OCTETS_MAX: usize = 1 << 20;

/// A maildrop of so many messages is tidied even if nothing was deleted: its index may be due.
const TIDY_MESSAGES_MIN: usize = 512;

/// Before a login that comes too soon is told so.
const TOO_SOON_PAUSE: Duration = Duration::from_millis(500);

/// First pause before a maildrop that is held is asked for again; doubled each time.
const LOCK_PAUSE_MIN: Duration = Duration::from_millis(20);

/// Longest such pause.
const LOCK_PAUSE_MAX: Duration = Duration::from_millis(250);
