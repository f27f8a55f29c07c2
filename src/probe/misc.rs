//! MISC_CHECK: a script's exit status.

use super::MiscProbe;
use super::connect::Seconds;
use crate::check::Outcome;
use crate::notify::script::{Exit, run_script};
use crate::notify::security::ScriptRules;

/// Runs the script and judges its end.
///
/// A script that cannot run is a failure (keepalived counts it as success, and leaves a server whose
/// script is missing unchecked).
pub(super) async fn attempt(probe: &MiscProbe, rules: &ScriptRules) -> Outcome {
    let exit = run_script(&probe.script, &[], rules, Some(probe.timeout)).await;
    judge(probe.dynamic, exit)
}

/// Exit status 0: fine. With `misc_dynamic` 2–255 too, asking for weight status − 2.
fn judge(dynamic: bool, exit: Exit) -> Outcome {
    match exit {
        Exit::Status(0) => Outcome::Success,
        Exit::Status(status @ 2..=255) if dynamic => {
            Outcome::SuccessWithWeight(status.unsigned_abs() - 2)
        }
        Exit::Status(status) => Outcome::Failure(format!("script exited with status {status}")),
        Exit::Signal(signal) => Outcome::Failure(format!("script was killed by signal {signal}")),
        Exit::TimedOut(after) => {
            Outcome::Failure(format!("script did not end within {}", Seconds(after)))
        }
        Exit::NotStarted(reason) => Outcome::Failure(reason),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn exit_status_zero_is_success_and_leaves_the_weight() {
        assert_eq!(judge(false, Exit::Status(0)), Outcome::Success);
        assert_eq!(judge(true, Exit::Status(0)), Outcome::Success);
    }

    #[test]
    fn misc_dynamic_takes_status_less_two_as_weight() {
        assert_eq!(judge(true, Exit::Status(7)), Outcome::SuccessWithWeight(5));
        assert_eq!(judge(true, Exit::Status(2)), Outcome::SuccessWithWeight(0));
        assert_eq!(judge(true, Exit::Status(255)), Outcome::SuccessWithWeight(253));
    }

    #[test]
    fn every_other_end_is_a_failure_with_its_reason() {
        let cases = [
            (true, Exit::Status(1), "script exited with status 1"),
            (false, Exit::Status(2), "script exited with status 2"),
            (true, Exit::Signal(9), "script was killed by signal 9"),
            (true, Exit::TimedOut(Duration::from_millis(1500)), "script did not end within 1.5s"),
            (true, Exit::NotStarted("script /x: gone".to_owned()), "script /x: gone"),
        ];
        for (dynamic, exit, reason) in cases {
            assert_eq!(judge(dynamic, exit), Outcome::Failure(reason.to_owned()));
        }
    }
}
