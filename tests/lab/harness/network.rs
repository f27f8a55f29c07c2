//! A LAN of hosts: one namespace each, joined by veth pairs to a bridge in a namespace of its own.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::ifaddrs::getifaddrs;

use super::namespace::Namespace;
use super::{Capture, IpvsTable};

/// A switch. Hosts are plugged in with [`Lan::host`] or, a second interface, [`Host::plug_into`].
pub struct Lan {
    switch: Namespace,
    work: PathBuf,
    ports: RefCell<usize>,
}

/// One machine: its own interfaces, routes, IPVS table and `/run`.
pub struct Host {
    pub name: String,
    /// Its files: configuration, logs, scripts. The same path inside and outside.
    pub dir: PathBuf,
    namespace: Namespace,
}

impl Lan {
    pub(super) fn new(work: PathBuf) -> Lan {
        let lan = Lan { switch: Namespace::new(), work, ports: RefCell::new(0) };
        // Snooping off: a bridge that waits for IGMP would drop the first advertisements.
        lan.ip("link set lo up\nlink add br0 type bridge mcast_snooping 0 forward_delay 0\nlink set br0 up");
        lan
    }

    /// A host with interface `eth0` and `address` (with its prefix length) on this LAN.
    pub fn host(&self, name: &str, address: &str) -> Host {
        let host = Host::unplugged(&self.work, name);
        host.plug_into(self, "eth0", address);
        host
    }

    /// Starts to listen on the switch, where every multicast and broadcast passes.
    pub fn capture(&self) -> Capture {
        self.switch.enter(|| Capture::start("br0"))
    }

    /// From now on captures see what hosts send each other, too.
    pub fn watch_unicast(&self) {
        self.ip("link set br0 promisc on");
    }

    /// Cuts the host's cable at the switch: its interface stays up and loses its carrier.
    pub fn pull_cable(&self, host: &Host) {
        self.ip(&format!("link set {}.eth0 down", host.name));
    }

    pub fn mend_cable(&self, host: &Host) {
        self.ip(&format!("link set {}.eth0 up", host.name));
    }

    /// Nothing passes between the host and the others any more; its carrier stays.
    pub fn cut_off(&self, host: &Host) {
        self.ip(&format!("link set {}.eth0 nomaster", host.name));
    }

    pub fn let_through(&self, host: &Host) {
        self.ip(&format!("link set {}.eth0 master br0", host.name));
    }

    fn ip(&self, batch: &str) {
        ip_batch(&self.switch, "the switch", batch);
    }
}

impl Host {
    /// One without any interface but `lo`; its files are in `work`.
    pub fn unplugged(work: &Path, name: &str) -> Host {
        let dir = work.join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("run")).expect("make the host's directory");
        let host = Host { name: name.into(), dir, namespace: Namespace::new() };
        host.ip("link set lo up");
        host
    }

    /// How `ip … netns PATH` names this host.
    pub fn netns(&self) -> PathBuf {
        self.namespace.path()
    }

    pub fn plug_into(&self, lan: &Lan, interface: &str, address: &str) {
        *lan.ports.borrow_mut() += 1;
        // The MAC address says who it is, in captures as in ARP tables.
        let mac =
            format!("02:00:00:00:{:02x}:{:02x}", *lan.ports.borrow(), interface.as_bytes()[3]);
        let (port, netns) = (format!("{}.{interface}", self.name), self.netns());
        lan.ip(&format!(
            "link add {port} type veth peer name {interface} netns {} address {mac}\n\
             link set {port} master br0 up",
            netns.display()
        ));
        // No automatic IPv6 addresses: their traffic only makes captures longer.
        self.ip(&format!(
            "link set {interface} addrgenmode none\naddr add {address} dev {interface}\nlink set {interface} up"
        ));
    }

    /// A command for [`Host::spawn`] or [`Host::output`], without standard input.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).env("TMPDIR", &self.dir);
        command
    }

    /// Starts it on this host.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        self.namespace.spawn_on_host(&self.dir, command)
    }

    /// Runs it on this host to its end.
    pub fn output(&self, command: &mut Command) -> io::Result<Output> {
        self.spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?.wait_with_output()
    }

    /// Runs one line of words, which must succeed; gives its standard output.
    pub fn run(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let output = self.output(self.command(words[0]).args(&words[1..]));
        text_of(&format!("{}: {line}", self.name), output)
    }

    /// Runs `ip` commands, one a line, which must all succeed.
    pub fn ip(&self, batch: &str) {
        ip_batch(&self.namespace, &self.name, batch);
    }

    pub fn sysctl(&self, key: &str, value: &str) {
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        self.enter(|| fs::write(&path, value))
            .unwrap_or_else(|e| panic!("{}: {path}: {e}", self.name));
    }

    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.namespace.enter(work)
    }

    /// Every IPv4 address with its interface, as (`eth0`, 192.0.2.1).
    pub fn addresses(&self) -> Vec<(String, Ipv4Addr)> {
        let all = self.enter(|| getifaddrs().expect("getifaddrs").collect::<Vec<_>>());
        let ipv4 = |a: nix::ifaddrs::InterfaceAddress| {
            Some((a.interface_name, a.address?.as_sockaddr_in()?.ip()))
        };
        all.into_iter().filter_map(ipv4).collect()
    }

    pub fn holds(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().expect("an address");
        let all = self.enter(|| getifaddrs().expect("getifaddrs").collect::<Vec<_>>());
        all.into_iter().filter_map(|each| each.address).any(|held| match address {
            IpAddr::V4(address) => held.as_sockaddr_in().is_some_and(|held| held.ip() == address),
            IpAddr::V6(address) => held.as_sockaddr_in6().is_some_and(|held| held.ip() == address),
        })
    }

    pub fn ipvs(&self) -> IpvsTable {
        // In pieces as large as can be: where the kernel goes on after one, it counts the services of other
        // hosts as well, and may leave out some of this one.
        let mut text = String::with_capacity(1 << 16);
        let read =
            self.enter(|| fs::File::open("/proc/thread-self/net/ip_vs")?.read_to_string(&mut text));
        read.expect("/proc/net/ip_vs");
        IpvsTable::parse(&text)
    }

    /// What stands in one of the host's files; nothing when there is no such file yet.
    pub fn read(&self, name: &str) -> String {
        fs::read(self.dir.join(name))
            .map(|b| String::from_utf8_lossy(&b).into_owned())
            .unwrap_or_default()
    }

    /// Replaces a file at once: who reads it meanwhile gets the old or the new content, whole.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let (path, new) = (self.dir.join(name), self.dir.join(format!(".new.{name}")));
        let replaced = fs::write(&new, content).and_then(|()| fs::rename(&new, &path));
        replaced.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// Writes a shell script that anyone may run and only root may change, as directors require.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let new = self.write(&format!("{name}.new"), format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("chmod");
        let path = self.dir.join(name);
        fs::rename(new, &path).expect("rename");
        path
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.namespace.kill_all();
    }
}

fn ip_batch(namespace: &Namespace, who: &str, batch: &str) {
    let mut command = Command::new("ip");
    command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = namespace.spawn(&mut command).and_then(|mut ip| {
        ip.stdin.take().expect("a pipe").write_all(batch.as_bytes())?;
        ip.wait_with_output()
    });
    text_of(&format!("{who}: ip {batch:?}"), output);
}

fn text_of(what: &str, output: io::Result<Output>) -> String {
    let output = output.unwrap_or_else(|e| panic!("{what}: {e}"));
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{out}{err}", output.status);
    out.into_owned()
}
