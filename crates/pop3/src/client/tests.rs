//! What transcripts cannot show: limits, endless input, and what must not be sent when.

use super::*;
use crate::MessageNumber;

fn n(number: u32) -> MessageNumber {
    MessageNumber::new(number).unwrap()
}

/// A session that has read this much, all at once.
fn session(settings: Settings, input: &[u8]) -> Session {
    let mut session = Session::new(settings, Channel::Tls);
    feed(&mut session, input).unwrap();
    session
}

fn feed(session: &mut Session, mut input: &[u8]) -> Result<Vec<Event>, Broken> {
    let (mut events, mut text) = (Vec::new(), Vec::new());
    loop {
        let read = session.read(input, &mut text)?;
        input = &input[read.consumed..];
        match read.event {
            Some(event) => events.push(event),
            None => return Ok(events),
        }
    }
}

fn send(session: &mut Session, commands: &[Command]) -> Result<Vec<u8>, CannotSend> {
    let mut out = Vec::new();
    for command in commands {
        session.send(command, &mut out)?;
    }
    Ok(out)
}

fn logged_in(settings: Settings) -> Session {
    let mut session = session(settings, b"+OK\r\n");
    send(&mut session, &login()).unwrap();
    feed(&mut session, b"+OK\r\n+OK\r\n").unwrap();
    session
}

fn login() -> [Command; 2] {
    [
        Command::User("bob".into()),
        Command::Pass(Secret::new("redqueen")),
    ]
}

#[test]
fn lists_that_do_not_end_are_cut_short() {
    let settings = Settings {
        messages_max: 3,
        capabilities_octets_max: 20,
        ..Settings::default()
    };
    for (command, reply) in [
        (Command::List(None), "1 1\r\n1 1\r\n1 1\r\n1 1\r\n"),
        (Command::List(None), "x\r\nx\r\nx\r\nx\r\n"),
        (Command::List(None), "4 1\r\n"),
        (Command::Uidl(None), "1 a\r\n1 a\r\n1 a\r\n1 a\r\n"),
        (Command::Uidl(None), "4294967295 a\r\n"),
        (Command::Capa, "TOP\r\nUSER\r\nUIDL\r\nSTLS\r\n"),
        (
            Command::Capa,
            "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
        ),
    ] {
        let mut session = logged_in(settings);
        send(&mut session, &[command]).unwrap();
        let found = feed(&mut session, format!("+OK\r\n{reply}").as_bytes());
        assert_eq!(found, Err(Broken::TooMuch), "{reply}");
        // And there is no way back.
        assert_eq!(feed(&mut session, b".\r\n"), Err(Broken::TooMuch));
        assert_eq!(send(&mut session, &[Command::Noop]), Err(CannotSend::Over));
    }
}

#[test]
fn mechanisms_that_do_not_end_are_cut_short() {
    let settings = Settings {
        capabilities_octets_max: 20,
        ..Settings::default()
    };
    let mut session = session(settings, b"+OK\r\n");
    send(&mut session, &[Command::AuthList]).unwrap();
    let found = feed(&mut session, b"+OK\r\nPLAIN\r\nLOGIN\r\nCRAM-MD5\r\n");
    assert_eq!(found, Err(Broken::TooMuch));
}

#[test]
fn a_server_that_asks_for_ever_asks_in_vain() {
    let mut session = session(Settings::default(), b"+OK\r\n");
    let auth = Command::Auth {
        mechanism: "X".into(),
        initial_response: None,
    };
    send(&mut session, &[auth]).unwrap();
    let answer = Answer::Respond(Secret::new(""));
    let found = (0..).find_map(|_| match feed(&mut session, b"+ \r\n") {
        Ok(_) => session.answer(&answer, &mut Vec::new()).err().map(|_| None),
        Err(broken) => Some(Some(broken)),
    });
    assert_eq!(found, Some(Some(Broken::TooMuch)));
}

#[test]
fn as_many_commands_wait_as_are_allowed() {
    let settings = Settings {
        unanswered_max: 2,
        ..Settings::default()
    };
    let mut session = logged_in(settings);
    send(&mut session, &[Command::Noop, Command::Noop]).unwrap();
    assert_eq!(
        send(&mut session, &[Command::Noop]),
        Err(CannotSend::TooMany)
    );
    assert_eq!(session.unanswered(), 2);
    feed(&mut session, b"+OK\r\n").unwrap();
    send(&mut session, &[Command::Noop]).unwrap();
}

#[test]
fn a_line_without_end_is_no_reply() {
    let mut session = Session::new(Settings::default(), Channel::Tls);
    let line = vec![b'a'; 65_535];
    assert_eq!(feed(&mut session, &line), Ok(Vec::new()));
    let line = vec![b'a'; 65_536];
    assert_eq!(feed(&mut session, &line), Err(Broken::LineTooLong));
}

#[test]
fn a_refused_command_leaves_nothing_in_the_output() {
    let mut session = session(Settings::default(), b"+OK\r\n");
    let mut out = Vec::new();
    for (command, why) in [
        (Command::User("two words".into()), CannotSend::NotALine),
        (Command::Stat, CannotSend::NotLoggedIn),
        (Command::Stls, CannotSend::InsideTls),
    ] {
        assert_eq!(session.send(&command, &mut out), Err(why));
    }
    let secret = Secret::new("tanstaaf");
    let apop = session.apop("mrose", &secret, &mut out);
    assert_eq!(apop, Err(CannotSend::NoTimestamp));
    let answer = session.answer(&Answer::Cancel, &mut out);
    assert_eq!(answer, Err(CannotSend::NotChallenged));
    assert!(out.is_empty() && session.unanswered() == 0);
}

