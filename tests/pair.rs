//! Our client against our server, with no socket between them: whatever is asked, in whatever
//! pieces it travels, each answer is the one that a list of messages would give.

#![allow(clippy::unwrap_used, reason = "what fails here is a test")]

use pop3::client::{self, Event, Follows, Status};
use pop3::server::{Channel, Connection, Passwords, Sasl, Settings, Stls};
use pop3::wire::Form;
use pop3::{Command, Expire, MessageNumber, Octets, Part, Promise, UniqueId};
use proptest::prelude::*;
use restante_tests::driver::{Account, Driver, Message, Reading, Standing};
use sasl::nonce::Nonces;
use sasl::{Secret, plain};

/// A reply, complete.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Reply {
    status: String,
    lines: Vec<Vec<u8>>,
    text: Vec<u8>,
}

/// Both sides and what is on its way from one to the other.
struct Pair {
    driver: Driver,
    client: client::Session,
    /// From the server, not yet read by the client.
    incoming: Vec<u8>,
    /// Octets that travel together.
    piece: usize,
}

impl Pair {
    fn new(messages: Vec<Message>, piece: usize, output_octets_max: usize) -> Self {
        let settings = Settings {
            name: "dewey".into(),
            command_octets_max: 512,
            output_octets_max,
        };
        let connection = Connection {
            channel: Channel::Tls,
            passwords: Passwords::Accepted,
            stls: Stls::NotOffered,
            timestamp: "<1.2@mailgate.dobbs.org>".into(),
            expire: Promise::All(Expire::Never),
            sasl: Sasl::new(Nonces::new([0; 32])),
        };
        let account = Account {
            user: "bob".into(),
            password: Secret::new("red queen "),
            digest: Some([7; 16]),
            token: None,
            opening: None,
            committing: None,
            expire: Expire::Never,
            messages,
        };
        let mut pair = Self {
            driver: Driver::new(settings, connection, vec![account]),
            client: client::Session::new(Form::Plain),
            incoming: Vec::new(),
            piece,
        };
        let greeting = pair.replies(1);
        let expected = "+OK POP3 server ready <1.2@mailgate.dobbs.org>";
        assert_eq!(greeting[0].status, expected);
        pair
    }

    /// Sends commands without waiting in between, and reads the replies to all of them.
    fn ask(&mut self, commands: &[Command]) -> Vec<Reply> {
        let mut out = Vec::new();
        for command in commands {
            self.client.send(command, &mut out).unwrap();
        }
        self.carry(&out);
        let replies = self.replies(commands.len());
        assert_eq!(self.client.unanswered(), 0);
        replies
    }

    fn carry(&mut self, out: &[u8]) {
        for piece in out.chunks(self.piece) {
            self.driver.receive(piece);
        }
    }

    /// Reads so many replies, and checks that nothing is left over.
    fn replies(&mut self, count: usize) -> Vec<Reply> {
        let mut replies = Vec::new();
        let (mut lines, mut text, mut status) = (Vec::new(), Vec::new(), String::new());
        let said = self.driver.said();
        for piece in said.chunks(self.piece) {
            self.incoming.extend_from_slice(piece);
            loop {
                let read = self.client.read(&self.incoming, &mut text).unwrap();
                let mut complete = false;
                match read.event {
                    None => break,
                    Some(Event::Greeting(line)) => {
                        status = line.to_string();
                        complete = true;
                    }
                    Some(Event::Reply {
                        status: line,
                        follows,
                        ..
                    }) => {
                        status = line.to_string();
                        complete = follows == Follows::Nothing;
                    }
                    Some(Event::Line(line)) => lines.push(line.to_vec()),
                    Some(Event::Text) => {}
                    Some(Event::End) => complete = true,
                    Some(Event::Challenge(_)) => panic!("no exchange goes on"),
                }
                self.incoming.drain(..read.consumed);
                if complete {
                    replies.push(Reply {
                        status: std::mem::take(&mut status),
                        lines: std::mem::take(&mut lines),
                        text: std::mem::take(&mut text),
                    });
                }
            }
        }
        assert_eq!(replies.len(), count);
        assert!(self.incoming.is_empty());
        replies
    }
}

/// The maildrop as a list, and what is marked.
struct Model {
    messages: Vec<Message>,
    deleted: Vec<bool>,
}

impl Model {
    fn live(&self) -> impl Iterator<Item = (usize, &Message)> {
        self.messages
            .iter()
            .enumerate()
            .filter(|(index, _)| !self.deleted[*index])
            .map(|(index, message)| (index + 1, message))
    }

