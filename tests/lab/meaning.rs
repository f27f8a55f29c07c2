//! Files as people write them, `realistic/*.conf`: what keepalived says in its own dump that it has
//! understood (USR1), against our plan, fact by fact.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use mainstay::config::plan::VrrpInstance;
use mainstay::config::plan::{Checker, Plan, RealServer, Script, VirtualAddress, VirtualServer};
use mainstay::config::{self, Options};
use mainstay::ipvs::{Forward, ServiceKey, Tunnel};
use mainstay::kernel::node_name;
use mainstay::probe::{Connect, Probe};
use mainstay::vrrp::{Tracked, Transport};
use mainstay::wire::Authentication;
use nix::sys::signal::Signal;

use crate::harness::{Director, Host, Lab, Program, eventually, run};

/// Facts about one thing: its name, then field and value.
type Facts = BTreeMap<String, BTreeSet<String>>;

/// The real files are more than ten; a folder without any would show nothing.
const LEAST: usize = 30;

#[test]
fn realistic_files_mean_what_keepalived_takes_them_to_mean() {
    run("meaning::realistic_files_mean_what_keepalived_takes_them_to_mean", compare_all);
}

fn compare_all(lab: &Lab) {
    let lan = lab.lan();
    let host = lan.host("lb1", "192.0.2.11/24");
    for (interface, address) in [("eth1", "198.51.100.11/24"), ("eth2", "203.0.113.11/24")] {
        host.plug_into(&lan, interface, address);
    }
    host.ip("addr add 2001:db8::11/64 dev eth0 nodad\naddr add fe80::11/64 dev eth0 nodad");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/realistic");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the files")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    files.sort();
    assert!(files.len() >= LEAST, "{} files", files.len());
    let mut faults = String::new();
    for file in &files {
        let parts = file.with_extension("d");
        if parts.is_dir() {
            copy(&parts, &host.dir.join(parts.file_name().expect("its name")));
        }
        let text = fs::read_to_string(file).expect("a file");
        let name = file.file_name().expect("a name").to_string_lossy();
        compare_text(&host, &name, &text, &mut faults);
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// Has keepalived and us understand `text`; what differs is added to `faults`.
pub fn compare_text(host: &Host, name: &str, text: &str, faults: &mut String) {
    let theirs = understood_by_keepalived(host, text);
    let loaded = config::load(
        &host.dir.join("keepalived.conf"),
        &Options { config_id: node_name(), ..Options::default() },
    );
    if loaded.refusal_status().is_some() {
        let _ = writeln!(faults, "{name}: refused\n{}", loaded.diagnostics.to_lines());
    }
    compare(name, &theirs, &facts(&loaded.plan), faults);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("its files") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copies");
    }
}

/// Starts keepalived with the file, has it dump, and ends it.
fn understood_by_keepalived(host: &Host, text: &str) -> Facts {
    let dumps = ["keepalived.data", "keepalived_check.data"];
    dumps.iter().for_each(|name| drop(fs::remove_file(host.dir.join(name))));
    host.write("keepalived.conf", text);
    let _ = fs::remove_file(host.dir.join("log"));
    let director = Director::start_again(host, Program::Keepalived);
    // Before that the signal would end it.
    director.wait_for_log(0, "Startup complete", Duration::from_secs(30));
    let wanted = |name: &str| match name {
        "keepalived.data" => text.contains("vrrp_instance") || text.contains("\ninclude "),
        _ => text.contains("virtual_server"),
    };
    let mut texts = Vec::new();
    eventually("keepalived dumps what it has understood", Duration::from_secs(60), || {
        director.signal(Signal::SIGUSR1);
        std::thread::sleep(Duration::from_millis(300));
        // The last section of each file is there; it may be writing the next already.
        let complete = |(name, text): (&str, String)| {
            let end = if name.contains("check") { "Health checkers" } else { "VRRP Sockpool" };
            text.contains(end).then_some(text)
        };
        let wanted = dumps.iter().filter(|name| wanted(name));
        let all = wanted.map(|name| complete((name, host.read(name)))).collect::<Option<Vec<_>>>();
        all.map(|all| texts = all).is_some()
    });
    let mut facts = Facts::new();
    texts.iter().for_each(|text| read_dump(text, &mut facts));
    drop(director);
    // Its addresses and services are no business of the next one.
    let _ = host.output(host.command("ipvsadm").arg("-C"));
    facts
}

