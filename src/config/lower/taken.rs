//! Which virtual server has which service.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::plan::VirtualServer;
use super::super::source::{SourceMap, Span};
use super::duplicate;
use crate::ipvs::{Service, ServiceKey};

/// Services that are taken: by the virtual server of this number, which was said there.
#[derive(Debug)]
pub(super) struct Taken(HashMap<ServiceKey, (usize, Span)>);

impl Taken {
    pub fn with_capacity(capacity: usize) -> Self {
        Self(HashMap::with_capacity(capacity))
    }

    /// The services that `server` has, which comes next after those that are `settled`. Virtual servers of one group
    /// have them in common; all others must not.
    pub fn take(
        &mut self,
        server: &VirtualServer,
        at: Span,
        settled: &[Arc<VirtualServer>],
        sources: &SourceMap,
        diagnostics: &mut Diagnostics,
    ) -> Vec<ServiceKey> {
        let (number, mut differs) = (settled.len(), None);
        // Ranges of its group may overlap.
        let mut own = HashSet::new();
        let mut keys = Vec::new();
        for key in server.keys().filter(|key| server.group.is_none() || own.insert(*key)) {
            let (holder, first) = match self.0.entry(key) {
                Entry::Vacant(place) => {
                    place.insert((number, at));
                    keys.push(key);
                    continue;
                }
                Entry::Occupied(holder) => *holder.get(),
            };
            let other = &settled[holder];
            if have_one_group(other, server) {
                if !is_alike(&other.service, &server.service) {
                    differs.get_or_insert((key, first));
                }
                keys.push(key);
                continue;
            }
            let name = match &server.group {
                Some(_) => key.to_string(),
                None => sources.text(at).to_owned(),
            };
            diagnostics.push(duplicate(&name, at, first));
        }
        if let Some((key, first)) = differs {
            let message = format!("{key} is also a service of another virtual server of the group");
            let finding = Diagnostic::warning("shared-service", at, message);
            diagnostics.push(
                finding
                    .label("its scheduler, flags and persistence are those of the first")
                    .also(first, "first one")
                    .help("give both the same lvs_sched, flags and persistence"),
            );
        }
        keys
    }
}

fn have_one_group(one: &VirtualServer, other: &VirtualServer) -> bool {
    let name = |server: &VirtualServer| server.group.as_ref().map(|group| group.name.clone());
    name(one).is_some() && name(one) == name(other)
}

/// But for the key.
fn is_alike(one: &Service, other: &Service) -> bool {
    *one == Service { key: one.key, ..other.clone() }
}
