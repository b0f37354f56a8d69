//! A whole session with a stranger: whatever comes, in whatever pieces, the same octets go back,
//! all of them well-formed, nothing waits without limit, and only QUIT deletes.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pop3::reply::Refusal;
use pop3::server::{
    Channel, Connection, Next, Passwords, Rules, SASL_OCTETS_MAX, Sasl, Session, Settings, Stls,
    Utf8Messages,
};
use pop3::surrogate::Surrogate;
use pop3::xclient::Speaker;
use pop3::{
    Disposition, Expire, Header, Language, Octets, Part, Promise, ScanListing, Tolerance,
    Tolerances, UniqueId, wire,
};
use sasl::nonce::Nonces;
use sasl::scram::Verifier;
use sasl::{Bindings, Login, Mechanism};

/// Texts as the store keeps them.
const TEXTS: [&[u8]; 4] = [
    b"Subject: a\r\n\r\n..one\r\ntwo\r\n",
    b"",
    b"\r\n..\r\n\xff\0[x]\r\n",
    b"Subject: \xc3\xa9\r\nX: \xff\r\n\r\n..\xff\r\n",
];

/// Octets of the header of a text.
fn header_octets(text: &[u8]) -> usize {
    let header = text.windows(4).position(|w| w == b"\r\n\r\n");
    header.map_or(text.len(), |end| end + 4)
}

/// What the driver is told to do, from the first octets of the input.
#[derive(Clone, Copy)]
struct Conduct(u8, u8);

impl Conduct {
    fn expire(self) -> Expire {
        if self.0 & 32 != 0 {
            Expire::Retrieved
        } else {
            Expire::Never
        }
    }

    fn rules(self) -> Rules {
        Rules {
            expire: self.expire(),
            disposition: match self.1 >> 6 {
                0 => Disposition::Delete,
                1 => Disposition::Hide,
                2 => Disposition::Keep,
                _ => Disposition::ReadOnly,
            },
        }
    }

    fn connection(self) -> Connection {
        let choose = |bit: u8| self.0 & bit != 0;
        Connection {
            channel: if choose(1) {
                Channel::Tls
            } else {
                Channel::Plain
            },
            passwords: if choose(2) {
                Passwords::AfterTls
            } else {
                Passwords::Accepted
            },
            stls: if choose(4) {
                Stls::Offered
            } else {
                Stls::NotOffered
            },
            speaker: if choose(64) {
                Speaker::FrontEnd
            } else {
                Speaker::Client
            },
            timestamp: "<1.2@mailgate.dobbs.org>".into(),
            expire: Promise::OnRequest,
            sasl: Sasl {
                mechanisms: Mechanism::ALL.to_vec(),
                bindings: Bindings {
                    tls_exporter: choose(64).then(|| vec![1; 32]),
                    tls_server_end_point: None,
                },
                certificate: choose(128).then(|| "bob".into()),
                ..Sasl::new(Nonces::new([0; 32]))
            },
        }
    }
}

/// What came of a session.
#[derive(Debug, Eq, PartialEq)]
struct Outcome {
    said: Vec<u8>,
    deleted: Option<usize>,
    ended: bool,
}

