use super::super::fixtures::heard;
use super::super::{Cause, PublicState};
use super::*;

fn value(counters: &Counters, name: &str) -> u64 {
    counters.iter().find(|(candidate, _)| *candidate == name).unwrap().1
}

#[test]
fn names_are_distinct_and_begin_with_keepalived_order() {
    let names: Vec<_> = Counters::default().iter().map(|(name, _)| name).collect();
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();

    assert_eq!(distinct.len(), names.len());
    assert_eq!(names[..4], ["advert_rcvd", "advert_sent", "become_master", "release_master"]);
}

#[test]
fn every_discard_is_counted_by_its_reason_and_nothing_else() {
    let mut counters = Counters::default();
    counters.count_discard(Discard::Ttl(1));
    counters.count_discard(Discard::Ttl(2));
    counters.count_discard(Discard::Checksum);

    assert_eq!((value(&counters, "ip_ttl_err"), value(&counters, "chk_err")), (2, 1));
    assert_eq!(counters.iter().map(|(_, value)| value).sum::<u64>(), 3);
}

/// keepalived 2.3.3 and later: counted as `addr_list_err`, and received all the same.
#[test]
fn a_differing_address_list_counts_as_received_and_as_error() {
    let mut counters = Counters::default();
    let warning = Some(Warning::AddressList { theirs: 2, ours: 1 });
    counters.count_heard(&Heard { warning, ..heard(100) });

    assert_eq!((counters.advert_rcvd, value(&counters, "addr_list_err")), (1, 1));
}

#[test]
fn priority_zero_is_counted_besides() {
    let mut counters = Counters::default();
    counters.count_heard(&heard(0));
    counters.count_heard(&heard(100));
    counters.count_sent(0);
    counters.count_sent(100);

    assert_eq!((counters.advert_rcvd, counters.pri_zero_rcvd), (2, 1));
    assert_eq!((counters.advert_sent, counters.pri_zero_sent), (2, 1));
}

#[test]
fn entering_and_leaving_master_are_counted() {
    let mut counters = Counters::default();
    let (from, to) = (PublicState::Backup, PublicState::Master);
    let cause = Cause::ActiveDownTimerExpired;
    counters.count_transition(&Transition { from, to, cause });
    counters.count_transition(&Transition { from: to, to: PublicState::Fault, cause });

    assert_eq!((counters.become_master, counters.release_master), (1, 1));
}
