//! Sessions with a server in memory and a Maildir, one after the other.

mod crashes;
mod endless;
mod hostile;
mod leaving;
mod reused;
mod since;

use std::collections::BTreeMap;
use std::path::PathBuf;

use sasl::Secret;

use super::*;
use crate::destination::{Exactness, Maildir, Message, NotDelivered, Text};
use crate::ledger::{Entry, Fate};
use crate::tests::maildrop::{Manner, Server};
use crate::{Credentials, Transport};

const IDENTITY: &str = "mrose@localhost";

/// Where a test fetches to.
struct Place {
    directory: tempfile::TempDir,
    server: Server,
}

/// What a test says of a session, beyond the usual.
type Change<'a> = &'a dyn Fn(&mut Job);

/// What else it says of its destinations.
type Destined<'a> = &'a dyn Fn(&mut Destinations);

impl Place {
    fn new(messages: &[(&str, &str)]) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            server: Server::start(messages),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ledger(&self) -> Ledger {
        let path = self.path("ledger");
        match path.exists() {
            true => Ledger::open(&path, IDENTITY).unwrap(),
            false => Ledger::create(&path, IDENTITY).unwrap(),
        }
    }

    fn job(&self) -> Job {
        Job {
            account: Account::new(
                "localhost",
                self.server.port,
                Transport::InClear,
                "mrose",
                Credentials::Password(Secret::new("redqueen")),
            ),
            patience: Patience::default(),
            identity: IDENTITY.into(),
            route: vec![0],
            keep: Keep::Always,
            rules: Vec::new(),
            octets_max: None,
            count_max: None,
            since: None,
            only: None,
            last: HashSet::new(),
            without: HashSet::new(),
            takes_foreign: false,
            deletes_at_once: true,
            dry_run: false,
            spool: self.directory.path().to_owned(),
            quarantine: self.path("quarantine"),
            quarantine_octets_max: QUARANTINE_OCTETS,
        }
    }

    fn fetch(&self, change: Change<'_>) -> (Result<Summary, FetchError>, Vec<Event>) {
        self.fetch_to(change, &|_| {})
    }

    fn fetch_to(
        &self,
        change: Change<'_>,
        destined: Destined<'_>,
    ) -> (Result<Summary, FetchError>, Vec<Event>) {
        let mut job = self.job();
        change(&mut job);
        let mut destinations: Destinations =
            vec![Box::new(Maildir::new(&self.path("Mail"), "here"))];
        destined(&mut destinations);
        let mut events = Vec::new();
        let result = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(fetch(job, destinations, self.ledger(), &mut |event| {
                events.push(event)
            }));
        (result, events)
    }

    fn fetched(&self, change: Change<'_>) -> Summary {
        self.fetch(change).0.unwrap()
    }

    /// How many files hold each text.
    fn texts(&self) -> BTreeMap<String, usize> {
        let mut texts = BTreeMap::new();
        for part in ["Mail/new", "Mail/cur"] {
            let Ok(files) = std::fs::read_dir(self.path(part)) else {
                continue;
            };
            for file in files {
                let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
                *texts.entry(text).or_default() += 1;
            }
        }
        texts
    }
}

const THREE: [(&str, &str); 3] = [
    ("a", "Subject: one\r\n\r\n.dot\r\n"),
    ("b", "Subject: two\r\n\r\nX\r\n"),
    ("c", "Subject: three\r\n\r\n"),
];

fn three() -> BTreeMap<String, usize> {
    let text = |(_, text): &(&str, &str)| (text.replace("\r\n", "\n"), 1);
    THREE.iter().map(text).collect()
}

#[test]
fn what_was_fetched_is_not_fetched_again() {
    let place = Place::new(&THREE);
    let first = place.fetched(&|_| {});
    assert_eq!((first.new, first.deleted, first.left), (3, 0, 3));
    assert_eq!(place.texts(), three());
    let second = place.fetched(&|_| {});
    assert_eq!((second.new, second.left), (0, 3));
    place.server.with(|state| {
        assert_eq!(state.retrieved, 3);
        state.messages.push(("d".into(), "four\r\n".into()));
    });
    assert_eq!(place.fetched(&|_| {}).new, 1);
    assert_eq!(place.texts().len(), 4);
}

