//! `[maildir]` and `[mbox]`: maildrops that are served and delivered into where they are.

use std::ops::Range;

use maildrop::helper::{Home, Kept};
use maildrop::maildir::dovecot::{UidlFormat, UnknownFormat};
use maildrop::mbox::{self, Locking, Variant};
use maildrop::{MaildirSettings, UniqueIds};
use toml::de::DeTable;

use super::document::{At, Document, Section};
use super::keeping::{Kind, Maildrop};
use super::read::one_of;
use super::template::PathTemplate;

/// Where maildrops are that other programs use as well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct InPlace {
    pub(crate) path: PathTemplate,
    pub(crate) form: Form,
    /// Whose they are; none: the server's own.
    pub(crate) users: Option<SystemUsers>,
}

/// That each account is a user of this machine, whose maildrop belongs to him.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SystemUsers {
    pub(crate) home: Home,
    /// Users with a smaller id are the system's own.
    pub(crate) first_uid: u32,
    /// Who may make files in a directory of mboxes.
    pub(crate) group: Option<String>,
}

/// What they are, and what is done with them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    Maildirs(MaildirSettings),
    Mboxes(mbox::Settings),
}

/// Reads the tables. There must be the one whose form keeps mail, and no other.
pub(super) fn read(
    document: &mut Document<'_>,
    (maildir, mbox): (Option<&DeTable<'_>>, Option<&DeTable<'_>>),
    maildrop: &Maildrop,
    hostname: &str,
) -> Option<InPlace> {
    let At { value: kind, span } = &maildrop.kind;
    let maildirs = table(document, "[maildir]", maildir, |document, section| {
        Form::Maildirs(maildirs(document, section, maildrop, hostname))
    });
    let mboxes = table(document, "[mbox]", mbox, |document, section| {
        Form::Mboxes(mboxes(document, section, maildrop))
    });
    let tables = [
        (
            Kind::Maildir,
            "maildir",
            maildir,
            maildirs,
            "/var/vmail/{domain}/{local}/Maildir",
        ),
        (Kind::Mbox, "mbox", mbox, mboxes, "/var/mail/{local}"),
    ];
    let mut found = None;
    for (form, name, table, (read, place), example) in tables {
        if form != *kind {
            if table.is_some() {
                document.error(
                    place,
                    format!("[{name}] means nothing while `store` is another"),
                    format!("add store = \"{name}\" to [maildrop], or remove the table"),
                );
            }
            continue;
        }
        refuse_what_they_cannot(document, maildrop, span);
        if place.is_none() {
            document.error(
                Some(span.clone()),
                "where the maildrops are is not said",
                format!("add [{name}], path = \"{example}\""),
            );
        }
        found = read.map(|Table { path, form, group }| InPlace {
            users: users(document, maildrop, &path, (*kind, group), place),
            path,
            form,
        });
    }
    if let (Kind::Native, Some(At { span, .. })) = (kind, &maildrop.system_users) {
        document.error(
            Some(span.clone()),
            "the native store belongs to the server, to no other user",
            "remove system_users, or write store = \"maildir\" or \"mbox\"",
        );
    }
    found
}

/// Whose the maildrops are.
fn users(
    document: &mut Document<'_>,
    maildrop: &Maildrop,
    path: &PathTemplate,
    (kind, group): (Kind, Option<At<String>>),
    place: Option<Range<usize>>,
) -> Option<SystemUsers> {
    let Some(first_uid) = &maildrop.system_users else {
        if let Some(At { span, .. }) = group {
            document.error(
                Some(span),
                "`group` means nothing while the server opens mboxes with its own rights",
                "start the server with that group, or add system_users = true to [maildrop]",
            );
        }
        return None;
    };
    let kept = match kind {
        Kind::Mbox => Kept::Mbox,
        Kind::Native | Kind::Maildir => Kept::Maildir,
    };
    match Home::new(&path.to_string(), kept) {
        Ok(home) => {
            if let Some(At { span, .. }) = group.as_ref().filter(|_| !home.is_shared()) {
                document.warning(
                    Some(span.clone()),
                    "`group` means nothing where each user has a directory of his own",
                    "remove it",
                );
            }
            Some(SystemUsers {
                home,
                first_uid: first_uid.value,
                group: group.map(|group| group.value),
            })
        }
        Err(error) => {
            document.error(
                place,
                "the path leads to no user's files",
                error.to_string(),
            );
            None
        }
    }
}

/// What one of the two tables says.
struct Table {
    path: PathTemplate,
    form: Form,
    group: Option<At<String>>,
}

