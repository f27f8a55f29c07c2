//! What there is to show of a session.

use std::time::{Duration, Instant};

use super::{Diagnostic, Session, State};

/// Packets of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub sent: u64,
    pub received: u64,
    /// Packets that the kernel would not send.
    pub send_errors: u64,
    /// Times that it came up, and went down from there.
    pub ups: u64,
    pub downs: u64,
}

/// One session at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStatus {
    pub state: State,
    pub diagnostic: Diagnostic,
    pub remote_state: State,
    pub remote_diagnostic: Diagnostic,
    pub discriminator: u32,
    /// 0: unknown.
    pub remote_discriminator: u32,
    pub transmit_interval: Duration,
    /// What the neighbour said; zero: nothing yet.
    pub remote_min_tx: Duration,
    pub remote_min_rx: Duration,
    pub remote_multiplier: u8,
    pub detection_time: Duration,
    pub awaits_final: bool,
    /// How long ago the last packet came.
    pub heard: Option<Duration>,
}

impl Session {
    pub fn status(&self, now: Instant) -> SessionStatus {
        SessionStatus {
            state: self.state(),
            diagnostic: self.diagnostic(),
            remote_state: self.remote.state,
            remote_diagnostic: self.remote.diagnostic,
            discriminator: self.discriminator().get(),
            remote_discriminator: self.remote.discriminator,
            transmit_interval: self.transmit_interval(),
            remote_min_tx: self.remote.min_tx,
            remote_min_rx: self.remote.min_rx,
            remote_multiplier: self.remote.detect_mult,
            detection_time: self.detection_time(),
            awaits_final: self.awaits_final(),
            heard: self.heard_at().map(|at| now.saturating_duration_since(at)),
        }
    }
}
