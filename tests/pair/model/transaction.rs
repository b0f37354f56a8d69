//! The model's maildrop: listings, texts, marks, and what QUIT does about them.

use pop3::client::{Event, ForeignId};
use pop3::reply::Refusal;
use pop3::{Disposition, Keyword, MessageNumber, Octets};
use restante_tests::driver::{Message, Reading};

use super::{Model, State, told};
use crate::both::Heard;

/// Where a message is in the list, or why there is none.
type Place = Result<usize, &'static str>;

impl Model {
    pub(super) fn transaction(&mut self, line: &str, place: usize, mut marks: Vec<bool>) -> State {
        let words: Vec<&str> = line.split(' ').collect();
        let keyword = Keyword::named(words[0].as_bytes()).unwrap();
        let number = |word: &str| {
            word.parse::<u32>()
                .ok()
                .and_then(MessageNumber::new)
                .unwrap()
        };
        let marked = match self.accounts[place].rules.disposition {
            Disposition::Delete | Disposition::ReadOnly => "message is deleted",
            Disposition::Hide => "message is hidden, not deleted",
            Disposition::Keep => "message is left out until QUIT, not deleted",
        };
        let find = |number: MessageNumber| -> Place {
            match marks.get(number.index()) {
                None => Err("no such message"),
                Some(true) => Err(marked),
                Some(false) => Ok(number.index()),
            }
        };
        match (keyword, &words[1..]) {
            (Keyword::Stat, []) => {
                let (messages, octets) = self.count(place, &marks);
                self.say(&format!("+OK {messages} {octets}"));
                let octets = Octets(octets);
                self.hear(Event::Totals { messages, octets });
            }
            (Keyword::List, []) => {
                let (messages, octets) = self.count(place, &marks);
                let text = format!("{} ({octets} octets)", plural(messages));
                self.accepted(keyword, &text);
                for index in (0..marks.len()).filter(|&index| !marks[index]) {
                    self.list_one("", place, index);
                }
                self.say(".");
                self.hear(Event::ListingEnds { to: keyword });
            }
            (Keyword::Uidl, []) => {
                let (messages, _) = self.count(place, &marks);
                self.accepted(keyword, &plural(messages));
                for index in (0..marks.len()).filter(|&index| !marks[index]) {
                    self.identify_one("", place, index);
                }
                self.say(".");
                self.hear(Event::ListingEnds { to: keyword });
            }
            (Keyword::List, [word]) => match find(number(word)) {
                Ok(index) => self.list_one("+OK ", place, index),
                Err(why) => self.refused(keyword, Some(number(word)), why),
            },
            (Keyword::Uidl, [word]) => match find(number(word)) {
                Ok(index) => self.identify_one("+OK ", place, index),
                Err(why) => self.refused(keyword, Some(number(word)), why),
            },
            (Keyword::Retr, [word]) => match find(number(word)) {
                Ok(index) => return self.send(number(word), place, index, None, marks),
                Err(why) => self.refused(keyword, Some(number(word)), why),
            },
            (Keyword::Top, [word, lines]) => match find(number(word)) {
                Ok(index) => {
                    let lines = lines.parse().ok();
                    return self.send(number(word), place, index, lines, marks);
                }
                Err(why) => self.refused(keyword, Some(number(word)), why),
            },
            (Keyword::Dele, [word]) => match find(number(word)) {
                Ok(index) => {
                    let fate = match self.accounts[place].rules.disposition {
                        Disposition::Delete => "deleted",
                        Disposition::Hide => "hidden, not deleted",
                        Disposition::Keep => "left out until QUIT, not deleted",
                        Disposition::ReadOnly => {
                            let why = "nothing can be deleted in this maildrop";
                            self.refused(keyword, Some(number(word)), why);
                            return State::Transaction(place, marks);
                        }
                    };
                    marks[index] = true;
                    self.say(&format!("+OK message {word} {fate}"));
                    self.hear(Event::Deleted(number(word)));
                }
                Err(why) => self.refused(keyword, Some(number(word)), why),
            },
            (Keyword::Rset, []) => {
                marks.fill(false);
                let has = self.has(place, &marks);
                self.accepted(keyword, &has);
            }
            (Keyword::Noop, []) => self.accepted(keyword, ""),
            (Keyword::Quit, []) => {
                self.update(place, &marks);
                return State::Over;
            }
            _ => panic!("{line}"),
        }
        State::Transaction(place, marks)
    }

