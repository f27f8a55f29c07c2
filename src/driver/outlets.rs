//! All ways in which the outside is told: scripts, FIFOs, mail.

use super::fifos::Fifos;
use super::mailer::Mailer;
use super::scripts::Scripts;

/// The ways; clones share them. None of them ever makes its caller wait.
#[derive(Debug, Clone)]
pub struct Outlets {
    pub scripts: Scripts,
    pub fifos: Fifos,
    pub mailer: Mailer,
}
