//! `--verify`: whether a maildrop is what its source is, asked before anybody is sent to it.
//!
//! What the old server answers to STAT, LIST and UIDL is held against what a session here would be
//! answered; of files, against what an import would bring, texts included.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use client::Patience;
use maildrop::{MaildropId, OpenError, OpenMaildrop, View};
use pop3::{MessageNumber, Octets, UniqueId};
use sha2::{Digest as _, Sha256};

use super::files::{self, Unread};
use super::present::Print;
use super::{Site, remote, stopped};
use crate::failure::{Code, Failure};
use crate::maildrop::{Owned, read};
use crate::output::{count, note, octets, say};

/// So many differences of an account are named.
const NAMED_MAX: usize = 10;

/// What a source has, message by message.
#[derive(Default)]
struct There {
    total: u64,
    messages: Vec<Message>,
}

/// A message of a source.
struct Message {
    octets: u64,
    /// None if it has none that clients know.
    unique_id: Option<Vec<u8>>,
    /// None if it was not read.
    print: Option<Print>,
}

/// Compares with a server.
///
/// # Errors
///
/// When the server cannot be asked, or has something else.
pub(super) fn with_server(
    site: &Site<'_>,
    account: &str,
    there: &client::Account,
) -> Result<(), Failure> {
    let owned = site.owned(account)?;
    let listing = remote::runtime()?.block_on(async {
        let mut maildrop = client::connect(there, Patience::default())
            .await
            .map_err(remote::failed)?;
        let listing = maildrop.listing().await.map_err(remote::failed)?;
        maildrop.quit().await;
        Ok::<_, Failure>(listing)
    })?;
    let ids = remote::kept_ids(&listing, site.reading.unique_ids)?;
    let messages = listing
        .sizes
        .iter()
        .enumerate()
        .map(|(index, octets)| Message {
            octets: octets.0,
            unique_id: ids.as_ref().map(|ids| ids[index].as_bytes().to_vec()),
            print: None,
        });
    let source = There {
        total: listing.total.0,
        messages: messages.collect(),
    };
    tell(site, &owned, &there.host, &source, Vec::new())
}

/// Compares with files.
///
/// # Errors
///
/// When they cannot be read, or an import of them would bring something else.
pub(super) fn with_files(site: &Site<'_>, account: &str, from: &Path) -> Result<(), Failure> {
    let owned = site.owned(account)?;
    let place = files::look_through(from, site.reading)?;
    let mut differences: Vec<_> = (place.scan.bad.iter())
        .map(|bad| format!("{}: {}", bad.path.display(), bad.why))
        .collect();
    let (mut source, mut seen) = (There::default(), HashSet::new());
    for found in &place.scan.messages {
        let mut draft = site.maildrops.draft();
        let (measure, print) = match files::text(found, place.variant, &mut draft) {
            Ok(text) => text,
            Err(Unread::Draft(error)) => return Err(stopped(&error, 0)),
            Err(Unread::File(error)) => {
                let why = crate::output::plain(&error);
                differences.push(format!("{}: {why}", found.path.display()));
                continue;
            }
        };
        source.total += measure.octets;
        source.messages.push(Message {
            octets: measure.octets,
            // Of two that have the same the import lets the first keep it.
            unique_id: (place.names.unique_id(&found.origin))
                .map(|id| id.as_bytes().to_vec())
                .filter(|id| seen.insert(id.clone())),
            print: Some(print),
        });
    }
    let name = from.display().to_string();
    tell(site, &owned, &name, &source, differences)
}

/// Holds a source against the maildrop, and says what comes of it.
fn tell(
    site: &Site<'_>,
    owned: &Owned,
    name: &str,
    source: &There,
    mut differences: Vec<String>,
) -> Result<(), Failure> {
    let owner = owned.name();
    let open = open(site, &owner, owned.id)?;
    differences.extend(differ(source, &open)?);
    let order = order(source, &open);
    if differences.is_empty() {
        return say!(
            "The maildrop of {owner} is what {name} has: {}, {}.",
            count(source.messages.len() as u64, "message", "messages"),
            octets(source.total)
        );
    }
    for difference in differences.iter().take(NAMED_MAX) {
        note!("{owner}: {difference}");
    }
    if let Some(more @ 1..) = differences.len().checked_sub(NAMED_MAX) {
        note!("{owner}: and {more} more");
    }
    let number = count(differences.len() as u64, "difference", "differences");
    Err(Failure::new(
        Code::Data,
        format!("the maildrop of {owner} is not what {name} has: {number}"),
    )
    .remedy(match order {
        Order::AsThere => {
            "this is not done: import again, and verify again, before clients are sent here".to_owned()
        }
        Order::Other => format!(
            "this is not done: another import mends no order. Empty the maildrop first ({}), import again, and verify \
             again",
            match site.config.in_place {
                None => format!("restante user remove {owner}, and make the account again"),
                Some(_) => "take the messages out of it".to_owned(),
            }
        ),
    }))
}

