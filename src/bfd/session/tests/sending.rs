//! When packets go, and what is in them (RFC 5880 §6.8.7).

use super::*;

/// Times between periodic packets for `random`, while the neighbour is heard.
fn spacing(settings: SessionSettings, random: u32) -> Duration {
    let mut bench = Bench::at(settings, State::Up);
    bench.random = random;
    // The packet after this one is the first with this jitter.
    bench.pass(100 * MS);
    bench.hear(packet(State::Up));
    let first = bench.session.send.last.unwrap();
    bench.session.next_deadline().unwrap() - first
}

#[test]
fn periodic_packets_are_jittered_by_up_to_a_quarter() {
    assert_eq!(spacing(settings(), 0), 100 * MS);
    assert_eq!(spacing(settings(), u32::MAX), 75 * MS);
}

#[test]
fn with_a_multiplier_of_1_the_interval_is_at_most_nine_tenths() {
    let single = SessionSettings { multiplier: 1, ..settings() };
    assert_eq!(spacing(single.clone(), 0), 90 * MS);
    assert_eq!(spacing(single, u32::MAX), 75 * MS);
}

#[test]
fn the_slower_side_sets_the_pace() {
    let mut bench = Bench::at(settings(), State::Up);
    bench.hear(ControlPacket { required_min_rx: 250_000, ..packet(State::Up) });
    assert_eq!(bench.session.transmit_interval(), 250 * MS);
    // And faster again at once, without waiting for the slow packet.
    bench.now += 10 * MS;
    bench.hear(packet(State::Up));
    assert!(bench.session.send.next.unwrap() <= bench.start + 110 * MS);
}

/// The new interval is over already: the packet goes at once.
#[test]
fn a_shorter_interval_is_honoured_from_the_last_packet_on() {
    let mut bench = Bench::at(settings(), State::Up);
    bench.hear(ControlPacket { required_min_rx: 10_000_000, ..packet(State::Up) });
    bench.now += 200 * MS;
    bench.hear(packet(State::Up));
    assert_eq!(bench.session.send.next, Some(bench.now));
}

#[test]
fn while_not_up_packets_are_a_second_apart_at_least() {
    let hasty = SessionSettings { idle_tx: MS, ..settings() };
    for state in [State::Down, State::Init] {
        let mut bench = Bench::at(hasty.clone(), state);
        assert_eq!(bench.session.transmit_interval(), SECOND);
        let said = sent(&bench.pass(1500 * MS));
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].desired_min_tx, 1_000_000);
    }
}

#[test]
fn a_passive_side_speaks_only_when_spoken_to() {
    let mut bench = Bench::at(SessionSettings { passive: true, ..settings() }, State::Down);
    assert_eq!(bench.session.next_deadline(), None);
    assert_eq!(bench.pass(60 * SECOND), []);
    let out = bench.hear(ControlPacket { your_discriminator: 0, ..packet(State::Down) });
    assert_eq!(sent(&out)[0].state, State::Init);
    // And no longer when it has lost the neighbour.
    let lost = bench.pass(60 * SECOND);
    assert_eq!(entered(&lost), [State::Down]);
    assert_eq!(sent(&lost).len(), 2, "one a second while the neighbour is known");
    assert_eq!(bench.session.next_deadline(), None);
}

#[test]
fn a_required_interval_of_0_stops_periodic_packets() {
    let mut bench = Bench::at(settings(), State::Up);
    bench.hear(ControlPacket { required_min_rx: 0, ..packet(State::Up) });
    assert_eq!(sent(&bench.pass(299 * MS)), []);
    // A change of state is still told.
    let out = bench.hear(ControlPacket { required_min_rx: 0, ..packet(State::Down) });
    assert_eq!(sent(&out).len(), 1);
}

#[test]
fn a_neighbour_in_demand_mode_gets_no_periodic_packets() {
    let mut bench = Bench::at(settings(), State::Up);
    let demand = ControlPacket { demand: true, ..packet(State::Up) };
    bench.hear(demand);
    assert_eq!(sent(&bench.pass(299 * MS)), []);
    // But it is polled when there is something to agree on.
    bench.hear(demand);
    bench.reconfigure(SessionSettings { min_rx: 200 * MS, ..settings() });
    let polls = sent(&bench.pass(250 * MS));
    assert!(!polls.is_empty() && polls.iter().all(|packet| packet.poll));
    bench.hear(packet(State::Up));
    assert!(!sent(&bench.pass(150 * MS)).is_empty(), "it has left demand mode");
}

#[test]
fn what_is_sent_is_what_the_rfc_says() {
    let mut bench = Bench::at(settings(), State::Up);
    let packet = sent(&bench.pass(100 * MS))[0];
    assert!(!packet.demand && !packet.independent && !packet.poll && !packet.is_final);
    assert_eq!(packet.detect_mult, 3);
    assert_eq!((packet.my_discriminator.get(), packet.your_discriminator), (OURS, THEIRS));
    assert_eq!((packet.desired_min_tx, packet.required_min_rx), (100_000, 100_000));
    assert_eq!(packet.required_min_echo_rx, 0, "no echo");
}

#[test]
fn a_change_of_state_does_not_wait_for_the_timer() {
    let mut bench = Bench::at(settings(), State::Up);
    bench.now += 10 * MS;
    let out = sent(&bench.hear(packet(State::Down)));
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].state, State::Down);
}
