//! Lints: what a configuration may say, keepalived takes without a word, and somebody will regret.
//!
//! They run in `mainstay check` only, but for a few that `lower` comes across. Each has a stable code, a paragraph for the manual in
//! [`LINTS`], and can be switched off with `--allow CODE`.

mod facts;
mod instance;
mod pair;
mod server;

use std::collections::HashMap;

use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::source::{SourceMap, Span};
use super::tree::Tree;
use facts::Block;

pub use facts::{Facts, Hmac, Instance, Said, Script, Server, Tracker};
pub use pair::{Member, cluster};

/// One lint.
#[derive(Debug)]
pub struct Lint {
    pub code: &'static str,
    pub severity: Severity,
    /// What it is about and what to do: a paragraph of the manual.
    pub text: &'static str,
}

macro_rules! lints {
    ($($severity:ident $code:literal $text:literal)*) => {
        /// All lints, in the order of the manual.
        pub const LINTS: &[Lint] =
            &[$(Lint { code: $code, severity: Severity::$severity, text: $text }),*];
    };
}

lints! {
    Warning "said-twice"
    "A keyword that has one value is given twice in a block. The last one counts, as in \
     keepalived, and the first looks as if it did."

    Warning "weight-never-fails-over"
    "An instance has nopreempt and tracks something with a weight. A failed check lowers the \
     priority, but routers with nopreempt do not take over from a MASTER that is alive, so \
     nothing happens. Use weight 0, which puts the instance into FAULT, or remove nopreempt on \
     all routers."

    Warning "weight-too-small"
    "Whatever fails, the priority stays where it is: weights lower no priority below 1 and lift none \
     above 254."

    Warning "weight-of-owner"
    "An instance of priority 255 tracks something with a weight. The priority of an address owner \
     does not change, so the weight has no effect. Use a priority below 255, or weight 0."

    Warning "unicast-peers-empty"
    "unicast_peer names nobody: the adverts go nowhere, and each router becomes MASTER."

    Warning "unicast-peer-is-self"
    "unicast_peer has the address of unicast_src_ip: the router would send to itself. A list that is \
     shared by all routers needs an entry of its own for each."

    Warning "unicast-peer-is-this-host"
    "With --live: unicast_peer has an address of this host, which is not its unicast_src_ip. Adverts \
     to it reach nobody else, and the router that was meant becomes MASTER, too."

    Note "strict-mode"
    "vrrp_strict makes keepalived drop all packets to the virtual addresses of routers that are not \
     their owner (priority 255), and forbids authentication, unicast and IPv4 together with IPv6. \
     Ping to a virtual address then fails although all is well. Most people want it off."

    Note "check-slower-than-delay-loop"
    "All attempts of a check, each up to connect_timeout with delay_before_retry between, may take \
     longer than delay_loop. A dead server is noticed only after the sum of them."

    Note "quorum-needs-all"
    "The quorum is all that the real servers weigh: one server down, and the whole virtual server \
     is taken for down."

    Note "direct-route-needs-loopback"
    "With lvs_method DR each real server must have the virtual address itself, on lo as a /32 or /128, \
     and must not answer ARP for it: net.ipv4.conf.all.arp_ignore=1 and arp_announce=2. Said once a \
     file."

    Warning "quorum-reduced"
    "The quorum is more than all real servers weigh together, so that it could never be reached. It \
     is lowered to their sum, as in keepalived."

    Warning "hysteresis-reduced"
    "quorum plus hysteresis is more than all real servers weigh, or hysteresis is not below quorum: \
     the virtual server would never come up, or never go down. The hysteresis is lowered."

    Note "alpha-starts-down"
    "With alpha real servers begin as down, and are added at the first check that succeeds: after \
     each start the service is away for that long. A server without a check never comes up."

    Note "omega-tells-at-stop"
    "With omega, and only then, notify_down and quorum_down scripts run when the director stops."

    Warning "script-timeout-above-interval"
    "A vrrp_script may run longer than its interval: runs are left out while the last one hangs. \
     Give it a timeout below the interval."

    Note "script-without-timeout"
    "A vrrp_script has no timeout; a run that hangs is only ended when the next one is due. Give it \
     a timeout below its interval."

    Warning "server-unchecked"
    "A real server has no check, while others of its virtual server have: it keeps its share of \
     the clients when it is dead."

    Warning "auth-pass-truncated"
    "auth_pass is longer than the eight octets that an advert carries; the rest is cut off, on all \
     routers alike. Two passwords that begin alike are one."

    Warning "v3-has-no-authentication"
    "VRRPv3 has no authentication (RFC 9568 section 9): the authentication block has no effect, and \
     adverts are sent without. vrrp_auth_hmac protects them."

    Warning "nopreempt-with-state-master"
    "nopreempt needs state BACKUP: a router that begins as MASTER, or has priority 255, takes the \
     addresses whoever holds them."

    Warning "duplicate-vip"
    "Two instances hold the same address on the same interface, and take it from each other."

    Warning "vrid-mismatch"
    "Of a pair: instances that hold the same addresses on both hosts differ in virtual_router_id. \
     Each host then is MASTER of its own."

    Warning "address-mismatch"
    "Of a pair: the routers of one VRID hold different virtual addresses. They drop each other's \
     adverts, or addresses vanish at each change of state."

    Warning "authentication-mismatch"
    "Of a pair: auth_type or auth_pass differ in the first eight characters. The routers do not \
     believe each other, and both are MASTER."

    Warning "hmac-mismatch"
    "Of a pair: auth_hmac does not agree. Only one router has it and signs, the key one signs with is \
     not among the other's or has another value there, or one wants signatures where the other \
     makes none. The router that refuses the other's adverts becomes MASTER, too. Keys from files \
     are not compared, and a key that only verifies may be on one side alone: that is how keys \
     are exchanged."

    Warning "interval-mismatch"
    "Of a pair: advert_int differs. In VRRPv2 adverts of the other interval are dropped, and both \
     routers are MASTER."

    Warning "version-mismatch"
    "Of a pair: one router speaks VRRPv2 and one VRRPv3. They do not hear each other, and both are \
     MASTER."

    Warning "priorities-equal"
    "Of a pair: the routers of one VRID have the same priority. The address of the interface decides \
     who wins, and who that is changes with it."

    Warning "two-masters"
    "Of a pair: more than one router of a VRID has state MASTER: both take the addresses at start, \
     or one takes them from the other although nopreempt was meant. Only the priority should decide."

    Warning "owners-twice"
    "Of a pair: more than one router of a VRID has priority 255. Two owners never give way to each \
     other."

    Warning "peers-do-not-name-each-other"
    "Of a pair: with unicast, the source address of a router is missing from the unicast_peer of \
     the other, which then drops what it hears."

    Warning "instance-on-one-only"
    "Of a pair: a VRID is configured on one host only. There is nobody to take its addresses over."

    Warning "virtual-server-differs"
    "Of a pair: a virtual server is on one host only, or differs in scheduler, method, protocol, \
     persistence or real servers. After a change of state clients meet another service."

    Error "interface-missing"
    "With --live: an interface does not exist on this host, and dynamic_interfaces is not set. \
     The director does not start; exit status 4, as with keepalived."

    Warning "address-outside-subnets"
    "With --live: a virtual address is in no subnet of this host, so no neighbour looks for it there."

    Warning "script-cannot-run"
    "With --live: a script does not exist, is not executable for its user, or that user does not \
     exist. What tracks it does not hear of it."

    Warning "script-unsafe"
    "With --live: a script would run as root, and somebody else could change it: the component of \
     its path and the bit are named. With enable_script_security it does not run."

    Warning "script-security-off"
    "With --live: there are scripts that run, and enable_script_security is not set, which would \
     refuse those that others than root can change. Exit status 6, as with keepalived."

    Error "kernel-lacks-ipvs"
    "With --live: there are virtual servers, and this kernel has no IPVS or not their scheduler."

    Warning "ip-forward-off"
    "With --live: a virtual server uses NAT, and net.ipv4.ip_forward is 0: nothing gets through."

    Note "ip-nonlocal-bind-off"
    "With --live: net.ipv4.ip_nonlocal_bind is 0. HAProxy, nginx and others that bind to a virtual \
     address do not start while the other host holds it."

    Note "reverse-path-filter"
    "With --live: net.ipv4.conf.*.rp_filter is 1 and there are several interfaces. The kernel drops \
     adverts from a source that it would reach by another interface."

    Warning "arp-not-answered"
    "With --live: net.ipv4.conf.*.arp_ignore is 3 or 8: the host does not answer ARP requests for \
     virtual addresses."

    Warning "ipv6-disabled"
    "With --live: there is an IPv6 virtual address on an interface where IPv6 is switched off."

    Note "addresses-may-be-removed"
    "With --live: a program that manages addresses runs here. Some remove what they did not set \
     when they start anew."

    Warning "secrets-readable"
    "With --live: a file with a password or a key can be read by everyone: with auth_pass, a key of \
     auth_hmac, basic_auth, the password of SSL, or a header such as Authorization or Cookie."
}

