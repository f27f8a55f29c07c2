mod link;
mod poll;
mod sending;

use super::*;
use crate::bfd::fixtures::*;

/// RFC 5880 §6.8.6, the whole of its table; `None`: stays.
#[test]
fn each_state_follows_what_the_neighbour_says() {
    use State::{AdminDown, Down, Init, Up};
    let table = [
        (Down, [(AdminDown, None), (Down, Some(Init)), (Init, Some(Up)), (Up, None)]),
        (Init, [(AdminDown, Some(Down)), (Down, None), (Init, Some(Up)), (Up, Some(Up))]),
        (Up, [(AdminDown, Some(Down)), (Down, Some(Down)), (Init, None), (Up, None)]),
    ];
    for (from, answers) in table {
        for (heard, expected) in answers {
            let mut bench = Bench::at(settings(), from);
            let out = bench.hear(packet(heard));
            assert_eq!(entered(&out), Vec::from_iter(expected), "in {from}, hearing {heard}");
            if expected == Some(Down) {
                assert_eq!(bench.session.diagnostic(), Diagnostic::NEIGHBOR_SIGNALED_DOWN);
            }
        }
    }
}

#[test]
fn the_three_way_handshake_brings_both_sides_up() {
    let mut bench = Bench::new(settings());
    let first = sent(&bench.handle(Event::Startup));
    assert_eq!((first[0].state, first[0].your_discriminator), (State::Down, 0));
    let answer = sent(&bench.hear(ControlPacket { your_discriminator: 0, ..packet(State::Down) }));
    assert_eq!((answer[0].state, answer[0].your_discriminator), (State::Init, THEIRS));
    let up = sent(&bench.hear(packet(State::Init)));
    assert_eq!((up[0].state, up[0].poll), (State::Up, true));
    assert_eq!(up[0].desired_min_tx, 100_000);
}

/// 3 × 100 ms after the last packet, and not before.
#[test]
fn silence_for_the_detection_time_is_down() {
    for state in [State::Init, State::Up] {
        let mut bench = Bench::at(settings(), state);
        // In Init the neighbour still sends once a second.
        let limit = if state == State::Up { 300 * MS } else { 3 * SECOND };
        assert_eq!(bench.session.detection_time(), limit);
        assert_eq!(entered(&bench.pass(limit - MS)), []);
        let out = bench.pass(MS);
        assert_eq!(entered(&out), [State::Down]);
        let Some(Action::Transition(transition)) = out.first() else { panic!("{out:?}") };
        assert_eq!(transition.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
        let expired = Expired { detection_time: limit, overdue: Duration::ZERO };
        assert_eq!(transition.expired, Some(expired));
    }
}

#[test]
fn after_silence_the_neighbour_is_a_stranger() {
    let mut bench = Bench::at(settings(), State::Up);
    let told = sent(&bench.pass(300 * MS));
    let last = told.last().unwrap();
    assert_eq!(last.your_discriminator, 0);
    assert_eq!((last.state, last.diagnostic), (State::Down, Diagnostic::DETECTION_TIME_EXPIRED));
    assert_eq!((last.poll, last.desired_min_tx), (false, 1_000_000));
}

/// A Down session forgets as well: the neighbour may have another discriminator next time.
#[test]
fn a_down_session_forgets_a_silent_neighbour() {
    let mut bench = Bench::at(settings(), State::Down);
    bench.hear(packet(State::AdminDown));
    assert_eq!(bench.session.remote.discriminator, THEIRS);
    bench.pass(3 * SECOND);
    assert_eq!(bench.session.remote.discriminator, 0);
    assert_eq!(bench.session.diagnostic(), Diagnostic::NONE);
}

#[test]
fn a_late_wake_up_is_told_with_its_lateness() {
    let mut bench = Bench::at(settings(), State::Up);
    bench.now += 350 * MS;
    let out = bench.handle(Event::DeadlineReached);
    let Some(Action::Transition(Transition { expired: Some(expired), .. })) = out.first() else {
        panic!("{out:?}")
    };
    assert_eq!(expired.overdue, 50 * MS);
    assert_eq!(expired.to_string(), "Expired after 300 ms (50000 usec overdue)");
}

#[test]
fn a_session_given_up_says_so_once_and_is_silent() {
    let both = [(Event::Disabled, State::AdminDown), (Event::Shutdown, State::Down)];
    let states = [State::Down, State::Init, State::Up];
    for (state, (event, last_word)) in states.into_iter().flat_map(|s| both.map(|b| (s, b))) {
        let mut bench = Bench::at(settings(), state);
        let out = bench.handle(event);
        assert_eq!(entered(&out), [State::AdminDown]);
        let said = sent(&out);
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].state, last_word);
        assert_eq!(said[0].diagnostic, Diagnostic::ADMINISTRATIVELY_DOWN);
        assert_eq!(bench.session.next_deadline(), None);
        assert_eq!(bench.hear(packet(State::Up)), []);
        assert_eq!(bench.handle(Event::DeadlineReached), []);
        assert_eq!(bench.handle(event), []);
    }
}

/// RFC 5882 §3.2: not a failure of the path.
#[test]
fn it_is_told_when_the_neighbour_was_switched_off() {
    for (heard, by_administrator) in [(State::AdminDown, true), (State::Down, false)] {
        let mut bench = Bench::at(settings(), State::Up);
        let out = bench.hear(packet(heard));
        let Some(Action::Transition(transition)) = out.first() else { panic!("{out:?}") };
        assert_eq!(transition.by_administrator(), by_administrator);
    }
    let mut bench = Bench::at(settings(), State::Up);
    let out = bench.pass(SECOND);
    let gone = out.iter().any(|action| {
        matches!(action, Action::Transition(gone) if gone.to == State::Down && !gone.by_administrator())
    });
    assert!(gone, "{out:?}");
}

#[test]
fn an_early_deadline_does_nothing() {
    let mut bench = Bench::at(settings(), State::Up);
    bench.now += MS;
    let before = bench.session.next_deadline();
    assert_eq!(bench.handle(Event::DeadlineReached), []);
    assert_eq!(bench.session.next_deadline(), before);
}

#[test]
fn a_transition_is_worded_as_keepalived_does() {
    let mut bench = Bench::at(settings(), State::Up);
    let out = bench.hear(packet(State::Down));
    let Some(Action::Transition(transition)) = out.first() else { panic!("{out:?}") };
    assert_eq!(
        transition.to_string(),
        "Entering Down state (Local diagnostic - Neighbor Signaled Session Down, Remote \
         diagnostic - No Diagnostic)"
    );
}
