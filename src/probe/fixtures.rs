//! What the tests of probes share.

use std::net::SocketAddr;
use std::time::Duration;

use super::Connect;

/// To `target`, with half a second of patience.
pub fn to(target: SocketAddr) -> Connect {
    Connect {
        target,
        bind_address: None,
        bind_port: None,
        bind_interface: None,
        fwmark: 0,
        timeout: Duration::from_millis(500),
    }
}
