//! Logins and tokens at an authorisation server on loopback that looks closely, and at one that misbehaves.

mod logins;
mod refresh;
mod wrong;

use std::path::Path;
use std::time::Duration;

use super::{DeviceFlow, Endpoints, Login, OauthError, Provider, Settings, Tokens, login_pasted};
use crate::tests::authorization::{AuthorizationServer, browse};

fn settings(server: &AuthorizationServer) -> Settings {
    let endpoints = Endpoints {
        authorize: server.url("authorize"),
        token: server.url("token"),
        device: DeviceFlow::At(server.url("device")),
        revoke: Some(server.url("revoke")),
    };
    Settings {
        // Longer than any busy machine is late.
        reply_timeout: Duration::from_secs(60),
        login_timeout: Duration::from_secs(60),
        ..Settings::own("us", endpoints, &["mail", "offline_access"])
    }
}

fn provider(server: &AuthorizationServer) -> Provider {
    Provider::new("own", settings(server)).unwrap()
}

/// A person with a browser elsewhere who pastes what it ends at.
fn log_in(provider: &Provider) -> Result<Login, OauthError> {
    let at = std::cell::RefCell::new(String::new());
    login_pasted(
        provider,
        |it| *at.borrow_mut() = it.to_owned(),
        || Ok(browse(&at.borrow())),
    )
}

/// The tokens of somebody who has just logged in.
fn logged_in(provider: &Provider, directory: &Path) -> Tokens {
    let mut tokens = Tokens::open(directory, "work", provider);
    tokens.log_in(log_in(provider).unwrap()).unwrap();
    tokens
}

fn text(secret: &sasl::Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}
