//! Two sessions over a link that loses, delays, doubles and disorders packets, and breaks.

use super::*;
use crate::bfd::{PACKET_LEN, SessionSettings};
use crate::random::Random;

const RUNS: u64 = 400;

struct Side {
    session: Session,
    /// The last packet, and when it went.
    last: Option<(Instant, ControlPacket)>,
    downs: u32,
}

struct Link {
    sides: [Side; 2],
    /// When, to whom, what.
    flying: Vec<(Instant, usize, [u8; PACKET_LEN])>,
    random: Random,
    now: Instant,
    loss: u64,
    /// Milliseconds.
    longest_delay: u64,
    cut: bool,
}

fn random_settings(random: &mut Random) -> SessionSettings {
    let interval = |random: &mut Random| random.one_of(&[10, 50, 100, 300, 1000, 3000]) * MS;
    SessionSettings {
        min_rx: interval(random),
        min_tx: interval(random),
        idle_tx: random.one_of(&[1000, 1500]) * MS,
        multiplier: random.one_of(&[3, 5, 8]),
        passive: false,
        least_ttl: 255,
    }
}

impl Link {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let mut side = |number| {
            let session = Session::new(random_settings(&mut random), discriminator(number));
            Side { session, last: None, downs: 0 }
        };
        let mut sides = [side(OURS), side(THEIRS)];
        sides[1].session.settings.passive = random.chance(20);
        Self { sides, flying: Vec::new(), random, now, loss: 0, longest_delay: 1, cut: false }
    }

    fn handle(&mut self, side: usize, event: Event) {
        let mut out = Vec::new();
        let random = self.random.number() as u32;
        self.sides[side].session.handle(self.now, random, event, &mut out);
        self.take(side, out);
    }

    fn take(&mut self, side: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(packet) => self.send(side, packet),
                Action::Transition(transition) => {
                    // What is sent next is a change of state's, not due by any timer.
                    self.sides[side].last = None;
                    self.sides[side].downs += u32::from(transition.from == State::Up);
                }
            }
        }
    }

    fn send(&mut self, side: usize, packet: ControlPacket) {
        self.check(side, &packet);
        let copies = if self.random.chance(2) { 2 } else { 1 };
        for _ in 0..copies {
            if !self.cut && !self.random.chance(self.loss) {
                let delay = self.random.between(0, self.longest_delay * 1000);
                let at = self.now + Duration::from_micros(delay);
                self.flying.push((at, 1 - side, packet.to_octets()));
            }
        }
    }

    /// What holds for each packet at any time.
    fn check(&mut self, side: usize, packet: &ControlPacket) {
        let now = self.now;
        let Side { session, last, .. } = &mut self.sides[side];
        assert!(!(packet.poll && packet.is_final), "both Poll and Final");
        assert!(packet.state == State::Up || packet.desired_min_tx >= 1_000_000, "too fast");
        assert!(packet.your_discriminator != 0 || packet.state == State::Down, "{packet:?}");
        assert!(!session.settings.passive || packet.your_discriminator != 0, "passive spoke");
        if packet.is_final {
            return;
        }
        let before = last.replace((now, *packet));
        if let Some((at, _)) = before.filter(|(_, before)| before == packet) {
            // The interval then and now may differ; the shorter one is the least there can be.
            let least = session.settings.min_tx.min(session.transmit_interval()) * 3 / 4;
            assert!(now - at >= least - MS, "{:?} after the last one", now - at);
        }
    }

    /// Lets `time` pass.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let deadlines = (0..2).filter_map(|side| {
                self.sides[side].session.next_deadline().map(|at| (at, side, None))
            });
            let arrivals =
                (0..).zip(&self.flying).map(|(place, &(at, side, _))| (at, side, Some(place)));
            // Packets first: they lie in the queue when the timer goes off.
            let next =
                deadlines.chain(arrivals).min_by_key(|&(at, _, place)| (at, place.is_none()));
            let Some((at, side, place)) = next.filter(|(at, ..)| *at <= end) else { break };
            self.now = self.now.max(at);
            match place {
                Some(place) => {
                    let (_, _, octets) = self.flying.swap_remove(place);
                    let packet = ControlPacket::parse(&octets).expect("our own packet");
                    self.handle(side, Event::Heard(packet));
                }
                None => self.handle(side, Event::DeadlineReached),
            }
        }
        self.now = end;
    }

    fn start(&mut self) {
        self.handle(0, Event::Startup);
        self.handle(1, Event::Startup);
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|side| self.sides[side].session.state())
    }
}