/// What both say of a thing has to be the same; what only one of them speaks of is not compared
/// where the other has no such field at all.
fn compare(file: &str, theirs: &Facts, ours: &Facts, faults: &mut String) {
    for (thing, facts) in theirs {
        let Some(own) = ours.get(thing) else {
            let _ = writeln!(faults, "{file}: {thing}: not in our plan");
            continue;
        };
        for fact in facts.symmetric_difference(own) {
            let whose = if facts.contains(fact) { "keepalived" } else { "we" };
            let _ = writeln!(faults, "{file}: {thing}: {whose}: {fact}");
        }
    }
    for thing in ours.keys().filter(|thing| !theirs.contains_key(*thing)) {
        let _ = writeln!(faults, "{file}: {thing}: not in keepalived's dump");
    }
}

/// Fields of keepalived's that are compared, with our name for each.
const FIELDS: [(&str, &str); 21] = [
    ("VRRP Version", "version"),
    ("Virtual Router ID", "vrid"),
    ("Priority", "priority"),
    ("Preempt", "preempt"),
    ("Password", "password"),
    ("Gratuitous ARP delay", "garp delay"),
    ("Gratuitous ARP repeat", "garp repeat"),
    ("Gratuitous ARP refresh", "garp refresh"),
    ("Gratuitous ARP refresh repeat", "garp refresh repeat"),
    ("Gratuitous ARP lower priority delay", "garp lower delay"),
    ("Gratuitous ARP lower priority repeat", "garp lower repeat"),
    ("Down timer adverts", "down timer"),
    ("Unicast TTL", "unicast ttl"),
    ("Command", "command"),
    ("Rise", "rise"),
    ("Fall", "fall"),
    ("lvs_sched", "scheduler"),
    ("persistence timeout", "persistence"),
    ("Retries", "retry"),
    ("helo", "helo"),
    ("script", "script"),
];

/// Blocks of lines that follow a title and are facts each.
const LISTS: [(&str, &str); 6] = [
    ("Virtual IP (", "address"),
    ("Virtual IP Excluded", "excluded"),
    ("Unicast Peer", "peer"),
    ("Tracked interfaces", "tracks"),
    ("Tracked scripts", "tracks"),
    ("VRRP member instances", "member"),
];

#[derive(Default)]
struct Reader {
    thing: String,
    server: String,
    list: Option<&'static str>,
    /// Things of one name are numbered.
    seen: BTreeMap<String, usize>,
}

fn read_dump(text: &str, facts: &mut Facts) {
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(line, facts);
    }
}

impl Reader {
    fn begin(&mut self, thing: String, facts: &mut Facts) {
        let number = self.seen.entry(thing.clone()).and_modify(|n| *n += 1).or_insert(0);
        self.thing = if *number == 0 { thing } else { format!("{thing} #{number}") };
        facts.entry(self.thing.clone()).or_default();
    }

    fn line(&mut self, line: &str, facts: &mut Facts) {
        let (trimmed, indent) = (line.trim(), line.len() - line.trim_start().len());
        if line.starts_with("------<") || trimmed.contains("Virtual server group >") {
            self.thing.clear();
            return;
        }
        if let Some(thing) = self.title(trimmed) {
            self.list = None;
            return self.begin(thing, facts);
        }
        if self.thing.is_empty() {
            return;
        }
        let Some(found) = facts.get_mut(&self.thing) else { return };
        if let Some(list) = self.list.filter(|_| indent >= 5) {
            found.extend(item(list, trimmed));
            return;
        }
        self.list =
            LISTS.iter().find(|(title, _)| trimmed.starts_with(title)).map(|(_, list)| *list);
        if self.list.is_none() {
            found.extend(fact(&self.thing, trimmed));
        }
    }

