//! A virtual router's state as operators see it, and why it changed.

use std::fmt;
use std::net::IpAddr;

use super::TrackedKind;

/// State in keepalived's words: what notify scripts, dumps and log lines show. The protocol's
/// Initialize (RFC 9568 §6.4.1) is INIT, FAULT, STOP or DELETED according to its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublicState {
    /// Not started yet.
    Init,
    Backup,
    /// The protocol's Active.
    Master,
    /// Something it needs is missing.
    Fault,
    /// Stopped with the program.
    Stop,
    /// Removed by a reload.
    Deleted,
}

/// A change of [`PublicState`]; `from` and `to` differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub from: PublicState,
    pub to: PublicState,
    pub cause: Cause,
}

/// Why a virtual router changed its state. Its `Display` is a sentence's end for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("starting")]
    Startup,
    /// RFC 9568 §6.4.1: priority 255 does not wait.
    #[error("starting as the owner of the addresses (priority 255)")]
    AddressOwner,
    #[error("Active down timer expired")]
    ActiveDownTimerExpired,
    #[error("heard higher priority {priority} from {from}, ours is {ours}")]
    HigherPriority { priority: u8, ours: u8, from: IpAddr },
    #[error("heard our priority {priority} from the higher address {from}")]
    HigherAddress { priority: u8, from: IpAddr },
    #[error("{0}")]
    Fault(FaultCause),
    /// The last of the causes of FAULT is gone.
    #[error("recovered: no longer \"{0}\"")]
    Recovered(FaultCause),
    /// `timer_expired_backup`.
    #[error("this process was kept from running for so long that another router has taken over")]
    WokeTooLate,
    /// The members of a sync group move together.
    #[error("following its sync group")]
    SyncGroup,
    #[error("stopping")]
    Shutdown,
    #[error("removed from the configuration")]
    Deleted,
}

/// What keeps a virtual router in FAULT. Causes are counted individually: it recovers when the
/// last one is gone. The driver puts the interface's name before the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum FaultCause {
    #[error("interface does not exist")]
    InterfaceMissing,
    /// Not IFF_UP, or no carrier.
    #[error("link is down")]
    LinkDown,
    /// Deaf and dumb, it would take every other router for dead.
    #[error("no VRRP socket could be opened on the interface")]
    NoSocket,
    /// `unicast_fault_no_peer`.
    #[error("it has no unicast peer to speak to")]
    NoUnicastPeer,
    /// No address of the interface that is not a virtual one.
    #[error("interface has no address to send from")]
    NoSourceAddress,
    /// `track_src_ip`.
    #[error("its configured source address is not on this host")]
    SourceMissing,
    /// A tracked thing without weight, by its place in the instance's list.
    #[error("{0}")]
    Tracked(TrackedKind, u16),
    /// It recovers after a minute.
    #[error(
        "somebody else keeps removing its addresses, routes or rules: 5 repairs within 10 s; trying again in 60 s"
    )]
    AddressFight,
    /// Of its `track_group`.
    #[error("a static address, route or rule of its track_group is missing")]
    StaticMissing,
    #[error("another member of its sync group is in FAULT")]
    SyncGroup,
}

impl PublicState {
    /// keepalived's word, in capitals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
        }
    }
}

impl fmt::Display for PublicState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
