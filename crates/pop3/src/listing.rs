//! The words of the scan listing: four numbers that look alike are four types.
//!
//! A maildrop's listing is read once, when it is opened; numbers and sizes do not change during
//! the session (RFC 1939 §5), so [`ScanListing`] is a value that the session owns.
//!
//! ```
//! use pop3::{MessageNumber, Octets, ScanListing, UniqueId};
//!
//! let mut listing = ScanListing::default();
//! listing.push(Octets(120), &UniqueId::new(b"a.1".to_vec()).unwrap());
//! let first = MessageNumber::new(1).unwrap();
//! assert_eq!(listing.octets(first), Some(Octets(120)));
//! assert_eq!(listing.unique_id(first).as_deref(), Some(&b"a.1"[..]));
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::ops::Deref;

/// A message's place in this session's scan listing, counted from 1 (RFC 1939 §4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageNumber(NonZeroU32);

impl MessageNumber {
    /// The number, if it is one: 0 is none.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number of the message at a position counted from 0; none beyond 2³² − 2.
    pub fn from_index(index: usize) -> Option<Self> {
        u32::try_from(index)
            .ok()?
            .checked_add(1)
            .and_then(Self::new)
    }

    /// Position in a slice of listings. The only place where 1 is subtracted.
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The number as the protocol prints it.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for MessageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Size of a message as `LIST` and `STAT` report it: octets with CRLF line ends, without
/// dot-stuffing and without the terminator line (RFC 1939 §11).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Octets(pub u64);

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Size of a message as it travels: dot-stuffed, without the terminator line.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WireOctets(pub u64);

/// A message's unique-id: 1 to 70 octets of 0x21 to 0x7E (RFC 1939 §7).
///
/// Kept in place: a listing of 100,000 would else ask for memory as often.
#[derive(Clone)]
pub struct UniqueId {
    octets: [u8; Self::OCTETS_MAX],
    len: u8,
}

impl UniqueId {
    /// Most octets a unique-id may have (RFC 1939 §7).
    pub const OCTETS_MAX: usize = 70;

    /// The unique-id, if the octets are one.
    pub fn new(octets: impl AsRef<[u8]>) -> Option<Self> {
        let octets = octets.as_ref();
        let well_formed = (1..=Self::OCTETS_MAX).contains(&octets.len())
            && octets.iter().all(|octet| (0x21..=0x7e).contains(octet));
        let mut id = Self {
            octets: [0; Self::OCTETS_MAX],
            len: u8::try_from(octets.len()).ok()?,
        };
        well_formed.then(|| {
            id.octets[..octets.len()].copy_from_slice(octets);
            id
        })
    }

    /// The octets as `UIDL` prints them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

impl Deref for UniqueId {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for UniqueId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for UniqueId {}

impl PartialOrd for UniqueId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UniqueId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for UniqueId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UniqueId({self})")
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every octet is printable ASCII by construction.
        self.as_bytes()
            .iter()
            .try_for_each(|&octet| fmt::Write::write_char(f, char::from(octet)))
    }
}

/// Sizes and unique-ids of a maildrop's messages, in order, as they were when it was opened.
///
/// Kept in flat tables, so that a maildrop of 100,000 messages costs two allocations and about 2.4 MB.
/// Unique-ids that a back end can make of numbers are made when somebody asks for them: most sessions
/// never do.
#[derive(Clone, Debug, Default)]
pub struct ScanListing {
    octets: Vec<Octets>,
    ids: Vec<Id>,
    /// Of those that are no numbers.
    unique_ids: Vec<u8>,
    naming: Option<Naming>,
    /// Ascending; in most maildrops there is none, and nothing is allocated.
    internationalised: Vec<MessageNumber>,
    total: u64,
    partial: bool,
}

/// How the unique-id of a message is known.
#[derive(Clone, Copy, Debug)]
enum Id {
    Number(u64),
    /// It ends here in the table of texts, and has so many octets.
    Text(u32, u8),
}

/// How a back end makes unique-ids of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    /// The same for all messages of the listing.
    pub generation: u64,
    /// The unique-id of a generation and a number: always the same.
    pub name: fn(u64, u64) -> UniqueId,
}

impl ScanListing {
    /// An empty listing with room for so many messages.
    pub fn with_capacity(messages: usize) -> Self {
        Self {
            octets: Vec::with_capacity(messages),
            ids: Vec::with_capacity(messages),
            unique_ids: Vec::new(),
            naming: None,
            internationalised: Vec::new(),
            total: 0,
            partial: false,
        }
    }

    /// The same, for messages most of which have unique-ids that are made of numbers.
    pub fn with_naming(messages: usize, naming: Naming) -> Self {
        Self {
            naming: Some(naming),
            ..Self::with_capacity(messages)
        }
    }

    /// Adds the next message.
    ///
    /// # Panics
    ///
    /// Beyond 4 GiB of unique-ids, that is, never below 61 million messages.
    pub fn push(&mut self, octets: Octets, unique_id: &UniqueId) {
        self.unique_ids.extend_from_slice(unique_id.as_bytes());
        let end =
            u32::try_from(self.unique_ids.len()).expect("a maildrop has < 61 million messages");
        self.add(octets, Id::Text(end, unique_id.len));
    }

