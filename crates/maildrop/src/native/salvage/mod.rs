//! Saving what can be saved of a damaged file, into another directory, changing nothing.
//!
//! What strangers wrote into texts can look like a record (that is why checksums are keyed), so
//! what is verified and what only looks right are never mixed:
//!
//! - `drops/` with a `manifest`: a whole new file of the messages whose checksums hold and that
//!   were not deleted. It is a backup, so `maildrop restore` puts it into place, under the locks.
//! - `deleted/`: messages whose checksums hold and that a session had deleted.
//! - `damaged/`: messages whose record holds and whose text does not; the text as it is.
//! - `unverified/`: what looks like a message where no record holds. Anybody can have written it.
//! - `report.json`: what is what, and where it was.

mod text;
mod trust;

use std::io;
use std::path::Path;

use serde_json::{Value, json};

pub use trust::Trust;

use super::backup::{Backup, DROPS};
use super::fresh::{Copied, Fresh};
use super::header::{HEADER_LEN, Header};
use super::media::{Disk, File, RealDisk, RealFile};
use super::record::{Found, search_unverified};
use super::source::Source;
use super::verify::Damage;
use super::{now_us, random};
use crate::id::MaildropId;

/// A file is hashed so often in search of what only looks like messages, and no more: texts can be
/// written so that each octet begins one.
const BUDGET_FACTOR: u64 = 16;

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// In the new file.
    Live,
    /// In `deleted/`.
    Deleted,
    /// In `damaged/`.
    Damaged,
    /// In `unverified/`.
    Unverified,
}

impl State {
    /// As the report and the directories call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Deleted => "deleted",
            Self::Damaged => "damaged",
            Self::Unverified => "unverified",
        }
    }
}

/// A message that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SalvagedMessage {
    /// What became of it.
    pub state: State,
    /// Where its record is in the damaged file.
    pub offset: u64,
    /// Its uid, as the record says.
    pub uid: u64,
    /// Its unique-id, if that can be believed.
    pub unique_id: Option<String>,
    /// Octets as RFC 1939 counts them, as the record says.
    pub octets: u64,
    /// When it came in, µs since 1970, as the record says.
    pub received_us: i64,
    /// The file that it was written to, below the destination; none: the new maildrop file.
    pub file: Option<String>,
}

/// What was found in a file.
#[derive(Clone, Debug)]
pub struct Salvaged {
    /// What is believed of the header.
    pub trust: Trust,
    /// Whose file it is.
    pub drop: MaildropId,
    /// Name of the account, if the header can be believed.
    pub account: String,
    /// Every message, in the order of the file.
    pub messages: Vec<SalvagedMessage>,
    /// Stretches without records, and records that are damaged.
    pub damages: Vec<Damage>,
    /// The new maildrop file, below the destination.
    pub restorable: Option<String>,
}

