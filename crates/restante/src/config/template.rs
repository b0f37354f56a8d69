//! A path with an account's name in it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::read::one_of;

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
