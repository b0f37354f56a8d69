//! What a backup consists of: the file `manifest`, one JSON object a line.
//!
//! It is written last, under another name, and renamed when it is durable; files that it does not
//! name mean nothing. So a backup that is interrupted leaves the one before as it was.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use crate::id::MaildropId;
use crate::native::media::{Disk, File};

/// The manifest's name in the backup's directory.
const NAME: &str = "manifest";
const VERSION: u64 = 1;
/// Longest manifest that is read: a line has some 200 octets, so this is for ten million drops.
const OCTETS_MAX: u64 = 2 << 30;

/// One file of a backup: what a maildrop's file was up to a length.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Copy {
    /// Name of the account, as the maildrop knew it.
    pub(crate) account: String,
    /// How often the maildrop's file had been replaced.
    pub(crate) file_seq: u64,
    /// What tells the file from every other: a checksum of its identity.
    pub(crate) print: String,
    /// Octets that count; the copy may have more.
    pub(crate) length: u64,
    /// The copy's name, in `drops/`.
    pub(crate) name: String,
    /// Whether something in it was damaged when it was copied.
    pub(crate) damaged: bool,
}

/// The copies of every maildrop, the newest last.
pub(crate) type Copies = BTreeMap<MaildropId, Vec<Copy>>;

/// Reads the manifest; none if there is none.
pub(super) fn read(disk: &impl Disk) -> io::Result<Option<Copies>> {
    let file = match disk.open(NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let len = file.stat()?.len.min(OCTETS_MAX);
    let mut octets = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    let got = file.read_at(&mut octets, 0)?;
    let mut copies = Copies::new();
    let mut lines = octets[..got]
        .split(|&octet| octet == b'\n')
        .filter(|line| !line.is_empty());
    let version = lines
        .next()
        .and_then(|line| serde_json::from_slice::<Value>(line).ok())
        .and_then(|first| first["restante_backup"].as_u64());
    match version {
        Some(VERSION) => {}
        Some(other) => return Err(wrong(format!("has the version {other}"))),
        None => return Err(wrong("does not begin like one".into())),
    }
    for (number, line) in (2..).zip(lines) {
        let (drop, copy) =
            parse(line).ok_or_else(|| wrong(format!("makes no sense: line {number}")))?;
        copies.entry(drop).or_default().push(copy);
    }
    Ok(Some(copies))
}

fn wrong(what: String) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the manifest of the backup {what}"),
    )
}

fn parse(line: &[u8]) -> Option<(MaildropId, Copy)> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let text = |key: &str| Some(line[key].as_str()?.to_owned());
    let name = text("file")?;
    // It becomes part of a path.
    let plain = name
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"-.".contains(&octet));
    let copy = Copy {
        account: text("account")?,
        file_seq: line["file_seq"].as_u64()?,
        print: text("identity")?,
        length: line["length"].as_u64()?,
        name,
        damaged: line["damaged"].as_bool()?,
    };
    plain.then_some((text("maildrop")?.parse().ok()?, copy))
}

/// Writes the manifest durably, in one step.
pub(super) fn write(disk: &impl Disk, copies: &Copies, made_us: i64) -> io::Result<()> {
    let mut text = json!({"restante_backup": VERSION, "made_us": made_us}).to_string();
    text.push('\n');
    for (drop, copy) in copies
        .iter()
        .flat_map(|(drop, all)| all.iter().map(move |copy| (drop, copy)))
    {
        let line = json!({
            "maildrop": drop.to_string(),
            "account": copy.account,
            "file_seq": copy.file_seq,
            "identity": copy.print,
            "length": copy.length,
            "file": copy.name,
            "damaged": copy.damaged,
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
    let fresh = format!("{NAME}.new");
    super::unlink_any(disk, &fresh)?;
    let file = disk.create(&fresh)?;
    file.write_at(&[text.as_bytes()], 0)?;
    file.sync_all()?;
    disk.rename(&fresh, NAME)?;
    disk.sync_dir("")
}