/// The maildrop as a session of its account sees it.
fn open(site: &Site<'_>, account: &str, id: MaildropId) -> Result<OpenMaildrop, Failure> {
    let own = site.accounts.show(account)?.terms.messages_shown;
    let view = View {
        messages_max: site.config.server.access.messages_shown(own).limit(),
        ..View::default()
    };
    site.maildrops
        .open_view(id, &view)
        .map_err(|error| match error {
            OpenError::InUse => Failure::new(
                Code::Temporary,
                format!("the maildrop of {account} is in use by a session"),
            )
            .remedy("try again when the session is over"),
            other => Failure::new(Code::Data, format!("the maildrop of {account}: {other}"))
                .remedy(format!("restante maildrop verify {account} tells more")),
        })
}

/// What differs, most telling first.
fn differ(there: &There, here: &OpenMaildrop) -> Result<Vec<String>, Failure> {
    let listing = here.listing();
    let mut differences = Vec::new();
    let (number, ours) = (there.messages.len(), listing.len());
    if number != ours {
        differences.push(format!("{number} messages there, {ours} here"));
    }
    if Octets(there.total) != listing.total() {
        let (total, ours) = (there.total, listing.total().0);
        differences.push(format!("{total} octets in all there, {ours} here"));
    }
    if there
        .messages
        .iter()
        .any(|message| message.unique_id.is_some())
    {
        differences.extend(missing(there, here));
    }
    for (number, message) in (0..)
        .map_while(MessageNumber::from_index)
        .zip(&there.messages)
    {
        let Some(octets) = listing.octets(number) else {
            break;
        };
        if octets.0 != message.octets {
            let (theirs, ours) = (message.octets, octets.0);
            differences.push(format!(
                "message {number}: {theirs} octets there, {ours} here"
            ));
        }
        let ours = listing.unique_id(number);
        if let (Some(id), Some(ours)) = (&message.unique_id, &ours)
            && id.as_slice() != ours.as_bytes()
        {
            let id = id.escape_ascii();
            differences.push(format!(
                "message {number}: unique-id {id} there, {ours} here"
            ));
        }
        if let Some(print) = message.print
            && octets.0 == message.octets
            && print != print_of(here, number)?
        {
            differences.push(format!("message {number}: another text there than here"));
        }
    }
    Ok(differences)
}

/// Unique-ids that one side has and the other has not.
fn missing(there: &There, here: &OpenMaildrop) -> Vec<String> {
    let listing = here.listing();
    let numbers = (0..listing.len()).filter_map(MessageNumber::from_index);
    let ours: Vec<_> = numbers
        .filter_map(|number| listing.unique_id(number))
        .collect();
    let known: HashSet<&[u8]> = ours.iter().map(|id| id.as_bytes()).collect();
    let theirs: HashSet<&[u8]> = (there.messages.iter())
        .filter_map(|message| message.unique_id.as_deref())
        .collect();
    let only_there = (there.messages.iter())
        .filter_map(|message| message.unique_id.as_deref())
        .filter(|id| !known.contains(id))
        .map(|id| format!("unique-id {} is there and not here", id.escape_ascii()));
    // Messages without a known unique-id have one of ours here.
    let all_have_one = theirs.len() == there.messages.len();
    let only_here = ours
        .iter()
        .filter(|id| all_have_one && !theirs.contains(id.as_bytes()))
        .map(|id| format!("unique-id {id} is here and not there"));
    only_there.chain(only_here).collect()
}

/// Whether an import can still bring what is missing.
enum Order {
    /// What is missing comes last there: it goes behind what is here.
    AsThere,
    /// Something is, or would come, behind others that it is before there.
    Other,
}

fn order(there: &There, here: &OpenMaildrop) -> Order {
    let listing = here.listing();
    let ours: HashMap<_, _> = (0..listing.len())
        .filter_map(MessageNumber::from_index)
        .filter_map(|number| Some((listing.unique_id(number)?, number.index())))
        .collect();
    let places: Vec<_> = (there.messages.iter())
        .filter_map(|message| UniqueId::new(message.unique_id.as_deref()?))
        .map(|id| ours.get(&id))
        .collect();
    let here_first = places.iter().take_while(|place| place.is_some()).count();
    let (first, rest) = places.split_at(here_first);
    match first.is_sorted() && rest.iter().all(Option::is_none) {
        true => Order::AsThere,
        false => Order::Other,
    }
}

fn print_of(here: &OpenMaildrop, number: MessageNumber) -> Result<Print, Failure> {
    let mut hash = Sha256::new();
    read(here, number, |stored| {
        hash.update(stored);
        Ok(())
    })?;
    Ok(hash.finalize().into())
}
