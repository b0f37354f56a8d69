//! The files that Mozilla's programs read about a provider (config-v1.1.xml).
//!
//! Of what they hold, only what POP3 needs is read, and of that only what can be used.

use roxmltree::{Document, Node, ParsingOptions};

use super::who::{Who, is_host};
use super::{Authentication, Candidate, Security, Source, Standing};

/// Elements and texts of a file; the largest known one has some hundred.
const NODES_MAX: u32 = 10_000;

/// Octets of a user name.
const USER_OCTETS_MAX: usize = 320;

/// The POP3 servers of a file, in its order.
pub(super) fn read(text: &str, who: &Who, source: Source) -> Result<Vec<Candidate>, String> {
    let options = ParsingOptions {
        // No entities of its own, so that nothing grows.
        allow_dtd: false,
        nodes_limit: NODES_MAX,
        ..ParsingOptions::default()
    };
    // Many hosts answer what they do not have with a page for people.
    let document =
        Document::parse_with_options(text, options).map_err(|_| "it is no such file".to_owned())?;
    let root = document.root_element();
    if !root.has_tag_name("clientConfig") {
        return Err("it is no such file".to_owned());
    }
    let servers = root.descendants().filter(|node| {
        let parent = node.parent_element();
        let of_provider = parent.is_some_and(|parent| parent.has_tag_name("emailProvider"));
        of_provider && node.has_tag_name("incomingServer") && node.attribute("type") == Some("pop3")
    });
    Ok(servers
        .filter_map(|server| candidate(server, who, source))
        .collect())
}

fn candidate(server: Node<'_, '_>, who: &Who, source: Source) -> Option<Candidate> {
    let child = |name: &str| {
        let child = server.children().find(|child| child.has_tag_name(name))?;
        Some(child.text()?.trim())
    };
    let host = child("hostname")?.replace("%EMAILDOMAIN%", &who.domain);
    let host = idna::domain_to_ascii_strict(&host).ok()?;
    let port: u16 = child("port")?.parse().ok()?;
    let security = match child("socketType")?.to_ascii_uppercase().as_str() {
        "SSL" => Security::Tls,
        "STARTTLS" => Security::Stls,
        "PLAIN" => Security::InClear,
        _ => return None,
    };
    let mut authentication: Vec<_> = server
        .children()
        .filter(|child| child.has_tag_name("authentication"))
        .filter_map(|child| kind(child.text()?.trim()))
        .collect();
    authentication.dedup();
    (is_host(&host) && port != 0).then(|| Candidate {
        host,
        port,
        security,
        users: users(child("username"), who),
        authentication,
        source,
        standing: Standing::Sure,
    })
}

fn kind(name: &str) -> Option<Authentication> {
    Some(match name {
        // What the first version of the files called them.
        "password-cleartext" | "plain" => Authentication::Password,
        "password-encrypted" | "secure" => Authentication::Proof,
        "OAuth2" => Authentication::OAuth2,
        "TLS-client-cert" => Authentication::Certificate,
        _ => return None,
    })
}

/// The user name that the file gives the form of.
fn users(form: Option<&str>, who: &Who) -> Vec<String> {
    let (Some(form), Some(local), Some(address)) = (form, &who.local, who.address()) else {
        return who.users();
    };
    // One after the other: what is put in may itself look like a placeholder.
    let mut user = String::new();
    let mut rest = form;
    while let Some((before, behind)) = rest.split_once('%') {
        user += before;
        let Some((name, behind)) = behind.split_once('%') else {
            return who.users();
        };
        user += match name {
            "EMAILADDRESS" => &address,
            "EMAILLOCALPART" => local,
            "EMAILDOMAIN" => &who.domain,
            // The provider asks for something that only the user knows.
            _ => return who.users(),
        };
        rest = behind;
    }
    user += rest;
    match user.is_empty() || user.len() > USER_OCTETS_MAX || user.contains(char::is_control) {
        true => who.users(),
        false => vec![user],
    }
}
