use crate::vrrp::{AdverInterval, Authentication, Version, Vrid};
use crate::wire::vrrp::{Reading, parse_as};
use crate::wire::{ChecksumScope, IpMeta, Outgoing};

use super::super::fixtures::{HIGHER, LOWER};
use super::*;

/// Some day in 2026.
const NOW: Duration = Duration::from_secs(1_780_000_000);

fn key(id: u8) -> HmacKey {
    HmacKey::new(NonZeroU8::new(id).unwrap(), &[id; 32])
}

fn settings() -> Hmac {
    Hmac {
        keys: vec![key(1), key(2)],
        active_key: NonZeroU8::new(1),
        mode: HmacMode::Enforce,
        anti_replay: AntiReplay::Time,
        window_s: 10,
    }
}

/// An advert of `source`, signed with `key` at `sequence`, as it arrives.
fn signed(source: IpAddr, key: Option<&HmacKey>, sequence: Sequence) -> Vec<u8> {
    let outgoing = Outgoing {
        version: Version::V3,
        vrid: Vrid::new(77).unwrap(),
        priority: 150,
        adver_interval: AdverInterval::ONE_SECOND,
        authentication: Authentication::None,
        checksum: ChecksumScope::PseudoHeader,
        addresses: &["192.0.2.50".parse().unwrap()],
        source,
        destination: "224.0.0.18".parse().unwrap(),
        seal: key.map(|key| Seal { key, sequence }),
    };
    let mut octets = Vec::new();
    outgoing.emit(&mut octets);
    octets
}

fn judge(
    hmac: &Hmac,
    memory: &mut HmacMemory,
    source: IpAddr,
    octets: &[u8],
    utc: Duration,
) -> Result<(), Discard> {
    let destination = "224.0.0.18".parse().unwrap();
    let ip = IpMeta { source, destination, ttl: 255, header_len: 20 };
    let advert = parse_as(octets, &ip, Reading { trailer: true, old_group: None }).unwrap();
    hmac.check(&advert, source, true, utc, memory)
}

fn at(seconds: i64) -> Duration {
    Duration::from_secs(NOW.as_secs().checked_add_signed(seconds).unwrap())
}

#[test]
fn an_advert_is_accepted_once() {
    let (hmac, mut memory) = (settings(), HmacMemory::default());
    let octets = signed(LOWER, Some(&key(1)), Sequence::at(NOW));
    assert_eq!(judge(&hmac, &mut memory, LOWER, &octets, NOW), Ok(()));
    assert_eq!(judge(&hmac, &mut memory, LOWER, &octets, NOW), Err(Discard::HmacReplay));
    let older = signed(LOWER, Some(&key(1)), Sequence::at(at(-1)));
    assert_eq!(judge(&hmac, &mut memory, LOWER, &older, NOW), Err(Discard::HmacReplay));
    let newer = signed(LOWER, Some(&key(2)), Sequence::at(NOW).next());
    assert_eq!(judge(&hmac, &mut memory, LOWER, &newer, NOW), Ok(()), "every key verifies");
    let other = signed(HIGHER, Some(&key(1)), Sequence::at(NOW));
    assert_eq!(judge(&hmac, &mut memory, HIGHER, &other, NOW), Ok(()), "each sender by itself");
}

#[test]
fn each_failure_has_its_reason() {
    let hmac = settings();
    let sequence = Sequence::at(NOW);
    let stranger = HmacKey::new(NonZeroU8::new(1).unwrap(), &[9; 32]);
    let cases = [
        (None, NOW, Discard::HmacMissing),
        (Some(key(9)), NOW, Discard::HmacUnknownKey(9)),
        (Some(stranger), NOW, Discard::HmacInvalid(1)),
        (Some(key(1)), at(11), Discard::HmacStale { ahead_s: -11, window_s: 10 }),
        (Some(key(1)), at(-11), Discard::HmacStale { ahead_s: 11, window_s: 10 }),
    ];
    for (key, now, reason) in cases {
        let octets = signed(LOWER, key.as_ref(), sequence);
        let mut memory = HmacMemory::default();
        assert_eq!(judge(&hmac, &mut memory, LOWER, &octets, now), Err(reason));
        assert_eq!(memory, HmacMemory::default(), "what is refused leaves no trace: {reason}");
    }
}

#[test]
fn the_window_is_judged_before_the_key_and_the_key_before_the_code() {
    let octets = signed(LOWER, Some(&key(9)), Sequence::at(at(-60)));
    let stale = judge(&settings(), &mut HmacMemory::default(), LOWER, &octets, NOW);
    assert_eq!(stale, Err(Discard::HmacStale { ahead_s: -60, window_s: 10 }));
}

#[test]
fn who_is_no_peer_is_refused_even_with_a_key() {
    let octets = signed(LOWER, Some(&key(1)), Sequence::at(NOW));
    let ip = IpMeta {
        source: LOWER,
        destination: "224.0.0.18".parse().unwrap(),
        ttl: 255,
        header_len: 20,
    };
    let advert = parse_as(&octets, &ip, Reading { trailer: true, old_group: None }).unwrap();
    let refused = settings().check(&advert, LOWER, false, NOW, &mut HmacMemory::default());
    assert_eq!(refused, Err(Discard::NotAPeer(LOWER)));
}

