//! What the kernel says of its interfaces, addresses, routes and rules, and what we do about it:
//! what somebody else takes off comes back, what went with an interface comes back with it.
//!
//! The cost is that of what has changed: an event leads to its owner by one look-up, and only
//! that one's objects are compared with what is there.

use std::collections::{BTreeSet, HashSet};

use super::instance::Instance;
use super::wants::{ObjectKey, Owner};
use super::{SocketKey, VrrpThread};
use crate::driver::clock;
use crate::kernel::{KernelEvent, KernelObject};
use crate::vrrp::Event;

/// What a few events come to.
#[derive(Debug, Default)]
struct News {
    /// An interface has a name that nothing had before.
    names_changed: bool,
    /// Instances may stand differently.
    reassess: bool,
    /// Something may be possible now that failed before.
    arrived: bool,
    /// Owners of what somebody has removed.
    robbed: BTreeSet<Owner>,
    /// Owners of what went with something else.
    bereft: BTreeSet<Owner>,
    overrun: bool,
    /// Interfaces whose link has come back.
    returned: Vec<u32>,
}

impl VrrpThread {
    /// Takes in what the kernel says.
    pub(super) fn hear_kernel(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        if let Err(error) = self.monitor.drain(&mut events) {
            tracing::error!("cannot read the kernel's events: {error}");
        }
        let mut news = News::default();
        for event in &events {
            self.take_in(event, &mut news);
        }
        events.clear();
        self.events = events;
        if news.overrun {
            self.look_again();
        }
        if news.reassess || news.overrun {
            news.names_changed |= self.keep_links();
        }
        if news.names_changed || news.overrun {
            self.index_holders();
        }
        if news.reassess || news.overrun {
            self.reassess_all();
        }
        self.announce_on(&news.returned);
        self.repair(news);
    }

    /// A link went down and came back, and its instances stayed MASTER (`dont_track_primary`, or
    /// it was down for less than its delay): the switches are told anew.
    fn announce_on(&mut self, returned: &[u32]) {
        if returned.is_empty() {
            return;
        }
        let now = clock::now();
        for number in 0..self.instances.len() {
            let instance = &self.instances[number];
            let is_there = instance.ifindex.is_some_and(|index| returned.contains(&index));
            if is_there && instance.is_active() {
                self.handle(number, now, Event::AddressesAdded);
            }
        }
    }

    fn take_in(&mut self, event: &KernelEvent, news: &mut News) {
        news.names_changed |= self.interfaces.brings_name(event);
        news.reassess |= self.changes_interfaces(event);
        news.overrun |= *event == KernelEvent::Overrun;
        news.arrived |= matches!(event, KernelEvent::Link(_) | KernelEvent::AddressAdded(_));
        news.returned.extend(self.interfaces.returned_by(event));
        self.release_renamed(event);
        self.interfaces.learn(event, clock::now());
        if let Some(key) = removed(event) {
            news.robbed.extend(self.holders.get(&key));
        }
        for key in self.interfaces.routing.take_forgotten() {
            news.bereft.extend(self.holders.get(&ObjectKey::Route(key)));
        }
    }

    /// Whether instances may stand differently after this event. Virtual addresses come and go:
    /// nobody sends from them.
    fn changes_interfaces(&self, event: &KernelEvent) -> bool {
        match event {
            KernelEvent::Link(link) => self.interfaces.by_index(link.index) != Some(link),
            KernelEvent::LinkGone { .. } | KernelEvent::Overrun => true,
            KernelEvent::RouteAdded(_)
            | KernelEvent::RouteRemoved(_)
            | KernelEvent::RuleAdded(_)
            | KernelEvent::RuleRemoved(_) => false,
            // Of IPv6 only link-local addresses are sources, and those configured.
            KernelEvent::AddressAdded(address) | KernelEvent::AddressRemoved(address) => {
                let ip = address.address.addr();
                let may_be_source = match ip {
                    std::net::IpAddr::V4(_) => true,
                    std::net::IpAddr::V6(v6) => {
                        let tracked = |each: &Instance| each.plan.source == Some(ip);
                        v6.is_unicast_link_local() || self.instances.iter().any(tracked)
                    }
                };
                may_be_source && !self.is_virtual(address.ifindex, ip)
            }
        }
    }

    /// After lost events nothing is remembered: everything is asked anew.
    fn look_again(&mut self) {
        tracing::warn!(
            "the kernel's events came faster than they were read: looking at all interfaces again"
        );
        match self.rtnl.links().and_then(|links| Ok((links, self.rtnl.addresses()?))) {
            Ok((links, addresses)) => self.interfaces.replace(links, addresses),
            Err(error) => tracing::error!("cannot list the interfaces: {error}"),
        }
        if self.follows_routing {
            self.look_at_routing();
        }
    }

