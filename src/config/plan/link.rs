//! Interfaces that instances make for themselves: `use_vmac`, `use_ipvlan`.

use ipnet::IpNet;

/// An interface of our own on top of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLink {
    /// Given, or made up of `vmac_prefix` and the VRID; 15 octets at most.
    pub name: String,
    /// The interface it stands on.
    pub parent: String,
    pub kind: OwnLinkKind,
    /// `group`; `None`: the parent's.
    pub group: Option<u32>,
    /// What addresses it is to hold: with IPv4 only, IPv6 is switched off on it.
    pub ipv4: bool,
    pub ipv6: bool,
    /// `netlink_notify_msg`: have the kernel tell of the parent once more after making it.
    pub notify_parent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnLinkKind {
    /// A macvlan in private mode, which does not speak to others of its parent.
    Vmac { mac: [u8; 6] },
    /// An ipvlan in L2 mode, with its parent's MAC address. `address` is what adverts come from;
    /// IPv6 can do without, since the kernel makes a link-local one.
    Ipvlan { mode: IpvlanMode, address: Option<IpNet> },
}

/// Who an ipvlan speaks to besides the LAN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IpvlanMode {
    #[default]
    Bridge,
    Private,
    Vepa,
}

impl OwnLink {
    pub fn is_vmac(&self) -> bool {
        matches!(self.kind, OwnLinkKind::Vmac { .. })
    }
}

/// Virtual router MAC address (RFC 9568 §7.3).
pub fn virtual_mac(vrid: u8, ipv6: bool) -> [u8; 6] {
    [0x00, 0x00, 0x5e, 0x00, if ipv6 { 0x02 } else { 0x01 }, vrid]
}

#[cfg(test)]
mod tests {
    /// RFC 9568 §7.3: 00-00-5E-00-01-{VRID} for IPv4, 00-00-5E-00-02-{VRID} for IPv6.
    #[test]
    fn the_virtual_router_mac_address_ends_with_the_family_and_the_vrid() {
        assert_eq!(super::virtual_mac(51, false), [0, 0, 0x5e, 0, 1, 51]);
        assert_eq!(super::virtual_mac(255, true), [0, 0, 0x5e, 0, 2, 255]);
    }
}
