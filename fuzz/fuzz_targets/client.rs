//! A client in the hands of a hostile server: whatever it says, in whatever pieces, the same events come
//! of it, none that was not asked for, nothing is kept without limit, and nothing is sent in clear or
//! deleted by mistake.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::client::{
    Answer, Broken, CannotSend, Channel, Credentials, Event, LineEnds, Outcome, Session, Settings,
};
use pop3::wire::Form;
use pop3::{Command, Keyword, MessageNumber};
use sasl::Secret;

/// What the client is told to do, from the first two octets of the input.
#[derive(Clone, Copy)]
struct Conduct([u8; 2]);

/// Short, so that every limit is met.
const LINE_OCTETS_MAX: usize = 200;
const MESSAGES_MAX: u32 = 20;

impl Conduct {
    fn chooses(self, bit: u8) -> bool {
        self.0[0] & bit != 0
    }

    fn settings(self) -> Settings {
        Settings {
            form: if self.chooses(1) {
                Form::Stuffed
            } else {
                Form::Plain
            },
            line_ends: if self.chooses(2) {
                LineEnds::LfToo
            } else {
                LineEnds::Crlf
            },
            credentials: Credentials::InsideTls,
            line_octets_max: LINE_OCTETS_MAX,
            capabilities_octets_max: 400,
            messages_max: MESSAGES_MAX,
            unanswered_max: 32,
        }
    }

    fn channel(self) -> Channel {
        if self.chooses(4) {
            Channel::Plain
        } else {
            Channel::Tls
        }
    }

    /// What the client would like to send, in this order, as soon as it may.
    fn commands(self) -> Vec<Command> {
        let n = |number| MessageNumber::new(number).expect("not 0");
        let mut commands = vec![Command::Capa];
        if self.chooses(4) {
            commands.push(Command::Stls);
        }
        if self.chooses(8) {
            let mechanism = "X".into();
            let initial_response = None;
            commands.push(Command::Auth {
                mechanism,
                initial_response,
            });
        } else {
            commands.push(Command::User("bob".into()));
            commands.push(Command::Pass(Secret::new("redqueen")));
        }
        let chosen = [
            Command::Stat,
            Command::List(None),
            Command::Uidl(None),
            Command::Retr(n(1)),
            Command::Top(n(2), 3),
            Command::Dele(n(1)),
            Command::List(Some(n(2))),
            Command::Uidl(Some(n(2))),
        ];
        for (bit, command) in chosen.into_iter().enumerate() {
            if self.0[1] & 1 << bit != 0 {
                commands.push(command);
            }
        }
        if self.chooses(16) {
            commands.push(Command::Quit);
        }
        commands
    }
}

/// What came of a session.
#[derive(Debug, Default, Eq, PartialEq)]
struct Course {
    /// All events but those of texts, which depend on the pieces.
    events: Vec<Event>,
    text: Vec<u8>,
    sent: Vec<u8>,
    broken: Option<Broken>,
}

/// Sends what may be sent now.
fn send(session: &mut Session, commands: &mut Vec<Command>, sent: &mut Vec<u8>) {
    while let Some(command) = commands.last() {
        match session.send(command, sent) {
            Ok(()) => {
                commands.pop();
            }
            Err(
                CannotSend::BeforeGreeting
                | CannotSend::Unanswered
                | CannotSend::NotLoggedIn
                | CannotSend::InClear
                | CannotSend::Over,
            ) => return,
            Err(why) => panic!("{command:?}: {why}"),
        }
    }
}

fn play(conduct: Conduct, input: &[u8], piece: usize) -> Course {
    let mut session = Session::new(conduct.settings(), conduct.channel());
    let mut commands = conduct.commands();
    commands.reverse();
    let mut course = Course::default();
    let (mut waiting, mut text, mut answered) = (Vec::new(), Vec::new(), 0);
    let count = commands.len();
    let mut in_clear = conduct.channel() == Channel::Plain;
    'pieces: for octets in input.chunks(piece) {
        waiting.extend_from_slice(octets);
        loop {
            let read = match session.read(&waiting, &mut text) {
                Ok(read) => read,
                Err(broken) => {
                    assert_eq!(session.read(b"+OK\r\n", &mut text), Err(broken.clone()));
                    course.broken = Some(broken);
                    break 'pieces;
                }
            };
            assert!(read.consumed <= waiting.len());
            waiting.drain(..read.consumed);
            answered += usize::from(read.answered.is_some());
            let Some(event) = read.event else {
                break;
            };
            if let Event::Text(octets) = &event {
                assert!(octets.0 <= text.len() as u64);
                course.text.append(&mut text);
                continue;
            }
            course.text.append(&mut text);
            match &event {
                Event::TlsReady => {
                    assert!(in_clear);
                    // What is left over was in clear.
                    let fresh = Session::new(conduct.settings(), Channel::Tls);
                    let before = std::mem::replace(&mut session, fresh);
                    if !waiting.is_empty() {
                        let after = before.start_tls(&waiting);
                        assert!(matches!(after, Err(Broken::BeforeTls)));
                        break 'pieces;
                    }
                    session = before.start_tls(b"").expect("nothing was left over");
                    in_clear = false;
                }
                Event::Challenge(_) => {
                    let answer = match conduct.chooses(32) {
                        true => Answer::Respond(Secret::new("a")),
                        false => Answer::Cancel,
                    };
                    session
                        .answer(&answer, &mut course.sent)
                        .expect("it was asked");
                }
                Event::Size { number, .. } | Event::UniqueId { number, .. } => {
                    assert!(number.get() <= MESSAGES_MAX);
                }
                Event::SignedOff(_) => assert!(session.outcome() != Outcome::Unknown),
                Event::Refused { to, .. } => assert!(*to != Keyword::Quit || conduct.chooses(16)),
                _ => {}
            }
            course.events.push(event);
            assert!(course.events.len() <= 8 + 2 * (count + 2 * MESSAGES_MAX as usize) + 64);
            send(&mut session, &mut commands, &mut course.sent);
        }
        assert!(
            waiting.len() < LINE_OCTETS_MAX,
            "the session lets input wait"
        );
        let shows = |word: &[u8]| course.sent.windows(4).any(|octets| octets == word);
        assert!(!in_clear || !(shows(b"USER") || shows(b"PASS") || shows(b"AUTH")));
    }
    assert!(answered + session.unanswered() <= count);
    let quit = course.sent.ends_with(b"QUIT\r\n");
    match session.outcome() {
        Outcome::NothingDeleted => {}
        Outcome::Unknown | Outcome::Deleted | Outcome::Refused(_) => assert!(quit),
    }
    course
}

fuzz_target!(|data: &[u8]| {
    let [first, second, piece, input @ ..] = data else {
        return;
    };
    let conduct = Conduct([*first, *second]);
    // Where TLS begins, what is left over depends on the pieces, so both plays have the same.
    let one = usize::from(*piece).max(1);
    let course = play(conduct, input, one);
    if conduct.channel() == Channel::Tls {
        assert_eq!(course, play(conduct, input, 1));
    }
});
