//! What the tests of probes share.

use std::net::SocketAddr;
use std::time::Duration;

use super::Connect;

/// To `target`, with half a second of patience.
pub fn to(target: SocketAddr) -> Connect {
    Connect { target, origin: None, timeout: Duration::from_millis(500) }
}
