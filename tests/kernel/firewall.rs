//! `no_accept`: a whole director in a namespace of its own, since the lab's kernel may lack the
//! families ip and ip6 of nf_tables.

use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV6, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use crate::network::{in_own_network, ip, output};

const VIP: &str = "192.0.2.142";
const VIP6: &str = "2001:db8::142";

/// A host on the other end of `eth0`: a namespace that lives as long as its process.
struct Peer(Child);

impl Peer {
    fn new() -> Self {
        let sleeper =
            Command::new("unshare").args(["-n", "sleep", "300"]).spawn().expect("unshare");
        let peer = Self(sleeper);
        ip("link set lo up");
        ip("link add eth0 type veth peer name peer0");
        let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let its = format!("/proc/{}/ns/net", peer.0.id());
        eventually("the peer has its namespace", || {
            std::fs::read_link(&its).is_ok_and(|its| its != own)
        });
        ip(&format!("link set peer0 netns {}", peer.0.id()));
        ip("addr add 192.0.2.11/24 dev eth0");
        ip("-6 addr add 2001:db8::11/64 dev eth0 nodad");
        ip("link set eth0 up");
        for words in [
            "ip addr add 192.0.2.12/24 dev peer0",
            "ip -6 addr add 2001:db8::12/64 dev peer0 nodad",
            "ip link set peer0 up",
        ] {
            assert!(peer.run(words), "{words}");
        }
        peer
    }

    fn run(&self, words: &str) -> bool {
        let pid = self.0.id().to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid, "-n"]).args(words.split_whitespace()).stdout(Stdio::null());
        command.status().expect("nsenter").success()
    }

    /// Whether a connection to a port where nobody listens is refused, which shows that it has
    /// come through.
    fn reaches(&self, address: &str) -> bool {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", self.0.id())).unwrap();
        let address = address.to_owned();
        let attempt = std::thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("the peer's namespace");
            let to = match address.split_once('%') {
                Some((address, interface)) => {
                    let scope = nix::net::if_::if_nametoindex(interface).unwrap();
                    SocketAddrV6::new(address.parse().unwrap(), 9, 0, scope).into()
                }
                None => SocketAddr::new(address.parse().unwrap(), 9),
            };
            TcpStream::connect_timeout(&to, Duration::from_millis(800))
        });
        match attempt.join().unwrap() {
            Ok(_) => panic!("somebody listens on port 9"),
            Err(error) => error.kind() == ErrorKind::ConnectionRefused,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A director, and the directory with all that is its.
struct Director {
    child: Child,
    directory: PathBuf,
}

impl Director {
    fn start(name: &str, configuration: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("mainstay-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("conf"), configuration).unwrap();
        Self { child: Self::spawn(&directory), directory }
    }

    fn spawn(directory: &std::path::Path) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(directory.join("log"));
        Command::new(env!("CARGO_BIN_EXE_mainstay"))
            .arg("run")
            .arg("-f")
            .arg(directory.join("conf"))
            .env("RUNTIME_DIRECTORY", directory)
            .stderr(log.unwrap())
            .spawn()
            .expect("the director")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    fn reload(&self, configuration: &str) {
        std::fs::write(self.directory.join("conf"), configuration).unwrap();
        self.signal(nix::sys::signal::Signal::SIGHUP);
    }

    fn kill9_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.directory);
    }

    fn stop(mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "never seen: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn holds(address: &str) -> bool {
    output("ip", "-o addr").contains(address)
}

fn configuration(lines: &str, addresses: &str) -> String {
    format!(
        "global_defs {{\n nftables_counters\n}}\nvrrp_instance VI {{\n interface eth0\n virtual_router_id 50\n version 3\n \
         advert_int 0.1\n{lines}\n virtual_ipaddress {{\n{addresses}\n }}\n}}\n"
    )
}

fn nftables_is_here() -> bool {
    let there = Command::new("nft").args(["list", "tables", "ip"]).output();
    let there = there.is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: no nft, or no nf_tables in this kernel");
    }
    there
}

