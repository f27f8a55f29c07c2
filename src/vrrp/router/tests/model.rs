//! Random sequences of events against what must hold after each of them.

use proptest::prelude::*;

use super::super::super::TrackedKind;
use super::*;

fn any_fault() -> impl Strategy<Value = FaultCause> {
    prop_oneof![
        Just(FaultCause::InterfaceMissing),
        Just(FaultCause::LinkDown),
        Just(FaultCause::NoSourceAddress),
        Just(FaultCause::Tracked(TrackedKind::Script, 0)),
    ]
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![Just(LOWER), Just(OURS), Just(HIGHER)]
}

fn any_priority() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(1), Just(99), Just(100), Just(101), Just(255)]
}

fn any_settings() -> impl Strategy<Value = RouterSettings> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (1u8.., 1u16..1000, 0u64..5, switches, 0u64..3, 0u32..3).prop_map(
        |(priority, centiseconds, delay, switches, garp, repeat)| RouterSettings {
            version: if switches.0 { Version::V2 } else { Version::V3 },
            adver_interval: AdverInterval::from_centiseconds(centiseconds).unwrap(),
            preempt: switches.1,
            preempt_delay: Duration::from_secs(delay),
            starts_active: switches.2,
            higher_prio_send_advert: switches.3,
            lower_prio_no_advert: switches.4,
            late_behind: (!switches.1 && switches.2).then_some(254),
            garp: GarpSettings {
                repeat,
                delay: Duration::from_secs(garp),
                refresh: Duration::from_secs(garp),
                ..GarpSettings::default()
            },
            ..settings(priority)
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Startup),
        1 => Just(Event::Shutdown),
        1 => (0u64..20).prop_map(|seconds| Event::QuietUntil(at_secs(seconds))),
        1 => prop_oneof![9 => Just(Event::AddressesAdded), 1 => Just(Event::Deleted)],
        2 => Just(Event::AddressesRemoved),
        1 => prop_oneof![Just(Event::GroupBecomesActive), Just(Event::GroupYields)],
        8 => (any_address(), any_priority()).prop_map(|(from, priority)| {
            Event::Advertisement(heard_from(from, priority))
        }),
        8 => Just(Event::DeadlineReached),
        1 => any_fault().prop_map(Event::Fault),
        2 => any_fault().prop_map(Event::Recovered),
        3 => prop_oneof![1 => Just(None), 3 => any_address().prop_map(Some)]
            .prop_map(Event::SourceChanged),
        2 => (-300i32..300).prop_map(Event::PriorityAdjusted),
        1 => any_settings().prop_map(Event::Reconfigured),
    ]
}

/// What the driver would know, from the actions alone.
struct Model {
    holding: bool,
    public: PublicState,
}

impl Model {
    fn follow(&mut self, action: &Action) {
        match *action {
            Action::HoldAddresses => {
                assert!(!self.holding, "held twice");
                self.holding = true;
            }
            Action::ReleaseAddresses => {
                assert!(self.holding, "released what is not held");
                self.holding = false;
            }
            Action::Announce { rounds } => assert!(self.holding && rounds > 0),
            Action::SendAdvertisement { priority: 0 } => assert!(self.holding, "resigned unheld"),
            Action::AnnounceElsewhere => assert!(self.holding, "announced unheld"),
            Action::RestoreAddresses => assert!(self.holding, "restored unheld"),
            Action::SendAdvertisement { .. } | Action::Note(_) => {}
            Action::Transition(Transition { from, to, .. }) => {
                assert_eq!(from, self.public, "a transition from where nobody was");
                assert_ne!(from, to);
                self.public = to;
            }
        }
    }
}

/// The longest that a deadline may lie ahead: Active_Down_Interval at the longest interval that
/// `any_settings` gives, with skew, 4 × 9.99 s.
const LONGEST_WAIT: Duration = Duration::from_millis(39_960);

fn check(router: &VirtualRouter, model: &Model, now: Instant) {
    let active = matches!(router.state(), State::Active(_));
    assert_eq!(model.holding, active, "addresses are held exactly while Active");
    // Before the first Startup a Shutdown is not told to anybody.
    if model.public != PublicState::Init {
        assert_eq!(model.public, router.public_state(), "operators were told of the last change");
    }
    let idle = matches!(router.state(), State::Initialize(_));
    let resting = router.faults().any(|cause| cause == FaultCause::AddressFight);
    assert_eq!(router.next_deadline().is_none(), idle && !resting);
    if let Some(deadline) = router.next_deadline() {
        let longest = if idle { Duration::from_secs(60) } else { LONGEST_WAIT };
        // Start-up delays here end at 20 s.
        assert!(deadline <= now.max(at_secs(20)) + longest, "bounded");
    }
    let faulty = router.public_state() == PublicState::Fault;
    assert!(idle || router.faults().next().is_none(), "nothing runs with a fault");
    assert!(!faulty || router.faults().next().is_some(), "FAULT has a cause");
    assert!(idle || router.source().is_some(), "nothing runs without a source address");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn invariants_hold_after_any_sequence_of_events(
        settings in any_settings(),
        source in prop_oneof![1 => Just(None), 3 => Just(Some(OURS))],
        events in proptest::collection::vec((0u64..2_000_000, any_event()), 0..200),
    ) {
        let mut router = VirtualRouter::new(settings, source);
        let mut model = Model { holding: false, public: PublicState::Init };
        let mut out = Vec::new();
        let mut elapsed = 0;
        for (pause, event) in events {
            elapsed += pause;
            router.handle(at_us(elapsed), event, &mut out);
            for action in out.drain(..) {
                // Started again after a silent stop.
                if let Action::Transition(Transition { from: PublicState::Stop, .. }) = action {
                    model.public = PublicState::Stop;
                }
                model.follow(&action);
            }
            check(&router, &model, at_us(elapsed));
        }
    }

    /// Serving a deadline always moves it on: the driver cannot spin.
    #[test]
    fn a_served_deadline_lies_behind(settings in any_settings(), lateness in 0u64..30_000_000) {
        let mut bench = Bench::started(settings);
        for _ in 0..50 {
            let now = bench.deadline().unwrap() + Duration::from_micros(lateness);
            bench.tell(now, Event::DeadlineReached);
            prop_assert!(bench.deadline().unwrap() > now);
        }
    }
}
