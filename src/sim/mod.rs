//! A simulated LAN, its clock and its hosts around the real protocol cores.
//!
//! Routers are [`VirtualRouter`](crate::vrrp::VirtualRouter), packets are octets that go through
//! [`wire`](crate::wire) and [`Admission`](crate::vrrp::Admission), sync groups, trackers, link delays
//! and repairs are those of [`vrrp`](crate::vrrp). What is simulated is the rest: the LANs, the clocks
//! (which drift), the processes (which crash, stop and are suspended), and what the driver does
//! between socket and core.
//!
//! [`Lan`] is the stage, to be built and troubled by hand:
//!
//! ```
//! # use mainstay::sim::{HostSpec, Lan, RouterSpec, router};
//! # use std::time::{Duration, Instant};
//! # #[allow(clippy::disallowed_methods)]
//! let mut lan = Lan::new(Instant::now(), 1);
//! for (number, priority) in [150, 100].into_iter().enumerate() {
//!     lan.add_host(HostSpec { routers: vec![router(number, priority)], ..HostSpec::default() });
//! }
//! lan.run_for(Duration::from_secs(10));
//! assert_eq!(lan.active().map(|router| router.priority()).collect::<Vec<_>>(), [150]);
//! ```
//!
//! [`run`] plays a whole scenario that a seed decides: hosts, settings, a minute of trouble, a
//! heal; and tells which [`Property`] failed, with all that led to it. While it plays, every event
//! of every router is judged from outside (`watch.rs`).

mod clock;
mod history;
mod host;
mod lan;
mod packet;
mod router;
mod scenario;
mod trouble;
mod watch;
mod weather;

pub use crate::random::Random;
pub use clock::Clock;
pub use history::{Entry, History, What};
pub use host::{Host, HostSpec, Process};
pub use lan::{Lan, Violation};
pub use packet::{Packet, Spoiler};
pub use router::{Router, RouterSpec};
pub use scenario::{Failure, Outcome, router, router_with_ah, router_with_hmac, run};
pub use trouble::Trouble;
pub use weather::{Partition, Weather};

/// What must hold in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Property {
    /// Healed and settled, each virtual router has exactly one Active on each connected segment.
    OneActive,
    /// No transition but for what its cause says: told so, heard it, or waited for long enough
    /// with an empty socket.
    Caused,
    /// Members of a sync group never rest in different states.
    GroupTogether,
    /// Every deadline is within what its state may wait.
    TimersBounded,
    /// A packet that nobody may believe changes no state and no timer.
    RejectedMovesNothing,
    /// Addresses are held while Active only, and none is left after a stop.
    Released,
    /// Once settled, nothing changes any more, and each Active is heard at each of its intervals.
    Settled,
}
