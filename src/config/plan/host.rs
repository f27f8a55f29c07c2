//! Real servers given by name: what is asked for, and what they are once the answer is there.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::{Plan, RealServer, VirtualServer};
use crate::ipvs::{Family, SocketKey};

/// Most addresses that one name stands for: the lowest count. A name with more is none of servers.
pub const MOST_ADDRESSES: usize = 64;

/// The name of a real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// In lower case, otherwise as written: with a dot at its end no search list is gone through.
    pub name: Arc<str>,
    /// `resolve_family`, else that of the virtual server.
    pub family: Family,
    /// `resolve_interval`.
    pub interval: Duration,
}

/// The addresses of names in each family, in the order in which they become servers.
pub type Addresses = HashMap<(Arc<str>, Family), Vec<IpAddr>>;

impl Host {
    /// What stands for the address in a plan as configured: of its family, but none.
    pub fn placeholder(family: Family) -> IpAddr {
        match family {
            Family::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// What its addresses are known by.
    pub fn key(&self) -> (Arc<str>, Family) {
        (self.name.clone(), self.family)
    }

    /// Its addresses as far as they are known.
    pub fn among<'a>(&self, known: &'a Addresses) -> &'a [IpAddr] {
        known.get(&self.key()).map_or(&[], Vec::as_slice)
    }
}

impl RealServer {
    /// The server itself, with `ip` for its name's. Checks that go elsewhere still do.
    fn at(&self, ip: IpAddr) -> Self {
        let mut server = self.clone();
        server.destination.address.ip = ip;
        for checker in &mut server.checkers {
            let connect = checker.probe.connect_mut();
            if let Some(connect) = connect.filter(|connect| connect.target.ip().is_unspecified()) {
                connect.target.set_ip(ip);
            }
        }
        server
    }
}

impl VirtualServer {
    /// The names among its servers.
    pub fn hosts(&self) -> impl Iterator<Item = (&Host, SocketKey)> {
        let servers = self.real_servers.iter();
        servers.filter_map(|server| Some((server.host()?, server.destination.address)))
    }

    /// The same with addresses for names: in the place of a name stands a server for each of its
    /// addresses, and none as long as it has none. An address that another server has already is
    /// that server's: those given by address come first, then names in the order of the file.
    fn with_addresses(&self, known: &Addresses) -> Self {
        let literal = self.real_servers.iter().filter(|server| server.host().is_none());
        let mut taken: HashSet<SocketKey> =
            literal.map(|server| server.destination.address).collect();
        let mut servers = Vec::with_capacity(self.real_servers.len());
        for server in &self.real_servers {
            let Some(host) = server.host() else {
                servers.push(server.clone());
                continue;
            };
            for &ip in host.among(known).iter().take(MOST_ADDRESSES) {
                if taken.insert(SocketKey { ip, ..server.destination.address }) {
                    servers.push(server.at(ip));
                }
            }
        }
        Self { real_servers: servers, ..self.clone() }
    }
}

impl Plan {
    /// All names of real servers, as often as they are there.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.virtual_servers.iter().flat_map(|server| server.hosts()).map(|(host, _)| host)
    }

    /// The plan with the addresses that are known instead of names. Without names it is the same.
    pub fn with_addresses(self: &Arc<Self>, known: &Addresses) -> Arc<Self> {
        if self.hosts().next().is_none() {
            return self.clone();
        }
        let servers = self.virtual_servers.iter().map(|server| match server.hosts().next() {
            Some(_) => Arc::new(server.with_addresses(known)),
            None => server.clone(),
        });
        Arc::new(Self { virtual_servers: servers.collect(), ..(**self).clone() })
    }
}

#[cfg(test)]
mod tests;
