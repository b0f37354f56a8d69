//! The TRANSACTION state: the maildrop is open and does not change (RFC 1939 §5 and §7).
//!
//! Numbers and sizes are those of the listing that was read at login. A deleted message keeps its
//! number and is left out of STAT, LIST and UIDL; a command that names it is refused.
//!
//! Where mail is kept until it is retrieved (`EXPIRE 0`, RFC 2449 §6.7), QUIT also deletes every
//! message whose whole text went out in this session. Until then it is there like any other. RSET
//! takes back marks (RFC 1939 §5), not that a message was retrieved.
//!
//! What DELE comes to is the maildrop's [`Disposition`]. Whatever it is, a marked message is out of
//! sight until the session ends, or RSET.

use super::headers::Headers;
use super::manner::Mode;
use super::update::{Fate, Texts};
use super::{After, Connection, Manner, Next, Rules, Settings, Update, parse};
use crate::capability::{self, Asked};
use crate::reply::{self, Refusal, Said, Tally};
use crate::surrogate::Sizes;
use crate::wire::TERMINATOR;
use crate::{
    Command, Deletions, Disposition, Expire, Header, MessageNumber, Octets, Part, ScanListing,
    Tolerance,
};

/// So many lines in a row that make no sense end the connection, without UPDATE.
const ERRORS_MAX: u8 = 20;

/// The TRANSACTION state.
#[derive(Debug)]
pub(super) struct Transaction {
    manner: Manner,
    headers: Headers,
    listing: ScanListing,
    expire: Expire,
    disposition: Disposition,
    deletions: Deletions,
    /// Octets of the messages that are marked.
    octets_deleted: u64,
    /// Messages whose whole text was sent; kept only where that deletes them.
    retrieved: Deletions,
    /// The highest number that was retrieved or marked, for LAST.
    last: Option<MessageNumber>,
    doing: Doing,
    errors: u8,
}

/// What goes on.
#[derive(Debug)]
enum Doing {
    /// Nothing: the next line is a command.
    Commands,
    /// LIST or UIDL: this index is the next to be looked at.
    Listing(Column, usize),
    /// The driver sends a text.
    Sending(MessageNumber, Part),
    /// The driver measures surrogates, for this command.
    Measuring(Box<Command>),
    /// It has.
    Measured(Box<Command>),
}

/// What a listing shows of a message.
#[derive(Clone, Copy, Debug)]
enum Column {
    Octets,
    UniqueId,
}

/// The status line of a text has left the output and cannot be taken back.
pub(super) struct TooLate;

impl Transaction {
    pub(super) fn new(
        listing: ScanListing,
        rules: Rules,
        manner: Manner,
        settings: &Settings,
    ) -> Self {
        Self {
            manner,
            headers: Headers::new(manner.mode, settings.utf8_messages, &listing),
            listing,
            expire: rules.expire(),
            disposition: rules.disposition,
            deletions: Deletions::default(),
            octets_deleted: 0,
            retrieved: Deletions::default(),
            last: None,
            doing: Doing::Commands,
            errors: 0,
        }
    }

    /// Answers one line.
    pub(super) fn handle(
        &mut self,
        line: Result<&[u8], Refusal>,
        settings: &Settings,
        connection: &Connection,
        out: &mut Vec<u8>,
    ) -> After {
        let command = line.and_then(|line| parse(line, connection.speaker, settings.tolerances));
        self.answer(command, settings, connection, out)
    }

    fn answer(
        &mut self,
        command: Result<Command, Refusal>,
        settings: &Settings,
        connection: &Connection,
        out: &mut Vec<u8>,
    ) -> After {
        match command.and_then(|command| self.command(command, settings, connection, out)) {
            Ok(after) => {
                self.errors = 0;
                after
            }
            Err(refusal) => self.refuse(refusal, out),
        }
    }

    /// The sizes of surrogates.
    pub(super) fn measured(&mut self, sizes: &[(MessageNumber, Sizes)]) {
        match std::mem::replace(&mut self.doing, Doing::Commands) {
            Doing::Measuring(command) => self.doing = Doing::Measured(command),
            other => {
                self.doing = other;
                return;
            }
        }
        for &(number, sizes) in sizes {
            let octets = self.listing.octets(number).unwrap_or_default();
            self.listing.resize(number, sizes.of_message(octets));
        }
        let marked = self.deletions.iter();
        let octets = marked.filter_map(|number| self.listing.octets(number));
        self.octets_deleted = octets.fold(0, |sum, octets| sum.saturating_add(octets.0));
    }

    /// Whether a command waits that can be answered now.
    pub(super) fn is_measured(&self) -> bool {
        matches!(self.doing, Doing::Measured(_))
    }