#[test]
fn what_is_durable_is_deleted_and_nothing_before_a_session_has_ended_well() {
    let place = Place::new(&THREE);
    let careful = |job: &mut Job| {
        job.keep = Keep::Never;
        job.deletes_at_once = false;
    };
    assert_eq!(place.fetched(&careful).deleted, 0);
    assert_eq!(place.server.ids(), ["a", "b", "c"]);
    place
        .server
        .with(|state| state.messages.push(("d".into(), "four\r\n".into())));
    let second = place.fetched(&careful);
    assert_eq!((second.new, second.deleted, second.left), (1, 4, 0));
    assert!(place.server.ids().is_empty());
    assert_eq!(place.texts().len(), 4);
}

#[test]
fn a_fast_link_is_asked_for_more_than_fits_into_the_first_window() {
    let text = format!("Subject: many\r\n\r\n{}\r\n", "x".repeat(2000));
    let ids: Vec<_> = (0..1600).map(|number| number.to_string()).collect();
    let many: Vec<_> = ids.iter().map(|id| (id.as_str(), &*text)).collect();
    let place = Place::new(&many);
    assert_eq!(place.fetched(&|job| job.keep = Keep::Never).new, many.len());
    assert!(place.server.ids().is_empty());
}

#[test]
fn a_server_without_pipelining_is_asked_for_one_after_the_other() {
    let place = Place::new(&THREE);
    place.server.with(|state| {
        state.manner.capabilities = &["UIDL", "TOP"];
    });
    let summary = place.fetched(&|job| job.keep = Keep::Never);
    assert_eq!((summary.new, summary.deleted), (3, 3));
    assert_eq!(place.texts(), three());
}

#[test]
fn a_connection_that_is_cut_costs_what_was_on_its_way() {
    let place = Place::new(&THREE);
    place.server.with(|state| state.manner.cuts_after = Some(2));
    let (result, _) = place.fetch(&|job| job.keep = Keep::Never);
    assert!(matches!(result, Err(FetchError::Server(_))));
    assert_eq!(place.texts().len(), 2);
    assert_eq!(place.server.ids(), ["a", "b", "c"]);
    place.server.with(|state| state.manner.cuts_after = None);
    let summary = place.fetched(&|job| job.keep = Keep::Never);
    assert_eq!((summary.new, summary.deleted), (1, 3));
    assert_eq!(place.texts(), three());
}

#[test]
fn a_quit_without_an_answer_is_settled_by_the_next_session() {
    for deletes in [true, false] {
        let place = Place::new(&THREE);
        place
            .server
            .with(|state| state.manner.cuts_at_quit = Some(deletes));
        let summary = place.fetched(&|job| job.keep = Keep::Never);
        assert_eq!((summary.new, summary.deleted), (3, 0));
        place.server.with(|state| state.manner.cuts_at_quit = None);
        let summary = place.fetched(&|job| job.keep = Keep::Never);
        assert_eq!((summary.new, summary.left), (0, 0));
        assert_eq!(place.texts(), three());
    }
}

#[test]
fn a_server_that_answers_out_of_order_is_noticed() {
    let place = Place::new(&THREE);
    place.server.with(|state| state.manner.swaps = true);
    let (result, events) = place.fetch(&|_| {});
    assert_eq!(result.unwrap().new, 3);
    assert!(events.iter().any(|event| matches!(event, Event::OutOfStep)));
    assert_eq!(place.texts(), three());
}

#[test]
fn messages_without_a_unique_id_of_their_own_are_known_by_what_they_hold() {
    let same = ("x", "Subject: same\r\n\r\n1\r\n");
    let place = Place::new(&[same, same, ("y", "Subject: other\r\n\r\n")]);
    assert_eq!(place.fetched(&|_| {}).new, 3);
    assert_eq!(place.fetched(&|_| {}).new, 0);
    let place = Place::new(&THREE);
    place.server.with(|state| state.manner.knows_uidl = false);
    assert_eq!(place.fetched(&|_| {}).new, 3);
    assert_eq!(place.fetched(&|_| {}).new, 0);
    place.server.with(|state| {
        state.messages.remove(0);
        state
            .messages
            .push(("d".into(), "Subject: four\r\n\r\n".into()));
    });
    assert_eq!(place.fetched(&|_| {}).new, 1);
    assert_eq!(place.texts().len(), 4);
}

