//! Another POP3 server's messages become messages of a maildrop: the same octets under the same unique-ids
//! in the same order.
//!
//! Messages come in the order of their numbers, and each is durable before the next is kept, so what an
//! interrupted import leaves is the beginning of the maildrop; it goes on behind that when it is run again.
//! What is there already is known by its unique-id and not retrieved ([`Wanted`]). DELE is never sent.

use std::collections::{HashMap, HashSet};

use client::{Arrival, ClientError, Listing, Patience};
use maildrop::{Addressee, DeliverError, Envelope, Quota};
use pop3::UniqueId;
use pop3::client::ForeignId;

use super::incoming::{Incoming, Whole};
use super::present::{Print, take};
use super::wanted::Wanted;
use super::{Site, stopped};
use crate::args::UniqueIds;
use crate::failure::{Code, Failure};
use crate::maildrop::{Owned, bar};
use crate::output::{self, count, note, say};

/// Brings in what a server has.
///
/// # Errors
///
/// When the account is unknown, the server cannot be logged into or says what cannot be, its unique-ids cannot be
/// kept, or the maildrop does not take a message; also when the server did not give a message: it has been named then.
pub(super) fn bring(
    site: &Site<'_>,
    account: &str,
    there: &client::Account,
) -> Result<(), Failure> {
    let owned = site.owned(account)?;
    let mut import = Import {
        site,
        name: owned.name(),
        quota: site.quota(account)?,
        strays: HashMap::new(),
        owned,
        told: Told::default(),
    };
    runtime()?.block_on(import.run(there))?;
    site.tidy(&import.owned);
    import.tell(there)
}

/// What drives a connection: there is one, and what is done with it waits for the disk.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            let what = format!("the network cannot be used: {}", output::plain(&error));
            Failure::new(Code::System, what)
        })
}

/// One account's import.
struct Import<'a> {
    site: &'a Site<'a>,
    owned: Owned,
    name: String,
    quota: Quota,
    /// What is there under unique-ids that the server does not name.
    strays: HashMap<Print, Vec<UniqueId>>,
    told: Told,
}

/// What is told at the end.
#[derive(Default)]
struct Told {
    imported: u64,
    skipped: u64,
    left_out: u64,
    /// Messages that were there and have been deleted.
    deleted: u64,
    /// Messages that are there under another unique-id than the server names.
    renamed: u64,
    /// Messages that have the server's unique-id; none if all shall be new.
    kept: Option<u64>,
    /// Messages that have another size than LIST says.
    otherwise: u64,
}

impl Import<'_> {
    async fn run(&mut self, there: &client::Account) -> Result<(), Failure> {
        let mut maildrop = client::connect(there, Patience::default())
            .await
            .map_err(failed)?;
        let listing = maildrop.listing().await.map_err(failed)?;
        let ids = kept_ids(&listing, self.site.reading.unique_ids)?;
        self.told.kept = ids.as_ref().map(|_| 0);
        let maildrops = &self.site.maildrops;
        let wanted = Wanted::of(&listing, ids.as_deref(), maildrops, &self.owned, self.quota)?;
        self.told.skipped = wanted.skipped;
        self.told.deleted = wanted.deleted;
        self.told.left_out = wanted.left_out;
        self.strays = wanted.strays;
        let bar = bar(
            wanted.messages.len() as u64,
            "{bar:30} {pos}/{len} messages, {per_sec}, {eta} to go",
        );
        let mut retrieval = maildrop.retrieve(wanted.messages);
        loop {
            let mut text = Incoming::new(self.site.maildrops.draft());
            let retrieved = retrieval.next(|piece| text.take(piece)).await;
            let Some(retrieved) = retrieved.map_err(|error| self.interrupted(error))? else {
                break;
            };
            let number = retrieved.number;
            match retrieved.arrival {
                Arrival::OutOfStep => continue,
                Arrival::Refused(status) => {
                    self.told.left_out += 1;
                    bar.suspend(|| note!("message {number}: {status}; left out"));
                    bar.inc(1);
                    continue;
                }
                Arrival::CountedOtherwise { .. } => self.told.otherwise += 1,
                // Why it was not wanted, the delivery says.
                Arrival::AsListed | Arrival::Unwanted => {}
            }
            let id = ids.as_ref().map(|ids| ids[number.index()].clone());
            self.deliver(text, id)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        maildrop.quit().await;
        match wanted.is_cut {
            true => Err(stopped(&DeliverError::OverQuota, self.told.imported)),
            false => Ok(()),
        }
    }

    fn deliver(&mut self, text: Incoming, unique_id: Option<UniqueId>) -> Result<(), Failure> {
        let stopped = |error: &DeliverError| stopped(error, self.told.imported);
        let Whole {
            mut draft,
            measure,
            print,
            received_us,
        } = text.finish().map_err(|error| stopped(&error))?;
        if let Some(ids) = self.strays.get_mut(&print)
            && take(ids, None).is_some()
        {
            self.told.skipped += 1;
            self.told.renamed += u64::from(unique_id.is_some());
            return Ok(());
        }
        let to = Addressee {
            id: self.owned.id,
            account: &self.name,
            quota: self.quota,
        };
        let envelope = Envelope {
            received_us,
            unique_id: unique_id.clone(),
            ..Envelope::default()
        };
        let delivered = self
            .site
            .maildrops
            .deliver(&to, &mut draft, &measure, &envelope)
            .map_err(|error| stopped(&error))?;
        self.told.imported += 1;
        match (unique_id, &mut self.told.kept) {
            (Some(wanted), Some(kept)) if wanted == delivered.unique_id => *kept += 1,
            (Some(wanted), _) => note!(
                "the maildrop of {} does not take the unique-id {wanted}; the message is {} now",
                self.name,
                delivered.unique_id
            ),
            (None, _) => {}
        }
        Ok(())
    }

    fn interrupted(&self, error: ClientError) -> Failure {
        let after = count(self.told.imported, "message", "messages");
        failed_with(
            &error,
            &format!("the import stopped after {after}: {error}"),
        )
    }

    fn tell(&self, there: &client::Account) -> Result<(), Failure> {
        let told = &self.told;
        say!(
            "{} imported into the maildrop of {}, {} there already.",
            count(told.imported, "message", "messages"),
            self.name,
            told.skipped
        )?;
        if let Some(kept) = told.kept {
            let new = told.imported - kept;
            let kept = count(kept, "unique-id is", "unique-ids are");
            say!("{kept} from {}, {new} new.", there.host)?;
        }
        if told.deleted > 0 {
            note!(
                "{} here once and deleted since: left out",
                count(told.deleted, "message was", "messages were")
            );
        }
        if told.renamed > 0 {
            note!(
                "{} there already under another unique-id than the server names: clients retrieve it once more",
                count(told.renamed, "message is", "messages are")
            );
        }
        if told.otherwise > 0 {
            note!(
                "{} other sizes than LIST says: that server counts otherwise",
                count(told.otherwise, "message has", "messages have")
            );
        }
        match told.left_out {
            0 => Ok(()),
            number => Err(Failure::new(
                Code::Data,
                format!(
                    "{} left out; see above",
                    count(number, "message was", "messages were")
                ),
            )
            .remedy("mend them there and run this again: what is there already is skipped")),
        }
    }
}

