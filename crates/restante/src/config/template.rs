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
    /// The path for an account, which no other account has. None if the path wants a domain and the name has
    /// none, or leaves out the one that it has: another domain may have an account of the same local part.
    pub(crate) fn path(&self, account: &str) -> Option<PathBuf> {
        let (local, domain) = match account.split_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (account, None),
        };
        let says_domain = self.0.contains(&Piece::Name) || self.0.contains(&Piece::Domain);
        if domain.is_some() && !says_domain {
            return None;
        }
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
            // What parts of a name can hold would not keep them apart.
            if !pieces.is_empty() && !before.contains(['/', '@']) {
                return Err("put a `/` between the parts of a name".to_owned());
            }
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
    use std::path::Component;

    use proptest::prelude::*;

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
            ("/home/{local}/Maildir", "bob", Some("/home/bob/Maildir")),
            ("/home/{local}/Maildir", "bob@example.org", None),
            (
                "/v/{local}@{domain}",
                "bob@example.org",
                Some("/v/bob@example.org"),
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
            "/v/{local}{domain}",
            "/v/{local}-{domain}",
        ] {
            assert!(template.parse::<PathTemplate>().is_err(), "{template}");
        }
    }

    /// What strangers may call themselves: anything, pieces that mean something to a shell, a file system or a
    /// format, names as accounts have them and names that are almost such, long ones, and letters that look like
    /// others or become others in another case.
    fn names() -> impl Strategy<Value = String> {
        prop_oneof![
            10 => any::<String>(),
            10 => "[./\\\\~%:$@a-zA-Z\\x00\\r\\n é-]{0,40}",
            10 => "(\\.\\.|\\.|/|\\\\|%s|%2e|~|:|\\$HOME|\\$\\(x\\)|\n|\0|@|x|\u{2024}|\u{ff0f}|\u{ff0e}|\u{17f}|\u{212a}|\u{130}){0,12}",
            10 => "[a-zA-Z0-9._+=&'~#-]{1,12}(@[a-zA-Z0-9.-]{1,12}\\.?)?",
            10 => "[a-z0-9]{1,12}[./\0]?(@[a-z]{1,8}(\\.[a-z]{1,8}){0,2})?[./]?",
            1 => "(\\.\\./|a|x@){300,2048}",
            10 => "[a-z]{200,260}",
        ]
    }

    proptest! {
        /// Whatever may be an account's name, its path lies where the configuration says, and as deep, and is no
        /// other account's. PROPTEST_CASES says how many are tried.
        #[test]
        fn a_name_leads_nowhere_else(text in names(), other in names()) {
            let template: PathTemplate = "/v/{name}/{local}/Maildir".parse().unwrap();
            // The program makes accounts of such names only.
            let accounts = [text, other].map(|text| auth::AccountName::parse(&text).ok());
            for name in accounts.iter().flatten() {
                let path = template.path(name.as_str()).unwrap();
                let parts: Vec<_> = path.components().collect();
                prop_assert_eq!(parts.len(), 5, "{}", path.display());
                prop_assert!(parts[1..].iter().all(|part| matches!(part, Component::Normal(_))));
                prop_assert!(path.starts_with("/v") && path.ends_with("Maildir"));
                prop_assert!(path.to_str().unwrap().is_ascii());
            }
            if let [Some(one), Some(other)] = &accounts {
                let paths = [one, other].map(|name| template.path(name.as_str()));
                prop_assert_eq!(paths[0] == paths[1], one == other);
            }
        }
    }
}
