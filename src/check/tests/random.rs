//! What holds whatever happens, over random pools and random results.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Result(usize, Outcome),
    Shared(usize, usize, Outcome),
    Reload(Vec<ServerSettings>),
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Connect),
        Just(Kind::Script),
        (1_u32..4, any::<bool>())
            .prop_map(|(urls, fast_recovery)| Kind::Pages { urls, fast_recovery }),
    ]
}

fn servers() -> impl Strategy<Value = Vec<ServerSettings>> {
    let checker = (kinds(), 0_u32..3, any::<bool>()).prop_map(|(kind, retry, alpha)| {
        CheckerSettings { timing: timing(retry, alpha).into(), kind }
    });
    let server = (0_u32..5, any::<bool>(), prop::collection::vec(checker, 0..3)).prop_map(
        |(weight, inhibit_on_failure, checkers)| ServerSettings {
            weight,
            inhibit_on_failure,
            slow_start: Duration::from_secs(if weight > 2 { 7 } else { 0 }),
            checkers,
        },
    );
    prop::collection::vec(server, 0..5)
}

fn settings() -> impl Strategy<Value = PoolSettings> {
    let sorry = prop::option::of(any::<bool>().prop_map(|inhibit| Sorry { inhibit }));
    (0_u32..8, 0_u32..4, servers(), sorry).prop_map(|(quorum, hysteresis, servers, sorry)| {
        PoolSettings { quorum: QuorumRule { quorum, hysteresis }, servers, sorry }
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Success),
        3 => Just(failure()),
        1 => (0_u32..300).prop_map(Outcome::SuccessWithWeight),
        1 => Just(Outcome::NotTried("no".into())),
    ];
    let step = prop_oneof![
        6 => (any::<usize>(), outcome.clone()).prop_map(|(which, outcome)| Step::Result(which, outcome)),
        2 => (any::<usize>(), 0_usize..4, outcome)
            .prop_map(|(which, target, outcome)| Step::Shared(which, target, outcome)),
        5 => (0_u64..12_000).prop_map(Step::Wait),
        1 => servers().prop_map(Step::Reload),
    ];
    prop::collection::vec(step, 0..120)
}

/// Pairs servers and checkers by their place in the list.
fn by_place(old: &[ServerSettings], new: &[ServerSettings]) -> Pairing {
    let pair = |(index, server): (usize, &ServerSettings)| {
        let before = old.get(index)?;
        let place = |checker| (checker < before.checkers.len()).then_some(checker);
        let checkers = (0..server.checkers.len()).map(place).collect();
        Some(PairedServer { old: index, checkers })
    };
    Pairing { servers: new.iter().enumerate().map(pair).collect() }
}

/// Health, sum, quorum and table agree with each other, worked out anew from the parts.
fn check_invariants(lab: &Lab, settings: &PoolSettings) {
    let (status, wanted) = (lab.pool.status(), lab.pool.wanted());
    let mut sum = 0;
    let mut waiting = Vec::new();
    for (server, configured) in status.servers.iter().zip(&settings.servers) {
        assert_eq!(server.alive, server.checkers.iter().all(|checker| checker.up));
        sum += if server.alive { u64::from(server.weight) } else { 0 };
        for checker in &server.checkers {
            let states = (checker.next_attempt.is_some(), checker.running_since.is_some());
            assert!(states.0 != states.1, "a checker waits or runs: {checker:?}");
            waiting.extend(checker.next_attempt);
        }
        assert_eq!(server.checkers.len(), configured.checkers.len());
    }
    assert_eq!(status.sum, sum);
    // A step of a slow start may come first, and what was shared may have moved the attempt.
    let next = lab.pool.next_deadline();
    let earliest = waiting.into_iter().min();
    assert!(earliest.is_none_or(|at| next.is_some_and(|next| next <= at)), "{next:?} {earliest:?}");
    assert!(status.loss >= 1 && status.loss <= status.gain);
    assert!(!status.quorum_held || sum >= status.loss, "held: {status:?}");
    assert!(status.quorum_held || sum < status.gain, "not held: {status:?}");
    let sorry_serves = settings.sorry.is_some() && !status.quorum_held;
    assert_eq!(status.sorry_serves, sorry_serves);
    for (index, server) in status.servers.iter().enumerate() {
        let expected = match (server.alive && !sorry_serves, &settings.servers[index]) {
            (true, configured) if configured.slow_start > Duration::ZERO => {
                let shown = wanted.servers[index].expect("a destination");
                assert!((server.weight.div_ceil(10)..=server.weight).contains(&shown));
                continue;
            }
            (true, _) => Some(server.weight),
            (false, ServerSettings { inhibit_on_failure: true, .. }) => Some(0),
            (false, _) => None,
        };
        assert_eq!(wanted.servers[index], expected);
    }
    let inhibited = settings.sorry.filter(|sorry| sorry.inhibit).map(|_| 0);
    assert_eq!(wanted.sorry, if sorry_serves { Some(1) } else { inhibited });
}

