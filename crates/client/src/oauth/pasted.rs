//! A browser elsewhere: it ends at an address of its own machine, where nobody answers, and the person pastes that
//! address here.

use std::io;

use oauth2::url::form_urlencoded;

use super::OauthError;
use super::code::{Question, Reply, State};
use super::grant::Login;
use super::provider::Provider;

/// Ports of which none belongs to a service (RFC 6335 §6): nobody should answer there.
const PORTS: std::ops::Range<u16> = 49_152..65_535;

/// Longest text that is taken.
const PASTED_OCTETS_MAX: usize = 16 * 1024;

/// Logs in by a browser elsewhere. `on_url` tells the person the address to open; `read` gives what he pastes then: the whole
/// address that the browser ends at, what stands behind its `?`, or the code alone.
///
/// # Errors
///
/// When what is pasted belongs to another login, the person says no, or the provider refuses.
pub fn login_pasted(
    provider: &Provider,
    on_url: impl FnOnce(&str),
    read: impl FnOnce() -> io::Result<String>,
) -> Result<Login, OauthError> {
    let mut dice = [0; 2];
    getrandom::fill(&mut dice).expect("the system gives random octets");
    let port = PORTS.start + u16::from_le_bytes(dice) % (PORTS.end - PORTS.start);
    let redirect = &provider.settings().redirect;
    let question = Question::new(provider, &redirect.replace("{port}", &port.to_string()))?;
    on_url(&question.address);
    let pasted = zeroize::Zeroizing::new(read().map_err(OauthError::NotPasted)?);
    let reply = understood(&question, pasted.trim())?;
    question.settle(reply)
}

fn understood(question: &Question<'_>, pasted: &str) -> Result<Reply, OauthError> {
    if pasted.is_empty() {
        let nothing = io::Error::other("the line is empty");
        return Err(OauthError::NotPasted(nothing));
    }
    if pasted.len() > PASTED_OCTETS_MAX {
        return Err(OauthError::NotOurs("it is too long"));
    }
    let without_fragment = pasted.split('#').next().unwrap_or_default();
    if let Some((_, query)) = without_fragment.split_once('?') {
        return question.reply(query, State::IfThere);
    }
    let has =
        |name: &str| form_urlencoded::parse(without_fragment.as_bytes()).any(|it| it.0 == name);
    if has("code") || has("error") {
        return question.reply(without_fragment, State::IfThere);
    }
    if pasted.contains("://") || pasted.contains(char::is_whitespace) {
        return Err(OauthError::NotOurs("it has no code"));
    }
    // The code as the address has it, in which a slash may be written as %2F.
    let name_and_code = format!("code={}", pasted.replace('+', "%2B"));
    question.reply(&name_and_code, State::IfThere)
}