    /// The line that begins a thing, as our name for it.
    fn title(&mut self, line: &str) -> Option<String> {
        let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
        match key {
            "VRRP Instance" => Some(format!("instance {value}")),
            "VRRP Script" => Some(format!("script {value}")),
            "VRRP Sync Group" => Some(format!("sync group {}", value.split(',').next()?)),
            "VS VIP" => {
                let (address, port) = value.split_once(", VPORT = ")?;
                self.server = format!("{address} {port}");
                Some(format!("server {}", self.server))
            }
            "VS FWMARK" | "VS GROUP" => {
                let value = value.trim_start_matches('[').split(']').next()?;
                let kind = if key == "VS GROUP" { "group" } else { "fwmark" };
                self.server = format!("{kind} {value}");
                Some(format!("server {}", self.server))
            }
            "RIP" => {
                let (address, rest) = value.split_once(", RPORT = ")?;
                let port = rest.split(',').next()?;
                Some(format!("real {} {address} {port}", self.server))
            }
            _ if line.contains(" -> [") => {
                let (server, real) = line.split_once(" -> ")?;
                Some(format!("check {} {}", plain(server), plain(real)))
            }
            _ => None,
        }
    }
}

/// `[192.0.2.1]:tcp:80` as `192.0.2.1 80`, `FWM 5` as `fwmark 5`, `[G]:0` as `group G`.
fn plain(text: &str) -> String {
    if let Some(mark) = text.strip_prefix("FWM ") {
        return format!("fwmark {mark}");
    }
    let (inside, rest) = text.trim_start_matches('[').split_once(']').unwrap_or((text, ""));
    match rest.matches(':').count() {
        1 => format!("group {inside}"),
        _ => format!("{inside} {}", rest.rsplit(':').next().unwrap_or_default()),
    }
}

fn item(list: &str, text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let value = match list {
        "address" | "excluded" => {
            let all = words.join(" ");
            let all = all.trim_end_matches(" set").replace(" scope global", "");
            let all = all.replace(" preferred_lft forever", "").replace(" deprecated", "");
            without_vmac(&all)
        }
        "peer" | "member" => (*words.first()?).to_owned(),
        _ => {
            let weight = words.get(2).copied().unwrap_or("0");
            format!("{} {weight}", words.first()?)
        }
    };
    Some(format!("{list}: {value}"))
}

