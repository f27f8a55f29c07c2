//! What a configuration asks for: typed, complete, defaults filled in, immutable.
//!
//! A `Plan` is all that the rest of the program sees of a configuration. Two plans compare equal
//! exactly when they ask for the same, wherever in the file they said it.

mod bfd;
mod daemon;
mod host;
mod link;
mod notify;
mod position;
mod server;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::ipvs::Timeouts;
use crate::routing::{Route, Rule};
use crate::vrrp::RouterSettings;
pub use crate::vrrp::{AntiReplay, Hmac, HmacMode, LinkDelays, Tracker, Transport, UnicastPeer};
pub use crate::wire::Authentication;
pub use bfd::BfdInstance;
pub use daemon::{Daemon, IpvsNamespace, ReloadCheck, ReloadFile};
pub use host::{Addresses, Host, MOST_ADDRESSES};
pub use link::{IpvlanMode, OwnLink, OwnLinkKind, virtual_mac};
pub use notify::{Fifo, Fifos, Mail, NotifyScripts, OneShot, Scheduling};
pub use position::Position;
pub use server::{
    Checker, GroupUse, Rare, RealServer, ServerIdentity, SorryServer, SyncDaemons, VirtualServer,
    Wording,
};

/// Everything one configuration asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    pub global: Global,
    pub daemon: Daemon,
    pub vrrp_instances: Vec<Arc<VrrpInstance>>,
    pub sync_groups: Vec<SyncGroup>,
    /// `vrrp_script`s that an instance tracks.
    pub track_scripts: Vec<TrackScript>,
    /// `track_file`s that an instance tracks.
    pub track_files: Vec<TrackFile>,
    /// `interface_up_down_delays`, by the interface's name.
    pub link_delays: Vec<(String, LinkDelays)>,
    /// `vrrp_track_process`es that an instance tracks.
    pub track_processes: Vec<TrackProcess>,
    /// All `bfd_instance`s, whether somebody tracks them or not: the neighbour wants to hear of us, too.
    pub bfd_instances: Vec<BfdInstance>,
    /// Shared with those who run them: of 100,000 real servers one copy is enough.
    pub virtual_servers: Vec<Arc<VirtualServer>>,
    /// `static_ipaddress`, `static_routes`, `static_rules`.
    pub static_objects: StaticObjects,
    pub track_groups: Vec<TrackGroup>,
}

impl Plan {
    /// All interfaces that are made for instances.
    pub fn links(&self) -> impl Iterator<Item = &OwnLink> {
        self.vrrp_instances.iter().flat_map(|instance| instance.links())
    }
}

