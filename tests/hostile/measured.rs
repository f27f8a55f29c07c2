//! One attempt on a thread of its own, and what it cost.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use mainstay::check::Outcome;
use mainstay::config::parse_text;
use mainstay::notify::ScriptRules;
use mainstay::probe::{self, Probe};

/// `connect_timeout` of checks that may take it once, for all that they do.
const OF_ONE_STEP: Duration = Duration::from_secs(1);

/// And of those of several steps: one for each, and six in all.
const OF_MANY_STEPS: Duration = Duration::from_millis(300);
const STEPS: u32 = 6;

pub struct Cost {
    pub outcome: Outcome,
    /// What it may take.
    pub own_time: Duration,
    pub time: Duration,
    /// Octets that it held at a time, at most.
    pub memory: isize,
}

thread_local! {
    /// Octets that this thread holds, and most of them so far.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(octets: isize) {
    // The thread may be past its thread-locals.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + octets, most.max(now + octets)));
    });
}

// SAFETY: everything is left to the system's allocator; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// `connect_timeout` of a check, and what it may take.
fn times(check: &str) -> (Duration, Duration) {
    match check.split(' ').next() {
        Some("TCP_CHECK" | "DNS_CHECK" | "UDP_CHECK") => (OF_ONE_STEP, OF_ONE_STEP),
        Some("HTTP_GET" | "SSL_GET" | "SMTP_CHECK" | "GRPC_CHECK") => {
            (OF_MANY_STEPS, OF_MANY_STEPS * STEPS)
        }
        other => panic!("which times has {other:?}?"),
    }
}

/// The probe of a checker block that is left open, of a server on loopback.
pub fn probe(check: &str, port: u16) -> Probe {
    let text = format!(
        "virtual_server 192.0.2.10 80 {{\n protocol TCP\n lb_algo rr\n lb_kind NAT\n \
         real_server 127.0.0.1 {port} {{\n{check} connect_timeout {}\n }}\n }}\n}}\n",
        times(check).0.as_secs_f64()
    );
    let loaded = parse_text("t", text);
    let findings: Vec<_> = loaded.diagnostics.iter().map(|finding| &finding.message).collect();
    assert!(findings.is_empty(), "{check}: {findings:?}");
    loaded.plan.virtual_servers[0].real_servers[0].checkers[0].probe.clone()
}

pub fn measure(check: &str, port: u16) -> Cost {
    let (probe, (_, own_time)) = (probe(check, port), times(check));
    let attempt = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let rules = ScriptRules::default();
        // What is made at first use and kept is no cost of an attempt: TLS configurations, the runtime's own.
        let _ = runtime.block_on(probe::run(&probe, 0, &rules));
        let begun = Instant::now();
        let (before, _) = HELD.get();
        HELD.set((before, before));
        let outcome = runtime.block_on(probe::run(&probe, 0, &rules));
        let (_, most) = HELD.get();
        Cost { outcome, own_time, time: begun.elapsed(), memory: most - before }
    };
    std::thread::spawn(attempt).join().unwrap()
}
