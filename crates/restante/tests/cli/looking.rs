//! `restante fetch` beside fetching: what is on the server is listed, shown, fetched one by one, deleted, marked; and what is known is told.

use std::fs;
use std::path::{Path, PathBuf};

use crate::accounts::with_bob;
use crate::run::{Ended, Site, finish, program};
use crate::serving::{Server, servable};
use crate::terminal::script;

/// A header with everything that a terminal must not see, and two that are plain.
const MESSAGES: [&str; 3] = [
    "From: Rabbit <rabbit@example.org>\nSubject: =?utf-8?q?t=C3=A9?= \x1b[31mone\n\
     Date: Sun, 22 Nov 2026 08:24:39 +0000\n\n.one\x1b[2J\n",
    "From: hare@example.org\nSubject: two\nDate: Fri, 20 Nov 2026 08:24:39 +0000\n\ntwo\n",
    "From: hare@example.org\nSubject: three\n\nthree\n",
];

/// A server with bob's mail, and somebody who fetches from it.
struct Place {
    _site: Site,
    server: Server,
    here: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let site = with_bob();
        servable(&site);
        for message in MESSAGES {
            site.run(&["deliver", "bob"], message.as_bytes()).with(0);
        }
        let server = Server::quiet(&site);
        let place = Self {
            _site: site,
            server,
            here: tempfile::tempdir().unwrap(),
        };
        place.configure("");
        place
    }

    fn configure(&self, more: &str) {
        let port = self.server.pop3.rsplit_once(':').unwrap().1;
        let here = self.here.path().display();
        let text = format!(
            "state = \"{here}/state\"\n[account.work]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"bob\"\ntls = \"none\"\n\
             insecure = true\nauth = {{ password_command = [\"echo\", \"redqueen\"] }}\n\
             deliver = {{ maildir = \"{here}/Mail\" }}\n{more}"
        );
        fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.path("fetch.toml")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.here.path().join(name)
    }

    fn fetch(&self, arguments: &[&str]) -> Ended {
        let mut ended = finish(
            program()
                .env("XDG_CONFIG_HOME", self.path("config"))
                .arg("-c")
                .arg(self.config())
                .arg("fetch")
                .args(arguments),
            b"",
        );
        let place = self.here.path().display().to_string();
        for text in [&mut ended.stdout, &mut ended.stderr] {
            *text = text.replace(&place, "HERE");
        }
        ended
    }

    /// At a terminal, with these answers.
    fn at_terminal(&self, arguments: &str, answers: &[(&str, &str)]) -> Ended {
        let program = env!("CARGO_BIN_EXE_restante");
        let config = self.config();
        script(
            &format!("{program} -c {} fetch {arguments}", config.display()),
            answers,
        )
    }

    /// The listing as JSON.
    fn listed(&self) -> Vec<serde_json::Value> {
        let ended = self.fetch(&["list", "work", "--headers", "--json"]).with(0);
        let lines = ended.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What is known of each message, in the order of their numbers.
    fn states(&self) -> Vec<String> {
        let state = |it: &serde_json::Value| it["state"].as_str().unwrap().to_owned();
        self.listed().iter().map(state).collect()
    }

    /// The key of a message.
    fn key(&self, place: usize) -> String {
        self.listed()[place]["uidl"].as_str().unwrap().to_owned()
    }

    fn subjects(&self) -> Vec<String> {
        let subject = |it: &serde_json::Value| it["subject"].as_str().unwrap().to_owned();
        self.listed().iter().map(subject).collect()
    }

    /// The files of a Maildir.
    fn files(&self, maildir: &str) -> Vec<PathBuf> {
        let Ok(files) = fs::read_dir(self.path(maildir).join("new")) else {
            return Vec::new();
        };
        files.map(|file| file.unwrap().path()).collect()
    }

    fn ledger(&self) -> PathBuf {
        self.path("state/work.ledger")
    }
}

/// A Maildir of another program.
fn maildir(path: &Path, messages: &[&str]) {
    fs::create_dir_all(path.join("new")).unwrap();
    fs::create_dir_all(path.join("cur")).unwrap();
    for (place, message) in messages.iter().enumerate() {
        let received = format!("Received: by another\nX-Getmail: x\n{message}");
        fs::write(path.join(format!("cur/{place}.other:2,S")), received).unwrap();
    }
}