/// Runs `test` beside a peer, if the kernel can do it.
fn with_nftables(test: impl FnOnce(Peer)) {
    in_own_network(|| {
        if nftables_is_here() {
            test(Peer::new());
        }
    });
}

#[test]
fn packets_to_the_addresses_of_a_master_that_does_not_accept_are_dropped() {
    with_nftables(|peer| {
        let both = format!("virtual_ipaddress_excluded {{\n {VIP6}/64\n}}");
        let open = configuration(&both, VIP);
        let shut = configuration(&format!("no_accept\n{both}"), VIP);
        let mut director = Director::start("firewall", &open);
        eventually("it holds the VIP", || holds(VIP));
        assert!(peer.reaches(VIP) && peer.reaches(VIP6), "without no_accept it answers");

        director.reload(&shut);
        eventually("the table is there", || output("nft", "list tables").contains("ip keepalived"));
        assert!(!peer.reaches(VIP) && !peer.reaches(VIP6), "with no_accept it does not");
        assert!(peer.reaches("192.0.2.11") && peer.reaches("2001:db8::11"), "its own address does");
        assert!(holds(VIP), "it is MASTER all the while");
        let rules = output("nft", "list table ip keepalived");
        assert!(
            rules.contains("priority filter - 1") && rules.contains("counter packets"),
            "{rules}"
        );

        let flushed = output("nft", "flush ruleset");
        assert_eq!(flushed, "");
        eventually("the rules are back", || {
            output("nft", "list tables").contains("ip6 keepalived")
        });
        assert!(director.log().contains("removed by someone else"), "{}", director.log());
        eventually("packets are dropped again", || !peer.reaches(VIP));

        director.kill9_and_start();
        eventually("it holds the VIP again", || {
            director.log().matches("Entering MASTER").count() == 2
        });
        assert!(!peer.reaches(VIP) && !peer.reaches(VIP6), "after a crash, too");
        director.reload(&configuration(&format!("no_accept\npriority 255\n{both}"), VIP));
        eventually("an owner answers", || peer.reaches(VIP) && peer.reaches(VIP6));
        assert_eq!(output("nft", "list tables"), "", "and needs no table");
        director.reload(&shut);
        eventually("the table is back", || output("nft", "list tables").contains("ip6 keepalived"));
        director.stop();
        assert_eq!(output("nft", "list ruleset"), "", "nothing is left");
        assert!(!holds(VIP));
    });
}

#[test]
fn strict_mode_drops_packets_to_an_ipv6_master_and_lets_neighbour_discovery_through() {
    with_nftables(|peer| {
        let link_local = "fe80::142";
        let addresses = format!("{link_local}\n{VIP6}/64");
        ip("-6 addr add fe80::11/64 dev eth0 nodad");
        let director = Director::start("strict", &configuration("strict_mode", &addresses));
        eventually("it holds the VIP", || holds(VIP6));
        assert!(!peer.reaches(VIP6) && !peer.reaches(&format!("{link_local}%peer0")));
        let known = format!("{VIP6} dev peer0 lladdr");
        let pid = peer.0.id();
        let neighbours = output("nsenter", &format!("-t {pid} -n ip -6 neigh"));
        assert!(neighbours.contains(&known), "its MAC address is known:\n{neighbours}");
        assert!(director.log().contains("Entering MASTER"));
        director.stop();
        assert_eq!(output("nft", "list ruleset"), "");
    });
}

