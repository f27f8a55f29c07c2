//! Making, setting and deleting interfaces on top of others: macvlan and ipvlan (rtnetlink(7)).

use std::io;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use super::netlink::{attributes, push_attribute, push_nested, string, u16_at, u32_at};
use super::netlink_socket::RequestKind;
use super::rtnl::{RTM_DELLINK, RTM_NEWLINK, RTM_SETLINK};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const MACVLAN_MODE_PRIVATE: u32 = 1;
const IPVLAN_MODE_L2: u16 = 0;
const IPVLAN_F_PRIVATE: u16 = 1;
const IPVLAN_F_VEPA: u16 = 2;

/// What kind of interface it is, as far as we have to do with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LinkKind {
    Macvlan {
        /// Private mode: it does not speak to others of its parent.
        private: bool,
    },
    Ipvlan(IpvlanFlags),
    Vrf,
    #[default]
    Other,
}

/// How an ipvlan treats others of its parent, which all have the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IpvlanFlags {
    #[default]
    Bridge,
    Private,
    Vepa,
}

/// An interface to be made. It is down at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    pub name: String,
    /// Index of the interface it stands on.
    pub parent: u32,
    pub kind: NewLinkKind,
    pub group: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewLinkKind {
    /// In private mode.
    Macvlan { mac: [u8; 6] },
    /// In L2 mode.
    Ipvlan(IpvlanFlags),
}

/// What an interface is to be like; what is `None` or empty stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkSettings {
    pub mac: Option<[u8; 6]>,
    /// A macvlan: private mode.
    pub make_private: bool,
    pub group: Option<u32>,
    /// Index of a VRF; 0: none.
    pub master: Option<u32>,
    /// IPv4 settings (`net.ipv4.conf.*`).
    pub ipv4: Vec<(Ipv4Setting, u32)>,
    /// IPv6: the kernel makes no link-local address by itself.
    pub no_generated_address: bool,
    pub up: bool,
}

/// Settings of `net.ipv4.conf.NAME` by the kernel's numbers (`IPV4_DEVCONF_*`, linux/ip.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Ipv4Setting {
    RpFilter = 8,
    ArpIgnore = 19,
    PromoteSecondaries = 20,
    AcceptLocal = 23,
}

/// One change of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkChange {
    Make(NewLink),
    Set(u32, LinkSettings),
    Delete(u32),
    /// All interfaces of a group at once: the kernel waits for its other processors once, and not
    /// for each of them.
    DeleteGroup(u32),
}

/// Why the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}", .text.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
pub struct LinkFailure {
    /// Its place in the slice of changes.
    pub index: usize,
    pub error: io::Error,
    /// The kernel's own words, when it gives any.
    pub text: Option<String>,
}

/// Whether an interface with `kind` is one that we make.
impl LinkKind {
    /// From IFLA_LINKINFO.
    pub(super) fn parse(info: &[u8]) -> Self {
        let of_kind = |octets, wanted| attributes(octets).find(|(kind, _)| *kind == wanted);
        let kind = of_kind(info, IFLA_INFO_KIND).map(|(_, name)| string(name));
        let data = of_kind(info, IFLA_INFO_DATA).map_or(&[][..], |(_, data)| data);
        match kind.as_deref() {
            Some("macvlan") => {
                let mode = of_kind(data, IFLA_MACVLAN_MODE).and_then(|(_, mode)| u32_at(mode, 0));
                Self::Macvlan { private: mode == Some(MACVLAN_MODE_PRIVATE) }
            }
            Some("ipvlan") => {
                let flags =
                    of_kind(data, IFLA_IPVLAN_FLAGS).and_then(|(_, flags)| u16_at(flags, 0));
                Self::Ipvlan(match flags.unwrap_or(0) {
                    IPVLAN_F_PRIVATE => IpvlanFlags::Private,
                    IPVLAN_F_VEPA => IpvlanFlags::Vepa,
                    _ => IpvlanFlags::Bridge,
                })
            }
            Some("vrf") => Self::Vrf,
            _ => Self::Other,
        }
    }
}

impl LinkChange {
    pub(super) fn write(&self, out: &mut Vec<u8>) -> RequestKind {
        match self {
            Self::Make(link) => {
                header(out, 0, false);
                link.write(out);
                RequestKind { kind: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL }
            }
            Self::Set(index, settings) => {
                header(out, *index, settings.up);
                settings.write(out);
                // RTM_SETLINK leaves IFLA_LINKINFO alone; RTM_NEWLINK for one that is there not.
                let kind = if settings.make_private { RTM_NEWLINK } else { RTM_SETLINK };
                RequestKind { kind, flags: 0 }
            }
            Self::Delete(index) => {
                header(out, *index, false);
                RequestKind { kind: RTM_DELLINK, flags: 0 }
            }
            Self::DeleteGroup(group) => {
                header(out, 0, false);
                push_attribute(out, IFLA_GROUP, &group.to_ne_bytes());
                RequestKind { kind: RTM_DELLINK, flags: 0 }
            }
        }
    }

    /// Whether things are as wanted in spite of the refusal.
    pub(super) fn is_satisfied_by(&self, errno: i32) -> bool {
        matches!(self, Self::Delete(_)) && errno == libc::ENODEV
    }
}

/// `struct ifinfomsg`.
fn header(out: &mut Vec<u8>, index: u32, up: bool) {
    let flag = if up { libc::IFF_UP } else { 0 };
    out.extend_from_slice(&[libc::AF_UNSPEC as u8, 0, 0, 0]);
    out.extend_from_slice(&index.to_ne_bytes());
    out.extend_from_slice(&flag.to_ne_bytes());
    out.extend_from_slice(&flag.to_ne_bytes());
}

