//! Configurations, and the networks they are for.

use std::io::Write;
use std::process::Stdio;

use crate::harness::{Capture, Director, Host, Lab, Lan, Program, WebServer, eventually};

/// The floating address, and the addresses of the tutorial's machines, moved to RFC 5737's 192.0.2.0/24.
pub const VIP: &str = "192.0.2.142";
pub const LB1: &str = "192.0.2.11";
pub const LB2: &str = "192.0.2.12";

/// What the tutorial's web servers have at `/service.txt`; their MD5 sums are in its configuration.
pub const PAGE_1: &str = "hello from Server 1\n";
pub const PAGE_2: &str = "Hello from Server2\n";

/// The tutorial's own file, byte for byte.
pub const TUTORIAL: &str = include_str!("../fixtures/tutorial.conf");

/// The tutorial's file for our network: other addresses, another interface, this priority.
pub fn tutorial(priority: u8) -> String {
    TUTORIAL
        .replace("192.168.8.", "192.0.2.")
        .replace("bond0", "eth0")
        .replace("priority 100", &format!("priority {priority}"))
}

/// One VRRP instance like the tutorial's; `extra` goes into its block.
pub fn instance(priority: u8, extra: &str) -> String {
    with_globals(&format!(
        "vrrp_instance KAV_1 {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 50\n    \
         priority {priority}\n    advert_int 1\n    \
         authentication {{\n        auth_type PASS\n        auth_pass toto\n    }}\n    \
         virtual_ipaddress {{\n        {VIP}\n    }}\n{extra}\n}}\n"
    ))
}

/// The two directors' hosts on one LAN.
pub struct Pair {
    pub lan: Lan,
    pub capture: Capture,
    pub r1: Host,
    pub r2: Host,
}

impl Pair {
    pub fn new(lab: &Lab) -> Pair {
        let lan = lab.lan();
        let r1 = lan.host("r1", &format!("{LB1}/24"));
        let r2 = lan.host("r2", &format!("{LB2}/24"));
        let capture = lan.capture();
        Pair { lan, capture, r1, r2 }
    }

    /// Starts priority 100 on r1 with `first`, which becomes MASTER, and then priority 50 on r2 with
    /// `second`, which stays BACKUP and has heard the MASTER when this returns.
    pub fn start(
        &self,
        first: Program,
        second: Program,
        extra: &str,
    ) -> (Director<'_>, Director<'_>) {
        let one = Director::start(&self.r1, first, instance(100, extra));
        one.wait_for_state(0, "MASTER");
        eventually("r1 holds the VIP", SOON, || self.r1.holds(VIP));
        let two = Director::start(&self.r2, second, instance(50, extra));
        let listening = two.wait_for_state(0, "BACKUP");
        self.capture.first_advert_after(LB1, listening);
        (one, two)
    }
}

/// For what happens within a few advertisement intervals or check rounds: much longer than that, so
/// that only a failure ever waits for it.
pub const SOON: std::time::Duration = std::time::Duration::from_secs(30);

/// A client, a director and two web servers on one LAN.
pub struct Farm {
    pub lan: Lan,
    pub client: Host,
    pub lb1: Host,
    pub web1: Host,
    pub web2: Host,
    pub server1: WebServer,
    pub server2: WebServer,
}

impl Farm {
    /// For direct routing: the web servers have the VIP on `lo`, and keep silent about it.
    pub fn new(lab: &Lab) -> Farm {
        let lan = lab.lan();
        let client = lan.host("client", "192.0.2.200/24");
        let lb1 = lan.host("lb1", &format!("{LB1}/24"));
        let web1 = lan.host("web1", "192.0.2.101/24");
        let web2 = lan.host("web2", "192.0.2.102/24");
        for web in [&web1, &web2] {
            hold_silently(web, "lo");
        }
        let server1 = WebServer::start(
            &web1,
            "0.0.0.0:80",
            &[("/", "It works Web1"), ("/service.txt", PAGE_1)],
        );
        let server2 = WebServer::start(
            &web2,
            "0.0.0.0:80",
            &[("/", "It works Web2"), ("/service.txt", PAGE_2)],
        );
        Farm { lan, client, lb1, web1, web2, server1, server2 }
    }
}

/// Gives a real server the VIP without letting it answer ARP for it.
pub fn hold_silently(web: &Host, interface: &str) {
    for scope in ["all", "eth0"] {
        web.sysctl(&format!("net.ipv4.conf.{scope}.arp_ignore"), "1");
        web.sysctl(&format!("net.ipv4.conf.{scope}.arp_announce"), "2");
    }
    web.ip(&format!("addr add {VIP}/32 dev {interface}"));
}

/// A director that only has the VIP (no VRRP) and `virtual_server` blocks: checks are then all it does.
pub fn start_checks<'h>(host: &'h Host, program: Program, virtual_servers: &str) -> Director<'h> {
    host.ip(&format!("addr add {VIP}/32 dev eth0"));
    Director::start(host, program, with_globals(virtual_servers))
}

/// Puts before it what every configuration of ours has: scripts run as root, and only safe ones.
pub fn with_globals(blocks: &str) -> String {
    format!("global_defs {{\n    script_user root\n    enable_script_security\n}}\n{blocks}")
}

/// Removes what the arguments of ip(8) say, again and again, until the director leaves it to the other router. An `ip`
/// that runs is told: starting one for each removal is too slow on a busy machine for five repairs in ten seconds.
pub fn fight(director: &Director, removal: &str) {
    let mut command = director.host.command("ip");
    command.args(["-force", "-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut ip = director.host.spawn(&mut command).expect("ip -batch");
    let mut input = ip.stdin.take().expect("its input");
    eventually("the fight is lost", SOON, || {
        writeln!(input, "{removal}").expect("tell ip");
        director.log().contains("Entering FAULT")
    });
    drop(input);
    ip.wait().expect("ip ends");
    assert!(director.counter("Repairs") >= 5, "{}", director.dump());
}