#[test]
fn a_listing_says_what_is_known_and_keeps_a_terminal_whole() {
    let place = Place::new();
    let keys: Vec<String> = (0..3).map(|it| place.key(it)).collect();
    let plain = place.fetch(&["list", "work"]).with(0);
    assert_eq!(
        plain.stdout,
        format!(
            "     1           125  new                 {}\n     2            84  new                 {}\n     \
             3            49  new                 {}\n",
            keys[0], keys[1], keys[2]
        )
    );
    let with_headers = place.fetch(&["list", "work", "--headers"]).with(0).stdout;
    let lines: Vec<&str> = with_headers.lines().collect();
    assert_eq!(
        lines[1],
        "        Sun, 22 Nov 2026 08:24:39 +0000  Rabbit <rabbit@example.org>  t\u{e9} \u{fffd}[31mone"
    );
    assert_eq!(lines[5], "        hare@example.org  three");
    let shown = place.at_terminal("list work", &[]).with(0);
    assert_eq!(shown.stdout, with_headers);
    // Nothing was fetched, and no ledger made.
    assert!(!place.ledger().exists() && place.files("Mail").is_empty());

    let unknown = place.fetch(&["list", "home"]).with(64);
    assert_eq!(
        unknown.stderr,
        "restante: there is no account \"home\" in HERE/fetch.toml\n  it has: work\n"
    );
}

#[test]
fn a_message_is_shown_as_it_is_and_a_terminal_kept_whole() {
    let place = Place::new();
    let shown = place.fetch(&["show", "work", "1"]).with(0);
    assert_eq!(shown.stdout, MESSAGES[0]);
    let key = place.key(1);
    let shown = place.fetch(&["show", "work", &key, "--header"]).with(0);
    let header = MESSAGES[1].split_once("\n\n").unwrap().0;
    assert_eq!(shown.stdout, format!("{header}\n\n"));
    let shown = place.at_terminal("show work 1", &[]).with(0);
    assert_eq!(shown.stdout, MESSAGES[0].replace('\x1b', "\u{fffd}"));
    let missing = place.fetch(&["show", "work", "4"]).with(65);
    assert_eq!(
        missing.stderr,
        "restante: work: the server does not list a message 4: it has 3 now\n  see what it has: restante fetch list work\n"
    );
    place.fetch(&["show", "work", "0"]).with(64);
}

#[test]
fn one_message_is_fetched_whatever_its_size_and_once() {
    let place = Place::new();
    place.configure("max_size = \"50\"\nkeep = false\ndelete_at_once = true\n");
    place.fetch(&["work"]).with(0);
    assert_eq!(place.states(), ["too-large", "too-large"]);
    let got = place.fetch(&["get", "work", "2"]).with(0);
    assert!(
        got.stdout
            .starts_with("work: 1 new message (84 octets) in "),
        "{}",
        got.stdout
    );
    assert!(
        got.stdout.ends_with(", 2 on the server\n"),
        "{}",
        got.stdout
    );
    assert_eq!(place.states(), ["too-large", "delivered"]);
    assert_eq!(place.files("Mail").len(), 2);
    let key = place.key(1);
    let again = place.fetch(&["get", "work", &key]).with(0);
    assert!(again.stderr.starts_with(&format!(
        "restante: work: message 2 ({key}) was fetched on 20"
    )));
    assert!(
        again.stderr.ends_with("; --again delivers it once more\n"),
        "{}",
        again.stderr
    );
    assert_eq!(place.files("Mail").len(), 2);
    place.fetch(&["get", "work", &key, "--again"]).with(0);
    assert_eq!(place.files("Mail").len(), 3);
    place.fetch(&["get", "work", "3"]).with(65);
}

