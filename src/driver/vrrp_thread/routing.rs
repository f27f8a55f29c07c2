//! Routes and rules of ours that the kernel has, kept true by its events.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::kernel::KernelEvent;
use crate::routing::{InstalledRoute, Route, RouteKey, Rule};

#[derive(Debug, Default)]
pub struct Routing {
    routes: HashMap<RouteKey, Vec<InstalledRoute>>,
    /// Which routes prefer a source address; may name some that are gone.
    by_source: HashMap<IpAddr, HashSet<RouteKey>>,
    rules: HashSet<Rule>,
    /// Routes that went without the kernel saying so.
    forgotten: Vec<RouteKey>,
}

impl Routing {
    pub fn new(routes: Vec<InstalledRoute>, rules: Vec<Rule>) -> Self {
        let mut found = Self { rules: rules.into_iter().collect(), ..Self::default() };
        routes.into_iter().for_each(|route| found.add(route));
        found
    }

    pub fn has_route(&self, wanted: &Route<u32>) -> bool {
        let found = self.routes.get(&wanted.key());
        found.is_some_and(|found| found.iter().any(|route| wanted.is(route)))
    }

    pub fn has_rule(&self, wanted: &Rule) -> bool {
        self.rules.contains(wanted)
    }

    /// Takes in what an event says of routes and rules.
    pub fn learn(&mut self, event: &KernelEvent) {
        match event {
            KernelEvent::RouteAdded(route) => self.add(route.clone()),
            KernelEvent::RouteRemoved(route) => self.remove(route),
            KernelEvent::RuleAdded(rule) => drop(self.rules.insert(rule.clone())),
            KernelEvent::RuleRemoved(rule) => drop(self.rules.remove(rule)),
            // Their routes go without a word, as far as IPv4 is concerned.
            KernelEvent::Link(link) if !link.enabled => self.forget_through(link.index),
            KernelEvent::LinkGone { index, .. } => self.forget_through(*index),
            KernelEvent::AddressRemoved(gone) => self.forget_source(gone.address.addr()),
            KernelEvent::Link(_) | KernelEvent::AddressAdded(_) | KernelEvent::Overrun => {}
        }
    }

    /// The kernel has just been told of it, or said that it was there.
    pub fn assume(&mut self, route: &Route<u32>) {
        if self.has_route(route) {
            return;
        }
        let hops = route.hops.iter().map(|hop| (hop.via, hop.device.unwrap_or(0)));
        self.add(InstalledRoute {
            key: route.key(),
            kind: route.kind,
            protocol: route.protocol,
            preferred_source: route.preferred_source,
            hops: hops.collect(),
        });
    }

    /// Those that went silently since the last call.
    pub fn take_forgotten(&mut self) -> Vec<RouteKey> {
        std::mem::take(&mut self.forgotten)
    }

    /// An interface has lost its last IPv4 address, and with it all its IPv4 routes.
    pub fn forget_ipv4_through(&mut self, index: u32) {
        self.forget(|route| route.leads_through(index) && route.key.destination.addr().is_ipv4());
    }

    fn add(&mut self, route: InstalledRoute) {
        if let Some(source) = route.preferred_source {
            self.by_source.entry(source).or_default().insert(route.key.clone());
        }
        let same_place = self.routes.entry(route.key.clone()).or_default();
        // IPv6 tells of a multipath route as a whole whenever it grows.
        same_place.retain(|known| {
            known.kind != route.kind || !known.hops.iter().all(|hop| knows(&route, hop))
        });
        same_place.push(route);
    }

    fn remove(&mut self, gone: &InstalledRoute) {
        let Some(same_place) = self.routes.get_mut(&gone.key) else { return };
        let ipv6 = gone.key.destination.addr().is_ipv6();
        same_place.retain_mut(|known| {
            if known.kind != gone.kind {
                return true;
            }
            if !ipv6 || known.hops.is_empty() || gone.hops.is_empty() {
                return !(known.hops.iter().all(|hop| knows(gone, hop))
                    && known.hops.len() <= gone.hops.len());
            }
            // IPv6 takes single hops out of a multipath route.
            known.hops.retain(|hop| !knows(gone, hop));
            !known.hops.is_empty()
        });
        if same_place.is_empty() {
            self.routes.remove(&gone.key);
        }
    }

    fn forget_through(&mut self, index: u32) {
        self.forget(|route| route.leads_through(index));
    }

