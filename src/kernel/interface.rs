//! What the kernel says of an interface and of an address on it (rtnetlink(7)).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::link::LinkKind;
use super::netlink::{attributes, string, u32_at};

/// `struct ifinfomsg` and `struct ifaddrmsg`.
const IFINFOMSG_LEN: usize = 16;
const IFADDRMSG_LEN: usize = 8;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
pub(super) const IFLA_AF_SPEC: u16 = 26;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VRF_TABLE: u16 = 1;
pub(super) const IFLA_INET_CONF: u16 = 1;
/// Counted from 1, as requests have it.
pub(super) const IPV4_DEVCONF_PROMOTE_SECONDARIES: u16 = 20;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_GROUP: u16 = 27;
const IFLA_INET6_CONF: u16 = 2;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Never 0; another one when the interface is deleted and made again.
    pub index: u32,
    pub name: String,
    /// IFF_UP and IFF_RUNNING: set up by someone, and with a carrier.
    pub up: bool,
    /// IFF_UP alone: without it the kernel takes the routes off.
    pub enabled: bool,
    /// A VRF's routing table; `None` for other interfaces.
    pub vrf_table: Option<u32>,
    /// Whether an address that loses the first of its subnet stays; `None`: not said.
    pub promote_secondaries: Option<bool>,
    /// `None`: no address of six octets (tunnels, InfiniBand).
    pub mac: Option<[u8; 6]>,
    /// Not IFF_NOARP: neighbours are looked up by ARP.
    pub arp: bool,
    /// Octets; 0 when the kernel does not say.
    pub mtu: u32,
    /// Forwards IPv6, so its neighbour advertisements say that it is a router.
    // GAP: RFC 4861 §7.2.6: a change of the sysctl shows with the link's next event only.
    pub router: bool,
    pub kind: LinkKind,
    /// Index of the interface it stands on (macvlan, VLAN, …).
    pub parent: Option<u32>,
    /// Index of the bridge, bond or VRF it belongs to.
    pub master: Option<u32>,
    pub group: u32,
}

/// One address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    pub ifindex: u32,
    /// The interface's own address (with a peer: not the peer's) and the prefix length.
    pub address: IpNet,
    pub peer: Option<IpAddr>,
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4 only; the interface's name unless someone chose another.
    pub label: Option<String>,
    /// rtnetlink's number; 0 is `global`, 253 `link`, 254 `host`.
    pub scope: u8,
    /// Who added it (IFA_PROTO); `None` before Linux 5.18, or when nobody said.
    pub protocol: Option<u8>,
    /// `IFA_F_*`: secondary 0x1, tentative 0x40, permanent 0x80, ….
    pub flags: u32,
}

/// The index of interface `name`.
///
/// # Errors
/// ENODEV: there is no such interface.
pub fn interface_index(name: &str) -> io::Result<u32> {
    // The kernel takes `eth0:1`, the label of an address of old, for eth0.
    if name.contains(':') {
        return Err(io::Error::from_raw_os_error(nix::libc::ENODEV));
    }
    Ok(nix::net::if_::if_nametoindex(name)?)
}

/// The host's name up to the first dot.
pub fn node_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = name.to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

impl Link {
    /// From the payload of RTM_NEWLINK or RTM_DELLINK. `None` when it is cut short, has no name
    /// (wireless events), or speaks of a bridge's port rather than of an interface: a DELLINK of
    /// family AF_BRIDGE only says that the interface left its bridge.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let header = payload.get(..IFINFOMSG_LEN)?;
        if i32::from(header[0]) != libc::AF_UNSPEC {
            return None;
        }
        let flags = u32_at(header, 8)?;
        let (mut name, mut mac, mut mtu, mut router) = (None, None, 0, false);
        let (mut kind_of, mut parent, mut master, mut group) = (LinkKind::Other, None, None, 0);
        let (mut vrf_table, mut promote_secondaries) = (None, None);
        for (kind, value) in attributes(&payload[IFINFOMSG_LEN..]) {
            match kind {
                IFLA_IFNAME => name = Some(string(value)),
                IFLA_ADDRESS => mac = value.try_into().ok(),
                IFLA_MTU => mtu = u32_at(value, 0).unwrap_or(0),
                IFLA_LINKINFO => {
                    kind_of = LinkKind::parse(value);
                    vrf_table = table_of_vrf(value);
                }
                IFLA_AF_SPEC => {
                    router = forwards_ipv6(value);
                    promote_secondaries = promotes_secondaries(value);
                }
                IFLA_LINK => parent = u32_at(value, 0),
                IFLA_MASTER => master = u32_at(value, 0),
                IFLA_GROUP => group = u32_at(value, 0).unwrap_or(0),
                _ => {}
            }
        }
        Some(Self {
            index: u32_at(header, 4)?,
            name: name?,
            up: has(flags, libc::IFF_UP | libc::IFF_RUNNING),
            enabled: has(flags, libc::IFF_UP),
            vrf_table,
            promote_secondaries,
            mac,
            arp: !has(flags, libc::IFF_NOARP),
            mtu,
            router,
            kind: kind_of,
            parent,
            master,
            group,
        })
    }
}

