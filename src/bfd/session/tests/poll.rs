//! Poll Sequences (RFC 5880 §6.5) and what waits for their end (§6.8.3).

use super::*;

fn answer() -> ControlPacket {
    ControlPacket { is_final: true, ..packet(State::Up) }
}

fn slower() -> SessionSettings {
    SessionSettings { min_tx: 400 * MS, ..settings() }
}

#[test]
fn a_poll_is_answered_at_once_and_moves_no_timer() {
    for state in [State::Down, State::Init, State::Up] {
        let mut bench = Bench::at(settings(), state);
        bench.hear(packet(State::AdminDown));
        bench.now += 10 * MS;
        let before = bench.session.send.next;
        let out = sent(&bench.hear(ControlPacket { poll: true, ..packet(State::AdminDown) }));
        assert_eq!(out.len(), 1);
        assert!(out[0].is_final && !out[0].poll);
        assert_eq!(bench.session.send.next, before);
    }
}

/// A silent passive side has to answer as well: by then it knows who asks.
#[test]
fn a_passive_side_answers_a_poll() {
    let mut bench = Bench::at(SessionSettings { passive: true, ..settings() }, State::Down);
    let out = sent(&bench.hear(ControlPacket { poll: true, ..packet(State::Down) }));
    assert!(out[0].is_final);
}

#[test]
fn polling_and_answering_are_never_in_one_packet() {
    let mut bench = Bench::at(settings(), State::Up);
    bench.reconfigure(slower());
    let out = sent(&bench.hear(ControlPacket { poll: true, ..packet(State::Up) }));
    assert_eq!(out.iter().map(|p| (p.poll, p.is_final)).collect::<Vec<_>>(), [(false, true)]);
    let next = sent(&bench.pass(100 * MS));
    assert!(next[0].poll && !next[0].is_final);
}

#[test]
fn each_packet_polls_until_the_answer_comes() {
    let mut bench = Bench::at(settings(), State::Up);
    let first = sent(&bench.reconfigure(SessionSettings { min_rx: 200 * MS, ..settings() }));
    assert!(first[0].poll, "a change is told at once");
    bench.hear(packet(State::Up));
    assert!(sent(&bench.pass(100 * MS)).iter().all(|packet| packet.poll));
    bench.hear(answer());
    assert!(sent(&bench.pass(100 * MS)).iter().all(|packet| !packet.poll));
}

#[test]
fn more_rarely_only_once_the_neighbour_knows() {
    let mut bench = Bench::at(settings(), State::Up);
    let told = sent(&bench.reconfigure(slower()));
    assert_eq!(told[0].desired_min_tx, 400_000);
    assert_eq!(bench.session.transmit_interval(), 100 * MS);
    bench.hear(answer());
    assert_eq!(bench.session.transmit_interval(), 400 * MS);
}

#[test]
fn more_often_at_once() {
    let mut bench = Bench::at(slower(), State::Up);
    assert_eq!(bench.session.transmit_interval(), 400 * MS);
    bench.reconfigure(settings());
    assert_eq!(bench.session.transmit_interval(), 100 * MS);
}

#[test]
fn a_shorter_required_interval_shortens_the_detection_time_only_once_the_neighbour_knows() {
    let fast = SessionSettings { min_rx: 20 * MS, ..settings() };
    let eager = |packet| ControlPacket { desired_min_tx: 10_000, ..packet };
    let mut bench = Bench::at(settings(), State::Up);
    bench.hear(eager(packet(State::Up)));
    bench.reconfigure(fast);
    assert_eq!(bench.session.detection_time(), 300 * MS);
    bench.hear(eager(packet(State::Up)));
    assert_eq!(bench.session.detection_time(), 300 * MS);
    bench.hear(eager(answer()));
    assert_eq!(bench.session.detection_time(), 60 * MS);
}

#[test]
fn a_longer_required_interval_lengthens_the_detection_time_at_once() {
    let mut bench = Bench::at(settings(), State::Up);
    bench.now += 50 * MS;
    bench.reconfigure(SessionSettings { min_rx: 500 * MS, ..settings() });
    assert_eq!(bench.session.detection_time(), 1500 * MS);
    // Counted from the last packet, not from the reload.
    assert_eq!(bench.session.silent_at, Some(bench.start + 1500 * MS));
}

/// RFC 5880 §6.8.3, third choice: the Final that comes may be the answer to what was said before.
#[test]
fn a_change_during_a_poll_gets_a_poll_of_its_own() {
    let mut bench = Bench::at(settings(), State::Up);
    bench.reconfigure(SessionSettings { min_tx: 200 * MS, ..settings() });
    bench.reconfigure(slower());
    bench.hear(answer());
    assert_eq!(bench.session.transmit_interval(), 100 * MS, "which of the two was answered?");
    assert!(sent(&bench.pass(100 * MS)).iter().all(|packet| !packet.poll));
    bench.hear(packet(State::Up));
    assert!(sent(&bench.pass(100 * MS)).iter().all(|packet| packet.poll));
    bench.hear(answer());
    assert_eq!(bench.session.transmit_interval(), 400 * MS);
}

#[test]
fn the_same_settings_again_change_nothing() {
    let mut bench = Bench::at(settings(), State::Up);
    let before = bench.session.next_deadline();
    assert_eq!(bench.reconfigure(settings()), []);
    assert_eq!(bench.session.next_deadline(), before);
    assert!(!bench.session.awaits_final());
}

#[test]
fn a_final_that_nobody_asked_for_does_nothing() {
    let mut bench = Bench::at(settings(), State::Up);
    assert_eq!(bench.hear(answer()), []);
}
