//! BFD_CHECK: a BFD session says how the server is; nothing is tried.

use std::sync::Arc;

use crate::check::Outcome;

/// Which session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BfdProbe {
    /// A `bfd_instance` of the plan.
    pub session: Arc<str>,
}

/// What a session says of its server. One that is still to come up says nothing yet (`None`), so that
/// the server is what `alpha` wants it to be.
pub fn judge(probe: &BfdProbe, up: Option<bool>, alpha: bool) -> Outcome {
    let name = &probe.session;
    match up {
        Some(true) => Outcome::Success,
        Some(false) => Outcome::Failure(format!("BFD session {name} is down")),
        None if alpha => Outcome::Failure(format!("BFD session {name} is not up yet")),
        None => Outcome::Success,
    }
}
