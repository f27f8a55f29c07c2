//! What the cores want done, gathered and carried out in one order for all of them: adverts,
//! then addresses in one batch, then gratuitous ARPs, then the news for log and scripts.
//!
//! That is the order each core asks for; gathering keeps it for each and lets a thousand
//! instances that move together cost a few system calls.
//!
//! Adverts go out all at once. The kernel takes long for the others when there are thousands, so of
//! those a piece is done at a time, and in between the thread looks at its deadlines: see [`Effects::is_behind`].

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::advert::Advert;
use super::instance::Instance;
use super::interfaces::Interfaces;
use super::outbox::Outbox;
use super::{Report, Sockets, Who};
use crate::config::plan::SyncGroup;
use crate::driver::clock;
use crate::kernel::{ArpSocket, Assignment, ChangeFailure, KernelChange, KernelObject, Rtnl};
use crate::vrrp::{Action, PublicState, Transition};
use crate::wire::{arp, neighbour};

/// Changes that the kernel makes in one go: one or two milliseconds.
const CHANGES: usize = 64;

/// Frames sent in one go: half a millisecond.
const FRAMES: usize = 256;

pub struct Effects {
    /// Instance and priority.
    adverts: Vec<(usize, u8)>,
    changes: Vec<KernelChange>,
    /// Whose each change is, for messages; `None`: left by a former run.
    owners: Vec<Option<usize>>,
    /// How many of the changes are made.
    changed: usize,
    frames: Vec<Announcement>,
    /// How many of the frames are sent.
    announced: usize,
    transitions: Vec<(usize, Transition)>,
    /// Groups, their states, and whether that is told before the members' news.
    group_news: Vec<(Arc<SyncGroup>, PublicState, bool)>,
    reports: mpsc::Sender<Report>,
    lost_reports: u64,
    /// Reused for each advert.
    datagram: Vec<u8>,
    outbox: Outbox,
}

struct Announcement {
    /// Instance that holds the address.
    owner: usize,
    /// Interface it goes out of.
    ifindex: u32,
    frame: Frame,
}

/// What tells the LAN where an address is now.
enum Frame {
    Arp([u8; arp::FRAME_LEN]),
    NeighbourAdvertisement([u8; neighbour::FRAME_LEN]),
}

impl Frame {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Arp(octets) => octets,
            Self::NeighbourAdvertisement(octets) => octets,
        }
    }
}

impl Effects {
    pub fn new(reports: mpsc::Sender<Report>) -> Self {
        Self {
            adverts: Vec::new(),
            changes: Vec::new(),
            owners: Vec::new(),
            changed: 0,
            frames: Vec::new(),
            announced: 0,
            transitions: Vec::new(),
            group_news: Vec::new(),
            reports,
            lost_reports: 0,
            datagram: Vec::new(),
            outbox: Outbox::default(),
        }
    }

    /// Takes one action of instance `number`.
    pub fn gather(
        &mut self,
        number: usize,
        instance: &Instance,
        interfaces: &Interfaces,
        action: Action,
    ) {
        match action {
            Action::SendAdvertisement { priority } => self.adverts.push((number, priority)),
            Action::HoldAddresses => {
                self.change(number, instance, interfaces, KernelChange::Add);
            }
            Action::ReleaseAddresses => {
                self.silence(number);
                self.change(number, instance, interfaces, KernelChange::Remove);
            }
            Action::RestoreAddresses => self.put_back(number, instance, interfaces),
            Action::Announce { rounds } => self.announce(number, instance, interfaces, rounds),
            Action::Transition(transition) => self.transitions.push((number, transition)),
            Action::Note(note) => tracing::info!("({}) {note}", instance.plan.name),
        }
    }

    fn change(
        &mut self,
        number: usize,
        instance: &Instance,
        interfaces: &Interfaces,
        kind: impl Fn(KernelObject) -> KernelChange,
    ) {
        for assignment in instance.assignments(interfaces) {
            self.push(Some(number), kind(assignment.into()));
        }
    }

    /// Takes the addresses of one instance off one interface.
    pub fn release_from(
        &mut self,
        ifindex: u32,
        number: usize,
        instance: &Instance,
        interfaces: &Interfaces,
    ) {
        for there in instance.assignments(interfaces).filter(|each| each.ifindex == ifindex) {
            self.push(Some(number), KernelChange::remove(there));
        }
    }

    /// One change; `owner` is the instance it is for, `None` what a former run left.
    pub fn push(&mut self, owner: Option<usize>, change: KernelChange) {
        self.changes.push(change);
        self.owners.push(owner);
    }

