//! One virtual server as the director runs it: its plan, its health, and the words for both.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::draining::Draining;
use super::files::Files;
use super::host_addresses::HostAddresses;
use super::sessions::Followed;
use super::writing::Writing;
use crate::check::{
    Action, Cause, CheckerSettings, Event, Kind, Outcome, PairedServer, Pairing, Pool,
    PoolSettings, ServerSettings, Sorry, Verdict,
};
use crate::config::plan::{Checker, RealServer, ServerIdentity, VirtualServer};
use crate::driver::clock;
use crate::ipvs::{Change, Destination, Entry, Forward, Service, ServiceKey, SocketKey};
use crate::probe::{Probe, bfd, file};

pub struct Managed {
    pub server: Arc<VirtualServer>,
    pub pool: Pool,
    /// `[192.0.2.1]:tcp:80` or `FWM 1`.
    pub name: String,
    /// Servers that reloads have taken out.
    pub draining: Draining,
    /// Of what serves, one server may stand in another's place: then none changes by itself.
    twins: bool,
}

impl Managed {
    pub fn new(server: Arc<VirtualServer>) -> Self {
        let (pool, name) = (Pool::new(settings(&server)), server.identity().to_string());
        let draining = Draining::default();
        Self { pool, name, draining, twins: has_twins(&server), server }
    }

    pub fn identity(&self) -> ServerIdentity {
        self.server.identity()
    }

    /// Lets the checkers of files and of BFD sessions begin with what these say.
    pub fn preset(&mut self, files: &Files, sessions: &Followed) {
        for (server, real) in self.server.real_servers.iter().enumerate() {
            for checker in 0..real.checkers.len() {
                if let Some(outcome) = self.told(files, sessions, server, checker) {
                    self.pool.preset(server, checker, &outcome);
                }
            }
        }
    }

    /// `ha_suspend`: without its address on this host nothing is tried from the start on.
    pub fn begin_suspended(&mut self, addresses: &HostAddresses) {
        if !self.is_here(addresses) {
            tracing::info!("{} is not on this host: its checks are suspended", self.name);
            self.pool.handle(clock::now(), Event::Suspended, &mut Vec::new());
        }
    }

    /// What the pool is to be told now that addresses have come or gone; `seed` spreads first attempts.
    pub fn follow_address(&self, addresses: &HostAddresses, seed: u64) -> Option<Event> {
        let name = &self.name;
        match (self.pool.is_suspended(), self.is_here(addresses)) {
            (true, true) => {
                tracing::info!("{name} is on this host: its checks begin");
                Some(Event::Resumed { seed })
            }
            (false, false) => {
                tracing::info!("{name} is no longer on this host: its checks are suspended");
                Some(Event::Suspended)
            }
            (true, false) | (false, true) => None,
        }
    }

    fn is_here(&self, addresses: &HostAddresses) -> bool {
        !self.server.ha_suspend || addresses.any_of(self.server.reached())
    }

    /// What the file of a FILE_CHECK says, or the session of a BFD_CHECK; `None` for other checkers.
    pub fn told(
        &self,
        files: &Files,
        sessions: &Followed,
        server: usize,
        checker: usize,
    ) -> Option<Outcome> {
        let checker = &self.server.real_servers[server].checkers[checker];
        match &checker.probe {
            Probe::File(probe) => Some(file::judge(probe, files.value(&probe.path))),
            Probe::Bfd(probe) => {
                let up = sessions.up(&probe.session);
                Some(bfd::judge(probe, up, checker.timing.alpha))
            }
            _ => None,
        }
    }

    pub fn start(&mut self, now: Instant, seed: u64, out: &mut Vec<Action>) {
        self.pool.handle(now, Event::Startup { seed }, out);
    }

    /// Continues `before` with this plan.
    pub fn adopt(&mut self, now: Instant, before: &Self, seed: u64, out: &mut Vec<Action>) {
        let pairing = pairing(&before.server, &self.server);
        self.pool.adopt(now, &before.pool, &pairing, seed, out);
        self.drain(now, before);
    }

    /// What of `before` is in the table, and is no server any more, keeps its connections for a while.
    fn drain(&mut self, now: Instant, before: &Self) {
        let (span, servers) = (self.server.drain_time, &self.server.real_servers);
        let ours: HashSet<_> = servers.iter().map(|server| server.destination.address).collect();
        let is_gone = |address: &SocketKey| !ours.contains(address);
        self.draining.take_over(now, span, &before.draining, is_gone);
        for (index, server) in before.server.real_servers.iter().enumerate() {
            let held = before.pool.destination(index).is_some();
            if held && is_gone(&server.destination.address) {
                self.draining.add(now, span, &server.destination);
            }
        }
    }