/// Reads a table: what it says, if it says where, and where it says that.
fn table(
    document: &mut Document<'_>,
    name: &'static str,
    table: Option<&DeTable<'_>>,
    form: impl FnOnce(&mut Document<'_>, &mut Section<'_, '_>) -> Form,
) -> (Option<Table>, Option<Range<usize>>) {
    let mut section = Section::new(name, table);
    let path = section.parsed(document, "path", str::parse::<PathTemplate>);
    let place = section.span("path");
    let form = form(document, &mut section);
    let group = match form {
        Form::Maildirs(_) => None,
        Form::Mboxes(_) => section.text(document, "group"),
    };
    section.close(document);
    let read = path.map(|At { value: path, .. }| Table { path, form, group });
    (read, place)
}

fn maildirs(
    document: &mut Document<'_>,
    section: &mut Section<'_, '_>,
    maildrop: &Maildrop,
    hostname: &str,
) -> MaildirSettings {
    let format = section.parsed(document, "uidl_format", |text| {
        let format: UidlFormat = text
            .parse()
            .map_err(|error: UnknownFormat| error.to_string())?;
        match format.is_unique() {
            true => Ok(format),
            false => Err("it calls all messages alike; it needs %u, %f or %g".to_owned()),
        }
    });
    let format = format.map(|format| format.value).unwrap_or_default();
    let unique_ids = section.parsed(document, "unique_ids", |text| match text {
        "auto" => Ok(UniqueIds::Auto(format.clone())),
        "dovecot" => Ok(UniqueIds::Dovecot(format.clone())),
        "courier" => Ok(UniqueIds::Courier),
        "files" => Ok(UniqueIds::Files),
        other => Err(one_of(other, &["auto", "dovecot", "courier", "files"])),
    });
    MaildirSettings {
        unique_ids: unique_ids.map_or(UniqueIds::Auto(format), |ids| ids.value),
        lock_wait: maildrop.lock_wait,
        host: hostname.to_owned(),
        index_octets_max: maildrop.store.index_octets_max,
    }
}

fn mboxes(
    document: &mut Document<'_>,
    section: &mut Section<'_, '_>,
    maildrop: &Maildrop,
) -> mbox::Settings {
    let mut settings = mbox::Settings {
        lock_wait: maildrop.lock_wait,
        index_octets_max: maildrop.store.index_octets_max,
        ..mbox::Settings::default()
    };
    let variant = section.parsed(document, "variant", |text| match text {
        "mboxrd" => Ok(Variant::Mboxrd),
        "mboxo" => Ok(Variant::Mboxo),
        "mboxcl" => Ok(Variant::Mboxcl),
        "mboxcl2" => Ok(Variant::Mboxcl2),
        "mmdf" => Ok(Variant::Mmdf),
        other => Err(one_of(
            other,
            &["mboxrd", "mboxo", "mboxcl", "mboxcl2", "mmdf"],
        )),
    });
    if let Some(variant) = variant {
        settings.variant = variant.value;
    }
    for (key, locks) in [
        ("write_locks", &mut settings.write_locks),
        ("read_locks", &mut settings.read_locks),
    ] {
        let Some(named) = section.texts(document, key) else {
            continue;
        };
        locks.clear();
        for At { value, span } in named {
            match &*value {
                "dotlock" => locks.push(Locking::Dotlock),
                "fcntl" => locks.push(Locking::Fcntl),
                other => document.error(
                    Some(span),
                    format!("{other:?} is no lock of mboxes"),
                    one_of(other, &["dotlock", "fcntl"]),
                ),
            }
        }
        if locks.is_empty() {
            document.error(
                section.span(key),
                format!("`{key}` names no lock"),
                "name those that all programs of this machine take, in their order: [\"dotlock\", \"fcntl\"]",
            );
        }
    }
    let names = section.parsed(document, "unique_ids", |text| match text {
        "own" => Ok(mbox::Names::Own),
        "x-uidl" => Ok(mbox::Names::XUidl),
        other => Err(one_of(other, &["own", "x-uidl"])),
    });
    if let Some(names) = names {
        settings.names = names.value;
    }
    settings
}

fn refuse_what_they_cannot(document: &mut Document<'_>, maildrop: &Maildrop, span: &Range<usize>) {
    if !maildrop.keeping.grace.is_zero() {
        document.error(
            Some(span.clone()),
            "`undelete` cannot be had with this store: what is deleted there is gone",
            "remove undelete, or write store = \"native\"",
        );
    }
}
