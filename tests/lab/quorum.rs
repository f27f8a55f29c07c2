//! Weights, quorum, hysteresis, sorry server, alpha: what the table holds and what scripts are told.
//! The numbers of rows are those of `tests/lvs.md`.

use std::time::Duration;

use crate::for_each_program;
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Lab, Program, eventually, run, throughout};
use crate::switched::{SERVICE, Switched, server};

for_each_program!(
    a_healthy_start_tells_of_the_quorum_alone,
    right_after_a_start_one_failure_is_enough,
    with_alpha_nothing_serves_before_its_first_success,
    an_inhibited_sorry_server_waits_with_weight_0,
    hysteresis_keeps_the_sorry_server_until_the_whole_sum_is_back,
    without_a_sorry_server_a_lost_quorum_takes_nobody_out,
    a_quorum_that_is_too_high_is_what_all_weigh,
    exit_statuses_add_up_to_weights,
    a_reload_revives_a_server_whose_failing_check_it_takes_away,
    a_reload_gives_a_new_check_all_of_its_retries,
    a_server_that_is_new_in_a_reload_serves_at_once_unless_alpha,
);

const SOON: Duration = Duration::from_secs(30);

fn start<'h>(lab: &'h Switched, program: Program, config: &str) -> Director<'h> {
    Director::start(&lab.host, program, config)
}

/// Row 1.
fn a_healthy_start_tells_of_the_quorum_alone(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let servers = [lab.server("1", 3, ""), lab.server("2", 2, "")];
    let _director = start(&lab, program, &lab.service("", &servers));
    lab.becomes("both serve", "192.0.2.111:80/3 192.0.2.112:80/2");
    eventually("both are checked again and again", SOON, || lab.runs("1") > 2 && lab.runs("2") > 2);
    assert_eq!(lab.told(), ["quorum up"]);
}

/// Row 2: with one retry, and twenty seconds to the next attempt.
fn right_after_a_start_one_failure_is_enough(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    lab.set("2", 1);
    let config = lab.service("", &[lab.server("1", 3, ""), lab.server("2", 2, "")]);
    let slow = config
        .replace("delay_before_retry 1", "delay_before_retry 20")
        .replace("delay_loop 1", "delay_loop 20");
    let _director = start(&lab, program, &slow);
    lab.becomes("the second is out", "192.0.2.111:80/3");
    assert_eq!(lab.runs("2"), 1);
    eventually("it is told", SOON, || lab.told() == ["quorum up", "2 down"]);
}

/// Rows 5, 6, 7.
fn with_alpha_nothing_serves_before_its_first_success(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    lab.set("1", 1);
    let alone = lab.service("    alpha", &[lab.server("1", 3, "")]);
    let director = start(&lab, program, &alone);
    eventually("it is checked", SOON, || lab.runs("1") > 1);
    assert_eq!(lab.host.ipvs().servers(SERVICE), "");
    assert!(!lab.told().contains(&"quorum up".to_owned()), "{:?}", lab.told());
    director.stop();

    let inhibited = lab.service("    alpha\n    inhibit_on_failure", &[lab.server("1", 3, "")]);
    let director = start(&lab, program, &inhibited);
    lab.becomes("it takes nothing new", "192.0.2.111:80/0");
    director.stop();

    lab.forget();
    let sorry = "    alpha\n    sorry_server 192.0.2.119 80";
    let _director = start(&lab, program, &lab.service(sorry, &[lab.server("1", 3, "")]));
    lab.becomes("the sorry server alone", "192.0.2.119:80/1");
    eventually("it is told", SOON, || lab.told().contains(&"quorum down".to_owned()));
    lab.set("1", 0);
    lab.becomes("the server alone", "192.0.2.111:80/3");
    eventually("that is told, too", SOON, || lab.told().contains(&"quorum up".to_owned()));
}

