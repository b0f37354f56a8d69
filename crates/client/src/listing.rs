//! What a maildrop holds, as the server says: STAT, UIDL and LIST, held against each other.
//!
//! All three go out at once where the server allows it. A listing must number the messages from 1 without
//! a gap (nothing was deleted in this session), and all three must speak of as many. A line of UIDL that cannot be read costs
//! the unique-id of one message, and keeps no other back.

use pop3::client::{Event, ForeignId, Status};
use pop3::{Command, Keyword, MessageNumber, Octets};
use tokio::time::timeout;

use crate::connect::Maildrop;
use crate::error::ClientError;

/// Most messages of a maildrop. A session with so many takes 230 MiB if their unique-ids have 70 octets each.
pub(crate) const MESSAGES_MAX: u32 = 1_000_000;

/// Most octets of all unique-ids together: those of a million messages that keep the rules.
const UNIQUE_IDS_OCTETS_MAX: usize = 70 << 20;

/// What is asked for, in this order. Some servers write the unique-ids into the messages when they are asked for them, and count
/// otherwise from then on.
pub(crate) const COMMANDS: [Command; 3] = [Command::Stat, Command::Uidl(None), Command::List(None)];

/// What a maildrop holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listing {
    /// The sum of the sizes, as STAT says.
    pub total: Octets,
    /// The size of each message, as LIST says, in the order of the message-numbers.
    pub sizes: Vec<Octets>,
    /// What UIDL says.
    pub unique_ids: UniqueIds,
}

/// What a server says of unique-ids.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UniqueIds {
    /// That of each message, in the order of the message-numbers; none where what it says cannot be one.
    Told(Vec<Option<ForeignId>>),
    /// It does not know UIDL, or refuses it.
    Refused(Status),
}

impl Listing {
    /// The messages, each with its size.
    pub fn numbered(&self) -> Vec<(MessageNumber, Octets)> {
        let numbers = (0..).map_while(MessageNumber::from_index);
        numbers.zip(self.sizes.iter().copied()).collect()
    }
}

impl Maildrop {
    /// Asks for everything that the maildrop holds.
    ///
    /// # Errors
    ///
    /// When the connection fails, the server refuses STAT or LIST, or says what cannot be.
    pub async fn listing(&mut self) -> Result<Listing, ClientError> {
        let awaited = "the listing of the messages";
        let patience = self.patience.listing;
        let listing = timeout(patience, self.ask_for_listing(awaited))
            .await
            .map_err(|_| ClientError::TooSlow { awaited })??;
        self.largest = listing.sizes.iter().copied().max().unwrap_or_default();
        Ok(listing)
    }

    async fn ask_for_listing(&mut self, awaited: &'static str) -> Result<Listing, ClientError> {
        let at_once = self.pipelines();
        if at_once {
            for command in &COMMANDS {
                self.conversation.send(command)?;
            }
        }
        let mut heard = Heard::default();
        for command in &COMMANDS {
            if !at_once {
                self.conversation.send(command)?;
            }
            while !heard.take(self.conversation.next(awaited).await?)? {}
        }
        heard.listing()
    }
}

/// What has been said so far.
#[derive(Default)]
struct Heard {
    totals: Option<(u64, Octets)>,
    sizes: Vec<Octets>,
    unique_ids: Vec<Option<ForeignId>>,
    /// Octets of the unique-ids.
    octets: usize,
    /// Lines of UIDL that could not be read, and whose messages are not known yet.
    unreadable: usize,
    refused: Option<Status>,
}

impl Heard {
    /// Takes what was said; whether a reply is complete with it.
    fn take(&mut self, event: Event) -> Result<bool, ClientError> {
        match event {
            Event::Totals { messages, octets } => {
                if messages > u64::from(MESSAGES_MAX) {
                    let max = MESSAGES_MAX;
                    return Err(ClientError::TooMany { messages, max });
                }
                self.totals = Some((messages, octets));
                Ok(true)
            }
            Event::Size { number, octets } => {
                in_turn(Keyword::List, number, self.sizes.len())?;
                self.is_counted(Keyword::List, number)?;
                self.sizes.push(octets);
                Ok(false)
            }
            Event::UniqueId { number, id } => {
                self.skip_to(number);
                in_turn(Keyword::Uidl, number, self.unique_ids.len())?;
                self.is_counted(Keyword::Uidl, number)?;
                self.octets += id.as_bytes().len();
                if self.octets > UNIQUE_IDS_OCTETS_MAX {
                    return Err(ClientError::Wrong(format!(
                        "its unique-ids have more than {UNIQUE_IDS_OCTETS_MAX} octets"
                    )));
                }
                self.unique_ids.push(Some(id));
                Ok(false)
            }
            Event::Accepted { .. } => Ok(false),
            Event::ListingEnds { .. } => Ok(true),
            Event::Refused {
                to: Keyword::Uidl,
                status,
                ..
            } => {
                self.refused = Some(status);
                Ok(true)
            }
            Event::Refused { to, status, .. } => Err(ClientError::Refused {
                command: to.name(),
                status,
            }),
            Event::Unreadable {
                to: Keyword::Uidl, ..
            } => {
                self.unreadable += 1;
                Ok(false)
            }
            Event::Unreadable { to, text } => Err(ClientError::Wrong(format!(
                "{} was answered with {text:?}",
                to.name()
            ))),
            _ => Err(pop3::client::Broken::OutOfStep.into()),
        }
    }