    /// When the director is to be called again, at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.pool.next_deadline().into_iter().chain(self.draining.next()).min()
    }

    /// Lets servers go that have drained at `now`; whether there were any.
    pub fn end_draining(&mut self, now: Instant) -> bool {
        let over = self.draining.end(now);
        for address in &over {
            tracing::info!("{address} of {} has had its time to drain", self.name);
        }
        !over.is_empty()
    }

    pub fn probe(&self, server: usize, checker: usize) -> Probe {
        self.server.real_servers[server].checkers[checker].probe.clone()
    }

    /// What IPVS is to hold of this virtual server now: one entry for each of its services.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let held = self.held();
        self.server.keys().map(move |key| self.entry_of(key, &held))
    }

    /// The same for one of them.
    pub fn entry(&self, key: ServiceKey) -> Entry {
        self.entry_of(key, &self.held())
    }

    fn entry_of(&self, key: ServiceKey, held: &[Destination]) -> Entry {
        let at_key = |destination: &Destination| Destination {
            address: self.address_at(key, destination),
            ..destination.clone()
        };
        let service = Service { key, ..self.server.service.clone() };
        Entry { service, destinations: held.iter().map(at_key).collect() }
    }

    /// What it takes in each of its services that one real server alone has changed.
    pub fn server_changes(&self, server: usize) -> Vec<Change> {
        if self.twins {
            return self.entries().map(Change::Service).collect();
        }
        let (weight, destination) =
            (self.pool.destination(server), &self.server.real_servers[server].destination);
        let change = |key| {
            let address = self.address_at(key, destination);
            let wanted =
                weight.map(|weight| Destination { address, weight, ..destination.clone() });
            Change::Destination(key, address, wanted)
        };
        self.server.keys().map(change).collect()
    }

    /// The servers that are to be in the table and are not, in order: the kernel would not take them.
    pub fn refused_by(&self, table: &Writing) -> Vec<usize> {
        let wanted = self.pool.wanted();
        let servers = self.server.real_servers.iter().enumerate();
        let missing = servers.filter(|(index, server)| {
            let lacks = |key| table.lacks(&key, &self.address_at(key, &server.destination));
            wanted.servers[*index].is_some() && self.server.keys().any(lacks)
        });
        missing.map(|(index, _)| index).collect()
    }

    /// In a group, packets that keep their port arrive at that of the service they were for.
    fn address_at(&self, key: ServiceKey, destination: &Destination) -> SocketKey {
        if self.server.group.is_none() || destination.forward == Forward::Nat {
            return destination.address;
        }
        let port = match key {
            ServiceKey::Address { address, .. } => address.port,
            ServiceKey::Fwmark { .. } => 0,
        };
        SocketKey { port, ..destination.address }
    }

    /// The destinations that serve now; of two with one address the later counts.
    fn held(&self) -> Vec<Destination> {
        let wanted = self.pool.wanted();
        let servers = self.server.real_servers.iter().zip(&wanted.servers);
        let mut held = Vec::with_capacity(wanted.servers.len());
        let mut add = |destination: &Destination, weight: Option<u32>| {
            held.extend(weight.map(|weight| Destination { weight, ..destination.clone() }));
        };
        self.draining.destinations().for_each(|destination| add(destination, Some(0)));
        // A sorry server that is also a real server yields to it while that one serves.
        if let Some(sorry) = &self.server.sorry_server {
            add(&sorry.destination, wanted.sorry);
        }
        for (server, weight) in servers {
            if !(wanted.sorry == Some(1) && self.is_sorry(server)) {
                add(&server.destination, *weight);
            }
        }
        held
    }

    fn is_sorry(&self, server: &RealServer) -> bool {
        let sorry = self.server.sorry_server.as_ref();
        sorry.is_some_and(|sorry| sorry.destination.address == server.destination.address)
    }

    pub(super) fn log(&self, action: &Action) {
        let (name, of) = (&self.name, |server: &usize| self.name_of(*server));
        match action {
            Action::ServerUp { server, cause } => {
                tracing::info!("{} of {name} is up: {}", of(server), self.why(*server, cause));
            }
            Action::ServerDown { server, cause } => {
                tracing::warn!("{} of {name} is down: {}", of(server), self.why(*server, cause));
            }
            Action::QuorumGained { sum, needed, .. } => {
                tracing::info!("{name} gained its quorum: weight {sum} of {needed} needed");
            }
            Action::QuorumLost { sum, needed, .. } => {
                let instead = self.instead();
                tracing::warn!("{name} lost its quorum: weight {sum} of {needed} needed{instead}");
            }
            Action::WeightChanged { server, weight } => {
                tracing::info!("{} of {name} has weight {weight} now", of(server));
            }
            Action::AttemptFailed { server, checker, reason, verdict, .. } => {
                self.log_failure(*server, *checker, reason, *verdict);
            }
            Action::AttemptNotTried { server, checker, reason } => {
                let checker = self.checker(*server, *checker);
                tracing::warn!("{} of {name}: {checker} cannot be tried: {reason}", of(server));
            }
            Action::AttemptMadeAgain { server, checker } => {
                let checker = self.checker(*server, *checker);
                tracing::info!("{} of {name}: {checker} can be tried again", of(server));
            }
            Action::CheckerPassed { server, checker, first } => {
                let checker = self.checker(*server, *checker);
                let again = if *first { "passed" } else { "passes again" };
                tracing::info!("{} of {name}: {checker} {again}", of(server));
            }
            // The director sees to these itself.
            Action::Attempt { .. }
            | Action::TableChanged
            | Action::DestinationChanged { .. }
            | Action::ServerRemoved { .. } => {}
        }
    }

    fn log_failure(&self, server: usize, checker: usize, reason: &str, verdict: Verdict) {
        let (server, checker) = (self.name_of(server), self.checker(server, checker));
        match verdict {
            Verdict::Forgiven { left } => {
                tracing::info!(
                    "{server} of {}: {checker} failed: {reason} ({left} retries left)",
                    self.name
                );
            }
            Verdict::Down => {
                tracing::info!("{server} of {}: {checker} failed: {reason}", self.name)
            }
            Verdict::StillDown => {
                tracing::debug!("{server} of {}: {checker} still fails: {reason}", self.name)
            }
        }
    }

    pub(super) fn why(&self, server: usize, cause: &Cause) -> String {
        match cause {
            Cause::Failed { checker, reason } => {
                format!("{}: {reason}", self.checker(server, *checker))
            }
            Cause::Recovered { checker } => {
                format!("{} passes again", self.checker(server, *checker))
            }
            Cause::Reload => "its checkers changed with the configuration".to_owned(),
            Cause::Stopped => "stopping".to_owned(),
        }
    }

    /// What serves while the quorum is lost.
    fn instead(&self) -> &'static str {
        if self.server.sorry_server.is_some() { ", the sorry server serves" } else { "" }
    }

    /// `[192.168.8.101]:tcp:80`, with the virtual server's protocol as keepalived has it.
    pub(super) fn name_of(&self, server: usize) -> String {
        let address = self.server.real_servers[server].destination.address;
        let protocol = self.server.protocol.map_or("none".to_owned(), |it| it.to_string());
        format!("[{}]:{protocol}:{}", address.ip, address.port)
    }

    pub(super) fn checker(&self, server: usize, checker: usize) -> &'static str {
        self.server.real_servers[server].checkers[checker].probe.name()
    }
}