    fn list_one(&mut self, before: &str, place: usize, index: usize) {
        let octets = self.accounts[place].messages[index].octets;
        let number = MessageNumber::from_index(index).unwrap();
        self.say(&format!("{before}{} {octets}", index + 1));
        let octets = Octets(octets);
        self.hear(Event::Size { number, octets });
    }

    fn identify_one(&mut self, before: &str, place: usize, index: usize) {
        let id = self.accounts[place].messages[index].unique_id.to_string();
        let number = MessageNumber::from_index(index).unwrap();
        self.say(&format!("{before}{} {id}", index + 1));
        let id = ForeignId::new(id.as_bytes()).unwrap();
        self.hear(Event::UniqueId { number, id });
    }

    /// RETR, or TOP with a number of lines.
    fn send(
        &mut self,
        number: MessageNumber,
        place: usize,
        index: usize,
        lines: Option<u64>,
        marks: Vec<bool>,
    ) -> State {
        let message: Message = self.accounts[place].messages[index].clone();
        let (keyword, text, status, announced) = match lines {
            None => {
                let octets = message.octets;
                let status = format!("+OK {octets} octets");
                (Keyword::Retr, message.text, status, Some(Octets(octets)))
            }
            Some(lines) => {
                let status = "+OK top of message follows".to_owned();
                (Keyword::Top, top(&message.text, lines), status, None)
            }
        };
        let mut wire = Vec::new();
        for line in text.split_inclusive(|&octet| octet == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
        }
        if let Reading::Fails(why) = message.reading {
            self.refused(keyword, Some(number), &told(why));
            return State::Transaction(place, marks);
        }
        self.say(&status);
        self.hear(Event::TextBegins { number, announced });
        match message.reading {
            Reading::FailsAfter(octets) if octets < wire.len() => {
                self.said.extend_from_slice(&wire[..octets]);
                return State::Over;
            }
            _ => self.said.extend_from_slice(&wire),
        }
        self.say(".");
        let octets = Octets(text.len() as u64);
        let event = Event::TextEnds { number, octets };
        self.heard.push(Heard { event, text });
        if keyword == Keyword::Retr {
            self.retrieved.0 += 1;
            self.retrieved.1 += message.octets;
        }
        State::Transaction(place, marks)
    }

    fn update(&mut self, place: usize, marks: &[bool]) {
        if let Some(why) = self.accounts[place].committing {
            let why = match (why, self.accounts[place].rules.disposition) {
                (Refusal::Unavailable, Disposition::Hide) => Refusal::NotHiddenNow,
                (Refusal::Unavailable, _) => Refusal::NotDeletedNow,
                (other, _) => other,
            };
            return self.refused(Keyword::Quit, None, &told(why));
        }
        let mut marked = marks.iter();
        let account = &mut self.accounts[place];
        let messages = &mut account.messages;
        let before = messages.len();
        match account.rules.disposition {
            Disposition::Delete => messages.retain(|_| !marked.next().unwrap()),
            Disposition::Hide if marks.contains(&true) => {
                let hidden = messages.iter_mut().zip(marked);
                hidden.for_each(|(message, marked)| message.hidden = *marked);
                self.deleted = Some(0);
                // What is left is not all seen.
                return self.ok("dewey POP3 server signing off", Event::SignedOff);
            }
            Disposition::Hide | Disposition::Keep | Disposition::ReadOnly => {}
        }
        let left = self.accounts[place].messages.len();
        self.deleted = Some(before - left);
        let left = match left {
            0 => "maildrop empty".to_owned(),
            left => format!("{} left", plural(left as u64)),
        };
        let text = format!("dewey POP3 server signing off ({left})");
        self.ok(&text, Event::SignedOff);
    }

    fn count(&self, place: usize, marks: &[bool]) -> (u64, u64) {
        let messages = self.accounts[place].messages.iter().zip(marks);
        let live = messages.filter(|(_, marked)| !**marked);
        live.fold((0, 0), |(messages, octets), (message, _)| {
            (messages + 1, octets + message.octets)
        })
    }

    pub(super) fn has(&self, place: usize, marks: &[bool]) -> String {
        let (messages, octets) = self.count(place, marks);
        format!("maildrop has {} ({octets} octets)", plural(messages))
    }
}

fn plural(messages: u64) -> String {
    match messages {
        1 => "1 message".to_owned(),
        _ => format!("{messages} messages"),
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