    /// `rounds` rounds of one gratuitous ARP or neighbour advertisement for each address.
    fn announce(
        &mut self,
        number: usize,
        instance: &Instance,
        interfaces: &Interfaces,
        rounds: u32,
    ) {
        for _ in 0..rounds {
            for assignment in instance.assignments(interfaces) {
                self.announce_one(number, interfaces, assignment.ifindex, assignment.address);
            }
        }
    }

    fn announce_one(
        &mut self,
        owner: usize,
        interfaces: &Interfaces,
        ifindex: u32,
        address: IpNet,
    ) {
        // Interfaces without ARP (tunnels, NOARP) have no neighbours to tell.
        let link = interfaces.by_index(ifindex).filter(|link| link.arp);
        let Some((link, mac)) = link.and_then(|link| Some((link, link.mac?))) else { return };
        let frame = match address.addr() {
            IpAddr::V4(address) => Frame::Arp(arp::gratuitous_request(mac, address)),
            IpAddr::V6(address) => {
                Frame::NeighbourAdvertisement(neighbour::unsolicited(mac, address, link.router))
            }
        };
        self.frames.push(Announcement { owner, ifindex, frame });
    }

    /// Drops the announcements of an instance that are still to be sent.
    fn silence(&mut self, owner: usize) {
        if !self.frames.is_empty() {
            self.frames.drain(..std::mem::take(&mut self.announced));
            self.frames.retain(|each| each.owner != owner);
        }
    }

    /// Takes an address off that a former run left on `interface`.
    pub fn remove_leftover(&mut self, interfaces: &Interfaces, interface: &str, address: IpNet) {
        let Some(link) = interfaces.by_name(interface) else { return };
        if interfaces.has(link.index, address) {
            tracing::info!("removing {address} from {interface}: left by an earlier run");
            self.push(None, KernelChange::remove(Assignment::plain(link.index, address)));
        }
    }

    /// Puts back what is missing of an Active instance's addresses.
    fn put_back(&mut self, number: usize, instance: &Instance, interfaces: &Interfaces) {
        for wanted in instance.assignments(interfaces) {
            let (ifindex, address) = (wanted.ifindex, wanted.address);
            if !interfaces.has(ifindex, address) {
                tracing::warn!(
                    "({}) {address} was removed by someone else: putting it back",
                    instance.plan.name
                );
                self.push(Some(number), KernelChange::add(wanted));
                self.announce_one(number, interfaces, ifindex, address);
            }
        }
    }

    /// Drops what would be seen outside; the news stays.
    pub fn keep_only_transitions(&mut self) {
        self.adverts.clear();
        self.changes.clear();
        self.owners.clear();
        self.frames.clear();
        (self.changed, self.announced) = (0, 0);
    }

    /// Whether something is left to do since the last [`carry_out`](Self::carry_out), for want of time.
    pub fn is_behind(&self) -> bool {
        !self.changes.is_empty() || !self.frames.is_empty()
    }

    /// Does what was gathered, or a piece of it: all adverts, then some changes; once all of these are
    /// made some announcements, and at the end of them the news.
    pub fn carry_out(
        &mut self,
        instances: &mut [Instance],
        sockets: &Sockets,
        rtnl: &mut Rtnl,
        arp: &ArpSocket,
        interfaces: &Interfaces,
    ) {
        self.send_adverts(instances, sockets);
        self.change_some(instances, rtnl, interfaces);
        if self.changes.is_empty() {
            self.announce_some(arp);
        }
        if !self.is_behind() {
            self.tell(instances);
        }
    }

    fn send_adverts(&mut self, instances: &mut [Instance], sockets: &Sockets) {
        for (number, priority) in self.adverts.drain(..) {
            let instance = &mut instances[number];
            let key = instance.socket.filter(|key| sockets.contains_key(key));
            let (Some(key), Some(source)) = (key, instance.last_source) else { continue };
            let (advert, sender) = Advert::next(instance, source, priority);
            self.outbox.begin(number, key, priority);
            advert.post(sender, &mut self.datagram, |to, octets| self.outbox.add(to, octets));
        }
        self.outbox.send(sockets, |posted| {
            let instance = &mut instances[posted.number];
            match posted.failure.filter(|_| !posted.sent) {
                None => {
                    instance.counters.count_sent(posted.priority);
                    sent(instance);
                }
                Some((to, error)) => not_sent(instance, to, &error),
            }
        });
    }

