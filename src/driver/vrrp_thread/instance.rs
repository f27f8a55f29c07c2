//! One vrrp_instance as the thread runs it: its plan, its protocol core, where it stands.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::interfaces::Interfaces;
use super::pacing::Place;
use super::wants::assignment;

use super::{SocketKey, Sockets};
use crate::config::plan::{OldChecksum, ReceiveQueue, Transport, VirtualAddress, VrrpInstance};
use crate::kernel::Assignment;
use crate::status::InstanceStatus;
use crate::vrrp::{
    Admission, Counters, FaultCause, Memory, PublicState, SaidOnce, State, Transition,
    VirtualRouter,
};
use crate::wire::ip::IdCounter;
use crate::wire::vrrp::Layout;

pub struct Instance {
    pub plan: Arc<VrrpInstance>,
    pub router: VirtualRouter,
    pub admission: Admission,
    /// What was heard last, against adverts that are sent again.
    pub memory: Memory,
    pub counters: Counters,
    pub said: SaidOnce,
    /// Index of the interface its adverts go by; `None` while that does not exist.
    pub ifindex: Option<u32>,
    /// The socket it shares with others; `None` while it has no interface, or none to listen on.
    pub socket: Option<SocketKey>,
    /// Others have its VRID and socket: the sender tells whose a packet is.
    pub has_twins: bool,
    /// Address its adverts come from.
    pub source: Option<IpAddr>,
    /// The one it had last: a priority 0 can still go out when the address is gone.
    pub last_source: Option<IpAddr>,
    /// What the core was told it cannot run for.
    pub faults: BTreeSet<FaultCause>,
    /// What trackers add to its priority, as the core was told.
    pub adjustment: i32,
    /// IPv4 identification of the next advert.
    pub ip_id: IdCounter,
    /// Adverts that could not be sent since one last could.
    pub unsent: u64,
    /// Times that something was put back which others had removed.
    pub repairs: u64,
    /// What operators were last told, and when.
    pub state: PublicState,
    since: Instant,
    /// How late a deadline was served at worst.
    latest: Duration,
}

impl Instance {
    pub fn new(plan: Arc<VrrpInstance>, now: Instant) -> Self {
        Self {
            router: VirtualRouter::new(plan.router.clone(), None),
            admission: admission(&plan),
            memory: Memory::default(),
            counters: Counters::default(),
            said: SaidOnce::default(),
            ifindex: None,
            socket: None,
            has_twins: false,
            source: None,
            last_source: None,
            faults: BTreeSet::new(),
            adjustment: 0,
            ip_id: IdCounter::default(),
            unsent: 0,
            repairs: 0,
            state: PublicState::Init,
            since: now,
            latest: Duration::ZERO,
            plan,
        }
    }

    /// Whether `other` can be the same instance with changed peers: instances of one identity are
    /// told apart by these alone.
    pub fn shares_a_peer(&self, other: &VrrpInstance) -> bool {
        self.plan.peers().iter().any(|ours| other.has_peer(ours.address))
    }

    /// Takes over a changed plan; the protocol's part is told to the core by the caller.
    pub fn replan(&mut self, plan: Arc<VrrpInstance>) {
        self.memory.old_checksum &= plan.old_checksum == OldChecksum::AsPeers;
        self.admission = admission(&plan);
        self.plan = plan;
    }

    pub fn entered(&mut self, transition: &Transition, now: Instant) {
        self.counters.count_transition(transition);
        self.said.forget();
        (self.state, self.since) = (transition.to, now);
    }

    pub fn note_lateness(&mut self, late: Duration) {
        self.latest = self.latest.max(late);
    }

    pub fn is_active(&self) -> bool {
        matches!(self.router.state(), State::Active(_))
    }

    /// In Backup or Active: it listens.
    pub fn is_running(&self) -> bool {
        !matches!(self.router.state(), State::Initialize(_))
    }

    /// What keeps it from running, as the interfaces are now. A missing source address is told
    /// to the core with the source.
    pub fn present_faults(
        &self,
        interfaces: &Interfaces,
        sockets: &Sockets,
    ) -> BTreeSet<FaultCause> {
        let mut faults = BTreeSet::new();
        for name in self.plan.needed_interfaces() {
            match interfaces.by_name(name) {
                None => drop(faults.insert(FaultCause::InterfaceMissing)),
                Some(link) if !link.up && !self.ignores_link(name) => {
                    faults.insert(FaultCause::LinkDown);
                }
                Some(_) => {}
            }
        }
        let source = self.plan.source.filter(|_| self.plan.tracks_source);
        if source.is_some_and(|source| !interfaces.has_anywhere(source)) {
            faults.insert(FaultCause::SourceMissing);
        }
        if self.socket.is_some_and(|key| !sockets.contains_key(&key)) {
            faults.insert(FaultCause::NoSocket);
        }
        if matches!(&self.plan.transport, Transport::Unicast { peers, .. } if peers.is_empty()) {
            faults.insert(FaultCause::NoUnicastPeer);
        }
        faults
    }

    /// `dont_track_primary` is about the instance's own interface.
    fn ignores_link(&self, name: &str) -> bool {
        self.plan.ignores_own_link && name == self.plan.interface
    }