    /// Answers it.
    pub(super) fn resume(
        &mut self,
        settings: &Settings,
        connection: &Connection,
        out: &mut Vec<u8>,
    ) -> After {
        match std::mem::replace(&mut self.doing, Doing::Commands) {
            Doing::Measured(command) => self.answer(Ok(*command), settings, connection, out),
            other => {
                self.doing = other;
                After::Line
            }
        }
    }

    fn command(
        &mut self,
        command: Command,
        settings: &Settings,
        connection: &Connection,
        out: &mut Vec<u8>,
    ) -> Result<After, Refusal> {
        let language = self.manner.language;
        if let Some(numbers) = self.headers.unmeasured_for(&command) {
            self.doing = Doing::Measuring(Box::new(command));
            return Ok(After::Wait(Next::Measure(numbers)));
        }
        match command {
            Command::Stat => reply::stat(self.messages(), self.octets(), out),
            Command::List(None) => {
                Tally::List {
                    messages: self.messages(),
                    octets: self.octets(),
                }
                .print(language, out);
                self.doing = Doing::Listing(Column::Octets, 0);
            }
            Command::List(Some(number)) => {
                let octets = self.live(number)?;
                self.header(number)?;
                reply::one(out);
                reply::scan_line(number, octets, out);
            }
            Command::Uidl(None) => {
                Tally::UniqueIds(self.messages()).print(language, out);
                self.doing = Doing::Listing(Column::UniqueId, 0);
            }
            Command::Uidl(Some(number)) => {
                self.live(number)?;
                let unique_id = self.listing.unique_id(number);
                let unique_id = unique_id.ok_or(Refusal::NoSuchMessage)?;
                reply::one(out);
                reply::unique_id_line(number, &unique_id, out);
            }
            Command::Retr(number) => return self.send(number, Part::Whole, out),
            Command::Top(number, lines) => return self.send(number, Part::Top(lines), out),
            Command::Dele(number) => {
                let octets = self.live(number)?;
                let said = match self.disposition {
                    Disposition::Delete => Said::Deleted(number),
                    Disposition::Hide => Said::Hidden(number),
                    Disposition::Keep => Said::Kept(number),
                    Disposition::ReadOnly => return Err(Refusal::ReadOnly),
                };
                self.deletions.mark(number);
                self.last = self.last.max(Some(number));
                self.octets_deleted = self.octets_deleted.saturating_add(octets.0);
                said.print(language, out);
            }
            Command::Rset => {
                self.deletions.clear();
                self.octets_deleted = 0;
                self.last = None;
                let (messages, octets) = (self.messages(), self.octets());
                match self.listing.is_partial() {
                    true => Said::Shown { messages, octets },
                    false => Said::Reset { messages, octets },
                }
                .print(language, out);
            }
            Command::Noop => reply::ok(out),
            Command::Last => reply::last(self.last, out),
            Command::Utf8 if settings.tolerances.has(Tolerance::Utf8AfterLogin) => {
                self.headers.send_as_stored(&self.listing)?;
                self.manner.mode = Mode::Utf8;
                Said::Utf8.print(language, out);
            }
            Command::Capa => {
                let asked = Asked::AfterLogin(self.expire);
                capability::list(settings, connection, asked, language, out);
            }
            Command::Lang(range) => self.manner.speak(range, settings, out)?,
            Command::Quit => return Ok(After::Update),
            Command::User(_)
            | Command::Pass(_)
            | Command::Apop { .. }
            | Command::AuthList
            | Command::Auth { .. }
            | Command::Stls
            | Command::Utf8
            | Command::Xclient(_) => return Err(Refusal::LoggedIn),
        }
        Ok(After::Line)
    }

    fn send(
        &mut self,
        number: MessageNumber,
        part: Part,
        out: &mut Vec<u8>,
    ) -> Result<After, Refusal> {
        let octets = self.live(number)?;
        let header = self.header(number)?;
        self.status_line(octets, part, out);
        self.doing = Doing::Sending(number, part);
        Ok(After::Wait(Next::Send(number, part, header)))
    }

    /// The text has been sent. Says how many octets were retrieved, if it was a whole message.
    pub(super) fn sent(&mut self, out: &mut Vec<u8>) -> Option<Octets> {
        let Doing::Sending(number, part) = self.doing else {
            return None;
        };
        self.doing = Doing::Commands;
        out.extend_from_slice(TERMINATOR);
        match part {
            Part::Whole => {
                self.last = self.last.max(Some(number));
                if self.expire == Expire::Retrieved {
                    self.retrieved.mark(number);
                }
                self.listing.octets(number)
            }
            Part::Top(_) => None,
        }
    }

