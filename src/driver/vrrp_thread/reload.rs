//! A new plan becomes the running one: what both have in common is not touched.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::instance::Instance;
use super::tracking;
use super::wants::Owner;
use super::{SocketKey, VrrpThread};
use crate::config::plan::{Identity, Plan, Transport, VrrpInstance};
use crate::driver::clock;
use crate::kernel::{KernelChange, KernelObject, RECEIVE_QUEUE, VrrpSocket};
use crate::vrrp::{Event, FaultCause};

/// More than any host has to spare for adverts.
const LARGEST_QUEUE: usize = 1 << 30;

impl VrrpThread {
    /// Makes `plan` the running one; at start, when nothing runs, all of it is new.
    pub(super) fn adopt(&mut self, plan: Arc<Plan>) {
        let now = clock::now();
        let mut held = vec![Held { owner: Owner::Static, objects: self.held_by(Owner::Static) }];
        let failing = self.name_failing();
        self.follow_routing(&plan);
        self.plan = plan.clone();
        self.interfaces.set_delays(&plan.link_delays);
        self.effects.announcer.adopt(&plan.global.pacing);
        // What is gone with this reload is still told where it was to be.
        self.effects.writes_fifos |= plan.global.fifos.take_vrrp();
        self.begin_startup_delay(now);
        self.forget_readings();
        let (mut continued, gone) = pair(self.take_instances(), &plan);
        self.remove(gone, now);
        self.want_links(&plan);
        for (number, wanted) in plan.vrrp_instances.iter().enumerate() {
            match continued.remove(&number) {
                Some(instance) => held.extend(self.keep(instance, wanted.clone(), now)),
                None => self.add(wanted.clone(), now),
            }
        }
        self.mark_twins();
        self.index_holders();
        self.renumber_failing(failing);
        self.exchange_objects(&held, now);
        self.carry_out();
        self.bereaved = self.list_bereaved();
        self.adopt_groups();
        self.reassess_all();
        self.warn_of_own_peers();
        // What keeps one member from starting keeps the others, too.
        self.settle_groups();
        self.start_new(now);
        self.settle_groups();
        self.follow_for_sync_daemons(&plan);
        self.carry_out();
        self.effects.writes_fifos = plan.global.fifos.take_vrrp();
    }

    fn follow_for_sync_daemons(&mut self, plan: &Plan) {
        let wanted = plan.global.sync_daemons.as_ref().and_then(|each| each.instance.as_deref());
        let found = self.instances.iter().find(|each| Some(&*each.plan.name) == wanted);
        self.effects.follow(found.map(|each| (&*each.plan.name, each.is_active())));
    }

    /// A unicast peer that is this very host: adverts to it lead nowhere. The configuration alone
    /// shows this only of `unicast_src_ip`.
    fn warn_of_own_peers(&self) {
        let unicast = |each: &Instance| !each.plan.peers().is_empty();
        if self.instances.iter().any(unicast) {
            let own = self.interfaces.addresses();
            self.warn_of_peers_among(
                &own.filter(|held| !self.is_virtual(held.1, held.0)).collect(),
            );
        }
    }

    /// The same for addresses of this host with the interfaces they are on.
    pub(super) fn warn_of_peers_among(&self, own: &HashMap<IpAddr, u32>) {
        for instance in &self.instances {
            for peer in instance.plan.peers() {
                let index = own.get(&peer.address);
                if let Some(link) = index.and_then(|index| self.interfaces.by_index(*index)) {
                    tracing::warn!(
                        "({}) unicast_peer {} is an address of this host ({}): adverts to it reach \
                         nobody else",
                        instance.plan.name,
                        peer.address,
                        link.name
                    );
                }
            }
        }
    }

    fn take_instances(&mut self) -> Vec<Instance> {
        self.schedule.clear();
        self.by_router.clear();
        self.by_peer.clear();
        std::mem::take(&mut self.instances)
    }

    /// Instances that are no longer wanted resign, before anything new begins.
    fn remove(&mut self, gone: Vec<Instance>, now: Instant) {
        self.instances = gone;
        for number in 0..self.instances.len() {
            self.handle(number, now, Event::Deleted);
        }
        self.carry_out();
        self.instances.clear();
        self.schedule.clear();
    }

