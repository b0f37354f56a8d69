//! How far a client retrieves ahead: a window in octets and in commands.
//!
//! Sent one at a time, each RETR costs a round trip. Sent all at once, the replies to a hundred thousand
//! commands are on their way and nothing can be stopped or taken back. A window in messages is wrong
//! both ways, since they differ in size; LIST tells the sizes, so the window is in octets: as many as
//! bandwidth times round trip, so that the link never falls idle. [RFC 2449 §6.6] lets a client send as
//! much as it likes, if it goes on reading while it writes.
//!
//! ```
//! use pop3::client::{Arrived, Window};
//! use pop3::{MessageNumber, Octets};
//!
//! let mut window = Window::new(Octets(1000), 8);
//! let sizes = [Octets(400), Octets(400), Octets(400)];
//! assert_eq!(window.room(sizes), 2);
//! for (number, size) in (1..).map_while(MessageNumber::new).zip(sizes).take(2) {
//!     window.sent(number, size);
//! }
//! assert_eq!(window.room([Octets(400)]), 0);
//! window.received(Octets(400));
//! assert_eq!(window.arrived(Octets(400)), Some(Arrived::AsListed));
//! assert_eq!(window.room([Octets(400)]), 1);
//! ```
//!
//! [RFC 2449 §6.6]: https://www.rfc-editor.org/rfc/rfc2449#section-6.6

use std::collections::VecDeque;

use crate::{MessageNumber, Octets};

/// What was asked for and has not come.
#[derive(Clone, Debug)]
pub struct Window {
    octets_max: u64,
    commands_max: usize,
    outstanding: VecDeque<Outstanding>,
    /// Sum of what is missing of all outstanding texts.
    octets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    number: MessageNumber,
    listed: Octets,
    missing: u64,
}

/// How a message that has come fits what LIST said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrived {
    /// It has as many octets.
    AsListed,
    /// It has not. Some servers count otherwise, and then never fit; one that does fit otherwise has
    /// answered out of order, or with another message.
    Otherwise {
        /// What LIST said.
        listed: Octets,
    },
}

impl Window {
    /// A window of so many octets, and of so many commands at most; one is always allowed.
    pub fn new(octets_max: Octets, commands_max: usize) -> Self {
        Self {
            octets_max: octets_max.0,
            commands_max: commands_max.max(1),
            outstanding: VecDeque::new(),
            octets: 0,
        }
    }

    /// For servers that do not announce PIPELINING or do not mean it.
    pub fn one_at_a_time() -> Self {
        Self::new(Octets(0), 1)
    }

    /// From now on at least so many octets and commands: the link has shown that it holds more.
    pub fn widen(&mut self, octets_max: Octets, commands_max: usize) {
        self.octets_max = self.octets_max.max(octets_max.0);
        self.commands_max = self.commands_max.max(commands_max);
    }

    /// From now on one at a time; what is outstanding remains so.
    pub fn narrow(&mut self) {
        self.octets_max = 0;
        self.commands_max = 1;
    }

    /// How many of the next messages, which have these sizes, may be asked for now.
    ///
    /// If nothing is outstanding it is at least the first, however large.
    pub fn room(&self, sizes: impl IntoIterator<Item = Octets>) -> usize {
        let (mut octets, mut commands) = (self.octets, self.outstanding.len());
        sizes
            .into_iter()
            .take_while(|size| {
                octets = octets.saturating_add(size.0);
                commands += 1;
                commands == 1 || (commands <= self.commands_max && octets <= self.octets_max)
            })
            .count()
    }

    /// A RETR or TOP was sent, for a text of about this size.
    pub fn sent(&mut self, number: MessageNumber, listed: Octets) {
        self.octets = self.octets.saturating_add(listed.0);
        self.outstanding.push_back(Outstanding {
            number,
            listed,
            missing: listed.0,
        });
    }

    /// Whose text comes next, or is coming.
    pub fn next(&self) -> Option<MessageNumber> {
        self.outstanding.front().map(|text| text.number)
    }

    /// So many octets of that text have come ([`Event::Text`](super::Event::Text)).
    pub fn received(&mut self, octets: Octets) {
        if let Some(text) = self.outstanding.front_mut() {
            // More than was listed makes no room.
            let octets = octets.0.min(text.missing);
            text.missing -= octets;
            self.octets = self.octets.saturating_sub(octets);
        }
    }

    /// All of that text has come, so many octets ([`Event::TextEnds`](super::Event::TextEnds)).
    /// None if nothing was outstanding.
    pub fn arrived(&mut self, octets: Octets) -> Option<Arrived> {
        let listed = self.take()?;
        Some(match octets == listed {
            true => Arrived::AsListed,
            false => Arrived::Otherwise { listed },
        })
    }