    /// No octet of the text can be read: the status line becomes a refusal.
    pub(super) fn refused(&mut self, why: Refusal, out: &mut Vec<u8>) -> Result<(), TooLate> {
        let Doing::Sending(number, part) = self.doing else {
            return Ok(());
        };
        self.doing = Doing::Commands;
        let mut status = Vec::new();
        self.status_line(
            self.listing.octets(number).unwrap_or_default(),
            part,
            &mut status,
        );
        if !out.ends_with(&status) {
            return Err(TooLate);
        }
        out.truncate(out.len() - status.len());
        why.print_in(self.manner.language, out);
        Ok(())
    }

    /// Goes on with a listing, if there is one, up to its end or the limit of the output.
    pub(super) fn list_on(&mut self, output_octets_max: usize, out: &mut Vec<u8>) {
        let Doing::Listing(column, first) = self.doing else {
            return;
        };
        let numbers = (first..self.listing.len()).map_while(MessageNumber::from_index);
        for number in numbers {
            if out.len() >= output_octets_max {
                self.doing = Doing::Listing(column, number.index());
                return;
            }
            if self.deletions.contains(number) {
                continue;
            }
            match column {
                Column::Octets => {
                    let octets = self.listing.octets(number).unwrap_or_default();
                    reply::scan_line(number, octets, out);
                }
                Column::UniqueId => {
                    let unique_id = self.listing.shown_id(number);
                    reply::unique_id_line(number, unique_id.as_deref().unwrap_or_default(), out);
                }
            }
        }
        out.extend_from_slice(TERMINATOR);
        self.doing = Doing::Commands;
    }

    /// Ends the state: what is marked is to be deleted, and what was retrieved where that is the rule.
    pub(super) fn quit(mut self) -> Update {
        if !self.disposition.takes_away() {
            self.deletions.clear();
            self.octets_deleted = 0;
        }
        let mut texts = Texts::NeedNotLeave;
        for number in self.retrieved.iter() {
            if self.deletions.mark(number) {
                texts = Texts::MustLeave;
                let octets = self.listing.octets(number).unwrap_or_default();
                self.octets_deleted = self.octets_deleted.saturating_add(octets.0);
            }
        }
        let octets_left = self.octets();
        let fate = match self.disposition {
            Disposition::Hide => Fate::Hidden,
            _ => Fate::Deleted,
        };
        // What is hidden is left, although nobody sees it.
        let is_all =
            !self.listing.is_partial() && (fate == Fate::Deleted || self.deletions.is_empty());
        Update {
            messages_gone: self.deletions.len(),
            octets_left,
            deletions: Some(self.deletions),
            fate,
            is_all,
            texts,
            language: self.manner.language,
        }
    }

    /// Whether the driver owes an answer.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.doing, Doing::Sending(..) | Doing::Measuring(_))
    }

    fn refuse(&mut self, refusal: Refusal, out: &mut Vec<u8>) -> After {
        match refusal {
            // Honest mistakes of a client that works from an old list, or that deletes by habit.
            Refusal::NoSuchMessage
            | Refusal::MessageDeleted
            | Refusal::MessageHidden
            | Refusal::MessageKept
            | Refusal::ReadOnly
            | Refusal::NeedsUtf8 => {
                self.errors = 0;
            }
            _ => self.errors += 1,
        }
        match self.errors {
            ERRORS_MAX.. => {
                Refusal::TooManyErrors.print_in(self.manner.language, out);
                After::End(Next::Close)
            }
            _ => {
                refusal.print_in(self.manner.language, out);
                After::Line
            }
        }
    }

    /// Size of a message that is there and not marked.
    fn live(&self, number: MessageNumber) -> Result<Octets, Refusal> {
        match self.listing.octets(number) {
            None => Err(Refusal::NoSuchMessage),
            Some(_) if self.deletions.contains(number) => Err(match self.disposition {
                Disposition::Hide => Refusal::MessageHidden,
                Disposition::Keep => Refusal::MessageKept,
                Disposition::Delete | Disposition::ReadOnly => Refusal::MessageDeleted,
            }),
            Some(octets) => Ok(octets),
        }
    }

    /// With which header a message is sent.
    fn header(&self, number: MessageNumber) -> Result<Header, Refusal> {
        match self.listing.is_internationalised(number) {
            false => Ok(Header::AsStored),
            true => self.headers.sent().ok_or(Refusal::NeedsUtf8),
        }
    }

    /// Number of messages that are not marked.
    fn messages(&self) -> usize {
        self.listing.len() - self.deletions.len()
    }

    /// Octets of the messages that are not marked.
    fn octets(&self) -> Octets {
        Octets(self.listing.total().0.saturating_sub(self.octets_deleted))
    }

    /// What goes before a text.
    fn status_line(&self, octets: Octets, part: Part, out: &mut Vec<u8>) {
        match part {
            Part::Whole => Tally::Text(octets).print(self.manner.language, out),
            Part::Top(_) => Said::Top.print(self.manner.language, out),
        }
    }
}
