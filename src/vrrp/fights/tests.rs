use super::super::fixtures::at_us;
use super::*;

fn at_ms(ms: u64) -> Instant {
    at_us(ms * 1000)
}

#[test]
fn the_sixth_removal_within_ten_seconds_is_one_too_many() {
    let mut fights = Fights::default();
    for second in 0..5 {
        assert!(fights.repair(at_ms(second * 1000)), "second {second}");
    }
    assert!(!fights.repair(at_ms(9_999)));
    // The first one is ten seconds old now, the second is not yet.
    assert!(fights.repair(at_ms(10_000)));
    assert!(!fights.repair(at_ms(10_500)));
    assert!(fights.repair(at_ms(11_000)));
}

/// `ip address flush` with ten virtual addresses: one removal, however the events arrive.
#[test]
fn what_is_removed_at_once_counts_once() {
    let mut fights = Fights::default();
    for burst in 0..5 {
        for address in 0..10 {
            assert!(fights.repair(at_ms(burst * 1000 + address * 9)));
        }
    }
    assert!(!fights.repair(at_ms(6_000)));
}
