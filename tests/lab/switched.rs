//! A director whose servers need not exist: each check's result is the number in a file.

use std::time::Duration;

use crate::configs::{VIP, with_globals};
use crate::harness::{Host, Lab, eventually_eq};

pub const SERVICE: &str = "TCP 192.0.2.142:80";

pub struct Switched {
    pub host: Host,
}

impl Switched {
    pub fn new(lab: &Lab) -> Self {
        let host = Host::unplugged(&lab.dir, "lb");
        // IPVS takes no destination where there is no route to anywhere.
        host.ip("link add d0 type dummy\naddr add 192.0.2.11/24 dev d0\nlink set d0 up");
        host.ip(&format!("addr add {VIP}/32 dev d0"));
        let dir = host.dir.display();
        host.script("check", &format!("echo >>{dir}/runs-$1\nexit $(cat {dir}/status-$1)"));
        host.script("tell", &format!("echo $* >>{dir}/told"));
        let lab = Self { host };
        ["1", "2", "3"].iter().for_each(|check| lab.set(check, 0));
        lab
    }

    /// From now on this check ends with `status`.
    pub fn set(&self, check: &str, status: u8) {
        self.host.write(&format!("status-{check}"), status.to_string());
    }

    /// How often it was run.
    pub fn runs(&self, check: &str) -> usize {
        self.host.read(&format!("runs-{check}")).lines().count()
    }

    /// What scripts were told, in order.
    pub fn told(&self) -> Vec<String> {
        self.host.read("told").lines().map(str::to_owned).collect()
    }

    pub fn forget(&self) {
        self.host.write("told", "");
    }

    /// A MISC_CHECK with one retry.
    pub fn check(&self, check: &str, extra: &str) -> String {
        let script = self.host.dir.join("check");
        format!(
            "        MISC_CHECK {{\n            misc_path \"{} {check}\"\n            misc_timeout 5\n            \
             retry 1\n            delay_before_retry 1\n            {extra}\n        }}\n",
            script.display()
        )
    }

    /// Server 192.0.2.11N with check N and scripts; `extra` goes into the check.
    pub fn server(&self, check: &str, weight: u32, extra: &str) -> String {
        let tell = self.host.dir.join("tell");
        let tell = tell.display();
        let scripts = format!(
            "        notify_up \"{tell} {check} up\"\n        notify_down \"{tell} {check} down\"\n"
        );
        server(&format!("192.0.2.11{check}"), weight, &(scripts + &self.check(check, extra)))
    }

    /// A whole file with one service; `extra` goes into its block.
    pub fn service(&self, extra: &str, servers: &[String]) -> String {
        let tell = self.host.dir.join("tell");
        let tell = tell.display();
        with_globals(&format!(
            "virtual_server {VIP} 80 {{\n    delay_loop 1\n    warmup 0\n    lvs_sched rr\n    lvs_method NAT\n    \
             protocol TCP\n    quorum_up \"{tell} quorum up\"\n    quorum_down \"{tell} quorum down\"\n{extra}\n{}}}\n",
            servers.concat()
        ))
    }

    /// Waits until the service has these servers.
    pub fn becomes(&self, what: &str, table: &str) {
        eventually_eq(what, Duration::from_secs(30), table, || self.host.ipvs().servers(SERVICE));
    }
}

/// One real server; `inside` goes into its block.
pub fn server(address: &str, weight: u32, inside: &str) -> String {
    format!("    real_server {address} 80 {{\n        weight {weight}\n{inside}    }}\n")
}
