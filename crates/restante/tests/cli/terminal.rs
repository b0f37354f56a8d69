//! What is asked at a terminal. `script` of util-linux gives the program one.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::accounts::with_bob;
use crate::run::{Ended, Site};

/// Runs the program at a terminal, and answers each question when it is asked.
///
/// Both outputs come back as one, as a terminal shows them.
fn at_terminal(site: &Site, arguments: &str, answers: &[(&str, &str)]) -> Ended {
    let program = env!("CARGO_BIN_EXE_restante");
    let config = site.config();
    let command = format!("{program} -c {} {arguments}", config.display());
    script(&command, answers)
}

/// The same for any line of a shell.
pub(crate) fn script(command: &str, answers: &[(&str, &str)]) -> Ended {
    script_while(command, answers, || ())
}

/// The same; something happens while each question is open.
fn script_while(command: &str, answers: &[(&str, &str)], happens: impl Fn()) -> Ended {
    let mut child = Command::new("timeout")
        .args(["60", "script", "--quiet", "--return", "--command", command])
        .arg("/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    let mut from = 0;
    for (question, answer) in answers {
        while !String::from_utf8_lossy(&shown[from..]).contains(question) {
            let mut octet = [0];
            let octets = stdout.read(&mut octet).unwrap();
            assert_ne!(octets, 0, "{question}: {}", String::from_utf8_lossy(&shown));
            shown.push(octet[0]);
        }
        from = shown.len();
        happens();
        writeln!(stdin, "{answer}").unwrap();
    }
    stdout.read_to_end(&mut shown).unwrap();
    Ended {
        code: child.wait().unwrap().code().unwrap(),
        stdout: String::from_utf8(shown).unwrap().replace('\r', ""),
        stderr: String::new(),
    }
}

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    let site = Site::new();
    let asked = [
        ("Password for mrose: ", "red queen"),
        ("Once more: ", "red queen"),
    ];
    let ended = at_terminal(&site, "user add mrose", &asked).with(0);
    assert!(ended.stdout.contains("Account mrose is made.\n"));
    assert!(!ended.stdout.contains("red queen"), "{}", ended.stdout);

    let asked = [("Password for mrose: ", "white"), ("Once more: ", "wight")];
    let ended = at_terminal(&site, "user passwd mrose", &asked).with(65);
    assert!(
        ended
            .stdout
            .contains("the two passwords differ; nothing was changed")
    );

    // Nobody types in vain: neither a second time, nor for an account that is there already.
    let empty = [("Password for bob: ", "")];
    let ended = at_terminal(&site, "user add bob", &empty).with(65);
    assert!(ended.stdout.contains("the password is empty"));
    let ended = at_terminal(&site, "user add mrose", &[]).with(65);
    assert!(ended.stdout.contains("mrose"), "{}", ended.stdout);
}

#[test]
fn whoever_gives_up_gets_the_terminal_back_as_it_was() {
    let site = Site::new();
    let (program, config) = (env!("CARGO_BIN_EXE_restante"), site.config());
    // The shell lives on, as one that people type into does.
    let command = format!(
        "trap : INT; {program} -c {} user add mrose; echo code $?; stty -a",
        config.display()
    );
    for question in [
        &[("Password for mrose: ", "\x03")][..],
        &[
            ("Password for mrose: ", "red queen"),
            ("Once more: ", "\x03"),
        ],
    ] {
        let shown = script(&command, question).with(0).stdout;
        // By the signal, as if nobody had caught it.
        assert!(shown.contains("code 130\n"), "{shown}");
        assert!(shown.contains(" echo "), "{shown}");
        assert!(!shown.contains("red queen"), "{shown}");
    }
    // Whoever else ends it, too: by then the terminal edits no lines either.
    let command = format!(
        "timeout --foreground 1 {program} -c {} user add mrose; stty -a",
        config.display()
    );
    let shown = script(&command, &[]).with(0).stdout;
    assert!(shown.contains("Password for mrose: "), "{shown}");
    for mode in ["echo", "icanon", "isig"] {
        assert!(shown.split_whitespace().any(|word| word == mode), "{shown}");
    }
    site.run(&["user", "show", "mrose"], b"").with(74);
}

#[test]
fn mail_is_deleted_only_after_its_owners_name_was_typed() {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"x\n").with(0);
    let question = "This deletes bob and 1 message for ever.";
    for wrong in ["yes", "", "bo"] {
        let ended = at_terminal(&site, "user remove bob --delete-mail", &[(question, wrong)]);
        assert!(ended.with(64).stdout.contains("nothing was deleted"));
    }
    assert_eq!(site.run(&["user", "list"], b"").with(0).stdout, "bob\n");
    let typed = [(question, "bob")];
    let ended = at_terminal(&site, "user remove bob --delete-mail", &typed).with(0);
    assert!(ended.stdout.contains("its mail (1 message) are deleted"));
    assert_eq!(site.run(&["maildrop", "list"], b"").with(0).stdout, "");
}

#[test]
fn a_name_that_became_anothers_while_the_question_was_open_is_not_removed() {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"x\n").with(0);
    let add = || {
        let add = ["user", "add", "bob", "--stdin"];
        site.run(&add, b"redqueen\n").with(0);
    };
    let (program, config) = (env!("CARGO_BIN_EXE_restante"), site.config());
    let command = format!(
        "{program} -c {} user remove bob --delete-mail",
        config.display()
    );
    let another = "there is another account bob now; nothing was deleted";
    let renamed = || {
        let rename = ["user", "rename", "bob", "robert"];
        site.run(&rename, b"").with(0);
        add();
    };
    let asked = [("This deletes bob and 1 message for ever.", "bob")];
    let ended = script_while(&command, &asked, renamed).with(75);
    assert!(ended.stdout.contains(another), "{}", ended.stdout);
    let list = || site.run(&["user", "list"], b"").with(0).stdout;
    assert_eq!(list(), "bob\nrobert\n");
    let remove = ["user", "remove", "robert", "--delete-mail", "--yes"];
    let ended = site.run(&remove, b"").with(0);
    assert!(ended.stdout.contains("(1 message)"), "{}", ended.stdout);
    // One that was removed before, and its name is given to somebody else.
    site.run(&["user", "remove", "bob"], b"").with(0);
    let asked = [("This deletes bob and 0 messages for ever.", "bob")];
    let ended = script_while(&command, &asked, add).with(75);
    assert!(ended.stdout.contains(another), "{}", ended.stdout);
    assert_eq!(list(), "bob\n");
}
