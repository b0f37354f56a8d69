//! `restante fetch show`: a message as it is on the server.

use std::io::{self, IsTerminal as _, Write as _};

use client::destination::{Form, Spool, Text};
use client::{Arrival, Step};
use pop3::client::Status;

use super::failed;
use super::letter::Harmless;
use super::place::Place;
use super::settings::Settings;
use super::visit::{Visit, alone};
use crate::args;
use crate::failure::{Code, Failure};
use crate::output;

/// Prints a message, or its header, with lines that end with LF.
///
/// # Errors
///
/// When there is no such message, or the server does not give it.
pub(super) fn show(settings: &Settings, asked: &args::FetchShow) -> Result<(), Failure> {
    let account = settings.account(&asked.account)?;
    let place = Place::new(&settings.state)?;
    // It is printed when it is whole: one that the server has sent out of step would be printed twice.
    let mut text = Text::new(&Spool::new(place.directory()));
    alone(async {
        let mut visit = Visit::begin(account, &place).await?;
        let number = asked.message.find(visit.keys.iter().map(Option::as_ref));
        let number = number.map_err(|error| failed::fetch(account, &error))?;
        let octets = visit.listing.sizes[number.index()];
        let mut retrieval = match asked.header {
            true => visit.maildrop.headers(&[number]),
            false => visit.maildrop.retrieve(vec![(number, octets)]),
        };
        loop {
            let step = retrieval.step().await;
            match step.map_err(|error| failed::server(account, &error))? {
                Step::Piece(piece) => text.append(piece).map_err(|error| {
                    Failure::new(
                        Code::InputOutput,
                        format!("the message cannot be kept: {}", output::plain(&error)),
                    )
                    .remedy(format!("make room in {}", place.directory().display()))
                })?,
                Step::Ended(retrieved) => match retrieved.arrival {
                    Arrival::OutOfStep => text.clear(),
                    Arrival::Refused(status) => {
                        return Err(not_given(&account.name, asked, &status));
                    }
                    _ => {}
                },
                Step::Deleted(_) | Step::NotDeleted(..) => {}
                Step::Done => break,
            }
        }
        visit.maildrop.quit().await;
        Ok(())
    })?;
    print(&mut text).map_err(|error| output::unwritten(&error))
}

fn not_given(name: &str, asked: &args::FetchShow, status: &Status) -> Failure {
    let message = &asked.message;
    match asked.header {
        true => Failure::new(
            Code::Data,
            format!("{name}: the server does not show the header of {message}: {status}"),
        )
        .remedy(format!(
            "it may not know TOP; restante fetch show {name} {message} retrieves all of it"
        )),
        false => Failure::new(
            Code::Data,
            format!("{name}: the server does not give {message}: {status}"),
        )
        .remedy("ask whoever runs the server; the other messages are not concerned"),
    }
}

fn print(text: &mut Text) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if !stdout.is_terminal() {
        text.pieces(Form::Local, |piece| stdout.write_all(piece))?;
        return stdout.flush();
    }
    let mut harmless = Harmless::default();
    text.pieces(Form::Local, |piece| {
        stdout.write_all(harmless.take(piece).as_bytes())
    })?;
    stdout.write_all(harmless.finish().as_bytes())?;
    stdout.flush()
}
