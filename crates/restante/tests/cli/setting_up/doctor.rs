//! `restante fetch check`: a line for each thing, and the worst as the exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{Home, Server};

#[test]
fn all_is_well_and_each_thing_is_named() {
    let (home, server) = (Home::new(), Server::start());
    home.set_up(&server);
    let ended = home.run(&["fetch", "check"], "").with(0);
    let names: Vec<String> = ended
        .stdout
        .lines()
        .map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": "))
        .collect();
    assert_eq!(
        names,
        [
            "ok       restante: configuration",
            "ok       restante: state",
            "ok       restante: clock",
            "ok       bob: name",
            "ok       bob: certificate",
            "ok       bob: password",
            "ok       bob: login",
            "ok       bob: maildrop",
            "ok       bob: CAPA",
            "ok       bob: pipelining",
            "ok       bob: destination",
            "ok       bob: ledger",
        ],
        "{}",
        ended.stdout
    );
    for text in [
        "certificate: pinned, for localhost, mailgate.dobbs.org, 127.0.0.1, ::1",
        "login: as bob, by SCRAM-SHA-256-PLUS",
        "maildrop: 2 messages (320 octets)",
        "CAPA: UIDL, TOP, PIPELINING, SASL ",
        "pipelining: three commands at once were answered in order",
        "destination: maildir:HOME/Mail/bob",
        "ledger: 0 messages known, 0 sessions in order",
    ] {
        assert!(ended.stdout.contains(text), "{text}\n{}", ended.stdout);
    }
    // A run that is still to come tells of a clock that goes wrong.
    fs::write(home.state("bob.last"), "{\"at\": 32503680000}").unwrap();
    let late = home.run(&["fetch", "check"], "").with(0);
    assert!(
        late.stdout.contains(
            "warning  bob: clock: the last run was on 3000-01-01T00:00:00Z, which is to come\n"
        ),
        "{}",
        late.stdout
    );
    // Nothing was fetched by that.
    assert_eq!(super::count(&home.path("Mail/bob")), 0);
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let (home, server) = (Home::new(), Server::start());
    home.set_up(&server);
    let modes = |file: &std::path::Path, mode| {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    };
    // A password that others can read is not taken.
    modes(&home.state("bob.password"), 0o644);
    let ended = home.run(&["fetch", "check"], "").with(77);
    assert!(
        ended.stdout.contains(
            "WRONG    bob: password: HOME/.local/state/restante/fetch/bob.password: others may read it (mode 0644)\n         \
             run: chmod 600 HOME/.local/state/restante/fetch/bob.password\n"
        ),
        "{}",
        ended.stdout
    );
    modes(&home.state("bob.password"), 0o600);

    // The configuration names commands.
    modes(&home.configuration(), 0o666);
    let ended = home.run(&["fetch", "check"], "").with(78);
    assert!(
        ended.stdout.contains("others may write it (mode 0666), and it names commands that run as you\n         chmod 600 "),
        "{}",
        ended.stdout
    );
    modes(&home.configuration(), 0o600);

    // Another certificate than the pinned one.
    let text = fs::read_to_string(home.configuration()).unwrap();
    let (before, rest) = text.split_once("pin = \"").unwrap();
    let other = format!("{before}pin = \"{}\"{}", "0".repeat(64), &rest[65..]);
    fs::write(home.configuration(), other).unwrap();
    let ended = home.run(&["fetch", "check", "bob"], "").with(69);
    assert!(
        ended.stdout.contains(&format!(
            "WRONG    bob: certificate: it is another than the pinned one; its SHA-256 is {}\n",
            &rest[..64]
        )),
        "{}",
        ended.stdout
    );

    // No ledger, and a Maildir that cannot be.
    let text = text.replace("~/Mail/bob", "/dev/null/bob");
    fs::write(home.configuration(), text).unwrap();
    fs::remove_file(home.state("bob.ledger")).unwrap();
    let ended = home.run(&["fetch", "check"], "").with(73);
    for text in [
        "WRONG    bob: destination: maildir:/dev/null/bob: ",
        "warning  bob: ledger: there is none: everything on the server is new\n         \
         if some of it is here already: restante fetch adopt bob\n",
    ] {
        assert!(ended.stdout.contains(text), "{text}\n{}", ended.stdout);
    }
}

#[test]
fn a_server_that_is_away_is_told_and_nothing_else_of_it() {
    let home = Home::new();
    fs::create_dir_all(home.path(".config/restante")).unwrap();
    let text = "[account.bob]\nhost = \"localhost\"\nport = 1\nuser = \"bob\"\n\
                auth = { password_file = \"/nonexistent\" }\ndeliver = { maildir = \"~/Mail\" }\n";
    fs::write(home.configuration(), text).unwrap();
    let ended = home.run(&["fetch", "check"], "").with(69);
    assert!(
        ended
            .stdout
            .contains("WRONG    bob: connection: localhost:1 cannot be reached: "),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("bob: login"), "{}", ended.stdout);
}
