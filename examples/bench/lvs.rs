//! What thousands of real servers cost: the table written, changed and removed, and their checks. It needs a
//! kernel with IPVS, so `scripts/bench` runs it in the lab.

use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::Program::{self, Keepalived, Mainstay};
use crate::harness::{Host, IpvsCommands, Lab, fetch};
use crate::node::{Node, Way};
use crate::table::Table;

const BOTH: [Program; 2] = [Mainstay, Keepalived];

/// Until then something must have happened that takes seconds.
const LONG: Duration = Duration::from_secs(240);

/// Once nothing has been computed for so long, nothing is under way.
const QUIET: Duration = Duration::from_secs(3);

/// The same between reloads: together they are over before Mainstay looks for what others did to the table.
const QUIET_RELOAD: Duration = Duration::from_secs(1);

/// So many reloads are counted: a kernel that counts in hundredths of a second says little of one.
const RELOADS: u32 = 5;

/// Virtual servers, and real servers of each.
const SMALL: (usize, usize) = (1_000, 10);
const LARGE: (usize, usize) = (2_300, 16);

/// Those that are checked, each second once.
const CHECKED: (usize, usize) = (200, 10);

/// Those of which the memory is looked at, and their delay_loop: 400 checks a second, which leave nobody behind.
const CALM: [((usize, usize), usize); 2] = [((100, 10), 3), ((700, 10), 18)];

/// Seconds that checks are counted for.
const COUNTED: f64 = 10.0;

/// How often all is done: the processor is shared, with others and with nginx, and is not always as fast. The
/// better turn counts.
const TURNS: usize = 3;

/// What (a), (b) and (c) come to, as a table has it.
const WRITTEN: [(&str, &str, &str); 6] = [
    ("a", "1,000 x 10 into an empty table: CPU", "ms"),
    ("b", "2,300 x 16, one weight changed: CPU of the reload", "ms"),
    ("b", "2,300 x 16, one weight changed: told to the kernel", "commands"),
    ("c", "2,300 x 16: CPU of the stop", "ms"),
    ("c", "2,300 x 16: stopped after", "ms"),
    ("d", "memory per real server, without checks", "KiB"),
];

const CHECKS: [(&str, &str); 2] = [
    ("HTTP_GET", "HTTP_GET {\n url {\n path /\n status_code 200\n }\n connect_timeout 3\n }"),
    ("TCP_CHECK", "TCP_CHECK {\n connect_timeout 3\n }"),
];

pub fn run(letters: &[String], table: &mut Table) {
    let wanted = |letter: &str| letters.is_empty() || letters.iter().any(|each| each == letter);
    if ["a", "b", "c"].into_iter().any(wanted) {
        unchecked(table);
    }
    if wanted("d") {
        for (name, check) in CHECKS {
            checked(name, check, table);
        }
    }
}

/// What is measured of both programs, in turns; of each of them the better.
fn in_turns<T>(
    what: &str,
    measure: impl Fn(Program) -> T,
    better: impl Fn(T, T) -> T,
) -> [(Program, T); 2] {
    let turn = |number| {
        BOTH.map(|program| {
            eprintln!("{what}: {program:?}, turn {number} of {TURNS}");
            (program, measure(program))
        })
    };
    let better_of = |before: [(Program, T); 2], now: [(Program, T); 2]| {
        let [ours, theirs] = before;
        let [(_, ours_now), (_, theirs_now)] = now;
        [(ours.0, better(ours.1, ours_now)), (theirs.0, better(theirs.1, theirs_now))]
    };
    (2..=TURNS).fold(turn(1), |best, number| better_of(best, turn(number)))
}

