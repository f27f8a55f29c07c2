use super::super::fixtures::{at_secs, at_us};
use super::*;

/// keepalived's defaults with a refresh each minute.
fn garp() -> GarpSettings {
    GarpSettings { refresh: Duration::from_secs(60), refresh_repeat: 2, ..GarpSettings::default() }
}

/// Every block from `from` on until `until`, with its rounds.
fn played(mut blocks: Announcements, garp: &GarpSettings, until: Instant) -> Vec<(Instant, u32)> {
    let mut played = Vec::new();
    while let Some(at) = blocks.next().filter(|at| *at <= until) {
        played.push((at, blocks.take_due(at, garp)));
    }
    played
}

#[test]
fn second_block_after_delay_then_refresh_after_delay_and_period() {
    let blocks = Announcements::after_becoming_active(at_secs(0), &garp());

    let expected = [(at_secs(5), 5), (at_secs(65), 2), (at_secs(125), 2)];
    assert_eq!(played(blocks, &garp(), at_secs(180)), expected);
}

#[test]
fn zero_turns_a_block_off() {
    for off in [
        GarpSettings { delay: Duration::ZERO, ..GarpSettings::default() },
        GarpSettings { repeat: 0, ..GarpSettings::default() },
        GarpSettings { refresh_repeat: 0, repeat: 0, ..garp() },
    ] {
        let blocks = Announcements::after_becoming_active(at_secs(0), &off);
        assert_eq!(blocks.next(), None, "{off:?}");
    }
}

#[test]
fn nothing_is_due_early_and_a_block_is_taken_once() {
    let mut blocks = Announcements::after_becoming_active(at_secs(0), &garp());

    assert_eq!(blocks.take_due(at_us(4_999_999), &garp()), 0);
    assert_eq!(blocks.take_due(at_secs(5), &garp()), 5);
    assert_eq!(blocks.take_due(at_secs(5), &garp()), 0);
}

/// A VIP never has more pending than the largest repeat asked for (keepalived).
#[test]
fn blocks_that_fall_together_are_sent_as_the_longest() {
    let garp = GarpSettings { lower_prio_repeat: 3, ..garp() };
    let mut blocks = Announcements::after_becoming_active(at_secs(0), &garp);
    blocks.heard_lower_priority(at_secs(0), &garp);

    assert_eq!(blocks.take_due(at_secs(200), &garp), 5);
    assert_eq!(blocks.next(), Some(at_secs(260)), "the refresh does not catch up");
}

#[test]
fn a_lower_priority_that_goes_on_does_not_put_its_block_off() {
    let mut blocks = Announcements::after_becoming_active(at_secs(0), &GarpSettings::default());
    blocks.take_due(at_secs(5), &GarpSettings::default());
    for second in 10..14 {
        blocks.heard_lower_priority(at_secs(second), &GarpSettings::default());
    }
    assert_eq!(blocks.next(), Some(at_secs(15)));
}

#[test]
fn reconfiguring_keeps_the_pending_block_and_follows_the_refresh() {
    let mut blocks = Announcements::after_becoming_active(at_secs(0), &GarpSettings::default());

    blocks.reconfigured(at_secs(1), &garp());
    assert_eq!(played(blocks, &garp(), at_secs(62)), [(at_secs(5), 5), (at_secs(61), 2)]);

    blocks.reconfigured(at_secs(2), &GarpSettings::default());
    assert_eq!(played(blocks, &garp(), at_secs(200)), [(at_secs(5), 5)]);
}

/// keepalived.conf(5), `garp_extra_if`; first when the second block has gone out.
#[test]
fn interfaces_without_adverts_are_announced_after_delay_and_pause_and_then_every_pause() {
    let garp = GarpSettings { extra: Duration::from_secs(100), ..GarpSettings::default() };
    let mut blocks = Announcements::after_becoming_active(at_secs(0), &garp);
    let due: Vec<u64> = (1..=310).filter(|&at| blocks.take_extra_due(at_secs(at), &garp)).collect();
    assert_eq!(due, [105, 205, 305]);

    let off = GarpSettings::default();
    blocks.reconfigured(at_secs(310), &off);
    assert!(!blocks.take_extra_due(at_secs(1000), &off), "turned off by a reload");
    blocks.reconfigured(at_secs(1000), &garp);
    assert!(blocks.take_extra_due(at_secs(1100), &garp), "and on again");
}
