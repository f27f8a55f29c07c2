//! What we know of the host's interfaces and their addresses, kept true by the kernel's events.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use crate::kernel::{InterfaceAddress, KernelEvent, Link};
use crate::vrrp::{Debounce, LinkDelays};

/// One interface: its link and its addresses, in the order the kernel lists them.
#[derive(Debug)]
struct Interface {
    /// As it is believed to be.
    link: Link,
    /// As the kernel says.
    is_up: bool,
    belief: Debounce,
    addresses: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    address: IpNet,
    /// IPv6: not yet known to be nobody else's, or known to be; nothing can be sent from it.
    tentative: bool,
}

/// IFA_F_TENTATIVE and IFA_F_DADFAILED (linux/if_addr.h).
const UNUSABLE: u32 = 0x40 | 0x08;

/// All interfaces of this network namespace.
#[derive(Debug, Default)]
pub struct Interfaces {
    by_index: HashMap<u32, Interface>,
    by_name: HashMap<String, u32>,
    /// `interface_up_down_delays`.
    delays: HashMap<String, LinkDelays>,
}

impl Interfaces {
    pub fn new(links: Vec<Link>, addresses: Vec<InterfaceAddress>) -> Self {
        let mut interfaces = Self::default();
        links.into_iter().for_each(|link| interfaces.add_link(link));
        addresses.into_iter().for_each(|address| interfaces.add_address(address));
        interfaces
    }

    /// All is asked anew: what is seen is believed, and the delays stay.
    pub fn replace(&mut self, links: Vec<Link>, addresses: Vec<InterfaceAddress>) {
        let delays = std::mem::take(&mut self.delays);
        *self = Self { delays, ..Self::new(links, addresses) };
    }

    pub fn set_delays(&mut self, delays: &[(String, LinkDelays)]) {
        self.delays = delays.iter().cloned().collect();
    }

    /// When a link will have been up or down for long enough to be believed.
    pub fn next_change(&self) -> Option<Instant> {
        if self.delays.is_empty() {
            return None;
        }
        self.by_index.values().filter_map(|each| each.belief.next_deadline()).min()
    }

    /// Believes what has been so for long enough; whether there was anything.
    pub fn settle_links(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for interface in self.by_index.values_mut() {
            changed |= interface.belief.settle(now);
            interface.link.up = interface.belief.is_up();
        }
        changed
    }

    /// Interface whose link `event` says has come back: switches may have forgotten its addresses.
    pub fn returned_by(&self, event: &KernelEvent) -> Option<u32> {
        let KernelEvent::Link(link) = event else { return None };
        self.by_index.get(&link.index).filter(|known| link.up && !known.is_up).map(|_| link.index)
    }

    /// Whether any interface has this address.
    pub fn has_anywhere(&self, address: IpAddr) -> bool {
        let mut all = self.by_index.values().flat_map(|each| &each.addresses);
        all.any(|held| held.address.addr() == address)
    }

    pub fn by_name(&self, name: &str) -> Option<&Link> {
        let index = self.by_name.get(name)?;
        self.by_index.get(index).map(|interface| &interface.link)
    }

    pub fn by_index(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index).map(|interface| &interface.link)
    }

    /// Addresses of an interface that adverts can come from, in the kernel's order: those of
    /// IPv4, or the link-local ones of IPv6 (RFC 9568 §5.1.2.1).
    pub fn sources(&self, index: u32, ipv6: bool) -> impl DoubleEndedIterator<Item = IpAddr> {
        let addresses = self.by_index.get(&index).map_or(&[][..], |found| &found.addresses);
        let usable = addresses.iter().filter(|held| !held.tentative);
        usable.map(|held| held.address.addr()).filter(move |address| match address {
            IpAddr::V4(_) => !ipv6,
            IpAddr::V6(address) => ipv6 && address.is_unicast_link_local(),
        })
    }

    pub fn has(&self, index: u32, address: IpNet) -> bool {
        self.by_index
            .get(&index)
            .is_some_and(|found| found.addresses.iter().any(|held| held.address == address))
    }

    /// Interface that `event` gives another name: what goes by names loses sight of it.
    pub fn renamed_by(&self, event: &KernelEvent) -> Option<u32> {
        let KernelEvent::Link(link) = event else { return None };
        self.by_index(link.index).filter(|known| known.name != link.name).map(|link| link.index)
    }

    /// Whether `event` brings a name that nothing had before.
    pub fn brings_name(&self, event: &KernelEvent) -> bool {
        matches!(event, KernelEvent::Link(link) if self.by_name.get(&link.name) != Some(&link.index))
    }

    /// Takes in one event; an overrun is the caller's to repair, by a new dump.
    pub fn learn(&mut self, event: &KernelEvent, now: Instant) {
        match event {
            KernelEvent::Link(link) => self.set_link(link.clone(), now),
            KernelEvent::LinkGone { index, .. } => self.forget(*index),
            KernelEvent::AddressAdded(address) => self.add_address(address.clone()),
            KernelEvent::AddressRemoved(address) => self.remove_address(address),
            KernelEvent::RouteAdded(_)
            | KernelEvent::RouteRemoved(_)
            | KernelEvent::RuleAdded(_)
            | KernelEvent::RuleRemoved(_)
            | KernelEvent::Overrun => {}
        }
    }

    fn set_link(&mut self, mut link: Link, now: Instant) {
        let Some(known) = self.by_index.get_mut(&link.index) else { return self.add_link(link) };
        // Renamed: instances go by name, so the old name is gone.
        if known.link.name != link.name {
            self.by_name.remove(&known.link.name);
        }
        self.by_name.insert(link.name.clone(), link.index);
        let delays = self.delays.get(&link.name).copied().unwrap_or_default();
        known.is_up = link.up;
        known.belief.see(now, link.up, delays);
        link.up = known.belief.is_up();
        known.link = link;
    }

    fn add_link(&mut self, link: Link) {
        self.by_name.insert(link.name.clone(), link.index);
        let (index, is_up) = (link.index, link.up);
        let interface =
            Interface { link, is_up, belief: Debounce::new(is_up), addresses: Vec::new() };
        self.by_index.insert(index, interface);
    }

    fn forget(&mut self, index: u32) {
        if let Some(gone) = self.by_index.remove(&index)
            && self.by_name.get(&gone.link.name) == Some(&index)
        {
            self.by_name.remove(&gone.link.name);
        }
    }

    fn add_address(&mut self, added: InterfaceAddress) {
        let Some(interface) = self.by_index.get_mut(&added.ifindex) else { return };
        let (address, tentative) = (added.address, added.flags & UNUSABLE != 0);
        match interface.addresses.iter_mut().find(|held| held.address == address) {
            Some(held) => held.tentative = tentative,
            None => interface.addresses.push(Held { address, tentative }),
        }
    }

    fn remove_address(&mut self, removed: &InterfaceAddress) {
        if let Some(interface) = self.by_index.get_mut(&removed.ifindex) {
            interface.addresses.retain(|held| held.address != removed.address);
        }
    }
}
