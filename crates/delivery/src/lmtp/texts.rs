//! The octets of a message's text, whichever command has announced them.

use std::mem;

use super::data::{Chunks, Ended, Envelope, Taken};
use super::received::{Spoken, received};
use super::reply::{self, Refusal};
use super::{Dialect, Message, Next, Recipient, Session, State, TEXT_OCTETS_MAX, command};

impl Session {
    /// Takes text behind DATA.
    pub(super) fn text(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        text: &mut Vec<u8>,
    ) -> (usize, Option<Next>) {
        let State::Text(incoming) = &mut self.state else {
            return (0, None);
        };
        let piece = &input[..input.len().min(TEXT_OCTETS_MAX)];
        let (used, taken) = incoming.take(piece, &self.settings, text);
        let next = match taken {
            Taken::Ended => match mem::take(&mut self.state) {
                State::Text(incoming) => {
                    let ended = incoming.end(&self.settings);
                    Some(self.text_ended(ended, out))
                }
                _ => Some(Next::Discard),
            },
            Taken::Refused => Some(Next::Discard),
            Taken::On if used == input.len() => Some(Next::Read),
            Taken::On if text.is_empty() => None,
            Taken::On => Some(Next::Text),
        };
        (used, next)
    }

    /// Takes octets of a chunk.
    pub(super) fn chunk(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        text: &mut Vec<u8>,
    ) -> (usize, Option<Next>) {
        let State::Chunk {
            text: incoming,
            chunk,
            left,
        } = &mut self.state
        else {
            return (0, None);
        };
        let piece = &input[..most(input.len().min(TEXT_OCTETS_MAX), *left)];
        let taken = incoming.take(piece, &self.settings, text);
        *left -= piece.len() as u64;
        let (chunk, ended) = (*chunk, *left == 0);
        let next = match taken {
            Taken::Refused => Some(Next::Discard),
            _ if ended => self.chunk_ended(chunk, out, text),
            _ if piece.len() == input.len() => Some(Next::Read),
            _ if text.is_empty() => None,
            _ => Some(Next::Text),
        };
        (piece.len(), next)
    }

    fn chunk_ended(
        &mut self,
        chunk: command::Chunk,
        out: &mut Vec<u8>,
        text: &mut Vec<u8>,
    ) -> Option<Next> {
        let State::Chunk { text: incoming, .. } = mem::take(&mut self.state) else {
            return None;
        };
        if chunk.last {
            let ended = incoming.end(&self.settings, text);
            return Some(self.text_ended(ended, out));
        }
        // Told at once, so that the client need not send the rest; if it does, the last chunk has the
        // replies that it waits for.
        match incoming.refusal(&self.settings) {
            Ok(()) => reply::chunk(out, chunk.octets),
            Err(why) => reply::refusal(out, why),
        }
        self.state = State::Chunks(incoming);
        None
    }

    /// Reads octets of a chunk away that belongs to no message.
    pub(super) fn unwanted(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Option<Next>) {
        let State::Unwanted { left, .. } = &mut self.state else {
            return (0, None);
        };
        let octets = most(input.len(), *left);
        *left -= octets as u64;
        if *left > 0 {
            return (octets, Some(Next::Read));
        }
        if let State::Unwanted { why, before, .. } = mem::take(&mut self.state) {
            self.state = *before;
            reply::refusal(out, why);
        }
        (octets, None)
    }

    /// BDAT: where its octets go (RFC 3030 §2).
    pub(super) fn bdat(&mut self, chunk: command::Chunk) {
        let left = chunk.octets;
        self.state = match mem::take(&mut self.state) {
            State::Transaction(envelope) if !envelope.recipients.is_empty() => State::Chunk {
                text: Chunks::new(envelope, &self.settings),
                chunk,
                left,
            },
            State::Chunks(text) => State::Chunk { text, chunk, left },
            before => {
                let why = match before {
                    State::Transaction(_) => Refusal::RecipientFirst,
                    _ => self.no_transaction(),
                };
                let before = Box::new(before);
                State::Unwanted { left, why, before }
            }
        };
    }

    fn text_ended(&mut self, ended: Ended, out: &mut Vec<u8>) -> Next {
        match ended {
            Ended::Whole(envelope, measure) => {
                let addresses = addresses(&envelope.recipients);
                let received = self.received(&envelope);
                self.state = State::Delivering { addresses };
                Next::Deliver(Message {
                    dialect: self.settings.dialect,
                    sender: envelope.sender,
                    recipients: envelope.recipients,
                    measure,
                    received,
                    authentication_results: String::new(),
                })
            }
            Ended::Refused(envelope, why) => {
                self.refuse_text(&addresses(&envelope.recipients), why, out);
                Next::Discard
            }
        }
    }

    fn received(&self, envelope: &Envelope) -> String {
        let hello = self.hello.as_ref();
        let spoken = Spoken {
            extended: hello.is_some_and(|hello| hello.extended),
            utf8: envelope.utf8,
        };
        let name = hello.map(|hello| &*hello.name);
        received(name, &self.client, &self.settings, spoken)
    }

    pub(super) fn undelivered(&mut self, out: &mut Vec<u8>) -> Option<Next> {
        if let State::Undelivered { addresses, why } = mem::take(&mut self.state) {
            self.refuse_text(&addresses, why, out);
        }
        Some(Next::Discard)
    }

    /// A refusal behind the text: one for each recipient, or one for all.
    pub(super) fn refuse_text(&self, addresses: &[String], why: Refusal, out: &mut Vec<u8>) {
        match self.settings.dialect {
            Dialect::Lmtp => {
                for address in addresses {
                    reply::recipient_refusal(out, address, why);
                }
            }
            Dialect::Smtp => reply::refusal(out, why),
        }
    }
}

fn addresses(recipients: &[Recipient]) -> Vec<String> {
    let address = |recipient: &Recipient| recipient.address.clone();
    recipients.iter().map(address).collect()
}

/// The smaller of the two.
fn most(octets: usize, left: u64) -> usize {
    usize::try_from(left).map_or(octets, |left| octets.min(left))
}