impl InterfaceAddress {
    /// From the payload of RTM_NEWADDR or RTM_DELADDR; `None` when there is no address of IPv4 or
    /// IPv6 in it.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let header = payload.get(..IFADDRMSG_LEN)?;
        let [family, prefix_len, flags, scope] = *header.first_chunk()?;
        let (mut local, mut remote) = (None, None);
        let (mut broadcast, mut label, mut protocol) = (None, None, None);
        let mut flags = u32::from(flags);
        for (kind, value) in attributes(&payload[IFADDRMSG_LEN..]) {
            match kind {
                IFA_LOCAL => local = ip(family, value),
                IFA_ADDRESS => remote = ip(family, value),
                IFA_BROADCAST => broadcast = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from),
                IFA_LABEL => label = Some(string(value)),
                IFA_PROTO => protocol = value.first().copied(),
                // The header has room for the first eight only.
                IFA_FLAGS => flags = u32_at(value, 0).unwrap_or(flags),
                _ => {}
            }
        }
        Some(Self {
            ifindex: u32_at(header, 4)?,
            // IFA_ADDRESS is the peer's where there is one; IPv6 gives IFA_LOCAL only then.
            address: IpNet::new(local.or(remote)?, prefix_len).ok()?,
            peer: remote.filter(|remote| local.is_some_and(|local| local != *remote)),
            broadcast,
            label,
            scope,
            protocol,
            flags,
        })
    }
}

/// The table of an interface of kind `vrf`, from IFLA_LINKINFO.
fn table_of_vrf(info: &[u8]) -> Option<u32> {
    let part = |wanted| attributes(info).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    part(IFLA_INFO_KIND).filter(|kind| string(kind) == "vrf")?;
    let (_, table) = attributes(part(IFLA_INFO_DATA)?).find(|(kind, _)| *kind == IFLA_VRF_TABLE)?;
    u32_at(table, 0)
}

/// One of the interface's IPv4 settings, from IFLA_AF_SPEC.
fn promotes_secondaries(families: &[u8]) -> Option<bool> {
    let of_kind = |octets, wanted| attributes(octets).find(|(kind, _)| *kind == wanted);
    let (_, settings) = of_kind(families, libc::AF_INET as u16)?;
    let (_, values) = of_kind(settings, IFLA_INET_CONF)?;
    let value = u32_at(values, 4 * (usize::from(IPV4_DEVCONF_PROMOTE_SECONDARIES) - 1))?;
    Some(value != 0)
}

/// The first of the interface's IPv6 settings (DEVCONF_FORWARDING), from IFLA_AF_SPEC.
fn forwards_ipv6(families: &[u8]) -> bool {
    let of_kind = |octets, wanted| attributes(octets).find(|(kind, _)| *kind == wanted);
    of_kind(families, libc::AF_INET6 as u16)
        .and_then(|(_, settings)| of_kind(settings, IFLA_INET6_CONF))
        .and_then(|(_, values)| u32_at(values, 0))
        .is_some_and(|forwarding| forwarding != 0)
}

fn ip(family: u8, octets: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into()),
        libc::AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into()),
        _ => None,
    }
}

/// Whether all of `wanted` (`IFF_*`) are set.
fn has(flags: u32, wanted: libc::c_int) -> bool {
    flags & wanted as u32 == wanted as u32
}

#[cfg(test)]
mod tests;