/// Saves what can be saved of `file` into the directory `to`, which must be empty. `drop` is said
/// by whoever knows it better than the file. `progress` hears how many octets were dealt with.
///
/// # Errors
///
/// `AlreadyExists` when the directory holds something; what the disks say.
pub fn salvage(
    file: &Path,
    drop: Option<MaildropId>,
    to: &Path,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Salvaged> {
    let file = RealFile::read_only(file)?;
    let disk = RealDisk::directory(to)?;
    if !disk.list("")?.is_empty() {
        let what = "the directory is not empty";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    let len = file.stat()?.len;
    let (trust, header) = trust::read(&file, len, drop)?;
    let mut salvage = Salvage {
        file: &file,
        disk: &disk,
        len,
        done: Salvaged {
            trust,
            drop: drop
                .or_else(|| header.as_ref().map(|it| it.drop))
                .unwrap_or(MaildropId(0)),
            account: String::new(),
            messages: Vec::new(),
            damages: Vec::new(),
            restorable: None,
        },
        progress,
        budget: len.saturating_mul(BUDGET_FACTOR),
    };
    match header {
        Some(header) => salvage.verified(header)?,
        None => salvage.unverified(HEADER_LEN as u64, len)?,
    }
    salvage.finish()
}

struct Salvage<'a> {
    file: &'a RealFile,
    disk: &'a RealDisk,
    len: u64,
    done: Salvaged,
    progress: &'a mut dyn FnMut(u64),
    /// Octets that may be hashed where nothing is proven.
    budget: u64,
}

impl Salvage<'_> {
    /// A file whose salt is known: records prove themselves, and what lies between is looked
    /// through for what only looks right.
    fn verified(&mut self, header: Header) -> io::Result<()> {
        let file = self.file;
        let source = Source::with_header(file, header, self.len)?;
        self.done.account = String::from_utf8_lossy(source.account()).into_owned();
        self.done.damages = source.gaps();
        let fresh_header = Header {
            drop: self.done.drop,
            file_seq: source.header.file_seq.saturating_add(1),
            generation: u64::from_le_bytes(random()?),
            next_uid: source.index.next_uid,
            created_us: now_us(),
            salt: random()?,
            account: source.account().to_vec(),
        };
        self.disk.make_dir(DROPS)?;
        let name = format!("{}-salvaged.rsm", self.done.drop);
        let path = format!("{DROPS}/{name}");
        let mut fresh = Fresh::begin(self.disk, &path, fresh_header)?;
        let (mut at, mut hidden) = (HEADER_LEN as u64, Vec::new());
        for entry in &source.index.entries {
            let Some(found) = source.record(entry)? else {
                continue;
            };
            let state = match entry.is_dead() {
                true if found.body_holds(file)? => State::Deleted,
                // Its space may have been given back.
                true => continue,
                false if source.copy(entry, entry.uid, None, &mut fresh)? == Copied::Whole => {
                    State::Live
                }
                false => State::Damaged,
            };
            if state == State::Damaged {
                self.done.damages.push(Damage {
                    offset: found.offset,
                    uid: Some(entry.uid),
                    what: "the checksum of the text is wrong".into(),
                });
            }
            if state == State::Live && entry.is_hidden() {
                hidden.push(entry.uid);
            }
            let unique_id = source.unique_id(entry).to_string();
            self.message(state, &found, Some(unique_id))?;
            (self.progress)(found.end.saturating_sub(at));
            at = at.max(found.end);
        }
        if !hidden.is_empty() {
            fresh.hide(&hidden)?;
        }
        fresh.gone(source.index.taken())?;
        let (_, known) = fresh.finish()?;
        match self.done.messages.iter().any(|it| it.state == State::Live) {
            true => {
                self.disk.sync_dir(DROPS)?;
                Backup::only(
                    self.disk,
                    self.done.drop,
                    &known.header,
                    &name,
                    known.durable,
                )?;
                self.done.restorable = Some(path);
            }
            false => self.disk.unlink(&path)?,
        }
        let gaps = source.index.gaps.iter();
        for (from, to) in gaps.map(|gap| (gap.offset, gap.offset + gap.len)) {
            self.unverified(from, to)?;
        }
        (self.progress)(self.len.saturating_sub(at));
        Ok(())
    }

    /// Looks for messages that nothing proves. What lies within one is part of its text.
    fn unverified(&mut self, from: u64, to: u64) -> io::Result<()> {
        let mut at = from;
        while let Some(found) = search_unverified(self.file, at, to, &mut self.budget)? {
            self.message(State::Unverified, &found, None)?;
            if self.done.trust == Trust::Nothing {
                (self.progress)(found.end - at);
            }
            at = found.end;
        }
        if self.done.trust == Trust::Nothing {
            (self.progress)(to.saturating_sub(at));
        }
        Ok(())
    }

    fn message(
        &mut self,
        state: State,
        found: &Found,
        unique_id: Option<String>,
    ) -> io::Result<()> {
        let (offset, record) = (found.offset, &found.record);
        let name = match state {
            State::Live => None,
            State::Unverified => Some(format!("unverified/{offset}.eml")),
            state => Some(format!("{}/{}.eml", state.name(), record.uid)),
        };
        if let Some(name) = &name {
            text::write(self.disk, state.name(), name, self.file, found)?;
        }
        self.done.messages.push(SalvagedMessage {
            state,
            offset,
            uid: record.uid,
            unique_id,
            octets: record.pop_size,
            received_us: record.received_us,
            file: name,
        });
        Ok(())
    }

    fn finish(mut self) -> io::Result<Salvaged> {
        self.done.messages.sort_by_key(|message| message.offset);
        self.done.damages.sort_by_key(|damage| damage.offset);
        for state in [State::Deleted, State::Damaged, State::Unverified] {
            match self.disk.sync_dir(state.name()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let report = self.disk.create("report.json")?;
        let text = serde_json::to_string_pretty(&report_of(&self.done))?;
        report.write_at(&[text.as_bytes(), b"\n"], 0)?;
        report.sync_all()?;
        self.disk.sync_dir("")?;
        Ok(self.done)
    }
}

fn report_of(done: &Salvaged) -> Value {
    let messages = done.messages.iter().map(|it| {
        json!({
            "state": it.state.name(),
            "offset": it.offset,
            "uid": it.uid,
            "unique_id": it.unique_id,
            "octets": it.octets,
            "received_us": it.received_us,
            "file": it.file,
        })
    });
    let damages = done
        .damages
        .iter()
        .map(|it| json!({"offset": it.offset, "uid": it.uid, "what": it.what}));
    json!({
        "maildrop": done.drop.to_string(),
        "account": done.account,
        "header": match done.trust {
            Trust::Whole => "whole",
            Trust::Mended => "one bit was wrong and is mended",
            Trust::Salt => "damaged; records prove its salt, unique-ids may have changed",
            Trust::Nothing => "lost; nothing can be verified",
        },
        "restorable": done.restorable,
        "messages": messages.collect::<Vec<_>>(),
        "damages": damages.collect::<Vec<_>>(),
    })
}
