//! `restante demo`: the whole post office in a minute, on loopback, thrown away at the end.
//!
//! Nothing in it is staged: a real server is started from a real configuration, two letters are
//! delivered as `restante deliver` does it, and a client plays the session of RFC 1939 §10 over
//! TCP. Since that session deletes both letters, they are delivered again, so that there is
//! something to call for with other programs.

mod letters;
mod place;
mod play;
mod suggest;

use std::net::SocketAddr;
use std::path::Path;

use delivery::pipe::{self, Exit, Options};
use maildrop::{MaildropId, Maildrops};
use pop3::MessageNumber;
use server::{Bound, LocalAddress, Protocol, Services, Stage};
use tokio::signal::unix::{SignalKind, signal};

use crate::args;
use crate::config::{self, Config};
use crate::deliver::now_us;
use crate::failure::{Code, Failure};
use crate::output::{note, say};
use crate::serve;
use letters::{ACCOUNT, LETTERS, OCTETS, PASSWORD};
use place::Place;

/// Where the demo's server can be reached.
struct Addresses {
    pop3: SocketAddr,
    pop3s: SocketAddr,
    lmtp: SocketAddr,
}

/// Runs the demo until Ctrl-C.
///
/// # Errors
///
/// When a port is in use, or the data cannot be kept where it shall be.
pub(crate) fn demo(arguments: &args::Demo) -> Result<(), Failure> {
    let place = Place::new(arguments.data.as_deref())?;
    let config = place.configuration(arguments.free_ports)?;
    let (Some(config), problems) = config::read(&config)? else {
        return Err(
            Failure::new(Code::Software, "the demo's own configuration is wrong")
                .remedy("please report this"),
        );
    };
    debug_assert!(problems.is_empty(), "{problems:?}");
    let bound = server::bind(&config.server).map_err(|error| {
        let failure = Failure::from(error);
        match failure.code() {
            Code::Unavailable => failure
                .remedy("stop the other program, or use free ports: restante demo --free-ports"),
            _ => failure,
        }
    })?;
    let addresses = addresses(&bound)?;
    let services = serve::services(&config)?;
    let id = account(&services)?;
    let story = prepare(&services.maildrops, id)?;
    greet(&place, &addresses)?;
    serve::runtime()?.block_on(async {
        let (controller, control) = server::control();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
        let maildrops = services.maildrops.clone();
        let server = tokio::spawn(server::run(bound, services, control));
        controller.reached(Stage::Ready).await;
        let told = tokio::task::spawn_blocking({
            let config = config.clone();
            move || tell(&story, &config, &maildrops, id, &addresses)
        });
        let told = tokio::select! {
            told = told => told.unwrap_or_else(|panic| {
                Err(Failure::new(Code::Software, format!("the demo's client failed: {panic}")))
            }),
            _ = interrupt.recv() => return end(&place, false),
            _ = terminate.recv() => return end(&place, false),
        };
        told?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        // The first drains, the second does not wait for who is still connected.
        controller.shutdown().await;
        controller.shutdown().await;
        match server.await {
            Ok(ended) => drop(ended?),
            Err(panic) => {
                return Err(Failure::new(
                    Code::Software,
                    format!("the server failed: {panic}"),
                ));
            }
        }
        end(&place, true)
    })
}

fn no_signals(error: std::io::Error) -> Failure {
    Failure::new(Code::System, format!("signals cannot be caught: {error}"))
}

/// What bob's maildrop allows to show.
enum Story {
    /// The two letters are in it, and nothing else.
    Session,
    /// It holds mail of somebody; the session would delete it.
    MailWaits(usize),
}

/// Makes bob, if he is not there yet; his password is what the demo says in any case.
fn account(services: &Services) -> Result<MaildropId, Failure> {
    let accounts = services.auth.accounts();
    let password = auth::Password::Clear(sasl::Secret::new(PASSWORD));
    let account = match accounts
        .list()?
        .into_iter()
        .find(|account| account.name == ACCOUNT)
    {
        Some(account) => {
            accounts.set_password(ACCOUNT, &password)?;
            account
        }
        None => accounts.add(ACCOUNT, &password)?,
    };
    Ok(MaildropId(account.maildrop))
}