impl NewLink {
    fn write(&self, out: &mut Vec<u8>) {
        push_attribute(out, IFLA_IFNAME, &[self.name.as_bytes(), &[0]].concat());
        push_attribute(out, IFLA_LINK, &self.parent.to_ne_bytes());
        push_attribute(out, IFLA_GROUP, &self.group.to_ne_bytes());
        match self.kind {
            NewLinkKind::Macvlan { mac } => {
                push_attribute(out, IFLA_ADDRESS, &mac);
                push_nested(out, IFLA_LINKINFO, private_macvlan);
            }
            NewLinkKind::Ipvlan(flags) => push_nested(out, IFLA_LINKINFO, |out| {
                let flags: u16 = match flags {
                    IpvlanFlags::Bridge => 0,
                    IpvlanFlags::Private => IPVLAN_F_PRIVATE,
                    IpvlanFlags::Vepa => IPVLAN_F_VEPA,
                };
                push_attribute(out, IFLA_INFO_KIND, b"ipvlan\0");
                push_nested(out, IFLA_INFO_DATA, |out| {
                    push_attribute(out, IFLA_IPVLAN_MODE, &IPVLAN_MODE_L2.to_ne_bytes());
                    push_attribute(out, IFLA_IPVLAN_FLAGS, &flags.to_ne_bytes());
                });
            }),
        }
    }
}

fn private_macvlan(out: &mut Vec<u8>) {
    push_attribute(out, IFLA_INFO_KIND, b"macvlan\0");
    push_nested(out, IFLA_INFO_DATA, |out| {
        push_attribute(out, IFLA_MACVLAN_MODE, &MACVLAN_MODE_PRIVATE.to_ne_bytes());
    });
}

impl LinkSettings {
    fn write(&self, out: &mut Vec<u8>) {
        if let Some(mac) = self.mac {
            push_attribute(out, IFLA_ADDRESS, &mac);
        }
        if let Some(group) = self.group {
            push_attribute(out, IFLA_GROUP, &group.to_ne_bytes());
        }
        if let Some(master) = self.master {
            push_attribute(out, IFLA_MASTER, &master.to_ne_bytes());
        }
        if self.make_private {
            push_nested(out, IFLA_LINKINFO, private_macvlan);
        }
        if !self.ipv4.is_empty() || self.no_generated_address {
            push_nested(out, IFLA_AF_SPEC, |out| self.write_families(out));
        }
    }

    /// The same values as in `/proc/sys`, without a file: the vrrp thread may do it, and a
    /// read-only `/proc/sys`, as containers have it, is no obstacle.
    fn write_families(&self, out: &mut Vec<u8>) {
        if !self.ipv4.is_empty() {
            push_nested(out, libc::AF_INET as u16, |out| {
                push_nested(out, IFLA_INET_CONF, |out| {
                    for (setting, value) in &self.ipv4 {
                        push_attribute(out, *setting as u16, &value.to_ne_bytes());
                    }
                });
            });
        }
        if self.no_generated_address {
            push_nested(out, libc::AF_INET6 as u16, |out| {
                push_attribute(out, IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured with `strace -e trace=sendmsg ip link add link eth0 vrrp.51 type macvlan mode private`
    /// (the kernel's own reply to RTM_GETLINK has the same shape).
    #[test]
    fn a_macvlan_in_private_mode_is_told_from_one_in_bridge_mode() {
        let mut info = Vec::new();
        private_macvlan(&mut info);
        assert_eq!(LinkKind::parse(&info), LinkKind::Macvlan { private: true });
        let bridge = info.len() - 4;
        info[bridge..].copy_from_slice(&4u32.to_ne_bytes());
        assert_eq!(LinkKind::parse(&info), LinkKind::Macvlan { private: false });
    }

    #[test]
    fn other_kinds_and_none_are_other() {
        let mut info = Vec::new();
        push_attribute(&mut info, IFLA_INFO_KIND, b"vlan\0");
        assert_eq!(LinkKind::parse(&info), LinkKind::Other);
        assert_eq!(LinkKind::parse(&[]), LinkKind::Other);
        assert_eq!(LinkKind::parse(&info[..5]), LinkKind::Other);
    }

    /// linux/if_link.h: a new interface has IFLA_LINK and IFLA_LINKINFO; one that is set has its index.
    #[test]
    fn requests_name_the_interface_they_are_about() {
        let mut made = Vec::new();
        let link = NewLink {
            name: "vrrp.51".into(),
            parent: 7,
            kind: NewLinkKind::Macvlan { mac: [0, 0, 0x5e, 0, 1, 51] },
            group: 0,
        };
        assert_eq!(LinkChange::Make(link).write(&mut made).kind, RTM_NEWLINK);
        let found = |wanted| attributes(&made[16..]).find(|(kind, _)| *kind == wanted).unwrap().1;
        assert_eq!(found(IFLA_IFNAME), b"vrrp.51\0");
        assert_eq!(found(IFLA_LINK), 7u32.to_ne_bytes());
        assert_eq!(found(IFLA_ADDRESS), [0, 0, 0x5e, 0, 1, 51]);

        let mut set = Vec::new();
        let settings = LinkSettings { up: true, ..LinkSettings::default() };
        assert_eq!(LinkChange::Set(9, settings).write(&mut set).kind, RTM_SETLINK);
        assert_eq!(set[4..8], 9u32.to_ne_bytes());
        assert_eq!(set[8..12], libc::IFF_UP.to_ne_bytes());
    }
}