#[test]
fn what_is_deleted_by_hand_is_what_was_shown() {
    let place = Place::new();
    let first = place.key(0);
    let refused = place.fetch(&["delete", "work", "1"]).with(64);
    assert_eq!(
        refused.stderr,
        "restante: there is no terminal to ask whether messages shall be deleted\n  add --yes\n"
    );
    let kept = place
        .at_terminal("delete work 1", &[("Type yes to go on:", "no")])
        .with(64);
    assert!(
        kept.stdout.contains("t\u{e9} \u{fffd}[31mone\n"),
        "{}",
        kept.stdout
    );
    assert!(
        kept.stdout
            .contains("Delete 1 message from the server, 1 of which you do not have?")
    );
    assert!(
        kept.stdout.ends_with("restante: nothing was deleted\n"),
        "{}",
        kept.stdout
    );
    assert_eq!(place.subjects().len(), 3);

    place.fetch(&["get", "work", "1"]).with(0);
    let deleted = place.at_terminal(
        "delete work 1",
        &[(
            "Delete 1 message from the server? Type yes to go on:",
            "yes",
        )],
    );
    assert!(
        deleted
            .with(0)
            .stdout
            .ends_with("1 message deleted from the server.\n")
    );
    // What was message 2 is message 1 now, which nobody has seen so.
    let other = place.fetch(&["delete", "work", "1", "--yes"]).with(65);
    assert!(
        other.stderr.starts_with(
            "restante: work: message 1 is not the one any more that `list` has shown\n"
        ),
        "{}",
        other.stderr
    );
    assert_eq!(place.subjects(), ["two", "three"]);
    let gone = place.fetch(&["delete", "work", &first, "--yes"]).with(65);
    assert!(
        gone.stderr.contains("does not list a message u:"),
        "{}",
        gone.stderr
    );
    let deleted = place
        .fetch(&["delete", "work", "1", "2", "1", "--yes"])
        .with(0);
    assert!(
        deleted
            .stdout
            .ends_with("2 messages deleted from the server.\n")
    );
    assert_eq!(
        deleted.stderr,
        "2 messages were never fetched from here: nothing of it is left then\n"
    );
    let empty = place.fetch(&["list", "work"]).with(0);
    assert_eq!(
        (empty.stdout.as_str(), empty.stderr.as_str()),
        ("", "The maildrop of work is empty.\n")
    );
    let status = place.fetch(&["status"]).with(0).stdout;
    assert!(
        status.contains("  ledger     1 message is known, 0 of them on the server; "),
        "{status}"
    );
}

#[test]
fn messages_are_marked_by_number_by_day_and_all() {
    let place = Place::new();
    let wrong = place.fetch(&["mark-seen", "work"]).with(64);
    assert_eq!(
        wrong.stderr,
        "restante: no message is named\n  name some by their numbers, or say --all, or --before 2026-01-31\n"
    );
    let wrong = place
        .fetch(&["mark-seen", "work", "--before", "soon"])
        .with(64);
    assert_eq!(
        wrong.stderr,
        "restante: \"soon\" is no day\n  write it as 2026-01-31\n"
    );
    let before = place
        .fetch(&["mark-seen", "work", "--before", "2026-11-21"])
        .with(0);
    assert_eq!(
        before.stdout,
        "1 message counts as fetched from now on, 0 did before.\n"
    );
    assert_eq!(
        before.stderr,
        "1 message has no date that can be read, and will be fetched; restante fetch mark-seen work N marks one by its number\n"
    );
    assert_eq!(place.states(), ["new", "seen", "new"]);
    place.fetch(&["mark-seen", "work", "3"]).with(0);
    place.fetch(&["work"]).with(0);
    assert_eq!(place.states(), ["delivered", "seen", "seen"]);
    let all = place.fetch(&["mark-seen", "work", "--all"]).with(0);
    assert_eq!(
        all.stdout,
        "0 messages count as fetched from now on, 3 did before.\n"
    );
}

