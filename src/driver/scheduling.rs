//! How the threads are scheduled (`vrrp_*`, `bfd_*` and `checker_*` of `global_defs`). Read at start.

use std::io;

use crate::config::plan::{Global, Plan, Scheduling};
use crate::kernel::{bind_to, gather_heap, lock_memory, real_time, set_nice};

/// The vrrp thread's real-time priority where nothing is said: the lowest there is. It is above
/// every ordinary process, which is all that adverts need.
const REAL_TIME_PRIORITY: u8 = 1;
/// The highest there is.
const HIGHEST: u8 = 99;

/// For the vrrp thread: real-time scheduling and locked memory, wanted, not needed.
pub fn be_on_time(global: &Global) {
    let wanted = &global.vrrp_scheduling;
    let real_time = Some(vrrp_priority(global));
    apply("the vrrp thread", &Scheduling { real_time, ..wanted.clone() });
    if let Err(error) = lock_memory() {
        tracing::info!("memory is not locked, adverts may wait for swap: {error}");
    }
}

/// So many instances are found quickly in pages of any size.
const FEW_INSTANCES: usize = 100;

/// Makes what was allocated so far quick to find again, however long nobody touches it, if a takeover by all
/// instances of `plan` has much to find. What has been gathered already costs nothing.
pub fn gather_memory(plan: &Plan) {
    if plan.vrrp_instances.len() <= FEW_INSTANCES {
        return;
    }
    if let Err(error) = gather_heap() {
        tracing::debug!("memory is not in huge pages: {error}");
    }
}

/// The same for the bfd thread. Its deadlines are the closest of all and each takes it microseconds, so
/// that it goes before the vrrp thread, which may be busy for long at a takeover.
pub fn be_on_time_for_bfd(global: &Global) {
    let wanted = &global.bfd_scheduling;
    let real_time = Some(bfd_priority(global));
    apply("the bfd thread", &Scheduling { real_time, ..wanted.clone() });
}

fn bfd_priority(global: &Global) -> u8 {
    global.bfd_scheduling.real_time.unwrap_or_else(|| (vrrp_priority(global) + 1).min(HIGHEST))
}

/// No check may keep an advert waiting.
fn vrrp_priority(global: &Global) -> u8 {
    let above_checks = global.checker_scheduling.real_time.map_or(0, |checks| checks + 1);
    let wanted = global.vrrp_scheduling.real_time.unwrap_or(REAL_TIME_PRIORITY);
    wanted.max(above_checks).min(HIGHEST)
}

/// For the calling thread, called `who` in messages.
pub fn apply(who: &str, wanted: &Scheduling) {
    if let Some(nice) = wanted.nice {
        complain(who, &format!("without nice value {nice}"), set_nice(nice));
    }
    if !wanted.cpus.is_empty() {
        let cpus = &wanted.cpus;
        complain(who, &format!("on all processors, not on {cpus:?}"), bind_to(cpus));
    }
    if let Some(priority) = wanted.real_time {
        let without = format!("without real-time priority {priority}");
        complain(who, &without, real_time(priority.into()));
    }
}

fn complain(who: &str, without: &str, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::info!("{who} runs {without}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vrrp_thread_is_above_the_checks() {
        let priority = |vrrp, checks| {
            let scheduling = |real_time| Scheduling { real_time, ..Scheduling::default() };
            vrrp_priority(&Global {
                vrrp_scheduling: scheduling(vrrp),
                checker_scheduling: scheduling(checks),
                ..Global::default()
            })
        };
        let priorities = [(None, None), (Some(50), None), (Some(50), Some(60)), (None, Some(99))]
            .map(|(vrrp, checks)| priority(vrrp, checks));
        assert_eq!(priorities, [1, 50, 61, 99]);
    }

    #[test]
    fn the_bfd_thread_is_above_the_vrrp_thread_unless_told_otherwise() {
        let priority = |vrrp, bfd| {
            let scheduling = |real_time| Scheduling { real_time, ..Scheduling::default() };
            bfd_priority(&Global {
                vrrp_scheduling: scheduling(vrrp),
                bfd_scheduling: scheduling(bfd),
                ..Global::default()
            })
        };
        let priorities = [(None, None), (Some(99), None), (Some(50), Some(20))];
        assert_eq!(priorities.map(|(vrrp, bfd)| priority(vrrp, bfd)), [2, 99, 20]);
    }

    #[test]
    fn a_thread_is_bound_to_the_processors_named() {
        std::thread::spawn(|| {
            let wanted = Scheduling { nice: Some(5), real_time: None, cpus: vec![0] };
            apply("the test", &wanted);
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            assert!(status.contains("\nCpus_allowed_list:\t0\n"), "{status}");
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            // proc_pid_stat(5): nice is the 19th field, the 17th after the name.
            let nice = stat.rsplit(") ").next().unwrap().split(' ').nth(16);
            assert_eq!(nice, Some("5"));
        })
        .join()
        .unwrap();
    }
}