/// Whether two of its servers, the sorry server included, may be one destination to the kernel. In a group
/// the port may be that of the service.
fn has_twins(server: &VirtualServer) -> bool {
    let mut seen = HashSet::new();
    let real = server.real_servers.iter().map(|server| server.destination.address);
    let sorry = server.sorry_server.iter().map(|sorry| sorry.destination.address);
    let port_of = |port| if server.group.is_some() { 0 } else { port };
    real.chain(sorry).any(|at| !seen.insert((at.ip, port_of(at.port))))
}

fn settings(server: &VirtualServer) -> PoolSettings {
    PoolSettings {
        quorum: server.quorum,
        servers: server.real_servers.iter().map(server_settings).collect(),
        sorry: server.sorry_server.as_ref().map(|sorry| Sorry { inhibit: sorry.inhibit }),
    }
}

fn server_settings(server: &RealServer) -> ServerSettings {
    ServerSettings {
        weight: server.destination.weight,
        inhibit_on_failure: server.inhibit_on_failure,
        slow_start: server.slow_start(),
        checkers: server.checkers.iter().map(checker_settings).collect(),
    }
}

fn checker_settings(checker: &Checker) -> CheckerSettings {
    let kind = match &checker.probe {
        Probe::Tcp(_) | Probe::Dns(_) | Probe::Udp(_) | Probe::Ping(_) | Probe::Grpc(_) => {
            Kind::Connect
        }
        Probe::Smtp(_) => Kind::Mail,
        Probe::File(_) | Probe::Bfd(_) => Kind::Told,
        Probe::Http(http) => {
            let urls = u32::try_from(http.pages.urls.len()).unwrap_or(u32::MAX);
            Kind::Pages { urls, fast_recovery: http.pages.fast_recovery }
        }
        Probe::Misc(_) => Kind::Script,
    };
    CheckerSettings { timing: checker.timing.clone(), kind }
}

/// Which servers and checkers live on: servers by address and port, checkers by what they try.
fn pairing(old: &VirtualServer, new: &VirtualServer) -> Pairing {
    let places = old.real_servers.iter().enumerate();
    let by_address: std::collections::HashMap<_, _> =
        places.map(|(index, server)| (server.destination.address, index)).collect();
    let paired = new.real_servers.iter().map(|server| {
        let index = *by_address.get(&server.destination.address)?;
        Some(PairedServer { old: index, checkers: pair_checkers(&old.real_servers[index], server) })
    });
    Pairing { servers: paired.collect() }
}

fn pair_checkers(old: &RealServer, new: &RealServer) -> Vec<Option<usize>> {
    let mut taken = vec![false; old.checkers.len()];
    let pair = |checker: &Checker| {
        let found = (old.checkers.iter().enumerate())
            .position(|(index, before)| !taken[index] && before.probe == checker.probe)?;
        taken[found] = true;
        Some(found)
    };
    new.checkers.iter().map(pair).collect()
}

#[cfg(test)]
mod tests;