/// `global_defs` as far as the running director needs it (keepalived.conf(5)).
#[derive(Debug, Clone, PartialEq)]
pub struct Global {
    /// `router_id`; `None`: the host's name.
    pub router_id: Option<String>,
    /// `script_user`; `None`: user `keepalived_script` if it exists, else root.
    pub script_user: Option<ScriptUser>,
    /// `enable_script_security`: scripts run as root whose path a non-root user can write are refused.
    pub script_security: bool,
    /// `log_unknown_vrids`: adverts for a VRID that nobody here has are told of.
    pub log_unknown_vrids: bool,
    /// `vrrp_rx_bufs_policy`, `vrrp_rx_bufs_multiplier`.
    pub receive_queue: ReceiveQueue,
    /// `dynamic_interfaces`: an interface missing at start is waited for, in FAULT.
    pub dynamic_interfaces: bool,
    /// `vrrp_startup_delay`: from the start of the program on.
    pub startup_delay: Duration,
    /// `vrrp_delay_after_boot`: until the machine has run for so long.
    pub delay_after_boot: Duration,
    /// `vrrp_garp_interval`, `vrrp_gna_interval`, `garp_group`.
    pub pacing: Pacing,
    /// `vrrp_mcast_group4`, 224.0.0.18 by default (RFC 9568 §5.1.1.2).
    pub multicast_group: Ipv4Addr,
    /// `vrrp_mcast_group6`, ff02::12 by default (RFC 9568 §5.1.2.2).
    pub multicast_group6: Ipv6Addr,
    /// `nftables` and its like.
    pub firewall: Firewall,
    /// `nftables_ipvs`; `None`: groups have a service for each address.
    pub marking: Option<Marking>,
    /// `disable_local_igmp`: no IGMP reports for groups of 224.0.0.0/24.
    pub disable_local_igmp: bool,
    /// `lvs_timeouts`.
    pub lvs_timeouts: Timeouts,
    /// `lvs_sync_daemon`.
    pub sync_daemons: Option<SyncDaemons>,
    /// `lvs_flush`: empty the IPVS table at start, whoever made its entries.
    pub lvs_flush: bool,
    /// `lvs_flush_on_stop`.
    pub lvs_flush_on_stop: FlushOnStop,
    /// `use_symlink_paths`: scripts are run by the path given, not by what its links lead to.
    pub keep_links: bool,
    /// `umask`; `None`: as inherited, and 0177 for FIFOs.
    pub umask: Option<u32>,
    pub fifos: Fifos,
    /// `None`: nobody to send mail to, or nobody who takes it.
    pub mail: Option<Mail>,
    /// `smtp_alert_checker`, else `smtp_alert`, where they were given.
    pub mail_of_checkers: Option<bool>,
    /// `no_email_faults`: no mail for FAULT.
    pub no_fault_mail: bool,
    /// `no_checker_emails`: mail when a server goes up or down, not for each of its checkers.
    pub no_checker_mail: bool,
    /// `rs_init_notifies`: servers that start up are told as such.
    pub tell_initial_servers: bool,
    /// `share_checks`: identical checks are made once for all their servers.
    pub share_checks: bool,
    pub startup_script: Option<OneShot>,
    pub shutdown_script: Option<OneShot>,
    /// `child_wait_time`: how long the parts may take to stop; `None`: the default.
    pub stop_limit: Option<Duration>,
    pub vrrp_scheduling: Scheduling,
    pub checker_scheduling: Scheduling,
    pub bfd_scheduling: Scheduling,
}

/// The least pause between two gratuitous ARPs, and between two unsolicited neighbour
/// advertisements, of one interface.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pacing {
    pub gaps: Gaps,
    /// Interfaces that have a limit of their own, those of each together.
    pub groups: Vec<(Vec<String>, Gaps)>,
}

/// 0: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gaps {
    pub arp: Duration,
    pub neighbour: Duration,
}

/// How the rules of `no_accept` and of VMACs are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firewall {
    /// `nftables NAME`: our table, of families ip and ip6.
    pub table: String,
    /// `nftables_priority` of the base chains.
    pub priority: i32,
    /// `nftables_counters`: each rule counts what it meets.
    pub counters: bool,
}

impl Default for Firewall {
    fn default() -> Self {
        Self { table: "keepalived".to_owned(), priority: -1, counters: false }
    }
}

/// How the firewall marks what is for a `virtual_server_group` (`nftables_ipvs`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marking {
    /// Our table, of families ip and ip6.
    pub table: String,
    /// `nftables_ipvs_priority` of the base chains.
    pub priority: i32,
    /// `nftables_ipvs_start_fwmark`: the first mark, from which they count up; 1 to 4294967295.
    pub first: u32,
}

/// How much room adverts have that wait to be read, for each instance of a socket
/// (`vrrp_rx_bufs_policy`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReceiveQueue {
    /// What the driver thinks right: room for thousands of adverts.
    #[default]
    Ample,
    Octets(u32),
    /// So many packets of the interface's MTU.
    Mtus(u32),
    /// So many adverts of the instance's own length.
    Adverts(u32),
}

/// What `lvs_flush_on_stop` asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FlushOnStop {
    /// Delete each destination and service that is ours.
    #[default]
    Off,
    /// Delete our services; their destinations go with them.
    VirtualServers,
    /// Empty the whole table, foreign entries included.
    Everything,
}

/// Multicast group of VRRP over IPv4 (RFC 9568 §5.1.1.2).
pub const VRRP_GROUP_IPV4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Multicast group of VRRP over IPv6 (RFC 9568 §5.1.2.2).
pub const VRRP_GROUP_IPV6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