    /// A list goes no further than STAT says, so one that does not end is not read for long.
    fn is_counted(&self, keyword: Keyword, number: MessageNumber) -> Result<(), ClientError> {
        let (messages, _) = self.totals.unwrap_or_default();
        match number.index() as u64 >= messages {
            false => Ok(()),
            true => Err(ClientError::Wrong(format!(
                "STAT says {messages} messages, and {} lists message {number}",
                keyword.name()
            ))),
        }
    }

    /// Messages before this one that were not listed are those of lines that could not be read.
    fn skip_to(&mut self, number: MessageNumber) {
        let missing = number.index().saturating_sub(self.unique_ids.len());
        if missing <= self.unreadable {
            self.unreadable -= missing;
            let place = self.unique_ids.len() + missing;
            self.unique_ids.resize(place, None);
        }
    }

    fn listing(mut self) -> Result<Listing, ClientError> {
        if let Some(number) = MessageNumber::from_index(self.sizes.len()) {
            self.skip_to(number);
        }
        let (messages, total) = self.totals.unwrap_or_default();
        let as_many = |command: &str, number: usize| match number as u64 == messages {
            true => Ok(()),
            false => Err(ClientError::Wrong(format!(
                "STAT says {messages} messages, {command} says {number}"
            ))),
        };
        as_many("LIST", self.sizes.len())?;
        let unique_ids = match self.refused {
            Some(status) => UniqueIds::Refused(status),
            None => {
                as_many("UIDL", self.unique_ids.len())?;
                UniqueIds::Told(self.unique_ids)
            }
        };
        Ok(Listing {
            total,
            sizes: self.sizes,
            unique_ids,
        })
    }
}

/// Messages are listed from 1 on, one after the other.
fn in_turn(keyword: Keyword, number: MessageNumber, before: usize) -> Result<(), ClientError> {
    match number.index() == before {
        true => Ok(()),
        false => Err(ClientError::Wrong(format!(
            "{} lists message {number} where message {} is due",
            keyword.name(),
            before + 1
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(place: u32) -> MessageNumber {
        MessageNumber::new(place).unwrap()
    }

    /// A maildrop of so many messages, whose unique-ids have so many octets each.
    fn told(messages: u32, octets: usize) -> Result<Listing, ClientError> {
        let mut heard = Heard::default();
        let totals = Event::Totals {
            messages: messages.into(),
            octets: Octets(0),
        };
        heard.take(totals)?;
        for place in 1..=messages {
            let id = ForeignId::new(format!("{place:0octets$}").as_bytes()).unwrap();
            let number = number(place);
            heard.take(Event::UniqueId { number, id })?;
            let octets = Octets(1);
            heard.take(Event::Size { number, octets })?;
        }
        heard.listing()
    }

    #[test]
    fn a_million_messages_are_listed_and_no_more_are_waited_for() {
        let listing = told(MESSAGES_MAX, 20).unwrap();
        assert_eq!(listing.numbered().len(), 1_000_000);
        let error = told(MESSAGES_MAX + 1, 20).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the maildrop has 1000001 messages, and more than 1000000 are not listed: fetch or delete some of them otherwise"
        );
        // Nor is more of them kept than a million have that keep the rules.
        let error = told(80_000, ForeignId::OCTETS_MAX).unwrap_err();
        assert!(
            error.to_string().ends_with("more than 73400320 octets"),
            "{error}"
        );
    }

    #[test]
    fn a_list_that_does_not_end_is_left_where_it_should_have_ended() {
        let mut heard = Heard::default();
        let messages = 1;
        let octets = Octets(1);
        heard.take(Event::Totals { messages, octets }).unwrap();
        let id = ForeignId::new(b"a").unwrap();
        for (event, last) in [
            (
                &|number| Event::UniqueId {
                    number,
                    id: id.clone(),
                } as Event,
                "STAT says 1 messages, and UIDL lists message 2",
            ),
            (
                &|number| Event::Size { number, octets },
                "STAT says 1 messages, and LIST lists message 2",
            ),
        ] as [(&dyn Fn(MessageNumber) -> Event, &str); 2]
        {
            heard.take(event(number(1))).unwrap();
            let error = heard.take(event(number(2))).unwrap_err();
            assert!(error.to_string().ends_with(last), "{error}");
        }
    }
}