#[test]
fn what_is_older_than_asked_for_stays_and_is_fetched_later() {
    let place = Place::new();
    let wrong = place.fetch(&["work", "--since", "lately"]).with(64);
    assert_eq!(
        wrong.stderr,
        "restante: --since \"lately\" is neither an age nor a day\n  \
         write an age such as 30d or 12h, or a day such as 2026-01-31\n"
    );
    let (first, third) = (place.key(0), place.key(2));
    let dry = place
        .fetch(&["work", "--since", "2026-11-21", "--dry-run", "--verbose"])
        .with(0);
    assert_eq!(
        dry.stdout,
        format!(
            "work: would fetch 1 ({first}), 125 octets\nwork: would fetch 3 ({third}), 49 octets\n\
             work: would leave 1 message that came in before\n"
        )
    );
    let run = place
        .fetch(&["work", "--since", "2026-11-21", "--verbose"])
        .with(0);
    assert!(
        run.stdout
            .starts_with("work: 2 new messages (174 octets) in ")
            && run.stdout.ends_with(", 1 older, 3 on the server\n"),
        "{}",
        run.stdout
    );
    assert_eq!(place.states(), ["delivered", "new", "delivered"]);
    let age = place.fetch(&["work", "--since", "1s", "--json"]).with(0);
    assert!(age.stdout.contains("\"older\":1,"), "{}", age.stdout);
    place.fetch(&["work"]).with(0);
    assert_eq!(place.states(), ["delivered"; 3]);
}

#[test]
fn mail_that_is_there_is_adopted_and_not_fetched_again() {
    let place = Place::new();
    maildir(&place.path("Mail"), &MESSAGES[..1]);
    maildir(&place.path("Mail/.Archive"), &MESSAGES[1..2]);
    let stopped = place.fetch(&["work"]).with(78);
    assert!(
        stopped.stderr.contains("restante fetch adopt work"),
        "{}",
        stopped.stderr
    );
    let dry = place.fetch(&["adopt", "work", "--dry-run"]).with(0);
    assert_eq!(
        dry.stdout,
        "2 of 3 messages on the server are there already, 1 would be fetched.\n"
    );
    assert_eq!(dry.stderr, "work: 2 messages were looked at here\n");
    assert!(!place.ledger().exists());
    let adopted = place.fetch(&["adopt", "work"]).with(0);
    assert_eq!(
        adopted.stdout,
        "2 of 3 messages on the server are there already, 1 will be fetched.\n"
    );
    assert_eq!(place.states(), ["seen", "seen", "new"]);
    place.fetch(&["work"]).with(0);
    assert_eq!(place.files("Mail").len(), 1);

    // Of our own files the names are enough, whatever has become of what is in them.
    fs::write(&place.files("Mail")[0], "").unwrap();
    fs::write(place.ledger(), "not one line of it can be read\n").unwrap();
    let again = place.fetch(&["adopt", "work"]).with(0);
    assert!(
        again
            .stderr
            .starts_with("the ledger that was there is HERE/state/work.ledger."),
        "{}",
        again.stderr
    );
    assert_eq!(
        again.stdout,
        "3 of 3 messages on the server are there already, 0 will be fetched.\n"
    );
    assert_eq!(place.states(), ["seen", "seen", "delivered"]);
    place.fetch(&["work"]).with(0);
    assert_eq!(place.files("Mail").len(), 1);
}

#[test]
fn what_was_fetched_under_another_name_of_the_server_is_taken_over() {
    let place = Place::new();
    place.fetch(&["work"]).with(0);
    for file in place.files("Mail") {
        fs::remove_file(file).unwrap();
    }
    let config = fs::read_to_string(place.config()).unwrap();
    let renamed = config.replace("\"127.0.0.1\"", "\"localhost\"");
    fs::write(
        place.config(),
        format!("{renamed}keep = \"until-deleted\"\n"),
    )
    .unwrap();
    let stopped = place.fetch(&["work"]).with(78);
    assert!(
        stopped
            .stderr
            .contains("restante fetch adopt work takes the ledger over"),
        "{}",
        stopped.stderr
    );
    let adopted = place.fetch(&["adopt", "work"]).with(0);
    assert_eq!(
        adopted.stdout,
        "3 of 3 messages on the server are there already, 0 will be fetched.\n"
    );
    assert!(
        adopted
            .stderr
            .starts_with("the ledger that was there is HERE/state/work.ledger.")
    );
    // Nothing of it comes again, and nothing is taken for deleted because its file was named after another account.
    place.fetch(&["work"]).with(0);
    place.fetch(&["work"]).with(0);
    assert!(place.files("Mail").is_empty());
    assert_eq!(place.states(), ["seen", "seen", "seen"]);
}

