//! Hundreds of bad servers at once, and a good one among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mainstay::check::Outcome;
use mainstay::notify::ScriptRules;
use mainstay::probe::{self, Probe};
use rustls::version::TLS13;

use crate::measured::probe;
use crate::servers::{Certificates, Flood, datagrams, fast, slow, stream, tls};
use crate::{GET, SSL_GET};

/// Bad ones of each kind.
const EACH: usize = 8;

/// The longest that a check of the good server may take while they all are at it: the machine has the floods to
/// send as well, on the same processors.
const LONGEST: Duration = Duration::from_secs(3);

fn bad_ones() -> Vec<Probe> {
    let body = "HTTP/1.1 200 OK\r\n\r\n";
    let kinds = [
        (GET, stream(fast(body, "all is well\n"))),
        (GET, stream(slow(body, "x"))),
        (GET, stream(slow("", ""))),
        (SSL_GET, tls(&TLS13, &Certificates::default(), fast(body, "all is well\n"))),
        (SSL_GET, stream(fast("", "\u{15}\u{3}\u{3}\0\u{2}\u{1}\u{5a}"))),
        ("SMTP_CHECK {\n", stream(fast("", "220-more\r\n"))),
        ("DNS_CHECK {\n", datagrams(|query, _| query.to_vec())),
    ];
    let all = kinds.iter().cycle().take(EACH * kinds.len());
    all.map(|(check, port)| probe(check, *port)).collect()
}

/// On a runtime of two threads, as the director has one.
#[test]
fn hold_up_no_check_of_a_good_one() {
    let good = stream(Flood::once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let good = probe("HTTP_GET {\n url {\n path /\n }\n", good);
    let Probe::Http(mut http) = good else { panic!("an HTTP_GET") };
    http.connect.timeout = 2 * LONGEST;
    let good = Probe::Http(http);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    for bad in bad_ones() {
        let over = over.clone();
        runtime.spawn(async move {
            let rules = ScriptRules::default();
            while !over.load(Ordering::SeqCst) {
                let outcome = probe::run(&bad, 0, &rules).await;
                assert!(matches!(outcome, Outcome::Failure(_)), "{outcome:?}");
            }
        });
    }
    let mut took = Vec::new();
    for _ in 0..30 {
        let good = good.clone();
        let begun = Instant::now();
        let attempt =
            runtime.spawn(async move { probe::run(&good, 0, &ScriptRules::default()).await });
        assert_eq!(runtime.block_on(attempt).unwrap(), Outcome::Success);
        took.push(begun.elapsed());
    }
    over.store(true, Ordering::SeqCst);
    took.sort_unstable();
    println!("good checks: median {:?}, longest {:?}", took[took.len() / 2], took[took.len() - 1]);
    assert!(took[took.len() - 1] < LONGEST, "{took:?}");
    runtime.shutdown_timeout(Duration::from_secs(10));
}
