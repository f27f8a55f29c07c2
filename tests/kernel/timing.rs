//! Scheduling and memory locking, seen from outside.

use std::time::{Duration, Instant};

use mainstay::kernel::{DeadlineTimer, lock_memory, name_thread, real_time};

fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).expect("a field");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn real_time_is_the_threads_own_and_not_its_childrens() {
    std::thread::spawn(|| {
        name_thread(c"vrrp").unwrap();
        if let Err(error) = real_time(50) {
            println!("skipped: no real-time scheduling: {error}");
            return;
        }
        // Fields 40 and 41 of proc(5): real-time priority and policy.
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        assert!(stat.contains("(vrrp)"), "{stat}");
        let after_name = stat.rsplit(") ").next().unwrap();
        let fields: Vec<_> = after_name.split(' ').collect();
        assert_eq!(fields[37], "50");
        assert_eq!(fields[38], libc::SCHED_RR.to_string());

        let child = std::process::Command::new("cat").arg("/proc/self/stat").output().unwrap();
        let child = String::from_utf8(child.stdout).unwrap();
        assert_eq!(child.rsplit(") ").next().unwrap().split(' ').nth(38), Some("0"), "{child}");
    })
    .join()
    .unwrap();
}

#[test]
fn locked_memory_stays_small() {
    let before = status("VmRSS:");
    if let Err(error) = lock_memory() {
        println!("skipped: memory cannot be locked: {error}");
        return;
    }
    let sleepers: Vec<_> = (0..8)
        .map(|_| std::thread::spawn(|| std::thread::sleep(Duration::from_millis(50))))
        .collect();
    let (resident, locked) = (status("VmRSS:"), status("VmLck:"));
    println!("resident {before} kB before, {resident} kB after, locked on touch {locked} kB");
    for sleeper in sleepers {
        sleeper.join().unwrap();
    }
    nix::sys::mman::munlockall().unwrap();
    assert!(locked > 0);
    assert!(resident < before + 12_288, "thread stacks must not be made resident");
}

/// Prints how late a deadline is; no bound, as machines that run tests may be busy.
#[test]
fn deadline_is_late_by_little() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut timer = DeadlineTimer::new().unwrap();
        let mut late = Vec::new();
        for _ in 0..100 {
            let deadline = Instant::now() + Duration::from_millis(3);
            timer.set(Some(deadline)).unwrap();
            timer.reached().await.unwrap();
            late.push(deadline.elapsed());
        }
        late.sort();
        println!("late by {:?} (median), {:?} (95 of 100)", late[50], late[94]);
    });
}
