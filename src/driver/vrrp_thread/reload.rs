//! A new plan becomes the running one: what both have in common is not touched.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::instance::Instance;
use super::tracking::Sum;
use super::{SocketKey, VrrpThread};
use crate::config::plan::{Identity, Plan, Transport, VrrpInstance};
use crate::driver::clock;
use crate::kernel::{Assignment, KernelChange, VrrpSocket};
use crate::vrrp::Event;

impl VrrpThread {
    /// Makes `plan` the running one; at start, when nothing runs, all of it is new.
    pub(super) fn adopt(&mut self, plan: Arc<Plan>) {
        let now = clock::now();
        self.plan = plan.clone();
        self.forget_readings();
        let mut old = self.take_instances();
        self.remove_missing(&plan, &mut old, now);
        let mut held = Vec::new();
        for wanted in &plan.vrrp_instances {
            let wanted = Arc::new(wanted.clone());
            match old.remove(&wanted.identity()) {
                Some(instance) => held.extend(self.keep(instance, wanted, now)),
                None => self.add(wanted, now),
            }
        }
        self.exchange_addresses(&held, now);
        self.carry_out();
        self.adopt_groups();
        self.reassess_all();
        // What keeps one member from starting keeps the others, too.
        self.settle_groups();
        self.start_new(now);
        self.settle_groups();
        self.carry_out();
    }

    fn take_instances(&mut self) -> HashMap<Identity, Instance> {
        self.schedule.clear();
        self.by_router.clear();
        self.instances.drain(..).map(|each| (each.plan.identity(), each)).collect()
    }

    /// Instances that are no longer wanted resign, before anything new begins.
    fn remove_missing(&mut self, plan: &Plan, old: &mut HashMap<Identity, Instance>, now: Instant) {
        let kept: Vec<Identity> = plan.vrrp_instances.iter().map(VrrpInstance::identity).collect();
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
        instance.replan(wanted);
        self.schedule.set(number, &instance.router);
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
                self.effects.push(Some(each.number), KernelChange::remove(gone.clone()));
            }
        }
        for (each, after) in before.iter().zip(&after) {
            let added: Vec<_> = after.iter().filter(|a| !each.addresses.contains(a)).collect();
            for &added in &added {
                self.effects.push(Some(each.number), KernelChange::add(added.clone()));
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
        let instance = Instance::new(wanted, now);
        self.instances.push(instance);
    }

    fn start_new(&mut self, now: Instant) {
        for number in 0..self.instances.len() {
            self.start_if_ready(number, now);
        }
    }

    /// Compares where one instance stands with what the interfaces are now, and tells its core.
    pub(super) fn reassess(&mut self, number: usize, now: Instant) {
        self.find_interface(number);
        self.find_source(number, now);
        self.find_socket(number);
        let instance = &mut self.instances[number];
        let tracked = Sum::of(instance, &self.interfaces, &self.readings);
        let mut present = instance.present_faults(&self.interfaces, &self.sockets);
        present.extend(tracked.faults);
        let adjusted = std::mem::replace(&mut instance.adjustment, tracked.priority);
        let before = std::mem::replace(&mut instance.faults, present.clone());
        if adjusted != tracked.priority {
            self.handle(number, now, Event::PriorityAdjusted(tracked.priority));
        }
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
        if instance.ifindex != found {
            // Re-created under the same name: another interface for the kernel, other addresses.
            (instance.ifindex, instance.source) = (found, None);
        }
    }

    fn find_socket(&mut self, number: usize) {
        let instance = &mut self.instances[number];
        let wanted = instance.wanted_socket();
        let vrid = instance.plan.router.vrid.get();
        let before = std::mem::replace(&mut instance.socket, wanted);
        if let Some(before) = before.filter(|_| before != wanted) {
            self.by_router.remove(&(before, vrid));
        }
        if let Some(key) = wanted {
            self.by_router.insert((key, vrid), number);
            self.open_socket(key, number);
        }
    }

    fn open_socket(&mut self, key: SocketKey, number: usize) {
        if self.sockets.contains_key(&key) {
            return;
        }
        let (plan, ifindex) = (&self.instances[number].plan, key.ifindex);
        let opened = match plan.transport {
            Transport::Multicast(group) => {
                VrrpSocket::open_multicast(&plan.interface, ifindex, group)
            }
            Transport::Unicast { .. } => VrrpSocket::open_unicast(key.local, ifindex),
        };
        match opened {
            Ok(socket) => drop(self.sockets.insert(key, socket)),
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
        self.handle(number, now, Event::SourceChanged(chosen));
    }

    /// Whether some instance has this address as a virtual one on that interface.
    fn is_virtual(&self, index: u32, address: IpAddr) -> bool {
        self.virtual_addresses.contains(&(index, address))
    }
}

/// Addresses of one Active instance.
struct Held {
    number: usize,
    addresses: Vec<Assignment>,
}
