//! Message text on its way in becomes stored wire form: CRLF line ends, dot-stuffed, measured.
//!
//! Two ways in, one form at the end (decision: what is stored is what `LIST` counts):
//!
//! - [`Dotted`] reads what follows LMTP's `DATA` (RFC 5321 §4.1.1.4, §4.5.2): it finds the end,
//!   which is CRLF.CRLF and nothing else, and takes foreign line ends and stuffing apart;
//! - [`Plain`] reads a text as programs write it to a pipe: LF or CRLF, nothing stuffed.
//!
//! A text of a stranger also loses what would pass for our own `Authentication-Results`
//! ([`Dotted::of_stranger`], [`Plain::of_stranger`]).
//!
//! Both take octets in pieces of any size; where the pieces are cut makes no difference. Runs that
//! need no change are copied whole, so a text in good order costs a search for LF and a copy.
//!
//! ```
//! use delivery::normalise::Dotted;
//!
//! let mut text = Dotted::default();
//! let mut stored = Vec::new();
//! let taken = text.take(b"Subject: tea\r\n\r\nfive\n.\r\n..\r\n.\r\nQUIT\r\n", &mut stored);
//! assert!(taken.ended);
//! assert_eq!(taken.consumed, 31); // QUIT is not text
//! assert_eq!(stored, b"Subject: tea\r\n\r\nfive\r\n..\r\n..\r\n");
//! assert_eq!(text.gauge().measure().octets, 28);
//! ```

mod dotted;
mod forged;
mod gauge;
mod plain;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use dotted::{Dotted, Taken};
pub use gauge::Gauge;
pub use plain::{FromLine, Plain};
