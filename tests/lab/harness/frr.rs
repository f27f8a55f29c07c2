//! FRR's vrrpd as a peer, with the zebra that it needs.
//!
//! It wants a macvlan in bridge mode with the virtual router's MAC and addresses, which is there before
//! it starts; it takes it up as Master and down (protodown) as Backup. Adverts come from the parent's
//! address with IPv4, from the macvlan's link-local one with IPv6.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Host, wait_for};

/// The one virtual router: VRID 50 on `eth0`.
pub struct FrrRouter {
    pub version: u8,
    pub priority: u8,
    pub address: &'static str,
}

pub struct Frr<'h> {
    host: &'h Host,
    ipv6: bool,
    zebra: Child,
    vrrpd: Child,
}

/// Link-local address of the macvlan.
pub const FRR_LINK_LOCAL: &str = "fe80::21";

/// Where its daemons meet: each host's `/run` is its own.
pub const RUN: &str = "/run/frr";

impl FrrRouter {
    fn ipv6(&self) -> bool {
        self.address.contains(':')
    }

    fn configuration(&self) -> String {
        let FrrRouter { version, priority, address } = self;
        let family = if self.ipv6() { "ipv6" } else { "ip" };
        format!(
            "log stdout debugging\ndebug vrrp\ninterface eth0\n vrrp 50 version {version}\n \
             vrrp 50 priority {priority}\n vrrp 50 advertisement-interval 1000\n \
             vrrp 50 {family} {address}\n"
        )
    }

    fn make_macvlan(&self, host: &Host) {
        let (family, length) = if self.ipv6() { (2, 64) } else { (1, 24) };
        host.ip(&format!(
            "link add vrrp50 link eth0 address 00:00:5e:00:0{family}:32 type macvlan mode bridge\n\
             link set vrrp50 addrgenmode none\n\
             addr add {}/{length} dev vrrp50 {}",
            self.address,
            if self.ipv6() { "nodad" } else { "" }
        ));
        if self.ipv6() {
            host.ip(&format!("addr add {FRR_LINK_LOCAL}/64 dev vrrp50 nodad"));
        }
        host.ip("link set vrrp50 up");
    }
}

impl<'h> Frr<'h> {
    /// Makes the macvlan when it is not there yet, and starts both daemons.
    pub fn start(host: &'h Host, router: &FrrRouter) -> Frr<'h> {
        let run = host.dir.join("run/frr");
        if !run.exists() {
            router.make_macvlan(host);
        }
        let [zebra, vrrpd] = start_with_zebra(host, "vrrpd", &router.configuration());
        Frr { host, ipv6: router.ipv6(), zebra, vrrpd }
    }

    /// What `show vrrp` says of the router in its family; `Null` while the daemon does not answer.
    pub fn show(&self) -> Value {
        let mut vtysh: Command = self.host.command("vtysh");
        vtysh.args(["--vty_socket", RUN, "-d", "vrrpd", "-c", "show vrrp json"]);
        let output = self.host.output(&mut vtysh).expect("run vtysh");
        let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        all[0][if self.ipv6 { "v6" } else { "v4" }].clone()
    }

    /// Waits for `Master` or `Backup`.
    pub fn wait_for_status(&self, status: &str) {
        wait_for(&format!("FRR is {status}"), Duration::from_secs(30), || {
            let seen = self.show();
            if seen["status"] == status { Ok(()) } else { Err(seen.to_string()) }
        });
    }

    /// Milliseconds: how long it would wait now for the Master's next advert.
    pub fn master_down_ms(&self) -> u64 {
        self.show()["masterDownInterval"].as_u64().unwrap_or(0)
    }

    pub fn kill9(mut self) -> SystemTime {
        let moment = SystemTime::now();
        self.end(Signal::SIGKILL);
        moment
    }

    /// Asks vrrpd to stop, and gives the moment of asking.
    pub fn stop(mut self) -> SystemTime {
        let moment = SystemTime::now();
        let _ = kill(Pid::from_raw(self.vrrpd.id() as i32), Signal::SIGTERM);
        let _ = self.vrrpd.wait();
        self.end(Signal::SIGKILL);
        moment
    }

    fn end(&mut self, signal: Signal) {
        end_with_zebra(self.host, [&mut self.vrrpd, &mut self.zebra], signal);
    }
}

/// Starts zebra, and then `daemon` beside it, with one configuration for both.
pub fn start_with_zebra(host: &Host, daemon: &str, configuration: &str) -> [Child; 2] {
    let run = host.dir.join("run/frr");
    if !run.exists() {
        fs::create_dir_all(&run).expect("make a directory");
        // Its daemons give up root's rights.
        fs::set_permissions(&run, fs::Permissions::from_mode(0o777)).expect("chmod");
    }
    host.write("frr.conf", configuration);
    let start = |daemon: &str| {
        let log = File::options().create(true).append(true).open(host.dir.join("log"));
        let log = log.expect("the log file");
        let mut command = host.command(format!("/usr/lib/frr/{daemon}"));
        command.args(["-P", "0", "--vty_socket", RUN, "-z", "/run/frr/zserv"]);
        command.arg("-i").arg(format!("{RUN}/{daemon}.pid"));
        if daemon == "bfdd" {
            command.arg("--bfdctl").arg(format!("{RUN}/bfdd.sock"));
        }
        command.arg("-f").arg(host.dir.join("frr.conf"));
        command.stdout(log.try_clone().expect("duplicate a descriptor")).stderr(log);
        host.spawn(&mut command).unwrap_or_else(|e| panic!("start FRR's {daemon}: {e}"))
    };
    let zebra = start("zebra");
    wait_for("zebra listens", Duration::from_secs(20), || {
        if run.join("zserv").exists() { Ok(()) } else { Err(host.read("log")) }
    });
    [zebra, start(daemon)]
}

/// Ends both as `signal` does; the next start waits for a new socket.
pub fn end_with_zebra(host: &Host, daemons: [&mut Child; 2], signal: Signal) {
    for daemon in daemons {
        let _ = kill(Pid::from_raw(daemon.id() as i32), signal);
        let _ = daemon.wait();
    }
    let _ = fs::remove_file(host.dir.join("run/frr/zserv"));
}

impl Drop for Frr<'_> {
    fn drop(&mut self) {
        self.end(Signal::SIGKILL);
    }
}
