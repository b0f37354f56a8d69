//! Sessions that end anywhere, one after the other, with servers that fail in every way that the test knows, from many seeds.
//!
//! The model: at some call of a destination the machine stops. What the ledger had synced before is there, what it wrote after is cut
//! off anywhere, and no destination takes anything more. Whatever happens, a message that is not on the server is where it was to
//! go, and after a good session each is there once.

use super::hostile::takes;
use super::*;
use crate::tests::maildrop::Deletes;

/// Numbers that look like chance, and are the same for a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }
}

/// When the machine stops, and what the ledger had then.
#[derive(Debug)]
struct Fall {
    calls_left: u64,
    /// Whether the last call still does what it should.
    does_it: bool,
    ledger: PathBuf,
    /// Octets that were in it.
    synced: Option<u64>,
}

impl Fall {
    /// Does something, unless the machine has stopped.
    fn call(&mut self, act: impl FnOnce() -> Result<(), NotDelivered>) -> Result<(), NotDelivered> {
        let stopped = || Err(NotDelivered::Unusable("the machine has stopped".into()));
        if self.synced.is_some() {
            return stopped();
        }
        self.calls_left = self.calls_left.saturating_sub(1);
        if self.calls_left > 0 {
            return act();
        }
        self.synced = Some(std::fs::metadata(&self.ledger).map_or(0, |file| file.len()));
        if self.does_it {
            act()?;
        }
        stopped()
    }
}

/// A destination on a machine that stops.
#[derive(Debug)]
struct Falling<D> {
    inner: D,
    fall: Arc<Mutex<Fall>>,
}

impl<D: Destination> Destination for Falling<D> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn exactness(&self) -> Exactness {
        self.inner.exactness()
    }

    fn open(&mut self, ended: Ended) -> Result<(), NotDelivered> {
        self.inner.open(ended)
    }

    fn deliver(&mut self, message: &Message, text: &mut Text) -> Result<(), NotDelivered> {
        let mut fall = self.fall.lock().unwrap();
        fall.call(|| self.inner.deliver(message, text))
    }

    fn commit(&mut self) -> Result<(), NotDelivered> {
        let mut fall = self.fall.lock().unwrap();
        fall.call(|| self.inner.commit())
    }
}

/// How a server names messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Names {
    /// As it should.
    Stable,
    /// By their numbers.
    Numbers,
    /// Not at all.
    None,
}

