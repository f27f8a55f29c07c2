//! Addresses: the requests that add and remove them.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use netlink_packet_core::{Emitable, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage,
    AddressProtocol, CacheInfo,
};

use super::netlink_socket::RequestKind;

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
/// `valid_lft`, `preferred_lft`: no end.
const INFINITY_LIFE_TIME: u32 = u32::MAX;
/// Whoever asks for an address's origin sees keepalived's number (`ip address` prints it as
/// `proto 18`), on kernels from 5.18; earlier ones ignore it.
pub const IFAPROT_KEEPALIVED: u8 = 18;

/// An address that an interface is to have, or to lose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Assignment {
    pub ifindex: u32,
    /// With a peer, the prefix length is that of the peer.
    pub address: IpNet,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4 only, at most 15 octets; `None`: the interface's name.
    pub label: Option<String>,
    /// rtnetlink's number; 0 is `global`. The kernel works out IPv6's by itself.
    pub scope: u8,
    /// IPv6: usable only once the kernel has found no duplicate.
    pub detect_duplicates: bool,
    /// IPv6, in seconds, `u32::MAX` for ever; `None`: 0 for a /128, else for ever.
    pub preferred_lifetime: Option<u32>,
    /// `IFA_F_*`: home address 0x10, manage temporary addresses 0x100, no prefix route 0x200,
    /// join multicast groups 0x400.
    pub flags: u32,
}

impl Assignment {
    /// Without any option.
    pub fn plain(ifindex: u32, address: IpNet) -> Self {
        Self {
            ifindex,
            address,
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            detect_duplicates: false,
            preferred_lifetime: None,
            flags: 0,
        }
    }

    pub(super) fn write_addition(&self, out: &mut Vec<u8>) -> RequestKind {
        emit(&self.message_to_add(), out);
        RequestKind { kind: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL }
    }

    pub(super) fn write_removal(&self, out: &mut Vec<u8>) -> RequestKind {
        emit(&self.message(), out);
        RequestKind { kind: RTM_DELADDR, flags: 0 }
    }

    /// What names the address: enough to remove it.
    fn message(&self) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header = AddressHeader {
            family: family(self.address),
            prefix_len: self.address.prefix_len(),
            flags: AddressHeaderFlags::empty(),
            scope: self.scope.into(),
            index: self.ifindex,
        };
        let ip = self.address.addr();
        let other_end = self.peer.unwrap_or(ip);
        message.attributes =
            vec![AddressAttribute::Local(ip), AddressAttribute::Address(other_end)];
        message
    }

    fn message_to_add(&self) -> AddressMessage {
        let mut message = self.message();
        let mut flags = self.flags;
        let attributes = &mut message.attributes;
        attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(IFAPROT_KEEPALIVED)));
        match self.address.addr() {
            IpAddr::V4(_) => {
                attributes.extend(self.broadcast.map(AddressAttribute::Broadcast));
                attributes.extend(self.label.clone().map(AddressAttribute::Label));
            }
            IpAddr::V6(_) => {
                // Duplicate address detection would keep it unusable for a second or more.
                if !self.detect_duplicates {
                    flags |= AddressFlags::Nodad.bits();
                }
                attributes.push(AddressAttribute::CacheInfo(self.life_time()));
            }
        }
        if flags != 0 {
            let flags = AddressFlags::from_bits_retain(flags);
            message.attributes.push(AddressAttribute::Flags(flags));
        }
        message
    }

    /// IPv6: a /128 is deprecated from the start unless asked otherwise, so that it is no source of our own packets.
    fn life_time(&self) -> CacheInfo {
        let mut life_time = CacheInfo::default();
        life_time.ifa_valid = INFINITY_LIFE_TIME;
        let default = if self.address.prefix_len() == 128 { 0 } else { INFINITY_LIFE_TIME };
        life_time.ifa_preferred = self.preferred_lifetime.unwrap_or(default);
        life_time
    }
}

fn family(address: IpNet) -> AddressFamily {
    match address {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    }
}

fn emit(message: &AddressMessage, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + message.buffer_len(), 0);
    message.emit(&mut out[start..]);
}
