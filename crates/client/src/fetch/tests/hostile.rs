//! Servers that break the rules, and what must hold all the same: a session ends, nothing is lost, nothing is there twice, and nothing
//! is deleted that was not delivered.

use pop3::Octets;

use super::*;
use crate::tests::maildrop::{Deletes, own};

/// Deletes what it has.
pub(super) fn takes(job: &mut Job) {
    job.keep = Keep::Never;
}

impl Place {
    /// From now on the server behaves.
    pub(super) fn behaves(&self) {
        self.server.with(|state| state.manner = Manner::default());
    }

    /// Each message was delivered once or is still on the server; with a good server all of them are delivered once.
    pub(super) fn is_made_good(&self, all: &BTreeMap<String, usize>, what: &str) {
        let on_server = |text: &str| {
            self.server.with(|state| {
                let mut texts = state.messages.iter();
                texts.any(|(_, it)| it.replace("\r\n", "\n") == text)
            })
        };
        let had = self.texts();
        for text in all.keys() {
            assert!(
                had.contains_key(text) || on_server(text),
                "{what}: {text:?} is lost"
            );
        }
        self.behaves();
        let summary = self.fetched(&takes);
        assert_eq!(self.texts(), *all, "{what}");
        assert_eq!(summary.left, 0, "{what}");
    }
}

#[test]
fn a_session_that_is_cut_at_any_octet_is_made_good_by_the_next() {
    cut_at_any_octet(&["UIDL", "TOP"]);
}

#[test]
fn a_session_that_goes_ahead_and_is_cut_at_any_octet_is_made_good_by_the_next() {
    cut_at_any_octet(&["UIDL", "TOP", "PIPELINING"]);
}

fn cut_at_any_octet(capabilities: &'static [&'static str]) {
    for octets in 0.. {
        let place = Place::new(&THREE);
        place.server.with(|state| {
            state.manner.capabilities = capabilities;
            state.manner.cuts_after_octets = Some(octets);
        });
        let (result, _) = place.fetch(&takes);
        let what = format!("cut after {octets}: {result:?}");
        let is_whole = result.as_ref().is_ok_and(|summary| summary.deleted == 3);
        if let Err(error) = result {
            assert!(
                matches!(error, FetchError::Server(ref it) if it.may_pass()),
                "{what}"
            );
        }
        place.is_made_good(&three(), &what);
        if is_whole {
            assert!(octets > 200);
            return;
        }
    }
}

#[test]
fn sizes_that_are_wrong_cost_nothing_but_time() {
    for lists in [
        |_| 0,
        |_| 1,
        |octets| octets as u64 - 1,
        |octets| octets as u64 + 1,
        |octets| octets as u64 / 2,
        |_| u64::MAX,
        |_| 1 << 40,
    ] as [fn(usize) -> u64; 7]
    {
        for capabilities in [&["UIDL", "TOP", "PIPELINING"][..], &["UIDL", "TOP"]] {
            let place = Place::new(&THREE);
            place.server.with(|state| {
                state.manner.capabilities = capabilities;
                state.manner.lists = Some(lists);
            });
            let what = format!("listed as {}", lists(100));
            let (result, events) = place.fetch(&takes);
            let summary = result.unwrap();
            assert_eq!((summary.new, summary.deleted), (3, 3), "{what}");
            let planned = events.iter().find_map(|event| match event {
                Event::Planned(planned) => Some(planned),
                _ => None,
            });
            assert!(planned.is_some_and(|planned| planned.octets() <= Octets(u64::MAX)));
            place.is_made_good(&three(), &what);
        }
    }
}

#[test]
fn deletions_that_are_not_done_are_asked_for_again() {
    for deletes in [Deletes::Refused, Deletes::Never, Deletes::NotAtQuit] {
        let place = Place::new(&THREE);
        place.server.with(|state| state.manner.deletes = deletes);
        for _ in 0..2 {
            let (result, events) = place.fetch(&takes);
            match deletes {
                Deletes::Refused => {
                    assert!(events.iter().any(|event| matches!(event, Event::Note(_))));
                    assert_eq!(result.unwrap().deleted, 0);
                }
                Deletes::NotAtQuit => {
                    let told = result.unwrap_err().to_string();
                    assert!(told.contains("QUIT"), "{told}");
                }
                Deletes::Never | Deletes::Well => assert_eq!(result.unwrap().deleted, 3),
            }
            assert_eq!(place.server.ids(), ["a", "b", "c"]);
        }
        place.is_made_good(&three(), &format!("{deletes:?}"));
    }
}

