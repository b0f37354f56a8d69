//! `restante fetch setup`: the newcomer's minute.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{Home, Server, count};
use crate::terminal::script;

/// What setup says of a demo's server, but for its port and the SHA-256 of its certificate.
const SAID: &str = "\
server       localhost:PORT, inside TLS; as you say
certificate  not believed: it is signed by nobody but itself
             for localhost, mailgate.dobbs.org, 127.0.0.1, ::1, good until 4096-01-01
             SHA-256 THE-PIN
             pinned: this one is believed from now on, and no other
login        as bob, by SCRAM-SHA-256-PLUS
             UIDL: each message has a name
             PIPELINING: messages come without a pause between them
maildrop     2 messages (320 octets)
written      [account.bob] in HOME/.config/restante/fetch.toml
             the password in HOME/.local/state/restante/fetch/bob.password, which only you can read

Now:
  # fetch into ~/Mail/bob
  restante fetch bob
  # and from then on every 5 minutes
  restante fetch install-timer
";

const WRITTEN: &str = "\
# From where mail is fetched: restante fetch. Each account is a section.

[account.bob]
host = \"localhost\"
port = PORT
user = \"bob\"
# Believed is the server that has this certificate, and no other.
pin = \"THE-PIN\"
auth = { password_file = \"~/.local/state/restante/fetch/bob.password\" }
deliver = { maildir = \"~/Mail/bob\" }
# How long messages stay on the server: true, false, or a duration such as \"14d\".
keep = true
";

#[test]
fn from_nothing_to_mail_in_two_commands() {
    let (home, server) = (Home::new(), Server::start());
    let address = server.address();
    // A Maildir that was there before is no obstacle.
    fs::create_dir_all(home.path("Mail/bob/cur")).unwrap();
    fs::write(home.path("Mail/bob/cur/1.old:2,S"), "Subject: old\n\n").unwrap();
    let ended = home
        .run(
            &["fetch", "setup", &address, "--pin", "--stdin"],
            "redqueen\n",
        )
        .with(0);
    let pin = ended.stdout.split("SHA-256 ").nth(1).unwrap()[..64].to_owned();
    if let Some(fingerprint) = server.fingerprint() {
        assert_eq!(pin, fingerprint);
    }
    let placed = |text: &str| text.replace("PORT", server.port()).replace("THE-PIN", &pin);
    assert_eq!(ended.stdout, placed(SAID));
    assert_eq!(ended.stderr, "");
    let written = fs::read_to_string(home.configuration()).unwrap();
    assert_eq!(written, placed(WRITTEN));
    for (file, text) in [
        (home.configuration(), None),
        (home.state("bob.password"), Some("redqueen\n")),
    ] {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        if let Some(text) = text {
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }
    let fetched = home.run(&["fetch"], "").with(0);
    assert_eq!((fetched.stdout.as_str(), fetched.stderr.as_str()), ("", ""));
    assert_eq!(count(&home.path("Mail/bob")), 2);
    home.run(&["fetch"], "").with(0);
    assert_eq!(count(&home.path("Mail/bob")), 2);

    // The name is taken, and nothing changes.
    let again = home
        .run(
            &["fetch", "setup", &address, "--pin", "--stdin"],
            "redqueen\n",
        )
        .with(64);
    assert_eq!(
        again.stderr,
        "restante: there is an account bob in HOME/.config/restante/fetch.toml already\n  \
         give this one another name (--name NAME), or remove [account.bob] there and run this again\n"
    );
    assert_eq!(fs::read_to_string(home.configuration()).unwrap(), written);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_believed_without_a_word() {
    let (home, server) = (Home::new(), Server::start());
    let address = server.address();
    // Nor by --yes: nobody has compared anything.
    for more in [&[][..], &["--yes"]] {
        let mut arguments = vec!["fetch", "setup", &address, "--stdin"];
        arguments.extend(more);
        let ended = home.run(&arguments, "redqueen\n").with(69);
        assert_eq!(
            ended.stderr,
            format!(
                "restante: the certificate of localhost:{} is not believed: it is signed by nobody but itself\n  \
                 if its owner tells you the same SHA-256: restante fetch setup {address} --pin\n",
                server.port()
            )
        );
        assert!(ended.stdout.contains("SHA-256 "), "{}", ended.stdout);
    }
    assert!(!home.configuration().exists());
    // One that is believed needs no pin, and a password need not come by standard input.
    let file = home.path("password");
    fs::write(&file, "redqueen\n").unwrap();
    let ended = home
        .end(
            home.program()
                .args([
                    "fetch", "setup", &address, "--name", "work", "--keep", "14d",
                ])
                .args(["--maildir", "in box", "--password-file"])
                .arg(&file)
                .current_dir(home.path(""))
                .env("SSL_CERT_FILE", server.certificate()),
            "",
        )
        .with(0);
    assert!(
        ended
            .stdout
            .contains("certificate  for localhost, mailgate.dobbs.org, 127.0.0.1, ::1, good until"),
        "{}",
        ended.stdout
    );
    let written = fs::read_to_string(home.configuration()).unwrap();
    for line in [
        "[account.work]",
        "deliver = { maildir = \"~/in box\" }",
        "keep = \"14d\"",
    ] {
        assert!(written.lines().any(|it| it == line), "{line}\n{written}");
    }
    assert!(!written.contains("pin ="), "{written}");
}

#[test]
fn who_pins_needs_no_list_of_authorities() {
    let (home, server) = (Home::new(), Server::start());
    let address = server.address();
    let setup = |more: &[&str]| {
        let mut command = home.program();
        command
            .args(["fetch", "setup", &address, "--stdin"])
            .args(more)
            .env("SSL_CERT_FILE", "/dev/null");
        home.end(&mut command, "redqueen\n")
    };
    let ended = setup(&[]).with(78);
    assert_eq!(
        ended.stderr,
        "restante: bob: /dev/null: it holds no certificate\n  \
         name a PEM file of certificate authorities (trust), or pin the server's certificate (pin)\n"
    );
    let ended = setup(&["--pin"]).with(0);
    assert!(
        ended
            .stdout
            .contains("certificate  not believed: it is signed by nobody but itself\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn microsoft_wants_tokens_and_says_how_to_get_them() {
    let (home, server) = (Home::new(), Server::start());
    let place = format!("localhost:{}", server.port());
    let setup = |more: &[&str]| {
        let mut arguments = vec![
            "fetch",
            "setup",
            "me@outlook.com",
            "--pin",
            "--server",
            &place,
        ];
        arguments.extend(more);
        home.run(&arguments, "redqueen\n")
    };
    let ended = setup(&[]).with(78);
    for text in [
        "Microsoft takes no password for POP3, but tokens of OAuth2",
        "POP.AccessAsUser.All",
        "auth = { oauth = \"microsoft\", client_id = \"ID\", flow = \"device\" }\n",
    ] {
        assert!(ended.stdout.contains(text), "{text}\n{}", ended.stdout);
    }
    assert_eq!(
        ended.stderr,
        "restante: a password would be refused here\n  \
         when you have the id of a client: restante fetch setup me@outlook.com --client-id ID\n"
    );
    assert!(!home.configuration().exists());
    let ended = setup(&["--client-id", "0a1b"]).with(0);
    assert!(
        ended.stdout.ends_with(
            "\nNow:\n  # log in with the provider, once\n  restante fetch auth login me\n  \
             # fetch into ~/Mail/me\n  restante fetch me\n  \
             # and from then on every 5 minutes\n  restante fetch install-timer\n"
        ),
        "{}",
        ended.stdout
    );
    let ended = home.run(&["fetch", "me"], "").with(79);
    assert_eq!(
        ended.stderr,
        "restante: me: nobody has logged in at microsoft\n  run `restante fetch auth login me`\n"
    );
    // Another server behind such an address may take a password; it is asked if one is given.
    let ended = setup(&["--stdin", "--user", "bob", "--name", "bob"]).with(0);
    assert!(
        ended.stdout.contains("login        as bob, by "),
        "{}",
        ended.stdout
    );
}

#[test]
fn nothing_is_written_when_the_login_fails() {
    let (home, server) = (Home::new(), Server::start());
    let address = server.address();
    let ended = home
        .run(&["fetch", "setup", &address, "--pin", "--stdin"], "wrong\n")
        .with(77);
    assert!(
        ended.stderr.starts_with("restante: bob: the login was refused: ")
            && ended.stderr.ends_with(
                "\n  check user and password; many providers want an app password or OAuth2, and POP3 switched on in their settings\n"
            ),
        "{}",
        ended.stderr
    );
    // Without a terminal nobody is asked.
    let ended = home
        .run(&["fetch", "setup", &address, "--pin"], "")
        .with(64);
    assert!(
        ended
            .stderr
            .contains("there is no terminal to ask for the password"),
        "{}",
        ended.stderr
    );
    assert!(!home.configuration().exists());
    assert!(!home.state("bob.password").exists());
    assert!(!home.state("bob.ledger").exists());
}

#[test]
fn a_ledger_of_another_account_is_not_written_into() {
    let (home, server) = (Home::new(), Server::start());
    home.set_up(&server);
    fs::remove_file(home.configuration()).unwrap();
    // The same account once more goes on with what it knows.
    home.set_up(&server);
    home.run(&["fetch"], "").with(0);
    fs::remove_file(home.configuration()).unwrap();
    let arguments = ["fetch", "setup", &server.address(), "--pin", "--stdin"];
    let ended = home.run(&arguments, "redqueen\n").with(0);
    assert!(
        ended.stdout.contains(
            "ledger       HOME/.local/state/restante/fetch/bob.ledger is there already; what it knows is not fetched again\n"
        ),
        "{}",
        ended.stdout
    );
    fs::remove_file(home.configuration()).unwrap();
    fs::write(home.state("bob.password"), "his\n").unwrap();
    let address = server.address().replace("localhost", "127.0.0.1");
    let ended = home
        .run(
            &["fetch", "setup", &address, "--pin", "--stdin"],
            "redqueen\n",
        )
        .with(78);
    assert!(
        ended.stderr.ends_with(
            "\n  give this account another name (--name NAME), or move HOME/.local/state/restante/fetch/bob.ledger away\n"
        ),
        "{}",
        ended.stderr
    );
    assert_eq!(
        fs::read_to_string(home.state("bob.password")).unwrap(),
        "his\n"
    );
}

#[test]
fn a_password_command_is_asked_and_nothing_is_kept() {
    let (home, server) = (Home::new(), Server::start());
    let address = server.address();
    fs::create_dir_all(home.path(".config/restante")).unwrap();
    fs::write(home.configuration(), "# mine\nparallel = 2").unwrap();
    home.run(
        &[
            "fetch",
            "setup",
            &address,
            "--pin",
            "--password-command",
            "printf 'redqueen\\n'",
        ],
        "",
    )
    .with(0);
    let written = fs::read_to_string(home.configuration()).unwrap();
    assert!(
        written.starts_with("# mine\nparallel = 2\n\n[account.bob]\n"),
        "{written}"
    );
    assert!(!home.state("bob.password").exists());
    home.run(&["fetch"], "").with(0);
    assert_eq!(count(&home.path("Mail/bob")), 2);
}

#[test]
fn a_server_without_tls_is_named_as_that() {
    let (home, server) = (Home::new(), Server::start());
    let address = format!("bob@localhost:{}", server.clear_port());
    let ended = home
        .run(&["fetch", "setup", &address, "--stdin"], "redqueen\n")
        .with(69);
    assert!(
        ended.stderr.ends_with(
            "\n  if TLS begins there after STLS, add --starttls; if there is none and nobody is between, --insecure\n"
        ),
        "{}",
        ended.stderr
    );
    for (more, security) in [
        (
            &["--starttls", "--pin", "--name", "stls"][..],
            "inside TLS after STLS",
        ),
        (
            &["--insecure", "--name", "clear"],
            "in clear, the password too",
        ),
    ] {
        let mut arguments = vec!["fetch", "setup", &address, "--stdin"];
        arguments.extend(more);
        let ended = home.run(&arguments, "redqueen\n").with(0);
        assert!(ended.stdout.contains(security), "{}", ended.stdout);
    }
    home.run(&["fetch"], "").with(0);
    assert_eq!(count(&home.path("Mail/stls")), 2);
    assert_eq!(count(&home.path("Mail/clear")), 2);
}

#[test]
fn what_is_no_address_is_told() {
    let home = Home::new();
    for (arguments, what) in [
        (
            &["bob"][..],
            "\"bob\" is no address\n  write bob@example.org, or bob@pop.example.org:995",
        ),
        (
            &["all@localhost"],
            "no account can be called \"all\"\n  choose a name: restante fetch setup all@localhost --name NAME",
        ),
        (
            &["bob@localhost", "--keep", "soon"],
            "--keep \"soon\" says nothing that is known",
        ),
        (
            &["bob@localhost:1", "--client-id", "x", "--insecure"],
            "localhost is neither Microsoft's nor Google's",
        ),
    ] {
        let mut words = vec!["fetch", "setup"];
        words.extend(arguments);
        let ended = home.run(&words, "").with(64);
        assert!(
            ended.stderr.contains(what),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn at_a_terminal_everything_is_asked_for_and_a_wrong_password_once_more() {
    let (home, server) = (Home::new(), Server::start());
    let command = format!(
        "env -u XDG_CONFIG_HOME -u XDG_STATE_HOME -u XDG_RUNTIME_DIR -u SSL_CERT_FILE HOME={} {} fetch setup {}",
        home.path("").display(),
        env!("CARGO_BIN_EXE_restante"),
        server.address()
    );
    let pin = "Is that the SHA-256 which the server's owner tells?";
    let password = "Password of bob at localhost: ";
    // Who says --yes is asked nothing, not even there.
    let ended = script(&format!("{command} --yes"), &[]).with(69);
    assert!(!ended.stdout.contains(pin), "{}", ended.stdout);
    let ended = script(&format!("{command} --yes --pin"), &[]).with(64);
    assert!(
        ended.stdout.ends_with(
            "restante: nothing is asked, and there is no password\n  \
             give it by --stdin or --password-file FILE, or leave --yes out\n"
        ),
        "{}",
        ended.stdout
    );
    let ended = script(&command, &[(pin, "n")]).with(69);
    assert!(ended.stdout.contains("--pin\n"), "{}", ended.stdout);
    assert!(!home.configuration().exists());
    let ended = script(
        &command,
        &[(pin, "y"), (password, "white"), (password, "redqueen")],
    )
    .with(0);
    for text in [
        "pinned: this one is believed from now on, and no other\n",
        "restante: bob: the login was refused: ",
        "maildrop     2 messages (320 octets)\n",
    ] {
        assert!(ended.stdout.contains(text), "{text}\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("redqueen"), "{}", ended.stdout);
    assert_eq!(
        fs::read_to_string(home.state("bob.password")).unwrap(),
        "redqueen\n"
    );
}

#[test]
fn several_who_set_accounts_up_at_once_lose_none() {
    let (home, server) = (Home::new(), Server::start());
    let address = server.address();
    let names = ["one", "two", "three", "four"];
    let set_up = |name: &str| {
        let words = [
            "fetch", "setup", &address, "--pin", "--stdin", "--name", name,
        ];
        home.run(&words, "redqueen\n").with(0)
    };
    std::thread::scope(|scope| {
        let running = names.map(|name| scope.spawn(move || set_up(name)));
        running.into_iter().for_each(|it| drop(it.join().unwrap()));
    });
    let text = fs::read_to_string(home.configuration()).unwrap();
    for name in names {
        assert_eq!(
            text.matches(&format!("[account.{name}]\n")).count(),
            1,
            "{text}"
        );
    }
    home.run(&["fetch"], "").with(0);
    assert_eq!(
        names.map(|name| count(&home.path(&format!("Mail/{name}")))),
        [2; 4]
    );
}
