//! `vrrp_track_process`: an instance that depends on a process running.

use std::process::{Child, Command};

use crate::configs::{Pair, SOON, VIP, with_globals};
use crate::for_each_program;
use crate::harness::{Director, Host, Lab, Program, eventually};

for_each_program!(
    a_process_that_ends_is_fault_until_it_runs_again,
    a_weighted_process_moves_the_priority,
);

/// A process of this very name, so that no other test's is counted.
fn start(host: &Host, name: &str) -> Child {
    let program = host.dir.join(name);
    if !program.exists() {
        // A copy might still be open for writing, in a child that another test starts meanwhile.
        std::os::unix::fs::symlink("/bin/sleep", &program).expect("a link");
    }
    let mut command = Command::new(program);
    command.arg("1000").spawn().expect("sleep")
}

fn end(mut process: Child) {
    process.kill().expect("kill");
    process.wait().expect("wait");
}

fn tracking(name: &str, definition: &str) -> String {
    with_globals(&format!(
        "vrrp_track_process p {{\n    process {name}\n{definition}\n}}\nvrrp_instance KAV_1 {{\n    \
         interface eth0\n    virtual_router_id 50\n    priority 100\n    advert_int 1\n    \
         virtual_ipaddress {{\n        {VIP}\n    }}\n    track_process {{\n        p\n    }}\n}}\n"
    ))
}

fn a_process_that_ends_is_fault_until_it_runs_again(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let process = start(&pair.r1, "pr-fault");
    let director = Director::start(&pair.r1, program, tracking("pr-fault", ""));
    director.wait_for_state(0, "MASTER");
    end(process);
    director.wait_for_state(0, "FAULT");
    eventually("the VIP is gone", SOON, || !pair.r1.holds(VIP));
    let before = director.log().len();
    let process = start(&pair.r1, "pr-fault");
    director.wait_for_state(before, "MASTER");
    end(process);
}

fn a_weighted_process_moves_the_priority(lab: &Lab, program: Program) {
    let pair = Pair::new(lab);
    let configuration = tracking("pr-weight", "    weight 20\n    quorum 2");
    let director = Director::start(&pair.r1, program, configuration);
    director.wait_for_state(0, "MASTER");
    let first = start(&pair.r1, "pr-weight");
    let second = start(&pair.r1, "pr-weight");
    let advertises = |priority: u8| {
        eventually(&format!("priority {priority} is advertised"), SOON, || {
            let adverts = pair.capture.adverts_of(crate::configs::LB1);
            adverts.last().is_some_and(|(_, last)| *last == priority)
        });
    };
    advertises(120);
    end(first);
    advertises(100);
    end(second);
    director.wait_for_state(0, "MASTER");
}
