//! Lints of two or more files as the routers of one cluster: what must be alike and is not, and
//! what must differ and does not, each with its place in both files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::source::{Origin, SourceId, SourceMap, Span};
use super::facts::{Facts, Hmac, Instance, Said, Server};
use super::finding;

/// What of one file is compared.
pub struct Member<'a> {
    /// Its own findings, for the texts they point into.
    pub diagnostics: &'a Diagnostics,
    pub facts: &'a Facts,
}

/// Octets of a password that count (RFC 2338 §5.3.10).
const PASSWORD_OCTETS: usize = 8;

/// Compares each file with each of those behind it. Kinds in `allowed` are left out.
pub fn cluster(members: &[Member<'_>], allowed: &[String]) -> Diagnostics {
    let mut merged = Merged { members, sources: SourceMap::default(), ids: HashMap::new() };
    let mut diagnostics = Diagnostics::default();
    for first in 0..members.len() {
        for second in first + 1..members.len() {
            let found = Pair { merged: &mut merged, first, second, found: Vec::new() }.compare();
            let wanted = found.into_iter().filter(|f| !allowed.iter().any(|code| code == f.code));
            wanted.for_each(|finding| diagnostics.push(finding));
        }
    }
    let sources = merged.sources;
    diagnostics.sort(Arc::new(sources));
    diagnostics
}

/// The texts of all files in one map, so that a finding can point into two of them.
struct Merged<'a> {
    members: &'a [Member<'a>],
    sources: SourceMap,
    ids: HashMap<(usize, SourceId), SourceId>,
}

impl Merged<'_> {
    fn span(&mut self, member: usize, span: Span) -> Span {
        let sources = &self.members[member].diagnostics.sources;
        let span = sources.in_file(span);
        let id = *self.ids.entry((member, span.source)).or_insert_with(|| {
            let source = sources.get(span.source);
            self.sources.add(Arc::clone(&source.name), source.text.clone(), Origin::Top)
        });
        Span { source: id, ..span }
    }
}

/// Two files, and what was found of them so far.
struct Pair<'m, 'a> {
    merged: &'m mut Merged<'a>,
    first: usize,
    second: usize,
    found: Vec<Diagnostic>,
}

