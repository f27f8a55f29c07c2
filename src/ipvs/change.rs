//! A change of what is wanted: what it takes to make it, and what is wanted after it.

use std::collections::HashMap;

use super::{Command, Destination, Entry, ServiceKey, SocketKey, entry_difference};

/// Of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is to be like this, with these destinations.
    Service(Entry),
    /// This destination of it is to be like this; `None`: not to be there. The others stay as they are.
    Destination(ServiceKey, SocketKey, Option<Destination>),
}

impl Change {
    pub fn service(&self) -> ServiceKey {
        match self {
            Self::Service(entry) => entry.service.key,
            Self::Destination(key, ..) => *key,
        }
    }

    /// What makes it so, given what is there. For a destination two look-ups, however many there are.
    pub fn commands(&self, known: &HashMap<ServiceKey, Entry>) -> Vec<Command> {
        match self {
            Self::Service(entry) => entry_difference(known.get(&entry.service.key), Some(entry)),
            Self::Destination(key, address, wanted) => {
                let found = known.get(key).and_then(|entry| entry.destinations.get(address));
                destination_difference(*key, *address, found, wanted.as_ref()).into_iter().collect()
            }
        }
    }

    /// Does to what is wanted of the service what it says.
    pub fn make(self, wanted: &mut Option<Entry>) {
        match (self, wanted) {
            (Self::Service(entry), wanted) => *wanted = Some(entry),
            (Self::Destination(_, address, destination), Some(entry)) => match destination {
                Some(destination) => entry.destinations.insert(destination),
                None => entry.destinations.remove(&address),
            },
            (Self::Destination(..), None) => {}
        }
    }
}

fn destination_difference(
    key: ServiceKey,
    address: SocketKey,
    found: Option<&Destination>,
    wanted: Option<&Destination>,
) -> Option<Command> {
    match (found, wanted) {
        (None, Some(new)) => Some(Command::NewDestination(key, new.clone())),
        (Some(found), Some(wanted)) if found != wanted => {
            Some(Command::SetDestination(key, wanted.clone()))
        }
        (Some(_), None) => Some(Command::DeleteDestination(key, address)),
        (Some(_), Some(_)) | (None, None) => None,
    }
}
