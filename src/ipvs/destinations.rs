//! The destinations of one service.

use super::{Destination, SocketKey};

/// Destinations by address, each address once. In order in one piece of memory, for there are many and they
/// seldom change: a look-up costs O(log n), an addition or a removal moves those behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations(Vec<Destination>);

impl Destinations {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of their addresses.
    pub fn iter(&self) -> std::slice::Iter<'_, Destination> {
        self.0.iter()
    }

    pub fn get(&self, address: &SocketKey) -> Option<&Destination> {
        self.place(address).ok().map(|at| &self.0[at])
    }

    pub fn contains(&self, address: &SocketKey) -> bool {
        self.place(address).is_ok()
    }

    /// Adds it, or puts it in the place of the one with its address.
    pub fn insert(&mut self, destination: Destination) {
        match self.place(&destination.address) {
            Ok(at) => self.0[at] = destination,
            Err(at) => self.0.insert(at, destination),
        }
    }

    /// Takes it out, if it is there.
    pub fn remove(&mut self, address: &SocketKey) {
        if let Ok(at) = self.place(address) {
            self.0.remove(at);
        }
    }

    fn place(&self, address: &SocketKey) -> Result<usize, usize> {
        self.0.binary_search_by(|destination| destination.address.cmp(address))
    }
}

/// Of two with one address the later counts.
impl FromIterator<Destination> for Destinations {
    fn from_iter<I: IntoIterator<Item = Destination>>(all: I) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|destination| destination.address);
        all.dedup_by(|later, kept| {
            let same = later.address == kept.address;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        all.shrink_to_fit();
        Self(all)
    }
}

impl<'a> IntoIterator for &'a Destinations {
    type Item = &'a Destination;
    type IntoIter = std::slice::Iter<'a, Destination>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::ipvs::Forward;

    fn destination(n: u8, weight: u32) -> Destination {
        let address = SocketKey { ip: [192, 0, 2, n].into(), port: 80 };
        let forward = Forward::Nat;
        Destination { address, forward, weight, upper_threshold: 0, lower_threshold: 0 }
    }

    proptest! {
        /// As a map by address would have it.
        #[test]
        fn they_are_a_map(
            first in prop::collection::vec((0_u8..9, 0_u32..9), 0..12),
            then in prop::collection::vec((0_u8..9, prop::option::of(0_u32..9)), 0..12),
        ) {
            let all = || first.iter().map(|&(n, weight)| destination(n, weight));
            let mut ours: Destinations = all().collect();
            let mut model: BTreeMap<_, _> = all().map(|each| (each.address, each)).collect();
            for (n, weight) in then {
                let address = destination(n, 0).address;
                match weight.map(|weight| destination(n, weight)) {
                    Some(new) => {
                        ours.insert(new.clone());
                        model.insert(address, new);
                    }
                    None => {
                        ours.remove(&address);
                        model.remove(&address);
                    }
                }
                prop_assert_eq!(ours.get(&address), model.get(&address));
                prop_assert_eq!(ours.contains(&address), model.contains_key(&address));
            }
            prop_assert!(ours.iter().eq(model.values()));
            prop_assert_eq!((ours.len(), ours.is_empty()), (model.len(), model.is_empty()));
        }
    }
}