    /// Adds the next message, whose unique-id is made of a number by the listing's [`Naming`]. Without
    /// one it has none.
    pub fn push_numbered(&mut self, octets: Octets, number: u64) {
        self.add(octets, Id::Number(number));
    }

    fn add(&mut self, octets: Octets, id: Id) {
        self.octets.push(octets);
        self.ids.push(id);
        self.total = self.total.saturating_add(octets.0);
    }

    /// Says of the last message that its header has octets that are not ASCII (RFC 6856 §2.1).
    pub fn internationalise_last(&mut self) {
        if let Some(last) = self.octets.len().checked_sub(1)
            && let Some(number) = MessageNumber::from_index(last)
            && !self.is_internationalised(number)
        {
            self.internationalised.push(number);
        }
    }

    /// Whether the header of a message has octets that are not ASCII.
    pub fn is_internationalised(&self, number: MessageNumber) -> bool {
        self.internationalised.binary_search(&number).is_ok()
    }

    /// All such messages, ascending.
    pub fn internationalised(&self) -> &[MessageNumber] {
        &self.internationalised
    }

    /// Gives a message the size of what is sent in its place.
    pub(crate) fn resize(&mut self, number: MessageNumber, octets: Octets) {
        if let Some(size) = self.octets.get_mut(number.index()) {
            let others = self.total.saturating_sub(size.0);
            self.total = others.saturating_add(octets.0);
            *size = octets;
        }
    }

    /// Says that the maildrop has messages that this session is not shown, so that no reply calls it
    /// empty.
    pub fn leave_some_out(&mut self) {
        self.partial = true;
    }

    /// Whether the maildrop has messages that are not listed.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Sum of all sizes.
    pub fn total(&self) -> Octets {
        Octets(self.total)
    }

    /// Size of one message.
    pub fn octets(&self, number: MessageNumber) -> Option<Octets> {
        self.octets.get(number.index()).copied()
    }

    /// Unique-id of one message.
    pub fn unique_id(&self, number: MessageNumber) -> Option<UniqueId> {
        Some(match self.shown_id(number)? {
            ShownId::Made(id) => id,
            ShownId::Kept(octets) => {
                let mut id = UniqueId {
                    octets: [0; UniqueId::OCTETS_MAX],
                    len: u8::try_from(octets.len()).ok()?,
                };
                id.octets[..octets.len()].copy_from_slice(octets);
                id
            }
        })
    }

    /// The same, to be printed: a text is not copied.
    pub(crate) fn shown_id(&self, number: MessageNumber) -> Option<ShownId<'_>> {
        match *self.ids.get(number.index())? {
            Id::Number(number) => {
                let Naming { generation, name } = self.naming?;
                Some(ShownId::Made(name(generation, number)))
            }
            Id::Text(end, len) => {
                let end = end as usize;
                let octets = &self.unique_ids[end - usize::from(len)..end];
                Some(ShownId::Kept(octets))
            }
        }
    }
}

/// A unique-id where it is kept, or as it was made.
pub(crate) enum ShownId<'a> {
    Kept(&'a [u8]),
    Made(UniqueId),
}

impl Deref for ShownId<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Kept(octets) => octets,
            Self::Made(id) => id.as_bytes(),
        }
    }
}

/// The messages that a session has marked as deleted (RFC 1939 §5, DELE).
///
/// One bit a message: marking, unmarking and asking are constant work.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Deletions {
    marks: Vec<u64>,
    count: usize,
}

impl Deletions {
    /// Marks a message; false if it was marked already.
    pub fn mark(&mut self, number: MessageNumber) -> bool {
        let (word, bit) = (number.index() / 64, 1 << (number.index() % 64));
        if self.marks.len() <= word {
            self.marks.resize(word + 1, 0);
        }
        let fresh = self.marks[word] & bit == 0;
        self.marks[word] |= bit;
        self.count += usize::from(fresh);
        fresh
    }

    /// Whether a message is marked.
    pub fn contains(&self, number: MessageNumber) -> bool {
        let (word, bit) = (number.index() / 64, 1 << (number.index() % 64));
        self.marks.get(word).is_some_and(|marks| marks & bit != 0)
    }

    /// Unmarks everything (RFC 1939 §5, RSET).
    pub fn clear(&mut self) {
        self.marks.clear();
        self.count = 0;
    }

    /// Number of marked messages.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing is marked.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The marked messages in order.
    pub fn iter(&self) -> impl Iterator<Item = MessageNumber> + '_ {
        self.marks.iter().enumerate().flat_map(|(word, &marks)| {
            (0..64)
                .filter(move |bit| marks & (1 << bit) != 0)
                .filter_map(move |bit| MessageNumber::from_index(word * 64 + bit))
        })
    }
}

/// Which header a text is sent with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Header {
    /// Its own.
    AsStored,
    /// A [surrogate](crate::surrogate) of it.
    Surrogate,
}

/// Which part of a message is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// All of it (RETR).
    Whole,
    /// The header, the blank line and so many lines of the body (TOP).
    Top(u64),
}
