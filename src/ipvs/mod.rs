//! The IPVS table: wanted, found, and the commands that make the second the first; pure.
//!
//! Words and ranges are those of ipvsadm(8).

mod change;
mod destinations;
mod display;
mod learn;
mod memory;
mod reconcile;
mod sync;

pub use change::Change;
pub use destinations::Destinations;
pub use memory::MemoryDataPlane;
pub use reconcile::{difference, difference_beside, entry_difference};
pub use sync::{
    SYNC_GROUP, SYNC_PORT, SYNC_TTL, SyncChange, SyncDaemon, SyncRole, SyncSettings,
    has_mixed_families, sync_difference,
};

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// What identifies a service in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// By address, port and protocol. Port 0: every port, which needs persistence.
    Address { protocol: Protocol, address: SocketKey },
    /// By firewall mark, one service for each family.
    Fwmark { family: Family, mark: u32 },
}

/// An address and port, ordered by value. (`SocketAddr` also carries IPv6 scope and flow,
/// which IPVS does not know.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketKey {
    pub ip: IpAddr,
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    Inet,
    Inet6,
}

/// One virtual service without its destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub key: ServiceKey,
    /// `rr`, `wlc`, …: at most 15 octets; the kernel loads module `ip_vs_NAME`.
    pub scheduler: String,
    /// Scheduler flags and one-packet scheduling; never the kernel's own HASHED.
    pub flags: ServiceFlags,
    pub persistence: Option<Persistence>,
}

/// Service flags as `IP_VS_SVC_F_*` bits, less PERSISTENT and HASHED, which follow from the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceFlags(pub u32);

impl ServiceFlags {
    /// `ops`: one-packet scheduling, UDP and fwmark only.
    pub const ONE_PACKET: u32 = 0x4;
    /// flag-1: sh-fallback, mh-fallback.
    pub const SCHED1: u32 = 0x8;
    /// flag-2: sh-port, mh-port.
    pub const SCHED2: u32 = 0x10;
    pub const SCHED3: u32 = 0x20;
}

/// `persistence_timeout`, `persistence_granularity`, `persistence_engine`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persistence {
    /// 1–2678400 s.
    pub timeout_s: u32,
    /// Clients are grouped by this many leading bits: 1–32, 1–128.
    pub prefix_len: u8,
    /// `sip`, or none.
    pub engine: Option<String>,
}

/// One destination (real server) of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub address: SocketKey,
    pub forward: Forward,
    /// 0 keeps connections and takes no new ones; up to 2147483647.
    pub weight: u32,
    /// Above this many connections no new ones; 0: no limit.
    pub upper_threshold: u32,
    /// Below this many, new ones again; 0: three quarters of the upper.
    pub lower_threshold: u32,
}

/// Forwarding method (ipvsadm(8): masquerading, gatewaying, ipip).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    Nat,
    DirectRoute,
    Tunnel(Tunnel),
}

/// How packets are wrapped for a tunnelled destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    Ipip,
    Gue { port: u16, checksum: TunnelChecksum },
    Gre { checksum: TunnelChecksum },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TunnelChecksum {
    #[default]
    None,
    Full,
    /// GUE only.
    Remote,
}

/// A whole IPVS table, or the part of it that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    pub services: BTreeMap<ServiceKey, Entry>,
}

/// A service and what it balances over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub service: Service,
    pub destinations: Destinations,
}

/// One change of the kernel's table; `kernel::ipvs` encodes them one to one (`IPVS_CMD_*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    NewService(Service),
    SetService(Service),
    DeleteService(ServiceKey),
    NewDestination(ServiceKey, Destination),
    SetDestination(ServiceKey, Destination),
    DeleteDestination(ServiceKey, SocketKey),
    /// Everything, whoever made it.
    Flush,
    /// Connection time-outs of the whole namespace; 0 leaves one as it is.
    SetTimeouts(Timeouts),
}

/// `lvs_timeouts`: how long the kernel keeps silent connections, in seconds; the namespace's, not a
/// service's. 0: not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    pub tcp_s: u32,
    pub tcp_fin_s: u32,
    pub udp_s: u32,
}

impl Timeouts {
    /// What is not said is that of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let or = |own, other| if own == 0 { other } else { own };
        Self {
            tcp_s: or(self.tcp_s, other.tcp_s),
            tcp_fin_s: or(self.tcp_fin_s, other.tcp_fin_s),
            udp_s: or(self.udp_s, other.udp_s),
        }
    }
}

/// Applies commands to a table: the kernel's, or one in memory.
pub trait DataPlane: Send {
    /// The whole table as it is now.
    ///
    /// # Errors
    /// When the table cannot be read: no IPVS in the kernel, missing CAP_NET_ADMIN.
    fn list(&mut self) -> Result<Table, DataPlaneError>;

    /// The connection time-outs as they are now.
    ///
    /// # Errors
    /// When they cannot be read.
    fn timeouts(&mut self) -> Result<Timeouts, DataPlaneError>;

    /// Carries out `commands` in order. A failing one does not stop those after it. Adding what
    /// is there already and deleting what is gone are no failures.
    fn apply(&mut self, commands: &[Command]) -> Vec<Failed>;

    /// The sync daemons that run, two at most.
    ///
    /// # Errors
    /// When they cannot be read.
    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, DataPlaneError>;

    /// Starts a sync daemon. One of that role that runs already goes on as it was.
    ///
    /// # Errors
    /// The kernel's: no such interface, or destinations of the other family than their services.
    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), DataPlaneError>;

    /// Stops the sync daemon of that role, if it runs. **Waits until its thread has ended, which takes
    /// a third of a second and more.**
    ///
    /// # Errors
    /// The kernel's.
    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), DataPlaneError>;
}

/// A command that was refused: its place in the slice, and why.
#[derive(Debug)]
pub struct Failed {
    pub index: usize,
    pub error: DataPlaneError,
}

/// Why the table could not be read or changed. Worded for operators.
#[derive(Debug, thiserror::Error)]
pub enum DataPlaneError {
    #[error(
        "this kernel has no IPVS: load it with `modprobe ip_vs`, or install a kernel with CONFIG_IP_VS"
    )]
    NoIpvs,
    #[error(
        "no right to the IPVS table: CAP_NET_ADMIN is missing (in the initial user namespace: that of a \
         container's own does not count)"
    )]
    NotPermitted,
    #[error("scheduler {0} is not in this kernel (module ip_vs_{0})")]
    NoScheduler(String),
    #[error("IPVS: {0}")]
    Io(#[source] std::io::Error),
}

impl ServiceKey {
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(address.ip),
            Self::Fwmark { family, .. } => *family,
        }
    }
}

impl Family {
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::Inet } else { Self::Inet6 }
    }
}

impl From<SocketAddr> for SocketKey {
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip(), port: address.port() }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}
