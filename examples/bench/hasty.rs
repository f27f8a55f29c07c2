//! `advert_int 0.01` with all processors busy: how soon the other takes over, and that it does not
//! without need. With real-time scheduling and without.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Program::{self, Keepalived, Mainstay};
use crate::harness::{Lab, seconds};
use crate::network::{PRIORITIES, Pair};
use crate::node::{Node, Way};
use crate::table::Table;
use crate::watch::{Watch, What};
use crate::work::Work;

/// Takeovers measured.
const KILLS: usize = 10;

fn configuration(priority: u8) -> String {
    format!(
        "vrrp_instance V {{\n    interface e0\n    version 3\n    virtual_router_id 1\n    \
         priority {priority}\n    advert_int 0.01\n    virtual_ipaddress {{\n        10.0.1.1\n    }}\n}}\n"
    )
}

pub fn run(words: &[String], table: &mut Table) {
    let quiet: u64 = words.first().and_then(|word| word.parse().ok()).unwrap_or(60);
    for program in [Mainstay, Keepalived] {
        for real_time in [true, false] {
            measure(program, real_time, Duration::from_secs(quiet), table);
        }
    }
}

fn measure(program: Program, real_time: bool, quiet: Duration, table: &mut Table) {
    let scheduled = if real_time { "real-time" } else { "ordinary" };
    eprintln!("{program:?}, {scheduled} scheduling");
    let lab = Lab::new("bench-hasty");
    let pair = Pair::new(&lab.dir);
    let watch = Watch::start(&pair.hosts[1]);
    let way = Way { real_time, ..Way::quiet(program) };
    let start = |n: usize| Node::start(&pair.hosts[n], &text(program, real_time, n), way);
    let mut row = |what: &str, unit: &'static str, value: f64| {
        table.add("hasty", &format!("{scheduled}: {what}"), unit, program, value);
    };

    let mut takeovers = Vec::new();
    let _work = Work::start();
    let _two = start(1);
    for kill in 0..KILLS {
        let one = start(0);
        watch.forget();
        // keepalived has been seen not to come back.
        if !until(|| adverts_of(&watch, 1) > 50) {
            break;
        }
        if kill == 0 {
            watch.forget();
            thread::sleep(quiet);
            let what = format!("false takeovers' adverts in {} s", quiet.as_secs());
            row(&what, "", adverts_of(&watch, 2) as f64);
            row("longest time between adverts", "ms", longest_gap(&watch));
        }
        takeovers.extend(takeover(&watch, one));
    }
    takeovers.sort_by(f64::total_cmp);
    row(&format!("takeovers after {KILLS} kills"), "", takeovers.len() as f64);
    for (what, place) in [("median takeover", KILLS / 2), ("slowest takeover", KILLS - 1)] {
        if let Some(after) = takeovers.get(place) {
            row(what, "ms", *after);
        }
    }
}

/// keepalived uses real-time scheduling only when it is told to.
fn text(program: Program, real_time: bool, n: usize) -> String {
    let globals = match (program, real_time) {
        (Keepalived, true) => {
            "global_defs {\n    vrrp_rt_priority 1\n    vrrp_rlimit_rttime 2000000\n}\n"
        }
        _ => "",
    };
    format!("{globals}{}", configuration(PRIORITIES[n]))
}

/// Kills the first; milliseconds until the second took over, if it did.
fn takeover(watch: &Watch, one: Node<'_>) -> Option<f64> {
    watch.forget();
    let _ = until(|| adverts_of(watch, 1) > 10);
    one.kill9();
    until(|| adverts_of(watch, 2) > 0).then(|| gap(watch))
}

fn adverts_of(watch: &Watch, host: u8) -> usize {
    watch.count(|seen| matches!(seen.what, What::Advert { host: of, priority: 1.. } if of == host))
}

/// Whether it holds within 20 s.
fn until(holds: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > Duration::from_secs(20) {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Milliseconds from the first host's last advert to the second one's next.
fn gap(watch: &Watch) -> f64 {
    let seen = watch.seen();
    let last = seen.iter().rfind(|each| matches!(each.what, What::Advert { host: 1, .. }));
    let last = last.expect("adverts of the first").at;
    let taken = seen
        .iter()
        .find(|each| each.at > last && matches!(each.what, What::Advert { host: 2, .. }));
    seconds(last, taken.expect("an advert of the second").at) * 1e3
}

fn longest_gap(watch: &Watch) -> f64 {
    let adverts: Vec<_> = watch
        .seen()
        .into_iter()
        .filter(|each| matches!(each.what, What::Advert { host: 1, .. }))
        .collect();
    adverts.windows(2).map(|pair| seconds(pair[0].at, pair[1].at) * 1e3).fold(0.0, f64::max)
}
