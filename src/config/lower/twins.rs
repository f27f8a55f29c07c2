//! Instances of one virtual router on one interface: who hears an advert must know whose it is.

use std::collections::HashMap;
use std::net::IpAddr;

use super::super::plan::{Transport, VrrpInstance};
use super::super::source::Span;

/// Those of one identity so far. Unicast ones are told apart by the peers that each of them has to
/// itself, all others by nothing.
#[derive(Debug, Default)]
pub(super) struct Twins {
    first: Option<Span>,
    /// The first that is heard from anybody.
    multicast: Option<Span>,
    by_peer: HashMap<IpAddr, Span>,
}

impl Twins {
    /// Adds one, which stands at `at`.
    ///
    /// # Errors
    /// One that it cannot be told from is there already: where that stands.
    pub fn add(&mut self, instance: &VrrpInstance, at: Span) -> Result<(), Span> {
        let unicast = matches!(instance.transport, Transport::Unicast { .. });
        let shared = || instance.peers().iter().find_map(|peer| self.by_peer.get(&peer.address));
        let alike =
            if unicast { self.multicast.as_ref().or_else(shared) } else { self.first.as_ref() };
        if let Some(&alike) = alike {
            return Err(alike);
        }
        self.first.get_or_insert(at);
        if !unicast {
            self.multicast = Some(at);
        }
        self.by_peer.extend(instance.peers().iter().map(|peer| (peer.address, at)));
        Ok(())
    }
}