/// The lint called `code`.
pub fn lint(code: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.code == code)
}

/// The section of the manual about lints: man(7) source.
pub fn man_section() -> String {
    let paragraph = |lint: &Lint| {
        let code = lint.code.replace('-', "\\-");
        let text = lint.text.replace('-', "\\-").replace(". ", ".\n");
        let kind = match lint.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        format!(".TP\n.BR {code} \" ({kind})\"\n{text}\n")
    };
    LINTS.iter().map(paragraph).collect()
}

/// Looks at one file while it is read.
#[derive(Debug, Default)]
pub(super) struct Linter {
    facts: Facts,
    /// `direct-route-needs-loopback` has been said.
    direct_route_said: bool,
}

impl Linter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one complete top-level statement.
    pub fn statement(&mut self, tree: &Tree, sources: &SourceMap, d: &mut Diagnostics) {
        let Some(at) = tree.root() else { return };
        let block = Block { tree, sources, at };
        let mut found = Vec::new();
        said_twice(block, &mut found);
        match block.keyword() {
            "virtual_server" => {
                found.extend(server::lint(block));
                self.direct_route(block, &mut found);
            }
            "vrrp_script" => found.extend(instance::script(block)),
            _ => {}
        }
        self.facts.take(block);
        found.into_iter().for_each(|finding| d.push(finding));
    }

    /// What only the whole file can tell; gives what is remembered of it.
    pub fn finish(mut self, diagnostics: &mut Diagnostics) -> Facts {
        let facts = std::mem::take(&mut self.facts);
        instance::lint(&facts).into_iter().for_each(|finding| diagnostics.push(finding));
        facts
    }

    fn direct_route(&mut self, block: Block<'_>, found: &mut Vec<Diagnostic>) {
        let method = block.last(&["lb_kind", "lvs_method"]);
        if let Some(method) = method.filter(|method| method.word(1) == Some("DR"))
            && !std::mem::replace(&mut self.direct_route_said, true)
        {
            let message = "with DR each real server needs the virtual address on lo";
            found.push(
                finding("direct-route-needs-loopback", method.at.raw, message).help(
                    "on real servers: ip addr add VIP/32 dev lo; arp_ignore=1, arp_announce=2",
                ),
            );
        }
    }
}

