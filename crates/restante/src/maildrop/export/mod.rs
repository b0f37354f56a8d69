//! `restante maildrop export`: the messages of a maildrop as an mbox or a Maildir.
//!
//! Everything that leaves is verified, as when a client retrieves it. A message that is damaged is
//! named and left out; the others are worth more than none. The maildrop is held as by a session, and
//! the export is what one client would have got, and what was hidden from it.

mod lines;
mod maildir;
mod mboxrd;

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maildrop::{Envelope, OpenMaildrop, Patience, Progress, TextError};
use pop3::{MessageNumber, Part, wire};

use self::lines::{Lines, Quoting};
use self::maildir::Maildir;
use self::mboxrd::Mbox;
use super::{bar, open, owned, store};
use crate::args::Format;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};

/// Writes all messages of an account's maildrop.
///
/// # Errors
///
/// When the account is unknown, the maildrop is in use, or the destination is there already or
/// cannot be written; EX_DATAERR when messages were left out.
pub(super) fn export(
    config: &Config,
    account: &str,
    destination: &Path,
    format: Format,
) -> Result<(), Failure> {
    let (owned, maildrops) = owned(config, Some(account))?;
    let owned = &owned[0];
    let open = open(&maildrops, owned)?;
    let unwritten = |error: io::Error| unwritten(destination, &error);
    let mut sink = Sink::begin(destination, format, &config.server.hostname).map_err(unwritten)?;
    let listing = open.listing();
    let bar = bar(
        listing.total().0,
        "{bar:30} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} to go",
    );
    let (mut exported, mut left_out) = (0, 0);
    for number in (0..listing.len()).filter_map(MessageNumber::from_index) {
        let octets = listing.octets(number).map_or(0, |octets| octets.0);
        match message(&open, number, octets, &mut sink) {
            Ok(()) => exported += 1,
            Err(Stop::Text(TextError::Damaged { what, .. })) => {
                sink.take_back().map_err(unwritten)?;
                left_out += 1;
                bar.suspend(|| note!("message {number}: {what}; left out"));
            }
            Err(Stop::Text(TextError::Unavailable(error))) => return Err(store(&error)),
            Err(Stop::Sink(error)) => return Err(unwritten(error)),
        }
        bar.inc(octets);
    }
    sink.finish().map_err(unwritten)?;
    bar.finish_and_clear();
    say!(
        "{} exported from the maildrop of {} to {}.",
        count(exported, "message", "messages"),
        owned.name(),
        destination.display()
    )?;
    match left_out {
        0 => Ok(()),
        number => Err(Failure::new(
            Code::Data,
            format!(
                "{} damaged and left out; see above",
                count(number, "message was", "messages were")
            ),
        )
        .remedy("bring them back from a backup: restante maildrop restore")),
    }
}

/// What is written.
enum Sink {
    Mbox(Mbox),
    Maildir(Maildir),
}

/// Why a message is not exported.
enum Stop {
    Text(TextError),
    Sink(io::Error),
}

impl Sink {
    fn begin(destination: &Path, format: Format, host: &str) -> io::Result<Self> {
        Ok(match format {
            Format::Mboxrd => Self::Mbox(Mbox::begin(destination)?),
            Format::Maildir => Self::Maildir(Maildir::begin(destination, host)?),
        })
    }

    fn message(&mut self, envelope: &Envelope) -> io::Result<Lines> {
        let received = time(envelope.received_us.unwrap_or(0));
        match self {
            Self::Mbox(mbox) => mbox.message(envelope.sender.as_deref(), received),
            Self::Maildir(maildir) => {
                maildir.message(received)?;
                Ok(Lines::new(Quoting::None))
            }
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Mbox(mbox) => mbox.write(octets),
            Self::Maildir(maildir) => maildir.write(octets),
        }
    }

    fn end(&mut self, wire_octets: u64) -> io::Result<()> {
        match self {
            Self::Mbox(mbox) => mbox.end(),
            Self::Maildir(maildir) => maildir.end(wire_octets),
        }
    }

    fn take_back(&mut self) -> io::Result<()> {
        match self {
            Self::Mbox(mbox) => mbox.take_back(),
            Self::Maildir(maildir) => maildir.take_back(),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Mbox(mbox) => mbox.finish(),
            Self::Maildir(maildir) => maildir.finish(),
        }
    }
}

fn message(
    open: &OpenMaildrop,
    number: MessageNumber,
    octets: u64,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let envelope = open.envelope(number).map_err(Stop::Text)?;
    let mut text = open.text(number, Part::Whole).map_err(Stop::Text)?;
    let mut lines = sink.message(&envelope).map_err(Stop::Sink)?;
    let mut reader = wire::TextReader::new(wire::Form::Plain);
    let (mut chunk, mut plain, mut local) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let progress = text.read(&mut chunk, Patience::Wait).map_err(Stop::Text)?;
        reader.read(&chunk, &mut plain);
        if progress == Progress::End {
            // The reader keeps back what might be the beginning of the terminator line.
            reader.read(wire::TERMINATOR, &mut plain);
        }
        lines.take(&plain, &mut local);
        sink.write(&local).map_err(Stop::Sink)?;
        chunk.clear();
        plain.clear();
        local.clear();
        if progress == Progress::End {
            break;
        }
    }
    lines.finish(&mut local);
    sink.write(&local)
        .and_then(|()| sink.end(octets))
        .map_err(Stop::Sink)
}

/// The moment of so many µs since 1970; what lies before counts as 1970.
fn time(received_us: i64) -> SystemTime {
    let since = Duration::from_micros(u64::try_from(received_us).unwrap_or(0));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

fn unwritten(destination: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Failure::new(
            Code::CannotCreate,
            format!("{} is there already", destination.display()),
        )
        .remedy("nothing is replaced: name one that is not there yet, or move that one away");
    }
    let failure = Failure::new(
        Code::CannotCreate,
        format!(
            "{} cannot be written: {}",
            destination.display(),
            output::plain(error)
        ),
    );
    failure.remedy(match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "the owner of the data directory writes it: name a place where that user may"
        }
        _ => "name a directory that is there and has room",
    })
}