/// One account, session after session.
struct Story {
    place: Place,
    chance: Chance,
    names: Names,
    /// All texts that ever came.
    all: Vec<String>,
    /// What the second destination, which does not know a message again, has got.
    taken: Arc<Mutex<Vec<String>>>,
    falls: usize,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| {
            chance.below(2);
        });
        let names = [Names::Stable, Names::Stable, Names::Numbers, Names::None];
        Self {
            place: Place::new(&[]),
            names: names[chance.below(4) as usize],
            chance,
            all: Vec::new(),
            taken: Arc::default(),
            falls: 0,
        }
    }

    fn mail_comes(&mut self) {
        for _ in 0..self.chance.below(4) {
            let number = self.all.len();
            // Texts that come in each other's place are not told apart if they are of one size.
            let lines = match self.names {
                Names::Stable => number,
                Names::Numbers | Names::None => self.chance.below(5) as usize,
            };
            let lines = "x\r\n.y\r\n".repeat(lines);
            let text = format!("Subject: {number}\r\n\r\n{lines}");
            self.all.push(text.clone());
            let id = format!("id{number}");
            self.place
                .server
                .with(|state| state.messages.push((id, text)));
        }
        let by_number = self.names == Names::Numbers;
        self.place.server.with(|state| {
            for (place, (id, _)) in state.messages.iter_mut().enumerate() {
                if by_number {
                    *id = (place + 1).to_string();
                }
            }
        });
    }

    fn manner(&mut self) -> Manner {
        let chance = &mut self.chance;
        let mut manner = Manner {
            knows_uidl: self.names != Names::None,
            ..Manner::default()
        };
        if chance.one_in(2) {
            manner.capabilities = &["UIDL", "TOP"];
        }
        match chance.below(10) {
            0 => manner.cuts_after = Some(chance.below(4) as usize),
            1 | 2 => manner.cuts_after_octets = Some(chance.below(700) as usize),
            3 => manner.cuts_at_quit = Some(chance.one_in(2)),
            4 => manner.swaps = true,
            5 => manner.refuses = Some(1 + chance.below(4) as usize),
            6 => manner.gives_nothing = true,
            7 => {
                let all = [Deletes::Refused, Deletes::Never, Deletes::NotAtQuit];
                manner.deletes = all[chance.below(3) as usize];
            }
            _ => {}
        }
        manner
    }

    /// A session that anything may happen to.
    fn session(&mut self) -> String {
        let manner = self.manner();
        let fall = Arc::new(Mutex::new(Fall {
            calls_left: match self.chance.one_in(2) {
                true => 1 + self.chance.below(8),
                false => u64::MAX,
            },
            does_it: self.chance.one_in(2),
            ledger: self.place.path("ledger"),
            synced: None,
        }));
        let told = format!("{:?} {manner:?} {:?}", self.names, fall.lock().unwrap());
        self.place.server.with(|state| state.manner = manner);
        let count_max = self.chance.one_in(4).then_some(2);
        let before = self.place.server.ids().len();
        let (result, _) = self.place.fetch_to(
            &|job| {
                takes(job);
                job.route = vec![0, 1];
                job.count_max = count_max;
            },
            &self.destinations(Some(&fall)),
        );
        let has_quit = self.place.server.ids().len() < before;
        if let Some(synced) = fall.lock().unwrap().synced {
            self.falls += 1;
            let path = self.place.path("ledger");
            let octets = std::fs::metadata(&path).unwrap().len();
            // A machine that has stopped sends no QUIT; if the session did, it stopped after that.
            let kept = match has_quit {
                true => octets,
                false => synced + self.chance.below(octets.saturating_sub(synced) + 1),
            };
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(kept).unwrap();
        }
        format!("{told}: {result:?}")
    }

    fn destinations(&self, fall: Option<&Arc<Mutex<Fall>>>) -> impl Fn(&mut Destinations) {
        let taken = Arc::clone(&self.taken);
        let maildir = self.place.path("Mail");
        let fall = fall.cloned().unwrap_or_else(|| {
            Arc::new(Mutex::new(Fall {
                calls_left: u64::MAX,
                does_it: true,
                ledger: PathBuf::new(),
                synced: None,
            }))
        });
        move |destinations| {
            let forgetful = Forgetful {
                taken: Arc::clone(&taken),
                fails_at: None,
            };
            *destinations = vec![
                Box::new(Falling {
                    inner: Maildir::new(&maildir, "here"),
                    fall: Arc::clone(&fall),
                }),
                Box::new(Falling {
                    inner: forgetful,
                    fall: Arc::clone(&fall),
                }),
            ];
        }
    }

    /// What is not on the server was delivered.
    fn nothing_is_lost(&self, what: &str) {
        let had = self.place.texts();
        self.place.server.with(|state| {
            for text in &self.all {
                let is_there = state.messages.iter().any(|(_, it)| it == text);
                let local = text.replace("\r\n", "\n");
                assert!(is_there || had.contains_key(&local), "{what}: {text:?}");
            }
        });
    }
}

#[test]
fn whatever_happens_nothing_is_lost_and_nothing_is_there_twice() {
    let seeds = std::env::var("SEEDS").map_or(60, |it| it.parse().unwrap());
    for seed in 0..seeds {
        let mut story = Story::new(seed);
        let mut told = Vec::new();
        for session in 0..8 {
            story.mail_comes();
            told.push(story.session());
            let what = format!("seed {seed}, session {session}:\n{}", told.join("\n"));
            story.nothing_is_lost(&what);
        }
        let knows_uidl = story.names != Names::None;
        story.place.server.with(|state| {
            state.manner = Manner {
                knows_uidl,
                ..Manner::default()
            }
        });
        let what = format!("seed {seed}:\n{}", told.join("\n"));
        for _ in 0..2 {
            let (result, _) = story.place.fetch_to(
                &|job| {
                    takes(job);
                    job.route = vec![0, 1];
                },
                &story.destinations(None),
            );
            assert!(result.is_ok(), "{what}: {result:?}");
        }
        story.nothing_is_lost(&what);
        assert!(story.place.server.ids().is_empty(), "{what}");
        let texts = story.place.texts();
        assert_eq!(texts.len(), story.all.len(), "{what}");
        if story.names == Names::Stable {
            assert!(
                texts.values().all(|&copies| copies == 1),
                "{what}\n{texts:?}"
            );
            // One message each time is in doubt, and no more.
            let taken = story.taken.lock().unwrap().len();
            let most = story.all.len() + story.falls;
            assert!((story.all.len()..=most).contains(&taken), "{what}\n{taken}");
        }
    }
}
