//! Sessions: what clients do.

use std::collections::BTreeSet;
use std::sync::Arc;

use maildrop::{Hidden, OpenError, Patience, Progress, TextError, View};
use pop3::{Deletions, MessageNumber, Part};
use restante_tests::media::SimDisk;
use restante_tests::random::Random;

use crate::model::{Listed, Number, Veil};
use crate::world::{Visit, World};

type Session = maildrop::native::Session<SimDisk>;

impl World {
    /// What most clients do: open, retrieve, delete, quit; and the server tidies up.
    pub(crate) fn poll(&self, process: usize, drop: usize, random: &mut Random) {
        let Some(visit) = self.open(process, drop, random) else {
            return;
        };
        let alive = || self.process(process).disk.is_alive();
        if random.once_in(2) {
            self.retrieve(process, &visit, random);
        }
        if alive() {
            self.commit(process, visit, random);
        } else {
            self.leave(visit);
        }
        if alive() {
            match random.below(5) {
                0 | 1 => self.tidy(process, drop, random),
                2 => self.compact(process, drop, random),
                _ => {}
            }
        }
    }

    /// A login; the visit if there is anything.
    pub(crate) fn open(&self, process: usize, drop: usize, random: &mut Random) -> Option<Visit> {
        let (store, number) = {
            let this = self.process(process);
            (Arc::clone(&this.store), this.disk.number())
        };
        let view = self.some_view(drop, random);
        let held = self.holds(drop);
        let overtakes = self.overtakes();
        self.say(|| match view.hidden {
            Hidden::LeftOut => format!("process {process}: open {drop}"),
            Hidden::Shown => format!("process {process}: open {drop}, hidden messages too"),
        });
        let id = self.drops[drop];
        // As a server does.
        let (result, after) = self.operation(process, random, || {
            store
                .open_at_hand(id, &view)
                .unwrap_or_else(|| store.open_view(id, &view))
        });
        let session = match result {
            _ if after.died => return None,
            Ok(session) => session,
            Err(OpenError::InUse) => {
                let busy = held || overtakes || after.overtaken || self.holds(drop);
                assert!(busy, "P5: in use, but nobody uses it");
                return None;
            }
            Err(error) => {
                after.excuses("a login", &error);
                self.say(|| format!("    refused: {error}"));
                return None;
            }
        };
        let sure = !after.overtaken && !overtakes && after.faults == 0;
        let numbers = self.judge((process, sure), drop, &session, &view);
        self.say(|| format!("    listed: {numbers:?}"));
        if numbers.is_empty() {
            return None;
        }
        let is_alive = |other: u32| self.is_alive(other);
        self.model().hold(drop, number, is_alive);
        Some(Visit {
            drop,
            process: number,
            session,
            numbers,
        })
    }

    /// Whether a living process has a session with messages.
    pub(crate) fn holds(&self, drop: usize) -> bool {
        let holder = self.model().holder(drop);
        holder.is_some_and(|number| self.is_alive(number))
    }

    fn is_alive(&self, number: u32) -> bool {
        (0..self.processes()).any(|it| {
            let process = self.process(it);
            process.disk.number() == number && process.disk.is_alive()
        })
    }

    /// What a session sees: hidden messages too, now and then, if there may be any.
    fn some_view(&self, drop: usize, random: &Random) -> View {
        let sees_all = self.terms[drop].hides_of_ten > 0 && random.fork(5).once_in(3);
        View {
            hidden: match sees_all {
                true => Hidden::Shown,
                false => Hidden::LeftOut,
            },
            ..View::default()
        }
    }

    /// Compares what a session sees, and what is hidden from it, with what was promised. The process
    /// is sure of it if nothing happened while it looked.
    pub(crate) fn judge(
        &self,
        (process, is_sure): (usize, bool),
        drop: usize,
        session: &Session,
        view: &View,
    ) -> Vec<Number> {
        let (store, number) = {
            let this = self.process(process);
            (Arc::clone(&this.store), this.disk.number())
        };
        // Without a file nothing is settled: two failures may have left a refused first message in a
        // file whose name a power cut brings back.
        let path = maildrop::Store::<SimDisk>::path_of(self.drops[drop]);
        let has_file = self.disk.octets(&path).is_some();
        let sure = (is_sure && has_file).then_some(number);
        let listing = session.listing();
        let mut listed: Vec<_> = (0..listing.len())
            .filter_map(MessageNumber::from_index)
            .map(|number| Listed {
                id: listing
                    .unique_id(number)
                    .as_deref()
                    .unwrap_or_default()
                    .to_vec(),
                octets: listing.octets(number).unwrap_or_default().0,
                is_hidden: session.is_hidden(number),
            })
            .collect();
        let seen = listed.len();
        // Strangers are read at once, while nothing happens to anybody: what is shown can be read.
        self.calmly(|| {
            if view.hidden == Hidden::LeftOut && self.model().hides(drop) {
                // What the session does not see is there all the same.
                let hidden = match store.hidden(self.drops[drop]) {
                    Ok(hidden) => hidden,
                    // Opened at hand, while another process that was overtaken has the append lock.
                    Err(_) if !is_sure => return Vec::new(),
                    Err(error) => panic!("P3: what is hidden: {error}"),
                };
                listed.extend(hidden.into_iter().map(|it| Listed {
                    id: it.unique_id.as_bytes().to_vec(),
                    octets: it.octets.0,
                    is_hidden: true,
                }));
            }
            let mut numbers = self
                .model()
                .shown(drop, (sure, has_file), &listed, |position| {
                    let number = MessageNumber::from_index(position)?;
                    read(session, number, Part::Whole).ok()
                });
            numbers.truncate(seen);
            numbers
        })
    }