impl<'a> Pair<'_, 'a> {
    fn facts(&self) -> (&'a Facts, &'a Facts) {
        (self.merged.members[self.first].facts, self.merged.members[self.second].facts)
    }

    fn compare(mut self) -> Vec<Diagnostic> {
        let (ours, theirs) = self.facts();
        let mut met = HashSet::new();
        for instance in &ours.instances {
            match counterpart(instance, &theirs.instances, &met) {
                Some(index) => {
                    met.insert(index);
                    self.routers(instance, &theirs.instances[index]);
                }
                None => self.alone(self.first, instance, &theirs.instances, &mut met),
            }
        }
        for (index, instance) in theirs.instances.iter().enumerate() {
            if !met.contains(&index) {
                self.alone(self.second, instance, &[], &mut met.clone());
            }
        }
        self.servers();
        self.found
    }

    /// A finding with a place in each file.
    fn push(&mut self, code: &'static str, at: Span, other: Span, message: String, also: &str) {
        let at = self.merged.span(self.first, at);
        let other = self.merged.span(self.second, other);
        self.found.push(finding(code, at, message).also(other, also));
    }

    /// An instance whose VRID the other file does not have: under another VRID, or not at all.
    fn alone(
        &mut self,
        member: usize,
        instance: &Instance,
        others: &[Instance],
        met: &mut HashSet<usize>,
    ) {
        let shared = |other: &&Instance| !addresses(instance).is_disjoint(&addresses(other));
        let name = &instance.name;
        if let Some(other) = others.iter().find(shared) {
            if let Some(index) = others.iter().position(|candidate| std::ptr::eq(candidate, other))
            {
                met.insert(index);
            }
            let (mine, its) = (vrid(instance), vrid(other));
            let message = format!(
                "vrrp_instance {name} has virtual_router_id {mine}, and {its} on the other host"
            );
            let places = (instance.place("virtual_router_id"), other.place("virtual_router_id"));
            self.push("vrid-mismatch", places.0, places.1, message, "holds the same addresses");
            return;
        }
        let at = self.merged.span(member, instance.at);
        let message = format!("virtual_router_id {} is on this host only", vrid(instance));
        self.found.push(
            finding("instance-on-one-only", at, message).label(format!("vrrp_instance {name}")),
        );
    }

    /// The two routers of one VRID.
    fn routers(&mut self, a: &Instance, b: &Instance) {
        let vrid = vrid(a);
        self.held(a, b, &vrid);
        self.authentication(a, b, &vrid);
        self.hmac(a, b, &vrid);
        let (ours, theirs) = self.facts();
        self.alike(a, b, "advert_int", "interval-mismatch", |instance| {
            let said = instance.values.get("advert_int").and_then(Said::seconds);
            format!("{} s", said.unwrap_or(1.0))
        });
        let (one, other) = (version(a, ours), version(b, theirs));
        if one != other {
            let message = format!(
                "virtual_router_id {vrid} speaks VRRPv{one} here and VRRPv{other} on the other host"
            );
            self.push("version-mismatch", a.place("version"), b.place("version"), message, "there");
        }
        self.priorities(a, b, &vrid);
        self.unicast(a, b);
    }

    fn alike(
        &mut self,
        a: &Instance,
        b: &Instance,
        keyword: &str,
        code: &'static str,
        value: impl Fn(&Instance) -> String,
    ) {
        let (one, other) = (value(a), value(b));
        if one != other {
            let message = format!(
                "{keyword} of virtual_router_id {} is {one} here and {other} on the other host",
                vrid(a)
            );
            self.push(code, a.place(keyword), b.place(keyword), message, "there");
        }
    }

    fn held(&mut self, a: &Instance, b: &Instance, vrid: &str) {
        let (here, there) = (addresses(a), addresses(b));
        let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            one.difference(other).cloned().collect::<Vec<_>>().join(", ")
        };
        let (more, less) = (only(&here, &there), only(&there, &here));
        let what = match (more.is_empty(), less.is_empty()) {
            (true, true) => return,
            (false, true) => format!("{more} only here"),
            (true, false) => format!("{less} only on the other host"),
            (false, false) => format!("{more} only here, {less} only on the other host"),
        };
        let message = format!("virtual_router_id {vrid} has {what}");
        let place = |instance: &Instance| instance.addresses.first().map_or(instance.at, |a| a.at);
        self.push("address-mismatch", place(a), place(b), message, "the other's addresses");
    }

    fn authentication(&mut self, a: &Instance, b: &Instance, vrid: &str) {
        let password = |instance: &Instance| -> Vec<u8> {
            let password = instance.said("auth_pass").unwrap_or_default();
            password.bytes().take(PASSWORD_OCTETS).collect()
        };
        let kind = |instance: &Instance| instance.said("auth_type").unwrap_or("none").to_owned();
        let (one, other) = (kind(a), kind(b));
        let (keyword, message) = if one != other {
            let message =
                format!("auth_type of virtual_router_id {vrid} is {one} here and {other} there");
            ("auth_type", message)
        } else if password(a) != password(b) {
            (
                "auth_pass",
                format!("auth_pass of virtual_router_id {vrid} differs on the other host"),
            )
        } else {
            return;
        };
        let places = (a.place(keyword), b.place(keyword));
        self.push("authentication-mismatch", places.0, places.1, message, "there");
    }

    /// What one signs the other must be able to verify, and what one wants the other must make.
    fn hmac(&mut self, a: &Instance, b: &Instance, vrid: &str) {
        let (one, other) = match (&a.hmac, &b.hmac) {
            (Some(one), Some(other)) => (one, other),
            (None, None) => return,
            (one, other) => return self.hmac_of_one(a, b, one.as_ref().or(other.as_ref()), vrid),
        };
        let mode = |hmac: &Hmac| hmac.mode().to_owned();
        if let ("enforce", "receive-only") | ("receive-only", "enforce") =
            (one.mode(), other.mode())
        {
            let message = format!(
                "mode of auth_hmac of virtual_router_id {vrid} is {} here and {} on the other host",
                mode(one),
                mode(other)
            );
            return self.push("hmac-mismatch", one.place(), other.place(), message, "there");
        }
        let key = |id: &str| format!("key {id} of auth_hmac of virtual_router_id {vrid}");
        for (signs, verifies) in [(one, other), (other, one)] {
            let Some((id, ours)) = signs.signing_key() else { continue };
            let here = std::ptr::eq(signs, one);
            let place = |span: Span, other: Span| if here { (span, other) } else { (other, span) };
            let (at, also, message) = match verifies.keys.get(id) {
                Some(theirs) if same_key(&ours.text, &theirs.text) => continue,
                // Both directions say the same.
                Some(_) if !here && verifies.signing_key().is_some_and(|key| key.0 == id) => {
                    continue;
                }
                Some(theirs) => {
                    let (at, also) = place(ours.at, theirs.at);
                    (at, also, format!("{} has another value on the other host", key(id)))
                }
                None => {
                    let (at, also) = place(ours.at, verifies.at);
                    let (signer, lacks) =
                        if here { ("here", "the other") } else { ("there", "this") };
                    (at, also, format!("{} signs {signer}, and {lacks} host lacks it", key(id)))
                }
            };
            self.push("hmac-mismatch", at, also, message, "of the other host");
        }
    }

    /// Who signs is not heard without `auth_hmac`; who does not, and wants no signatures, is.
    fn hmac_of_one(&mut self, a: &Instance, b: &Instance, hmac: Option<&Hmac>, vrid: &str) {
        let Some(hmac) = hmac.filter(|hmac| hmac.mode() != "receive-only") else { return };
        let here = a.hmac.is_some();
        let (who, other) = if here { ("this", "the other") } else { ("the other", "this") };
        let message = format!(
            "{who} host signs adverts of virtual_router_id {vrid}, and {other} has no auth_hmac"
        );
        let places = if here { (hmac.at, b.at) } else { (a.at, hmac.at) };
        self.push("hmac-mismatch", places.0, places.1, message, "the other host");
    }

    fn priorities(&mut self, a: &Instance, b: &Instance, vrid: &str) {
        let places = (a.place("priority"), b.place("priority"));
        match (a.priority(), b.priority()) {
            (255, 255) => {
                let message = format!("virtual_router_id {vrid} has two owners of priority 255");
                self.push("owners-twice", places.0, places.1, message, "the other one");
            }
            (one, other) if one == other => {
                let message = format!("virtual_router_id {vrid} has priority {one} on both hosts");
                self.push("priorities-equal", places.0, places.1, message, "the same");
            }
            _ => {}
        }
        if a.said("state") == Some("MASTER") && b.said("state") == Some("MASTER") {
            let message = format!("virtual_router_id {vrid} has state MASTER on both hosts");
            let places = (a.place("state"), b.place("state"));
            self.push("two-masters", places.0, places.1, message, "MASTER as well");
        }
    }

    fn unicast(&mut self, a: &Instance, b: &Instance) {
        let missing = |from: &Instance, to: &Instance| {
            let source = from.values.get("unicast_src_ip").map(|said| plain(&said.text))?;
            let (at, peers) = to.unicast_peers.as_ref()?;
            let known = peers.iter().any(|peer| plain(&peer.text) == source);
            (!known).then_some((source, *at))
        };
        if let Some((source, at)) = missing(a, b) {
            let message = format!("{source} is not in unicast_peer of the other host");
            let place = a.place("unicast_src_ip");
            self.push("peers-do-not-name-each-other", place, at, message, "missing here");
        }
        if let Some((source, at)) = missing(b, a) {
            let message = format!("unicast_peer lacks {source}, the address of the other host");
            let place = b.place("unicast_src_ip");
            self.push("peers-do-not-name-each-other", at, place, message, "it is here");
        }
        if let (Some((at, _)), None) | (None, Some((at, _))) = (&a.unicast_peers, &b.unicast_peers)
        {
            let here = a.unicast_peers.is_some();
            let message = if here {
                "unicast here, multicast on the other host"
            } else {
                "multicast here, unicast on the other host"
            };
            let (one, other) = if here { (*at, b.at) } else { (a.at, *at) };
            self.push("peers-do-not-name-each-other", one, other, message.to_owned(), "there");
        }
    }

    fn servers(&mut self) {
        let (ours, theirs) = self.facts();
        let by_name = |facts: &'a Facts| -> BTreeMap<&'a str, &'a Server> {
            facts.servers.iter().map(|server| (server.name.as_str(), server)).collect()
        };
        let (here, there) = (by_name(ours), by_name(theirs));
        for (name, server) in &here {
            match there.get(name) {
                Some(other) => self.services(server, other),
                None => self.only(self.first, server),
            }
        }
        for server in there.iter().filter(|(name, _)| !here.contains_key(**name)) {
            self.only(self.second, server.1);
        }
    }

    fn only(&mut self, member: usize, server: &Server) {
        let at = self.merged.span(member, server.at);
        let message = format!("virtual_server {} is on this host only", server.name);
        self.found.push(finding("virtual-server-differs", at, message));
    }

    fn services(&mut self, a: &Server, b: &Server) {
        for keyword in ["lvs_sched", "lvs_method", "protocol", "persistence_timeout"] {
            let value = |server: &Server| {
                server.values.get(keyword).map_or("not set", |said| said.text.as_str()).to_owned()
            };
            let (one, other) = (value(a), value(b));
            if one != other {
                let place =
                    |server: &Server| server.values.get(keyword).map_or(server.at, |s| s.at);
                let message = format!(
                    "{keyword} of virtual_server {} is {one} here and {other} on the other host",
                    a.name
                );
                self.push("virtual-server-differs", place(a), place(b), message, "there");
            }
        }
        let weight = |server: &(Said, Option<Said>)| {
            server.1.as_ref().map_or("1", |said| said.text.as_str()).to_owned()
        };
        let servers = |server: &'_ Server| -> BTreeMap<String, (Span, String)> {
            let real = server.real_servers.iter();
            real.map(|real| (real.0.text.clone(), (real.0.at, weight(real)))).collect()
        };
        let (here, there) = (servers(a), servers(b));
        for (name, (at, weight)) in &here {
            let service = &a.name;
            match there.get(name) {
                None => {
                    let message = format!(
                        "real_server {name} of virtual_server {service} is on one host only"
                    );
                    self.push("virtual-server-differs", *at, b.at, message, "not in here");
                }
                Some((place, other)) if other != weight => {
                    let message = format!(
                        "real_server {name} has weight {weight} here and {other} on the other host"
                    );
                    self.push("virtual-server-differs", *at, *place, message, "there");
                }
                Some(_) => {}
            }
        }
        for (name, (at, _)) in there.iter().filter(|(name, _)| !here.contains_key(*name)) {
            let message = format!("real_server {name} is on the other host only");
            self.push("virtual-server-differs", a.at, *at, message, "there");
        }
    }
}

