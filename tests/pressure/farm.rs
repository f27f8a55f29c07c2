//! Tens of thousands of real servers on one host, ten instances beside them, and how late adverts are. The
//! bench measures with it, too.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use socket2::{Domain, Socket, Type};

use super::harness::{Host, seconds};

/// VRIDs from 1 on.
pub const ROUTERS: u8 = 10;

/// Of their adverts, in seconds: short, so that there are many to judge by.
pub const INTERVAL: f64 = 0.1;

/// Virtual servers, and real servers of each.
const SERVICES: usize = 400;
const SERVERS: usize = 100;
pub const ALL_SERVERS: usize = SERVICES * SERVERS;

/// How often each is checked, in seconds.
pub const DELAY_LOOP: u64 = 10;

/// One real server in so many is checked by a script, the others by TCP_CHECK.
const SCRIPTED: usize = 100;

/// The instances on `interface`; `octets` begin their addresses.
pub fn instances(interface: &str, octets: &str) -> String {
    let mut text =
        String::from("global_defs {\n    enable_script_security\n    script_user root\n}\n");
    for vrid in 1..=ROUTERS {
        let _ = writeln!(
            text,
            "vrrp_instance V{vrid} {{\n    interface {interface}\n    version 3\n    virtual_router_id {vrid}\n    \
             priority 200\n    advert_int {INTERVAL}\n    virtual_ipaddress {{\n        {octets}.{vrid}\n    }}\n}}"
        );
    }
    text
}

/// All virtual servers; the first real server has `weight`, all others 1.
pub fn servers(script: &Path, weight: u32) -> String {
    let mut text = String::new();
    for service in 0..SERVICES {
        let _ = writeln!(
            text,
            "virtual_server 198.18.{}.{} 80 {{\n    delay_loop {DELAY_LOOP}\n    lvs_sched rr\n    \
             lvs_method NAT\n    protocol TCP",
            service / 250,
            service % 250 + 1
        );
        for number in service * SERVERS..(service + 1) * SERVERS {
            let check = match number % SCRIPTED {
                1 => {
                    format!("MISC_CHECK {{\n misc_path {}\n misc_timeout 5\n }}", script.display())
                }
                _ => "TCP_CHECK {\n connect_timeout 3\n retry 0\n }".to_owned(),
            };
            let weight = if number == 0 { weight } else { 1 };
            let _ = writeln!(
                text,
                "    real_server 198.19.{}.{} 80 {{\n        weight {weight}\n{check}\n    }}",
                number / 250,
                number % 250 + 1
            );
        }
        text += "}\n";
    }
    text
}

/// Each address of 198.19.0.0/16 becomes one of the host's own, so that whatever listens serves them all.
pub fn prepare(host: &Host) {
    host.ip("route add local 198.19.0.0/16 dev lo");
    // A connection that was closed is remembered for a minute, and of these there are thousands a second.
    host.sysctl("net.ipv4.tcp_max_tw_buckets", "1000");
    host.sysctl("net.core.somaxconn", "8192");
}

/// Takes every connection to port 80 and lets it go.
pub struct Acceptor {
    socket: Arc<Socket>,
    accepted: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    pub fn start(host: &Host) -> Acceptor {
        let socket = Arc::new(host.enter(listen).expect("listen on port 80"));
        let (accepted, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let thread = thread::spawn({
            let (socket, accepted, ended) = (socket.clone(), accepted.clone(), ended.clone());
            move || {
                while !ended.load(Ordering::Relaxed) {
                    if socket.accept().is_ok() {
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        Acceptor { socket, accepted, ended, thread: Some(thread) }
    }

    /// How many so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.socket.shutdown(Shutdown::Both);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn listen() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80)).into())?;
    socket.listen(8_192)?;
    Ok(socket)
}

/// By how many milliseconds each advert of one instance comes after its schedule, on which the most
/// punctual one is. A constant delay does not show; one that grows does.
pub fn lateness(moments: &[SystemTime]) -> Vec<f64> {
    let Some(first) = moments.first() else { return Vec::new() };
    let since = moments.iter().map(|at| seconds(*first, *at));
    let off: Vec<f64> = since.map(|at| at - (at / INTERVAL).round() * INTERVAL).collect();
    let punctual = off.iter().copied().fold(f64::INFINITY, f64::min);
    off.into_iter().map(|off| (off - punctual) * 1e3).collect()
}
