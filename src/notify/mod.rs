//! Telling the outside: scripts, run as keepalived runs them, in order and never for ever.

pub mod account;
pub mod queue;
pub mod script;
pub mod security;

pub use queue::{Job, Limits, NotifyQueue, Report};
pub use script::{Exit, Invocation};
pub use security::{Finding, ScriptRules};