#[test]
fn a_server_that_is_away_leaves_no_ledger_behind() {
    let place = Place::new();
    let Place { server, here, .. } = place;
    server.stop();
    let config = here.path().join("fetch.toml");
    for arguments in [
        &["mark-seen", "work", "--all"][..],
        &["adopt", "work", "."],
        &["delete", "work", "1", "--yes"],
        &["list", "work"],
    ] {
        let mut command = program();
        let command = command.current_dir(here.path()).arg("-c").arg(&config);
        let code = if arguments[0] == "adopt" { 66 } else { 69 };
        let ended = finish(command.arg("fetch").args(arguments), b"").with(code);
        assert!(
            ended.stderr.contains("\n  "),
            "what to do: {}",
            ended.stderr
        );
    }
    assert!(!here.path().join("state/work.ledger").exists());
}

#[test]
fn an_mbox_is_adopted_and_what_is_none_is_told() {
    let place = Place::new();
    let mbox = place.path("mbox").display().to_string();
    let from = "From MAILER-DAEMON Fri Nov 20 08:24:39 2026\n";
    fs::write(&mbox, format!("{from}Status: RO\n{}\n", MESSAGES[1])).unwrap();
    let adopted = place.fetch(&["adopt", "work", &mbox]).with(0);
    assert_eq!(
        adopted.stdout,
        "1 of 3 messages on the server are there already, 2 will be fetched.\n"
    );
    assert_eq!(place.states(), ["new", "seen", "new"]);
    fs::write(&mbox, "nothing of the kind").unwrap();
    let wrong = place.fetch(&["adopt", "work", &mbox]).with(66);
    assert_eq!(
        wrong.stderr,
        "restante: HERE/mbox does not begin as an mbox does\n  \
         name a Maildir (with new/ and cur/), a directory of them, or an mbox file\n"
    );
}

#[test]
fn the_status_is_told_without_the_server_and_while_another_holds_the_ledger() {
    let place = Place::new();
    let never = place.fetch(&["status"]).with(0);
    let port = place.server.pop3.rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(
        never.stdout,
        format!("work  bob@127.0.0.1:{port}\n  last run   never\n  ledger     none\n")
    );
    let wants = place.path("config/systemd/user/timers.target.wants");
    fs::create_dir_all(&wants).unwrap();
    let timer = wants.join("restante-fetch@work.timer");
    std::os::unix::fs::symlink("/nowhere", &timer).unwrap();
    let timed = place.fetch(&["status"]).with(0).stdout;
    let line =
        "  next run   by restante-fetch@work.timer; systemctl --user list-timers says when\n";
    assert!(timed.contains(line), "{timed}");
    fs::remove_file(timer).unwrap();
    place.configure("max_size = \"100\"\n");
    place.fetch(&["work"]).with(0);
    // A server that is away changes nothing.
    let Place { server, here, .. } = place;
    server.stop();
    let lock = fs::File::open(here.path().join("state/work.ledger.lock")).unwrap();
    lock.lock().unwrap();
    // A daemon that comes back, and one that was killed.
    fs::write(here.path().join("state/work.next"), "32503680000\n").unwrap();
    let config = here.path().join("fetch.toml");
    let mut command = program();
    let command = command
        .env("XDG_CONFIG_HOME", here.path().join("config"))
        .arg("-c")
        .arg(config)
        .args(["fetch", "status", "work"]);
    let status = finish(command, b"").with(0).stdout;
    fs::write(here.path().join("state/work.next"), "1000000000\n").unwrap();
    let later = finish(command, b"").with(0).stdout;
    assert!(!later.contains("next run"), "{later}");
    assert!(status.contains("  last run   20"), "{status}");
    assert!(
        status.contains("Z: 2 new messages (133 octets), 1 too large, 3 on the server\n"),
        "{status}"
    );
    assert!(
        status.contains("  ledger     3 messages are known, 3 of them on the server; 1 session\n"),
        "{status}"
    );
    assert!(
        status.contains(
            "  too large  1 on the server; restante fetch list work names them, restante fetch get work N fetches one\n"
        ),
        "{status}"
    );
    assert!(
        status.contains("  server     USER, PIPELINING, SASL "),
        "{status}"
    );
}