impl Hmac {
    fn mode(&self) -> &str {
        self.values.get("mode").map_or("enforce", |said| said.text.as_str())
    }

    fn place(&self) -> Span {
        self.values.get("mode").map_or(self.at, |said| said.at)
    }

    /// The key that adverts are signed with, if they are.
    fn signing_key(&self) -> Option<(&str, &Said)> {
        let id = self.values.get("active_key").filter(|_| self.mode() != "receive-only")?;
        self.keys.get_key_value(&id.text).map(|(id, value)| (id.as_str(), value))
    }
}

/// Whether two values of `key` may mean the same octets; what stands in a file is not known here.
fn same_key(one: &str, other: &str) -> bool {
    let octets = |value: &str| match value.strip_prefix("hex:") {
        Some(digits) => digits.to_ascii_lowercase(),
        None => value.bytes().map(|octet| format!("{octet:02x}")).collect(),
    };
    [one, other].iter().any(|value| value.starts_with("file:")) || octets(one) == octets(other)
}

fn vrid(instance: &Instance) -> String {
    instance.said("virtual_router_id").unwrap_or("none").to_owned()
}

/// The instance of the same VRID and family: on the same interface, else of the same name, else
/// the first that has not met its counterpart.
fn counterpart(instance: &Instance, others: &[Instance], met: &HashSet<usize>) -> Option<usize> {
    let same = |(index, other): &(usize, &Instance)| {
        !met.contains(index) && vrid(instance) == vrid(other) && is_ipv6(instance) == is_ipv6(other)
    };
    let fitting: Vec<_> = others.iter().enumerate().filter(same).collect();
    let on_interface =
        |(_, other): &&(usize, &Instance)| other.said("interface") == instance.said("interface");
    let by_name = |(_, other): &&(usize, &Instance)| other.name == instance.name;
    let best = fitting.iter().find(on_interface).or_else(|| fitting.iter().find(by_name));
    best.or(fitting.first()).map(|(index, _)| *index)
}

fn is_ipv6(instance: &Instance) -> bool {
    instance.addresses.first().is_some_and(|address| address.text.contains(':'))
}

fn addresses(instance: &Instance) -> BTreeSet<String> {
    instance.addresses.iter().map(|address| plain(&address.text)).collect()
}

/// An address without prefix length, in its usual form.
fn plain(text: &str) -> String {
    let text = text.split(['/', ' ']).next().unwrap_or_default();
    text.parse::<std::net::IpAddr>().map_or_else(|_| text.to_owned(), |ip| ip.to_string())
}

/// The instance's, else the file's, else 2; IPv6 has version 3 only.
fn version(instance: &Instance, facts: &Facts) -> String {
    let said = instance.values.get("version").or_else(|| facts.global.get("vrrp_version"));
    let default = if is_ipv6(instance) { "3" } else { "2" };
    said.map_or(default, |said| said.text.as_str()).to_owned()
}
