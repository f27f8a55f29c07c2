//! Whether tens of thousands of checks make adverts late: ten instances beside 40,000 checked real servers
//! in one process, and the same ten alone. On this machine's own kernel, with IPVS or without, because
//! a guest's clock knows tens of milliseconds only.
//!
//! Seen from the other end of the cable: an advert is late by what it comes after the schedule of its
//! instance. Where the machine itself stood still nobody could be in time, and those adverts are
//! counted apart.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;

use crate::farm::{
    ALL_SERVERS, Acceptor, DELAY_LOOP, INTERVAL, ROUTERS, instances, lateness, prepare, servers,
};
use crate::harness::Program::Mainstay;
use crate::harness::{Lab, seconds};
use crate::network::Pair;
use crate::node::{Node, Way};
use crate::pulse::Pulse;
use crate::table::Table;
use crate::watch::{Router, Watch, What};

pub const COLUMNS: [&str; 2] = ["with checks", "without"];

/// In milliseconds: later than this is late.
const LATE: f64 = 5.0;

/// Until then something must have happened that takes seconds.
const LONG: Duration = Duration::from_secs(120);

/// Reloads, and dumps.
const TIMES: u32 = 5;

pub fn run(words: &[String], table: &mut Table) {
    let period: u64 = words.first().and_then(|word| word.parse().ok()).unwrap_or(30);
    let period = Duration::from_secs(period);
    with_checks(period, table);
    without(period, table);
}

fn with_checks(period: Duration, table: &mut Table) {
    let lab = Lab::new("bench-checks");
    let bench = Bench::new(&lab);
    let mut phase = |name: &str, during: &dyn Fn()| bench.phase(name, 0, table, during);
    let script = bench.pair.hosts[0].script("well", "exit 0");
    let farm = |weight| servers(&script, weight);
    let server = Acceptor::start(&bench.pair.hosts[0]);
    let node = bench.start(&farm(1));
    phase("first checks", &|| wait("all are checked", || server.accepted() > ALL_SERVERS));
    let (cpu, checks) = (node.cpu(), server.accepted());
    phase("steady", &|| thread::sleep(period));
    let (cpu, checks) = (node.cpu() - cpu, server.accepted() - checks);
    phase("reloads", &|| bench.reload(&node, farm));
    phase("dumps", &|| (0..TIMES).for_each(|_| drop(bench.dump(&node))));
    drop(server);
    let round = Duration::from_secs(DELAY_LOOP + 2);
    phase("all servers fail", &|| thread::sleep(round));
    let _server = Acceptor::start(&bench.pair.hosts[0]);
    phase("all come back", &|| thread::sleep(round));

    let mut row = |what, unit, figure: f64| table.put("", what, unit, 0, figure);
    row("steady: TCP_CHECK", "/s", checks as f64 / period.as_secs_f64());
    row("steady: CPU", "%", cpu.as_secs_f64() / period.as_secs_f64() * 100.0);
    row("resident memory", "MB", node.resident_kib().0 / 1024.0);
}

/// What the machine makes of it.
fn without(period: Duration, table: &mut Table) {
    let lab = Lab::new("bench-adverts");
    let bench = Bench::new(&lab);
    let mut phase = |name: &str, during: &dyn Fn()| bench.phase(name, 1, table, during);
    let node = bench.start("");
    phase("steady", &|| thread::sleep(period));
    phase("reloads", &|| bench.reload(&node, |_| String::new()));
    phase("dumps", &|| (0..TIMES).for_each(|_| drop(bench.dump(&node))));
}

/// Two hosts, of which only the first has a director; from the other one is looked on.
struct Bench {
    pair: Pair,
    watch: Watch,
    pulse: Pulse,
}

impl Bench {
    fn new(lab: &Lab) -> Bench {
        let pair = Pair::new(&lab.dir);
        prepare(&pair.hosts[0]);
        let watch = Watch::start(&pair.hosts[1]);
        Bench { pair, watch, pulse: Pulse::start() }
    }

    /// A director with `farm` beside its instances, once all of these send.
    fn start(&self, farm: &str) -> Node<'_> {
        let way = Way::quiet(Mainstay);
        let node = Node::start(&self.pair.hosts[0], &(instances("e0", "10.0.1") + farm), way);
        wait("all are MASTER", || (1..=ROUTERS).all(|vrid| !self.adverts_of((0, vrid)).is_empty()));
        node
    }

    /// Changes one weight, again and again.
    fn reload(&self, node: &Node<'_>, farm: impl Fn(u32) -> String) {
        for weight in 2..2 + TIMES {
            let farm = farm(weight);
            self.pair.hosts[0].write("keepalived.conf", instances("e0", "10.0.1") + &farm);
            node.signal(Signal::SIGHUP);
            thread::sleep(Duration::from_secs(2));
            let changed = format!("up, weight {weight}\n");
            let dump = self.dump(node);
            assert!(farm.is_empty() || dump.contains(&changed), "no {changed}{dump}");
        }
    }

    fn dump(&self, node: &Node<'_>) -> String {
        let (host, name) = (&self.pair.hosts[0], "run/mainstay/mainstay.data");
        let _ = std::fs::remove_file(host.dir.join(Path::new(name)));
        node.signal(Signal::SIGUSR1);
        // The last character tells a whole file from one that is being written.
        wait("a dump", || host.read(name).ends_with('\n'));
        host.read(name)
    }

    /// Judges the adverts of what happens `during` it.
    fn phase(&self, name: &str, column: usize, table: &mut Table, during: &dyn Fn()) {
        self.watch.forget();
        let began = SystemTime::now();
        during();
        let due = (seconds(began, SystemTime::now()) / INTERVAL) as usize;
        // What is on its way is still for this phase.
        thread::sleep(Duration::from_millis(50));
        let (mut late, mut excused, mut missing) = (Vec::new(), 0, 0);
        for vrid in 1..=ROUTERS {
            let moments = self.adverts_of((0, vrid));
            missing += due.saturating_sub(moments.len());
            for (at, by) in moments.iter().zip(lateness(&moments)) {
                late.push(by);
                excused += usize::from(by > LATE && !self.pulse.was_regular_at(*at));
            }
        }
        late.sort_by(f64::total_cmp);
        let over = late.iter().filter(|by| **by > LATE).count();
        let mut row = |what: &str, unit: &'static str, value: f64| {
            table.put("", &format!("{name}: {what}"), unit, column, value);
        };
        row("adverts", "", late.len() as f64);
        row("adverts missing", "", missing as f64);
        for (what, part) in [("median", 0.5), ("99 of 100", 0.99), ("the latest", 1.0)] {
            row(what, "ms late", part_of(&late, part));
        }
        row("over 5 ms late", "", (over - excused) as f64);
        row("the same, the machine standing still", "", excused as f64);
    }

    fn adverts_of(&self, router: Router) -> Vec<SystemTime> {
        let seen = self.watch.seen().into_iter();
        let of = |what| matches!(what, What::Advert { host: 1, .. });
        seen.filter(|each| each.router == router && of(each.what)).map(|each| each.at).collect()
    }
}

/// Of sorted figures, the one that so large a part of them is not above.
fn part_of(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "not within {LONG:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
