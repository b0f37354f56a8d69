//! What processes do: one step is what a client, a sender or an operator wants done.

use std::sync::Arc;

use maildrop::{Addressee, DeliverError, Delivered, Envelope};
use pop3::UniqueId;
use restante_tests::media::{Loss, SimDisk};
use restante_tests::random::Random;

use crate::model::{Number, Outcome};
use crate::text::Text;
use crate::world::{After, World};

impl World {
    /// One step of a process that is not in the middle of something.
    pub(crate) fn step(&self, random: &mut Random) {
        let Some(process) = self.idle(random) else {
            return;
        };
        self.step_counted();
        // Most things happen to the first maildrop.
        let drop = match random.once_in(3) {
            true => random.below(self.drops.len()),
            false => 0,
        };
        // Dice of its own: lives in which nobody hides are not changed.
        if self.terms[drop].hides_of_ten > 0 && random.fork(4).once_in(12) {
            return self.unhide(process, drop, random);
        }
        match random.below(100) {
            0..36 => self.deliver(process, drop, random),
            36..58 => self.poll(process, drop, random),
            58..66 => {
                if let Some(visit) = self.open(process, drop, random) {
                    self.process(process).visits.push(visit);
                }
            }
            66..74 => self.go_on(process, random),
            74..82 => {
                if let Some(visit) = self.some_visit(process, random) {
                    self.commit(process, visit, random);
                }
            }
            82..85 => {
                if let Some(visit) = self.some_visit(process, random) {
                    self.say(|| format!("process {process}: a session of {} vanishes", visit.drop));
                    self.leave(visit);
                }
            }
            85..88 => self.tidy(process, drop, random),
            88 | 89 => self.compact(process, drop, random),
            90 => self.summary(process, drop, random),
            91 if random.once_in(2) => self.expire(process, drop, random),
            91 => self.reserve(process, random),
            92 => self.undelete(process, drop, random),
            93 => self.verify(process, drop, random),
            94..96 => {
                self.say(|| format!("process {process}: restarts"));
                self.leave_all(process);
                self.restart(process, random);
            }
            96..98 => {
                let victim = random.below(self.processes());
                self.say(|| format!("process {victim}: is killed"));
                self.killed(victim);
            }
            _ => {
                let loss = match random.below(4) {
                    0 => Loss::Everything,
                    1 => Loss::Nothing,
                    _ => Loss::Some(random.number()),
                };
                self.say(|| format!("power cut: {loss:?}"));
                self.cut(loss);
            }
        }
    }

    /// A message comes in.
    pub(crate) fn deliver(&self, process: usize, drop: usize, random: &mut Random) {
        let path = maildrop::Store::<SimDisk>::path_of(self.drops[drop]);
        let file = self.disk.octets(&path).unwrap_or_default();
        let number = self.model().next_number();
        let text = Arc::new(Text::new(random, number, &file));
        let wanted = self.wanted(drop, number, random);
        let before = self.model().counters(drop);
        let overtakes = self.overtakes();
        self.say(|| {
            let name = match wanted {
                Some(_) => ", with a unique-id from elsewhere",
                None => "",
            };
            format!("process {process}: deliver {number} to {drop}: {text:?}{name}")
        });
        let (store, this) = {
            let process = self.process(process);
            (Arc::clone(&process.store), process.disk.number())
        };
        self.model()
            .deliver(this, drop, Arc::clone(&text), wanted.clone());
        let envelope = Envelope {
            prefix: text.whole[..text.prefix].to_vec(),
            sender: random.once_in(2).then(|| b"sender@example.org".to_vec()),
            unique_id: wanted.and_then(UniqueId::new),
            ..Envelope::default()
        };
        let to = Addressee {
            id: self.drops[drop],
            account: "mrose",
            quota: self.terms[drop].quota,
        };
        let (result, after) = self.operation(process, random, || {
            let mut draft = store.draft();
            for piece in text.text().chunks(50_000) {
                draft.append(piece)?;
            }
            store.deliver(&to, &draft, &text.measure, &envelope)
        });
        if result.is_ok() && !after.died && !after.overtaken && !overtakes {
            self.model().built_upon(drop);
        }
        self.delivered(number, drop, before, result, after);
    }

    fn delivered(
        &self,
        number: Number,
        drop: usize,
        before: Option<(u64, u64)>,
        result: Result<Delivered, DeliverError>,
        after: After,
    ) {
        let mut model = self.model();
        let said = match (&result, after.died) {
            (_, true) => {
                model.unanswered(number);
                "nobody answers".into()
            }
            (Ok(delivered), _) => {
                model.acknowledged(number, delivered);
                format!("acknowledged, uid {}", delivered.uid)
            }
            (Err(DeliverError::OverQuota), _) => {
                let quota = self.terms[drop].quota;
                let octets = model.text(number).octets();
                // What was settled before and is now is what it was all the time.
                model.refused(number, Outcome::Undone);
                if before.is_some() && before == model.counters(drop) {
                    let (count, sum) = before.unwrap_or_default();
                    let full = quota.messages.is_some_and(|most| count >= most)
                        || quota.octets.is_some_and(|most| sum + octets > most);
                    assert!(
                        full || after.overtaken,
                        "refused for a quota that is not reached"
                    );
                }
                "over quota".into()
            }
            (Err(error), _) => {
                after.excuses("a delivery", error);
                model.refused(number, after.outcome());
                format!("refused: {error}")
            }
        };
        // An operator who brings messages back may exceed it.
        let acknowledged = result.is_ok() && !after.died;
        let counters = model.counters(drop).filter(|_| acknowledged);
        let within = counters.is_none_or(|(count, octets)| {
            let quota = self.terms[drop].quota;
            quota.messages.is_none_or(|most| count <= most)
                && quota.octets.is_none_or(|most| octets <= most)
        });
        std::mem::drop(model);
        assert!(within, "a maildrop holds more than its quota");
        self.say(|| format!("    {number}: {said}"));
    }

    /// A unique-id that the message had elsewhere: new, one that is taken, or one like ours.
    fn wanted(&self, drop: usize, number: Number, random: &mut Random) -> Option<Vec<u8>> {
        let model = self.model();
        match random.below(20) {
            0 | 1 => Some(format!("from-elsewhere-{number}").into_bytes()),
            2 => model.id(drop, |count| random.below(count)),
            3 => {
                let mut like = model.id(drop, |count| random.below(count))?;
                match like.get(13) {
                    Some(b'.') => {
                        like.truncate(14);
                        like.push(random.pick(b"bcdefghijklmnopq"));
                        Some(like)
                    }
                    _ => None,
                }
            }
            4 => Some(format!("{number:x>70}").into_bytes()),
            _ => None,
        }
    }
}
