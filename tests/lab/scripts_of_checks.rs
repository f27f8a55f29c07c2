//! MISC_CHECK scripts that go wrong.

use std::time::Duration;

use crate::for_each_program;
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Lab, Program, alive, eventually, run};
use crate::switched::Switched;

for_each_program!(a_script_that_hangs_goes_with_all_it_started);

const SOON: Duration = Duration::from_secs(30);

/// Row 46.
fn a_script_that_hangs_goes_with_all_it_started(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let config = lab.service("", &[lab.server("1", 3, "")]);
    let config = config.replace("misc_timeout 5", "misc_timeout 1");
    let _director = Director::start(&lab.host, program, config);
    lab.becomes("it serves", "192.0.2.111:80/3");
    let dir = lab.host.dir.display();
    lab.host.script("check", &format!("sleep 1000 &\necho $! >>{dir}/sleepers\nwait"));
    eventually("it has started something", SOON, || lab.host.read("sleepers").contains('\n'));
    lab.becomes("it is out", "");
    let first: i32 = {
        let sleepers = lab.host.read("sleepers");
        sleepers.lines().next().expect("one sleeper").parse().expect("a number")
    };
    eventually("what it started is gone", SOON, || !alive(first));
}

/// Row 47. keepalived 2.2.7 takes that for a success.
#[test]
fn a_script_that_cannot_be_run_is_a_failure() {
    run("scripts_of_checks::not_executable", |lab: &Lab| {
        let lab = Switched::new(lab);
        let config = lab.service("", &[lab.server("1", 3, "")]);
        let _director = Director::start(&lab.host, Mainstay, config);
        lab.becomes("it serves", "192.0.2.111:80/3");
        eventually("it is checked", SOON, || lab.runs("1") > 1);
        lab.host.write("check", "#!/nonexistent/interpreter\n");
        lab.becomes("it is out", "");
        let dir = lab.host.dir.display();
        lab.host.script("check", &format!("exit $(cat {dir}/status-$1)"));
        lab.becomes("it is back", "192.0.2.111:80/3");
    });
}
