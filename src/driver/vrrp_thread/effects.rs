//! What the cores want done, gathered and carried out in one order for all of them: adverts,
//! then addresses, routes and rules in one batch, then gratuitous ARPs, then the news for log and scripts.
//!
//! That is the order each core asks for; gathering keeps it for each and lets a thousand
//! instances that move together cost a few system calls.
//!
//! Adverts go out all at once. The kernel takes long for the others when there are thousands, so of
//! those a piece is done at a time, and in between the thread looks at its deadlines: see [`Effects::is_behind`].

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use super::advert::Advert;
use super::frames::Frames;
use super::instance::Instance;
use super::interfaces::Interfaces;
use super::outbox::Outbox;
use super::pacing::Announcer;
use super::wants::{Owner, Wanted, in_order_of_leaving};
use super::{News, Report, Sockets, Who};
use crate::config::plan::SyncGroup;
use crate::driver::clock;
use crate::driver::sync_daemons::Followed;
use crate::kernel::{ArpSocket, ChangeFailure, KernelChange, KernelObject, Rtnl};
use crate::routing::PROTOCOL;
use crate::vrrp::{Action, Note, PublicState, Transition};

/// Changes that the kernel makes in one go: one or two milliseconds.
const CHANGES: usize = 64;

pub struct Effects {
    /// Instance and priority.
    adverts: Vec<(usize, u8)>,
    changes: Vec<KernelChange>,
    /// Whose each change is.
    owners: Vec<Owner>,
    /// How many of the changes are made.
    changed: usize,
    /// What the kernel would not take, said once and tried again when something changes.
    failing: HashSet<(Owner, KernelObject)>,
    failures_changed: bool,
    pub(super) frames: Frames,
    /// Announcements that have to wait for others.
    pub announcer: Announcer,
    news: Vec<(usize, Told)>,
    /// Groups, their states, and whether that is told before the members' news.
    group_news: Vec<(Arc<SyncGroup>, PublicState, bool)>,
    reports: mpsc::Sender<Report>,
    /// The instance that the sync daemons follow, and where is said how it stands.
    followed: watch::Sender<Option<Followed>>,
    followed_instance: Option<String>,
    lost_reports: u64,
    /// Events of instances and groups go into a FIFO.
    pub writes_fifos: bool,
    /// Reused for each advert.
    datagram: Vec<u8>,
    outbox: Outbox,
}

/// What is told once the rest is done.
enum Told {
    Transition(Transition),
    News(News),
}

impl Effects {
    pub fn new(reports: mpsc::Sender<Report>, followed: watch::Sender<Option<Followed>>) -> Self {
        Self {
            adverts: Vec::new(),
            changes: Vec::new(),
            owners: Vec::new(),
            changed: 0,
            failing: HashSet::new(),
            failures_changed: false,
            frames: Frames::default(),
            announcer: Announcer::default(),
            news: Vec::new(),
            group_news: Vec::new(),
            reports,
            followed,
            followed_instance: None,
            lost_reports: 0,
            writes_fifos: false,
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
            Action::HoldAddresses => self.hold(number, instance, interfaces),
            Action::ReleaseAddresses => {
                self.frames.silence(Owner::Instance(number));
                let objects = instance.objects(interfaces).map(|wanted| wanted.object);
                self.release(Owner::Instance(number), objects.collect());
            }
            Action::RestoreAddresses => {
                let (owner, name) = (Owner::Instance(number), &instance.plan.name);
                let wanted = instance.objects(interfaces).collect();
                self.put_back(owner, name, wanted, interfaces, true);
            }
            Action::Announce { rounds } => self.announce(number, instance, interfaces, rounds),
            Action::AnnounceElsewhere => self.announce_elsewhere(number, instance, interfaces),
            Action::Transition(transition) => {
                self.announce_source(number, instance, interfaces, &transition);
                self.news.push((number, Told::Transition(transition)));
            }
            Action::Note(note) => {
                tracing::info!("({}) {note}", instance.plan.name);
                self.news.extend(news_in(&note, instance).map(|news| (number, Told::News(news))));
            }
        }
    }

