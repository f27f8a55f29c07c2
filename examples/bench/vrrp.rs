//! Steps (a) to (e): what thousands of instances cost, and how soon they move.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::harness::Program::{self, Keepalived, Mainstay};
use crate::harness::{Host, Lab, seconds};
use crate::network::{INTERFACES, MASTER_DOWN, PRIORITIES, Pair, configuration};
use crate::node::{Node, Way};
use crate::sink::{Log, Reading};
use crate::table::Table;
use crate::watch::{Router, Seen, Watch, What};
use crate::work::Work;

const BOTH: [Program; 2] = [Mainstay, Keepalived];

/// Until then something must have happened that takes seconds.
const LONG: Duration = Duration::from_secs(120);

/// After a take-over there is a second block of gratuitous ARPs, 5 s later.
const SETTLE: Duration = Duration::from_secs(7);

/// Addresses that move.
const COUNT: usize = 4000;

/// Times that each takeover is measured; the median counts.
const ROUNDS: usize = 3;

/// Seconds of steady state that are measured.
const STEADY: f64 = 10.0;

pub fn run(letters: &[String], table: &mut Table) {
    let wanted = |letter: &str| letters.is_empty() || letters.iter().any(|each| each == letter);
    if wanted("a") || wanted("e") {
        steady_state(table);
    }
    if wanted("b") {
        takeovers(table, "b", "logging off", Log::Off);
    }
    if wanted("c") {
        takeovers(table, "c", "pipe not read for 5 s", Log::Pipe);
        takeovers(table, "c", "syslog stopped for 5 s", Log::Syslog);
    }
    if wanted("d") {
        both_at_once(table);
    }
}

/// (a) and (e): 1,000 and 4,000 instances when nothing happens.
fn steady_state(table: &mut Table) {
    for program in BOTH {
        let mut memory = Vec::new();
        for count in [1000, 4000] {
            eprintln!("(a) {program:?}: {count} instances, steady");
            let lab = Lab::new("bench-steady");
            let pair = Pair::new(&lab.dir);
            let (one, two) = start_both(&pair, count, Way::quiet(program));
            let before = (one.cpu(), two.cpu(), Instant::now());
            thread::sleep(Duration::from_secs_f64(STEADY));
            let wall = before.2.elapsed().as_secs_f64();
            let share = |now: Duration, then: Duration| (now - then).as_secs_f64() * 1e3 / wall;
            let cpu = (share(one.cpu(), before.0), share(two.cpu(), before.1));
            let name = |role| format!("{count} instances, CPU as {role}");
            table.add("a", &name("MASTER"), "ms/s", program, cpu.0);
            table.add("a", &name("BACKUP"), "ms/s", program, cpu.1);
            memory.push((one.resident_kib(), two.resident_kib()));
        }
        let [few, many] = memory[..] else { unreachable!("two counts were measured") };
        table.add("e", "4000 instances, resident", "MB", program, many.0.1 / 1e3);
        let each = |few: f64, many: f64| (many - few) / 3000.0;
        table.add("e", "memory per instance as MASTER", "KiB", program, each(few.0.0, many.0.0));
        table.add("e", "memory per instance as BACKUP", "KiB", program, each(few.1.0, many.1.0));
    }
}

/// The first becomes MASTER of all, then the second joins as BACKUP, and all has settled.
fn start_both(pair: &Pair, count: usize, way: Way) -> (Node<'_>, Node<'_>) {
    let [r1, r2] = &pair.hosts;
    let one = Node::start(r1, &configuration(count, PRIORITIES[0]), way);
    wait("the first is MASTER of all", || held(r1) >= count);
    let two = Node::start(r2, &configuration(count, PRIORITIES[1]), way);
    thread::sleep(SETTLE);
    assert_eq!(held(r2), 0, "the second is BACKUP of all");
    (one, two)
}