    /// That text will not come ([`Event::Refused`](super::Event::Refused)).
    pub fn refused(&mut self) {
        self.take();
    }

    /// Number of texts that have not come.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    fn take(&mut self) -> Option<Octets> {
        let text = self.outstanding.pop_front()?;
        self.octets = match self.outstanding.is_empty() {
            // A sum that was saturated is right again.
            true => 0,
            false => self.octets.saturating_sub(text.missing),
        };
        Some(text.listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn n(number: u32) -> MessageNumber {
        MessageNumber::new(number).unwrap()
    }

    #[test]
    fn one_is_always_allowed_however_large() {
        for mut window in [
            Window::one_at_a_time(),
            Window::new(Octets(0), 0),
            Window::new(Octets(10), 9),
        ] {
            assert_eq!(window.room([Octets(u64::MAX); 3]), 1);
            window.sent(n(1), Octets(u64::MAX));
            assert_eq!(window.room([Octets(0)]), 0);
            assert_eq!(window.next(), Some(n(1)));
            window.refused();
            assert_eq!(window.room([Octets(11); 3]), 1);
        }
    }

    #[test]
    fn octets_that_have_come_make_room_before_the_text_ends() {
        let mut window = Window::new(Octets(100), 9);
        window.sent(n(1), Octets(90));
        assert_eq!(window.room([Octets(50)]), 0);
        window.received(Octets(40));
        assert_eq!(window.room([Octets(50), Octets(1)]), 1);
        window.received(Octets(1000));
        assert_eq!(window.room([Octets(100), Octets(1)]), 1);
        let listed = Octets(90);
        assert_eq!(
            window.arrived(Octets(1040)),
            Some(Arrived::Otherwise { listed })
        );
        assert_eq!(window.arrived(Octets(1)), None);
    }

    #[test]
    fn a_window_grows_and_does_not_shrink_by_that() {
        let mut window = Window::new(Octets(100), 2);
        assert_eq!(window.room([Octets(10); 9]), 2);
        window.widen(Octets(50), 4);
        assert_eq!(window.room([Octets(10); 9]), 4);
        assert_eq!(window.room([Octets(60); 9]), 1);
        window.widen(Octets(200), 1);
        assert_eq!(window.room([Octets(60); 9]), 3);
    }

    #[test]
    fn a_server_that_does_not_keep_up_gets_one_at_a_time() {
        let mut window = Window::new(Octets(1000), 9);
        for number in 1..=3 {
            window.sent(n(number), Octets(1));
        }
        window.narrow();
        assert_eq!(window.room([Octets(1)]), 0);
        assert_eq!(window.arrived(Octets(1)), Some(Arrived::AsListed));
        window.refused();
        assert_eq!((window.outstanding(), window.room([Octets(1)])), (1, 0));
        window.refused();
        assert_eq!(window.room([Octets(1); 2]), 1);
    }

    proptest! {
        /// What a list of what is missing would say.
        #[test]
        fn the_window_is_kept(
            octets_max in 0u64..500,
            commands_max in 1usize..10,
            sizes in prop::collection::vec(0u64..200, 1..60),
            pieces in prop::collection::vec(1u64..90, 1..40),
        ) {
            let mut window = Window::new(Octets(octets_max), commands_max);
            let mut missing: VecDeque<u64> = VecDeque::new();
            let (mut place, mut pieces) = (0, pieces.iter().cycle());
            while place < sizes.len() || !missing.is_empty() {
                let room = window.room(sizes[place..].iter().copied().map(Octets));
                for &size in &sizes[place..place + room] {
                    place += 1;
                    window.sent(n(place as u32), Octets(size));
                    missing.push_back(size);
                    let alone = missing.len() == 1;
                    let sum: u64 = missing.iter().sum();
                    prop_assert!(alone || (sum <= octets_max && missing.len() <= commands_max));
                }
                if let Some(next) = sizes.get(place) {
                    let sum: u64 = missing.iter().sum();
                    let fits = sum + next <= octets_max && missing.len() < commands_max;
                    prop_assert!(!fits && !missing.is_empty());
                }
                let first = missing.front_mut().unwrap();
                let piece = *pieces.next().unwrap_or(&1);
                window.received(Octets(piece));
                *first -= piece.min(*first);
                if *first == 0 || piece == 7 {
                    missing.pop_front();
                    window.refused();
                }
            }
        }
    }
}