    /// The address to send from: the configured one, or the interface's first that is nobody's
    /// virtual address (with a VMAC, its parent's); the one in use is kept while it is there.
    pub fn choose_source(
        &self,
        interfaces: &Interfaces,
        is_virtual: impl Fn(u32, IpAddr) -> bool,
    ) -> Option<IpAddr> {
        if self.plan.source.is_some() {
            return self.plan.source;
        }
        let index = interfaces.by_name(self.plan.source_interface())?.index;
        let usable = |address: &IpAddr| !is_virtual(index, *address);
        let mut candidates = interfaces.sources(index, self.plan.ipv6).filter(usable);
        match self.source {
            // keepalived takes the last one that is left when it loses the one in use.
            Some(current) => candidates
                .rfind(|address| *address == current)
                .or_else(|| interfaces.sources(index, self.plan.ipv6).rfind(usable)),
            None => candidates.next(),
        }
    }

    /// What `vrrp_rx_bufs_policy` or its own `kernel_rx_buf_size` says it needs of a receive queue,
    /// with `mtu` octets to a packet; `None`: nothing.
    pub fn receive_queue(&self, policy: ReceiveQueue, mtu: u32) -> Option<usize> {
        let times = |count: u32, octets: usize| octets.saturating_mul(count as usize);
        if let Some(octets) = self.plan.receive_queue {
            return Some(times(1, octets as usize));
        }
        match policy {
            ReceiveQueue::Ample => None,
            ReceiveQueue::Octets(octets) => Some(octets as usize),
            ReceiveQueue::Mtus(count) => Some(times(count, mtu as usize)),
            ReceiveQueue::Adverts(count) => {
                Some(times(count, self.layout().length(self.admission.addresses.len())))
            }
        }
    }

    /// What its adverts are made of.
    fn layout(&self) -> Layout {
        Layout {
            version: self.plan.router.version,
            ipv6: self.plan.ipv6,
            protocol: self.admission.protocol(),
            trailer: self.plan.hmac.is_some(),
        }
    }

    /// Advertises as many addresses as fit into a packet of `mtu` octets; the others are held all
    /// the same. Gives how many are left out when that has changed.
    pub fn fit_to(&mut self, mtu: u32) -> Option<usize> {
        let (all, fitting) = (self.plan.addresses.len(), self.layout().most_addresses(mtu));
        let listed = all.min(fitting);
        if listed == self.admission.addresses.len() {
            return None;
        }
        let addresses = self.plan.addresses.iter().take(listed);
        self.admission.addresses = addresses.map(|each| each.address.addr()).collect();
        Some(all - listed)
    }

    /// The socket it needs, as its interface and source are now.
    pub fn wanted_socket(&self) -> Option<SocketKey> {
        let (ifindex, protocol) = (self.ifindex?, self.admission.protocol());
        let local = match self.plan.transport {
            Transport::Multicast(group) => group,
            Transport::Unicast { .. } => self.source?,
        };
        Some(SocketKey { ifindex, local, protocol })
    }

    /// Its virtual addresses on the interfaces they go to, in file order, excluded ones last.
    /// Those whose interface does not exist are left out.
    pub fn assignments<'a>(
        &'a self,
        interfaces: &'a Interfaces,
    ) -> impl Iterator<Item = Assignment> + 'a {
        self.assigned(interfaces).map(|(_, assignment)| assignment)
    }

    /// Where each of them goes.
    pub fn places<'a>(&'a self, interfaces: &'a Interfaces) -> impl Iterator<Item = Place> + 'a {
        let all = self.plan.addresses.iter().chain(&self.plan.excluded_addresses);
        all.filter_map(|wanted| {
            let name = wanted.interface_or(self.plan.address_interface());
            Some((interfaces.by_name(name)?.index, wanted.address))
        })
    }

    /// The same, with what the plan says of each.
    pub fn assigned<'a>(
        &'a self,
        interfaces: &'a Interfaces,
    ) -> impl Iterator<Item = (&'a VirtualAddress, Assignment)> + 'a {
        let all = self.plan.addresses.iter().chain(&self.plan.excluded_addresses);
        all.filter_map(|wanted| {
            Some((wanted, assignment(wanted, self.plan.address_interface(), interfaces)?))
        })
    }

    pub fn status(&self, now: Instant, unknown_vrids: u64, tracked: Vec<String>) -> InstanceStatus {
        InstanceStatus {
            plan: self.plan.clone(),
            receive_queue: None,
            state: self.state,
            in_state: now.saturating_duration_since(self.since),
            priority: self.router.priority(),
            source: self.source,
            active_router: self.router.active_router(),
            faults: self.router.faults().map(|fault| fault.to_string()).collect(),
            next_deadline: self.router.next_deadline().map(|at| at.saturating_duration_since(now)),
            latest: self.latest,
            repairs: self.repairs,
            counters: self.counters.clone(),
            unknown_vrids,
            tracked,
        }
    }
}

fn admission(plan: &VrrpInstance) -> Admission {
    Admission {
        version: plan.router.version,
        adver_interval: plan.router.adver_interval,
        authentication: plan.authentication,
        transport: plan.transport.clone(),
        addresses: plan.addresses.iter().map(|each| each.address.addr()).collect(),
        skip_check_adv_addr: plan.skip_check_adv_addr,
        ignores_all: plan.owner_ignores_adverts && plan.router.priority == 255,
        message_checksum: plan.message_checksum,
        old_group: Some(plan.old_group).filter(|_| plan.old_checksum != OldChecksum::Never),
        hmac: plan.hmac.clone(),
    }
}
