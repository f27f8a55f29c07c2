use super::*;

fn script(weight: i16, reverse: bool) -> Tracker {
    Tracker { what: Tracked::Script("chk".into()), weight, reverse }
}

/// keepalived.conf(5), vrrp_script, `weight`: sign, success and `reverse` in every combination.
#[test]
fn a_weight_is_added_while_good_or_subtracted_while_bad() {
    let cases = [
        (20, false, 20, 0),
        (-20, false, 0, -20),
        (20, true, -20, 0),
        (-20, true, 0, 20),
        (253, false, 253, 0),
    ];
    for (weight, reverse, good, bad) in cases {
        let tracker = script(weight, reverse);
        assert_eq!(tracker.effect(Reading::Good).priority, good, "{weight} {reverse}");
        assert_eq!(tracker.effect(Reading::Bad).priority, bad, "{weight} {reverse}");
        assert_eq!(tracker.effect(Reading::Unknown), Effect::default(), "nothing is known yet");
    }
}

#[test]
fn without_weight_failure_is_fault_and_reversed_success_is() {
    let fault = |reverse, reading| script(0, reverse).effect(reading).fault;
    assert!(!fault(false, Reading::Good) && fault(false, Reading::Bad));
    assert!(fault(true, Reading::Good) && !fault(true, Reading::Bad));
    assert!(!fault(false, Reading::Untracked) && !fault(true, Reading::Untracked));
}

/// Until a script has run once nobody knows whether to run; an interface is known at once.
#[test]
fn a_start_waits_for_the_first_result_of_an_unweighted_script_only() {
    assert!(script(0, false).effect(Reading::Unknown).pending);
    assert!(!script(5, false).effect(Reading::Unknown).pending);
    let file = Tracker { what: Tracked::File("f".into()), weight: 0, reverse: false };
    assert!(!file.effect(Reading::Unknown).pending);
}

/// keepalived.conf(5), track_file: the value times the weight; −254 or less is FAULT, what is
/// above 253 counts as 253.
#[test]
fn a_files_value_is_multiplied_and_capped() {
    let file = |weight, reverse| Tracker { what: Tracked::File("f".into()), weight, reverse };
    let effect = |weight, reverse, value| {
        let effect = file(weight, reverse).effect(Reading::Value(value));
        (effect.priority, effect.fault)
    };
    assert_eq!(effect(1, false, 7), (7, false));
    assert_eq!(effect(-2, false, 7), (-14, false));
    assert_eq!(effect(-2, true, 7), (14, false));
    assert_eq!(effect(1, false, -253), (-253, false));
    assert_eq!(effect(1, false, -254), (0, true));
    assert_eq!(effect(1, false, 1000), (253, false));
    assert_eq!(effect(-100, false, i64::MAX), (0, true));
    assert_eq!(effect(0, false, 0), (0, false));
    assert_eq!(effect(0, false, 3), (0, true));
}

#[test]
fn a_priority_stays_within_1_and_254_and_an_owners_at_255() {
    assert_eq!(effective_priority(100, 20), 120);
    assert_eq!(effective_priority(100, -100), 1);
    assert_eq!(effective_priority(100, 253), 254);
    assert_eq!(effective_priority(255, -50), 255);
    assert_eq!(effective_priority(1, i32::MIN), 1);
}