/// Whatever changed in the table was told of.
fn check_changes(before: &Wanted, after: &Wanted, out: &[Action]) -> Result<(), TestCaseError> {
    if out.contains(&Action::TableChanged) {
        return Ok(());
    }
    prop_assert_eq!(before.sorry, after.sorry);
    for (server, both) in before.servers.iter().zip(&after.servers).enumerate() {
        let told = out.contains(&Action::DestinationChanged { server });
        prop_assert!(both.0 == both.1 || told, "server {}: {:?}", server, both);
    }
    Ok(())
}

proptest! {
    #[test]
    fn health_quorum_table_and_deadlines_always_agree(settings in settings(), steps in steps()) {
        let mut settings = settings;
        let (mut lab, mut out) = Lab::start_seen(settings.clone());
        let mut shown = Wanted::default();
        let mut up: Vec<bool> = (0..settings.servers.len()).map(|s| lab.pool.is_alive(s)).collect();
        for step in steps {
            check_changes(&shown, &lab.pool.wanted(), &out)?;
            shown = lab.pool.wanted();
            check_invariants(&lab, &settings);
            out = match step {
                Step::Wait(ms) => {
                    let until = lab.now_ms + ms;
                    lab.attempt(until)
                }
                Step::Result(which, outcome) => {
                    let mut running: Vec<_> = lab.running.iter().map(|(key, value)| (*key, value.1)).collect();
                    running.sort();
                    if running.is_empty() { continue; }
                    let (key, attempt) = running[which % running.len()];
                    lab.running.remove(&key);
                    lab.handle(Event::Result { attempt, outcome })
                }
                Step::Shared(which, target, outcome) => {
                    let count = settings.servers.len();
                    if count == 0 { continue; }
                    let server = which % count;
                    let checker = which / count % 3;
                    lab.handle(Event::Shared { server, checker, target, outcome })
                }
                Step::Reload(servers) => {
                    let pairing = by_place(&settings.servers, &servers);
                    settings.servers = servers;
                    let out = lab.reload(settings.clone(), &pairing);
                    let status = lab.pool.status();
                    lab.running.retain(|(server, checker), _| {
                        let server = status.servers.get(*server);
                        server.and_then(|s| s.checkers.get(*checker)).is_some_and(|c| c.running_since.is_some())
                    });
                    up = (0..settings.servers.len()).map(|s| lab.pool.is_alive(s)).collect();
                    out
                }
            };
            for action in &out {
                match action {
                    Action::ServerUp { server, cause } if *cause != Cause::Reload => {
                        prop_assert!(!up[*server], "up twice");
                        up[*server] = true;
                    }
                    Action::ServerDown { server, cause } if *cause != Cause::Reload => up[*server] = false,
                    _ => {}
                }
            }
            for (server, up) in up.iter().enumerate() {
                prop_assert_eq!(lab.pool.is_alive(server), *up, "every change of state is told");
            }
        }
    }
}
