//! What a command that was carried out means for what is known of the table.

use std::collections::HashMap;

use super::{Command, Entry, ServiceKey};

impl Command {
    /// The service that it is about, if it is about one.
    pub fn service(&self) -> Option<ServiceKey> {
        match self {
            Self::NewService(service) | Self::SetService(service) => Some(service.key),
            Self::DeleteService(key)
            | Self::NewDestination(key, _)
            | Self::SetDestination(key, _)
            | Self::DeleteDestination(key, _) => Some(*key),
            Self::Flush | Self::SetTimeouts(_) => None,
        }
    }

    /// Does to what is known what the kernel has done to its table.
    pub fn carry_over(&self, known: &mut HashMap<ServiceKey, Entry>) {
        match self {
            Self::NewService(service) => {
                let entry = Entry { service: service.clone(), destinations: Default::default() };
                known.insert(service.key, entry);
            }
            Self::SetService(service) => {
                if let Some(entry) = known.get_mut(&service.key) {
                    entry.service.clone_from(service);
                }
            }
            Self::DeleteService(key) => drop(known.remove(key)),
            Self::NewDestination(key, destination) | Self::SetDestination(key, destination) => {
                if let Some(entry) = known.get_mut(key) {
                    entry.destinations.insert(destination.clone());
                }
            }
            Self::DeleteDestination(key, address) => {
                if let Some(entry) = known.get_mut(key) {
                    entry.destinations.remove(address);
                }
            }
            Self::Flush => known.clear(),
            Self::SetTimeouts(_) => {}
        }
    }
}