/// The rules of a VMAC: multicast memberships are its parent's to report.
#[test]
fn a_vmac_has_its_rules_and_takes_them_with_it() {
    with_nftables(|peer| {
        let director = Director::start("vmac", &configuration("use_vmac\nno_accept", VIP));
        let rules = || output("nft", "list ruleset");
        eventually("the VMAC is in the map", || rules().contains("\"vrrp.50\" : \"eth0\""));
        eventually("it holds the VIP", || holds(VIP));
        assert!(!peer.reaches(VIP), "{}", rules());
        ip("link delete vrrp.50");
        eventually("it is in the map anew", || {
            let rules = output("nft", "list ruleset");
            rules.contains("\"vrrp.50\" : \"eth0\"") && holds(VIP)
        });
        assert!(!peer.reaches(VIP), "{}", rules());
        director.stop();
        assert_eq!(rules(), "");
        assert!(!output("ip", "-o link").contains("vrrp.50"));
    });
}

#[test]
fn without_nft_an_instance_that_does_not_accept_runs_and_says_so() {
    in_own_network(|| {
        let _peer = Peer::new();
        let directory =
            std::env::temp_dir().join(format!("mainstay-no-nft-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("conf"), configuration("no_accept", VIP)).unwrap();
        let log = std::fs::File::create(directory.join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_mainstay"))
            .args(["run", "-f"])
            .arg(directory.join("conf"))
            .env("RUNTIME_DIRECTORY", &directory)
            .env("PATH", "/nonexistent")
            .stderr(log)
            .spawn()
            .expect("the director");
        eventually("it holds the VIP", || holds(VIP));
        let said = std::fs::read_to_string(directory.join("log")).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        let wanted = "cannot set the firewall rules of no_accept (VI): nft is not there (package nftables); \
                      packets to the virtual addresses are accepted";
        assert!(said.contains(wanted), "{said}");
    });
}

/// `nftables_ipvs`: the mark that the firewall gives is seen by a chain of somebody else after ours.
#[test]
fn what_is_for_a_group_is_marked_and_nothing_else() {
    with_nftables(|peer| {
        let configuration = |globals: &str, members: &str| {
            format!(
                "global_defs {{\n{globals}\n}}\nvirtual_server group web {{\n lb_algo rr\n lb_kind DR\n protocol TCP\n \
                 persistence_timeout 9\n real_server 192.0.2.12 9 {{\n }}\n}}\n\
                 virtual_server_group web {{\n{members}\n}}\n"
            )
        };
        output("nft", "add table ip seen");
        output("nft", "add chain ip seen in { type filter hook input priority 0; }");
        output("nft", "add rule ip seen in meta mark 1000 counter");
        let marked = || {
            let rules = output("nft", "list table ip seen");
            let packets = rules.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
            packets.and_then(|count| count.parse::<u64>().ok()).expect("a counter")
        };
        let table = || output("nft", "list tables");
        let is_marked = |address: &str| {
            let before = marked();
            eventually("it is reached", || peer.reaches(address));
            marked() > before
        };
        ip("addr add 192.0.2.20/24 dev eth0");
        let range = configuration("nftables_ipvs", "192.0.2.11-19 9");
        let mut director = Director::start("marks", &range);
        eventually("the table is there", || table().contains("ip keepalived_ipvs"));
        assert!(is_marked("192.0.2.11"));
        assert!(!is_marked("192.0.2.20"), "another address");

        director.reload(&configuration("nftables_ipvs", "192.0.2.11 80\n192.0.2.20"));
        eventually("all ports of the new member", || is_marked("192.0.2.20"));
        assert!(!is_marked("192.0.2.11"), "another port");
        output("nft", "delete table ip keepalived_ipvs");
        eventually("the marks are back", || is_marked("192.0.2.20"));
        assert!(
            director.log().contains("marks were removed by someone else"),
            "{}",
            director.log()
        );

        director.kill9_and_start();
        eventually("it runs again", || director.log().matches("gained its quorum").count() == 2);
        director.reload(&configuration("", "192.0.2.11 80"));
        eventually("no table is left", || !table().contains("keepalived_ipvs"));
        director.reload(&configuration("nftables_ipvs own", "192.0.2.11 80"));
        eventually("a table of that name", || table().contains("ip own"));
        director.stop();
        assert_eq!(table(), "table ip seen\n");
    });
}
