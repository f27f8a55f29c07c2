use std::net::SocketAddr;

use super::*;
use crate::ipvs::{Protocol, ServiceFlags};

// What a data plane must do is in `tests/contract`; here is what only this one can do.

#[test]
fn engine_that_the_kernel_has_not_is_refused() {
    let address = "192.0.2.1:5060".parse::<SocketAddr>().unwrap().into();
    let persistence = |engine: &str| {
        Some(Persistence { timeout_s: 60, prefix_len: 32, engine: Some(engine.to_owned()) })
    };
    let service = |engine| Service {
        key: ServiceKey::Address { protocol: Protocol::Udp, address },
        scheduler: "rr".to_owned(),
        flags: ServiceFlags::default(),
        persistence: persistence(engine),
    };
    let mut plane = MemoryDataPlane::default();

    let failed =
        plane.apply(&[Command::NewService(service("rtp")), Command::NewService(service("sip"))]);

    assert_eq!(failed.iter().map(|failed| failed.index).collect::<Vec<_>>(), [0]);
    assert_eq!(plane.table().services.len(), 1);
}