#[test]
fn new_unique_ids_do_not_make_old_mail_new() {
    let place = Place::new(&THREE);
    place.fetched(&|_| {});
    place.server.with(|state| {
        for (id, _) in &mut state.messages {
            id.push_str("-new");
        }
        state
            .messages
            .push(("d".into(), "Subject: four\r\n\r\n".into()));
    });
    let (result, events) = place.fetch(&|_| {});
    assert_eq!(result.unwrap().new, 1);
    assert!(events.iter().any(|event| matches!(event, Event::Note(_))));
    assert_eq!(place.fetched(&|_| {}).new, 0);
    assert_eq!(place.texts().len(), 4);
}

#[test]
fn a_maildrop_that_seems_to_be_another_one_stops() {
    let place = Place::new(&THREE);
    let mut ledger = place.ledger();
    for id in ["1", "2", "3", "4", "5"] {
        let key = Key::UniqueId(pop3::client::ForeignId::new(id.as_bytes()).unwrap());
        ledger.record(key, Entry::new(Fate::Seen, 0));
    }
    ledger.end(0).unwrap();
    drop(ledger);
    let (result, _) = place.fetch(&|_| {});
    assert!(matches!(result, Err(FetchError::Foreign(_))));
    assert_eq!(place.texts().len(), 0);
    assert_eq!(place.fetched(&|job| job.takes_foreign = true).new, 3);
}

#[test]
fn what_another_program_has_written_down_otherwise_is_known() {
    let place = Place::new(&[
        ("2024/7", "one\r\n"),
        ("b c", "two\r\n"),
        ("d", "three\r\n"),
    ]);
    let mut ledger = place.ledger();
    for id in ["2024-7", "b"] {
        let key = Key::UniqueId(pop3::client::ForeignId::new(id.as_bytes()).unwrap());
        ledger.record(key, Entry::new(Fate::Seen, 0));
    }
    ledger.sync().unwrap();
    drop(ledger);
    assert_eq!(place.fetched(&|_| {}).new, 1);
    assert_eq!(place.fetched(&|_| {}).new, 0);
    assert_eq!(place.texts().into_keys().collect::<Vec<_>>(), ["three\n"]);
}

#[test]
fn rules_sizes_and_limits_are_kept_before_anything_is_retrieved() {
    let place = Place::new(&THREE);
    let rule = |value: &str, action| Rule {
        header: "Subject".into(),
        matches: Matches::Equals(value.into()),
        action,
    };
    let rules = vec![rule("two", Action::Skip), rule("three", Action::Delete)];
    let with_rules = |job: &mut Job| job.rules = rules.clone();
    let summary = place.fetched(&with_rules);
    assert_eq!((summary.new, summary.deleted, summary.left), (1, 1, 2));
    assert_eq!(place.server.ids(), ["a", "b"]);
    assert_eq!(place.server.with(|state| state.retrieved), 1);
    assert_eq!(place.fetched(&with_rules).new, 0);

    let place = Place::new(&THREE);
    let small = |job: &mut Job| job.octets_max = Some(20);
    let summary = place.fetched(&small);
    assert_eq!((summary.new, summary.too_large), (2, 1));
    assert_eq!(place.fetched(&small).too_large, 1);
    // A larger limit is enough to fetch it.
    assert_eq!(place.fetched(&|_| {}).new, 1);
    assert_eq!(place.texts(), three());

    let place = Place::new(&THREE);
    assert_eq!(place.fetched(&|job| job.count_max = Some(2)).new, 2);
    assert_eq!(place.fetched(&|job| job.count_max = Some(2)).new, 1);
    assert_eq!(place.texts(), three());
}

fn only(names: &[&str], had: Had) -> impl Fn(&mut Job) {
    let wanted: Vec<Wanted> = names.iter().map(|name| name.parse().unwrap()).collect();
    move |job| {
        job.only = Some(Only {
            wanted: wanted.clone(),
            had,
        });
        job.keep = Keep::Never;
        job.octets_max = Some(1);
        job.count_max = Some(0);
        job.rules = vec![Rule {
            header: "subject".into(),
            matches: Matches::Contains("t".into()),
            action: Action::Delete,
        }];
    }
}