    /// Notes which instances have an identity in common, so that packets tell them apart by their
    /// sender only.
    fn mark_twins(&mut self) {
        let mut count: HashMap<Identity, usize> = HashMap::with_capacity(self.instances.len());
        for instance in &self.instances {
            *count.entry(instance.plan.identity()).or_default() += 1;
        }
        for instance in &mut self.instances {
            instance.has_twins = count.get(&instance.plan.identity()).is_some_and(|&n| n > 1);
        }
    }

    /// Gives what the instance held so far, if it is Active.
    fn keep(
        &mut self,
        mut instance: Instance,
        wanted: Arc<VrrpInstance>,
        now: Instant,
    ) -> Option<Held> {
        let number = self.instances.len();
        let held = instance.is_active().then(|| Held {
            owner: Owner::Instance(number),
            objects: instance.objects(&self.interfaces).map(|wanted| wanted.object).collect(),
        });
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

    /// Takes off what nobody wants any more, then adds what is new: an address that moves from
    /// one instance to another stays, one with another label is made anew.
    fn exchange_objects(&mut self, before: &[Held], now: Instant) {
        let after: Vec<_> = before.iter().map(|each| self.held_by(each.owner)).collect();
        let wanted: HashSet<&KernelObject> = after.iter().flatten().collect();
        for each in before {
            let gone = each.objects.iter().filter(|object| !wanted.contains(object)).cloned();
            self.effects.release(each.owner, gone.collect());
        }
        for (each, after) in before.iter().zip(&after) {
            let known: HashSet<&KernelObject> = each.objects.iter().collect();
            let added: Vec<_> = after.iter().filter(|object| !known.contains(object)).collect();
            for &added in &added {
                self.effects.push(each.owner, KernelChange::Add(added.clone()));
            }
            let any_address = added.iter().any(|each| matches!(each, KernelObject::Address(_)));
            if let (Owner::Instance(number), true) = (each.owner, any_address) {
                self.handle(number, now, Event::AddressesAdded);
            }
        }
    }

    /// What `owner` has in the kernel: nothing unless it is Active.
    fn held_by(&self, owner: Owner) -> Vec<KernelObject> {
        self.objects_of(owner).into_iter().map(|wanted| wanted.object).collect()
    }

    fn add(&mut self, wanted: Arc<VrrpInstance>, now: Instant) {
        let instance = Instance::new(wanted, now);
        self.instances.push(instance);
        self.delay_start(self.instances.len() - 1, now);
    }

    fn start_new(&mut self, now: Instant) {
        for number in 0..self.instances.len() {
            self.start_if_ready(number, now);
        }
    }

    /// Compares where one instance stands with what the interfaces are now, and tells its core.
    pub(super) fn reassess(&mut self, number: usize, now: Instant) {
        self.find_interface(number);
        self.fit_to_mtu(number);
        self.find_source(number, now);
        self.find_socket(number);
        let instance = &mut self.instances[number];
        let tracked = tracking::sum(instance, &self.interfaces, &self.readings);
        let mut present = instance.present_faults(&self.interfaces, &self.sockets);
        present.extend(tracked.faults);
        if self.bereaved.contains(&instance.plan.name) {
            present.insert(FaultCause::StaticMissing);
        }
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
        let found = match instance.plan.advert_interface() {
            "" => Some(0),
            name => self.interfaces.by_name(name).map(|link| link.index),
        };
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
            if instance.has_twins {
                self.by_peer.retain(|_, holder| *holder != number);
            } else {
                self.by_router.remove(&(before, vrid));
            }
        }
        if let Some(key) = wanted {
            if instance.has_twins {
                let peers = instance.plan.peers().iter();
                self.by_peer.extend(peers.map(|peer| ((key, vrid, peer.address), number)));
            } else {
                self.by_router.insert((key, vrid), number);
            }
            self.open_socket(key, number);
        }
    }

