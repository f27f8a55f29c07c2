//! Services that several virtual servers of one group have in common, such as a mark with one for TCP and one for
//! UDP: in the kernel such a service has the servers of all of them.

use std::collections::HashMap;

use super::managed::Managed;
use crate::ipvs::{Entry, ServiceKey};

/// Of each such service the numbers of its virtual servers, in order. Nearly always there is none.
#[derive(Debug, Default)]
pub struct Joint(HashMap<ServiceKey, Vec<usize>>);

impl Joint {
    pub fn of(managed: &[Managed]) -> Self {
        let (mut first, mut joint) = (HashMap::new(), HashMap::new());
        let of_groups = managed.iter().enumerate().filter(|(_, each)| each.server.group.is_some());
        for (number, each) in of_groups {
            for key in each.server.keys() {
                let holder = *first.entry(key).or_insert(number);
                if holder != number {
                    joint.entry(key).or_insert_with(|| vec![holder]).push(number);
                }
            }
        }
        Self(joint)
    }

    pub fn has(&self, key: &ServiceKey) -> bool {
        self.0.contains_key(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &ServiceKey> {
        self.0.keys()
    }

    /// The virtual servers of a service; none if it has but one.
    pub fn users(&self, key: &ServiceKey) -> &[usize] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// What IPVS is to hold of it: a server that several of them have is there as long as one wants it, with the
    /// highest weight. `None`: it has but one virtual server.
    pub fn entry(&self, key: &ServiceKey, managed: &[Managed]) -> Option<Entry> {
        let entries = self.users(key).iter().map(|number| managed[*number].entry(*key));
        entries.reduce(|mut all, other| {
            for destination in other.destinations.iter() {
                let there = all.destinations.get(&destination.address);
                if there.is_none_or(|there| there.weight < destination.weight) {
                    all.destinations.insert(destination.clone());
                }
            }
            all
        })
    }
}

#[cfg(test)]
mod tests;