/// Puts the letters into an empty maildrop. One that holds just the letters of an earlier demo is
/// as good; one that holds anything else is left alone.
fn prepare(maildrops: &Maildrops, id: MaildropId) -> Result<Story, Failure> {
    let open = maildrops.open(id).map_err(|error| {
        Failure::new(
            Code::Temporary,
            format!("bob's maildrop cannot be opened: {error}"),
        )
        .remedy("end the other program that uses this data directory, or give another --data DIR")
    })?;
    let listing = open.listing();
    let sizes: Vec<_> = (0..listing.len())
        .filter_map(MessageNumber::from_index)
        .filter_map(|number| listing.octets(number))
        .map(|octets| octets.0)
        .collect();
    drop(open);
    match sizes.as_slice() {
        [] => deliver(maildrops, id).map(|()| Story::Session),
        sizes if *sizes == OCTETS => Ok(Story::Session),
        sizes => Ok(Story::MailWaits(sizes.len())),
    }
}

/// Delivers the two letters, by the way that `restante deliver` takes.
fn deliver(maildrops: &Maildrops, id: MaildropId) -> Result<(), Failure> {
    let recipient = delivery::Recipient {
        address: ACCOUNT.to_owned(),
        accounts: vec![delivery::Account {
            name: ACCOUNT.to_owned(),
            maildrop: id,
            quota: maildrop::Quota::default(),
        }],
    };
    for letter in LETTERS {
        let exit = pipe::deliver(
            maildrops,
            std::slice::from_ref(&recipient),
            &mut letter.as_bytes(),
            &Options::default(),
            now_us(),
            &mut std::io::stderr(),
        );
        if exit != Exit::Ok {
            return Err(
                Failure::new(Code::Temporary, "the letters cannot be delivered")
                    .remedy("make room, or keep the data elsewhere: restante demo --data DIR"),
            );
        }
    }
    Ok(())
}

fn addresses(bound: &Bound) -> Result<Addresses, Failure> {
    let of = |wanted: Protocol| {
        bound
            .addresses()
            .find_map(|(protocol, address)| match address {
                LocalAddress::Tcp(address) if protocol == wanted => Some(*address),
                _ => None,
            })
            .ok_or_else(|| Failure::new(Code::Software, format!("there is no {wanted} listener")))
    };
    Ok(Addresses {
        pop3: of(Protocol::Pop3)?,
        pop3s: of(Protocol::Pop3s)?,
        lmtp: of(Protocol::Lmtp)?,
    })
}

fn greet(place: &Place, addresses: &Addresses) -> Result<(), Failure> {
    say!("Restante: a post office of your own, for as long as this runs.\n")?;
    say!("  account  {ACCOUNT}, password {PASSWORD}")?;
    say!("  POP3     {}", addresses.pop3)?;
    say!("  POP3S    {}", addresses.pop3s)?;
    say!("  LMTP     {}", addresses.lmtp)?;
    let fate = match place.is_kept() {
        true => "",
        false => ", thrown away at the end",
    };
    say!("  data     {}{fate}\n", place.path().display())?;
    if let Some(kind) = place.forgets() {
        note!("warning: the data lies on {kind}, which forgets it at power-off; fine for a demo\n");
    }
    Ok(())
}

fn tell(
    story: &Story,
    config: &Config,
    maildrops: &Maildrops,
    id: MaildropId,
    addresses: &Addresses,
) -> Result<(), Failure> {
    match story {
        Story::Session => {
            say!("{ACCOUNT} calls for his mail:\n")?;
            play::play(addresses.pop3)?;
            deliver(maildrops, id)?;
            say!("\nBoth letters are in the maildrop again. Now you, in another terminal:\n")?;
        }
        Story::MailWaits(messages) => {
            say!(
                "{ACCOUNT}'s maildrop holds {messages} of your messages, and the session would delete them,\n\
                 so it is not played. Now you, in another terminal:\n"
            )?;
        }
    }
    suggest::suggest(config, addresses)?;
    say!("\nCtrl-C ends it.")
}

fn end(place: &Place, told: bool) -> Result<(), Failure> {
    if told {
        say!()?;
    }
    match place.is_kept() {
        true => say!(
            "The post office is closed; its data is in {}.",
            place.path().display()
        ),
        false => say!("The post office is closed; nothing is left of it."),
    }
}

/// Whether a directory is one that a demo has made.
fn is_ours(directory: &Path) -> bool {
    directory.join(place::MARK).is_file()
}
