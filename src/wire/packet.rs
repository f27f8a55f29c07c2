//! A datagram from a raw IPv4 socket, with the headers before its VRRP message taken off.

use super::ip::{self, PROTOCOL_VRRP};
use super::{Discard, IpMeta, ah};

/// What carries VRRP messages; sockets listen to one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// VRRP itself.
    #[default]
    Vrrp,
    /// AH before it: `auth_type AH`.
    Ah,
}

impl Protocol {
    /// IANA's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Vrrp => PROTOCOL_VRRP,
            Self::Ah => ah::PROTOCOL_AH,
        }
    }

    /// The one that it is not.
    pub const fn other(self) -> Self {
        match self {
            Self::Vrrp => Self::Ah,
            Self::Ah => Self::Vrrp,
        }
    }
}

/// One datagram; borrows its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub ip: IpMeta,
    /// The authentication header, if there is one, not yet judged.
    pub ah: Option<ah::Header<'a>>,
    /// The VRRP message, and what stands behind it.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes the headers off.
    ///
    /// # Errors
    /// As [`ip::parse_ipv4`] and [`ah::parse`].
    pub fn parse_ipv4(datagram: &'a [u8]) -> Result<Self, Discard> {
        let (ip, protocol, payload) = ip::parse_header(datagram)?;
        match protocol {
            PROTOCOL_VRRP => Ok(Self { ip, ah: None, payload }),
            ah::PROTOCOL_AH => {
                let (header, message) = ah::parse(&datagram[..ip.header_len + payload.len()], &ip)?;
                let header_len = ip.header_len + ah::HEADER_LEN;
                Ok(Self { ip: IpMeta { header_len, ..ip }, ah: Some(header), payload: message })
            }
            other => Err(Discard::Protocol(other)),
        }
    }

    /// Which socket it belongs to.
    pub fn protocol(&self) -> Protocol {
        if self.ah.is_some() { Protocol::Ah } else { Protocol::Vrrp }
    }
}
