//! What is told of connections that an address, an IPv6 network or delivery has no place for.
//!
//! Whoever is turned away tries again at once, and whoever floods does nothing else. So a source gets
//! a line at the first refusal, and then at most one a minute with the number of them; beyond so
//! many sources the others share one.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use tracing::warn;

use super::strangers::Network;
use super::{TOLD_AGAIN, Turned};
use crate::config::Limits;

/// Who is turned away, as far as they are told apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Source {
    Address(IpAddr),
    /// An IPv6 /64, by its first address.
    Network(Ipv6Addr),
    Delivery,
    /// The same of those that bring mail by SMTP.
    SmtpAddress(IpAddr),
    SmtpNetwork(Ipv6Addr),
    Smtp,
    /// Addresses and networks beyond [`SOURCES_MAX`].
    Others,
}

/// Who was turned away of late. No more than [`SOURCES_MAX`] of them and the others.
#[derive(Default)]
pub(super) struct Refusals {
    sources: HashMap<Source, Told>,
}

#[derive(Default)]
struct Told {
    last: Option<Instant>,
    turned_away: u64,
}

impl Refusals {
    /// Notes that somebody was turned away, and writes what is due into the log.
    pub(super) fn tell(&mut self, address: IpAddr, turned: Turned, limits: &Limits) {
        let source = match turned {
            Turned::AddressFull => Source::Address(address),
            Turned::NetworkFull => Source::network(address),
            // The server as a whole is full, or an account is: these have lines of their own.
            Turned::Full | Turned::Evicted | Turned::MaildropFull => return,
        };
        self.write(source, limits);
    }

    /// The same of a delivery.
    pub(super) fn tell_delivery(&mut self, limits: &Limits) {
        self.write(Source::Delivery, limits);
    }

    /// The same of SMTP; no address: there are too many sessions as a whole.
    pub(super) fn tell_smtp(&mut self, address: Option<(IpAddr, Turned)>, limits: &Limits) {
        let source = match address {
            Some((address, Turned::NetworkFull)) => match Source::network(address) {
                Source::Network(network) => Source::SmtpNetwork(network),
                _ => Source::SmtpAddress(address),
            },
            Some((address, _)) => Source::SmtpAddress(address),
            None => Source::Smtp,
        };
        self.write(source, limits);
    }

    fn write(&mut self, source: Source, limits: &Limits) {
        for (source, turned_away) in self.note(source, Instant::now()) {
            match source {
                Source::Address(_) => warn!(
                    %source,
                    turned_away,
                    sessions_per_address_max = limits.sessions_per_address_max,
                    "connections turned away: this address has as many sessions as one may have"
                ),
                Source::Network(_) => warn!(
                    %source,
                    turned_away,
                    sessions_per_network_max = limits.sessions_per_network_max,
                    "connections turned away: this network has as many sessions as one may have"
                ),
                Source::Delivery => warn!(
                    turned_away,
                    lmtp_session_count_max = limits.lmtp_session_count_max,
                    "deliveries turned away: there are as many sessions of LMTP as there may be"
                ),
                Source::SmtpAddress(_) => warn!(
                    %source,
                    turned_away,
                    smtp_sessions_per_address_max = limits.smtp_sessions_per_address_max,
                    "senders turned away: this address has as many sessions of SMTP as one may have"
                ),
                Source::SmtpNetwork(_) => warn!(
                    %source,
                    turned_away,
                    smtp_sessions_per_network_max = limits.smtp_sessions_per_network_max,
                    "senders turned away: this network has as many sessions of SMTP as one may have"
                ),
                Source::Smtp => warn!(
                    turned_away,
                    smtp_session_count_max = limits.smtp_session_count_max,
                    "senders turned away: there are as many sessions of SMTP as there may be"
                ),
                Source::Others => warn!(
                    turned_away,
                    "connections turned away: many more addresses and networks have as many \
                     sessions as one may have"
                ),
            }
        }
    }