#[test]
fn exactly_what_is_named_is_fetched_whatever_else_is_said_and_nothing_is_deleted() {
    let place = Place::new(&THREE);
    // By number and by key, and one of them twice.
    let summary = place.fetched(&only(&["3", "u:b", "2"], Had::Left));
    assert_eq!((summary.new, summary.deleted, summary.left), (2, 0, 3));
    assert_eq!(
        place.ledger().get(&"u:b".parse().unwrap()).unwrap().fate,
        Fate::Delivered
    );
    let (result, events) = place.fetch(&only(&["2", "1"], Had::Left));
    assert_eq!(result.unwrap().new, 1);
    let had = events.iter().find_map(|event| match event {
        Event::Planned(planned) => Some(planned.had.clone()),
        _ => None,
    });
    assert_eq!(had.unwrap()[0].1, "u:b".parse().unwrap());
    assert_eq!(place.texts(), three());
    // What a session knows of all others is as it was.
    assert_eq!(place.fetched(&|_| {}).new, 0);
    assert_eq!(place.fetched(&only(&["2"], Had::Again)).new, 1);
    assert_eq!(place.texts().values().sum::<usize>(), 4);
    assert_eq!(place.server.ids(), ["a", "b", "c"]);
}

#[test]
fn what_is_not_there_is_told_before_anything_is_fetched() {
    let place = Place::new(&THREE);
    for name in ["4", "u:d"] {
        let (result, _) = place.fetch(&only(&["1", name], Had::Left));
        assert!(matches!(
            result,
            Err(FetchError::NotThere { wanted, listed: 3 }) if wanted == name
        ));
    }
    assert!(place.texts().is_empty());
}

#[test]
fn one_that_is_named_does_not_hide_that_unique_ids_are_new() {
    let place = Place::new(&THREE);
    place.fetched(&|_| {});
    place.server.with(|state| {
        for (id, _) in &mut state.messages {
            id.push_str("-new");
        }
    });
    assert_eq!(place.fetched(&only(&["2"], Had::Left)).new, 0);
    assert_eq!(place.fetched(&|_| {}).new, 0);
    assert_eq!(place.texts(), three());
}

#[test]
fn a_message_that_is_only_seen_is_known_by_its_header_under_another_unique_id() {
    let place = Place::new(&THREE);
    let mut ledger = place.ledger();
    for (id, text) in THREE {
        let entry = Entry {
            print: crate::ledger::Print::of(text.as_bytes()),
            ..Entry::new(Fate::Seen, 1)
        };
        ledger.record(format!("u:old-{id}").parse().unwrap(), entry);
    }
    ledger.sync().unwrap();
    drop(ledger);
    assert_eq!(place.fetched(&|_| {}).new, 0);
    assert_eq!(
        place.ledger().get(&"u:a".parse().unwrap()).unwrap().fate,
        Fate::Seen
    );
}

/// A Maildir that takes headers in ASCII alone.
#[derive(Debug)]
struct AsciiOnly(Maildir);

impl Destination for AsciiOnly {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn exactness(&self) -> Exactness {
        self.0.exactness()
    }
    fn open(&mut self, ended: Ended) -> Result<(), NotDelivered> {
        self.0.open(ended)
    }
    fn deliver(&mut self, message: &Message, text: &mut Text) -> Result<(), NotDelivered> {
        self.0.deliver(message, text)
    }
    fn commit(&mut self) -> Result<(), NotDelivered> {
        self.0.commit()
    }
}

#[test]
fn utf8_is_said_when_every_destination_takes_what_comes_then() {
    let mut messages = THREE.to_vec();
    messages.push(("d", "Subject: na\u{ef}ve\r\n\r\n"));
    let place = Place::new(&messages);
    place.server.with(|state| {
        state.manner.capabilities = &["USER", "UIDL", "TOP", "PIPELINING", "UTF8"];
        state.manner.needs_utf8 = true;
    });
    let takes = |job: &mut Job| job.keep = Keep::Never;
    // Of two one takes ASCII alone.
    let mixed = |destinations: &mut Destinations| {
        let other = Maildir::new(&place.path("Other"), "here");
        destinations.push(Box::new(AsciiOnly(other)));
    };
    let (result, events) = place.fetch_to(&takes, &mixed);
    let summary = result.unwrap();
    assert_eq!((summary.new, summary.refused, summary.left), (3, 1, 1));
    let told = events.iter().find_map(|event| match event {
        Event::NotGiven { number, why } => Some((number.get(), why.clone())),
        _ => None,
    });
    let (number, why) = told.unwrap();
    assert_eq!(number, 4);
    assert!(why.contains("[UTF8]") && why.contains("Maildirs"), "{why}");
    assert_eq!(place.server.ids(), ["d"]);
    // It is neither lost nor given up, and comes when it can.
    let summary = place.fetched(&takes);
    assert_eq!((summary.new, summary.deleted, summary.left), (1, 1, 0));
    let commands = place.server.with(|state| state.commands.clone());
    let said = commands.iter().filter(|command| *command == "UTF8").count();
    assert_eq!((said, place.texts().len()), (1, 4));
}

