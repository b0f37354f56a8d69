//! From what was said to what it means in the session's state.

use super::authorization::{Authorization, Then};
use super::collecting::Collecting;
use super::dialogue::{Asked, Follows, Said};
use super::error::Broken;
use super::event::Event;
use super::status::Status;
use super::transaction::Transaction;
use super::update::Outcome;
use super::{Channel, Session, State};
use crate::Keyword;

impl Session {
    /// The event, and the command whose reply is complete with it; neither for a line of what is told
    /// at its end.
    pub(super) fn meaning(
        &mut self,
        said: Said<'_>,
    ) -> Result<(Option<Event>, Option<Keyword>), Broken> {
        match said {
            Said::Greeting(status) => Ok((Some(self.greeted(status)), None)),
            Said::Challenge(challenge) => match &mut self.state {
                State::Authorization(state) => {
                    state.challenged()?;
                    Ok((Some(Event::Challenge(challenge)), None))
                }
                _ => Err(Broken::OutOfStep),
            },
            Said::Reply {
                to,
                status,
                follows,
            } => {
                let event = match status.is_ok() {
                    true => self.accepted(to, status)?,
                    false => self.refused(to, status),
                };
                match follows {
                    Follows::Nothing => Ok((Some(event), Some(to.keyword))),
                    Follows::Lines | Follows::Text => {
                        self.collecting = Collecting::begin(to);
                        Ok((Some(event), None))
                    }
                }
            }
            Said::Line(line) => match &mut self.collecting {
                Some(collecting) => Ok((collecting.line(line, &self.settings)?, None)),
                None => Ok((None, None)),
            },
            Said::Text(octets) => Ok((Some(Event::Text(octets)), None)),
            Said::End(octets) => match self.collecting.take() {
                Some(collecting) => {
                    let (event, keyword) = collecting.end(octets);
                    Ok((Some(event), Some(keyword)))
                }
                None => Ok((None, None)),
            },
        }
    }

    fn greeted(&mut self, status: Status) -> Event {
        let channel = match self.state {
            State::BeforeGreeting(channel) => channel,
            _ => Channel::Plain,
        };
        if !status.is_ok() {
            self.state = State::Over(Outcome::NothingDeleted);
            return Event::TurnedAway(status);
        }
        let timestamp = status.timestamp().map(str::to_owned);
        self.state = State::Authorization(Authorization::new(channel, timestamp));
        Event::Greeting(status)
    }

    fn accepted(&mut self, to: Asked, status: Status) -> Result<Event, Broken> {
        if to.keyword == Keyword::Quit {
            self.state = State::Over(match self.state {
                State::Transaction(_) => Outcome::Deleted,
                _ => Outcome::NothingDeleted,
            });
            return Ok(Event::SignedOff(status));
        }
        match &mut self.state {
            State::Authorization(state) => {
                let (event, then) = state.accepted(to, status)?;
                match then {
                    Then::Stay => {}
                    Then::LoggedIn => self.state = State::Transaction(Transaction),
                    Then::BeforeTls => self.state = State::BeforeTls,
                }
                Ok(event)
            }
            State::Transaction(state) => state.accepted(to, status, &self.settings),
            // The dialogue answers commands, and none can be sent in these states.
            _ => Err(Broken::Unasked),
        }
    }

    fn refused(&mut self, to: Asked, status: Status) -> Event {
        match &mut self.state {
            State::Transaction(_) if to.keyword == Keyword::Quit => {
                self.state = State::Over(Outcome::Refused(status.clone()));
            }
            State::Authorization(_) if to.keyword == Keyword::Quit => {
                self.state = State::Over(Outcome::NothingDeleted);
            }
            State::Authorization(state) if to.is_exchange() => state.refused(),
            _ => {}
        }
        Event::Refused {
            to: to.keyword,
            number: to.number,
            status,
        }
    }
}
