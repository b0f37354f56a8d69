//! What this machine makes impossible: addresses that are taken, files that cannot be read, a user or a
//! group that does not exist.

use std::fs;
use std::io;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::path::Path;

use nix::unistd::Group;
use server::{Address, Tls};

use super::{Findings, data};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output;
use crate::rights;
use crate::serve::token_verifier;

/// What this machine makes impossible.
pub(super) fn machine(config: &Config, findings: &mut Findings) {
    for listener in &config.server.listeners {
        match &listener.address {
            Address::Tcp(address) => tcp(address, findings),
            Address::Unix(path) => unix(path, findings),
        }
        if let Some(name) = &listener.group
            && !matches!(Group::from_name(name), Ok(Some(_)))
        {
            findings.error(
                format!("there is no group {name:?} for {}", listener.address),
                "name the group of the programs that deliver, or leave `group` out",
            );
        }
    }
    match rights::user(config) {
        Ok(Some(user)) => data::owner(config, &user, findings),
        Ok(None) => {}
        Err(failure) => findings.failure(&failure),
    }
    if !config.data.exists() {
        findings.warning(
            format!(
                "the data directory {} is not there yet",
                config.data.display()
            ),
            "it is made by: restante user add NAME; or is its file system not mounted?",
        );
    } else if let Err(failure) = rights::become_owner(config) {
        findings.failure(&failure);
    } else {
        data::data(config, findings);
        file(config, findings);
    }
    if let Some(Err(failure)) = config.tokens.as_ref().map(token_verifier) {
        findings.failure(&failure);
    }
    match config.server.tls.as_ref().map(Tls::check) {
        None => {}
        Some(Ok(doubts)) => doubts.iter().for_each(|doubt| {
            let text = doubt.to_string();
            let (what, remedy) = text.split_once("; ").unwrap_or((&text, ""));
            match doubt.is_refused() {
                true => findings.error(what, remedy),
                false => findings.warning(what, remedy),
            }
        }),
        Some(Err(error)) => {
            findings.failure(&Failure::from_text(Code::Config, &error.to_string()));
        }
    }
    let listeners = config.server.listeners.iter();
    for asked in listeners.filter_map(|listener| listener.client_certificates.as_ref()) {
        match asked.check() {
            Ok(doubts) => doubts.iter().for_each(|doubt| {
                let (what, remedy) = doubt.split_once("; ").unwrap_or((doubt, ""));
                findings.warning(what, remedy);
            }),
            Err(error) => {
                findings.failure(&Failure::from_text(Code::Config, &error.to_string()));
            }
        }
    }
}

fn tcp(address: &str, findings: &mut Findings) {
    let resolved = match address.to_socket_addrs() {
        Ok(resolved) => resolved,
        Err(error) => {
            findings.error(
                format!("{address} cannot be resolved: {}", output::plain(&error)),
                "give the address in numbers, such as \"[::]:995\"",
            );
            return;
        }
    };
    for address in resolved {
        let Err(error) = TcpListener::bind(address) else {
            continue;
        };
        match error.kind() {
            // Most often our own server, which runs while its configuration is checked.
            io::ErrorKind::AddrInUse => findings.warning(
                format!("{address} is in use"),
                "if that is not the running server, choose another port",
            ),
            io::ErrorKind::PermissionDenied => findings.warning(
                format!("{address} may be bound by root only"),
                "start the server as root with `user`, or by a service manager with CAP_NET_BIND_SERVICE",
            ),
            _ => findings.error(
                format!("{address} cannot be bound: {}", output::plain(&error)),
                "give an address that this machine has; \"[::]:PORT\" stands for all of them",
            ),
        }
    }
}

fn unix(path: &Path, findings: &mut Findings) {
    let directory = path.parent().unwrap_or_else(|| Path::new("/"));
    if !directory.is_dir() {
        findings.error(
            format!(
                "the directory {} of the socket is not there",
                directory.display()
            ),
            format!("make it: mkdir -p {}", directory.display()),
        );
    }
}

/// Whether the configuration can be read again after a SIGHUP, by the user that this process is now.
fn file(config: &Config, findings: &mut Findings) {
    let file = config.file.display();
    if let (Some(user), Err(error)) = (&config.user, fs::File::open(&config.file)) {
        findings.warning(
            format!(
                "the server's user cannot read {file} again after a SIGHUP: {}",
                output::plain(&error)
            ),
            format!("let it: chgrp {user} {file} && chmod g+r {file}; and x on its directories"),
        );
    }
}
