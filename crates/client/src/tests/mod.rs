//! The client against servers that follow a script, right ones and wrong ones, on loopback.

mod ahead;
pub(crate) mod authorization;
mod certificates;
mod endings;
mod listings;
mod logins;
pub(crate) mod maildrop;
mod proxies;
mod server;
mod texts;
mod tokens;
mod traces;
mod utf8;

use std::time::Duration;

use sasl::Secret;

use crate::{Account, ClientError, Credentials, Maildrop, Patience, Transport, connect};

/// Shorter than any test's patience, and long enough for a machine that is busy.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(10),
    login: Duration::from_secs(10),
    listing: Duration::from_secs(10),
    silence: Duration::from_secs(10),
    octets_per_second_min: 100,
    span: Duration::from_secs(600),
    octets_per_span_min: 8 << 10,
};

fn account(port: u16, transport: Transport) -> Account {
    let password = Credentials::Password(Secret::new("redqueen"));
    Account::new("localhost", port, transport, "mrose", password)
}

/// Runs to its end what a test does with a connection.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// The maildrop of a server that logs in by USER and PASS in clear.
async fn open(port: u16, patience: Patience) -> Result<Maildrop, ClientError> {
    connect(&account(port, Transport::InClear), patience).await
}

/// A login in clear at a server with these capabilities.
fn login(capabilities: &str) -> String {
    login_with(capabilities, capabilities)
}

/// The same, at a server that says something else after it.
fn login_with(before: &str, after: &str) -> String {
    let told = |capabilities: &str| -> String {
        let lines = capabilities.split_terminator('\n');
        let lines = lines.map(|line| format!("S: {line}\n"));
        format!("C: CAPA\nS: +OK\n{}S: .\n", lines.collect::<String>())
    };
    format!(
        "S: +OK\n{}C: USER mrose\nS: +OK\nC: PASS redqueen\nS: +OK\n{}",
        told(before),
        told(after)
    )
}