/// Row 8.
fn an_inhibited_sorry_server_waits_with_weight_0(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let sorry = "    sorry_server 192.0.2.119 80\n    sorry_server_inhibit";
    let _director = start(&lab, program, &lab.service(sorry, &[lab.server("1", 3, "")]));
    lab.becomes("it waits", "192.0.2.111:80/3 192.0.2.119:80/0");
    lab.set("1", 1);
    lab.becomes("it serves", "192.0.2.119:80/1");
    lab.set("1", 0);
    lab.becomes("it waits again", "192.0.2.111:80/3 192.0.2.119:80/0");
}

/// Rows 9, 10, 11: gained at 5, lost below 3.
fn hysteresis_keeps_the_sorry_server_until_the_whole_sum_is_back(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let extra = "    quorum 4\n    hysteresis 1\n    sorry_server 192.0.2.119 80";
    let servers = [lab.server("1", 3, ""), lab.server("2", 2, "")];
    let _director = start(&lab, program, &lab.service(extra, &servers));
    lab.becomes("both serve", "192.0.2.111:80/3 192.0.2.112:80/2");
    lab.set("2", 1);
    lab.becomes("3 is enough to go on", "192.0.2.111:80/3");
    lab.set("1", 1);
    lab.becomes("0 is not", "192.0.2.119:80/1");
    lab.set("1", 0);
    eventually("the first is up again", SOON, || lab.told().contains(&"1 up".to_owned()));
    let stays = || match lab.host.ipvs().servers(SERVICE) {
        table if table == "192.0.2.119:80/1" => Ok(()),
        table => Err(table),
    };
    throughout("3 is not enough to begin", Duration::from_secs(3), stays);
    lab.set("2", 0);
    lab.becomes("5 is", "192.0.2.111:80/3 192.0.2.112:80/2");
}

/// Row 12.
fn without_a_sorry_server_a_lost_quorum_takes_nobody_out(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let servers = [lab.server("1", 3, ""), lab.server("2", 2, "")];
    let _director = start(&lab, program, &lab.service("    quorum 5", &servers));
    lab.becomes("both serve", "192.0.2.111:80/3 192.0.2.112:80/2");
    lab.set("2", 1);
    lab.becomes("the first serves", "192.0.2.111:80/3");
    eventually("it is told", SOON, || lab.told().contains(&"quorum down".to_owned()));
    assert_eq!(lab.host.ipvs().servers(SERVICE), "192.0.2.111:80/3");
}

/// Row 13.
fn a_quorum_that_is_too_high_is_what_all_weigh(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let servers = [lab.server("1", 3, "alpha"), lab.server("2", 2, "")];
    lab.set("1", 1);
    let _director = start(&lab, program, &lab.service("    quorum 99", &servers));
    lab.becomes("the second serves", "192.0.2.112:80/2");
    lab.set("1", 0);
    lab.becomes("both serve", "192.0.2.111:80/3 192.0.2.112:80/2");
    eventually("5 is the quorum", SOON, || lab.told().contains(&"quorum up".to_owned()));
    let told = lab.told();
    assert_eq!(told.iter().filter(|line| *line == "quorum up").count(), 1, "{told:?}");
}

/// Row 14. keepalived 2.2.7 is never up: 5 + 4 is more than all weigh.
#[test]
fn a_hysteresis_that_cannot_be_gained_is_reported_and_lowered() {
    run("quorum::hysteresis", |lab: &Lab| {
        let lab = Switched::new(lab);
        let servers = [lab.server("1", 3, ""), lab.server("2", 2, "")];
        let config = lab.service("    quorum 5\n    hysteresis 4", &servers);
        let director = start(&lab, Mainstay, &config);
        eventually("it is up", SOON, || lab.told().contains(&"quorum up".to_owned()));
        assert!(director.log().contains("hysteresis 4 is lowered to 0"), "{}", director.log());
    });
}

