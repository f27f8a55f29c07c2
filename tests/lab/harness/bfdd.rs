//! FRR's bfdd as a BFD neighbour, with the zebra that it needs.

use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::frr::{RUN, end_with_zebra, start_with_zebra};
use super::{Host, wait_for};

/// The one neighbour: 5 packets of 100 ms both ways.
#[derive(Clone, Copy)]
pub struct BfddPeer {
    /// Its own address, and the neighbour's.
    pub local: &'static str,
    pub peer: &'static str,
    pub multihop: bool,
}

pub struct Bfdd<'h> {
    host: &'h Host,
    at: BfddPeer,
    zebra: Child,
    bfdd: Child,
}

impl BfddPeer {
    /// The line that names the session.
    fn line(&self) -> String {
        let BfddPeer { local, peer, multihop } = self;
        let way = if *multihop { "multihop" } else { "interface eth0" };
        match multihop {
            true => format!("peer {peer} {way} local-address {local}"),
            false => format!("peer {peer} local-address {local} {way}"),
        }
    }

    fn configuration(&self) -> String {
        let ttl = if self.multihop { "  minimum-ttl 250\n" } else { "" };
        format!(
            "log stdout debugging\nbfd\n {}\n  detect-multiplier 5\n  receive-interval 100\n  \
             transmit-interval 100\n{ttl}  no shutdown\n !\n!\n",
            self.line()
        )
    }
}

impl<'h> Bfdd<'h> {
    pub fn start(host: &'h Host, at: BfddPeer) -> Bfdd<'h> {
        let [zebra, bfdd] = start_with_zebra(host, "bfdd", &at.configuration());
        Bfdd { host, at, zebra, bfdd }
    }

    fn vtysh(&self, commands: &[&str]) -> Vec<u8> {
        let mut vtysh: Command = self.host.command("vtysh");
        vtysh.args(["--vty_socket", RUN, "-d", "bfdd"]);
        for command in commands {
            vtysh.args(["-c", command]);
        }
        self.host.output(&mut vtysh).expect("run vtysh").stdout
    }

    /// What `show bfd peers` says of the session; `Null` while the daemon does not answer.
    pub fn show(&self) -> Value {
        let all: Value =
            serde_json::from_slice(&self.vtysh(&["show bfd peers json"])).unwrap_or_default();
        all[0].clone()
    }

    /// Waits for `up` or `down`; gives the moment when it was seen.
    pub fn wait_for_status(&self, status: &str) -> SystemTime {
        wait_for(&format!("bfdd's session is {status}"), Duration::from_secs(30), || {
            let seen = self.show();
            if seen["status"] == status { Ok(()) } else { Err(seen.to_string()) }
        });
        SystemTime::now()
    }

    /// `shutdown`, or `no shutdown`: administratively down, or not.
    pub fn set_shutdown(&self, shutdown: bool) -> SystemTime {
        let word = if shutdown { "shutdown" } else { "no shutdown" };
        let moment = SystemTime::now();
        self.vtysh(&["configure terminal", "bfd", &self.at.line(), word]);
        moment
    }

    pub fn kill9(mut self) -> SystemTime {
        let moment = SystemTime::now();
        self.end();
        moment
    }

    fn end(&mut self) {
        end_with_zebra(self.host, [&mut self.bfdd, &mut self.zebra], Signal::SIGKILL);
    }
}

impl Drop for Bfdd<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
