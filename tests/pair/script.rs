//! Scripts: who logs in, what is asked, and where the connection breaks, all from one seed.

use pop3::client::{CannotSend, Event, Outcome};
use pop3::{Command, MessageNumber};
use restante_tests::driver::{Account, Standing};
use restante_tests::random::Random;
use sasl::{Secret, plain};

use crate::both::{Both, Cut};
use crate::maildrops::odd_account;
use crate::model::Model;

/// The right passwords.
const ACCOUNTS: [(&str, &str); 2] = [("bob", "red queen "), ("alice", "rabbit")];

/// What the scripts have come across.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    commands: u64,
    logged_in: u64,
    logins_refused: u64,
    refused: u64,
    texts: u64,
    cut: u64,
    cut_by_server: u64,
    deleted: u64,
    not_deleted: u64,
    unknown: u64,
}

impl Tally {
    /// Nothing of what the test is about was left out.
    pub(crate) fn has_seen_everything(&self, least: u64) {
        for count in [
            self.commands / 10,
            self.logged_in,
            self.logins_refused,
            self.refused,
            self.texts,
            self.cut,
            self.cut_by_server,
            self.deleted,
            self.not_deleted,
            self.unknown,
        ] {
            assert!(count >= least, "less than {least} in {self:?}");
        }
    }

    fn count(&mut self, both: &Both, outcome: &Outcome) {
        for heard in &both.heard {
            match &heard.event {
                Event::LoggedIn(_) => self.logged_in += 1,
                Event::Refused {
                    number: Some(_), ..
                } => self.refused += 1,
                Event::Refused { .. } => self.logins_refused += 1,
                Event::TextEnds { .. } => self.texts += 1,
                _ => {}
            }
        }
        match outcome {
            Outcome::NothingDeleted => {}
            Outcome::Unknown => self.unknown += 1,
            Outcome::Deleted => self.deleted += 1,
            Outcome::Refused(_) => self.not_deleted += 1,
        }
        self.cut += u64::from(both.is_cut());
        self.cut_by_server += u64::from(both.driver.standing() == Standing::Cut);
    }
}

/// Plays the script of a seed on both sides and on the model, and compares.
pub(crate) fn play(seed: u64, tally: &mut Tally) {
    let random = &mut Random::new(seed);
    let accounts: Vec<_> = ACCOUNTS
        .iter()
        .map(|(user, password)| odd_account(random, user, password))
        .collect();
    let cut = random.once_in(4).then(|| Cut {
        to_server: 1 + random.below(600),
        to_client: 1 + random.below(4000),
    });
    let output_octets_max = random.pick(&[0, 600, 65_536]);
    let mut both = Both::new(accounts.clone(), output_octets_max, cut);
    let segment = random.pick(&[1, 7, 100, 5000]);
    let mut script = Script {
        random,
        segment,
        both: &mut both,
        commands: 0,
    };
    script.log_in_somehow();
    script.work();
    tally.commands += script.commands;

    let mut model = Model::new(accounts);
    model.receive(&both.received);
    compare(seed, &both, &model);
    tally.count(&both, &both.outcome());
}

fn compare(seed: u64, both: &Both, model: &Model) {
    let found = both.said.escape_ascii().to_string();
    let expected = model.said.escape_ascii().to_string();
    assert_eq!(found, expected, "PAIR_SEED={seed}: what the server said");
    let heard = &model.heard[..both.heard.len().min(model.heard.len())];
    assert_eq!(both.heard, heard, "PAIR_SEED={seed}: what the client heard");
    let all_arrived = both.arrived == both.said.len();
    if all_arrived {
        assert_eq!(both.heard.len(), model.heard.len(), "PAIR_SEED={seed}");
    }
    if !both.is_cut() && both.driver.standing() != Standing::Cut {
        assert!(all_arrived, "PAIR_SEED={seed}");
        both.is_quiet();
    }
    for (found, expected) in both.driver.accounts().iter().zip(model.accounts()) {
        let ids = |account: &Account| -> Vec<_> {
            let ids = account.messages.iter();
            ids.map(|message| (message.unique_id.clone(), message.hidden))
                .collect()
        };
        assert_eq!(ids(found), ids(expected), "PAIR_SEED={seed}: what is left");
    }
    match both.outcome() {
        Outcome::Unknown => {}
        outcome => {
            let deleted = matches!(outcome, Outcome::Deleted);
            assert_eq!(
                deleted,
                model.deleted.is_some(),
                "PAIR_SEED={seed}: {outcome:?}"
            );
        }
    }
    let summary = both.driver.summary();
    let retrieved = (summary.messages_retrieved, summary.octets_retrieved);
    assert_eq!(retrieved, model.retrieved, "PAIR_SEED={seed}");
    if let Some(place) = model.logged_in {
        assert_eq!(summary.user.as_deref(), Some(ACCOUNTS[place].0));
        let messages = &model.accounts()[place].messages;
        let hidden = messages.iter().filter(|message| message.hidden).count();
        assert_eq!(summary.messages_left, messages.len() - hidden);
        assert_eq!(summary.messages_hidden, hidden);
        assert_eq!(summary.messages_deleted, model.deleted.unwrap_or(0));
    }
}