/// (a), (b), (c), and what a server takes that is not checked.
fn unchecked(table: &mut Table) {
    type Figures = [f64; WRITTEN.len()];
    let least = |one: Figures, other: Figures| std::array::from_fn(|at| one[at].min(other[at]));
    let what = format!("(a) {SMALL:?} and {LARGE:?} servers, no checks");
    for (program, figures) in in_turns(&what, written, least) {
        for ((letter, what, unit), figure) in WRITTEN.into_iter().zip(figures) {
            table.add(letter, what, unit, program, figure);
        }
    }
}

/// (a), (b) and (c): the table of two plans, reloads with one weight changed, and a stop.
fn written(program: Program) -> [f64; WRITTEN.len()] {
    let lab = Lab::new("bench-lvs");
    let host = host(&lab);
    let node = Node::start(&host, &farm(SMALL, 1, "", 2), Way::quiet(program));
    let started = settled(&node, QUIET, || services(&host) == SMALL);
    let few = node.resident_kib().0;
    node.terminate();

    let node = Node::start(&host, &farm(LARGE, 1, "", 2), Way::quiet(program));
    let before = settled(&node, QUIET, || services(&host) == LARGE);
    let each = (node.resident_kib().0 - few) / (count(LARGE) - count(SMALL));
    let mut reloaded = before;
    for weight in 2..2 + RELOADS {
        host.write("keepalived.conf", farm(LARGE, weight, "", 2));
        node.signal(Signal::SIGHUP);
        reloaded = settled(&node, QUIET_RELOAD, || weights(&host, weight) == 1);
    }
    let reload = millis(reloaded.saturating_sub(before)) / f64::from(RELOADS);
    // Watching costs whoever is watched.
    let (commands, weight) = (IpvsCommands::watch(&host), 2 + RELOADS);
    host.write("keepalived.conf", farm(LARGE, weight, "", 2));
    node.signal(Signal::SIGHUP);
    settled(&node, QUIET_RELOAD, || weights(&host, weight) == 1);
    let commands = commands.take() as f64;
    host.ip("link delete nlmon0");
    let (began, stop) = (Instant::now(), node.terminate());
    [millis(started), reload, commands, millis(stop), millis(began.elapsed()), each]
}

/// (d): what one check of a server that answers costs, and what the server takes of memory.
fn checked(name: &str, check: &str, table: &mut Table) {
    let what = format!("(d) {} servers checked by {name}", count(CHECKED));
    let cheaper = |one: (f64, f64), other: (f64, f64)| if other.1 < one.1 { other } else { one };
    let measured = in_turns(&what, |program| counted(program, check), cheaper);
    for (program, (rate, cpu_us)) in measured {
        table.add("d", &format!("{name}: checks a second"), "/s", program, rate);
        table.add("d", &format!("{name}: CPU per check"), "us", program, cpu_us);
        let what = format!("{name}: memory per real server with its check");
        table.add("d", &what, "KiB", program, memory(program, check));
    }
}

/// Checks a second, and the microseconds of processor time that one takes.
fn counted(program: Program, check: &str) -> (f64, f64) {
    let lab = Lab::new("bench-checks");
    let host = host(&lab);
    let server = nginx(&host);
    let node = Node::start(&host, &farm(CHECKED, 1, check, 1), Way::quiet(program));
    wait("all are checked", || accepted(&host) > 3.0 * count(CHECKED));
    let before = (node.cpu(), accepted(&host), Instant::now());
    thread::sleep(Duration::from_secs_f64(COUNTED));
    let (cpu, checks, time) =
        (node.cpu() - before.0, accepted(&host) - before.1, before.2.elapsed().as_secs_f64());
    drop(node);
    drop(server);
    (checks / time, millis(cpu) * 1e3 / checks)
}

/// KiB that one more real server takes with its check.
fn memory(program: Program, check: &str) -> f64 {
    let lab = Lab::new("bench-memory");
    let host = host(&lab);
    let server = nginx(&host);
    let [few, many] = CALM.map(|(size, delay_loop)| {
        let begun = accepted(&host);
        let node = Node::start(&host, &farm(size, 1, check, delay_loop), Way::quiet(program));
        wait("all are checked", || accepted(&host) > begun + 1.5 * count(size));
        node.resident_kib().0
    });
    drop(server);
    (many - few) / (count(CALM[1].0) - count(CALM[0].0))
}

