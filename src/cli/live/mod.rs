//! `mainstay check --live`: a configuration against the host it is to run on.

mod host;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use crate::config::Linted;
use crate::config::diagnostic::{Diagnostic, Diagnostics, Effect};
use crate::config::lint::{Instance, Said, finding};
use crate::config::source::{SourceMap, Span};
use crate::driver::SECURITY_OFF;
use crate::ipvs::Forward;

pub use host::Host;

/// Everything that `host` has against the configuration, but kinds in `allowed`.
pub fn findings(linted: &Linted, host: &Host, allowed: &[String]) -> Vec<Diagnostic> {
    let mut live = Live { linted, host, found: Vec::new() };
    for instance in &linted.facts.instances {
        live.instance(instance);
    }
    live.scripts();
    live.ipvs();
    live.sysctls();
    live.managers();
    live.secrets();
    live.found.retain(|finding| !allowed.iter().any(|code| code == finding.code));
    live.found
}

struct Live<'a> {
    linted: &'a Linted,
    host: &'a Host,
    found: Vec<Diagnostic>,
}

impl Live<'_> {
    fn push(&mut self, code: &'static str, at: Option<Span>, message: String, help: &str) {
        let mut finding = finding(code, at.unwrap_or_default(), message);
        finding.span = at;
        self.found.push(if help.is_empty() { finding } else { finding.help(help) });
    }

    /// Where something of the virtual routers is said, for what concerns all of them.
    fn first_instance(&self) -> Option<Span> {
        self.linted.facts.instances.first().map(|instance| instance.at)
    }

    fn instance(&mut self, instance: &Instance) {
        self.own_peers(instance);
        let Some(interface) = instance.values.get("interface") else { return };
        let dynamic = self.linted.loaded.plan.global.dynamic_interfaces;
        if !self.host.interfaces.contains(&interface.text) {
            if !dynamic {
                let message = format!("interface {} does not exist on this host", interface.text);
                let known: Vec<_> = self.host.interfaces.iter().map(String::as_str).collect();
                let help = format!("there are {}", known.join(", "));
                self.push("interface-missing", Some(interface.at), message, &help);
            }
            return;
        }
        for address in &instance.addresses {
            self.subnet(&interface.text, &address.text, address.at);
        }
        let ipv6 = instance.addresses.iter().any(|address| address.text.contains(':'));
        let switch = format!("net/ipv6/conf/{}/disable_ipv6", interface.text);
        if ipv6 && self.host.sysctl(&switch).as_deref() == Some("1") {
            let message = format!("IPv6 is switched off on {}", interface.text);
            let help = format!("sysctl -w net.ipv6.conf.{}.disable_ipv6=0", interface.text);
            self.push("ipv6-disabled", Some(interface.at), message, &help);
        }
        self.arp(&interface.text, interface.at);
    }

    /// Peers that are this host, but for `unicast_src_ip`, which needs no look at the host.
    fn own_peers(&mut self, instance: &Instance) {
        let address = |said: &Said| said.text.split('/').next()?.parse::<std::net::IpAddr>().ok();
        let source = instance.values.get("unicast_src_ip").and_then(address);
        let virtual_ones: Vec<_> = instance.addresses.iter().filter_map(address).collect();
        for peer in instance.unicast_peers.iter().flat_map(|(_, peers)| peers) {
            let Some(ip) = address(peer).filter(|ip| Some(*ip) != source) else { continue };
            let holder = self.host.addresses.iter().find(|(_, held)| held.addr() == ip);
            let Some((interface, _)) = holder.filter(|_| !virtual_ones.contains(&ip)) else {
                continue;
            };
            let message = format!("unicast_peer {ip} is an address of this host, on {interface}");
            let help = "list the addresses of the other routers; this one's is unicast_src_ip";
            self.push("unicast-peer-is-this-host", Some(peer.at), message, help);
        }
    }

    fn subnet(&mut self, interface: &str, address: &str, at: Span) {
        let Ok(ip) = address.split('/').next().unwrap_or_default().parse::<std::net::IpAddr>()
        else {
            return;
        };
        let own = |subnet: &&ipnet::IpNet| subnet.prefix_len() < subnet.max_prefix_len();
        if self.host.subnets(None).filter(own).any(|subnet| subnet.contains(&ip)) {
            return;
        }
        let subnets: Vec<_> = self.host.subnets(Some(interface)).map(ToString::to_string).collect();
        let has = if subnets.is_empty() { "no address".to_owned() } else { subnets.join(", ") };
        let message = format!("{ip} is in no subnet of this host; {interface} has {has}");
        let help = "nobody in the subnet can reach it, unless routers send it here";
        self.push("address-outside-subnets", Some(at), message, help);
    }

    fn arp(&mut self, interface: &str, at: Span) {
        for name in [interface, "all"] {
            let value = self.host.sysctl(&format!("net/ipv4/conf/{name}/arp_ignore"));
            if let Some(value @ ("3" | "8")) = value.as_deref() {
                let message = format!(
                    "arp_ignore is {value} on {name}: nobody gets an answer for a virtual address"
                );
                let help = format!("sysctl -w net.ipv4.conf.{name}.arp_ignore=1");
                return self.push("arp-not-answered", Some(at), message, &help);
            }
        }
    }

    fn scripts(&mut self) {
        for text in &self.host.scripts.findings {
            let rest = text.strip_prefix("script ").unwrap_or(text);
            let ends = [" would ", " is not found", ": "];
            let name = ends.iter().fold(rest, |name, end| name.split(end).next().unwrap_or(name));
            let at = place_of(&self.linted.loaded.diagnostics, name);
            let unsafe_path = rest.contains(" would ");
            let code = if unsafe_path { "script-unsafe" } else { "script-cannot-run" };
            let mut finding = finding(code, at.unwrap_or_default(), text.clone());
            finding.span = at;
            self.found.push(finding);
        }
        self.script_security();
    }

    fn script_security(&mut self) {
        if !self.host.scripts.security_off {
            return;
        }
        let at =
            self.linted.facts.scripts.values().map(|script| script.at).min_by_key(|at| at.start);
        let mut finding = finding("script-security-off", at.unwrap_or_default(), SECURITY_OFF);
        finding.span = at;
        let finding = finding.help("in global_defs: script_user USER, enable_script_security");
        self.found.push(finding.effect(Effect::ScriptSecurity));
    }

    fn ipvs(&mut self) {
        let plan = &self.linted.loaded.plan;
        let Some(first) = self.linted.facts.servers.first() else { return };
        if !self.host.modules.contains("ip_vs") {
            let message = "this kernel has no IPVS: module ip_vs is neither loaded nor there";
            self.push("kernel-lacks-ipvs", Some(first.at), message.to_owned(), "modprobe ip_vs");
            return;
        }
        let mut wanted = BTreeSet::new();
        for server in &self.linted.facts.servers {
            let Some(said) = server.values.get("lvs_sched") else { continue };
            let module = format!("ip_vs_{}", said.text);
            if !self.host.modules.contains(&module) && wanted.insert(module.clone()) {
                let message =
                    format!("scheduler {} needs module {module}, which is not there", said.text);
                self.push(
                    "kernel-lacks-ipvs",
                    Some(said.at),
                    message,
                    &format!("modprobe {module}"),
                );
            }
        }
        let nat = plan
            .virtual_servers
            .iter()
            .flat_map(|server| &server.real_servers)
            .any(|server| server.destination.forward == Forward::Nat);
        if nat && self.host.sysctl("net/ipv4/ip_forward").as_deref() == Some("0") {
            let message = "with lvs_method NAT this host forwards packets, and ip_forward is 0";
            let help = "sysctl -w net.ipv4.ip_forward=1";
            self.push("ip-forward-off", Some(first.at), message.to_owned(), help);
        }
    }

    fn sysctls(&mut self) {
        let Some(at) = self.first_instance() else { return };
        if self.host.sysctl("net/ipv4/ip_nonlocal_bind").as_deref() == Some("0") {
            let message = "ip_nonlocal_bind is 0: a program that binds to a virtual address does not \
                           start on the BACKUP";
            let help =
                "sysctl -w net.ipv4.ip_nonlocal_bind=1, or let programs listen on all addresses";
            self.push("ip-nonlocal-bind-off", Some(at), message.to_owned(), help);
        }
        let interfaces: BTreeSet<String> = self
            .linted
            .facts
            .instances
            .iter()
            .filter_map(|instance| instance.values.get("interface"))
            .map(|said| said.text.clone())
            .collect();
        let strict = |name: &str| {
            self.host.sysctl(&format!("net/ipv4/conf/{name}/rp_filter")).as_deref() == Some("1")
        };
        if interfaces.len() > 1 && (strict("all") || interfaces.iter().any(|name| strict(name))) {
            let message = "rp_filter is 1: with several interfaces, adverts that come in on another \
                           interface than replies would take are dropped unseen";
            let help = "sysctl -w net.ipv4.conf.all.rp_filter=2";
            self.push("reverse-path-filter", Some(at), message.to_owned(), help);
        }
    }

    fn managers(&mut self) {
        let Some(at) = self.first_instance() else { return };
        for name in self.host.managers.clone() {
            let message = format!("{name} runs here, and may remove virtual addresses");
            let help = match name {
                "systemd-networkd" => {
                    "in networkd.conf: ManageForeignRoutes=no; in the .network file: \
                     KeepConfiguration=static"
                }
                _ => "a removed address is put back at once, with a warning in the log",
            };
            self.push("addresses-may-be-removed", Some(at), message, help);
        }
    }

    /// Passwords and keys in files that everyone can read.
    fn secrets(&mut self) {
        let linted = self.linted;
        let sources = &linted.loaded.diagnostics.sources;
        let mut seen = BTreeSet::new();
        for &at in &linted.facts.secrets {
            let name = sources.position(at).file;
            if !seen.insert(name.clone()) {
                continue;
            }
            let Ok(file) = std::fs::metadata(&*name) else { continue };
            let mode = file.permissions().mode() & 0o7777;
            if mode & 0o004 != 0 {
                let what = "has a password or a key in it, and everyone can read it";
                let message = format!("{name} {what} (mode {mode:04o})");
                self.push("secrets-readable", Some(at), message, &format!("chmod o-rwx {name}"));
            }
        }
    }
}

/// Where the configuration names `script`: its first place outside a comment.
fn place_of(diagnostics: &Diagnostics, script: &str) -> Option<Span> {
    let sources: &SourceMap = &diagnostics.sources;
    sources.find(|line| {
        let code = &line[..crate::config::comment_start(line)];
        let at = code.find(script)?;
        Some(at..at + script.len())
    })
}

#[cfg(test)]
mod tests;
