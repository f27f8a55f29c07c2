//! Unsolicited neighbour advertisement: tells a LAN where an IPv6 address lives from now on.

use std::net::{IpAddr, Ipv6Addr};

use super::checksum::Sum;
use super::ip::HEADER_LEN_V6;

/// Octets of an Ethernet header, an IPv6 header, and the message with its one option.
pub const FRAME_LEN: usize = 86;

const ETHERNET_LEN: usize = 14;
const MESSAGE_LEN: usize = 32;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The Ethernet group of ff02::1 (RFC 2464 §7).
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const PROTOCOL_ICMPV6: u8 = 58;
const TYPE_NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const FLAG_ROUTER: u8 = 0x80;
const FLAG_OVERRIDE: u8 = 0x20;

/// The whole Ethernet frame of an unsolicited neighbour advertisement for `address`, sent by
/// `mac` from the address itself (RFC 9568 §6.4.2, RFC 4861 §7.2.6). `router`: the interface
/// forwards; hosts drop a default router whose flag is gone.
pub fn unsolicited(mac: [u8; 6], address: Ipv6Addr, router: bool) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    frame[0..6].copy_from_slice(&ALL_NODES_MAC);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    let (header, message) = frame[ETHERNET_LEN..].split_at_mut(HEADER_LEN_V6);
    header[0] = 0x60;
    header[5] = MESSAGE_LEN as u8;
    header[6] = PROTOCOL_ICMPV6;
    header[7] = 255;
    header[8..24].copy_from_slice(&address.octets());
    header[24..40].copy_from_slice(&ALL_NODES.octets());
    message[0] = TYPE_NEIGHBOUR_ADVERTISEMENT;
    message[4] = FLAG_OVERRIDE | if router { FLAG_ROUTER } else { 0 };
    message[8..24].copy_from_slice(&address.octets());
    // Target Link-Layer Address, one unit of eight octets (RFC 4861 §4.6.1).
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..32].copy_from_slice(&mac);
    let sum = Sum::default().add(message).add_pseudo_header(
        IpAddr::V6(address),
        IpAddr::V6(ALL_NODES),
        PROTOCOL_ICMPV6,
        MESSAGE_LEN,
    );
    message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
    frame
}

#[cfg(test)]
mod tests;
