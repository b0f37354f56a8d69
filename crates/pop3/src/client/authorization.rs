//! The AUTHORIZATION state, seen by the client (RFC 1939 §4, RFC 2595 §4, RFC 5034 §4).

use super::dialogue::{Asked, Dialogue};
use super::error::{Broken, CannotSend};
use super::event::Event;
use super::settings::Credentials;
use super::status::Status;
use crate::Keyword;
use crate::server::Channel;

/// No mechanism needs as many; a server that asks on for ever asks in vain.
const CHALLENGES_MAX: u32 = 64;

/// Nobody is logged in.
#[derive(Debug)]
pub(super) struct Authorization {
    channel: Channel,
    /// That of the greeting, unless it was said before the start of TLS: whoever could write in clear
    /// could have chosen it.
    timestamp: Option<String>,
    turn: Turn,
    challenges: u32,
}

/// Who speaks next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    /// Anybody, or the server in an exchange.
    Open,
    /// The client, in an exchange.
    Challenged,
}

/// What an accepted command makes of the state.
#[derive(Debug)]
pub(super) enum Then {
    /// It stays.
    Stay,
    /// TRANSACTION begins.
    LoggedIn,
    /// TLS begins.
    BeforeTls,
}

impl Authorization {
    pub(super) fn new(channel: Channel, timestamp: Option<String>) -> Self {
        Self {
            channel,
            timestamp,
            turn: Turn::Open,
            challenges: 0,
        }
    }

    pub(super) fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref()
    }

    /// Whether a command of this keyword may be sent now.
    ///
    /// What needs a login may follow PASS and APOP at once, where the server allows PIPELINING; it is
    /// refused if they are. It must not follow AUTH, whose challenges it could be taken to answer.
    pub(super) fn permit(
        &self,
        keyword: Keyword,
        dialogue: &Dialogue,
        credentials: Credentials,
    ) -> Result<(), CannotSend> {
        let logs_in = logs_in(dialogue);
        let in_clear = self.channel == Channel::Plain && credentials == Credentials::InsideTls;
        match keyword {
            Keyword::User | Keyword::Pass | Keyword::Auth | Keyword::Apop if in_clear => {
                Err(CannotSend::InClear)
            }
            Keyword::Apop if self.timestamp.is_none() => Err(CannotSend::NoTimestamp),
            Keyword::User | Keyword::Pass | Keyword::Auth | Keyword::Apop => match logs_in {
                true => Err(CannotSend::Unanswered),
                false => Ok(()),
            },
            Keyword::Stls if self.channel == Channel::Tls => Err(CannotSend::InsideTls),
            // What is answered after it would be answered in clear, and forgotten.
            Keyword::Stls => match (dialogue.unanswered().len(), dialogue.in_reply_to()) {
                (0, None) => Ok(()),
                _ => Err(CannotSend::Unanswered),
            },
            of_transaction if needs_login(of_transaction) => match logs_in {
                true => Ok(()),
                false => Err(CannotSend::NotLoggedIn),
            },
            // CAPA and QUIT belong to both states.
            _ => Ok(()),
        }
    }

    /// A command was accepted.
    pub(super) fn accepted(&self, to: Asked, status: Status) -> Result<(Event, Then), Broken> {
        let accepted = |status| Event::Accepted {
            to: to.keyword,
            status,
        };
        match to.keyword {
            Keyword::Pass | Keyword::Apop => Ok((Event::LoggedIn(status), Then::LoggedIn)),
            Keyword::Auth if to.is_exchange() => Ok((Event::LoggedIn(status), Then::LoggedIn)),
            Keyword::Stls => Ok((Event::TlsReady, Then::BeforeTls)),
            of_transaction if needs_login(of_transaction) => Err(Broken::OutOfStep),
            _ => Ok((accepted(status), Then::Stay)),
        }
    }

    /// The exchange is over, without a login.
    pub(super) fn refused(&mut self) {
        self.turn = Turn::Open;
        self.challenges = 0;
    }

    /// The server asks on.
    pub(super) fn challenged(&mut self) -> Result<(), Broken> {
        // A second challenge before the first was answered answers nothing.
        if self.turn == Turn::Challenged {
            return Err(Broken::OutOfStep);
        }
        self.challenges += 1;
        if self.challenges > CHALLENGES_MAX {
            return Err(Broken::TooMuch);
        }
        self.turn = Turn::Challenged;
        Ok(())
    }

    /// The client answers.
    pub(super) fn answer(&mut self) -> Result<(), CannotSend> {
        match self.turn {
            Turn::Open => Err(CannotSend::NotChallenged),
            Turn::Challenged => {
                self.turn = Turn::Open;
                Ok(())
            }
        }
    }
}

/// Whether a login is under way behind which commands may be sent.
pub(super) fn logs_in(dialogue: &Dialogue) -> bool {
    dialogue
        .unanswered()
        .any(|asked| matches!(asked.keyword, Keyword::Pass | Keyword::Apop))
}

/// Whether a command belongs to TRANSACTION only.
fn needs_login(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::Stat
            | Keyword::Last
            | Keyword::List
            | Keyword::Uidl
            | Keyword::Retr
            | Keyword::Top
            | Keyword::Dele
            | Keyword::Rset
            | Keyword::Noop
    )
}
