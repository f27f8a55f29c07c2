//! Gratuitous ARP: tells a LAN where an IPv4 address lives from now on.

use std::net::Ipv4Addr;

/// Octets of an Ethernet header and an ARP message for IPv4.
pub const FRAME_LEN: usize = 42;

const BROADCAST: [u8; 6] = [0xff; 6];
/// EtherType ARP, then hardware type Ethernet, protocol IPv4, address lengths 6 and 4, and
/// operation 1: request (RFC 826).
const ETHERTYPE_TO_OPERATION: [u8; 10] = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1];

/// The whole Ethernet frame of a gratuitous ARP request for `address`, sent by `mac`
/// (RFC 9568 §6.4.2; RFC 5227 §3 says why a request). As keepalived sends it, the target
/// hardware address, which a request leaves open, is the broadcast address.
pub fn gratuitous_request(mac: [u8; 6], address: Ipv4Addr) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    frame[0..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&mac);
    frame[12..22].copy_from_slice(&ETHERTYPE_TO_OPERATION);
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&address.octets());
    frame[32..38].copy_from_slice(&BROADCAST);
    frame[38..42].copy_from_slice(&address.octets());
    frame
}

#[cfg(test)]
mod tests;