/// Virtual addresses that a host has.
fn held(host: &Host) -> usize {
    host.addresses().iter().filter(|(_, address)| address.octets()[2] == 1).count()
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "not within {LONG:?}: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// What one takeover was like.
struct Takeover {
    /// Milliseconds by which the last address, and half of them, were later than their routers' waits.
    last: f64,
    median: f64,
    /// Milliseconds of processor time.
    cpu: f64,
}

/// (b) and (c), a few times with either first: whoever comes first finds the kernel's memory cold.
fn takeovers(table: &mut Table, step: &'static str, name: &str, log: Log) {
    let mut seen: HashMap<Program, Vec<Takeover>> = HashMap::new();
    for round in 0..ROUNDS {
        let mut order = BOTH;
        order.rotate_left(round % 2);
        for program in order {
            eprintln!("({step}) {program:?}: {COUNT} addresses move, {name}, {}", round + 1);
            seen.entry(program).or_default().push(takeover(program, log));
        }
    }
    for program in BOTH {
        let all = &seen[&program];
        let mut row = |what: &str, figure: fn(&Takeover) -> f64| {
            let mut figures: Vec<f64> = all.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            let what = format!("{COUNT} addresses, {name}: {what}");
            table.add(step, &what, "ms", program, figures[figures.len() / 2]);
        };
        row("last one late by", |each| each.last);
        row("median late by", |each| each.median);
        row("CPU", |each| each.cpu);
    }
}

/// The MASTER of 4,000 addresses is killed. Each address is due one master-down after the
/// last advert of its router; it is there when its first gratuitous ARP is on the wire.
fn takeover(program: Program, log: Log) -> Takeover {
    let lab = Lab::new("bench-takeover");
    let pair = Pair::new(&lab.dir);
    let (one, two) = start_both(&pair, COUNT, Way { log, ..Way::quiet(program) });
    let watch = Watch::start(&pair.hosts[1]);
    thread::sleep(Duration::from_secs(2));
    let before = two.cpu();
    let killed = one.kill9();
    if log != Log::Off {
        two.sink.set(Reading::NotAtAll);
        thread::sleep(Duration::from_secs(5));
        two.sink.set(Reading::Freely);
    }
    wait("the second announces all", || announced(&watch, killed).len() >= COUNT);
    // Far from the second block of gratuitous ARPs.
    thread::sleep(Duration::from_millis(300));
    let cpu = two.cpu() - before;
    let late = lateness(&watch.seen(), killed);
    assert_eq!(late.len(), COUNT, "each has advertised and was announced");
    Takeover { last: late[COUNT - 1], median: late[COUNT / 2], cpu: cpu.as_secs_f64() * 1e3 }
}

/// When each router's address was first announced after `moment`.
fn announced(watch: &Watch, moment: SystemTime) -> HashMap<Router, SystemTime> {
    let mut first = HashMap::new();
    for seen in watch.seen() {
        if seen.what == What::GratuitousArp && seen.at > moment {
            first.entry(seen.router).or_insert(seen.at);
        }
    }
    first
}

/// By how many milliseconds each address was later than its router's wait, in ascending order.
fn lateness(seen: &[Seen], killed: SystemTime) -> Vec<f64> {
    let mut last_advert = HashMap::new();
    let mut announced = HashMap::new();
    for each in seen {
        match each.what {
            What::Advert { host: 1, .. } => drop(last_advert.insert(each.router, each.at)),
            What::GratuitousArp if each.at > killed => {
                announced.entry(each.router).or_insert(each.at);
            }
            What::Advert { .. } | What::GratuitousArp => {}
        }
    }
    let late = |(router, at): (&Router, &SystemTime)| {
        Some((seconds(*last_advert.get(router)?, *at) - MASTER_DOWN) * 1e3)
    };
    let mut late: Vec<f64> = announced.iter().filter_map(late).collect();
    late.sort_by(f64::total_cmp);
    late
}

/// (d): both started at once, with all processors busy and a log that is read once a second.
fn both_at_once(table: &mut Table) {
    const EACH: usize = 1000;
    for program in BOTH {
        eprintln!("(d) {program:?}: both nodes start at once with {EACH} instances");
        let lab = Lab::new("bench-dual");
        let pair = Pair::new(&lab.dir);
        let watch = Watch::start(&pair.hosts[1]);
        let _work = Work::start();
        let way = Way { log: Log::Pipe, reading: Reading::BySeconds, ..Way::quiet(program) };
        let start =
            |n: usize| Node::start(&pair.hosts[n], &configuration(EACH, PRIORITIES[n]), way);
        let _nodes = [start(0), start(1)];
        let advertised = || {
            let mut of_first: HashMap<Router, ()> = HashMap::new();
            for seen in watch.seen() {
                if matches!(seen.what, What::Advert { host: 1, .. }) {
                    of_first.insert(seen.router, ());
                }
            }
            of_first.len()
        };
        let started = Instant::now();
        while advertised() < EACH && started.elapsed() < LONG {
            thread::sleep(Duration::from_millis(200));
        }
        let until = started.elapsed().as_secs_f64();
        table.add("d", "until the first has advertised all (at most 120)", "s", program, until);
        // Two masters may last long: until ten seconds without an advert of the second, at most a minute.
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) && !quiet(&watch, Duration::from_secs(10)) {
            thread::sleep(Duration::from_millis(500));
        }
        let dual = duals(&watch.seen());
        table.add("d", "routers with two masters", "", program, dual.routers as f64);
        table.add("d", "most adverts of a second master", "", program, dual.adverts as f64);
        table.add("d", "longest with two masters", "s", program, dual.longest);
    }
}

fn quiet(watch: &Watch, period: Duration) -> bool {
    let since = SystemTime::now() - period;
    watch.count(|seen| {
        seen.at > since && matches!(seen.what, What::Advert { host: 2, priority: 1.. })
    }) == 0
}

struct Duals {
    routers: usize,
    adverts: usize,
    longest: f64,
}

/// Adverts of the lower priority after the first one of the higher, by router.
fn duals(seen: &[Seen]) -> Duals {
    let mut first = HashMap::new();
    let mut after: HashMap<Router, (usize, f64)> = HashMap::new();
    for each in seen {
        match each.what {
            What::Advert { host: 1, .. } => drop(first.entry(each.router).or_insert(each.at)),
            What::Advert { priority: 1.., .. } => {
                if let Some(since) = first.get(&each.router) {
                    let count = after.entry(each.router).or_default();
                    *count = (count.0 + 1, seconds(*since, each.at));
                }
            }
            What::Advert { .. } | What::GratuitousArp => {}
        }
    }
    let adverts = after.values().map(|each| each.0).max().unwrap_or(0);
    let longest = after.values().map(|each| each.1).fold(0.0, f64::max);
    Duals { routers: after.len(), adverts, longest }
}

const _: () = assert!(4000 / INTERFACES <= 255, "each interface has 255 VRIDs");
