//! LOGIN-DELAY: how often an account may log in (RFC 2449 §6.5, §8.1.1).

use std::time::Duration;

use auth::LoginDelay;
use sasl::base64;
use sasl::client::ChannelBinding;
use sasl::scram::Hash;
use server::Config;

use crate::harness::{Client, PASSWORD, Server, Setup};
use crate::sasl::{log_in, scram};

const TOO_SOON: &str = "-ERR [LOGIN-DELAY] ";

/// So many logins an hour.
fn hourly(logins_max: u32) -> Option<LoginDelay> {
    Some(LoginDelay {
        delay: Duration::from_secs(3600),
        logins_max: logins_max.try_into().unwrap(),
    })
}

fn start(change: impl FnOnce(&mut Config)) -> Server {
    Setup::new().with(change).start()
}

fn by_pass(client: &mut Client, user: &str) -> String {
    client.ask(&format!("USER {user}"), "+OK");
    client.say(&format!("PASS {PASSWORD}"));
    client.line()
}

fn by_plain(client: &mut Client, user: &str) -> String {
    let response = base64::encode(format!("\0{user}\0{PASSWORD}").as_bytes());
    client.say(&format!("AUTH PLAIN {response}"));
    client.line()
}

fn by_scram(client: &mut Client, user: &str) -> String {
    let exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, user, PASSWORD);
    log_in(client, exchange).0
}

fn capabilities(client: &mut Client) -> String {
    client.ask("CAPA", "+OK");
    String::from_utf8(client.text()).unwrap()
}

#[test]
fn an_account_has_so_many_logins_whatever_the_mechanism_and_the_channel() {
    let server = start(|config| config.login_delay = hourly(3));
    for login in [by_pass, by_plain, by_scram] {
        let mut client = server.tls();
        let answer = login(&mut client, "bob");
        assert!(answer.starts_with("+OK"), "{answer}");
        client.ask("QUIT", "+OK");
        client.rest();
    }
    // One connection may try as often as it likes, in clear and inside TLS.
    let mut clients = [server.plain(), server.tls()];
    for client in &mut clients {
        for login in [by_pass, by_plain, by_scram] {
            let answer = login(client, "BOB");
            assert!(answer.starts_with(TOO_SOON), "{answer}");
        }
        // It holds nothing.
        assert!(server.maildrops.open(server.maildrop("bob")).is_ok());
        // Nobody else is told of it, nor is anybody else concerned.
        client.ask("USER bob", "+OK");
        client.ask("PASS wrong", "-ERR [AUTH]");
    }
    let [mut client, _] = clients;
    assert!(by_pass(&mut client, "alice").starts_with("+OK"));
}

#[test]
fn the_delay_is_announced_while_there_is_one_and_a_reload_changes_it() {
    let server = start(|config| config.login_delay = hourly(1));
    let mut client = server.plain();
    assert!(capabilities(&mut client).contains("\r\nLOGIN-DELAY 3600\r\n"));
    client.log_in("bob");
    assert!(capabilities(&mut client).contains("\r\nLOGIN-DELAY 3600\r\n"));
    client.ask("QUIT", "+OK");
    client.rest();
    assert!(by_pass(&mut server.plain(), "bob").starts_with(TOO_SOON));

    let mut config = server.config.clone();
    config.login_delay = None;
    server.reload(config.clone());
    // The reload takes a moment; it counts for connections that begin after it.
    crate::harness::wait_until("no delay is announced", || {
        !capabilities(&mut server.plain()).contains("LOGIN-DELAY")
    });
    for _ in 0..3 {
        let mut client = server.plain().logged_in("bob");
        client.ask("QUIT", "+OK");
        client.rest();
    }

    // What was spent before is remembered, but nobody waits longer for it than the new delay.
    config.login_delay = Some(LoginDelay {
        delay: Duration::from_secs(1),
        logins_max: 1.try_into().unwrap(),
    });
    server.reload(config);
    crate::harness::wait_until("a delay is announced", || {
        capabilities(&mut server.plain()).contains("\r\nLOGIN-DELAY 1\r\n")
    });
    crate::harness::wait_until("bob may log in", || {
        by_pass(&mut server.plain(), "bob").starts_with("+OK")
    });
}

#[test]
fn a_login_that_finds_its_maildrop_in_use_is_none() {
    let server = start(|config| {
        config.login_delay = hourly(2);
        config.lock_wait = Duration::ZERO;
    });
    server.deliver("bob", "Subject: x\r\n\r\n");
    let mut first = server.plain().logged_in("bob");
    let mut second = server.plain();
    for _ in 0..5 {
        let answer = by_pass(&mut second, "bob");
        assert!(answer.starts_with("-ERR [IN-USE]"), "{answer}");
    }
    first.ask("QUIT", "+OK");
    first.rest();
    assert!(by_pass(&mut second, "bob").starts_with("+OK"));
    assert!(by_pass(&mut server.plain(), "bob").starts_with(TOO_SOON));
}
