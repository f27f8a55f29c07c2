use super::*;

#[test]
fn detection_time_is_the_slower_interval_as_often_as_the_neighbour_says() {
    let ms = Duration::from_millis;
    assert_eq!(detection_time(5, ms(100), ms(200)), ms(1000));
    assert_eq!(detection_time(3, ms(300), ms(10)), ms(900));
}

#[test]
fn jitter_stays_within_its_bounds() {
    let interval = Duration::from_millis(100);
    for random in (0..=u32::MAX).step_by(1 << 20) {
        let pause = jittered(interval, 3, random);
        assert!(pause <= interval && pause >= interval * 75 / 100, "{pause:?}");
        let single = jittered(interval, 1, random);
        assert!(single <= interval * 90 / 100 && single >= interval * 75 / 100, "{single:?}");
    }
    let longest = Duration::from_micros(u32::MAX.into());
    assert!(jittered(longest, 5, u32::MAX) >= longest * 74 / 100);
}

#[test]
fn an_interval_beyond_the_field_is_sent_as_its_limit() {
    assert_eq!(as_micros(Duration::from_micros(3312)), 3312);
    assert_eq!(as_micros(Duration::from_secs(5000)), u32::MAX);
}
