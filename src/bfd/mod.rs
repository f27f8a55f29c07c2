//! Bidirectional Forwarding Detection (RFC 5880, 5881, 5883): whether a neighbour is there, known
//! within milliseconds; pure.
//!
//! One [`Session`] is one neighbour. Packets, deadlines and random numbers come in, packets to send
//! and transitions go out; [`Sessions`] tells for which of them a packet is. Asynchronous mode
//! only: no echo, no demand mode of our own (a neighbour's is honoured), no authentication, as in
//! keepalived.

mod demux;
mod packet;
mod session;
mod status;
mod timing;

use std::fmt;
use std::time::Duration;

pub use demux::{Arrival, Endpoint, Sessions};
pub use packet::{ControlPacket, Diagnostic, Discard, PACKET_LEN, State};
pub use session::Session;
pub use status::{Counters, SessionStatus};

/// UDP port of neighbours on the same link (RFC 5881 §4).
pub const SINGLE_HOP_PORT: u16 = 3784;
/// UDP port of neighbours further away (RFC 5883 §5).
pub const MULTIHOP_PORT: u16 = 4784;
/// UDP ports that packets may come from (RFC 5881 §4).
pub const SOURCE_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// While a session is not up, packets are at least this far apart (RFC 5880 §6.8.3).
pub const LEAST_IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// How one session is to be run (keepalived.conf(5), `bfd_instance`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// `min_rx`: how fast the neighbour may send (bfd.RequiredMinRxInterval).
    pub min_rx: Duration,
    /// `min_tx`: how fast we want to send (bfd.DesiredMinTxInterval).
    pub min_tx: Duration,
    /// `idle_tx`: the same while the session is not up, at least [`LEAST_IDLE_INTERVAL`].
    pub idle_tx: Duration,
    /// `multiplier`: how many of our packets the neighbour misses before it calls us down
    /// (bfd.DetectMult), at least 1.
    pub multiplier: u8,
    /// `passive`: say nothing before the neighbour does.
    pub passive: bool,
    /// TTL or hop limit below which packets are not the neighbour's (RFC 5881 §5).
    pub least_ttl: u8,
}

/// What happens to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Startup,
    /// A packet that [`Sessions::select`] found to be for this session.
    Heard(ControlPacket),
    /// The time of [`Session::next_deadline`] has come. The driver first hands over every packet
    /// already received: after a late wake-up the proof of life may be waiting in the socket.
    DeadlineReached,
    /// A reload removed the session: it is administratively down, which says nothing of us.
    Disabled,
    /// The program stops: the neighbour is to take us for down, now rather than after a Detection
    /// Time of silence.
    Shutdown,
}

/// What the driver must do, in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Send(ControlPacket),
    Transition(Transition),
}

/// A change of state, with its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub from: State,
    pub to: State,
    /// bfd.LocalDiag: why.
    pub diagnostic: Diagnostic,
    /// What the neighbour said last.
    pub remote_diagnostic: Diagnostic,
    pub remote_state: State,
    /// Of a neighbour that fell silent.
    pub expired: Option<Expired>,
}

impl Transition {
    /// Down because BFD was switched off at the other end: no reason for anybody to act
    /// (RFC 5882 §3.2; keepalived 2.2.7 tells nobody either).
    pub fn by_administrator(&self) -> bool {
        self.to == State::Down && self.remote_state == State::AdminDown
    }
}

/// A Detection Time that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    pub detection_time: Duration,
    /// How long ago that was when it was noticed.
    pub overdue: Duration,
}

/// keepalived's words.
impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (after, overdue) = (self.detection_time.as_millis(), self.overdue.as_micros());
        write!(f, "Expired after {after} ms ({overdue} usec overdue)")
    }
}

/// keepalived's words.
impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entering {} state", self.to)?;
        match self.to {
            State::Down => write!(
                f,
                " (Local diagnostic - {}, Remote diagnostic - {})",
                self.diagnostic, self.remote_diagnostic
            ),
            State::AdminDown | State::Init | State::Up => Ok(()),
        }
    }
}

#[cfg(test)]
mod fixtures;