/// Each address of 198.19.0.0/16 is one of the host's own, so that whatever listens serves them all.
fn host(lab: &Lab) -> Host {
    let host = Host::unplugged(&lab.dir, "director");
    host.ip("link set lo up\nroute add local 198.19.0.0/16 dev lo");
    host
}

/// So many virtual servers; the first real server of the first has `weight`.
fn farm(
    (services, servers): (usize, usize),
    weight: u32,
    check: &str,
    delay_loop: usize,
) -> String {
    let mut text = String::from("global_defs {\n    router_id bench\n}\n");
    for service in 0..services {
        let _ = writeln!(
            text,
            "virtual_server 198.18.{}.{} 80 {{\n    delay_loop {delay_loop}\n    lvs_sched rr\n    \
             lvs_method NAT\n    protocol TCP",
            service / 250,
            service % 250 + 1
        );
        for server in 0..servers {
            let weight = if service + server == 0 { weight } else { 1 };
            let number = service * servers + server;
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

fn count((services, servers): (usize, usize)) -> f64 {
    (services * servers) as f64
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The table as proc_ip_vs shows it, line by line.
fn lines(host: &Host) -> Vec<String> {
    let text = host.enter(|| fs::read_to_string("/proc/thread-self/net/ip_vs"));
    text.expect("a table").lines().map(str::to_owned).collect()
}

/// Virtual servers, and real servers of each.
fn services(host: &Host) -> (usize, usize) {
    let lines = lines(host);
    let services = lines.iter().filter(|line| line.starts_with("TCP")).count();
    let servers = lines.iter().filter(|line| line.trim_start().starts_with("-> C6")).count();
    (services, servers.checked_div(services).unwrap_or(0))
}

/// Real servers of this weight.
fn weights(host: &Host, weight: u32) -> usize {
    let weight = weight.to_string();
    let of = |line: &String| line.split_whitespace().nth(3) == Some(&weight);
    lines(host).iter().filter(|line| line.trim_start().starts_with("-> C6") && of(line)).count()
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "not within {LONG:?}: {what}");
        thread::sleep(Duration::from_millis(500));
    }
}

/// The processor time so far, once `holds` and nothing more is done for the time of `quiet`.
fn settled(node: &Node<'_>, quiet: Duration, holds: impl FnMut() -> bool) -> Duration {
    wait("the table is as wanted", holds);
    loop {
        let before = node.cpu();
        thread::sleep(quiet);
        if node.cpu() - before < Duration::from_millis(20) {
            return before;
        }
    }
}

/// Debian's nginx on port 80, and on port 81 its own counts.
fn nginx(host: &Host) -> std::process::Child {
    let dir = host.dir.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .concat();
    let config = format!(
        "user root;\npid {dir}/nginx.pid;\ndaemon off;\nmaster_process off;\nerror_log {dir}/errors;\n\
         events {{\nworker_connections 8192;\n}}\nhttp {{\n{temporary}access_log off;\n\
         server {{\nlisten 80 backlog=8192;\nreturn 200 well;\n}}\n\
         server {{\nlisten 127.0.0.1:81;\nstub_status;\n}}\n}}\n"
    );
    let config = host.write("nginx.conf", config);
    let mut command = host.command("/usr/sbin/nginx");
    host.spawn(command.arg("-c").arg(config)).expect("nginx starts")
}

/// Connections that nginx has taken.
fn accepted(host: &Host) -> f64 {
    let counts = fetch(host, "127.0.0.1:81", "/").unwrap_or_default();
    let mut lines = counts.lines().skip_while(|line| !line.starts_with("server accepts"));
    let numbers = lines.nth(1).unwrap_or_default();
    numbers.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}
