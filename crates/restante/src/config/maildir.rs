//! `[maildir]`: Maildirs that are served and delivered into where they are.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use maildrop::maildir::dovecot::UidlFormat;
use maildrop::{MaildirSettings, UniqueIds};
use server::Keeping;
use toml::de::DeTable;

use super::document::{At, Document, Section};
use super::keeping::{Kind, Maildrop};
use super::read::one_of;

/// Where Maildirs are, and what is done with them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct MaildirPlaces {
    pub(crate) path: PathTemplate,
    pub(crate) settings: MaildirSettings,
}

/// A path that has an account's name in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PathTemplate(Vec<Piece>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    /// All of the name.
    Name,
    /// What stands before the `@`.
    Local,
    /// What stands after it.
    Domain,
}

const VARIABLES: [(&str, Piece); 3] = [
    ("name", Piece::Name),
    ("local", Piece::Local),
    ("domain", Piece::Domain),
];

impl PathTemplate {
    /// The path for an account; none if the path wants a domain and the name has none.
    pub(crate) fn path(&self, account: &str) -> Option<PathBuf> {
        let (local, domain) = match account.split_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (account, None),
        };
        let mut path = String::new();
        for piece in &self.0 {
            path.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Name => account,
                Piece::Local => local,
                Piece::Domain => domain?,
            });
        }
        Some(path.into())
    }
}

impl FromStr for PathTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example =
            || "give a whole path such as \"/var/vmail/{domain}/{local}/Maildir\"".to_owned();
        if !text.starts_with('/') || text.split('/').any(|name| name == "..") || text.contains('\0')
        {
            return Err(example());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (variable, after) = after.split_once('}').ok_or_else(example)?;
            let known = VARIABLES.into_iter().find(|(name, _)| *name == variable);
            let (_, piece) =
                known.ok_or_else(|| one_of(variable, &VARIABLES.map(|(name, _)| name)))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let has = |wanted: &Piece| pieces.contains(wanted);
        // Else two accounts would have the same Maildir.
        match has(&Piece::Name) || has(&Piece::Local) {
            true => Ok(Self(pieces)),
            false => Err(example()),
        }
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.write_str(text)?,
                variable => {
                    let known = VARIABLES.iter().find(|(_, piece)| piece == variable);
                    let name = known.map_or("", |(name, _)| name);
                    write!(out, "{{{name}}}")?;
                }
            }
        }
        Ok(())
    }
}

/// Reads the table, which there must be if Maildirs are what keeps mail, and only then.
pub(super) fn read(
    document: &mut Document<'_>,
    table: Option<&DeTable<'_>>,
    maildrop: &Maildrop,
    hostname: &str,
) -> Option<MaildirPlaces> {
    let mut section = Section::new("[maildir]", table);
    let path = section.parsed(document, "path", str::parse::<PathTemplate>);
    let format = section.parsed(document, "uidl_format", |text| {
        text.parse::<UidlFormat>()
            .map_err(|error| error.to_string())
    });
    let format = format.map(|format| format.value).unwrap_or_default();
    let unique_ids = section.parsed(document, "unique_ids", |text| match text {
        "auto" => Ok(UniqueIds::Auto(format.clone())),
        "dovecot" => Ok(UniqueIds::Dovecot(format.clone())),
        "courier" => Ok(UniqueIds::Courier),
        "files" => Ok(UniqueIds::Files),
        other => Err(one_of(other, &["auto", "dovecot", "courier", "files"])),
    });
    let place = section.span("path");
    section.close(document);
    let At { value: kind, span } = &maildrop.kind;
    match (kind, table) {
        (Kind::Native, None) => return None,
        (Kind::Native, Some(_)) => {
            document.error(
                place,
                "[maildir] means nothing while mail is kept in the native store",
                "add store = \"maildir\" to [maildrop], or remove the table",
            );
            return None;
        }
        (Kind::Maildir, _) => {}
    }
    refuse_what_maildirs_cannot(document, &maildrop.keeping, span);
    let Some(path) = path else {
        if place.is_none() {
            document.error(
                Some(span.clone()),
                "where the Maildirs are is not said",
                "add [maildir], path = \"/var/vmail/{domain}/{local}/Maildir\"",
            );
        }
        return None;
    };
    Some(MaildirPlaces {
        path: path.value,
        settings: MaildirSettings {
            unique_ids: unique_ids.map_or(UniqueIds::Auto(format), |ids| ids.value),
            lock_wait: maildrop.lock_wait,
            host: hostname.to_owned(),
            index_octets_max: maildrop.store.index_octets_max,
        },
    })
}

fn refuse_what_maildirs_cannot(
    document: &mut Document<'_>,
    keeping: &Keeping,
    span: &std::ops::Range<usize>,
) {
    if !keeping.grace.is_zero() {
        document.error(
            Some(span.clone()),
            "`undelete` cannot be had with Maildirs: what is deleted there is gone",
            "remove undelete, or write store = \"native\"",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_path() {
        for (template, account, path) in [
            (
                "/v/{domain}/{local}/Maildir",
                "bob@example.org",
                Some("/v/example.org/bob/Maildir"),
            ),
            ("/v/{domain}/{local}/Maildir", "bob", None),
            (
                "/home/{local}/Maildir",
                "bob@example.org",
                Some("/home/bob/Maildir"),
            ),
            ("/v/{name}", "bob@example.org", Some("/v/bob@example.org")),
            ("/v/{name}/{name}", "bob", Some("/v/bob/bob")),
        ] {
            let parsed: PathTemplate = template.parse().unwrap();
            assert_eq!(parsed.to_string(), template);
            assert_eq!(parsed.path(account), path.map(PathBuf::from), "{template}");
        }
    }

    #[test]
    fn what_would_lead_elsewhere_is_no_template() {
        for template in [
            "",
            "v/{name}",
            "/v/../{name}",
            "/v/Maildir",
            "/v/{domain}",
            "/v/{nam}",
            "/v/{name",
            "~/{name}",
            "/v/{name}\0",
        ] {
            assert!(template.parse::<PathTemplate>().is_err(), "{template}");
        }
    }
}
