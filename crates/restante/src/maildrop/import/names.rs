//! Where an import has the messages' unique-ids and their order from.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::SystemTime;

use maildrop::maildir::courier::{self, SizeList};
use maildrop::maildir::dovecot::{self, UidList, UidlFormat};
use maildrop::maildir::{Broken, Names};

use super::source;
use crate::args::UniqueIds;
use crate::failure::{Code, Failure};
use crate::output::{self, note};

/// How a Maildir's messages are called, as far as that is asked for or there is a list that tells. A
/// directory of another kind has no names.
///
/// # Errors
///
/// When the list that is asked for, or is there, cannot be read or makes no sense: without it clients
/// would retrieve everything again.
pub(super) fn of(
    directory: &Path,
    asked: UniqueIds,
    format: &UidlFormat,
) -> Result<Names, Failure> {
    let dovecot = || {
        read(directory, dovecot::FILE, UidList::parse)
            .map(|list| Names::Dovecot(list, format.clone()))
    };
    let courier = || read(directory, courier::FILE, SizeList::parse).map(Names::Courier);
    let written = |file| written(&directory.join(file));
    match asked {
        UniqueIds::New => Ok(Names::Unknown),
        UniqueIds::Auto if !source::is_maildir(directory) => Ok(Names::Unknown),
        _ if !source::is_maildir(directory) => Err(Failure::new(
            Code::NoInput,
            format!(
                "{} is no Maildir: it has no unique-ids",
                directory.display()
            ),
        )
        .remedy("name the directory that has new/ and cur/, or leave --unique-ids out")),
        UniqueIds::Files => Ok(Names::Files),
        UniqueIds::Dovecot => dovecot(),
        UniqueIds::Courier => courier(),
        // The other is from before the last change of servers.
        UniqueIds::Auto => match (written(dovecot::FILE), written(courier::FILE)) {
            (None, None) => Ok(Names::Files),
            (dovecots, couriers) => {
                let (file, list) = match dovecots >= couriers {
                    true => (dovecot::FILE, dovecot()),
                    false => (courier::FILE, courier()),
                };
                if dovecots.is_some() && couriers.is_some() {
                    note!(
                        "there are two lists of unique-ids; {file} counts, which was written last \
                         (--unique-ids says otherwise)"
                    );
                }
                list
            }
        },
    }
}

/// What to call the names in a report.
pub(super) fn source(names: &Names) -> &'static str {
    match names {
        Names::Dovecot(..) => dovecot::FILE,
        Names::Courier(_) => courier::FILE,
        Names::Files | Names::Unknown => "the names of the files",
    }
}

/// When a file was last written, if it is there.
fn written(file: &Path) -> Option<SystemTime> {
    file.symlink_metadata().ok()?.modified().ok()
}

fn read<T>(
    directory: &Path,
    file: &str,
    parse: impl Fn(&[u8]) -> Result<T, Broken>,
) -> Result<T, Failure> {
    let path = directory.join(file);
    let failed = |why: String| {
        Failure::new(Code::Data, format!("{}: {why}", path.display())).remedy(
            "mend it or take an older copy of it; or say where unique-ids come from otherwise (--unique-ids): \
             clients retrieve everything again if they are others",
        )
    };
    let mut list = Vec::new();
    source::open(&path)
        .and_then(|file| file.take(LIST_OCTETS_MAX + 1).read_to_end(&mut list))
        .and_then(|octets| match octets as u64 > LIST_OCTETS_MAX {
            true => Err(io::Error::other(
                "larger than any list of a Maildir's messages",
            )),
            false => Ok(()),
        })
        .map_err(|error| failed(output::plain(&error)))?;
    parse(&list).map_err(|broken| failed(broken.to_string()))
}

/// As much as five million messages need.
const LIST_OCTETS_MAX: u64 = 512 << 20;