/// `dev vrrp.31@eth0` as `dev eth0`: the plan has the interface that was asked for.
fn without_vmac(text: &str) -> String {
    let word = |word: &str| word.split('@').next_back().unwrap_or_default().to_owned();
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn fact(thing: &str, line: &str) -> Option<String> {
    // `Multicast address 224.0.0.18` has no sign.
    let (key, value) = line
        .split_once(" = ")
        .or_else(|| Some(("Multicast address", line.strip_prefix("Multicast address ")?)))?;
    let number = || value.split_whitespace().next().unwrap_or_default();
    let millis =
        |unit: f64| number().parse::<f64>().ok().map(|n| format!("{}", (n * unit).round() as i64));
    let is = |what: &str| thing.starts_with(what);
    let interval = if value.contains("milli") { 1.0 } else { 1000.0 };
    let timed = match key {
        "Advert interval" => Some(format!("interval ms: {}", millis(interval)?)),
        "Interval" => Some(format!("interval ms: {}", millis(1000.0)?)),
        "Timeout" if is("check") => Some(format!("timeout ms: {}", millis(1000.0)?)),
        "Delay loop" if is("check") => Some(format!("delay_loop ms: {}", millis(0.001)?)),
        "Warmup" if is("check") => Some(format!("warmup ms: {}", millis(0.001)?)),
        "Delay before retry" => Some(format!("delay_before_retry ms: {}", millis(0.001)?)),
        "Alpha" if is("check") => Some(format!("alpha: {value}")),
        "Dest" => Some(format!("target: {}", value.replace(['[', ']'], ""))),
        "WEIGHT" => None,
        "quorum" => Some(format!("quorum: {}", value.replace(" hysteresis =", ""))),
        "protocol" => Some(format!("protocol: {}", value.to_lowercase())),
        "forwarding method" if is("real") => {
            Some(format!("method: {}", value.split([',', ' ']).next()?))
        }
        "connection limit range" => Some(format!("limits: {value}")),
        "Inhibit on failure is ON" | "Inhibit on failure is OFF" => None,
        "initial weight" => Some(format!("weight: {value}")),
        "Keepalive method" => Some(format!("method: {}", value.split(',').next()?)),
        "Multicast address" => Some(format!("group: {}", value.split(',').next()?)),
        // `vrrp.31, vmac on eth0, xmit base i/f`
        "Interface" => {
            let own = value.split("vmac on ").nth(1).unwrap_or(value);
            Some(format!("interface: {}", own.split(',').next()?))
        }
        "Checked url" => Some(format!("url: {value}")),
        _ => None,
    };
    timed.or_else(|| {
        let name = FIELDS.iter().find(|(theirs, _)| *theirs == key).map(|(_, ours)| *ours)?;
        Some(format!("{name}: {value}"))
    })
}

/// The same of our plan.
fn facts(plan: &Plan) -> Facts {
    let mut facts = Facts::new();
    for instance in &plan.vrrp_instances {
        facts.insert(format!("instance {}", instance.name), instance_facts(instance));
    }
    for script in &plan.track_scripts {
        let ms = |duration: Duration| duration.as_millis();
        let own = [
            format!("command: {}", words(&script.script)),
            format!("interval ms: {}", ms(script.interval)),
            format!("rise: {}", script.rise),
            format!("fall: {}", script.fall),
        ];
        facts.insert(format!("script {}", script.name), own.into());
    }
    for group in &plan.sync_groups {
        let members = group.members.iter().map(|member| format!("member: {member}"));
        facts.insert(format!("sync group {}", group.name), members.collect());
    }
    plan.virtual_servers.iter().for_each(|server| server_facts(server, &mut facts));
    facts
}

fn words(script: &Script) -> String {
    script.argv.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}

fn instance_facts(instance: &VrrpInstance) -> BTreeSet<String> {
    let (router, garp) = (&instance.router, &instance.router.garp);
    let enabled = |on| if on { "enabled" } else { "disabled" };
    let mut facts = BTreeSet::from([
        format!("version: {}", router.version.number()),
        format!("interface: {}", instance.interface),
        format!("vrid: {}", router.vrid),
        format!("priority: {}", router.priority),
        format!("interval ms: {}", router.adver_interval.as_duration().as_millis()),
        format!("preempt: {}", enabled(router.preempt)),
        format!("garp delay: {}", garp.delay.as_secs()),
        format!("garp repeat: {}", garp.repeat),
        format!("garp refresh: {}", garp.refresh.as_secs()),
        format!("garp refresh repeat: {}", garp.refresh_repeat),
        format!("garp lower delay: {}", garp.lower_prio_delay.as_secs()),
        format!("garp lower repeat: {}", garp.lower_prio_repeat),
        format!("down timer: {}", router.down_timer_adverts),
    ]);
    match &instance.transport {
        Transport::Multicast(group) => drop(facts.insert(format!("group: {group}"))),
        Transport::Unicast { peers, .. } => {
            facts.extend(peers.iter().map(|peer| format!("peer: {}", peer.address)));
            facts.insert(format!("unicast ttl: {}", instance.unicast_ttl));
        }
    }
    if let Authentication::SimpleText(octets) = instance.authentication {
        let text = String::from_utf8_lossy(&octets);
        facts.insert(format!("password: {}", text.trim_end_matches('\0')));
    }
    let addresses = instance.addresses.iter().map(|each| ("address", each));
    let excluded = instance.excluded_addresses.iter().map(|each| ("excluded", each));
    for (list, each) in addresses.chain(excluded) {
        facts.insert(format!("{list}: {}", address(each, &instance.interface)));
    }
    for tracker in &instance.trackers {
        match &tracker.what {
            Tracked::Interface(name) | Tracked::Script(name) => {
                facts.insert(format!("tracks: {name} {}", tracker.weight));
            }
            _ => {}
        }
    }
    facts
}

fn address(each: &VirtualAddress, interface: &str) -> String {
    let net = each.address;
    let is_host = net.prefix_len() == net.max_prefix_len();
    let mut text = if is_host { net.addr().to_string() } else { net.to_string() };
    if let Some(broadcast) = each.broadcast {
        let _ = write!(text, " brd {broadcast}");
    }
    let _ = write!(text, " dev {}", each.interface.as_deref().unwrap_or(interface));
    match each.scope {
        253 => text.push_str(" scope link"),
        254 => text.push_str(" scope host"),
        _ => {}
    }
    if let Some(label) = &each.label {
        let _ = write!(text, " label {label}");
    }
    text
}

fn server_facts(server: &VirtualServer, facts: &mut Facts) {
    let name = match (&server.group, server.service.key) {
        (Some(group), _) => format!("group {}", group.name),
        (None, ServiceKey::Address { address, .. }) => format!("{} {}", address.ip, address.port),
        (None, ServiceKey::Fwmark { mark, .. }) => format!("fwmark {mark}"),
    };
    let protocol = server.protocol.map_or("none".to_owned(), |it| it.to_string());
    let mut own = BTreeSet::from([
        format!("scheduler: {}", server.service.scheduler),
        format!("quorum: {}, {}", server.quorum.quorum, server.quorum.hysteresis),
        format!("protocol: {protocol}"),
    ]);
    if let Some(persistence) = &server.service.persistence {
        own.insert(format!("persistence: {}", persistence.timeout_s));
    }
    facts.insert(format!("server {name}"), own);
    for real in &server.real_servers {
        let address = real.destination.address;
        let thing = format!("{name} {} {}", address.ip, address.port);
        facts.insert(format!("real {thing}"), real_facts(real));
        for (number, checker) in real.checkers.iter().enumerate() {
            let suffix = if number == 0 { String::new() } else { format!(" #{number}") };
            facts.insert(format!("check {thing}{suffix}"), checker_facts(checker));
        }
    }
}

fn real_facts(real: &RealServer) -> BTreeSet<String> {
    let destination = &real.destination;
    let method = match destination.forward {
        Forward::Nat => "NAT",
        Forward::DirectRoute => "DR",
        Forward::Tunnel(Tunnel::Ipip | Tunnel::Gue { .. } | Tunnel::Gre { .. }) => "TUN",
    };
    BTreeSet::from([
        format!("weight: {}", destination.weight),
        format!("method: {method}"),
        format!("limits: {} -> {}", destination.lower_threshold, destination.upper_threshold),
    ])
}

fn checker_facts(checker: &Checker) -> BTreeSet<String> {
    let timing = &checker.timing;
    let mut facts = BTreeSet::from([
        format!("delay_loop ms: {}", timing.delay_loop.as_millis()),
        format!("warmup ms: {}", timing.warmup.as_millis()),
        format!("retry: {}", timing.retry),
        format!("alpha: {}", if timing.alpha { "yes" } else { "no" }),
        format!("method: {}", checker.probe.name()),
    ]);
    if timing.retry > 0 {
        facts.insert(format!("delay_before_retry ms: {}", timing.delay_before_retry.as_millis()));
    }
    let connect = |connect: &Connect| {
        [
            format!("target: {}", connect.target.to_string().replace(['[', ']'], "")),
            format!("timeout ms: {}", connect.timeout.as_millis()),
        ]
    };
    match &checker.probe {
        Probe::Tcp(tcp) | Probe::Ping(tcp) => facts.extend(connect(tcp)),
        Probe::Http(http) => {
            facts.extend(connect(&http.connect));
            facts.extend(http.pages.urls.iter().map(|url| format!("url: {}", url.path)));
        }
        Probe::Smtp(smtp) => {
            facts.extend(connect(&smtp.connect));
            facts.insert(format!("helo: {}", smtp.helo));
        }
        Probe::Dns(dns) => facts.extend(connect(&dns.connect)),
        Probe::Udp(udp) => facts.extend(connect(&udp.connect)),
        Probe::Misc(misc) => drop(facts.insert(format!("script: {}", words(&misc.script)))),
        // The last is none of keepalived's.
        Probe::File(_) | Probe::Bfd(_) | Probe::Grpc(_) => {}
    }
    facts
}