/// Rows 15, 16: one check sets the weight; what two of them add or take is added up.
fn exit_statuses_add_up_to_weights(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let one = lab.server("1", 10, "misc_dynamic");
    let two = server(
        "192.0.2.112",
        10,
        &(lab.check("2", "misc_dynamic") + &lab.check("3", "misc_dynamic")),
    );
    let _director = start(&lab, program, &lab.service("", &[one, two]));
    lab.becomes("their own weights", "192.0.2.111:80/10 192.0.2.112:80/10");
    lab.set("1", 7);
    lab.set("2", 7);
    lab.set("3", 8);
    lab.becomes("7 is 5; 7 and 8 are 1", "192.0.2.111:80/5 192.0.2.112:80/1");
    lab.set("1", 255);
    lab.set("2", 2);
    lab.becomes("255 is 253; 2 and 8 are 0", "192.0.2.111:80/253 192.0.2.112:80/0");
    lab.set("1", 1);
    lab.set("2", 0);
    lab.set("3", 0);
    lab.becomes("1 is down; 0 is the own weight", "192.0.2.112:80/10");
}

/// Row 17. keepalived 2.2.7 gives it weight 0 until the status changes.
#[test]
fn a_reload_keeps_the_weight_of_exit_status_0() {
    run("quorum::dynamic", |lab: &Lab| {
        let lab = Switched::new(lab);
        let config = lab.service("", &[lab.server("1", 10, "misc_dynamic")]);
        let director = start(&lab, Mainstay, &config);
        lab.becomes("its own weight", "192.0.2.111:80/10");
        eventually("it is checked", SOON, || lab.runs("1") > 1);
        let from = director.log().len();
        director.reload(config);
        director.wait_for_log(from, "reloaded", SOON);
        let runs = lab.runs("1");
        let stays = || match lab.host.ipvs().servers(SERVICE) {
            table if table == "192.0.2.111:80/10" => Ok(()),
            table => Err(table),
        };
        throughout("it keeps its weight", Duration::from_secs(3), stays);
        eventually("it is checked again", SOON, || lab.runs("1") > runs + 1);
        stays().expect("still");
    });
}

/// Row 24.
fn a_reload_revives_a_server_whose_failing_check_it_takes_away(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let with = server("192.0.2.111", 3, &(lab.check("1", "") + &lab.check("2", "")));
    let director = start(&lab, program, &lab.service("", &[with]));
    lab.becomes("it serves", "192.0.2.111:80/3");
    lab.set("2", 1);
    lab.becomes("it is out", "");
    let runs = lab.runs("1");
    director.reload(lab.service("", &[lab.server("1", 3, "")]));
    lab.becomes("it is back", "192.0.2.111:80/3");
    assert!(lab.runs("1") <= runs + 5, "without waiting for a check");
}

/// Row 25.
fn a_reload_gives_a_new_check_all_of_its_retries(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    lab.set("2", 1);
    let director = start(&lab, program, &lab.service("", &[lab.server("1", 3, "")]));
    lab.becomes("it serves", "192.0.2.111:80/3");
    let with = server("192.0.2.111", 3, &(lab.check("1", "") + &lab.check("2", "")));
    director.reload(lab.service("", &[with]));
    eventually("the new one is tried", SOON, || lab.runs("2") > 0);
    lab.becomes("it is out", "");
    assert!(lab.runs("2") >= 2, "one failure is forgiven");
}

/// Row 26.
fn a_server_that_is_new_in_a_reload_serves_at_once_unless_alpha(lab: &Lab, program: Program) {
    let lab = Switched::new(lab);
    let slow = |text: String| text.replace("delay_before_retry 1", "delay_before_retry 5");
    let first = lab.server("1", 3, "");
    let director = start(&lab, program, &slow(lab.service("", std::slice::from_ref(&first))));
    lab.becomes("it serves", "192.0.2.111:80/3");
    for each in ["2", "3"] {
        lab.set(each, 1);
    }
    let more = [first, lab.server("2", 2, ""), lab.server("3", 1, "alpha")];
    director.reload(slow(lab.service("", &more)));
    lab.becomes("the plain one is there at once", "192.0.2.111:80/3 192.0.2.112:80/2");
    lab.becomes("and goes for its failures", "192.0.2.111:80/3");
    lab.set("3", 0);
    lab.becomes("the other waited for its success", "192.0.2.111:80/3 192.0.2.113:80/1");
}