#[test]
fn on_a_good_link_both_come_up_and_stay_up() {
    for seed in 0..RUNS {
        let mut link = Link::new(seed);
        link.start();
        link.run(10 * SECOND);
        assert_eq!(link.states(), [State::Up; 2], "seed {seed}");
        // A Down that was overtaken may have cost a second handshake; from here on nothing may.
        link.sides.iter_mut().for_each(|side| side.downs = 0);
        link.run(120 * SECOND);
        assert_eq!(link.states(), [State::Up; 2], "seed {seed}");
        assert_eq!([link.sides[0].downs, link.sides[1].downs], [0, 0], "seed {seed}");
        assert!(link.sides.iter().all(|side| !side.session.awaits_final()), "seed {seed}");
    }
}

#[test]
fn a_broken_link_is_noticed_within_the_detection_time_and_a_mended_one_used() {
    for seed in 0..RUNS {
        let mut link = Link::new(seed);
        (link.loss, link.longest_delay) = (10, 5);
        link.start();
        link.run(60 * SECOND);
        (link.loss, link.longest_delay) = (0, 1);
        // Longest Detection Time there is: 8 × 3 s. Two of them and some idle packets settle all.
        link.run(60 * SECOND);
        assert_eq!(link.states(), [State::Up; 2], "seed {seed}");
        link.cut = true;
        let limit =
            link.sides.iter().map(|side| side.session.detection_time()).max().expect("two sides");
        link.run(limit + 2 * MS);
        assert_eq!(link.states(), [State::Down; 2], "seed {seed}, after {limit:?}");
        link.cut = false;
        link.run(60 * SECOND);
        assert_eq!(link.states(), [State::Up; 2], "seed {seed}");
    }
}

/// The neighbour's process dies without a word and comes back with another discriminator.
#[test]
fn a_neighbour_that_restarts_is_found_again() {
    for seed in 0..RUNS {
        let mut link = Link::new(seed);
        link.loss = 5;
        link.start();
        link.run(60 * SECOND);
        let settings = link.sides[0].session.settings().clone();
        let number = link.random.number() as u32 | 1;
        link.sides[0].session = Session::new(settings, discriminator(number));
        link.sides[0].last = None;
        link.handle(0, Event::Startup);
        link.loss = 0;
        link.run(90 * SECOND);
        assert_eq!(link.states(), [State::Up; 2], "seed {seed}");
    }
}

/// Whatever a reload changes while packets get lost, no side that is up goes down for it.
#[test]
fn new_timing_on_a_good_link_keeps_both_up() {
    for seed in 0..RUNS {
        let mut link = Link::new(seed);
        link.start();
        link.run(30 * SECOND);
        link.sides.iter_mut().for_each(|side| side.downs = 0);
        for _ in 0..5 {
            let side = link.random.below(2);
            let passive = link.sides[side].session.settings().passive;
            let settings = SessionSettings { passive, ..random_settings(&mut link.random) };
            let (mut out, random) = (Vec::new(), link.random.number() as u32);
            link.sides[side].session.reconfigure(link.now, random, settings, &mut out);
            link.take(side, out);
            let pause = link.random.between(0, 20_000);
            link.run(Duration::from_millis(pause));
            assert_eq!(link.states(), [State::Up; 2], "seed {seed}");
        }
        link.run(30 * SECOND);
        assert_eq!([link.sides[0].downs, link.sides[1].downs], [0, 0], "seed {seed}");
        assert!(link.sides.iter().all(|side| !side.session.awaits_final()), "seed {seed}");
    }
}

/// No sequence of valid packets panics or leaves a session without a way on.
#[test]
fn any_packets_in_any_order_are_survived() {
    for seed in 0..RUNS {
        let mut link = Link::new(seed);
        link.start();
        for _ in 0..300 {
            let random = &mut link.random;
            let states = [State::AdminDown, State::Down, State::Init, State::Up];
            let forged = ControlPacket {
                state: random.one_of(&states),
                poll: random.chance(30),
                is_final: random.chance(30),
                demand: random.chance(10),
                detect_mult: random.one_of(&[1, 3, 255]),
                desired_min_tx: random.one_of(&[0, 1, 1_000_000, u32::MAX]),
                required_min_rx: random.one_of(&[0, 1, 1_000_000, u32::MAX]),
                ..packet(State::Down)
            };
            let pause = Duration::from_micros(random.between(0, 3_000_000));
            link.handle(0, Event::Heard(forged));
            link.sides[0].last = None;
            link.flying.clear();
            link.run(pause);
            let session = &link.sides[0].session;
            // Something is always awaited: silence, or our own next packet.
            assert!(session.next_deadline().is_some(), "seed {seed}");
        }
    }
}
