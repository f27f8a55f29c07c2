use super::super::fixtures::{at_secs, at_us, settings};
use super::*;

fn seconds(seconds: u16) -> AdverInterval {
    AdverInterval::from_centiseconds(seconds * 100).unwrap()
}

/// RFC 3768 §6.1: (256 - priority) / 256 seconds, whatever the interval.
#[test]
fn v2_skew_is_a_fraction_of_one_second() {
    for (priority, microseconds) in [(1, 996_093), (100, 609_375), (254, 7_812), (255, 3_906)] {
        let skew = Duration::from_micros(microseconds);
        for interval in [seconds(1), seconds(255)] {
            let actual = skew_time(Version::V2, priority, interval);
            assert_eq!(actual.as_micros(), skew.as_micros(), "priority {priority}");
        }
    }
}

/// RFC 9568 §6.1: ((256 - priority) × Active_Adver_Interval) / 256.
#[test]
fn v3_skew_grows_with_the_active_routers_interval() {
    let tenth = AdverInterval::from_centiseconds(10).unwrap();
    assert_eq!(skew_time(Version::V3, 100, seconds(3)), Duration::from_micros(1_828_125));
    assert_eq!(skew_time(Version::V3, 156, tenth), Duration::from_nanos(39_062_500));
}

#[test]
fn active_down_interval_is_three_intervals_and_skew() {
    let v2 = settings(100);
    assert_eq!(
        active_down_interval(&v2, v2.priority, seconds(1)),
        Duration::from_micros(3_609_375)
    );

    // keepalived 2.4, seen: a peer at 3 s, our priority 100, takes 10.83 s.
    let v3 = RouterSettings { version: Version::V3, ..settings(100) };
    assert_eq!(
        active_down_interval(&v3, v3.priority, seconds(3)),
        Duration::from_micros(10_828_125)
    );
}

/// `down_timer_adverts`, keepalived's.
#[test]
fn active_down_interval_counts_as_many_adverts_as_configured() {
    let patient = RouterSettings { down_timer_adverts: 10, ..settings(100) };
    assert_eq!(
        active_down_interval(&patient, patient.priority, seconds(1)),
        Duration::from_micros(10_609_375)
    );
}

#[test]
fn a_late_period_neither_drifts_nor_bursts() {
    let second = Duration::from_secs(1);
    let next = |now| next_period(at_secs(10), second, now);

    assert_eq!(next(at_secs(10)), at_secs(11));
    assert_eq!(next(at_us(10_900_000)), at_secs(11), "a little late: no drift");
    assert_eq!(next(at_secs(11)), at_secs(12), "a whole period late: one is skipped");
    assert_eq!(next(at_us(17_300_000)), at_us(18_300_000), "seven late: no burst");
}