    /// Counts one more of a source. Whose line is due, and how many it is to tell of.
    fn note(&mut self, source: Source, now: Instant) -> Vec<(Source, u64)> {
        // Silent for as long as a line holds: nothing is left to be told of it.
        self.sources
            .retain(|_, told| told.turned_away > 0 || !told.is_due(now));
        let is_new = !self.sources.contains_key(&source);
        let source = match is_new && self.sources.len() >= SOURCES_MAX {
            true => Source::Others,
            false => source,
        };
        self.sources.entry(source).or_default().turned_away += 1;
        // Also of those that have given up since: their last refusals are told with another's.
        let due = |(source, told): (&Source, &mut Told)| {
            let is_due = told.turned_away > 0 && told.is_due(now);
            is_due.then(|| {
                told.last = Some(now);
                (*source, std::mem::take(&mut told.turned_away))
            })
        };
        self.sources.iter_mut().filter_map(due).collect()
    }
}

impl Told {
    fn is_due(&self, now: Instant) -> bool {
        self.last
            .is_none_or(|last| now.duration_since(last) >= TOLD_AGAIN)
    }
}

impl Source {
    /// The network that counts for an address.
    fn network(address: IpAddr) -> Self {
        match Network::of(address) {
            Network::V4(_) => Self::Address(address),
            Network::V6(network) => Self::Network(Ipv6Addr::from_bits(u128::from(network) << 64)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) | Self::SmtpAddress(address) => write!(f, "{address}"),
            Self::Network(first) | Self::SmtpNetwork(first) => write!(f, "{first}/64"),
            Self::Smtp => f.write_str("smtp"),
            Self::Delivery => f.write_str("delivery"),
            Self::Others => f.write_str("others"),
        }
    }
}

/// Sources that have lines of their own.
const SOURCES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(number: u32) -> Source {
        Source::Address(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn a_source_is_told_at_once_and_then_once_a_minute() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for second in 0..150 {
            let now = start + Duration::from_secs(second);
            let due = refusals.note(address(1), now);
            told.extend(due.into_iter().map(|(_, number)| (second, number)));
        }
        assert_eq!(told, [(0, 1), (60, 60), (120, 60)]);
    }

    #[test]
    fn who_has_given_up_is_told_with_another_and_then_forgotten() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(refusals.note(address(1), at(0)), [(address(1), 1)]);
        assert_eq!(refusals.note(address(1), at(1)), []);
        assert_eq!(refusals.note(address(1), at(2)), []);
        let mut due = refusals.note(address(2), at(70));
        due.sort_by_key(|(_, number)| *number);
        assert_eq!(due, [(address(2), 1), (address(1), 2)]);
        assert_eq!(refusals.note(address(2), at(131)), [(address(2), 1)]);
        assert_eq!(refusals.sources.len(), 1);
        // Whoever comes again is told at once.
        assert_eq!(refusals.note(address(1), at(132)), [(address(1), 1)]);
    }

    #[test]
    fn a_flood_from_everywhere_is_neither_a_flood_of_lines_nor_of_sources() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        let mut lines = 0;
        for number in 0..100_000 {
            let now = start + Duration::from_micros(number.into());
            lines += refusals.note(address(number), now).len();
        }
        assert_eq!(lines, SOURCES_MAX + 1);
        assert_eq!(refusals.sources.len(), SOURCES_MAX + 1);
        let later = start + TOLD_AGAIN + Duration::from_secs(1);
        let due = refusals.note(address(7), later);
        let others = 100_000 - SOURCES_MAX as u64 - 1;
        assert!(due.contains(&(Source::Others, others)), "{due:?}");
        assert_eq!(refusals.sources.len(), 2);
    }

    #[test]
    fn networks_are_named_as_people_write_them() {
        for (text, source) in [
            ("2001:db8:0:1:ffff::7", "2001:db8:0:1::/64"),
            ("192.0.2.7", "192.0.2.7"),
        ] {
            let address = text.parse().unwrap();
            assert_eq!(Source::network(address).to_string(), source);
        }
    }
}
