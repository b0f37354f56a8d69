//! `restante fetch install-timer` and `restante fetch secret`.

use std::fs;
use std::process::Command;

use super::{Home, Server};
use crate::run::finish;

#[test]
fn units_are_written_and_systemd_has_nothing_against_them() {
    let (home, server) = (Home::new(), Server::start());
    home.set_up(&server);
    let ended = home
        .run(&["fetch", "install-timer", "--every", "10m"], "")
        .with(0);
    let directory = home.path(".config/systemd/user");
    assert!(
        ended.stdout.starts_with(
            "written: HOME/.config/systemd/user/restante-fetch@.service\n\
             written: HOME/.config/systemd/user/restante-fetch@.timer\n\n\
             Now:\n  systemctl --user daemon-reload\n  systemctl --user enable --now restante-fetch@bob.timer\n"
        ),
        "{}",
        ended.stdout
    );
    let service = fs::read_to_string(directory.join("restante-fetch@.service")).unwrap();
    for line in [
        format!(
            "ExecStart={} fetch --verbose %i",
            env!("CARGO_BIN_EXE_restante")
        ),
        format!("ReadWritePaths=-{}", home.path("Mail").display()),
        format!(
            "ReadWritePaths=-{}",
            home.state("").display().to_string().trim_end_matches('/')
        ),
        "Type=oneshot".to_owned(),
        "#   LoadCredential=%i:%h/.config/restante/%i.password".to_owned(),
    ] {
        assert!(service.lines().any(|it| it == line), "{line}\n{service}");
    }
    // What is to be written to must be there before.
    assert!(home.path("Mail").is_dir());
    let timer = fs::read_to_string(directory.join("restante-fetch@.timer")).unwrap();
    assert!(
        timer.contains("OnUnitInactiveSec=600s\nRandomizedDelaySec=120s\n"),
        "{timer}"
    );
    verify(&directory);

    // Where the shell has its directories, the units have them, too.
    fs::create_dir_all(home.path("c o/restante")).unwrap();
    fs::copy(home.configuration(), home.path("c o/restante/fetch.toml")).unwrap();
    let mut command = home.program();
    command
        .args(["fetch", "install-timer", "--directory", "units"])
        .current_dir(home.path(""))
        .env("XDG_CONFIG_HOME", home.path("c o"));
    home.end(&mut command, "").with(0);
    let service = fs::read_to_string(home.path("units/restante-fetch@.service")).unwrap();
    let line = format!(
        "Environment=\"XDG_CONFIG_HOME={}\"",
        home.path("c o").display()
    );
    assert!(service.lines().any(|it| it == line), "{service}");
    verify(&home.path("units"));

    let ended = home
        .run(&["fetch", "install-timer", "--every", "10s"], "")
        .with(64);
    assert_eq!(
        ended.stderr,
        "restante: a server is asked once a minute at most\n  give at least 1m; most providers want no less than 5m\n"
    );
}

/// By systemd itself, where it is.
fn verify(directory: &std::path::Path) {
    let has = finish(
        Command::new("sh").args(["-c", "command -v systemd-analyze"]),
        b"",
    );
    if has.code != 0 {
        println!("SKIPPED: systemd-analyze is not installed");
        return;
    }
    for unit in ["restante-fetch@.service", "restante-fetch@.timer"] {
        // An instance, since a template alone cannot be verified by old versions.
        let file = directory.join(unit.replace("@.", "@bob."));
        fs::copy(directory.join(unit), &file).unwrap();
        for manager in ["--user", "--system"] {
            let told = complaints(manager, &file);
            assert_eq!(told, "", "{manager}");
        }
    }
    // It would say if something were wrong.
    let service = directory.join("restante-fetch@bob.service");
    let text = fs::read_to_string(&service).unwrap();
    fs::write(&service, text.replace("UMask=", "UMsk=")).unwrap();
    let told = complaints("--user", &service);
    assert!(told.contains("UMsk"), "{told}");
    for unit in ["restante-fetch@bob.service", "restante-fetch@bob.timer"] {
        fs::remove_file(directory.join(unit)).unwrap();
    }
}

/// What systemd has against one of our units.
fn complaints(manager: &str, unit: &std::path::Path) -> String {
    let mut analyze = Command::new("systemd-analyze");
    analyze.args([manager, "verify"]).arg(unit);
    // A manager of a user has one.
    analyze.env("XDG_RUNTIME_DIR", unit.parent().unwrap());
    let ended = finish(&mut analyze, b"");
    let ours = ended.stderr.lines();
    let ours: Vec<&str> = ours.filter(|it| it.contains("restante-fetch")).collect();
    match (ended.code, ours.is_empty()) {
        (0, _) | (_, false) => ours.join("\n"),
        (code, true) => format!("it ended with {code}: {}{}", ended.stdout, ended.stderr),
    }
}

#[test]
fn without_a_keyring_the_other_places_are_named() {
    let (home, server) = (Home::new(), Server::start());
    home.set_up(&server);
    for words in [&["set", "bob", "--stdin"][..], &["delete", "bob"]] {
        let mut arguments = vec!["fetch", "secret"];
        arguments.extend(words);
        let mut command = home.program();
        command
            .args(&arguments)
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
        let ended = home.end(&mut command, "redqueen\n").with(69);
        assert!(
            ended.stderr.starts_with("restante: bob: the keyring cannot be used: ")
                && ended.stderr.ends_with(
                    "\n  without a keyring: auth = { password_file = \"/path\" }, or a password_command\n"
                ),
            "{}",
            ended.stderr
        );
    }
    let ended = home.run(&["fetch", "secret", "delete", "x"], "").with(64);
    assert_eq!(
        ended.stderr,
        "restante: there is no account \"x\" in HOME/.config/restante/fetch.toml\n  it has: bob\n"
    );
}

#[test]
fn who_has_no_login_by_oauth_is_told_how_to_get_one() {
    let (home, server) = (Home::new(), Server::start());
    home.set_up(&server);
    let ended = home.run(&["fetch", "auth", "status"], "").with(0);
    assert_eq!(ended.stdout, "bob: a password\n");
    let ended = home.run(&["fetch", "auth", "login", "bob"], "").with(64);
    assert_eq!(
        ended.stderr,
        "restante: bob has no login by OAuth2\n  \
         write auth = { oauth = \"microsoft\", client_id = \"…\" } in [account.bob] (docs/fetching.md)\n"
    );
    let text = "[account.work]\nhost = \"outlook.office365.com\"\nuser = \"me@example.com\"\n\
                auth = { oauth = \"microsoft\", client_id = \"x\" }\n\
                deliver = [{ maildir = \"~/Mail\" }, { gmail = { oauth = \"google\", client_id = \"y\" } }]\n";
    fs::write(home.configuration(), text).unwrap();
    let ended = home.run(&["fetch", "auth", "status", "work"], "").with(79);
    assert_eq!(
        ended.stdout,
        "work: nobody has logged in at microsoft; restante fetch auth login work\n\
         work-gmail: nobody has logged in at google; restante fetch auth login work-gmail\n"
    );
    let ended = home
        .run(&["fetch", "auth", "logout", "work-gmail"], "")
        .with(0);
    assert_eq!(ended.stdout, "work-gmail: nobody was logged in\n");
}
