//! What this host is like, as far as a configuration depends on it. Only looks, needs no rights.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use crate::driver::ScriptVerdict;

/// One host.
#[derive(Debug, Default)]
pub struct Host {
    pub interfaces: BTreeSet<String>,
    /// Interface and address, with the length of its subnet.
    pub addresses: Vec<(String, IpNet)>,
    /// Where sysctl(8)'s tree begins: `/proc/sys`.
    pub sysctls: PathBuf,
    /// Names of modules that are loaded or could be, `-` written as `_`.
    pub modules: BTreeSet<String>,
    /// Programs at work that manage addresses.
    pub managers: Vec<&'static str>,
    /// What speaks against the scripts.
    pub scripts: ScriptVerdict,
}

/// Where a program that manages addresses shows that it runs.
const MANAGERS: [(&str, &str); 3] = [
    ("/run/NetworkManager/devices", "NetworkManager"),
    ("/run/systemd/netif/state", "systemd-networkd"),
    ("/run/dhcpcd/pid", "dhcpcd"),
];

impl Host {
    /// This host; `scripts` is what the driver has against the plan's.
    pub fn read(scripts: ScriptVerdict) -> Self {
        let links = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
        Self {
            interfaces: links.map(|link| link.file_name().to_string_lossy().into_owned()).collect(),
            addresses: addresses(),
            sysctls: PathBuf::from("/proc/sys"),
            modules: modules(),
            managers: MANAGERS
                .iter()
                .filter(|(path, _)| Path::new(path).exists())
                .map(|(_, name)| *name)
                .collect(),
            scripts,
        }
    }

    /// The value of a sysctl such as `net/ipv4/ip_forward`; `None` if there is none.
    pub fn sysctl(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.sysctls.join(name)).ok()?;
        Some(text.trim().to_owned())
    }

    /// Subnets of `interface`; with `None`, of all.
    pub fn subnets(&self, interface: Option<&str>) -> impl Iterator<Item = &IpNet> {
        let on = move |(name, _): &&(String, IpNet)| interface.is_none_or(|wanted| wanted == name);
        self.addresses.iter().filter(on).map(|(_, address)| address)
    }
}

fn addresses() -> Vec<(String, IpNet)> {
    let found = getifaddrs().into_iter().flatten();
    let address = |found: nix::ifaddrs::InterfaceAddress| {
        let ip = ip(found.address?)?;
        let mask = ip_mask(found.netmask)?;
        let address = IpNet::with_netmask(ip, mask).ok()?;
        Some((found.interface_name, address))
    };
    found.filter_map(address).collect()
}

fn ip(address: SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

fn ip_mask(mask: Option<SockaddrStorage>) -> Option<IpAddr> {
    mask.and_then(ip)
}

/// Loaded modules, those built in, and those that modprobe(8) would find.
fn modules() -> BTreeSet<String> {
    let release = nix::sys::utsname::uname().ok();
    let release = release.map(|name| name.release().to_string_lossy().into_owned());
    let folder = Path::new("/lib/modules").join(release.unwrap_or_default());
    let loaded = fs::read_dir("/sys/module").into_iter().flatten().flatten();
    let mut names: BTreeSet<String> =
        loaded.map(|module| module.file_name().to_string_lossy().into_owned()).collect();
    for list in ["modules.dep", "modules.builtin"] {
        let text = fs::read_to_string(folder.join(list)).unwrap_or_default();
        names.extend(text.lines().filter_map(module_name));
    }
    names
}

/// `kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: …` is `ip_vs_rr`.
fn module_name(line: &str) -> Option<String> {
    let path = line.split(':').next()?;
    let (name, _) = path.rsplit('/').next()?.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_lists_are_read() {
        let line =
            "kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: kernel/net/netfilter/ipvs/ip_vs.ko.xz";
        assert_eq!(module_name(line).as_deref(), Some("ip_vs_rr"));
        assert_eq!(module_name("kernel/crypto/crc32c-intel.ko").as_deref(), Some("crc32c_intel"));
        assert_eq!(module_name("nonsense"), None);
    }

    #[test]
    fn this_host_has_a_loopback_interface_with_its_address() {
        let host = Host::read(ScriptVerdict::default());
        assert!(host.interfaces.contains("lo"));
        assert!(host.sysctl("net/ipv4/ip_forward").is_some());
    }
}
