use super::super::fixtures::{at_secs, at_us};
use super::*;

const DELAYS: LinkDelays = LinkDelays { down: Duration::from_secs(3), up: Duration::from_secs(5) };

#[test]
fn without_delays_a_link_is_what_it_is() {
    let mut link = Debounce::new(true);
    link.see(at_secs(1), false, LinkDelays::default());
    assert!(!link.is_up());
    assert_eq!(link.next_deadline(), None);
}

#[test]
fn a_change_is_believed_after_its_delay() {
    let mut link = Debounce::new(true);
    link.see(at_secs(1), false, DELAYS);
    // Seen again: the delay does not begin anew.
    link.see(at_secs(2), false, DELAYS);
    assert!(link.is_up());
    assert_eq!(link.next_deadline(), Some(at_secs(4)));
    assert!(!link.settle(at_us(3_999_999)));
    assert!(link.settle(at_secs(4)));
    assert!(!link.is_up());

    link.see(at_secs(6), true, DELAYS);
    assert!(!link.settle(at_secs(10)));
    assert!(link.settle(at_secs(11)) && link.is_up());
}

#[test]
fn a_link_that_returns_in_time_never_was_away() {
    let mut link = Debounce::new(true);
    link.see(at_secs(1), false, DELAYS);
    assert!(link.is_pending());
    link.see(at_secs(3), true, DELAYS);
    assert!(!link.is_pending());
    assert!(!link.settle(at_secs(60)));
    assert!(link.is_up());
    // Each flap has its own delay.
    link.see(at_secs(70), false, DELAYS);
    assert_eq!(link.next_deadline(), Some(at_secs(73)));
}