impl Default for Global {
    fn default() -> Self {
        Self {
            router_id: None,
            script_user: None,
            script_security: false,
            log_unknown_vrids: false,
            receive_queue: ReceiveQueue::default(),
            dynamic_interfaces: false,
            startup_delay: Duration::ZERO,
            delay_after_boot: Duration::ZERO,
            pacing: Pacing::default(),
            multicast_group: VRRP_GROUP_IPV4,
            multicast_group6: VRRP_GROUP_IPV6,
            firewall: Firewall::default(),
            marking: None,
            disable_local_igmp: false,
            lvs_timeouts: Timeouts::default(),
            sync_daemons: None,
            lvs_flush: false,
            lvs_flush_on_stop: FlushOnStop::Off,
            keep_links: false,
            umask: None,
            fifos: Fifos::default(),
            mail: None,
            mail_of_checkers: None,
            no_fault_mail: false,
            no_checker_mail: false,
            tell_initial_servers: false,
            share_checks: true,
            startup_script: None,
            shutdown_script: None,
            stop_limit: None,
            vrrp_scheduling: Scheduling::default(),
            checker_scheduling: Scheduling::default(),
            bfd_scheduling: Scheduling::default(),
        }
    }
}

/// One `vrrp_instance`.
#[derive(Debug, Clone, PartialEq)]
pub struct VrrpInstance {
    /// The operator's name for it. Not part of its identity: see [`VrrpInstance::identity`].
    pub name: String,
    /// Empty: none, unicast adverts go where the routing table says.
    pub interface: String,
    /// `vrf`: whose routing table that is, for an instance without an interface.
    pub vrf: Option<String>,
    /// Where `interface` was said, for messages.
    pub interface_at: Position,
    /// What the protocol core needs.
    pub router: RouterSettings,
    pub authentication: Authentication,
    /// IPv6 rather than IPv4: what adverts are sent over and list.
    pub ipv6: bool,
    pub transport: Transport,
    /// `unicast_ttl`: TTL or hop limit of unicast adverts.
    pub unicast_ttl: u8,
    /// `v3_checksum_as_v2`: VRRPv3 over IPv4 without the pseudo-header in its checksum.
    pub message_checksum: bool,
    /// `old_unicast_checksum`.
    pub old_checksum: OldChecksum,
    /// The group that such checksums are made with, whatever the destination is.
    pub old_group: IpAddr,
    /// `auth_hmac`.
    pub hmac: Option<Hmac>,
    /// `kernel_rx_buf_size` in octets; `None`: [`Global::receive_queue`].
    pub receive_queue: Option<u32>,
    /// `mcast_src_ip`, `unicast_src_ip`; `None`: the interface's first address that is no virtual
    /// one, with IPv6 its first link-local one.
    pub source: Option<IpAddr>,
    /// `virtual_ipaddress`, in file order: held while MASTER and advertised.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: held while MASTER, never advertised.
    pub excluded_addresses: Vec<VirtualAddress>,
    /// `dont_track_primary`: a link that is down is no fault.
    pub ignores_own_link: bool,
    /// `track_src_ip`: the configured source must be on this host.
    pub tracks_source: bool,
    /// `use_vmac`, `use_ipvlan`: an interface of its own, where its addresses go.
    pub link: Option<OwnLink>,
    /// `vmac_xmit_base`: adverts go by `interface` all the same.
    pub adverts_by_parent: bool,
    /// Further VMACs, for addresses on other interfaces or of the other family.
    pub address_links: Vec<OwnLink>,
    /// `garp_extra_if all`: on all interfaces where no adverts go out, not on VMACs only.
    pub garp_extra_all: bool,
    /// Packets to and from its addresses pass; false with `no_accept`, and in strict mode unless
    /// it is the owner.
    pub accept: bool,
    /// `virtual_routes`: there while MASTER.
    pub routes: Vec<VirtualRoute>,
    /// `virtual_rules`: there while MASTER.
    pub rules: Vec<VirtualRule>,
    /// `promote_secondaries`: an address that loses the first of its subnet stays.
    pub promote_secondaries: bool,
    /// `skip_check_adv_addr`: do not compare the address list of each advert.
    pub skip_check_adv_addr: bool,
    /// `owner_ignore_adverts`: at priority 255 it listens to nobody.
    pub owner_ignores_adverts: bool,
    /// `track_interface`, `track_script`, `track_file` and so on, weights filled in.
    pub trackers: Vec<Tracker>,
    pub notify: NotifyScripts,
}

