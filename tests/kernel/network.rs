//! Network namespaces and interfaces for tests.

use std::process::Command;
use std::time::{Duration, Instant};

use mainstay::kernel::Rtnl;
use nix::sched::{CloneFlags, unshare};

/// Runs `test` on this thread in a new, empty network namespace, or says why not.
pub fn in_own_network(test: impl FnOnce()) {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(),
        Err(error) => println!("skipped: no network namespace of our own: {error}"),
    }
}

/// The same, inside a tokio runtime of this thread.
pub fn in_own_network_async(test: impl AsyncFnOnce()) {
    in_own_network(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    });
}

/// `ip ARGS`, which must succeed.
pub fn ip(args: &str) {
    let status = Command::new("ip").args(args.split_whitespace()).status().expect("iproute2");
    assert!(status.success(), "ip {args}");
}

/// Standard output of a command that must succeed.
pub fn output(program: &str, args: &str) -> String {
    let output = Command::new(program).args(args.split_whitespace()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A pair of connected interfaces in this namespace, up, that accept packets from each other.
pub fn veth_pair(a: &str, b: &str) {
    ip(&format!("link add {a} type veth peer name {b}"));
    for name in [a, b] {
        ip(&format!("link set {name} up"));
        for (key, value) in [("accept_local", "1"), ("rp_filter", "0")] {
            for place in [name, "all"] {
                let path = format!("/proc/sys/net/ipv4/conf/{place}/{key}");
                std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
            }
        }
    }
    // The kernel notices the carrier a little later, and drops what is sent before.
    let mut rtnl = Rtnl::open().unwrap();
    let start = Instant::now();
    let mut up = || {
        let links = rtnl.links().unwrap();
        links.iter().filter(|link| link.up && [a, b].contains(&&*link.name)).count() == 2
    };
    while !up() {
        assert!(start.elapsed() < Duration::from_secs(10), "{a} and {b} do not come up");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// No interface of this namespace gets addresses of IPv6, of which the kernel tells when it likes:
/// what is heard then is what the test does.
pub fn without_ipv6() {
    let path = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
    std::fs::write(path, "1").unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Waits until `found` gives something.
pub async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "never seen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// CPU time of this process so far, its system calls included.
pub fn cpu_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let micros = |time: nix::sys::time::TimeVal| {
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64)
    };
    micros(usage.user_time()) + micros(usage.system_time())
}
