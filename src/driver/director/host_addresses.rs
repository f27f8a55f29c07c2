//! `ha_suspend`: which of the services' addresses are on this host, on whatever interface.
//!
//! Nothing is listened to unless a virtual server wants to know.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;

use crate::config::plan::{Plan, ServerIdentity};
use crate::ipvs::ServiceKey;
use crate::kernel::{InterfaceAddress, KernelEvent, Rtnl, RtnlMonitor};

/// Events waiting to be read: an address more or less at a time, or some thousand at a takeover. Full: all
/// addresses are read again.
const RECEIVE_QUEUE: usize = 2 * 1024 * 1024;

/// Where an address is: one interface may have it twice, with prefixes of different lengths.
type Place = (u32, u8);

/// The addresses that virtual servers depend on.
#[derive(Default)]
pub struct HostAddresses {
    /// `None`: nobody wants to know, or it cannot be had.
    monitor: Option<RtnlMonitor>,
    held: Held,
    users: HashMap<IpAddr, Vec<ServerIdentity>>,
    /// Reused.
    events: Vec<KernelEvent>,
}

/// The watched addresses that are there, and where.
#[derive(Debug, Default)]
struct Held(HashMap<IpAddr, HashSet<Place>>);

impl Held {
    fn has(&self, ip: IpAddr) -> bool {
        self.0.contains_key(&ip)
    }

    fn add(&mut self, ip: IpAddr, place: Place) {
        self.0.entry(ip).or_default().insert(place);
    }

    /// Gone when it is nowhere any more.
    fn remove(&mut self, ip: IpAddr, place: Place) {
        let Some(places) = self.0.get_mut(&ip) else { return };
        places.remove(&place);
        if places.is_empty() {
            self.0.remove(&ip);
        }
    }
}

impl HostAddresses {
    /// Follows what `plan` asks for, beginning with how things are now.
    pub fn follow(&mut self, plan: &Plan) {
        self.users = users(plan);
        if self.users.is_empty() {
            *self = Self::default();
        } else if let Err(error) = self.look() {
            self.monitor = None;
            tracing::error!(
                "cannot hear of this host's addresses: {error}; ha_suspend has no effect until a \
                 reload, checks run all the time"
            );
        }
    }

    /// Opens what is missing and reads all addresses.
    fn look(&mut self) -> io::Result<()> {
        // The monitor first: what happens while we read is then seen as an event.
        if self.monitor.is_none() {
            self.monitor = Some(RtnlMonitor::open_with_queue(RECEIVE_QUEUE)?);
        }
        self.held = Held::default();
        for address in Rtnl::open()?.addresses()? {
            self.added(&address);
        }
        Ok(())
    }

    /// Resolves when something may have changed; `None` when nobody wants to know.
    pub async fn changed(&mut self) -> Option<()> {
        self.monitor.as_ref()?.ready().await.ok()
    }

    /// Takes in how things are now; gives the virtual servers for which that may be news.
    pub fn take_in(&mut self) -> Vec<ServerIdentity> {
        let mut events = std::mem::take(&mut self.events);
        if let Some(monitor) = &mut self.monitor
            && let Err(error) = monitor.drain(&mut events)
        {
            tracing::error!("cannot read what changes of this host's addresses: {error}");
        }
        let mut touched = HashSet::new();
        for event in events.drain(..) {
            match event {
                KernelEvent::AddressAdded(address) => {
                    touched.extend(self.users_of(&address));
                    self.added(&address);
                }
                KernelEvent::AddressRemoved(address) => {
                    touched.extend(self.users_of(&address));
                    self.held.remove(address.address.addr(), place(&address));
                }
                KernelEvent::Overrun => {
                    touched.extend(self.users.values().flatten().cloned());
                    if let Err(error) = self.look() {
                        tracing::error!("cannot read this host's addresses: {error}");
                    }
                }
                // Addresses that go with a link are told of one by one.
                KernelEvent::Link(_)
                | KernelEvent::LinkGone { .. }
                | KernelEvent::RouteAdded(_)
                | KernelEvent::RouteRemoved(_)
                | KernelEvent::RuleAdded(_)
                | KernelEvent::RuleRemoved(_) => {}
            }
        }
        self.events = events;
        touched.into_iter().collect()
    }

    fn added(&mut self, address: &InterfaceAddress) {
        let ip = address.address.addr();
        if self.users.contains_key(&ip) {
            self.held.add(ip, place(address));
        }
    }

    fn users_of(&self, address: &InterfaceAddress) -> Vec<ServerIdentity> {
        self.users.get(&address.address.addr()).cloned().unwrap_or_default()
    }

    /// Whether one of the services' addresses is here. True as long as it cannot be known.
    pub fn any_of(&self, mut keys: impl Iterator<Item = ServiceKey>) -> bool {
        self.monitor.is_none() || keys.any(|key| ip_of(key).is_some_and(|ip| self.held.has(ip)))
    }
}

fn place(address: &InterfaceAddress) -> Place {
    (address.ifindex, address.address.prefix_len())
}

fn ip_of(key: ServiceKey) -> Option<IpAddr> {
    match key {
        ServiceKey::Address { address, .. } => Some(address.ip),
        ServiceKey::Fwmark { .. } => None,
    }
}

fn users(plan: &Plan) -> HashMap<IpAddr, Vec<ServerIdentity>> {
    let mut users: HashMap<IpAddr, Vec<ServerIdentity>> = HashMap::new();
    for server in plan.virtual_servers.iter().filter(|server| server.ha_suspend) {
        for ip in server.reached().filter_map(ip_of) {
            users.entry(ip).or_default().push(server.identity());
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A VIP is moved by adding it there before it is taken away here.
    #[test]
    fn an_address_is_here_as_long_as_it_is_anywhere() {
        let ip = "192.0.2.10".parse().unwrap();
        let mut held = Held::default();
        for place in [(1, 32), (2, 32), (2, 24)] {
            held.add(ip, place);
            held.add(ip, place);
        }
        held.remove(ip, (1, 32));
        held.remove(ip, (2, 32));
        assert!(held.has(ip));
        held.remove(ip, (2, 24));
        held.remove(ip, (2, 24));
        assert!(!held.has(ip));
    }
}