impl VrrpInstance {
    /// Where its adverts go and come; empty: anywhere.
    pub fn advert_interface(&self) -> &str {
        match &self.link {
            Some(link) if !self.adverts_by_parent => &link.name,
            _ => self.vrf.as_deref().unwrap_or(&self.interface),
        }
    }

    /// Where those of its addresses go that name no interface.
    pub fn address_interface(&self) -> &str {
        self.link.as_ref().map_or(&self.interface, |link| &link.name)
    }

    /// Whose addresses its adverts may come from: a VMAC has none of its own.
    pub fn source_interface(&self) -> &str {
        match &self.link {
            Some(link) if !link.is_vmac() => self.advert_interface(),
            _ => &self.interface,
        }
    }

    /// All interfaces without which it cannot be, in the order in which they come to be.
    pub fn needed_interfaces(&self) -> impl Iterator<Item = &str> {
        let named = [Some(&*self.interface), self.vrf.as_deref()].into_iter().flatten();
        let own = self.link.iter().map(|link| &*link.name);
        named.filter(|name| !name.is_empty()).chain(own)
    }

    /// All interfaces that are made for it.
    pub fn links(&self) -> impl Iterator<Item = &OwnLink> {
        self.link.iter().chain(&self.address_links)
    }

    /// What makes an instance the same one across a reload, whatever its name (keepalived pairs
    /// old and new by VRID, family, interface, and multicast group or unicast source), and what
    /// no two instances may have in common; unicast ones may, if they have no peer in common.
    pub fn identity(&self) -> Identity {
        let (group, source) = match self.transport {
            Transport::Multicast(group) => (Some(group), None),
            Transport::Unicast { .. } => (None, self.source),
        };
        Identity {
            vrid: self.router.vrid.get(),
            interface: self.interface.clone(),
            ipv6: self.ipv6,
            group,
            source,
            link: self.link.as_ref().map(|link| link.name.clone()),
            adverts_by_parent: self.adverts_by_parent,
        }
    }
}

impl Identity {
    /// The same as other routers see it, who know nothing of our interfaces.
    pub fn on_the_wire(self) -> Self {
        Self { link: None, adverts_by_parent: false, ..self }
    }
}

/// `old_unicast_checksum`: whether unicast adverts of VRRPv3 over IPv4 get the checksum that
/// keepalived up to 1.3.6 gave them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OldChecksum {
    /// As soon as a peer's have it.
    #[default]
    AsPeers,
    Always,
    /// Nor is it accepted.
    Never,
}

impl VrrpInstance {
    /// Whom its adverts go to one by one.
    pub fn peers(&self) -> &[UnicastPeer] {
        match &self.transport {
            Transport::Multicast(_) => &[],
            Transport::Unicast { peers, .. } => peers,
        }
    }

    pub fn has_peer(&self, address: IpAddr) -> bool {
        self.peers().iter().any(|peer| peer.address == address)
    }
}

/// One `vrrp_sync_group`. What it tracks is among its members' trackers.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncGroup {
    pub name: String,
    /// Names of instances of this plan; never empty.
    pub members: Vec<String>,
    /// Without `deleted`.
    pub notify: NotifyScripts,
}

/// See [`VrrpInstance::identity`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    pub vrid: u8,
    pub interface: String,
    ipv6: bool,
    /// `None`: unicast.
    group: Option<IpAddr>,
    /// Of unicast instances, where it is configured.
    source: Option<IpAddr>,
    /// The interface of its own, and whether adverts go by another one.
    link: Option<String>,
    adverts_by_parent: bool,
}

/// One `vrrp_script`: how it is run. What its result does is each [`Tracker`]'s matter.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackScript {
    pub name: Arc<str>,
    pub script: Script,
    pub interval: Duration,
    /// A run that takes longer is ended, and has failed.
    pub timeout: Duration,
    /// Successes in a row to come up, and failures to go down; at least 1.
    pub rise: u32,
    pub fall: u32,
    /// It begins as failed.
    pub init_fail: bool,
}