#[test]
fn nothing_follows_an_exchange_before_its_end() {
    let mut session = session(Settings::default(), b"+OK\r\n");
    let (mut out, secret) = (Vec::new(), Secret::new("\0bob\0redqueen"));
    let mechanism = |_: &[u8]| Answer::Cancel;
    let mut exchange =
        Exchange::begin(&mut session, "PLAIN", Some(secret), mechanism, &mut out).unwrap();
    assert_eq!(out, b"AUTH PLAIN AGJvYgByZWRxdWVlbg==\r\n");
    for command in [Command::Stat, Command::Quit, Command::Capa] {
        let refused = session.send(&command, &mut out);
        assert_eq!(refused, Err(CannotSend::Unanswered));
    }
    // A challenge, where there should be none, is no reason to say anything else.
    let events = feed(&mut session, b"+ YQ==\r\n").unwrap();
    let [Event::Challenge(challenge)] = &events[..] else {
        panic!("{events:?}");
    };
    out.clear();
    exchange.step(&mut session, challenge, &mut out).unwrap();
    assert_eq!(out, b"*\r\n");
    feed(&mut session, b"-ERR\r\n").unwrap();
    send(&mut session, &login()).unwrap();
}

#[test]
fn a_long_initial_response_waits_until_it_is_asked_for() {
    // "AUTH PLAIN " and CRLF leave 242 octets, that is 60 groups of four.
    for (octets, on_the_line) in [(0, true), (180, true), (181, false), (5000, false)] {
        let mut session = session(Settings::default(), b"+OK\r\n");
        let (mut out, secret) = (Vec::new(), Secret::new(vec![b'x'; octets]));
        let mechanism = |_: &[u8]| Answer::Cancel;
        Exchange::begin(&mut session, "PLAIN", Some(secret), mechanism, &mut out).unwrap();
        assert_eq!(out != b"AUTH PLAIN\r\n", on_the_line, "{octets}");
        assert!(out.len() <= 255);
    }
}

#[test]
fn only_the_answer_to_quit_tells_that_anything_is_deleted() {
    let dele = Command::Dele(n(1));
    let mut session = logged_in(Settings::default());
    send(&mut session, std::slice::from_ref(&dele)).unwrap();
    feed(&mut session, b"+OK\r\n").unwrap();
    assert_eq!(session.outcome(), Outcome::NothingDeleted);
    send(&mut session, &[Command::Noop, Command::Quit]).unwrap();
    assert_eq!(session.outcome(), Outcome::Unknown);
    feed(&mut session, b"+OK\r\n+O").unwrap();
    assert_eq!(session.outcome(), Outcome::Unknown);
    let mut lost = logged_in(Settings::default());
    send(&mut lost, &[Command::Quit]).unwrap();
    assert_eq!(feed(&mut lost, b"nonsense\r\n"), Err(Broken::NotAReply));
    assert_eq!(lost.outcome(), Outcome::Unknown);

    let status = Status::parse(b"-ERR [SYS/TEMP] not now").unwrap();
    for (reply, outcome) in [
        (&b"+OK bye\r\n"[..], Outcome::Deleted),
        (b"-ERR [SYS/TEMP] not now\r\n", Outcome::Refused(status)),
    ] {
        let mut session = logged_in(Settings::default());
        send(&mut session, &[dele.clone(), Command::Quit]).unwrap();
        feed(&mut session, b"+OK\r\n").unwrap();
        feed(&mut session, reply).unwrap();
        assert_eq!(session.outcome(), outcome);
        // What comes after the end means nothing.
        assert_eq!(feed(&mut session, b"+OK more\r\n"), Ok(Vec::new()));
    }

    // Nobody was logged in, so nothing can have been deleted.
    for login in [Vec::new(), login().to_vec()] {
        let mut session = self::session(Settings::default(), b"+OK\r\n");
        send(&mut session, &login).unwrap();
        feed(&mut session, &b"-ERR\r\n".repeat(login.len())).unwrap();
        send(&mut session, &[Command::Quit]).unwrap();
        assert_eq!(session.outcome(), Outcome::NothingDeleted);
        feed(&mut session, b"+OK\r\n").unwrap();
        assert_eq!(session.outcome(), Outcome::NothingDeleted);
    }
}

#[test]
fn nothing_said_in_clear_counts_inside_tls() {
    let stls = || {
        let mut session = Session::new(Settings::default(), Channel::Plain);
        feed(&mut session, b"+OK ready <1.2@mailgate.dobbs.org>\r\n").unwrap();
        send(&mut session, &[Command::Stls]).unwrap();
        feed(&mut session, b"+OK begin\r\n").unwrap();
        session
    };
    assert!(matches!(stls().start_tls(b"+OK"), Err(Broken::BeforeTls)));
    assert_eq!(feed(&mut stls(), b"+"), Err(Broken::BeforeTls));
    let mut session = stls();
    assert_eq!(send(&mut session, &login()), Err(CannotSend::Unanswered));
    let mut session = session.start_tls(b"").unwrap();
    let apop = session.apop("mrose", &Secret::new("tanstaaf"), &mut Vec::new());
    assert_eq!(apop, Err(CannotSend::NoTimestamp));
    send(&mut session, &login()).unwrap();
    // Without an accepted STLS there is no way inside.
    let fresh = Session::new(Settings::default(), Channel::Plain);
    assert!(matches!(fresh.start_tls(b""), Err(Broken::NotAgreed)));
}

#[test]
fn no_secret_is_printed() {
    let mut session = session(Settings::default(), b"+OK\r\n");
    send(&mut session, &login()).unwrap();
    let shown = format!("{session:?}");
    assert!(!shown.contains("redqueen"), "{shown}");
}
