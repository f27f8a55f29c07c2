//! What goes into a pool and what comes out of it.

/// Number of one attempt, unique in a pool and in the pools that adopt it across reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// What one attempt found. Reasons are worded for operators and name no server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Success,
    /// MISC_CHECK with `misc_dynamic`, exit status 2–255: healthy, and the server is to have this weight.
    SuccessWithWeight(u32),
    /// FILE_CHECK: healthy, and this is added to the configured weight.
    SuccessWithDelta(i64),
    /// The server did not pass.
    Failure(String),
    /// We could not try, for a reason of our own (`bind` refused, no sockets left): says nothing about
    /// the server.
    NotTried(String),
}

/// What a pool takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Begin. First attempts come after 1 s plus a part of `warmup` drawn from `seed`.
    Startup { seed: u64 },
    /// The instant of [`super::Pool::next_deadline`] has come. Early and repeated calls do no harm.
    DeadlineReached,
    /// An attempt ended. An unknown number (from before a reload that changed the checker) is ignored.
    Result { attempt: AttemptId, outcome: Outcome },
    /// Something that is watched rather than tried ([`super::Kind::Told`]) says how the server is, now.
    /// Telling the same again does no harm.
    Told { server: usize, checker: usize, outcome: Outcome },
    /// An attempt that is as good as one of this checker ended: an identical checker of another server tried
    /// `target`. Without effect while it makes one of its own, or has another target to see to.
    Shared { server: usize, checker: usize, target: usize, outcome: Outcome },
    /// The kernel would not take these servers, and took all others: they do not serve, whatever their
    /// checkers say, and the quorum does without them. In rising order.
    Refused { servers: Vec<usize> },
    /// `ha_suspend`: no attempts from now on; everything stays as it was found. Before the start: it
    /// begins so. What is told rather than tried is taken all the same.
    Suspended,
    /// Attempts begin again, spread as after a start.
    Resumed { seed: u64 },
    /// The virtual server goes: no further attempts, no destinations.
    Shutdown,
}

/// What a pool wants done, or known. Servers and checkers by their index in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Try `target` (index of the url; 0 for other checkers) and bring the result back under `attempt`.
    /// Exactly one result is owed for each; until it comes this checker does not try again.
    Attempt { server: usize, checker: usize, target: usize, attempt: AttemptId },
    /// [`super::Pool::wanted`] has changed. Comes before the transitions that explain it, as keepalived
    /// changes the kernel's table before it runs scripts.
    TableChanged,
    /// The same, but nothing other than the destination of this server has changed.
    DestinationChanged { server: usize },
    /// A server came up: run `notify_up`. Not emitted for servers that start up.
    ServerUp { server: usize, cause: Cause },
    /// A server went down, or an alpha server failed its first check: run `notify_down`.
    ServerDown { server: usize, cause: Cause },
    /// The reload took a server away that was up: run `notify_down`. `old` indexes the old settings.
    ServerRemoved { old: usize },
    /// The effective weight of a server (up or down) is now `weight`.
    WeightChanged { server: usize, weight: u32 },
    /// Enough servers: `sum` has reached `needed`. Run `quorum_up`.
    QuorumGained { initial: bool, sum: u64, needed: u64 },
    /// Too few servers: `sum` is 0 or below `needed`. Run `quorum_down`.
    QuorumLost { initial: bool, sum: u64, needed: u64 },
    /// For the log: an attempt failed, and what that meant.
    AttemptFailed { server: usize, checker: usize, target: usize, reason: String, verdict: Verdict },
    /// For the log: an attempt could not be made, for another reason than the one before; the next comes after
    /// `delay_loop`.
    AttemptNotTried { server: usize, checker: usize, reason: String },
    /// For the log: after some that could not be, an attempt was made.
    AttemptMadeAgain { server: usize, checker: usize },
    /// For the log: a checker was down and is satisfied, or passed for the first time.
    CheckerPassed { server: usize, checker: usize, first: bool },
}

impl Action {
    /// The old index of a server that a reload took away.
    pub fn removed_server(&self) -> Option<usize> {
        match self {
            Self::ServerRemoved { old } => Some(*old),
            _ => None,
        }
    }
}

/// What a failed attempt meant for its checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// One of `retry` failures that are allowed in a row; `left` remain.
    Forgiven { left: u32 },
    /// One failure too many: the checker is down from now on.
    Down,
    /// It was down already.
    StillDown,
}

/// Why a server changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// This checker gave up on the server.
    Failed { checker: usize, reason: String },
    /// The last checker that was down is satisfied.
    Recovered { checker: usize },
    /// A reload added or removed checkers.
    Reload,
    /// The virtual server stops; scripts run only with `omega`, or when a reload removed it.
    Stopped,
}

impl Cause {
    /// The checker whose result it was.
    pub fn checker(&self) -> Option<usize> {
        match self {
            Self::Failed { checker, .. } | Self::Recovered { checker } => Some(*checker),
            Self::Reload | Self::Stopped => None,
        }
    }
}
