//! A new plan becomes the running one: what both have in common is not touched.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use super::VrrpThread;
use super::instance::Instance;
use crate::config::plan::{Plan, VrrpInstance};
use crate::driver::clock;
use crate::kernel::{AddressChange, Assignment, VrrpSocket};
use crate::vrrp::{Event, PublicState};

impl VrrpThread {
    /// Makes `plan` the running one; at start, when nothing runs, all of it is new.
    pub(super) fn adopt(&mut self, plan: Arc<Plan>) {
        let now = clock::now();
        let group_changed = self.plan.global.multicast_group != plan.global.multicast_group;
        if group_changed {
            self.sockets.clear();
        }
        self.plan = plan.clone();
        let mut old = self.take_instances();
        self.remove_missing(&plan, &mut old, now);
        let mut held = Vec::new();
        for wanted in &plan.vrrp_instances {
            let wanted = Arc::new(wanted.clone());
            match old.remove(&identity(&wanted)) {
                Some(instance) => held.extend(self.keep(instance, wanted, now)),
                None => self.add(wanted, now),
            }
        }
        self.exchange_addresses(&held, now);
        self.carry_out();
        self.reassess_all();
        self.start_new(now);
        self.carry_out();
    }

    fn take_instances(&mut self) -> HashMap<Identity, Instance> {
        self.schedule.clear();
        self.by_router.clear();
        self.instances.drain(..).map(|each| (identity(&each.plan), each)).collect()
    }

    /// Instances that are no longer wanted resign, before anything new begins.
    fn remove_missing(&mut self, plan: &Plan, old: &mut HashMap<Identity, Instance>, now: Instant) {
        let kept: Vec<Identity> = plan.vrrp_instances.iter().map(identity).collect();
        let gone = old.extract_if(|identity, _| !kept.contains(identity));
        self.instances = gone.map(|(_, instance)| instance).collect();
        for number in 0..self.instances.len() {
            self.handle(number, now, Event::Deleted);
        }
        self.carry_out();
        self.instances.clear();
        self.schedule.clear();
    }

    /// Gives what the instance held so far, if it is Active.
    fn keep(
        &mut self,
        mut instance: Instance,
        wanted: Arc<VrrpInstance>,
        now: Instant,
    ) -> Option<Held> {
        let number = self.instances.len();
        let held = instance
            .is_active()
            .then(|| Held { number, addresses: instance.assignments(&self.interfaces).collect() });
        let settings_changed = instance.plan.router != wanted.router;
        let settings = wanted.router.clone();
        instance.replan(wanted, self.plan.global.multicast_group);
        self.schedule.set(number, instance.router.next_deadline());
        self.instances.push(instance);
        if settings_changed {
            self.handle(number, now, Event::Reconfigured(settings));
        }
        held
    }

    /// Takes off what no Active instance wants any more, then adds what is new: an address that
    /// moves from one instance to another stays, one with another label is made anew.
    fn exchange_addresses(&mut self, before: &[Held], now: Instant) {
        let after: Vec<_> = before.iter().map(|each| self.addresses_held(each.number)).collect();
        let wanted: HashSet<&Assignment> = after.iter().flatten().collect();
        for each in before {
            for gone in each.addresses.iter().filter(|address| !wanted.contains(address)) {
                self.effects.push(Some(each.number), AddressChange::Remove(gone.clone()));
            }
        }
        for (each, after) in before.iter().zip(&after) {
            let added: Vec<_> = after.iter().filter(|a| !each.addresses.contains(a)).collect();
            for &added in &added {
                self.effects.push(Some(each.number), AddressChange::Add(added.clone()));
            }
            if !added.is_empty() {
                self.handle(each.number, now, Event::AddressesAdded);
            }
        }
    }

    /// What instance `number` has on its interfaces: nothing unless it is Active.
    fn addresses_held(&self, number: usize) -> Vec<Assignment> {
        let active = Some(&self.instances[number]).filter(|instance| instance.is_active());
        active.map_or_else(Vec::new, |each| each.assignments(&self.interfaces).collect())
    }

    fn add(&mut self, wanted: Arc<VrrpInstance>, now: Instant) {
        let instance = Instance::new(wanted, self.plan.global.multicast_group, now);
        self.instances.push(instance);
    }

    fn start_new(&mut self, now: Instant) {
        for number in 0..self.instances.len() {
            if self.instances[number].state == PublicState::Init {
                self.handle(number, now, Event::Startup);
            }
        }
    }

    /// Compares where one instance stands with what the interfaces are now, and tells its core.
    pub(super) fn reassess(&mut self, number: usize, now: Instant) {
        self.find_interface(number);
        self.find_source(number, now);
        let instance = &mut self.instances[number];
        let present = instance.present_faults(&self.interfaces, &self.sockets);
        let before = std::mem::replace(&mut instance.faults, present.clone());
        for &cause in present.difference(&before) {
            self.handle(number, now, Event::Fault(cause));
        }
        for &cause in before.difference(&present) {
            self.handle(number, now, Event::Recovered(cause));
        }
    }

    fn find_interface(&mut self, number: usize) {
        let instance = &mut self.instances[number];
        let found = self.interfaces.by_name(&instance.plan.interface).map(|link| link.index);
        let vrid = instance.plan.router.vrid.get();
        if instance.ifindex != found {
            // Re-created under the same name: another interface for the kernel, other addresses.
            if let Some(old) = instance.ifindex {
                self.by_router.remove(&(old, vrid));
            }
            (instance.ifindex, instance.source) = (found, None);
        }
        if let Some(ifindex) = found {
            self.by_router.insert((ifindex, vrid), number);
            self.open_socket(ifindex, number);
        }
    }

    fn open_socket(&mut self, ifindex: u32, number: usize) {
        if self.sockets.contains_key(&ifindex) {
            return;
        }
        let plan = &self.instances[number].plan;
        let group = self.plan.global.multicast_group;
        match VrrpSocket::open_multicast(&plan.interface, ifindex, group) {
            Ok(socket) => drop(self.sockets.insert(ifindex, socket)),
            Err(error) => tracing::error!(
                "({}) cannot open a VRRP socket on {}: {error}; trying again when it changes",
                plan.name,
                plan.interface
            ),
        }
    }

    fn find_source(&mut self, number: usize, now: Instant) {
        let instance = &self.instances[number];
        let is_virtual = |index, address| self.is_virtual(index, address);
        let chosen = instance.choose_source(&self.interfaces, is_virtual);
        let instance = &mut self.instances[number];
        if instance.source == chosen {
            return;
        }
        instance.source = chosen;
        instance.last_source = chosen.or(instance.last_source);
        self.handle(number, now, Event::SourceChanged(chosen.map(IpAddr::V4)));
    }

    /// Whether some instance has this address as a virtual one on that interface.
    fn is_virtual(&self, index: u32, address: Ipv4Addr) -> bool {
        self.virtual_addresses.contains(&(index, address))
    }
}

/// Addresses of one Active instance.
struct Held {
    number: usize,
    addresses: Vec<Assignment>,
}

/// What pairs an instance of the old plan with one of the new: VRID and interface. The name is
/// the operator's to change.
type Identity = (u8, String);

fn identity(plan: &VrrpInstance) -> Identity {
    let (vrid, interface) = plan.identity();
    (vrid, interface.to_owned())
}