fn play(conduct: Conduct, input: &[u8], piece: usize, output_octets_max: usize) -> Outcome {
    let settings = Arc::new(Settings {
        name: "dewey".into(),
        command_octets_max: 255,
        output_octets_max,
        language: Language::English,
        utf8_messages: if conduct.0 & 64 != 0 {
            Utf8Messages::Refuse
        } else {
            Utf8Messages::Surrogate
        },
        tolerances: Tolerances::default()
            .with(Tolerance::Last)
            .with(Tolerance::Utf8AfterLogin),
        login_delay: None,
    });
    let mut session = Session::new(settings, conduct.connection());
    let (mut waiting, mut out) = (Vec::new(), Vec::new());
    let mut outcome = Outcome {
        said: Vec::new(),
        deleted: None,
        ended: false,
    };
    session.connection().greeting(&mut out);
    'pieces: for octets in input.chunks(piece) {
        waiting.extend_from_slice(octets);
        loop {
            let step = session.handle(&waiting, &mut out);
            waiting.drain(..step.consumed);
            // One reply of one line at most, beyond the limit.
            match step.next {
                Next::Read => {
                    outcome.said.append(&mut out);
                    break;
                }
                Next::Write => {
                    assert!(!out.is_empty());
                    outcome.said.append(&mut out);
                }
                Next::Forwarded(said) => {
                    assert!(conduct.connection().speaker == Speaker::FrontEnd);
                    match said.port {
                        Some(_) => session.refused(Refusal::TooManySessions, &mut out),
                        None => session.forwarded(Passwords::AfterTls, &mut out),
                    }
                }
                Next::Lookup { user, hash } => match user.len() {
                    0 => panic!("a name is not empty"),
                    1 => session.refused(Refusal::Unavailable, &mut out),
                    _ => session.found(Verifier::imaginary(hash, b"", &user, 4096), &mut out),
                },
                Next::Authenticate(Login::Proved { .. }) => panic!("nobody knows the password"),
                Next::Authenticate(login) => match login.user().len() {
                    0 => {
                        assert!(matches!(login, Login::Token { .. }), "a login has a name");
                        session.refused(Refusal::Credentials, &mut out);
                    }
                    1 => session.refused(Refusal::Credentials, &mut out),
                    2 => session.refused(Refusal::InUse, &mut out),
                    3 => session.refused(Refusal::TooSoon, &mut out),
                    _ => {
                        let mut listing = ScanListing::default();
                        if conduct.1 & 32 != 0 {
                            listing.leave_some_out();
                        }
                        for (index, text) in TEXTS.iter().enumerate() {
                            let id = UniqueId::new(vec![b'a' + index as u8]).expect("a letter");
                            listing.push(Octets(text.len() as u64), &id);
                            if index == 3 {
                                listing.internationalise_last();
                            }
                        }
                        session.opened(login.user(), listing, conduct.rules(), &mut out);
                    }
                },
                Next::Promise => session.promised(Promise::Least(conduct.expire()), &mut out),
                Next::Measure(numbers) => {
                    let sizes: Vec<_> = numbers
                        .iter()
                        .map(|&number| {
                            let text = TEXTS[number.index()];
                            let header = &text[..header_octets(text)];
                            (number, Surrogate::of_stored(header).sizes())
                        })
                        .collect();
                    assert!(!sizes.is_empty());
                    session.measured(&sizes);
                }
                Next::Send(number, _, _) if conduct.0 & 8 != 0 && number.get() == 2 => {
                    session.refused(Refusal::Damaged, &mut out);
                }
                Next::Send(number, part, header) => {
                    let text = TEXTS[number.index()];
                    let octets = match part {
                        Part::Whole => text.len(),
                        Part::Top(lines) => {
                            let header = header_octets(text);
                            header + wire::TopCut::new(lines).cut(&text[header..])
                        }
                    };
                    let replaced = match header {
                        Header::AsStored => 0,
                        Header::Surrogate => {
                            let replaced = header_octets(text);
                            let surrogate = Surrogate::of_stored(&text[..replaced]);
                            assert!(
                                surrogate.wire().is_ascii()
                                    || str::from_utf8(surrogate.wire()).is_err()
                            );
                            out.extend_from_slice(surrogate.wire());
                            replaced
                        }
                    };
                    out.extend_from_slice(&text[replaced..octets]);
                    session.sent(&mut out);
                }
                Next::Commit(deletions) | Next::Hide(deletions) => {
                    let takes_away = conduct.rules().disposition.takes_away();
                    assert!(takes_away || deletions.is_empty());
                    assert!(deletions.iter().all(|number| number.index() < TEXTS.len()));
                    assert!(outcome.deleted.is_none(), "one session, one UPDATE");
                    if conduct.0 & 16 != 0 {
                        session.refused(Refusal::Unavailable, &mut out);
                    } else {
                        outcome.deleted = Some(deletions.len());
                        session.committed(TEXTS.len() - deletions.len(), &mut out);
                    }
                }
                Next::StartTls => {
                    assert!(conduct.connection().channel == Channel::Plain);
                    outcome.ended = true;
                }
                Next::Close => outcome.ended = true,
            }
            if outcome.ended {
                outcome.said.append(&mut out);
                break 'pieces;
            }
        }
        assert!(
            waiting.len() < SASL_OCTETS_MAX,
            "the session lets input wait"
        );
    }
    outcome.said.append(&mut out);
    outcome
}

fuzz_target!(|data: &[u8]| {
    let [conduct, piece, input @ ..] = data else {
        return;
    };
    let conduct = Conduct(*conduct, *piece);
    let whole = play(conduct, input, usize::MAX, 65_536);
    let pieces = play(conduct, input, usize::from(*piece).max(1), 0);
    assert_eq!(whole, pieces);

    // Every line is a status line, a challenge, or stands in a multi-line reply.
    assert!(whole.said.ends_with(b"\r\n"));
    let mut in_text = false;
    for line in whole.said.split_inclusive(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r\n").expect("our lines end with CRLF");
        if in_text {
            in_text = line != b".";
            continue;
        }
        // In another language only the form is as it was; what follows a line is not known here.
        if [&b"+OK de "[..], b"+OK fr ", b"+OK ja ", b"+OK uk "]
            .iter()
            .any(|tag| line.starts_with(tag))
        {
            return;
        }
        let ok = line == b"+OK" || line.starts_with(b"+OK ");
        assert!(ok || line.starts_with(b"-ERR ") || line.starts_with(b"+ "));
        // An exchange's challenges may be long (RFC 5034 §4); ours hardly are.
        assert!(line.len() <= 510 && line.iter().all(|octet| (0x20..0x7f).contains(octet)));
        assert!(!line.starts_with(b"+OK [") || line.starts_with(b"+OK [XCLIENT] POP3 server"));
        let text = line.strip_prefix(b"+OK ").unwrap_or_default();
        // Only a counted reply begins with a number; a user's name is followed by "'s".
        let counts = text
            .split(|&octet| octet == b' ')
            .next()
            .is_some_and(|word| !word.is_empty() && word.iter().all(u8::is_ascii_digit));
        let ends = |ends: &[&[u8]]| ends.iter().any(|end| text.ends_with(end));
        in_text = ends(&[b" follow", b" follows"])
            || (counts && ends(&[b" octets", b" octets)", b" messages", b" message"]));
    }
    assert!(!in_text, "a multi-line reply without its end");
});
