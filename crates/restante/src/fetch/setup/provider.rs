//! Providers that take no plain passwords, by the names of their domains and servers.

/// A provider that has ways of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Provider {
    Microsoft,
    Google,
}

impl Provider {
    /// The one that a domain or a server belongs to.
    pub(super) fn of(domain: &str, host: &str) -> Option<Self> {
        let is_below = |name: &str, above: &str| {
            let rest = name.strip_suffix(above);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let one_of = |names: &[&str]| {
            let of = |name: &str| names.iter().any(|above| is_below(name, above));
            of(domain) || of(host)
        };
        let has_label = |label: &str| domain.split('.').next() == Some(label);
        if one_of(&["gmail.com", "googlemail.com", "google.com"]) {
            Some(Self::Google)
        } else if one_of(&[
            "outlook.com",
            "office365.com",
            "office.com",
            "msn.com",
            "live.com",
        ]) || ["hotmail", "outlook", "live"].into_iter().any(has_label)
        {
            Some(Self::Microsoft)
        } else {
            None
        }
    }

    /// As the configuration names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Microsoft => "microsoft",
            Self::Google => "google",
        }
    }

    /// What its users need to know.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Microsoft => {
                "Microsoft takes no password for POP3, but tokens of OAuth2, and POP3 must be switched on in the settings of the\n\
                 maildrop. The id of a client comes from the Microsoft Entra admin center, App registrations: a public client with\n\
                 the redirect http://localhost, \"allow public client flows\" on, and the delegated permission POP.AccessAsUser.All."
            }
            Self::Google => {
                "Google takes an app password (https://myaccount.google.com/apppasswords, with 2-step verification on), not the\n\
                 password of the account; or tokens of OAuth2, whose client comes from the Google Cloud console: APIs & Services,\n\
                 Credentials, an OAuth client of the kind \"desktop app\"."
            }
        }
    }

    /// The value of `auth` for tokens.
    pub(super) fn auth(self, client_id: &str, secret_file: &str) -> String {
        let id = super::entry::quoted(client_id);
        match self {
            Self::Microsoft => {
                format!("{{ oauth = \"microsoft\", client_id = {id}, flow = \"device\" }}")
            }
            Self::Google => format!(
                "{{ oauth = \"google\", client_id = {id}, client_secret = {{ password_file = {} }}, flow = \"loopback\" }}",
                super::entry::quoted(secret_file)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_known_by_their_names_only() {
        for (domain, host, provider) in [
            ("gmail.com", "pop.gmail.com", Some(Provider::Google)),
            ("example.org", "pop.gmail.com", Some(Provider::Google)),
            ("hotmail.fr", "x.example", Some(Provider::Microsoft)),
            (
                "example.org",
                "outlook.office365.com",
                Some(Provider::Microsoft),
            ),
            ("notgmail.com", "pop.notgmail.com", None),
            ("gmail.com.example.org", "pop.example.org", None),
            ("localhost", "localhost", None),
        ] {
            assert_eq!(Provider::of(domain, host), provider, "{domain} {host}");
        }
    }
}