/// One `track_file`.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackFile {
    pub name: Arc<str>,
    pub path: PathBuf,
    /// `init_file`: written at start if it is missing.
    pub init: Option<InitFile>,
}

/// One `vrrp_track_process`: which processes are counted, and how many must run.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackProcess {
    pub name: Arc<str>,
    /// `process`, first word: the process's name, or with `full_command` or parameters argv's first.
    pub command: String,
    pub parameters: Vec<String>,
    pub matching: ProcessMatch,
    /// `quorum`: fewest for success.
    pub least: u32,
    /// `quorum_max`: most for success; `None`: any number.
    pub most: Option<u32>,
    /// `fork_delay`: how long it must be well before it counts as well.
    pub up_delay: Duration,
    /// `terminate_delay`: how long it must be ill before it counts as ill.
    pub down_delay: Duration,
}

/// What of a process is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProcessMatch {
    /// Its name, /proc/PID/comm.
    #[default]
    Name,
    /// Its command line (`full_command`, or parameters are given): these words and no others.
    Exact,
    /// `param_match partial`: the command line begins with these words.
    Partial,
    /// `param_match initial`: as `Partial`, the last word being the beginning of its own.
    Initial,
}

/// What `init_file` asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InitFile {
    pub value: i64,
    /// Also if it is there.
    pub overwrite: bool,
}

/// One line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualAddress {
    /// Address with its prefix length, /32 or /128 when the file gives none; with a peer, the
    /// length is the peer's.
    pub address: IpNet,
    /// `peer`: the other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// `dev`; `None`: the instance's interface.
    pub interface: Option<String>,
    /// `brd ADDR`, with `brd +` already worked out.
    pub broadcast: Option<Ipv4Addr>,
    /// `label`, at most 15 octets.
    pub label: Option<String>,
    /// `scope`, as rtnetlink's number; 0 is `global`.
    pub scope: u8,
    /// `-nodad`: let the kernel look for a duplicate first (IPv6), which takes a second or more.
    pub detect_duplicates: bool,
    /// `preferred_lft` in seconds, `u32::MAX` for ever (IPv6); `None`: 0 for a /128, else for ever.
    pub preferred_lifetime: Option<u32>,
    /// `home`, `mngtmpaddr`, `noprefixroute`, `autojoin`: the kernel's `IFA_F_*`.
    pub flags: u32,
    /// `no_track`: what somebody else removes stays away until the next transition.
    pub no_track: bool,
    /// `track_group`, of static addresses.
    pub track_group: Option<String>,
}

impl VirtualAddress {
    /// The interface it goes to when that of its instance is `default`.
    pub fn interface_or<'a>(&'a self, default: &'a str) -> &'a str {
        self.interface.as_deref().unwrap_or(default)
    }
}

/// One line of `virtual_routes` or `static_routes`.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualRoute {
    pub route: Route,
    /// As an address's.
    pub no_track: bool,
    /// `track_group`, of static routes.
    pub track_group: Option<String>,
}

/// One line of `virtual_rules` or `static_rules`.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualRule {
    pub rule: Rule,
    /// As an address's.
    pub no_track: bool,
    /// `track_group`, of static rules.
    pub track_group: Option<String>,
}

/// What is in the kernel from start to stop, whatever the state of any instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StaticObjects {
    /// Each with its interface.
    pub addresses: Vec<VirtualAddress>,
    pub routes: Vec<VirtualRoute>,
    pub rules: Vec<VirtualRule>,
}

/// One `track_group`: the instances that cannot run without certain static objects.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackGroup {
    pub name: String,
    /// Names of instances.
    pub members: Vec<String>,
}

/// A program to run, with its arguments and the user to run it as.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Script {
    /// Program and arguments, quotes already taken off; never empty.
    pub argv: Vec<String>,
    /// Its own user; `None`: the global `script_user`.
    pub user: Option<ScriptUser>,
}

/// `USER [GROUP]`: names or numbers, looked up when the script is about to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScriptUser {
    pub user: String,
    /// `None`: the user's own group.
    pub group: Option<String>,
}

/// Largest time keepalived.conf(5) takes, about 49 days; guards arithmetic on instants.
pub const LONGEST: Duration = Duration::from_secs(4_294_967);