#[test]
fn a_text_that_is_empty_where_it_should_not_be_is_no_message() {
    let place = Place::new(&THREE);
    place.server.with(|state| state.manner.gives_nothing = true);
    let summary = place.fetched(&takes);
    assert_eq!((summary.new, summary.refused, summary.deleted), (0, 3, 0));
    place.is_made_good(&three(), "empty texts");
}

/// So many sessions, each with what those before have learned of the server: how many messages came, or what went wrong.
pub(super) fn sessions(place: &Place, count: usize) -> Vec<Result<usize, String>> {
    let (mut memory, mut told) = (crate::Memory::default(), Vec::new());
    for _ in 0..count {
        let known = memory.clone();
        let (result, events) = place.fetch(&move |job| {
            takes(job);
            job.account.memory = known.clone();
        });
        let learned = events.into_iter().filter_map(|event| match event {
            Event::Learned(memory) => Some(memory),
            _ => None,
        });
        memory = learned.fold(memory, |_, told| told);
        told.push(result.map(|it| it.new).map_err(|it| it.to_string()));
    }
    told
}

#[test]
fn a_server_that_hangs_up_on_commands_sent_ahead_is_asked_one_at_a_time_the_next_time() {
    let place = Place::new(&THREE);
    place
        .server
        .with(|state| state.manner.cuts_when_ahead = true);
    let learned = sessions(&place, 3);
    assert!(learned.contains(&Ok(3)), "{learned:?}");
    assert_eq!(place.texts(), three());
    assert!(place.server.ids().is_empty());
}

#[test]
fn a_rule_that_deletes_does_not_trust_headers_that_came_ahead() {
    let place = Place::new(&THREE);
    place.server.with(|state| state.manner.swaps_headers = true);
    place.fetched(&|job| {
        job.rules = vec![Rule {
            header: "Subject".into(),
            matches: Matches::Equals("two".into()),
            action: Action::Delete,
        }];
    });
    let ids = place.server.ids();
    assert!(!ids.contains(&"b".to_owned()) || ids.len() == 3, "{ids:?}");
    assert!(
        ids.contains(&"a".to_owned()) && ids.contains(&"c".to_owned()),
        "{ids:?}"
    );
}

#[test]
fn one_header_without_end_keeps_no_other_message_back() {
    let long = format!("Subject: long\r\n{}\r\n\r\n", "X: x\r\n".repeat(400_000));
    let mut messages = THREE.to_vec();
    messages.push(("long", &long));
    for capabilities in [&["UIDL", "TOP", "PIPELINING"][..], &["UIDL", "TOP"]] {
        let place = Place::new(&messages);
        place
            .server
            .with(|state| state.manner.capabilities = capabilities);
        let summary = place.fetched(&|job| {
            takes(job);
            job.rules = vec![Rule {
                header: "Subject".into(),
                matches: Matches::Equals("long".into()),
                action: Action::Skip,
            }];
        });
        assert_eq!((summary.new, summary.left), (3, 1));
        assert_eq!(place.texts(), three());
    }
}

#[test]
fn texts_of_any_kind_are_kept_as_they_are() {
    let line = format!("{}\r\n", "x".repeat(20 << 20));
    let texts = [
        "\r\n",
        "no header at all\r\n",
        "A: b\r\n",
        "Subject: nul\r\n\r\n\0\0\r\n",
        "Subject: lf\n\nonly\n.\nlf\n\r\n",
        "Subject: \u{e4}\r\n\r\n\u{1b}[2J\r\n",
        ".\r\n..\r\n.\r\n",
        &line,
    ];
    let ids: Vec<String> = [
        "with space",
        "with  two",
        "Case",
        "case",
        "\u{e4}",
        "100%",
        "../../etc/passwd",
        &"x".repeat(1000),
    ]
    .map(str::to_owned)
    .to_vec();
    let messages: Vec<_> = ids.iter().map(String::as_str).zip(texts).collect();
    let place = Place::new(&messages);
    assert_eq!(place.fetched(&|_| {}).new, texts.len());
    assert_eq!(place.fetched(&|_| {}).new, 0);
    let all = texts.map(|text| (text.replace("\r\n", "\n"), 1));
    place.is_made_good(&all.into(), "odd texts");
}