/// The unique-ids that the messages shall have here; none if all shall be new.
///
/// # Errors
///
/// When they cannot be kept as they are: clients would retrieve those messages again.
pub(super) fn kept_ids(
    listing: &Listing,
    asked: UniqueIds,
) -> Result<Option<Vec<UniqueId>>, Failure> {
    let remedy =
        "with --unique-ids new all messages get new ones, and clients retrieve them once more";
    match asked {
        UniqueIds::New => return Ok(None),
        UniqueIds::Auto => {}
        UniqueIds::Dovecot | UniqueIds::Courier | UniqueIds::Files => {
            return Err(Failure::new(
                Code::Usage,
                "a POP3 server says itself what its unique-ids are",
            )
            .remedy("leave --unique-ids out, or say new"));
        }
    }
    let ids = match &listing.unique_ids {
        client::UniqueIds::Told(ids) => ids,
        client::UniqueIds::Refused(status) => {
            let what = format!("the server has no unique-ids: {status}");
            return Err(Failure::new(Code::Data, what).remedy(remedy));
        }
    };
    let mut kept = Vec::with_capacity(ids.len());
    let mut seen = HashSet::with_capacity(ids.len());
    for (number, id) in (1..).zip(ids) {
        let Some(strict) = id.as_ref().and_then(ForeignId::strict) else {
            let told = id.as_ref().map_or_else(String::new, |id| format!(": {id}"));
            let what =
                format!("message {number} has a unique-id that none may be (RFC 1939 §7){told}");
            return Err(Failure::new(Code::Data, what).remedy(remedy));
        };
        if !seen.insert(strict.clone()) {
            let what = format!("message {number} has the unique-id of another one: {strict}");
            return Err(Failure::new(Code::Data, what).remedy(remedy));
        }
        kept.push(strict);
    }
    Ok(Some(kept))
}

/// Why a server could not be asked.
pub(super) fn failed(error: ClientError) -> Failure {
    failed_with(&error, &error.to_string())
}

fn failed_with(error: &ClientError, what: &str) -> Failure {
    let code = match error {
        _ if error.may_pass() => Code::Temporary,
        ClientError::LoginRefused(_) => Code::NoPermission,
        ClientError::NoTls { .. } | ClientError::NoMechanism(_) | ClientError::Impostor(_) => {
            Code::Unavailable
        }
        _ => Code::Data,
    };
    let remedy = match error {
        _ if error.may_pass() => "run this again: what is there already is skipped",
        ClientError::LoginRefused(_) => "check user name and password at that server",
        ClientError::NoTls { .. } => {
            "say who vouches for its certificate (--trust FILE) or which it is (--pin SHA256); a server \
             without TLS needs pop3:// and --insecure, where nobody else listens"
        }
        ClientError::NoMechanism(_) => "let that server take passwords (PLAIN, or USER and PASS)",
        ClientError::Impostor(_) => "make sure that it is the server that you mean",
        _ => "that server must be mended, or its mail imported from its files",
    };
    Failure::new(code, output::without_numbers(what)).remedy(remedy)
}