    fn find(&self, number: MessageNumber) -> Result<&Message, &'static str> {
        match self.messages.get(number.index()) {
            None => Err("-ERR no such message"),
            Some(_) if self.deleted[number.index()] => Err("-ERR message is deleted"),
            Some(message) => Ok(message),
        }
    }

    fn counts(&self) -> (usize, u64) {
        let octets = self.live().map(|(_, message)| message.octets).sum();
        (self.live().count(), octets)
    }

    fn answer(&mut self, command: &Command) -> Reply {
        let (count, octets) = self.counts();
        let messages = match count {
            1 => "1 message".to_owned(),
            _ => format!("{count} messages"),
        };
        let mut reply = Reply {
            status: "+OK".into(),
            lines: Vec::new(),
            text: Vec::new(),
        };
        match *command {
            Command::Stat => reply.status = format!("+OK {count} {octets}"),
            Command::List(None) => {
                reply.status = format!("+OK {messages} ({octets} octets)");
                reply.lines = self
                    .live()
                    .map(|(number, message)| format!("{number} {}", message.octets).into_bytes())
                    .collect();
            }
            Command::Uidl(None) => {
                reply.status = format!("+OK {messages}");
                reply.lines = self
                    .live()
                    .map(|(number, message)| format!("{number} {}", message.unique_id).into_bytes())
                    .collect();
            }
            Command::List(Some(number)) => {
                reply.status = match self.find(number) {
                    Ok(message) => format!("+OK {number} {}", message.octets),
                    Err(refusal) => refusal.into(),
                }
            }
            Command::Uidl(Some(number)) => {
                reply.status = match self.find(number) {
                    Ok(message) => format!("+OK {number} {}", message.unique_id),
                    Err(refusal) => refusal.into(),
                }
            }
            Command::Retr(number) => match self.find(number) {
                Ok(message) => {
                    reply.status = format!("+OK {} octets", message.octets);
                    reply.text.clone_from(&message.text);
                }
                Err(refusal) => reply.status = refusal.into(),
            },
            Command::Top(number, lines) => match self.find(number) {
                Ok(message) => {
                    reply.status = "+OK top of message follows".into();
                    reply.text = top(&message.text, lines);
                }
                Err(refusal) => reply.status = refusal.into(),
            },
            Command::Dele(number) => match self.find(number) {
                Ok(_) => {
                    self.deleted[number.index()] = true;
                    reply.status = format!("+OK message {number} deleted");
                }
                Err(refusal) => reply.status = refusal.into(),
            },
            Command::Rset => {
                self.deleted.fill(false);
                let (count, octets) = self.counts();
                let s = if count == 1 { "" } else { "s" };
                reply.status = format!("+OK maildrop has {count} message{s} ({octets} octets)");
            }
            Command::Noop => {}
            _ => panic!("not a command of this test"),
        }
        reply
    }
}

/// TOP, line by line, as RFC 1939 §7 words it.
fn top(text: &[u8], lines: u64) -> Vec<u8> {
    let (mut top, mut left, mut in_body) = (Vec::new(), lines, false);
    for line in text.split_inclusive(|&octet| octet == b'\n') {
        if in_body {
            if left == 0 {
                break;
            }
            left -= 1;
        }
        top.extend_from_slice(line);
        in_body |= line == b"\r\n";
    }
    top
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(String::new()),
        "\\.{1,3}",
        "\\.?[a-z:. \0\r]{0,20}[a-z]",
        Just("x".repeat(2000)),
    ];
    prop::collection::vec(line, 0..8).prop_map(|lines| {
        let lines = lines.into_iter().map(|line| line + "\r\n");
        lines.collect::<String>().into_bytes()
    })
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    prop::collection::vec(message(), 0..12).prop_map(|texts| {
        let texts = texts.into_iter().enumerate();
        texts
            .map(|(index, text)| Message {
                octets: text.len() as u64,
                text,
                unique_id: UniqueId::new(format!("{index:x}.!~").into_bytes()).unwrap(),
                reading: Reading::Works,
            })
            .collect()
    })
}

fn command() -> impl Strategy<Value = Command> {
    let number = || (1u32..14).prop_map(|number| MessageNumber::new(number).unwrap());
    prop_oneof![
        Just(Command::Stat),
        Just(Command::Noop),
        Just(Command::Rset),
        prop::option::of(number()).prop_map(Command::List),
        prop::option::of(number()).prop_map(Command::Uidl),
        number().prop_map(Command::Retr),
        (number(), 0u64..6).prop_map(|(number, lines)| Command::Top(number, lines)),
        number().prop_map(Command::Dele),
        number().prop_map(Command::Dele),
    ]
}