    /// Reads the routes and rules of keepalived's number.
    pub(super) fn look_at_routing(&mut self) {
        match self.rtnl.routes().and_then(|routes| Ok((routes, self.rtnl.rules()?))) {
            Ok((routes, rules)) => self.interfaces.replace_routing(routes, rules),
            Err(error) => tracing::error!("cannot list the routes and rules: {error}"),
        }
    }

    /// Takes our objects off an interface that is about to be unknown by its name: under the
    /// new one nobody would find them.
    fn release_renamed(&mut self, event: &KernelEvent) {
        let Some(ifindex) = self.interfaces.renamed_by(event) else { return };
        for number in 0..self.instances.len() {
            self.release_from(ifindex, Owner::Instance(number));
        }
        self.release_from(ifindex, Owner::Static);
    }

    fn release_from(&mut self, ifindex: u32, owner: Owner) {
        let objects = self.objects_of(owner).into_iter().map(|wanted| wanted.object);
        self.effects.release_from(ifindex, owner, objects.collect());
    }

    /// Puts back what is missing of those whom the news concerns.
    fn repair(&mut self, mut news: News) {
        if news.overrun {
            news.robbed.extend(self.everyone());
        } else if news.names_changed {
            news.bereft.extend(self.everyone());
        }
        if news.arrived {
            news.bereft.extend(self.effects.failing_owners());
        }
        let now = clock::now();
        for &owner in &news.robbed {
            match owner {
                Owner::Instance(number) => {
                    if self.instances[number].lacks(&self.interfaces) {
                        self.handle(number, now, Event::AddressesRemoved);
                    }
                }
                Owner::Static => self.statics_robbed(now),
                Owner::FormerRun => {}
            }
        }
        for &owner in news.bereft.difference(&news.robbed) {
            self.complete(owner);
        }
    }

    /// Adds what `owner` lacks through nobody's fault.
    pub(super) fn complete(&mut self, owner: Owner) {
        let wanted = self.objects_of(owner);
        let name = self.name_of(owner);
        self.effects.put_back(owner, &name, wanted, &self.interfaces, false);
    }

    pub(super) fn name_of(&self, owner: Owner) -> String {
        match owner {
            Owner::Instance(number) => self.instances[number].plan.name.clone(),
            Owner::Static => "static".to_owned(),
            Owner::FormerRun => "left by an earlier run".to_owned(),
        }
    }

    /// What the kernel would not take, by the names of its owners: a reload renumbers them.
    pub(super) fn name_failing(&mut self) -> Vec<(String, KernelObject)> {
        let failing = self.effects.take_failing();
        failing.into_iter().map(|(owner, object)| (self.name_of(owner), object)).collect()
    }

    /// Of those, what is still wanted is tried again when something changes.
    pub(super) fn renumber_failing(&mut self, failing: Vec<(String, KernelObject)>) {
        let mut renumbered = HashSet::new();
        for owner in self.everyone().filter(|_| !failing.is_empty()) {
            let name = self.name_of(owner);
            let own = failing.iter().filter(|(each, _)| *each == name).map(|(_, object)| object);
            let wanted = self.objects_of(owner);
            let still = own.filter(|object| wanted.iter().any(|each| each.object == **object));
            renumbered.extend(still.map(|object| (owner, object.clone())));
        }
        self.effects.set_failing(renumbered);
    }

    fn everyone(&self) -> impl Iterator<Item = Owner> + use<> {
        (0..self.instances.len()).map(Owner::Instance).chain([Owner::Static])
    }

    /// Tells every instance what has changed in what it stands on.
    pub(super) fn reassess_all(&mut self) {
        let now = clock::now();
        for number in 0..self.instances.len() {
            self.reassess(number, now);
        }
        let used: HashSet<SocketKey> =
            self.instances.iter().filter_map(|each| each.socket).collect();
        self.sockets.retain(|key, _| used.contains(key));
        self.vrids_told.retain(|(key, _)| used.contains(key));
        self.size_receive_queues();
        self.promote_secondaries();
    }
}

/// What an event says is gone.
fn removed(event: &KernelEvent) -> Option<ObjectKey> {
    match event {
        KernelEvent::AddressRemoved(gone) => Some(ObjectKey::Address(gone.ifindex, gone.address)),
        KernelEvent::RouteRemoved(gone) => Some(ObjectKey::Route(gone.key.clone())),
        KernelEvent::RuleRemoved(gone) => Some(ObjectKey::Rule(gone.priority, gone.ipv6)),
        KernelEvent::Link(_)
        | KernelEvent::LinkGone { .. }
        | KernelEvent::AddressAdded(_)
        | KernelEvent::RouteAdded(_)
        | KernelEvent::RuleAdded(_)
        | KernelEvent::Overrun => None,
    }
}
