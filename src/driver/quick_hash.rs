//! A hash for keys of our own making, looked up for each packet: interfaces, addresses we listen on.
//!
//! Whoever can choose keys can make all of them collide, so it is not for what others send.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<QuickHasher>>;

/// Multiplies and turns, once for each word.
#[derive(Debug, Default, Clone, Copy)]
pub struct QuickHasher(u64);

/// Odd, with ones and zeros evenly spread: 2⁶⁴ divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl QuickHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
}

impl Hasher for QuickHasher {
    fn write(&mut self, octets: &[u8]) {
        for part in octets.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.add(u64::from_ne_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.add(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.add(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    /// The product's upper bits are the good ones, and tables look at the lower ones.
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    /// 255 VRIDs on each of 64 interfaces: the buckets of a table for as many are used as evenly as
    /// chance would (1 − 1/e of them), or better.
    #[test]
    fn routers_of_many_interfaces_are_spread_over_the_table() {
        let build = BuildHasherDefault::<QuickHasher>::default();
        let group = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
        let keys = (1..=64u32).flat_map(|index| (1..=255u8).map(move |vrid| (index, group, vrid)));
        let buckets: HashSet<u64> = keys.map(|key| build.hash_one(key) % 16_384).collect();
        assert!(buckets.len() > 10_000, "{} of 16384 buckets are used", buckets.len());
    }

    #[test]
    fn every_octet_counts() {
        let hash = |octets: &[u8]| {
            let mut hasher = QuickHasher::default();
            octets.hash(&mut hasher);
            hasher.finish()
        };
        let octets = [7; 19];
        for place in 0..octets.len() {
            let mut other = octets;
            other[place] ^= 1;
            assert_ne!(hash(&octets), hash(&other), "octet {place}");
        }
    }
}
