//! What we know of the host's interfaces and their addresses, kept true by the kernel's events.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use super::routing::Routing;
use crate::kernel::{Assignment, InterfaceAddress, KernelEvent, KernelObject, Link};
use crate::routing::{InstalledRoute, Rule};
use crate::vrrp::{Debounce, LinkDelays};

/// One interface: its link and its addresses, in the order the kernel lists them.
#[derive(Debug)]
struct Interface {
    /// As it is believed to be.
    link: Link,
    /// As the kernel says.
    is_up: bool,
    belief: Debounce,
    addresses: Addresses,
}

/// Addresses in the order they came, each found at once.
#[derive(Debug, Default)]
struct Addresses {
    in_order: BTreeMap<u64, Held>,
    places: HashMap<IpNet, u64>,
    next: u64,
    /// How many of them are IPv4's.
    ipv4: usize,
}

#[derive(Debug)]
struct Held {
    address: IpNet,
    peer: Option<IpAddr>,
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
    /// And the routes and rules of ours, as far as there are any.
    pub routing: Routing,
}

impl Addresses {
    fn add(&mut self, address: IpNet, peer: Option<IpAddr>, tentative: bool) {
        if let Some(held) = self.places.get(&address).and_then(|at| self.in_order.get_mut(at)) {
            (held.tentative, held.peer) = (tentative, peer);
            return;
        }
        self.ipv4 += usize::from(address.addr().is_ipv4());
        self.places.insert(address, self.next);
        self.in_order.insert(self.next, Held { address, peer, tentative });
        self.next += 1;
    }

    /// Whether it was there.
    fn remove(&mut self, address: IpNet) -> bool {
        let Some(at) = self.places.remove(&address) else { return false };
        self.ipv4 -= usize::from(address.addr().is_ipv4());
        self.in_order.remove(&at).is_some()
    }
}

impl Interfaces {
    pub fn new(links: Vec<Link>, addresses: Vec<InterfaceAddress>) -> Self {
        let mut interfaces = Self::default();
        links.into_iter().for_each(|link| interfaces.add_link(link));
        addresses.into_iter().for_each(|address| interfaces.add_address(address));
        interfaces
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
        self.holder_of(address).is_some()
    }

    /// Index of an interface that has this address.
    pub fn holder_of(&self, address: IpAddr) -> Option<u32> {
        let has = |each: &Interface| {
            each.addresses.in_order.values().any(|held| held.address.addr() == address)
        };
        self.by_index.iter().find(|(_, each)| has(each)).map(|(index, _)| *index)
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
        let addresses = self.by_index.get(&index).map(|found| found.addresses.in_order.values());
        let usable = addresses.into_iter().flatten().filter(|held| !held.tentative);
        usable.map(|held| held.address.addr()).filter(move |address| match address {
            IpAddr::V4(_) => !ipv6,
            IpAddr::V6(address) => ipv6 && address.is_unicast_link_local(),
        })
    }

    /// Link-local addresses of IPv6 that an interface has.
    pub fn link_local(&self, index: u32) -> impl Iterator<Item = IpNet> {
        let addresses = self.by_index.get(&index).map(|found| found.addresses.places.keys());
        let all = addresses.into_iter().flatten().copied();
        all.filter(|net| matches!(net, IpNet::V6(v6) if v6.addr().is_unicast_link_local()))
    }

    pub fn has(&self, index: u32, address: IpNet) -> bool {
        self.by_index.get(&index).is_some_and(|found| found.addresses.places.contains_key(&address))
    }

    /// Whether the kernel has it, as far as we know.
    pub fn holds(&self, object: &KernelObject) -> bool {
        match object {
            KernelObject::Address(wanted) => self.has(wanted.ifindex, wanted.address),
            KernelObject::Route(wanted) => self.routing.has_route(wanted),
            KernelObject::Rule(wanted) => self.routing.has_rule(wanted),
        }
    }

    /// What was read anew takes the place of what we knew.
    pub fn replace(&mut self, links: Vec<Link>, addresses: Vec<InterfaceAddress>) {
        let (routing, delays) =
            (std::mem::take(&mut self.routing), std::mem::take(&mut self.delays));
        *self = Self { routing, delays, ..Self::new(links, addresses) };
    }

    pub fn replace_routing(&mut self, routes: Vec<InstalledRoute>, rules: Vec<Rule>) {
        self.routing = Routing::new(routes, rules);
    }

    /// An address as it is to be taken off.
    pub fn as_it_is(&self, index: u32, address: IpNet) -> Assignment {
        let held = self
            .by_index
            .get(&index)
            .and_then(|found| found.addresses.in_order.get(found.addresses.places.get(&address)?));
        let peer = held.and_then(|held| held.peer);
        Assignment { peer, ..Assignment::plain(index, address) }
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
        self.routing.learn(event);
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
        let interface = Interface {
            link,
            is_up,
            belief: Debounce::new(is_up),
            addresses: Addresses::default(),
        };
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
        interface.addresses.add(address, added.peer, tentative);
    }

    fn remove_address(&mut self, removed: &InterfaceAddress) {
        let Some(interface) = self.by_index.get_mut(&removed.ifindex) else { return };
        let was_there = interface.addresses.remove(removed.address);
        if was_there && interface.addresses.ipv4 == 0 && removed.address.addr().is_ipv4() {
            self.routing.forget_ipv4_through(removed.ifindex);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::LinkKind;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.to_owned(),
            up: true,
            enabled: true,
            vrf_table: None,
            promote_secondaries: None,
            mac: None,
            arp: true,
            mtu: 1500,
            router: false,
            kind: LinkKind::Other,
            parent: None,
            master: None,
            group: 0,
        }
    }

    fn address(ifindex: u32, address: &str, flags: u32) -> InterfaceAddress {
        InterfaceAddress {
            ifindex,
            address: address.parse().unwrap(),
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            protocol: None,
            flags,
        }
    }

    /// RFC 9568 §5.1.1.1 and §5.1.2.1: the interface's own first address of IPv4; of IPv6 a
    /// link-local one, and none that is still being looked for on the LAN.
    #[test]
    fn adverts_come_from_the_interfaces_ipv4_or_link_local_addresses() {
        let addresses = vec![
            address(1, "198.51.100.1/24", 0),
            address(2, "2001:db8::1/64", 0),
            address(2, "192.0.2.1/24", 0),
            address(2, "fe80::9/64", UNUSABLE),
            address(2, "192.0.2.2/24", 0),
            address(2, "fe80::1/64", 0),
        ];
        let interfaces = Interfaces::new(vec![link(1, "eth1"), link(2, "eth0")], addresses);
        let sources = |ipv6| interfaces.sources(2, ipv6).map(|a| a.to_string()).collect::<Vec<_>>();
        assert_eq!(sources(false), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(sources(true), ["fe80::1"]);
        assert_eq!(interfaces.holder_of("198.51.100.1".parse().unwrap()), Some(1));
        assert_eq!(interfaces.holder_of("198.51.100.2".parse().unwrap()), None);
    }
}
