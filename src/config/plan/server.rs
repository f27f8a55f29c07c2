//! Virtual servers and their real servers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Host, Script};
use crate::check::{QuorumRule, Timing};
use crate::ipvs::{Destination, Protocol, Service, ServiceKey, SyncDaemon, SyncRole, SyncSettings};
use crate::probe::Probe;

/// One `virtual_server`.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualServer {
    /// The IPVS service: key, scheduler, flags, persistence.
    pub service: Service,
    /// Further services with the same settings and servers: those of a group, less its first.
    pub more_keys: Vec<ServiceKey>,
    /// `nftables_ipvs`: what the firewall gives the mark of its one service; else nothing.
    pub marked: Box<[ServiceKey]>,
    /// `group NAME`.
    pub group: Option<GroupUse>,
    /// What its real servers are told of by, whatever the firewall makes of their service (`nftables_ipvs`); `None`:
    /// marks alone reach them.
    pub protocol: Option<Protocol>,
    pub quorum: QuorumRule,
    pub real_servers: Vec<RealServer>,
    pub sorry_server: Option<SorryServer>,
    pub quorum_up: Option<Script>,
    pub quorum_down: Option<Script>,
    /// `omega`: run `notify_down` and `quorum_down` on a clean stop.
    pub omega: bool,
    /// `drain_time`: a server that a reload takes out keeps its connections for so long, with weight 0.
    pub drain_time: Duration,
    /// `ha_suspend`: checks run only while one of its addresses is on this host.
    pub ha_suspend: bool,
    /// `smtp_alert`; `None`: as the global settings say, else no.
    pub mails: Option<bool>,
    pub wording: Wording,
}

/// A virtual server's use of a `virtual_server_group`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupUse {
    pub name: String,
    /// How many virtual servers before it use the group.
    pub number: usize,
}

/// What makes a virtual server the same one across a reload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerIdentity {
    Service(ServiceKey),
    Group(GroupUse),
}

/// keepalived's words: `[192.0.2.1]:tcp:80`, `FWM 1`, `[GROUP]:0`.
impl fmt::Display for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => key.fmt(f),
            Self::Group(GroupUse { name, number }) => write!(f, "[{name}]:{number}"),
        }
    }
}

impl VirtualServer {
    pub fn identity(&self) -> ServerIdentity {
        match &self.group {
            Some(group) => ServerIdentity::Group(group.clone()),
            None => ServerIdentity::Service(self.service.key),
        }
    }

    /// To make it other than its own text says.
    pub fn alter(this: &mut Arc<Self>) -> &mut Self {
        let server = Arc::make_mut(this);
        server.wording = Wording::default();
        server
    }

    /// All services in the kernel that are its own.
    pub fn keys(&self) -> impl Iterator<Item = ServiceKey> {
        std::iter::once(self.service.key).chain(self.more_keys.iter().copied())
    }

    /// What clients reach: its services, or what is marked for them.
    pub fn reached(&self) -> impl Iterator<Item = ServiceKey> {
        self.keys().chain(self.marked.iter().copied())
    }
}

/// What the text of a virtual server can be known again by, if that alone says what it is. Equal to any other: how
/// something was said is no part of what was said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wording {
    /// Its length; 0: it says nothing alone.
    pub octets: u32,
    pub hash: u64,
    /// Where in it the block's first line begins and ends.
    pub first_line: (u32, u32),
    /// The hash of that line alone.
    pub first_hash: u64,
}

impl PartialEq for Wording {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One `real_server` of a virtual server.
#[derive(Debug, Clone, PartialEq)]
pub struct RealServer {
    /// The IPVS destination; its weight is the configured one. In a plan as configured its address is
    /// unspecified if there is a host.
    pub destination: Destination,
    /// `inhibit_on_failure`: a failed server stays in the table with weight 0.
    pub inhibit_on_failure: bool,
    /// `smtp_alert`; `None`: as the global settings say, else yes.
    pub mails: Option<bool>,
    pub checkers: Box<[Checker]>,
    /// What hardly one of 100,000 servers has.
    pub rare: Option<Box<Rare>>,
}

/// What few real servers have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rare {
    /// The name that its address comes from.
    pub host: Option<Host>,
    /// `slow_start`: the weight of a server that comes up grows over this long; 0: it is there at once.
    pub slow_start: Duration,
    pub notify_up: Option<Script>,
    pub notify_down: Option<Script>,
}

impl Rare {
    /// `None` if there is nothing.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl RealServer {
    /// See [`Rare::host`].
    pub fn host(&self) -> Option<&Host> {
        self.rare.as_ref()?.host.as_ref()
    }

    /// See [`Rare::slow_start`].
    pub fn slow_start(&self) -> Duration {
        self.rare.as_ref().map_or(Duration::ZERO, |rare| rare.slow_start)
    }

    /// `notify_up`.
    pub fn notify_up(&self) -> Option<&Script> {
        self.rare.as_ref()?.notify_up.as_ref()
    }

    /// `notify_down`.
    pub fn notify_down(&self) -> Option<&Script> {
        self.rare.as_ref()?.notify_down.as_ref()
    }
}

/// One checker block of a real server: what is tried, and when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checker {
    /// Most checkers of a virtual server have it in common.
    pub timing: Arc<Timing>,
    pub probe: Probe,
}

/// `sorry_server`: serves when the quorum is lost. Its weight is always 1.
#[derive(Debug, Clone, PartialEq)]
pub struct SorryServer {
    pub destination: Destination,
    /// `sorry_server_inhibit`: in the table with weight 0 while it is not needed.
    pub inhibit: bool,
}

/// `lvs_sync_daemon`: the kernel tells another director of its connections, or hears of that one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncDaemons {
    /// The vrrp_instance whose state says which of the two; `None`: both.
    pub instance: Option<String>,
    pub settings: SyncSettings,
}

impl SyncDaemons {
    /// The daemons that are to run while the instance is Active or is not; `None`: its state is not
    /// known yet.
    pub fn wanted(&self, active: Option<bool>) -> Option<Vec<SyncDaemon>> {
        let roles: &[SyncRole] = match (&self.instance, active) {
            (None, _) => &SyncRole::BOTH,
            (Some(_), Some(true)) => &[SyncRole::Master],
            (Some(_), Some(false)) => &[SyncRole::Backup],
            (Some(_), None) => return None,
        };
        let daemon = |&role| SyncDaemon { role, settings: self.settings.clone() };
        Some(roles.iter().map(daemon).collect())
    }
}
