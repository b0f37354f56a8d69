//! `[auth.oauth]`: which access tokens stand for a password.

use auth::TokenSettings;
use toml::de::DeTable;

use super::document::{Document, Section};
use super::values;

/// The claim that every access token has, that the issuer never gives to somebody else, and that no
/// user can choose (RFC 9068 §2.2, OpenID Connect Core §5.7).
const ACCOUNT_CLAIM: &str = "sub";

/// Claims that say something of the token and nothing of its owner.
const NO_NAMES: &[&str] = &["iss", "aud", "exp", "nbf", "iat", "jti", "scope", "scp"];

/// Reads the table; nothing comes back if one of the keys that must be there is wrong or missing.
pub(super) fn read(document: &mut Document<'_>, table: &DeTable<'_>) -> Option<TokenSettings> {
    let mut section = Section::new("[auth.oauth]", Some(table));
    let jwks = section.parsed(document, "jwks", values::path);
    let issuer = section.parsed(document, "issuer", word);
    let audience = section.parsed(document, "audience", word);
    let scope = section.parsed(document, "scope", scope);
    let account_claim = section.parsed(document, "account_claim", |text| match word(text) {
        Ok(claim) if !NO_NAMES.contains(&text) => Ok(claim),
        Ok(_) => Err("name the claim that says whose token it is: \"sub\", \"email\"".to_owned()),
        Err(remedy) => Err(remedy),
    });
    let discovery = section.parsed(document, "openid_configuration", |text| match word(text) {
        Ok(place) if text.starts_with("https://") => Ok(place),
        _ => Err("give an address that begins with https://".to_owned()),
    });
    for (key, example) in [
        ("jwks", "/etc/restante/jwks.json"),
        ("issuer", "https://id.example.org/realms/mail"),
        ("audience", "pop3"),
        ("scope", "mail"),
    ] {
        if section.span(key).is_none() {
            let places = table.iter().map(|(key, _)| key.span());
            let place = places.min_by_key(|span| span.start);
            document.error(
                place,
                format!("[auth.oauth] has no `{key}`"),
                format!("add {key} = \"{example}\""),
            );
        }
    }
    section.close(document);
    Some(TokenSettings {
        jwks: jwks?.value,
        issuer: issuer?.value,
        audience: audience?.value,
        scope: scope?.value,
        account_claim: account_claim.map_or_else(|| ACCOUNT_CLAIM.to_owned(), |claim| claim.value),
        openid_configuration: discovery.map(|place| place.value),
    })
}

/// What an issuer writes as one word, and what cannot be written into a reply as more than one.
fn word(text: &str) -> Result<String, String> {
    match text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        false => Ok(text.to_owned()),
        true => Err("give it as the issuer writes it: ASCII, without spaces".to_owned()),
    }
}

/// RFC 6749 §3.3: words, with one space between.
fn scope(text: &str) -> Result<String, String> {
    let is_token = |token: &str| {
        !token.is_empty()
            && token
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\'))
    };
    match text.split(' ').all(is_token) {
        true => Ok(text.to_owned()),
        false => Err("give one or more words with one space between, such as \"mail\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read_text(text: &str) -> (Option<TokenSettings>, Vec<String>) {
        let (mut document, table) = Document::parse(Path::new("r.toml"), text);
        let settings = read(&mut document, &table);
        let problems = document.finish();
        let told = problems.iter().map(ToString::to_string).collect();
        (settings, told)
    }

    const WHOLE: &str = r#"
jwks = "/etc/restante/jwks.json"
issuer = "https://id.dobbs.org/realms/mail"
audience = "pop3"
scope = "mail"
"#;

    #[test]
    fn a_whole_table_is_read() {
        let (settings, problems) = read_text(WHOLE);
        let wanted = TokenSettings {
            jwks: "/etc/restante/jwks.json".into(),
            issuer: "https://id.dobbs.org/realms/mail".into(),
            audience: "pop3".into(),
            scope: "mail".into(),
            account_claim: "sub".into(),
            openid_configuration: None,
        };
        assert_eq!((settings, problems), (Some(wanted), vec![]));
        let more = format!(
            "{WHOLE}account_claim = \"email\"\nopenid_configuration = \"https://id.dobbs.org/.well-known/x\"\n"
        );
        let (settings, problems) = read_text(&more);
        let settings = settings.unwrap();
        assert_eq!(problems, [""; 0]);
        assert_eq!(settings.account_claim, "email");
        assert_eq!(
            settings.openid_configuration.as_deref(),
            Some("https://id.dobbs.org/.well-known/x")
        );
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        for (line, told) in [
            (
                "jwks = \"jwks.json\"",
                "r.toml:2:8: `jwks` cannot be \"jwks.json\"",
            ),
            ("issuer = \"\"", "r.toml:3:10: `issuer` cannot be \"\""),
            (
                "audience = \"pop3 imap\"",
                "r.toml:4:12: `audience` cannot be \"pop3 imap\"",
            ),
            (
                "scope = \"mail  pop\"",
                "r.toml:5:9: `scope` cannot be \"mail  pop\"",
            ),
            ("scope = \"\"", "r.toml:5:9: `scope` cannot be \"\""),
            (
                "account_claim = \"jti\"",
                "r.toml:6:17: `account_claim` cannot be \"jti\"",
            ),
            (
                "openid_configuration = \"http://id.dobbs.org\"",
                "r.toml:6:24: `openid_configuration` cannot be \"http://id.dobbs.org\"",
            ),
            (
                "leeway = \"5 min\"",
                "r.toml:6:1: unknown key `leeway` in [auth.oauth]",
            ),
        ] {
            let key = line.split(' ').next().unwrap();
            let mut lines: Vec<&str> = WHOLE.lines().collect();
            match lines.iter().position(|old| old.starts_with(key)) {
                Some(place) => lines[place] = line,
                None => lines.push(line),
            }
            let (_, problems) = read_text(&lines.join("\n"));
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(told), "{problems:?}");
        }
    }

    #[test]
    fn nothing_that_decides_has_a_default() {
        let (settings, problems) = read_text("account_claim = \"email\"");
        assert_eq!(settings, None);
        let missing: Vec<&str> = problems
            .iter()
            .filter_map(|told| told.split('`').nth(1))
            .collect();
        assert_eq!(missing, ["jwks", "issuer", "audience", "scope"]);
    }
}
