//! `restante demo`: the session is the one of RFC 1939 §10 word for word, and what is suggested works.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::run::{finish, program, run};

/// The session, but for the timestamp and the texts of the messages.
const SESSION: &str = "\
S: +OK POP3 server ready <TIMESTAMP@mailgate.dobbs.org>
C: USER bob
S: +OK bob
C: PASS redqueen
S: +OK bob's maildrop has 2 messages (320 octets)
C: STAT
S: +OK 2 320
C: LIST
S: +OK 2 messages (320 octets)
S: 1 120
S: 2 200
S: .
C: RETR 1
S: +OK 120 octets
S: <the text of message 1>
S: .
C: DELE 1
S: +OK message 1 deleted
C: RETR 2
S: +OK 200 octets
S: <the text of message 2>
S: .
C: DELE 2
S: +OK message 2 deleted
C: QUIT
S: +OK dewey POP3 server signing off (maildrop empty)
";

pub(crate) struct Demo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it has printed up to the end of its suggestions.
    pub(crate) said: String,
}

impl Demo {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = program()
            .args(["demo", "--free-ports"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.ends_with("Ctrl-C ends it.\n") {
            let octets = stdout.read_line(&mut said).unwrap();
            assert_ne!(octets, 0, "the demo ended: {said}");
        }
        Self {
            child,
            stdout,
            said,
        }
    }

    /// Presses Ctrl-C; what it says then, and everything on standard error.
    pub(crate) fn stop(mut self) -> (String, String) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let (mut last, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut last).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        (last, stderr)
    }

    /// Ends it, whatever it has said.
    pub(crate) fn end(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        // Not SIGKILL, which would leave its directory.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
        let _ = self.child.wait();
    }

    /// The session that was played, with timestamp and texts blotted out.
    fn session(&self) -> String {
        let mut session = String::new();
        let mut message = None;
        let mut octets = 0;
        for line in self.said.lines() {
            match (message, line) {
                (Some(number), "S: .") => {
                    assert_eq!(octets, [120, 200][number - 1]);
                    session.push_str(&format!("S: <the text of message {number}>\nS: .\n"));
                    message = None;
                }
                (Some(_), line) if line.starts_with("S: +OK") => {
                    session.push_str(&format!("{line}\n"))
                }
                (Some(_), line) => octets += line.strip_prefix("S: ").unwrap().len() + 2,
                (None, line) if line.starts_with("C: ") || line.starts_with("S: ") => {
                    let (before, after) = match line.split_once('<') {
                        Some((before, after)) => (before, after.split_once('@').unwrap().1),
                        None => (line, ""),
                    };
                    let timestamp = if after.is_empty() { "" } else { "<TIMESTAMP@" };
                    session.push_str(&format!("{before}{timestamp}{after}\n"));
                    if let Some(number) = line.strip_prefix("C: RETR ") {
                        message = Some(number.parse::<usize>().unwrap());
                        octets = 0;
                    }
                }
                _ => {}
            }
        }
        session
    }

    /// The suggested commands.
    fn commands(&self) -> Vec<String> {
        let (_, after) = self.said.split_once("in another terminal:\n").unwrap();
        after
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }
}

#[test]
fn the_session_is_played_word_for_word_and_nothing_else_is_said() {
    let demo = Demo::start(&[]);
    assert_eq!(demo.session(), SESSION);
    let data = demo
        .said
        .split_once("data     ")
        .unwrap()
        .1
        .split_once(',')
        .unwrap()
        .0
        .to_owned();
    assert!(std::fs::exists(&data).unwrap());
    let (last, stderr) = demo.stop();
    // A blank line comes first, unless Ctrl-C was quicker than the demo's last words.
    assert_eq!(
        last.trim_start(),
        "The post office is closed; nothing is left of it.\n"
    );
    assert_eq!(stderr, "");
    assert!(!std::fs::exists(&data).unwrap(), "the data is thrown away");
}

#[test]
fn what_is_suggested_works_when_pasted() {
    let demo = Demo::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let commands = demo.commands();
    assert_eq!(commands.len(), 9);
    let expected: [(&str, &[&str]); 9] = [
        ("curl", &["1 120", "2 200"]),
        ("curl", &["Subject: Welcome"]),
        ("curl", &["Subject: How it works"]),
        (
            "openssl",
            &[
                "+OK bob's maildrop has 2 messages (320 octets)",
                "signing off (2 messages left)",
            ],
        ),
        ("mpop", &["new: 2 messages in 320 bytes"]),
        (
            "restante",
            &[
                "pinned: this one is believed from now on",
                "2 messages (320 octets)",
            ],
        ),
        ("restante", &[]),
        ("curl", &["250 2.0.0", "221 2.0.0"]),
        ("restante", &["     1 ", "     4 "]),
    ];
    for (command, (tool, said)) in commands.iter().zip(expected) {
        let installed = finish(
            Command::new("sh").args(["-c", &format!("command -v {tool}")]),
            b"",
        );
        if tool != "restante" && installed.code != 0 {
            println!("SKIPPED: {tool} is not installed: {command}");
            continue;
        }
        let mut shell = Command::new("timeout");
        shell
            .args(["30", "sh", "-c", command])
            .current_dir(directory.path())
            .env("HOME", directory.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME");
        let ended = finish(&mut shell, b"").with(0);
        for words in said {
            assert!(
                ended.stdout.contains(words),
                "{command}\n{}{}",
                ended.stdout,
                ended.stderr
            );
        }
    }
    let mail = directory.path().join("Mail/bob/new");
    assert_eq!(std::fs::read_dir(mail).unwrap().count(), 2);
    let (_, stderr) = demo.stop();
    assert_eq!(stderr, "");
}

#[test]
fn kept_data_is_kept_and_mail_in_it_is_not_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("it's mine");
    let data = data.to_str().unwrap();
    let demo = Demo::start(&["--data", data]);
    assert_eq!(demo.session(), SESSION);
    let (last, _) = demo.stop();
    assert!(last.contains("its data is in "), "{last}");
    // Again: the letters of the first time are the ones that it needs.
    let demo = Demo::start(&["--data", data]);
    assert_eq!(demo.session(), SESSION);
    let deliver = demo
        .commands()
        .into_iter()
        .find(|command| command.contains("deliver bob"))
        .unwrap();
    finish(Command::new("sh").args(["-c", &deliver]), b"").with(0);
    demo.stop();
    // With other mail in it, nothing is played.
    let demo = Demo::start(&["--data", data]);
    assert_eq!(demo.session(), "");
    assert!(
        demo.said
            .contains("bob's maildrop holds 3 of your messages"),
        "{}",
        demo.said
    );
    demo.stop();
}

#[test]
fn a_directory_of_others_and_a_port_in_use_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("accounts.db"), "").unwrap();
    let path = directory.path().to_str().unwrap();
    let ended = run(&["demo", "--free-ports", "--data", path], b"").with(64);
    assert_eq!(
        ended.stderr,
        format!(
            "restante: {path} holds files that no demo has made\n  \
             name a new directory: bob's password is known to everybody\n"
        )
    );
    // Whoever has the port already, this test or somebody else.
    let _port = std::net::TcpListener::bind("127.0.0.1:1110");
    let ended = run(&["demo"], b"").with(69);
    assert!(
        ended
            .stderr
            .contains("cannot listen on 127.0.0.1:1110 (pop3): "),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.ends_with(
            "\n  stop the other program, or use free ports: restante demo --free-ports\n"
        ),
        "{}",
        ended.stderr
    );
}
