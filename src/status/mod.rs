//! What operators are shown of the running director, in keepalived's words.

mod bfd;
mod dump;
mod json;
mod statistics;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::check::{PoolStatus, ServerStatus as RealServerStatus};
use crate::config::plan::{Plan, RealServer, VirtualServer, VrrpInstance};
use crate::ipvs::{SocketKey, SyncDaemon};
use crate::vrrp::{Counters, PublicState};
pub use bfd::{BfdSession, BfdStatus};
pub use dump::dump;
pub use json::json;
pub use statistics::statistics;

/// One vrrp_instance as it stands.
#[derive(Debug)]
pub struct InstanceStatus {
    pub plan: Arc<VrrpInstance>,
    pub state: PublicState,
    pub in_state: Duration,
    /// Effective priority.
    pub priority: u8,
    pub source: Option<IpAddr>,
    /// Who was last heard as the Active Router.
    pub active_router: Option<IpAddr>,
    pub faults: Vec<String>,
    /// What it tracks, one a line: what, how it is, and what that does.
    pub tracked: Vec<String>,
    /// Until the protocol's next deadline.
    pub next_deadline: Option<Duration>,
    /// How late a deadline was served at worst.
    pub latest: Duration,
    /// Times that something was put back which others had removed.
    pub repairs: u64,
    pub counters: Counters,
    /// Octets of adverts that can wait to be read from its socket, in the kernel's count; `None`:
    /// it has none.
    pub receive_queue: Option<usize>,
    /// Packets on its interface that no instance there could be given.
    pub unknown_vrids: u64,
}

/// One virtual_server as it stands.
#[derive(Debug)]
pub struct ServerStatus {
    pub server: Arc<VirtualServer>,
    pub pool: PoolStatus,
    /// Of its real servers.
    pub names: Vec<NameStatus>,
    /// Servers that a reload has taken out, and how long each still has.
    pub draining: Vec<(SocketKey, Duration)>,
}

/// The name of a real server as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameStatus {
    pub name: String,
    pub port: u16,
    /// How many it has; the last ones if there is trouble.
    pub addresses: usize,
    pub interval: Duration,
    /// Why the last answer was none.
    pub trouble: Option<String>,
}

/// Attempts of checks under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckPlaces {
    pub sockets: PlacesInUse,
    pub scripts: PlacesInUse,
}

/// How many places there are for attempts of one kind, and who has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlacesInUse {
    pub limit: usize,
    pub used: usize,
    /// Attempts that are due and have none.
    pub waiting: usize,
    /// The longest that one had to wait so far.
    pub longest_wait: Duration,
}

/// Identical checkers whose attempts are made once: virtual server, real server and checker of each by
/// their places in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCheck {
    pub members: Vec<(usize, usize, usize)>,
}

/// How the checks as a whole are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckStatus {
    pub places: CheckPlaces,
    pub shared: Vec<SharedCheck>,
}

/// The kernel's sync daemons as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncStatus {
    /// `lvs_sync_daemon` is configured.
    pub wanted: bool,
    /// Whose state they follow.
    pub instance: Option<String>,
    /// Those of ours that run.
    pub running: Vec<SyncDaemon>,
    /// Why they are not as wanted, when they are not.
    pub trouble: Option<String>,
}

/// Everything a dump shows.
#[derive(Debug, Default)]
pub struct Status {
    pub instances: Vec<InstanceStatus>,
    pub servers: Vec<ServerStatus>,
    /// Why the IPVS table is not as wanted, when it is not.
    pub ipvs_trouble: Option<String>,
    pub checks: CheckStatus,
    pub sync: SyncStatus,
    pub bfd: BfdStatus,
}

/// The checkers of `server` that cannot be tried, and why; it may be up all the same.
fn hindered<'a>(
    server: &'a RealServer,
    state: &'a RealServerStatus,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let checkers = server.checkers.iter().zip(&state.checkers);
    checkers
        .filter_map(|(checker, state)| Some((checker.probe.name(), state.hindrance.as_deref()?)))
}

/// `1 vrrp_instance, 2 virtual_servers, 4 real_servers`, and `1 bfd_instance` if there are any.
pub fn counted(plan: &Plan) -> String {
    let real_servers = plan.virtual_servers.iter().map(|each| each.real_servers.len()).sum();
    let sessions = plan.bfd_instances.len();
    let all = [
        (plan.vrrp_instances.len(), "vrrp_instance"),
        (plan.virtual_servers.len(), "virtual_server"),
        (real_servers, "real_server"),
        (sessions, "bfd_instance"),
    ];
    let shown = if sessions > 0 { &all[..] } else { &all[..3] };
    let words = shown
        .iter()
        .map(|(number, what)| format!("{number} {what}{}", if *number == 1 { "" } else { "s" }));
    words.collect::<Vec<_>>().join(", ")
}

/// A duration as people read it: `0.064ms`, `3.609s`, `2m05s`, `3h07m`, `2d04h`.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.subsec_millis() == 0 => format!("{:.3}ms", duration.as_secs_f64() * 1e3),
        0..60 => format!("{:.3}s", duration.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CheckerStatus;
    use crate::config::parse_text;

    /// A server that is up, and whose check cannot be made.
    pub fn with_hindrance() -> ServerStatus {
        let text = "virtual_server 192.0.2.1 80 {\n protocol TCP\n lb_algo rr\n lb_kind NAT\n \
                    real_server 192.0.2.11 80 {\n TCP_CHECK {\n bind_if eth9\n }\n }\n}\n";
        let server = parse_text("t", text).plan.virtual_servers.remove(0);
        let reason = "cannot bind to interface eth9: No such device (os error 19)";
        let checker = CheckerStatus {
            up: true,
            judged: true,
            failures: 0,
            target: 0,
            last_failure: None,
            hindrance: Some(reason.to_owned()),
            next_attempt: None,
            running_since: None,
        };
        let real = RealServerStatus {
            alive: true,
            refused: false,
            weight: 1,
            in_table: Some(1),
            checkers: vec![checker],
        };
        let pool = PoolStatus {
            quorum_held: true,
            sum: 1,
            gain: 1,
            loss: 1,
            sorry_serves: false,
            suspended: false,
            servers: vec![real],
        };
        ServerStatus { server, pool, names: Vec::new(), draining: Vec::new() }
    }

    #[test]
    fn a_check_that_cannot_be_made_is_in_the_dump_though_its_server_is_up() {
        let status = Status { servers: vec![with_hindrance()], ..Status::default() };
        let dump = dump(&Plan::default(), &status);
        let expected = "   Real server = 192.0.2.11:80 Masq, up, weight 1, TCP_CHECK cannot be tried: \
                        cannot bind to interface eth9: No such device (os error 19)\n";
        assert!(dump.contains(expected), "{dump}");
    }

    #[test]
    fn durations_are_short_and_tell_the_unit() {
        let shown = [3_609, 125_000, 11_220_000, 187_200_000].map(Duration::from_millis).map(human);
        assert_eq!(shown, ["3.609s", "2m05s", "3h07m", "2d04h"]);
        assert_eq!(human(Duration::from_micros(64)), "0.064ms");
    }
}
