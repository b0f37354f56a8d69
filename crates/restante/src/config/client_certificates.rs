//! The keys of a `[[listener]]` about certificates of clients: whose are believed, and whom they name.

use std::ops::Range;
use std::path::PathBuf;

use server::{ClientAccount, ClientCertificates, Listener, Protocol};

use super::document::{At, Document, Section};
use super::read::one_of;
use super::values;

/// The keys as they stand in the file.
pub(super) struct Keys {
    authorities: Option<At<PathBuf>>,
    revoked: Option<At<PathBuf>>,
    account: Option<At<ClientAccount>>,
    /// Each key that is there, right or wrong, and where.
    told: [(&'static str, Option<Range<usize>>); 3],
}

/// Reads the keys of one listener.
pub(super) fn read(document: &mut Document<'_>, section: &mut Section<'_, '_>) -> Keys {
    Keys {
        authorities: section.parsed(document, "client_ca", values::path),
        revoked: section.parsed(document, "client_crl", values::path),
        account: section.parsed(document, "client_account", |text| match text {
            "email" => Ok(ClientAccount::Email),
            "common_name" => Ok(ClientAccount::CommonName),
            other => Err(one_of(other, &["email", "common_name"])),
        }),
        told: ["client_ca", "client_crl", "client_account"].map(|key| (key, section.span(key))),
    }
}

impl Keys {
    /// Gives the listener what it asks its clients for, and tells what it cannot ask. `tls`: whether
    /// there is a table `[tls]`.
    pub(super) fn settle(self, document: &mut Document<'_>, listener: &mut Listener, tls: bool) {
        let [(_, ca), _, (_, account)] = &self.told;
        let first = self.told.iter().find(|(_, span)| span.is_some());
        let Some((key, Some(span))) = first.cloned() else {
            return;
        };
        if listener.protocol.transfers() {
            return document.error(
                Some(span),
                format!("`{key}` means nothing for {}", listener.protocol),
                "remove it; client certificates are for pop3 and pop3s",
            );
        }
        // A pop3s listener is told already that it needs a certificate of its own.
        if !tls && listener.protocol == Protocol::Pop3 {
            document.error(
                Some(span.clone()),
                format!("`{key}` means nothing without TLS"),
                "add [tls] with certificate and key",
            );
        }
        match (ca, account) {
            (None, _) => document.error(
                Some(span),
                format!("`{key}` means nothing without `client_ca`"),
                "add client_ca = \"/etc/restante/clients.pem\", the CA that signs your users' certificates",
            ),
            (Some(ca), None) => document.error(
                Some(ca.clone()),
                "it is not said which part of a client's certificate names its account",
                "add client_account = \"email\" (the rfc822Name) or \"common_name\"",
            ),
            (Some(_), Some(_)) => {}
        }
        if let (Some(authorities), Some(account)) = (self.authorities, self.account) {
            listener.client_certificates = Some(ClientCertificates {
                authorities: authorities.value,
                revoked: self.revoked.map(|revoked| revoked.value),
                account: account.value,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read_text(
        protocol: Protocol,
        tls: bool,
        text: &str,
    ) -> (Option<ClientCertificates>, String) {
        let (mut document, table) = Document::parse(Path::new("r.toml"), text);
        let mut section = Section::new("[[listener]]", Some(&table));
        let keys = read(&mut document, &mut section);
        section.close(&mut document);
        let mut listener = Listener::new(protocol, "127.0.0.1:0".parse().unwrap());
        keys.settle(&mut document, &mut listener, tls);
        let problems = document.finish();
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        (listener.client_certificates, told.join("\n"))
    }

    #[test]
    fn the_keys_are_read() {
        let text = "client_ca = \"/etc/ca.pem\"\nclient_account = \"common_name\"\n";
        let mut wanted = ClientCertificates {
            authorities: "/etc/ca.pem".into(),
            revoked: None,
            account: ClientAccount::CommonName,
        };
        let found = read_text(Protocol::Pop3s, true, text);
        assert_eq!(found, (Some(wanted.clone()), String::new()));
        let text = "client_ca = \"/etc/ca.pem\"\nclient_crl = \"/etc/crl.pem\"\nclient_account = \"email\"\n";
        wanted.revoked = Some("/etc/crl.pem".into());
        wanted.account = ClientAccount::Email;
        let found = read_text(Protocol::Pop3, true, text);
        assert_eq!(found, (Some(wanted), String::new()));
        let found = read_text(Protocol::Lmtp, false, "");
        assert_eq!(found, (None, String::new()));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        const CA: &str = "client_ca = \"/etc/ca.pem\"\n";
        const ACCOUNT: &str = "client_account = \"email\"\n";
        let whole = format!("{CA}{ACCOUNT}");
        let (pop3, pop3s, lmtp) = (Protocol::Pop3, Protocol::Pop3s, Protocol::Lmtp);
        for (protocol, tls, text, told) in [
            (
                pop3s,
                true,
                CA.to_owned(),
                "r.toml:1:1: it is not said which part",
            ),
            (
                pop3s,
                true,
                ACCOUNT.to_owned(),
                "r.toml:1:1: `client_account` means nothing without `client_ca`",
            ),
            (
                pop3s,
                true,
                "client_crl = \"/etc/crl.pem\"".to_owned(),
                "r.toml:1:1: `client_crl` means nothing without `client_ca`",
            ),
            (
                pop3s,
                true,
                format!("{CA}client_account = \"mail\""),
                "r.toml:2:18: `client_account` cannot be \"mail\"\n  did you mean \"email\"?",
            ),
            (
                pop3s,
                true,
                format!("client_ca = \"ca.pem\"\n{ACCOUNT}"),
                "r.toml:1:13: `client_ca` cannot be \"ca.pem\"\n  give the whole path",
            ),
            (
                lmtp,
                true,
                whole.clone(),
                "r.toml:1:1: `client_ca` means nothing for lmtp",
            ),
            (
                pop3,
                false,
                whole,
                "r.toml:1:1: `client_ca` means nothing without TLS",
            ),
        ] {
            let (found, problems) = read_text(protocol, tls, &text);
            assert!(problems.starts_with(told), "{problems}");
            assert_eq!(problems.matches("r.toml").count(), 1, "{problems}");
            assert!(found.is_none() || protocol == pop3, "{found:?}");
        }
    }
}
