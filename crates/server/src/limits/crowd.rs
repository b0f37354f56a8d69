//! How many sessions each address has, and each IPv6 network (/64). Holds only those that have some.

use std::collections::HashMap;
use std::net::IpAddr;

use super::strangers::Network;
use super::{Turned, is_full, take_one};

/// Sessions by address and by network.
#[derive(Default)]
pub(super) struct Crowd {
    pub(super) addresses: HashMap<IpAddr, usize>,
    /// IPv6 /64s.
    pub(super) networks: HashMap<Network, usize>,
}

impl Crowd {
    /// Whether one more session of this address is allowed; 0: no limit.
    pub(super) fn has_room(
        &self,
        address: IpAddr,
        per_address_max: usize,
        per_network_max: usize,
    ) -> Result<(), Turned> {
        if is_full(&self.addresses, &address, per_address_max) {
            return Err(Turned::AddressFull);
        }
        match is_full(&self.networks, &Network::of(address), per_network_max) {
            true => Err(Turned::NetworkFull),
            false => Ok(()),
        }
    }

    pub(super) fn enter(&mut self, address: IpAddr) {
        *self.addresses.entry(address).or_default() += 1;
        if address.is_ipv6() {
            *self.networks.entry(Network::of(address)).or_default() += 1;
        }
    }

    pub(super) fn leave(&mut self, address: IpAddr) {
        take_one(&mut self.addresses, &address);
        if address.is_ipv6() {
            take_one(&mut self.networks, &Network::of(address));
        }
    }
}