    /// Lists no more addresses in adverts than the interface carries in one packet.
    fn fit_to_mtu(&mut self, number: usize) {
        let instance = &mut self.instances[number];
        let link = instance.ifindex.and_then(|index| self.interfaces.by_index(index));
        let Some((link, left_out)) = link.and_then(|link| Some((link, instance.fit_to(link.mtu)?)))
        else {
            return;
        };
        let (name, interface, mtu) = (&instance.plan.name, &link.name, link.mtu);
        if left_out > 0 {
            tracing::warn!(
                "({name}) {left_out} addresses do not fit into one packet of {interface} (MTU \
                 {mtu}): they are held but not advertised"
            );
        } else {
            tracing::info!("({name}) all addresses fit into one packet of {interface} again");
        }
    }

    /// Gives the sockets the receive queues that the configuration asks for: of all instances of
    /// one together.
    pub(super) fn size_receive_queues(&self) {
        let mut wanted: HashMap<SocketKey, usize> = HashMap::new();
        for instance in &self.instances {
            let Some(key) = instance.socket else { continue };
            let mtu = self.interfaces.by_index(key.ifindex).map_or(1500, |link| link.mtu);
            if let Some(octets) = instance.receive_queue(self.plan.global.receive_queue, mtu) {
                let sum = wanted.entry(key).or_default();
                *sum = sum.saturating_add(octets);
            }
        }
        for (key, socket) in &self.sockets {
            let octets = wanted.get(key).copied().unwrap_or(RECEIVE_QUEUE);
            if let Err(error) = socket.set_receive_queue(octets.min(LARGEST_QUEUE)) {
                tracing::warn!("cannot make room for {octets} octets of adverts: {error}");
            }
        }
    }

    fn open_socket(&mut self, key: SocketKey, number: usize) {
        if self.sockets.contains_key(&key) {
            return;
        }
        let (plan, ifindex) = (&self.instances[number].plan, key.ifindex);
        let opened = match plan.transport {
            Transport::Multicast(group) => {
                let interface = plan.advert_interface();
                VrrpSocket::open_multicast(interface, ifindex, group, key.protocol)
            }
            Transport::Unicast { .. } => {
                let vrf = plan.vrf.as_deref().or_else(|| self.vrf_of_interface(&plan.interface));
                VrrpSocket::open_unicast(key.local, ifindex, vrf, key.protocol)
            }
        };
        match opened {
            Ok(socket) => drop(self.sockets.insert(key, socket)),
            Err(error) => tracing::error!(
                "({}) cannot open a VRRP socket on {}: {error}; trying again when it changes",
                plan.name,
                plan.advert_interface()
            ),
        }
    }

    /// Whose routing table an interface uses.
    // GAP: unicast sockets that are open already do not follow their interface into another VRF
    // while we run; those of multicast are bound to it and need not.
    fn vrf_of_interface(&self, name: &str) -> Option<&str> {
        let vrf = self.vrf_of(self.interfaces.by_name(name)?)?;
        self.interfaces.by_index(vrf).map(|vrf| &*vrf.name)
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
    pub(super) fn is_virtual(&self, index: u32, address: IpAddr) -> bool {
        self.virtual_addresses.contains(&(index, address))
    }
}

/// Which of the running instances each of the wanted ones continues, by number, and those that
/// none does. Of instances that share an identity those belong together that share a peer.
fn pair(running: Vec<Instance>, plan: &Plan) -> (HashMap<usize, Instance>, Vec<Instance>) {
    let mut by_identity: HashMap<Identity, Vec<Instance>> = HashMap::with_capacity(running.len());
    for instance in running {
        by_identity.entry(instance.plan.identity()).or_default().push(instance);
    }
    let mut continued = HashMap::with_capacity(plan.vrrp_instances.len());
    for by_peer in [true, false] {
        for (number, wanted) in plan.vrrp_instances.iter().enumerate() {
            if continued.contains_key(&number) {
                continue;
            }
            let Some(alike) = by_identity.get_mut(&wanted.identity()) else { continue };
            let place = alike.iter().position(|each| !by_peer || each.shares_a_peer(wanted));
            if let Some(place) = place {
                continued.insert(number, alike.remove(place));
            }
        }
    }
    (continued, by_identity.into_values().flatten().collect())
}

/// What somebody has in the kernel.
struct Held {
    owner: Owner,
    objects: Vec<KernelObject>,
}