    fn forget_source(&mut self, source: IpAddr) {
        let Some(keys) = self.by_source.remove(&source) else { return };
        for key in keys {
            let Some(same_place) = self.routes.get_mut(&key) else { continue };
            let before = same_place.len();
            same_place.retain(|route| route.preferred_source != Some(source));
            if same_place.len() < before {
                self.forgotten.push(key);
            }
        }
    }

    fn forget(&mut self, is_gone: impl Fn(&InstalledRoute) -> bool) {
        let forgotten = &mut self.forgotten;
        self.routes.retain(|key, same_place| {
            let before = same_place.len();
            same_place.retain(|route| !is_gone(route));
            if same_place.len() < before {
                forgotten.push(key.clone());
            }
            !same_place.is_empty()
        });
    }
}

/// Whether `hop` is one of the route's; what was assumed may leave the interface open.
fn knows(route: &InstalledRoute, (gateway, index): &(Option<IpAddr>, u32)) -> bool {
    route.hops.iter().any(|(other, through)| {
        (gateway == other || is_none(*gateway) && is_none(*other))
            && (*index == 0 || *through == 0 || index == through)
    })
}

fn is_none(gateway: Option<IpAddr>) -> bool {
    gateway.is_none_or(|gateway| gateway == IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{Hop, PROTOCOL, UNICAST};

    fn route(destination: &str, hops: &[(Option<&str>, u32)]) -> Route<u32> {
        let hop = |(via, device): &(Option<&str>, u32)| Hop {
            via: via.map(|via| via.parse().unwrap()),
            device: Some(*device),
            weight: 1,
            on_link: false,
            realms: None,
            encapsulation: None,
        };
        let route = Route::new(destination.parse().unwrap(), destination);
        let mut route = route.resolve(|_| None).unwrap();
        route.hops = hops.iter().map(hop).collect();
        route
    }

    fn installed(route: &Route<u32>) -> InstalledRoute {
        let hops = route.hops.iter().map(|hop| (hop.via, hop.device.unwrap()));
        InstalledRoute {
            key: route.key(),
            kind: UNICAST,
            protocol: PROTOCOL,
            preferred_source: route.preferred_source,
            hops: hops.collect(),
        }
    }

    #[test]
    fn what_is_added_and_removed_is_known() {
        let (ours, other) =
            (route("10.0.0.0/8", &[(Some("192.0.2.1"), 2)]), route("10.0.0.0/8", &[(None, 3)]));
        let mut found = Routing::new(vec![installed(&ours)], Vec::new());
        assert!(found.has_route(&ours));
        assert!(!found.has_route(&other));
        found.learn(&KernelEvent::RouteAdded(installed(&other)));
        found.learn(&KernelEvent::RouteRemoved(installed(&ours)));
        assert!(!found.has_route(&ours));
        assert!(found.has_route(&other));
    }

    #[test]
    fn an_ipv6_route_that_loses_a_hop_is_not_the_one_wanted() {
        let both = route("2001:db8::/64", &[(Some("fe80::1"), 2), (Some("fe80::2"), 2)]);
        let second = route("2001:db8::/64", &[(Some("fe80::2"), 2)]);
        let mut found = Routing::new(vec![installed(&both)], Vec::new());
        found.learn(&KernelEvent::RouteRemoved(installed(&second)));
        assert!(!found.has_route(&both));
        assert_eq!(found.take_forgotten(), [], "the kernel said so");
        found.learn(&KernelEvent::RouteAdded(installed(&both)));
        assert!(found.has_route(&both));
    }

    #[test]
    fn routes_go_with_their_interface_and_with_their_source_address() {
        let mut with_source = route("10.0.0.0/8", &[(None, 2)]);
        with_source.preferred_source = Some("192.0.2.9".parse().unwrap());
        let through = route("10.1.0.0/16", &[(None, 3)]);
        let mut found =
            Routing::new(vec![installed(&with_source), installed(&through)], Vec::new());
        found.forget_source("192.0.2.8".parse().unwrap());
        assert_eq!(found.take_forgotten(), []);
        found.forget_source("192.0.2.9".parse().unwrap());
        assert_eq!(found.take_forgotten(), [with_source.key()]);
        found.learn(&KernelEvent::LinkGone { index: 3, name: "eth1".into() });
        assert_eq!(found.take_forgotten(), [through.key()]);
        assert!(!found.has_route(&through));
    }
}
