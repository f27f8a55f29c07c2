//! `ha_suspend`: nothing is tried while the service's address is elsewhere.

use super::*;

#[test]
fn suspended_nothing_is_tried_and_everything_stays() {
    let mut lab = Lab::start(two_servers(3, 2));
    lab.next(1, failure());
    assert_eq!(lab.handle(Event::Suspended), []);
    assert_eq!(lab.pool.next_deadline(), None, "nobody is woken for nothing");
    assert_eq!(lab.wanted(), [Some(3), None]);
    assert!(lab.pool.status().suspended);

    lab.now_ms = 100_000;
    assert_eq!(lab.handle(Event::Resumed { seed: 1 }), []);
    assert_eq!(lab.deadline_ms(), 101_000, "as after a start, with no warmup");
    assert_eq!(lab.wanted(), [Some(3), None], "till there is news");
    assert!(says_up(&lab.next(1, Outcome::Success)));
}

/// Somebody is owed a result; it comes from before the address went, or from the way there.
#[test]
fn what_is_under_way_says_nothing_and_is_not_overlapped() {
    let mut lab = Lab::start(one_server(timing(0, false)));
    lab.attempt(1_000);
    lab.handle(Event::Suspended);
    assert_eq!(lab.result(0, 0, failure()), []);
    assert!(lab.pool.is_alive(0));
    lab.handle(Event::Resumed { seed: 1 });

    lab.attempt(2_000);
    assert!(lab.running.contains_key(&(0, 0)));
    lab.handle(Event::Suspended);
    lab.handle(Event::Resumed { seed: 1 });
    assert_eq!(lab.pool.next_deadline(), None, "the script still runs: no second one beside it");
    assert!(says_down(&lab.result(0, 0, failure())), "and counts, now that the address is back");
}

#[test]
fn it_may_begin_so_and_live_through_a_reload() {
    let settings = || one_server(timing(0, true));
    let mut lab = Lab::new(settings());
    lab.handle(Event::Suspended);
    lab.handle(Event::Startup { seed: 1 });
    assert_eq!((lab.pool.next_deadline(), lab.wanted()), (None, vec![None]), "alpha: down");

    let same = || Pairing { servers: vec![Some(PairedServer { old: 0, checkers: vec![Some(0)] })] };
    let (mut out, now) = (Vec::new(), lab.at(0));
    let mut next = Pool::new(settings());
    next.handle(now, Event::Suspended, &mut out);
    next.adopt(now, &lab.pool, &same(), 2, &mut out);
    assert_eq!(next.next_deadline(), None);

    let mut back = Pool::new(settings());
    back.adopt(now, &next, &same(), 2, &mut out);
    assert_eq!(back.next_deadline(), Some(lab.at(1_000)), "the reload took ha_suspend out");
}

/// A file or a BFD session costs nothing to know of.
#[test]
fn what_is_told_is_taken_all_the_same() {
    let told = CheckerSettings { timing: timing(0, false).into(), kind: Kind::Told };
    let mut lab = Lab::start(pool(vec![server(1, vec![told])]));
    lab.handle(Event::Suspended);
    let out = lab.handle(Event::Told { server: 0, checker: 0, outcome: failure() });
    assert!(says_down(&out));
}