#[test]
fn many_messages_of_nothing_are_many_messages() {
    let empty = [("same", "")];
    let place = Place::new(&empty);
    place.server.with(|state| {
        state.messages = (0..3000)
            .map(|id| (id.to_string(), String::new()))
            .collect();
    });
    assert_eq!(place.fetched(&takes).new, 3000);
    assert_eq!(place.texts(), BTreeMap::from([(String::new(), 3000)]));
    assert!(place.server.ids().is_empty());
}

#[test]
fn unique_ids_that_cannot_be_read_keep_no_other_message_back() {
    for odd in ["", "\u{1}", &"x".repeat(2000)] {
        let mut messages = THREE.to_vec();
        messages[1].0 = odd;
        let place = Place::new(&messages);
        assert_eq!(place.fetched(&|_| {}).new, 3);
        assert_eq!(place.fetched(&|_| {}).new, 0);
        let summary = place.fetched(&takes);
        assert_eq!((summary.new, summary.deleted), (0, 3));
        assert_eq!(place.texts(), three());
    }
}

#[test]
fn a_message_that_nobody_could_know_again_stays_and_is_told() {
    let mut messages = THREE.to_vec();
    messages[1].0 = "";
    let place = Place::new(&messages);
    place.server.with(|state| state.manner.knows_top = false);
    for (new, number) in [(2, 2), (0, 1)] {
        let (result, events) = place.fetch(&takes);
        let summary = result.unwrap();
        assert_eq!((summary.new, summary.refused, summary.left), (new, 1, 1));
        let told = events.iter().find_map(|event| match event {
            Event::NotGiven { number, .. } => Some(number.get()),
            _ => None,
        });
        assert_eq!(told, Some(number));
        assert_eq!(place.server.ids(), [""]);
    }
    // By name it can be fetched.
    assert_eq!(place.fetched(&only(&["1"], Had::Left)).new, 1);
    assert_eq!(place.texts(), three());
    assert_eq!(place.server.ids(), [""]);
    // And so can another one in its place, which is no more like it than like any other.
    let other = messages[1].1.replace("two", "TWO");
    place
        .server
        .with(|state| state.messages = own(&[("", &other)]));
    assert_eq!(place.fetched(&only(&["1"], Had::Left)).new, 1);
    assert_eq!(place.texts().len(), 4);
}

#[test]
fn a_server_of_which_nothing_can_be_known_again_is_told() {
    let place = Place::new(&THREE);
    place.server.with(|state| {
        state.manner.knows_uidl = false;
        state.manner.knows_top = false;
    });
    let (result, _) = place.fetch(&takes);
    assert!(matches!(result, Err(FetchError::Nameless)), "{result:?}");
}

/// A destination that takes nothing until it may.
#[derive(Debug)]
struct Waiting {
    gate: Arc<Mutex<()>>,
    taken: usize,
}

impl Destination for Waiting {
    fn name(&self) -> &str {
        "waiting:a"
    }

    fn exactness(&self) -> Exactness {
        Exactness::Once
    }

    fn open(&mut self, _: Ended) -> Result<(), NotDelivered> {
        Ok(())
    }

    fn deliver(&mut self, _: &Message, _: &mut Text) -> Result<(), NotDelivered> {
        let _open = self.gate.lock().unwrap();
        self.taken += 1;
        Ok(())
    }
}

#[test]
fn messages_of_nothing_wait_for_a_slow_destination_on_the_server() {
    const MESSAGES: usize = 12_000;
    let place = Place::new(&[]);
    place.server.with(|state| {
        state.messages = (0..MESSAGES)
            .map(|id| (id.to_string(), String::new()))
            .collect();
    });
    let gate = Arc::new(Mutex::new(()));
    let waiting = |destinations: &mut Destinations| {
        *destinations = vec![Box::new(Waiting {
            gate: Arc::clone(&gate),
            taken: 0,
        })];
    };
    let closed = gate.lock().unwrap();
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| place.fetch_to(&|_| {}, &waiting).0.unwrap().new);
        let asked_for = || place.server.with(|state| state.retrieved);
        let mut before = 0;
        while before == 0 || before != asked_for() {
            before = asked_for();
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        drop(closed);
        assert_eq!(fetching.join().unwrap(), MESSAGES);
        assert!(before < MESSAGES, "{before}");
    });
}
