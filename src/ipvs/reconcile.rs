//! Found against wanted: the fewest commands, in an order that does no harm.
//!
//! The order of the commands: for each wanted service, in the order of keys, first the service
//! itself, then new destinations, then those whose weight rises or stays, then those whose weight
//! falls, then those to be deleted. So a service that has somewhere to send to before and after
//! has it in between, and a sorry server is there before the last real server goes. Services to be
//! deleted come last of all: when the last service of a family goes, the kernel forgets that
//! family's connections.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Command, Destination, Entry, ServiceKey};

/// What turns our services as they were `found` into those that are wanted, destinations included. Nothing
/// is said about what is right already. Linear in the sizes of both.
pub fn difference(
    found: &HashMap<ServiceKey, Entry>,
    wanted: &BTreeMap<ServiceKey, Entry>,
) -> Vec<Command> {
    difference_beside(&HashSet::new(), found, wanted)
}

/// The same, but services that are `unchanged` stay as they were found.
pub fn difference_beside(
    unchanged: &HashSet<ServiceKey>,
    found: &HashMap<ServiceKey, Entry>,
    wanted: &BTreeMap<ServiceKey, Entry>,
) -> Vec<Command> {
    let mut commands = Vec::new();
    for (key, entry) in wanted {
        add_difference(found.get(key), entry, &mut commands);
    }
    let stays = |key: &ServiceKey| unchanged.contains(key) || wanted.contains_key(key);
    let mut gone: Vec<_> = found.keys().filter(|key| !stays(key)).collect();
    gone.sort_unstable();
    commands.extend(gone.into_iter().map(|key| Command::DeleteService(*key)));
    commands
}

/// The same for one service: `None` is one that is not there, or is not to be there.
///
/// Both must be of the same key.
pub fn entry_difference(found: Option<&Entry>, wanted: Option<&Entry>) -> Vec<Command> {
    let mut commands = Vec::new();
    match (found, wanted) {
        (found, Some(wanted)) => add_difference(found, wanted, &mut commands),
        // Its destinations go with it.
        (Some(found), None) => commands.push(Command::DeleteService(found.service.key)),
        (None, None) => {}
    }
    commands
}

fn add_difference(found: Option<&Entry>, wanted: &Entry, commands: &mut Vec<Command>) {
    let key = wanted.service.key;
    let Some(found) = found else {
        commands.push(Command::NewService(wanted.service.clone()));
        commands.extend(
            wanted.destinations.iter().map(|new| Command::NewDestination(key, new.clone())),
        );
        return;
    };
    if found.service != wanted.service {
        commands.push(Command::SetService(wanted.service.clone()));
    }
    let (new, changed) = new_and_changed(found, wanted);
    let (falling, others): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|(found, wanted)| wanted.weight < found.weight);
    let set = others.into_iter().chain(falling).map(|(_, wanted)| wanted);
    commands.extend(new.into_iter().map(|new| Command::NewDestination(key, new.clone())));
    commands.extend(set.map(|wanted| Command::SetDestination(key, wanted.clone())));

    let there = found.destinations.iter().map(|destination| destination.address);
    let gone = there.filter(|address| !wanted.destinations.contains(address));
    commands.extend(gone.map(|address| Command::DeleteDestination(key, address)));
}

/// Destinations that are missing, and pairs (found, wanted) that differ.
fn new_and_changed<'a>(
    found: &'a Entry,
    wanted: &'a Entry,
) -> (Vec<&'a Destination>, Vec<(&'a Destination, &'a Destination)>) {
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for wanted in &wanted.destinations {
        match found.destinations.get(&wanted.address) {
            None => new.push(wanted),
            Some(found) if found != wanted => changed.push((found, wanted)),
            Some(_) => {}
        }
    }
    (new, changed)
}

#[cfg(test)]
mod tests;
