//! A record of what is ours in the kernel, so that it can be told from everybody else's after a
//! crash: written before anything is added, read at the next start.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::Hash;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::host::Setting;
use crate::config::plan::Plan;
use crate::ipvs::{Family, Protocol, ServiceKey, SocketKey};
use crate::routing::{Route, Rule};

/// What a director may have put into the kernel: all that its configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Interface name and address.
    pub addresses: BTreeSet<(String, IpNet)>,
    /// No two alike.
    #[serde(default)]
    pub routes: Vec<Route>,
    #[serde(default)]
    pub rules: Vec<Rule>,
    services: BTreeSet<Key>,
    /// Names of interfaces that we make.
    #[serde(default)]
    pub links: BTreeSet<String>,
    /// Settings below `/proc/sys` that we changed.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    /// The firewall's tables.
    #[serde(default)]
    pub tables: BTreeSet<String>,
}

/// A [`ServiceKey`] as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    Tcp(IpAddr, u16),
    Udp(IpAddr, u16),
    Sctp(IpAddr, u16),
    Fwmark(u32),
    Fwmark6(u32),
}

impl Record {
    pub fn of(plan: &Plan) -> Self {
        let addresses = plan.vrrp_instances.iter().flat_map(|instance| {
            let all = instance.addresses.iter().chain(&instance.excluded_addresses);
            all.map(|virtual_address| {
                let interface = virtual_address.interface.as_deref();
                let interface = interface.unwrap_or(instance.address_interface());
                (interface.to_owned(), virtual_address.address)
            })
        });
        let statics = &plan.static_objects;
        let static_addresses = (statics.addresses.iter())
            .filter_map(|each| Some((each.interface.clone()?, each.address)));
        let services = plan.virtual_servers.iter().flat_map(|server| server.keys()).map(Key::from);
        let instances = &plan.vrrp_instances;
        let routes = instances.iter().flat_map(|each| &each.routes).chain(&statics.routes);
        let rules = instances.iter().flat_map(|each| &each.rules).chain(&statics.rules);
        Self {
            addresses: addresses.chain(static_addresses).collect(),
            routes: distinct(routes.map(|each| each.route.clone())),
            rules: distinct(rules.map(|each| each.rule.clone())),
            services: services.collect(),
            links: plan.links().map(|link| link.name.clone()).collect(),
            ..Self::default()
        }
    }

    pub fn services(&self) -> BTreeSet<ServiceKey> {
        self.services.iter().map(ServiceKey::from).collect()
    }

    /// Both what this one and what `other` names.
    pub fn union(mut self, other: Self) -> Self {
        self.addresses.extend(other.addresses);
        self.routes = distinct(self.routes.into_iter().chain(other.routes));
        self.rules = distinct(self.rules.into_iter().chain(other.rules));
        self.services.extend(other.services);
        self.links.extend(other.links);
        self.settings.extend(other.settings);
        self.tables.extend(other.tables);
        self
    }

    /// The record a former run left, empty when there is none. One that cannot be understood
    /// counts as none: it was cut short before anything was added, or is not ours.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// The same as [`Record::write`]; a failure goes to the log, for the work goes on.
    pub fn keep(&self, path: &Path) {
        if let Err(error) = self.write(path) {
            tracing::warn!("cannot write {}: {error}", path.display());
        }
    }

    /// Replaces the record at `path` as a whole, or not at all.
    ///
    /// # Errors
    /// When the directory cannot be made, or the file not be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let unfinished = path.with_extension("new");
        std::fs::write(&unfinished, serde_json::to_vec(self)?)?;
        std::fs::rename(unfinished, path)
    }
}

/// In their order, without repetitions.
fn distinct<T: Clone + Eq + Hash>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    all.filter(|each| seen.insert(each.clone())).collect()
}

/// Where the record of this network namespace is: namespaces may share a file system, and what
/// is ours in one is not ours in another.
pub fn path(runtime_directory: &Path) -> PathBuf {
    let namespace = std::fs::read_link("/proc/self/ns/net").unwrap_or_default();
    let number: String =
        (namespace.to_string_lossy().chars()).filter(char::is_ascii_digit).collect();
    runtime_directory.join(format!("owned-{number}.json"))
}

impl From<ServiceKey> for Key {
    fn from(key: ServiceKey) -> Self {
        match key {
            ServiceKey::Address { protocol, address: SocketKey { ip, port } } => match protocol {
                Protocol::Tcp => Self::Tcp(ip, port),
                Protocol::Udp => Self::Udp(ip, port),
                Protocol::Sctp => Self::Sctp(ip, port),
            },
            ServiceKey::Fwmark { family: Family::Inet, mark } => Self::Fwmark(mark),
            ServiceKey::Fwmark { family: Family::Inet6, mark } => Self::Fwmark6(mark),
        }
    }
}

impl From<&Key> for ServiceKey {
    fn from(key: &Key) -> Self {
        let service =
            |protocol, &ip, &port| Self::Address { protocol, address: SocketKey { ip, port } };
        match key {
            Key::Tcp(ip, port) => service(Protocol::Tcp, ip, port),
            Key::Udp(ip, port) => service(Protocol::Udp, ip, port),
            Key::Sctp(ip, port) => service(Protocol::Sctp, ip, port),
            Key::Fwmark(mark) => Self::Fwmark { family: Family::Inet, mark: *mark },
            Key::Fwmark6(mark) => Self::Fwmark { family: Family::Inet6, mark: *mark },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::RuleAction;

    fn scratch() -> PathBuf {
        std::env::temp_dir().join(format!("mainstay-record-{}/owned.json", std::process::id()))
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let address = SocketKey { ip: "192.0.2.1".parse().unwrap(), port: 80 };
        let keys = [
            ServiceKey::Address { protocol: Protocol::Tcp, address },
            ServiceKey::Address { protocol: Protocol::Udp, address },
            ServiceKey::Fwmark { family: Family::Inet6, mark: 7 },
        ];
        let record = Record {
            addresses: BTreeSet::from([("eth0".into(), "192.0.2.9/24".parse().unwrap())]),
            routes: vec![Route::new("203.0.113.0/24".parse().unwrap(), "203.0.113.0/24 dev eth0")],
            rules: vec![Rule::new(false, 100, RuleAction::Table(100), "table 100 priority 100")],
            services: keys.into_iter().map(Key::from).collect(),
            links: BTreeSet::from(["vrrp.51".into()]),
            settings: BTreeMap::from([(
                "net/ipv4/conf/eth0/arp_ignore".into(),
                Setting { was: "0".into(), ours: "1".into() },
            )]),
            tables: BTreeSet::from(["keepalived".into()]),
        };
        record.write(&scratch()).unwrap();
        let read = Record::read(&scratch());
        std::fs::remove_dir_all(scratch().parent().unwrap()).unwrap();
        assert_eq!(read, record);
        assert_eq!(read.services(), BTreeSet::from(keys));
    }

    #[test]
    fn a_missing_or_broken_record_owns_nothing() {
        assert_eq!(Record::read(Path::new("/nonexistent")), Record::default());
    }
}
