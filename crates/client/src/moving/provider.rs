//! Which provider of access tokens a server belongs to.

/// The provider, as our configuration names it. None if it is none that we know.
pub(super) fn of(host: &str) -> Option<&'static str> {
    let host = host.to_ascii_lowercase();
    let within = |domain: &str| {
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    [
        ("office365.com", "microsoft"),
        ("outlook.com", "microsoft"),
        ("hotmail.com", "microsoft"),
        ("live.com", "microsoft"),
        ("gmail.com", "google"),
        ("googlemail.com", "google"),
    ]
    .into_iter()
    .find_map(|(domain, provider)| within(domain).then_some(provider))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn providers_are_known_by_their_domains() {
        for (host, expected) in [
            ("outlook.office365.com", Some("microsoft")),
            ("POP.gmail.com", Some("google")),
            ("outlook.com", Some("microsoft")),
            ("notoutlook.com", None),
            ("outlook.com.example", None),
            ("", None),
        ] {
            assert_eq!(of(host), expected, "{host}");
        }
    }
}
