//! Octets of VRRP, IP, ARP and ND, in and out: every input gives a value or a reason.
//!
//! Nothing past this module looks at a raw packet, and nothing in it knows who sent one or what
//! state we are in. The words of the wire that the protocol core also speaks ([`Vrid`],
//! [`Version`], [`AdverInterval`], [`Authentication`]) are defined here.

mod adver_interval;
pub mod ah;
pub mod arp;
mod authentication;
mod checksum;
mod discard;
pub mod ip;
pub mod neighbour;
mod packet;
pub mod trailer;
pub mod vrrp;

use std::num::NonZeroU8;

pub use adver_interval::AdverInterval;
pub use authentication::Authentication;
pub use discard::Discard;
pub(crate) use discard::{ADDR_LIST_ERR, NAMES};
pub use ip::IpMeta;
pub use packet::{Packet, Protocol};
pub use trailer::{HmacKey, Seal, Sequence};
pub use vrrp::{Advertisement, ChecksumScope, Outgoing, Reading};

/// Virtual router identifier, 1–255 (RFC 9568 §5.2.3).
pub type Vrid = NonZeroU8;

/// Protocol version of the adverts sent and accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768: IPv4 only, whole seconds.
    #[default]
    V2,
    /// RFC 9568.
    V3,
}

impl Version {
    /// 2 or 3, as the first four bits of a packet say it.
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}
