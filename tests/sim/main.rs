//! What must hold on simulated LANs ([`mainstay::sim`]), whatever goes wrong there.
//!
//! Each run takes kept seeds and fixed ones, the same each time. To look for others that fail, and to see one again:
//!
//! ```text
//! MAINSTAY_SIM_FRESH=100000 cargo test --release --test sim
//! MAINSTAY_SIM_SEED=4711 cargo test --test sim
//! ```

mod by_hand;

use std::sync::{Mutex, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mainstay::sim::{Failure, Property, run};

/// Seeds that failed once; they are run first, for ever.
const KEPT_SEEDS: [u64; 3] = [669164499583, 823782257416, 823782250640];
const FIXED_SEEDS: u64 = 3000;

/// An origin; nothing looks at the time that passes.
#[expect(clippy::disallowed_methods, reason = "what clocks begin with has no influence")]
fn origin() -> Instant {
    Instant::now()
}

/// What to run: the seed that was asked for, or kept and fixed ones, and so many fresh ones as were asked for.
fn seeds() -> Vec<u64> {
    if let Ok(seed) = std::env::var("MAINSTAY_SIM_SEED") {
        return vec![seed.parse().expect("MAINSTAY_SIM_SEED is a number")];
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let fresh = now.as_nanos() as u64 % 1_000_000_000_000;
    let count = std::env::var("MAINSTAY_SIM_FRESH").ok().and_then(|count| count.parse().ok());
    let fresh = fresh..fresh + count.unwrap_or(0);
    KEPT_SEEDS.into_iter().chain(0..FIXED_SEEDS).chain(fresh).collect()
}

/// Every seed is run once, for all properties together, on every processor there is.
fn failures() -> &'static [Failure] {
    static FAILURES: OnceLock<Vec<Failure>> = OnceLock::new();
    FAILURES.get_or_init(|| {
        let (seeds, failures) = (seeds(), Mutex::new(Vec::new()));
        let workers = std::thread::available_parallelism().map_or(1, |number| number.get());
        let began = origin();
        std::thread::scope(|scope| {
            for worker in 0..workers {
                let (seeds, failures) = (&seeds, &failures);
                scope.spawn(move || {
                    for seed in seeds.iter().skip(worker).step_by(workers) {
                        if let Err(failure) = run(*seed, origin()) {
                            failures.lock().expect("no worker panicked").push(*failure);
                        }
                    }
                });
            }
        });
        println!("{} seeds in {:.1} s", seeds.len(), began.elapsed().as_secs_f64());
        failures.into_inner().expect("no worker panicked")
    })
}

/// Fails with the first run in which `property` did not hold, and how to see it again.
fn holds(property: Property) {
    let failed = failures().iter().filter(|failure| failure.violation.property == property);
    let seeds: Vec<u64> = failed.clone().map(|failure| failure.seed).collect();
    if let Some(failure) = failed.min_by_key(|failure| failure.history.len()) {
        let seed = failure.seed;
        panic!(
            "MAINSTAY_SIM_SEED={seed} cargo test --test sim\n{failure}\n{} seeds failed: {:?}",
            seeds.len(),
            &seeds[..seeds.len().min(20)]
        );
    }
}

/// After a heal, and on each side of a LAN that stays in two; and where everybody preempts, it
/// has the highest priority.
#[test]
fn after_a_heal_exactly_one_router_is_active() {
    holds(Property::OneActive);
}

/// Told so, heard it, or waited for as long as RFC 9568 §6.4.2 says, with nothing left to read.
#[test]
fn no_transition_comes_without_its_cause() {
    holds(Property::Caused);
}

#[test]
fn a_sync_group_never_rests_split() {
    holds(Property::GroupTogether);
}

#[test]
fn every_timer_is_within_what_its_state_may_wait() {
    holds(Property::TimersBounded);
}

#[test]
fn what_nobody_may_believe_nobody_believes() {
    holds(Property::RejectedMovesNothing);
}

/// Held while Active only; and whatever happened before, a clean stop leaves none behind.
#[test]
fn every_address_is_released_on_stop() {
    holds(Property::Released);
}

#[test]
fn a_settled_lan_stays_settled() {
    holds(Property::Settled);
}