struct Script<'a> {
    random: &'a mut Random,
    segment: usize,
    both: &'a mut Both,
    commands: u64,
}

impl Script<'_> {
    fn send(&mut self, command: &Command) {
        self.both.send(command).unwrap();
        self.commands += 1;
    }

    fn carry(&mut self) {
        self.both.carry(self.random, self.segment);
    }

    /// Whether the client knows that it is logged in.
    fn is_logged_in(&self) -> bool {
        let heard = &self.both.heard;
        heard
            .iter()
            .any(|heard| matches!(heard.event, Event::LoggedIn(_)))
    }

    fn is_over(&self) -> bool {
        self.both.is_cut() || self.both.driver.standing() != Standing::Open
    }

    /// Tries until it is right, or has had enough.
    fn log_in_somehow(&mut self) {
        while !self.is_over() && !self.is_logged_in() {
            if self.random.once_in(12) {
                self.send(&Command::Quit);
                self.carry();
                return;
            }
            let early = self.both.send(&Command::Stat);
            assert_eq!(early, Err(CannotSend::NotLoggedIn));
            let (user, right) = self.random.pick(&ACCOUNTS);
            let password = self.random.pick(&[right, right, "wrong"]);
            let user = self.random.pick(&[user, user, user, "mallory"]);
            match self.random.below(4) {
                0 | 1 => {
                    if !self.random.once_in(8) {
                        self.send(&Command::User(user.into()));
                    }
                    if self.random.once_in(2) {
                        self.carry();
                    }
                    self.send(&Command::Pass(Secret::new(password)));
                    self.behind_the_login();
                }
                2 => {
                    self.both.apop(user, password).unwrap();
                    self.behind_the_login();
                }
                _ => self.exchange(user, password),
            }
            self.carry();
        }
    }

    /// What is sent before it is known whether the login is right.
    fn behind_the_login(&mut self) {
        if self.random.once_in(3) {
            for _ in 0..self.random.below(6) {
                let command = self.command();
                self.send(&command);
            }
        }
    }

    fn exchange(&mut self, user: &str, password: &str) {
        let message = match self.random.below(5) {
            0 => None,
            1 => Some(Secret::new("\0nonsense")),
            _ => Some(plain::message(None, user, &Secret::new(password))),
        };
        // Without a message it gives up when it is asked for one.
        let asks = message.is_none() || self.random.once_in(2);
        let mut exchange = self.both.auth(message, asks);
        let more = self.both.send(&Command::Capa);
        assert_eq!(more, Err(CannotSend::Unanswered));
        self.carry();
        self.both.step_exchange(&mut exchange);
    }

    /// Works in the maildrop, and ends with QUIT or without.
    fn work(&mut self) {
        if !self.is_logged_in() {
            return;
        }
        let again = self.both.send(&Command::User("bob".into()));
        if !self.is_over() {
            assert_eq!(again, Err(CannotSend::LoggedIn));
        }
        let batch = self.random.pick(&[1, 3, 40]);
        for _ in 0..self.random.below(40) {
            if self.is_over() {
                return;
            }
            let command = self.command();
            self.send(&command);
            if self.random.once_in(batch) {
                self.carry();
            }
        }
        if !self.random.once_in(4) {
            self.send(&Command::Quit);
            let late = self.both.send(&Command::Noop);
            assert_eq!(late, Err(CannotSend::Over));
        }
        self.carry();
    }

    fn command(&mut self) -> Command {
        let random = &mut *self.random;
        let far = random.once_in(20);
        let number = match far {
            true => random.pick(&[100, u32::MAX]),
            false => 1 + random.below(9) as u32,
        };
        let number = MessageNumber::new(number).unwrap();
        match random.below(12) {
            0 => Command::Stat,
            1 => Command::Noop,
            2 if random.once_in(2) => Command::Rset,
            2 | 3 => Command::List(None),
            4 => Command::Uidl(None),
            5 => Command::List(Some(number)),
            6 => Command::Uidl(Some(number)),
            7 | 8 => Command::Retr(number),
            9 => Command::Top(number, random.below(6) as u64),
            _ => Command::Dele(number),
        }
    }
}
