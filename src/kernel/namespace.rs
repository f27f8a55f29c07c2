//! Network namespaces by name, as ip-netns(8) keeps them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use nix::sched::{CloneFlags, setns};

/// Where `ip netns add` mounts them.
const NAMED: &str = "/run/netns";

/// Moves this thread, and those it starts from now on, into the network namespace `name`.
///
/// # Errors
/// There is none of that name, or it may not be joined.
pub fn join(name: &str) -> io::Result<()> {
    Namespace::named(name)?.enter()
}

/// A network namespace; it lives as long as somebody has one of these.
#[derive(Debug, Clone)]
pub struct Namespace(Arc<File>);

impl Namespace {
    /// The one of the calling thread.
    ///
    /// # Errors
    /// Without /proc.
    pub fn current() -> io::Result<Self> {
        File::open("/proc/thread-self/ns/net").map(Arc::new).map(Self)
    }

    /// The one that ip-netns(8) calls `name`.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named(name: &str) -> io::Result<Self> {
        File::open(Path::new(NAMED).join(name)).map(Arc::new).map(Self)
    }

    /// Runs `work` inside it, on a thread that ends with it: none has to find its way back.
    ///
    /// # Errors
    /// When it cannot be joined, or the thread cannot be had.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("namespace".to_owned());
            let thread = thread.spawn_scoped(scope, || self.enter().map(|()| work()))?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread inside it panicked")))
        })
    }

    fn enter(&self) -> io::Result<()> {
        Ok(setns(&*self.0, CloneFlags::CLONE_NEWNET)?)
    }
}