    fn hold(&mut self, number: usize, instance: &Instance, interfaces: &Interfaces) {
        for wanted in instance.objects(interfaces) {
            self.push(Owner::Instance(number), KernelChange::Add(wanted.object));
        }
    }

    /// Takes `objects` off, in the order of leaving.
    pub fn release(&mut self, owner: Owner, objects: Vec<KernelObject>) {
        for object in in_order_of_leaving(objects) {
            if !self.failing.is_empty() {
                self.failing.remove(&(owner, object.clone()));
            }
            self.push(owner, KernelChange::Remove(object));
        }
    }

    /// Takes those of `objects` off that stand on one interface.
    pub fn release_from(&mut self, ifindex: u32, owner: Owner, mut objects: Vec<KernelObject>) {
        objects.retain(|object| match object {
            KernelObject::Address(assignment) => assignment.ifindex == ifindex,
            KernelObject::Route(route) => route.hops.iter().any(|hop| hop.device == Some(ifindex)),
            KernelObject::Rule(_) => false,
        });
        self.release(owner, objects);
    }

    /// One change.
    pub fn push(&mut self, owner: Owner, change: KernelChange) {
        if let KernelChange::Remove(KernelObject::Address(gone)) = &change {
            self.announcer.forget((gone.ifindex, gone.address));
        }
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
        for place in instance.places(interfaces) {
            if !self.announcer.takes(interfaces, place, rounds) {
                self.frames.add(Some(Owner::Instance(number)), interfaces, place, rounds);
            }
        }
    }

    fn announce_what_waited(&mut self, interfaces: &Interfaces) {
        let now = clock::now();
        while let Some(place) = self.announcer.take_due(now) {
            self.frames.add(None, interfaces, place, 1);
        }
    }

    /// One round where no adverts go out that would keep switches from forgetting us: on VMACs,
    /// or on all interfaces if so told.
    fn announce_elsewhere(&mut self, number: usize, instance: &Instance, interfaces: &Interfaces) {
        let vmac = |index| {
            let name = interfaces.by_index(index).map(|link| &link.name);
            instance.plan.links().any(|link| link.is_vmac() && Some(&link.name) == name)
        };
        for place in instance.places(interfaces) {
            let index = place.0;
            if Some(index) != instance.ifindex && (instance.plan.garp_extra_all || vmac(index)) {
                self.frames.add(Some(Owner::Instance(number)), interfaces, place, 1);
            }
        }
    }

    /// Takes off what a former run left.
    pub fn remove_leftover(&mut self, interfaces: &Interfaces, object: KernelObject) {
        let place = place(&object, interfaces, "from");
        if interfaces.holds(&object) {
            tracing::info!("removing {object}{place}: left by an earlier run");
        } else if is_seen(&object) {
            return;
        }
        self.push(Owner::FormerRun, KernelChange::Remove(object));
    }

    /// Adds what is missing of `wanted`: what is not tracked only where nobody removed it.
    pub fn put_back(
        &mut self,
        owner: Owner,
        name: &str,
        wanted: Vec<Wanted>,
        interfaces: &Interfaces,
        robbed: bool,
    ) {
        for Wanted { object, tracked } in wanted {
            if interfaces.holds(&object) || !tracked {
                continue;
            }
            if robbed {
                tracing::warn!("({name}) {object} was removed by someone else: putting it back");
            } else if !self.is_failing(owner, &object) {
                tracing::info!("({name}) {object} is missing: adding it");
            }
            if let KernelObject::Address(assignment) = &object {
                let place = (assignment.ifindex, assignment.address);
                if !self.announcer.takes(interfaces, place, 1) {
                    self.frames.add(Some(owner), interfaces, place, 1);
                }
            }
            // What is left of it would keep the whole away.
            if is_divisible(&object) {
                self.push(owner, KernelChange::Remove(object.clone()));
            }
            self.push(owner, KernelChange::Add(object));
        }
    }

    /// Whether the kernel would not take it when it was last told.
    pub fn is_failing(&self, owner: Owner, object: &KernelObject) -> bool {
        self.failing.contains(&(owner, object.clone()))
    }

    /// Owners of what the kernel would not take.
    pub fn failing_owners(&self) -> BTreeSet<Owner> {
        self.failing.iter().map(|(owner, _)| *owner).collect()
    }

