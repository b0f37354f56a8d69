//! Whose maildrop is looked for, read from what somebody wrote.

use super::DiscoveryError;

/// Whose maildrop is looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Who {
    /// The part before the `@`, if there is one.
    pub(super) local: Option<String>,
    /// In ASCII and lower case.
    pub(super) domain: String,
}

impl Who {
    pub(super) fn parse(text: &str) -> Result<Self, DiscoveryError> {
        let wrong = || DiscoveryError::NotAnAddress(text.to_owned());
        let (local, domain) = match text.trim().rsplit_once('@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, text.trim()),
        };
        let is_local = |local: &str| {
            let wrong = |c: char| c.is_control() || c.is_whitespace();
            !local.is_empty() && local.len() <= 64 && !local.contains(wrong)
        };
        if local.is_some_and(|local| !is_local(local)) {
            return Err(wrong());
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| wrong())?;
        if !domain.contains('.') || !is_host(&domain) || domain.parse::<std::net::IpAddr>().is_ok()
        {
            return Err(wrong());
        }
        Ok(Self {
            local: local.map(str::to_owned),
            domain,
        })
    }

    pub(super) fn address(&self) -> Option<String> {
        let local = self.local.as_ref()?;
        Some(format!("{local}@{}", self.domain))
    }

    /// What servers call users: the whole address first (RFC 6186 §4).
    pub(super) fn users(&self) -> Vec<String> {
        [self.address(), self.local.clone()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Whether a host is of the domain.
    pub(super) fn owns(&self, host: &str) -> bool {
        let above = host.strip_suffix(&self.domain);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    }
}

/// Whether it is a name of letters, digits and hyphens; in lower case.
pub(super) fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        let fits =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(fits) && !label.starts_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_domains() {
        for (text, address, domain) in [
            (
                "mrose@example.org",
                Some("mrose@example.org"),
                "example.org",
            ),
            (
                " Mrose@EXAMPLE.org ",
                Some("Mrose@example.org"),
                "example.org",
            ),
            (
                "\"a@b\"@example.org",
                Some("\"a@b\"@example.org"),
                "example.org",
            ),
            ("b\u{fc}cher.example", None, "xn--bcher-kva.example"),
        ] {
            let who = Who::parse(text).unwrap();
            assert_eq!(who.address().as_deref(), address);
            assert_eq!(who.domain, domain);
        }
        for wrong in [
            "",
            "@",
            "a@",
            "@example.org",
            "localhost",
            "a@127.0.0.1",
            "a b@example.org",
            "a@example.org/x",
            "a@exa mple.org",
            "a@example..org",
            "a@[::1]",
            "a@example.org:995",
        ] {
            assert!(Who::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_of_a_domain_ends_with_it_at_a_dot() {
        let who = Who::parse("example.org").unwrap();
        assert!(who.owns("example.org") && who.owns("pop.example.org"));
        assert!(!who.owns("notexample.org") && !who.owns("example.org.example.net"));
    }
}