fn login() -> impl Strategy<Value = Vec<Command>> {
    let secret = || Secret::new("red queen ");
    prop_oneof![
        Just(vec![Command::User("bob".into()), Command::Pass(secret())]),
        Just(vec![Command::Apop {
            user: "bob".into(),
            digest: [7; 16],
        }]),
        Just(vec![Command::Auth {
            mechanism: "PLAIN".into(),
            initial_response: Some(plain::message(None, "bob", &secret())),
        }]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn each_answer_is_that_of_a_list(
        messages in messages(),
        login in login(),
        commands in prop::collection::vec(command(), 0..40),
        batch in 1usize..40,
        piece in 1usize..300,
        output_octets_max in prop::sample::select(&[0usize, 600, 65_536][..]),
        quits: bool,
    ) {
        let mut pair = Pair::new(messages.clone(), piece, output_octets_max);
        let deleted = vec![false; messages.len()];
        let mut model = Model { messages, deleted };

        let welcome = pair.ask(&login).pop().unwrap();
        let (count, octets) = model.counts();
        let s = if count == 1 { "" } else { "s" };
        let expected = format!("+OK bob's maildrop has {count} message{s} ({octets} octets)");
        prop_assert_eq!(welcome.status, expected);

        let (mut retrieved, mut octets_retrieved) = (0, 0);
        for batch in commands.chunks(batch) {
            let expected: Vec<_> = batch.iter().map(|command| model.answer(command)).collect();
            prop_assert_eq!(&pair.ask(batch), &expected);
            for (command, reply) in batch.iter().zip(&expected) {
                if matches!(command, Command::Retr(_)) && reply.status.starts_with("+OK") {
                    retrieved += 1;
                    octets_retrieved += reply.text.len() as u64;
                }
            }
        }

        let left: Vec<_> = match quits {
            true => model.live().map(|(_, message)| message.unique_id.clone()).collect(),
            false => model.messages.iter().map(|message| message.unique_id.clone()).collect(),
        };
        if quits {
            let bye = pair.ask(&[Command::Quit]).pop().unwrap();
            let rest = match left.len() {
                0 => "maildrop empty".to_owned(),
                1 => "1 message left".to_owned(),
                count => format!("{count} messages left"),
            };
            let expected = format!("+OK dewey POP3 server signing off ({rest})");
            prop_assert_eq!(bye.status, expected);
            prop_assert_eq!(pair.driver.standing(), Standing::Closed);
        }
        let found = &pair.driver.accounts()[0].messages;
        let found: Vec<_> = found.iter().map(|message| message.unique_id.clone()).collect();
        prop_assert_eq!(&found, &left);

        let summary = pair.driver.summary();
        prop_assert_eq!(summary.user.as_deref(), Some("bob"));
        prop_assert_eq!(summary.messages_retrieved, retrieved);
        prop_assert_eq!(summary.octets_retrieved, octets_retrieved);
        prop_assert_eq!(summary.messages_left, left.len());
        let deleted = model.messages.len() - left.len();
        prop_assert_eq!(summary.messages_deleted, deleted);
    }
}

#[test]
fn an_exchange_in_two_steps() {
    let mut pair = Pair::new(Vec::new(), 3, 512);
    let auth = Command::Auth {
        mechanism: "PLAIN".into(),
        initial_response: None,
    };
    let mut out = Vec::new();
    pair.client.send(&auth, &mut out).unwrap();
    pair.carry(&out);
    let said = pair.driver.said();
    let read = pair.client.read(&said, &mut Vec::new()).unwrap();
    assert_eq!(read.consumed, said.len());
    assert_eq!(read.event, Some(Event::Challenge(Secret::new(""))));

    let mut out = Vec::new();
    let message = plain::message(None, "bob", &Secret::new("red queen "));
    pair.client.respond(&message, &mut out);
    pair.carry(&out);
    let reply = pair.replies(1).pop().unwrap();
    let expected = "+OK bob's maildrop has 0 messages (0 octets)";
    assert_eq!(reply.status, expected);
}

#[test]
fn the_client_reads_what_the_server_lists() {
    let text = b"a\r\n".to_vec();
    let message = |id: &str| Message {
        text: text.clone(),
        octets: 3,
        unique_id: UniqueId::new(id.as_bytes()).unwrap(),
        reading: Reading::Works,
    };
    let mut pair = Pair::new(vec![message("x.1"), message("x.2")], 5, 512);
    pair.ask(&[
        Command::User("bob".into()),
        Command::Pass(Secret::new("red queen ")),
    ]);
    let second = MessageNumber::new(2).unwrap();
    let replies = pair.ask(&[
        Command::Stat,
        Command::List(None),
        Command::Uidl(None),
        Command::retrieve(second, Part::Whole),
    ]);
    let stat = Status::parse(replies[0].status.as_bytes()).unwrap().stat();
    assert_eq!(stat, Some((2, Octets(6))));
    let size = client::scan_line(&replies[1].lines[1]);
    assert_eq!(size, Some((second, Octets(3))));
    let id = client::unique_id_line(&replies[2].lines[1]);
    assert_eq!(id, Some((second, UniqueId::new(*b"x.2").unwrap())));
    assert_eq!(replies[3].text, text);
}