    /// All that the kernel would not take; forgotten here.
    pub fn take_failing(&mut self) -> HashSet<(Owner, KernelObject)> {
        std::mem::take(&mut self.failing)
    }

    /// What the kernel would not take, of owners that have other numbers now.
    pub fn set_failing(&mut self, failing: HashSet<(Owner, KernelObject)>) {
        self.failing = failing;
    }

    /// Whether something has begun or ceased to fail since the last call.
    pub fn take_failures_changed(&mut self) -> bool {
        std::mem::take(&mut self.failures_changed)
    }

    /// Drops what would be seen outside; the news stays.
    pub fn keep_only_transitions(&mut self) {
        self.adverts.clear();
        self.changes.clear();
        self.owners.clear();
        self.frames.clear();
        self.changed = 0;
        self.announcer.forget_all();
    }

    /// Whether something is left to do since the last [`carry_out`](Self::carry_out), for want of time,
    /// that others have to wait for.
    pub fn is_behind(&self) -> bool {
        !self.changes.is_empty() || self.frames.is_urgent()
    }

    /// Whether anything at all is left to do.
    pub fn has_more(&self) -> bool {
        self.is_behind() || !self.frames.is_empty()
    }

    /// Does what was gathered, or a piece of it: all adverts, then some changes; once all of these are
    /// made some announcements, and once each address was announced the news.
    pub fn carry_out(
        &mut self,
        instances: &mut [Instance],
        sockets: &Sockets,
        rtnl: &mut Rtnl,
        arp: &ArpSocket,
        interfaces: &mut Interfaces,
    ) {
        self.send_adverts(instances, sockets);
        self.change_some(instances, rtnl, interfaces);
        if self.changes.is_empty() {
            self.announce_what_waited(interfaces);
            self.frames.send_some(arp);
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

    fn change_some(
        &mut self,
        instances: &[Instance],
        rtnl: &mut Rtnl,
        interfaces: &mut Interfaces,
    ) {
        if self.changes.is_empty() {
            return;
        }
        let piece = self.changed..self.changes.len().min(self.changed + CHANGES);
        let (changes, owners) = (&self.changes[piece.clone()], &self.owners[piece.clone()]);
        let failures = rtnl.change(changes);
        let mut failed = failures.iter().map(|failure| failure.index).peekable();
        for (index, change) in changes.iter().enumerate() {
            if failed.next_if_eq(&index).is_none()
                && let KernelChange::Add(object) = change
            {
                if let KernelObject::Route(route) = object {
                    interfaces.routing.assume(route);
                }
                if !self.failing.is_empty() && self.failing.remove(&(owners[index], object.clone()))
                {
                    self.failures_changed = true;
                    let name = owner_name(owners[index], instances);
                    tracing::info!("({name}) {object} could be added after all");
                }
            }
        }
        for failure in failures {
            let (owner, change) = (owners[failure.index], &changes[failure.index]);
            let again = match change {
                KernelChange::Add(object) => !self.failing.insert((owner, object.clone())),
                KernelChange::Remove(_) => false,
            };
            self.failures_changed |= !again;
            if !again {
                log_failure(&failure, change, owner_name(owner, instances), interfaces);
            }
        }
        self.changed = piece.end;
        if self.changed == self.changes.len() {
            self.changes.clear();
            self.owners.clear();
            self.changed = 0;
        }
    }

    fn tell(&mut self, instances: &mut [Instance]) {
        let now = clock::now();
        let group_news = std::mem::take(&mut self.group_news);
        let report = |(group, state, _): &(Arc<SyncGroup>, PublicState, bool)| Report {
            who: Who::Group(group.clone()),
            news: News::Entered(*state),
            priority: 0,
        };
        group_news.iter().filter(|news| news.2).for_each(|news| self.report(report(news)));
        for (number, told) in std::mem::take(&mut self.news) {
            let instance = &mut instances[number];
            match told {
                Told::Transition(transition) => self.tell_one(instance, &transition, now),
                Told::News(news) => self.report(report_of(instance, news)),
            }
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
        match transition.to {
            PublicState::Init | PublicState::Backup | PublicState::Fault => {
                self.say_followed(&instance.plan.name, false);
            }
            PublicState::Master => self.say_followed(&instance.plan.name, true),
            // The daemons go with the plan, or with the process.
            PublicState::Stop | PublicState::Deleted => {}
        }
        self.report(report_of(instance, News::Entered(transition.to)));
    }

    /// The sync daemons follow this instance from now on, which stands so.
    pub fn follow(&mut self, instance: Option<(&str, bool)>) {
        self.followed_instance = instance.map(|(name, _)| name.to_owned());
        if let Some((name, active)) = instance {
            self.say_followed(name, active);
        }
    }

    fn say_followed(&self, instance: &str, active: bool) {
        if self.followed_instance.as_deref() == Some(instance) {
            let followed = Followed { instance: instance.to_owned(), active };
            self.followed.send_if_modified(|before| {
                let changed = before.as_ref() != Some(&followed);
                *before = Some(followed);
                changed
            });
        }
    }

    /// Hands a report over, or counts it as lost. What nobody would hear is not told.
    pub fn report(&mut self, report: Report) {
        if !self.writes_fifos && report.who.notify().is_silent() {
            return;
        }
        // A flood of adverts must not cost anybody the news of a transition.
        let minor = !matches!(report.news, News::Entered(_));
        if minor && self.reports.capacity() < self.reports.max_capacity() / 2 {
            return;
        }
        if let Err(TrySendError::Full(report)) = self.reports.try_send(report) {
            self.lost_reports += 1;
            let (name, lost) = (report.who.name(), self.lost_reports);
            tracing::error!("({name}) notify scripts are not run: {lost} reports lost so far");
        }
    }
}

fn report_of(instance: &Instance, news: News) -> Report {
    let priority = instance.router.priority();
    Report { who: Who::Instance(instance.plan.clone()), news, priority }
}

/// What a note of the core has to tell besides the log, to those who asked for it.
fn news_in(note: &Note, instance: &Instance) -> Option<News> {
    match note {
        Note::HeardLowerPriority { .. } | Note::HeardLowerAddress { .. } => {
            Some(News::HeardLowerPriority)
        }
        Note::PriorityChanged { .. } if instance.plan.notify.priority_changes => {
            let state = instance.router.public_state();
            let runs = matches!(state, PublicState::Master | PublicState::Backup);
            runs.then_some(News::PriorityChanged(state))
        }
        _ => None,
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

fn owner_name(owner: Owner, instances: &[Instance]) -> &str {
    match owner {
        Owner::Instance(number) => {
            instances.get(number).map_or("a lost instance", |instance| &instance.plan.name)
        }
        Owner::Static => "static",
        Owner::FormerRun => "left by an earlier run",
    }
}

/// ` to eth0` for what stands on an interface.
fn place(object: &KernelObject, interfaces: &Interfaces, preposition: &str) -> String {
    match object {
        KernelObject::Address(address) => {
            let link = interfaces.by_index(address.ifindex);
            format!(" {preposition} {}", link.map_or("a lost interface", |link| &link.name))
        }
        KernelObject::Route(_) | KernelObject::Rule(_) => String::new(),
    }
}

/// Whether we would know if it was there.
fn is_seen(object: &KernelObject) -> bool {
    match object {
        KernelObject::Address(_) => true,
        KernelObject::Route(route) => route.protocol == PROTOCOL,
        KernelObject::Rule(rule) => rule.protocol == PROTOCOL,
    }
}

/// Whether a part of it may be there: some of the next hops, or the route without its source.
fn is_divisible(object: &KernelObject) -> bool {
    match object {
        KernelObject::Address(_) | KernelObject::Rule(_) => false,
        KernelObject::Route(route) => {
            route.hops.len() > 1 || route.is_ipv6() && route.preferred_source.is_some()
        }
    }
}

fn log_failure(
    failure: &ChangeFailure,
    change: &KernelChange,
    owner: &str,
    interfaces: &Interfaces,
) {
    let object = change.object();
    match change {
        KernelChange::Add(_) => {
            let place = place(object, interfaces, "to");
            tracing::error!("({owner}) cannot add {object}{place}: {failure}");
        }
        KernelChange::Remove(_) => {
            let place = place(object, interfaces, "from");
            tracing::error!("({owner}) cannot remove {object}{place}: {failure}");
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