#[test]
fn modes_are_the_steps_of_a_migration() {
    let (unsigned, wrong) =
        (signed(LOWER, None, Sequence(0)), signed(LOWER, Some(&key(9)), Sequence::at(NOW)));
    for (mode, signs, wants) in [
        (HmacMode::Enforce, true, true),
        (HmacMode::Permissive, true, false),
        (HmacMode::ReceiveOnly, false, false),
    ] {
        let (hmac, mut memory) = (Hmac { mode, ..settings() }, HmacMemory::default());
        assert_eq!(hmac.seal(&mut memory, NOW).is_some(), signs, "{mode:?}");
        let accepted = judge(&hmac, &mut memory, LOWER, &unsigned, NOW);
        assert_eq!(accepted.is_err(), wants, "{mode:?}");
        let refused = judge(&hmac, &mut memory, LOWER, &wrong, NOW);
        assert_eq!(refused, Err(Discard::HmacUnknownKey(9)), "{mode:?}: a bad one is never good");
    }
}

#[test]
fn without_clocks_only_the_order_counts() {
    let hmac = Hmac { anti_replay: AntiReplay::Monotonic, ..settings() };
    let mut memory = HmacMemory::default();
    let old = signed(LOWER, Some(&key(1)), Sequence::at(at(-100_000)));
    assert_eq!(judge(&hmac, &mut memory, LOWER, &old, NOW), Ok(()));
    assert_eq!(memory.skew(), None);
    assert_eq!(judge(&hmac, &mut memory, LOWER, &old, NOW), Err(Discard::HmacReplay));
}

#[test]
fn half_of_the_window_is_worth_a_warning() {
    let (hmac, mut memory) = (settings(), HmacMemory::default());
    for (ahead_s, warned) in [(-6, true), (0, false), (5, false), (6, true)] {
        let octets = signed(LOWER, Some(&key(1)), Sequence::at(at(ahead_s)));
        assert_eq!(judge(&hmac, &mut memory, LOWER, &octets, NOW), Ok(()));
        let ahead_s = i32::try_from(ahead_s).unwrap();
        let warning = Warning::ClockSkew { ahead_s, window_s: 10 };
        assert_eq!(memory.skew(), warned.then_some(warning));
    }
}

/// A sender whose clock was wrong and is put right is heard again.
#[test]
fn a_mark_outside_of_the_window_is_forgotten() {
    let (hmac, mut memory) = (settings(), HmacMemory::default());
    let early = signed(LOWER, Some(&key(1)), Sequence::at(at(100)));
    assert_eq!(judge(&hmac, &mut memory, LOWER, &early, at(100)), Ok(()), "both clocks are wrong");
    let right = signed(LOWER, Some(&key(1)), Sequence::at(NOW));
    assert_eq!(judge(&hmac, &mut memory, LOWER, &right, NOW), Ok(()));
    assert_eq!(judge(&hmac, &mut memory, LOWER, &right, NOW), Err(Discard::HmacReplay));
}

#[test]
fn numbers_follow_the_clock_and_never_repeat() {
    let (hmac, mut memory) = (settings(), HmacMemory::default());
    let mut next = |utc| hmac.seal(&mut memory, utc).unwrap().sequence;
    let clock = Sequence::at(NOW);
    assert_eq!([next(NOW), next(NOW)], [clock, clock.next()]);
    assert_eq!(next(at(1)), Sequence::at(at(1)));
    // A small step back of the clock: the last number still counts.
    assert_eq!(next(at(-5)), Sequence::at(at(1)).next());
    // One beyond the window: peers whose clocks are right would find its successor stale.
    assert_eq!(next(at(-20)), Sequence::at(at(-20)));
}

#[test]
fn without_clocks_numbers_never_go_back() {
    let hmac = Hmac { anti_replay: AntiReplay::Monotonic, ..settings() };
    let mut memory = HmacMemory::default();
    let first = hmac.seal(&mut memory, NOW).unwrap().sequence;
    assert_eq!(hmac.seal(&mut memory, at(-100_000)).unwrap().sequence, first.next());
}

/// keepalived remembers four; a fifth router of the VRID makes room for a replay there.
#[test]
fn many_senders_are_remembered_and_not_without_bound() {
    let (hmac, mut memory) = (settings(), HmacMemory::default());
    let sender = |number: usize| IpAddr::from([192, 0, 2, number as u8]);
    let packet = |number| signed(sender(number), Some(&key(1)), Sequence::at(NOW));
    for number in 0..100 {
        assert_eq!(judge(&hmac, &mut memory, sender(number), &packet(number), NOW), Ok(()));
    }
    assert_eq!(memory.heard.len(), MOST_SENDERS);
    for number in 100 - MOST_SENDERS..100 {
        let again = judge(&hmac, &mut memory, sender(number), &packet(number), NOW);
        assert_eq!(again, Err(Discard::HmacReplay), "{number}");
    }
}
