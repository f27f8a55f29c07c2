//! Telling the outside: scripts, run as keepalived runs them, in order and never for ever; FIFOs; mail.

pub mod account;
pub mod fifo;
pub mod mail;
mod output;
pub mod queue;
pub mod script;
pub mod security;

pub use fifo::{Backlog, FifoWriter};
pub use queue::{Job, Limits, NotifyQueue, Report};
pub use script::{Exit, Invocation};
pub use security::{Finding, ScriptRules};
