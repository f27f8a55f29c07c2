//! Network namespaces by name, as ip-netns(8) keeps them.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, setns};

/// Where `ip netns add` mounts them.
const NAMED: &str = "/run/netns";

/// Moves this thread, and those it starts from now on, into the network namespace `name`.
///
/// # Errors
/// There is none of that name, or it may not be joined.
pub fn join(name: &str) -> io::Result<()> {
    let file = File::open(Path::new(NAMED).join(name))?;
    Ok(setns(file, CloneFlags::CLONE_NEWNET)?)
}