#[test]
fn a_header_that_looks_otherwise_without_utf8_is_no_other_message() {
    let own = "From: J\u{f6}rg <j@example.org>\r\nSubject: na\u{ef}ve\r\n";
    let surrogate = String::from_utf8(pop3::surrogate::header(own.as_bytes())).unwrap();
    let (own, surrogate) = (format!("{own}\r\n"), format!("{surrogate}\r\n"));
    for (first, then) in [(&own, &surrogate), (&surrogate, &own)] {
        let place = Place::new(&[("a", first)]);
        assert_eq!(place.fetched(&|_| {}).new, 1);
        place
            .server
            .with(|state| state.messages[0].1.clone_from(then));
        assert_eq!(place.fetched(&|_| {}).new, 0);
        assert_eq!(place.fetched(&|_| {}).new, 0);
    }
}

#[test]
fn destinations_are_told_when_a_message_came_in() {
    #[derive(Debug)]
    struct Dated(Arc<Mutex<Vec<Option<SystemTime>>>>);
    impl Destination for Dated {
        fn name(&self) -> &str {
            "dated:a"
        }
        fn exactness(&self) -> Exactness {
            Exactness::Once
        }
        fn open(&mut self, _: Ended) -> Result<(), NotDelivered> {
            Ok(())
        }
        fn deliver(&mut self, message: &Message, _: &mut Text) -> Result<(), NotDelivered> {
            self.0.lock().unwrap().push(message.received);
            Ok(())
        }
    }
    let text = "Received: by a; Thu, 1 Jan 1970 00:00:09 +0000\r\n\r\n";
    let place = Place::new(&[("a", text), ("b", "Subject: x\r\n\r\n")]);
    let dates = Arc::new(Mutex::new(Vec::new()));
    let dated = |destinations: &mut Destinations| {
        *destinations = vec![Box::new(Dated(Arc::clone(&dates)))];
    };
    place.fetch_to(&|_| {}, &dated).0.unwrap();
    let nine = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9);
    assert_eq!(*dates.lock().unwrap(), [Some(nine), None]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new(&THREE);
    let (result, events) = place.fetch(&|job| {
        job.dry_run = true;
        job.keep = Keep::Never;
    });
    assert_eq!(result.unwrap().new, 0);
    let planned = events.into_iter().find_map(|event| match event {
        Event::Planned(planned) => Some(planned),
        _ => None,
    });
    assert_eq!(planned.unwrap().fetch.len(), 3);
    assert_eq!(place.server.with(|state| state.retrieved), 0);
    assert!(!place.path("Mail").exists());
}

#[test]
fn what_its_owner_has_deleted_is_deleted_there_as_well() {
    let place = Place::new(&THREE);
    let mirror = |job: &mut Job| job.keep = Keep::UntilDeleted;
    assert_eq!(place.fetched(&mirror).deleted, 0);
    assert_eq!(place.fetched(&mirror).deleted, 0);
    let files = std::fs::read_dir(place.path("Mail/new")).unwrap();
    let two = files
        .map(|file| file.unwrap().path())
        .find(|path| std::fs::read_to_string(path).unwrap().contains("two"));
    std::fs::remove_file(two.unwrap()).unwrap();
    assert_eq!(place.fetched(&mirror).deleted, 1);
    assert_eq!(place.server.ids(), ["a", "c"]);
}

#[test]
fn a_message_that_the_server_does_not_give_keeps_no_other_back() {
    let place = Place::new(&THREE);
    place.server.with(|state| {
        state.manner = Manner {
            refuses: Some(2),
            ..Manner::default()
        };
    });
    let summary = place.fetched(&|job| job.keep = Keep::Never);
    assert_eq!((summary.new, summary.refused, summary.deleted), (2, 1, 2));
    place.server.with(|state| state.manner.refuses = None);
    assert_eq!(place.fetched(&|job| job.keep = Keep::Never).new, 1);
    assert_eq!(place.texts(), three());
}

/// A destination that does not know again what it has.
#[derive(Debug)]
struct Forgetful {
    taken: Arc<Mutex<Vec<String>>>,
    fails_at: Option<(usize, fn() -> NotDelivered)>,
}

impl Destination for Forgetful {
    fn name(&self) -> &str {
        "forgetful:a"
    }

    fn exactness(&self) -> Exactness {
        Exactness::OneInDoubt
    }