    fn change_some(&mut self, instances: &[Instance], rtnl: &mut Rtnl, interfaces: &Interfaces) {
        if self.changes.is_empty() {
            return;
        }
        let piece = self.changed..self.changes.len().min(self.changed + CHANGES);
        let (changes, owners) = (&self.changes[piece.clone()], &self.owners[piece.clone()]);
        for failure in rtnl.change(changes) {
            let owner = owners[failure.index].and_then(|number| instances.get(number));
            log_failure(&failure, &changes[failure.index], owner, interfaces);
        }
        self.changed = piece.end;
        if self.changed == self.changes.len() {
            self.changes.clear();
            self.owners.clear();
            self.changed = 0;
        }
    }

    fn announce_some(&mut self, arp: &ArpSocket) {
        if self.frames.is_empty() {
            return;
        }
        let piece = self.announced..self.frames.len().min(self.announced + FRAMES);
        let frames = self.frames[piece.clone()].iter();
        if let Err(error) = arp.send_frames(frames.map(|each| (each.ifindex, each.frame.octets())))
        {
            tracing::warn!("cannot announce addresses: {error}");
        }
        self.announced = piece.end;
        if self.announced == self.frames.len() {
            self.frames.clear();
            self.announced = 0;
        }
    }

    fn tell(&mut self, instances: &mut [Instance]) {
        let now = clock::now();
        let group_news = std::mem::take(&mut self.group_news);
        let report = |(group, state, _): &(Arc<SyncGroup>, PublicState, bool)| Report {
            who: Who::Group(group.clone()),
            state: *state,
            priority: 0,
        };
        group_news.iter().filter(|news| news.2).for_each(|news| self.report(report(news)));
        for (number, transition) in std::mem::take(&mut self.transitions) {
            self.tell_one(&mut instances[number], &transition, now);
        }
        group_news.iter().filter(|news| !news.2).for_each(|news| self.report(report(news)));
    }

    /// News of a sync group, told with the next [`carry_out`](Self::carry_out).
    pub fn group_entered(&mut self, group: Arc<SyncGroup>, state: PublicState, first: bool) {
        self.group_news.push((group, state, first));
    }

    fn tell_one(&mut self, instance: &mut Instance, transition: &Transition, now: Instant) {
        instance.entered(transition, now);
        log_transition(instance, transition);
        self.report(Report {
            who: Who::Instance(instance.plan.clone()),
            state: transition.to,
            priority: instance.router.priority(),
        });
    }

    fn report(&mut self, report: Report) {
        if let Err(TrySendError::Full(report)) = self.reports.try_send(report) {
            self.lost_reports += 1;
            let (name, lost) = (report.who.name(), self.lost_reports);
            tracing::error!("({name}) notify scripts are not run: {lost} reports lost so far");
        }
    }
}

/// What failed for a while works again: told with how often it did not.
fn sent(instance: &mut Instance) {
    if instance.unsent > 0 {
        let (name, unsent) = (&instance.plan.name, std::mem::take(&mut instance.unsent));
        tracing::info!("({name}) adverts go out again, {unsent} did not");
    }
}

/// Said once, then counted: it can fail for each advert.
fn not_sent(instance: &mut Instance, to: IpAddr, error: &io::Error) {
    if instance.unsent == 0 {
        let name = &instance.plan.name;
        tracing::warn!("({name}) cannot send adverts to {to}: {error}");
    }
    instance.unsent += 1;
}

fn log_failure(
    failure: &ChangeFailure,
    change: &KernelChange,
    owner: Option<&Instance>,
    interfaces: &Interfaces,
) {
    let owner = owner.map_or("left by an earlier run", |instance| &instance.plan.name);
    let object = change.object();
    let place = |preposition: &str| match object {
        KernelObject::Address(address) => {
            let link = interfaces.by_index(address.ifindex);
            format!(" {preposition} {}", link.map_or("a lost interface", |link| &link.name))
        }
        KernelObject::Route(_) | KernelObject::Rule(_) => String::new(),
    };
    match change {
        KernelChange::Add(_) => {
            tracing::error!("({owner}) cannot add {object}{}: {failure}", place("to"));
        }
        KernelChange::Remove(_) => {
            tracing::error!("({owner}) cannot remove {object}{}: {failure}", place("from"));
        }
    }
}

/// The cause first, then keepalived's own line, which tools look for.
fn log_transition(instance: &Instance, transition: &Transition) {
    let name = &instance.plan.name;
    let suffix = if transition.from == PublicState::Init { " (init)" } else { "" };
    match transition.to {
        PublicState::Stop | PublicState::Deleted => {
            tracing::info!("({name}) leaving {} STATE: {}", transition.from, transition.cause);
        }
        state => {
            tracing::info!("({name}) {}", transition.cause);
            tracing::info!("({name}) Entering {state} STATE{suffix}");
        }
    }
}
