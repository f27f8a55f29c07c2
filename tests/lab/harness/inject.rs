//! VRRP packets built by hand, octet by octet and independently of the code under test, so that
//! each can be wrong in one chosen way.

use std::net::Ipv4Addr;

use super::Host;
use super::raw::PacketSocket;

pub const PROTOCOL_VRRP: u8 = 112;
/// Its authentication header (`auth_type AH`) has 24 octets.
pub const PROTOCOL_AH: u8 = 51;

/// One VRRPv2 advertisement (RFC 3768 §5.1) with its IP header. The fields hold what a correct one
/// has; a test changes one of them.
#[derive(Clone)]
pub struct Forgery {
    pub source: Ipv4Addr,
    pub ttl: u8,
    pub version_and_type: u8,
    pub vrid: u8,
    pub priority: u8,
    pub interval: u8,
    pub addresses: Vec<Ipv4Addr>,
    pub auth_type: u8,
    pub password: [u8; 8],
    /// Added to the right checksum.
    pub checksum_error: u16,
    /// How many octets of the VRRP message are sent; `None` for all.
    pub cut_to: Option<usize>,
}

impl Forgery {
    /// As the tutorial's directors send it: VRID 50, PASS `toto`, 1 s, one address.
    pub fn of_the_tutorial(source: &str, vip: &str) -> Forgery {
        Forgery {
            source: source.parse().expect("an address"),
            ttl: 255,
            version_and_type: 0x21,
            vrid: 50,
            priority: 100,
            interval: 1,
            addresses: vec![vip.parse().expect("an address")],
            auth_type: 1,
            password: *b"toto\0\0\0\0",
            checksum_error: 0,
            cut_to: None,
        }
    }

    /// Sends it out of the host's `eth0` to 224.0.0.18.
    pub fn send_from(&self, host: &Host) {
        let frame = self.frame();
        host.enter(|| PacketSocket::open("eth0").send(&frame));
    }

    /// The whole of it, from the Ethernet header on.
    pub fn frame(&self) -> Vec<u8> {
        let vrrp = self.message();
        let mut ip = vec![0x45, 0xc0, 0, 0, 0, 1, 0, 0, self.ttl, PROTOCOL_VRRP, 0, 0];
        ip.extend(self.source.octets());
        ip.extend([224, 0, 0, 18]);
        let length = (20 + vrrp.len()) as u16;
        ip[2..4].copy_from_slice(&length.to_be_bytes());
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let ethernet = [0x01, 0x00, 0x5e, 0, 0, 18, 0x02, 0, 0, 0, 0xff, 0xff, 0x08, 0x00];
        [&ethernet[..], &ip, &vrrp].concat()
    }

    fn message(&self) -> Vec<u8> {
        let count = self.addresses.len() as u8;
        let mut octets = vec![
            self.version_and_type,
            self.vrid,
            self.priority,
            count,
            self.auth_type,
            self.interval,
            0,
            0,
        ];
        octets.extend(self.addresses.iter().flat_map(Ipv4Addr::octets));
        // VRRPv3 has no authentication field (RFC 9568 §5.2).
        if self.version_and_type >> 4 != 3 {
            octets.extend(self.password);
        }
        let sum = checksum(&octets).wrapping_add(self.checksum_error);
        octets[6..8].copy_from_slice(&sum.to_be_bytes());
        octets.truncate(self.cut_to.unwrap_or(octets.len()));
        octets
    }
}

/// The Internet checksum (RFC 1071) of an even number of octets.
pub fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 =
        octets.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