    fn open(&mut self, _: Ended) -> Result<(), NotDelivered> {
        Ok(())
    }

    fn deliver(&mut self, message: &Message, _: &mut Text) -> Result<(), NotDelivered> {
        let mut taken = self.taken.lock().unwrap();
        match self.fails_at {
            Some((place, why)) if place == taken.len() => Err(why()),
            _ => {
                taken.push(message.key.to_string());
                Ok(())
            }
        }
    }
}

#[test]
fn of_two_destinations_each_gets_each_message_once() {
    let place = Place::new(&THREE);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let to_both = |job: &mut Job| {
        job.route = vec![0, 1];
        job.keep = Keep::Never;
    };
    let both = |fails_at: Option<(usize, fn() -> NotDelivered)>| {
        let taken = Arc::clone(&taken);
        move |destinations: &mut Destinations| {
            let taken = Arc::clone(&taken);
            destinations.insert(0, Box::new(Forgetful { taken, fails_at }));
        }
    };
    let fails = both(Some((2, || NotDelivered::NotNow("full".into()))));
    let (result, _) = place.fetch_to(&to_both, &fails);
    assert!(matches!(
        result,
        Err(FetchError::Destination { may_pass: true, .. })
    ));
    assert_eq!(taken.lock().unwrap().len(), 2);
    let (result, events) = place.fetch_to(&to_both, &both(None));
    assert_eq!(result.unwrap().new, 1);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::InDoubt { .. }))
    );
    assert_eq!(*taken.lock().unwrap(), ["u:a", "u:b", "u:c"]);
    assert_eq!(place.texts(), three());
    assert!(place.server.ids().is_empty());
}

#[test]
fn of_what_has_no_room_in_quarantine_there_is_no_copy_and_the_message_stays() {
    let place = Place::new(&THREE);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let refuses = |destinations: &mut Destinations| {
        let taken = Arc::clone(&taken);
        let fails_at: Option<(usize, fn() -> NotDelivered)> =
            Some((0, || NotDelivered::Refused("550 never".into())));
        *destinations = vec![Box::new(Forgetful { taken, fails_at })];
    };
    let small = |job: &mut Job| {
        job.keep = Keep::Never;
        job.quarantine_octets_max = 150;
    };
    let (result, events) = place.fetch_to(&small, &refuses);
    assert_eq!(result.unwrap().refused, 3);
    let whys: Vec<&str> = (events.iter())
        .filter_map(|event| match event {
            Event::Refused { why, .. } => Some(why.as_str()),
            _ => None,
        })
        .collect();
    let full = whys.iter().filter(|why| why.contains("is full (")).count();
    let kept = std::fs::read_dir(place.path("quarantine")).unwrap().count() / 2;
    assert!(kept > 0 && full > 0 && kept + full == 3, "{whys:?}");
    assert_eq!(place.server.ids(), ["a", "b", "c"]);
    // A directory that cannot be written keeps nothing else back either.
    let place = Place::new(&THREE);
    std::fs::write(place.path("quarantine"), "in the way").unwrap();
    let (result, events) = place.fetch_to(&|_| {}, &refuses);
    assert_eq!(result.unwrap().refused, 3);
    let says = format!("{} cannot be written", place.path("quarantine").display());
    let is_told =
        |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains(&says));
    assert!(events.iter().any(is_told), "{events:?}");
    assert_eq!(place.server.ids(), ["a", "b", "c"]);
}

#[test]
fn what_a_destination_refuses_is_kept_and_stays_on_the_server() {
    let place = Place::new(&THREE);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let refuses = |destinations: &mut Destinations| {
        let taken = Arc::clone(&taken);
        let fails_at: Option<(usize, fn() -> NotDelivered)> =
            Some((1, || NotDelivered::Refused("550 never".into())));
        *destinations = vec![Box::new(Forgetful { taken, fails_at })];
    };
    let no_keep = |job: &mut Job| job.keep = Keep::Never;
    let summary = place.fetch_to(&no_keep, &refuses).0.unwrap();
    assert_eq!((summary.new, summary.refused, summary.deleted), (1, 2, 1));
    assert_eq!(place.server.ids(), ["b", "c"]);
    assert_eq!(
        std::fs::read_dir(place.path("quarantine")).unwrap().count(),
        4
    );
    let again = place.fetch_to(&no_keep, &refuses).0.unwrap();
    assert_eq!((again.new, again.refused, again.deleted), (0, 0, 0));
}