/// A finding of the lint `code`, with its severity.
pub(crate) fn finding(code: &'static str, at: Span, message: impl Into<String>) -> Diagnostic {
    match lint(code).map_or(Severity::Note, |lint| lint.severity) {
        Severity::Note => Diagnostic::note(code, at, message),
        Severity::Warning => Diagnostic::warning(code, at, message),
        Severity::Error => Diagnostic::error(code, at, message),
    }
}

/// Keywords with one value each, besides those that take a number.
const SINGLE: [&str; 14] = [
    "state",
    "interface",
    "lb_algo",
    "lvs_sched",
    "lb_kind",
    "lvs_method",
    "protocol",
    "auth_type",
    "auth_pass",
    "router_id",
    "misc_path",
    "path",
    "ip_family",
    "unicast_src_ip",
];

fn said_twice(block: Block<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for child in block.children() {
        if child.at.brace.is_some() {
            said_twice(child, found);
            continue;
        }
        let name = child.keyword();
        // In a list of names a name may be a keyword.
        let is_single = SINGLE.contains(&name) || takes_number(block, name);
        if !is_single {
            continue;
        }
        if let Some(first) = seen.insert(name, child.at.raw) {
            let message = format!("`{name}` is given twice in {}", block.words_from(0));
            found.push(
                finding("said-twice", child.at.raw, message)
                    .label("this one counts")
                    .also(first, "this one does not"),
            );
        }
    }
}

fn takes_number(block: Block<'_>, name: &str) -> bool {
    let mut path: Vec<&str> = Vec::new();
    let mut at = Some(block.at);
    while let Some(statement) = at {
        path.push(Block { at: statement, ..block }.keyword());
        at = block.tree.parent(statement);
    }
    path.reverse();
    let table = super::keywords::table();
    let row = table.block(&path.join("/")).and_then(|id| table.get(id, name));
    row.is_some_and(|row| row.args.starts_with('<'))
}

#[cfg(test)]
mod tests;