    /// Some texts of a session.
    fn retrieve(&self, process: usize, visit: &Visit, random: &mut Random) {
        for _ in 0..=random.below(4) {
            let position = random.below(visit.numbers.len());
            let number = MessageNumber::from_index(position).expect("it is listed");
            let part = match random.once_in(4) {
                true => Part::Top(random.below(5) as u64),
                false => Part::Whole,
            };
            let (result, after) =
                self.operation(process, random, || read(&visit.session, number, part));
            if after.died {
                return;
            }
            let expected = self.model().text(visit.numbers[position]);
            match result {
                Ok(octets) => {
                    self.model().judged += 1;
                    let expected = match part {
                        Part::Whole => &expected.whole[..],
                        Part::Top(lines) => expected.top(lines),
                    };
                    let message = visit.numbers[position];
                    assert!(octets == expected, "P3: other octets of message {message}");
                }
                // What was refused and is cut at last can vanish from under a session.
                Err(TextError::Damaged { .. })
                    if self.model().may_be_unreadable(visit.numbers[position]) => {}
                Err(error) => after.excuses("a retrieval", &error),
            }
        }
    }

    pub(crate) fn some_visit(&self, process: usize, random: &mut Random) -> Option<Visit> {
        let mut this = self.process(process);
        match this.visits.len() {
            0 => None,
            count => Some(this.visits.swap_remove(random.below(count))),
        }
    }

    /// A session that is open goes on.
    pub(crate) fn go_on(&self, process: usize, random: &mut Random) {
        let Some(visit) = self.some_visit(process, random) else {
            return;
        };
        self.say(|| format!("process {process}: retrieves from {}", visit.drop));
        self.retrieve(process, &visit, random);
        let mut this = self.process(process);
        // Who died has no sessions any more.
        if this.disk.is_alive() {
            this.visits.push(visit);
        } else {
            drop(this);
            self.leave(visit);
        }
    }

    /// A session ends without QUIT.
    pub(crate) fn leave(&self, visit: Visit) {
        self.model().release(visit.drop, visit.process);
    }

    pub(crate) fn leave_all(&self, process: usize) {
        let visits = std::mem::take(&mut self.process(process).visits);
        for visit in visits {
            self.leave(visit);
        }
    }

    /// QUIT.
    pub(crate) fn commit(&self, process: usize, visit: Visit, random: &mut Random) {
        let Visit {
            drop,
            process: number,
            session,
            numbers,
        } = visit;
        let of_ten = random.pick(&[0, 3, 5, 10, 10]);
        let mut deletions = Deletions::default();
        let mut marked = BTreeSet::new();
        for (position, &number) in numbers.iter().enumerate() {
            if random.below(10) < of_ten
                && let Some(place) = MessageNumber::from_index(position)
            {
                deletions.mark(place);
                marked.insert(number);
            }
        }
        let hides = random.fork(6).below(10) < self.terms[drop].hides_of_ten;
        let what = if hides { "hide" } else { "delete" };
        self.say(|| format!("process {process}: commit to {drop}: {what} {marked:?}"));
        let (mut deletion, mut hiding) = (None, None);
        match hides {
            _ if marked.is_empty() => {}
            true => hiding = Some(self.model().veil(number, drop, Veil::Hide, marked.clone())),
            false => deletion = Some(self.model().delete(number, drop, marked.clone())),
        }
        let overtakes = self.overtakes();
        let (result, after) = self.operation(process, random, || match hides {
            true => session.hide(&deletions),
            false => session.commit(&deletions),
        });
        let mut model = self.model();
        if !after.died {
            model.release(drop, number);
        }
        let said = match result {
            _ if after.died => {
                deletion.inspect(|&it| model.deletion_unanswered(it));
                "nobody answers".into()
            }
            Ok(left) => {
                assert_eq!(left, numbers.len() - marked.len(), "messages that stay");
                let sure = !after.overtaken && !overtakes;
                deletion.inspect(|&it| model.deleted(it, sure));
                hiding.inspect(|&it| model.veiled(drop, it, marked, sure));
                "acknowledged".into()
            }
            Err(error) => {
                after.excuses("a commit", &error);
                deletion.inspect(|&it| model.not_deleted(it, after.outcome()));
                hiding.inspect(|&it| model.not_veiled(drop, it, after.outcome()));
                format!("refused: {error}")
            }
        };
        std::mem::drop(model);
        self.say(|| format!("    {said}"));
    }
}

/// A text, to its end.
pub(crate) fn read(
    session: &Session,
    number: MessageNumber,
    part: Part,
) -> Result<Vec<u8>, TextError> {
    let mut out = Vec::new();
    let mut text = session.text(number, part)?;
    while text.read(&mut out, Patience::Wait)? != Progress::End {}
    Ok(out)
}
