//! Adding and removing addresses: the requests.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use netlink_packet_core::{Emitable, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeader, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo,
};

use super::netlink_socket::{Refusal, RequestKind};

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
    pub address: IpNet,
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4 only, at most 15 octets; `None`: the interface's name.
    pub label: Option<String>,
    /// rtnetlink's number; 0 is `global`. The kernel works out IPv6's by itself.
    pub scope: u8,
    /// IPv6: usable only once the kernel has found no duplicate.
    pub detect_duplicates: bool,
    /// IPv6, in seconds, `u32::MAX` for ever; `None`: 0 for a /128, else for ever.
    pub preferred_lifetime: Option<u32>,
}

/// One change of the addresses of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressChange {
    Add(Assignment),
    Remove(Assignment),
}

/// A change that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}", .text.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
pub struct AddressFailure {
    /// Its place in the slice of changes.
    pub index: usize,
    pub error: io::Error,
    /// The kernel's own words, when it gives any.
    pub text: Option<String>,
}

impl AddressChange {
    pub fn assignment(&self) -> &Assignment {
        match self {
            Self::Add(assignment) | Self::Remove(assignment) => assignment,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> RequestKind {
        let (message, request) = match self {
            Self::Add(assignment) => {
                let flags = NLM_F_CREATE | NLM_F_EXCL;
                (assignment.message_to_add(), RequestKind { kind: RTM_NEWADDR, flags })
            }
            Self::Remove(assignment) => {
                (assignment.message(), RequestKind { kind: RTM_DELADDR, flags: 0 })
            }
        };
        let start = out.len();
        out.resize(start + message.buffer_len(), 0);
        message.emit(&mut out[start..]);
        request
    }

    /// Whether things are as wanted in spite of the refusal. With an interface its addresses
    /// went too.
    pub(super) fn is_satisfied_by(&self, errno: i32) -> bool {
        match self {
            Self::Add(_) => errno == libc::EEXIST,
            Self::Remove(_) => errno == libc::EADDRNOTAVAIL || errno == libc::ENODEV,
        }
    }
}

impl Assignment {
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
        message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
        message
    }

    fn message_to_add(&self) -> AddressMessage {
        let mut message = self.message();
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
                    message.header.flags |= AddressHeaderFlags::Nodad;
                }
                attributes.push(AddressAttribute::CacheInfo(self.life_time()));
            }
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

impl AddressFailure {
    pub(super) fn from_refusal(refusal: Refusal) -> Self {
        Self { index: refusal.index, error: refusal.error(), text: refusal.text }
    }
}

fn family(address: IpNet) -> AddressFamily {
    match address {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    }
}
