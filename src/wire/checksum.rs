//! The Internet checksum (RFC 1071).

use std::net::IpAddr;

/// Running ones-complement sum over 16-bit words.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum(u16);

impl Sum {
    /// Adds `octets`; an odd last one counts as the high half of a word.
    pub(super) fn add(self, octets: &[u8]) -> Self {
        octets.chunks(2).fold(self, |sum, pair| {
            sum.add_word(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
        })
    }

    fn add_word(self, word: u16) -> Self {
        let (sum, carried) = self.0.overflowing_add(word);
        // The end-around carry. It cannot carry again: such a sum is at most 0xfffe.
        Self(sum + u16::from(carried))
    }

    /// Adds the pseudo-header of `protocol` over `length` octets: IPv4's as keepalived sends
    /// it for v3, IPv6's after RFC 8200 §8.1. Their words differ only in the addresses.
    pub(super) fn add_pseudo_header(
        self,
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        length: usize,
    ) -> Self {
        let addressed = self.add_address(source).add_address(destination);
        addressed.add_word(u16::from(protocol)).add_word(length as u16)
    }

    fn add_address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => self.add(&v4.octets()),
            IpAddr::V6(v6) => self.add(&v6.octets()),
        }
    }

    /// What goes into the checksum field, that field having been summed as zero.
    pub(super) fn checksum(self) -> u16 {
        !self.0
    }

    /// Whether a sum that includes the checksum field comes out right.
    pub(super) fn verifies(self) -> bool {
        self.0 == 0xffff
    }
}
