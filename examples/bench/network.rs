//! Two hosts with twenty cables between them, and configurations for thousands of instances on them.

use std::fmt::Write as _;
use std::path::Path;

use crate::harness::Host;

/// Cables, and so interfaces of each host.
pub const INTERFACES: usize = 20;

/// Above: the one that is MASTER when both run. Master-down of the other, at 1 s, is
/// 3 × 1 s + (256 − 100)/256 s.
pub const PRIORITIES: [u8; 2] = [200, 100];

/// Seconds.
pub const MASTER_DOWN: f64 = 3.0 + 156.0 / 256.0;

pub struct Pair {
    pub hosts: [Host; 2],
}

impl Pair {
    /// Interface `eN` of the first host has 10.N.0.1/16, that of the second 10.N.0.2/16.
    pub fn new(work: &Path) -> Pair {
        let hosts = [Host::unplugged(work, "r1"), Host::unplugged(work, "r2")];
        let netns = hosts[1].netns();
        let mut cables = String::new();
        for n in 0..INTERFACES {
            let _ = writeln!(
                cables,
                "link add e{n} type veth peer name e{n} netns {}",
                netns.display()
            );
        }
        hosts[0].ip(&cables);
        for (host, last) in hosts.iter().zip([1, 2]) {
            let mut plug = String::new();
            for n in 0..INTERFACES {
                let _ = writeln!(
                    plug,
                    "link set e{n} addrgenmode none\naddr add 10.{n}.0.{last}/16 dev e{n}\nlink set e{n} up"
                );
            }
            host.ip(&plug);
            // Nobody is asked whether a new address is taken, and nothing else disturbs the figures.
            host.sysctl("net.ipv4.conf.all.arp_ignore", "1");
        }
        Pair { hosts }
    }
}

/// `count` instances with one address each, spread over the interfaces. That of VRID v on eN is 10.N.1.v.
pub fn configuration(count: usize, priority: u8) -> String {
    let mut text = String::new();
    for number in 0..count {
        let (interface, vrid) = (number % INTERFACES, number / INTERFACES + 1);
        let _ = write!(
            text,
            "vrrp_instance V{interface}_{vrid} {{\n    interface e{interface}\n    \
             virtual_router_id {vrid}\n    priority {priority}\n    advert_int 1\n    \
             virtual_ipaddress {{\n        10.{interface}.1.{vrid}\n    }}\n}}\n"
        );
    }
    text
}
