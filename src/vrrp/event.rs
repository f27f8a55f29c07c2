//! What goes into a virtual router's state machine, and what comes out.

use std::net::IpAddr;
use std::time::Instant;

use super::{FaultCause, Heard, RouterSettings, Transition};

/// What happens to a virtual router.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Startup,
    /// Before `Startup`: `vrrp_startup_delay`, `vrrp_delay_after_boot`. Until then nothing is
    /// heard and nothing sent, and the first wait begins only then.
    QuietUntil(Instant),
    /// The program stops.
    Shutdown,
    /// A reload removed it.
    Deleted,
    /// Heard, and admitted by [`Admission::judge`](super::Admission::judge).
    Advertisement(Heard),
    /// The time of [`VirtualRouter::next_deadline`](super::VirtualRouter::next_deadline) has come. The driver first hands over every
    /// advertisement already received: after a late wake-up the proof that the Active Router
    /// lives may be waiting in the socket.
    DeadlineReached,
    /// [`FaultCause::NoSourceAddress`] is better told by `SourceChanged(None)`.
    Fault(FaultCause),
    Recovered(FaultCause),
    /// Our primary address on the interface; `None`: it has none, which is a fault.
    SourceChanged(Option<IpAddr>),
    /// What trackers add to the configured priority, all together.
    PriorityAdjusted(i32),
    /// All members of its sync group want to be Active.
    GroupBecomesActive,
    /// Another member of its sync group is no longer Active: yield like it, without a word.
    GroupYields,
    /// A reload kept it, with these settings.
    Reconfigured(RouterSettings),
    /// Somebody else took addresses, routes or rules off that we hold.
    AddressesRemoved,
    /// Addresses were added, or put back after someone removed them: tell the LAN.
    AddressesAdded,
}

/// What the driver must do, in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send one advertisement now; priority 0 says that we resign.
    SendAdvertisement {
        priority: u8,
    },
    /// The addresses must be on the interface, until `ReleaseAddresses`.
    HoldAddresses,
    /// The addresses must not be on the interface; announcements still queued are dropped.
    ReleaseAddresses,
    /// Those that are missing of the addresses held must be put back, and announced.
    RestoreAddresses,
    /// Gratuitous ARP for each address held, this many times over.
    Announce {
        rounds: u32,
    },
    /// One gratuitous ARP for each address on an interface where no adverts go out
    /// (keepalived.conf(5), `garp_extra_if`).
    AnnounceElsewhere,
    /// Comes last: notify scripts run when addresses and announcements are under way.
    Transition(Transition),
    Note(Note),
}

/// Something worth a log line that changes no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// Backup: another Active Router than before.
    #[error("Active Router is {address}, priority {priority}")]
    NewActive { address: IpAddr, priority: u8 },
    #[error("{from} resigned (priority 0)")]
    HeardPriorityZero { from: IpAddr },
    /// Backup, preempting: it goes unheeded, and we take over when the timer runs out.
    #[error("ignored lower priority {priority} from {from}, ours is {ours}")]
    DiscardedLowerPriority { priority: u8, ours: u8, from: IpAddr },
    /// Active: also calls `notify_master_rx_lower_pri`.
    #[error("heard lower priority {priority} from {from}, ours is {ours}: staying MASTER")]
    HeardLowerPriority { priority: u8, ours: u8, from: IpAddr },
    #[error("heard our priority {priority} from the lower address {from}: staying MASTER")]
    HeardLowerAddress { priority: u8, from: IpAddr },
    /// Active: our own packet came back, or another host uses our address.
    #[error("heard our own priority {priority} from our own address {from}")]
    HeardOurselves { priority: u8, from: IpAddr },
    /// Both claim priority 255; the higher address stays.
    #[error("{other} claims to own the addresses too (priority 255): correct one configuration")]
    OwnerConflict { other: IpAddr },
    /// Backup in a sync group: its Active_Down_Timer has expired, that of others has not.
    #[error("Active down timer expired: ready to be MASTER as soon as the whole sync group is")]
    WaitsForGroup,
    /// Advertised from the next advert on; nothing is sent for it.
    #[error("effective priority {from} -> {to}")]
    PriorityChanged { from: u8, to: u8 },
    /// `preempt_delay` begins: `lower` may carry on until it is over.
    #[error("waiting with preemption of {lower}, priority {priority}")]
    PreemptDelayStarted { lower: IpAddr, priority: u8 },
}
