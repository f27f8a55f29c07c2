use std::time::Duration;

use super::super::fixtures::*;
use super::super::{Action, Event, FaultCause, RouterSettings, VirtualRouter};
use super::*;

/// Members with what they were last told to do.
struct Bench {
    group: SyncGroup,
    members: Vec<VirtualRouter>,
    out: Vec<(usize, Action)>,
}

impl Bench {
    fn started(priorities: &[u8]) -> Self {
        let member = |&priority: &u8| {
            let grouped = RouterSettings { in_sync_group: true, ..settings(priority) };
            VirtualRouter::new(RouterSettings { starts_active: false, ..grouped }, Some(OURS))
        };
        let members = priorities.iter().map(member).collect();
        let mut bench = Self { group: SyncGroup::default(), members, out: Vec::new() };
        for member in 0..bench.members.len() {
            bench.tell_only(0, member, Event::Startup);
        }
        bench.settle(0);
        bench
    }

    /// One event, and what the group makes of it.
    fn tell(&mut self, ms: u64, member: usize, event: Event) {
        self.out.clear();
        self.tell_only(ms, member, event);
        self.settle(ms);
    }

    fn tell_only(&mut self, ms: u64, member: usize, event: Event) {
        let mut out = Vec::new();
        self.members[member].handle(at_us(ms * 1000), event, &mut out);
        self.out.extend(out.into_iter().map(|action| (member, action)));
    }

    fn standings(&self) -> Vec<Standing> {
        self.members.iter().map(VirtualRouter::standing).collect()
    }

    fn settle(&mut self, ms: u64) {
        for _ in 0..4 {
            let Some(next) = SyncGroup::next_move(&self.standings()) else { return };
            for member in 0..self.members.len() {
                self.tell_only(
                    ms,
                    member,
                    match next {
                        GroupMove::Fault => Event::Fault(FaultCause::SyncGroup),
                        GroupMove::Recover => Event::Recovered(FaultCause::SyncGroup),
                        GroupMove::Yield => Event::GroupYields,
                        GroupMove::BecomeActive => Event::GroupBecomesActive,
                    },
                );
            }
        }
        panic!("the group does not come to rest: {:?}", self.standings());
    }

    fn states(&self) -> Vec<PublicState> {
        self.members.iter().map(VirtualRouter::public_state).collect()
    }

    fn sent(&self) -> Vec<(usize, u8)> {
        let advert = |&(member, action): &(usize, Action)| match action {
            Action::SendAdvertisement { priority } => Some((member, priority)),
            _ => None,
        };
        self.out.iter().filter_map(advert).collect()
    }
}

use PublicState::{Backup, Fault, Init, Master};

/// 3.609375 s at priority 100, 3.4140625 s at 150.
#[test]
fn the_group_becomes_active_when_its_last_member_wants_to() {
    let mut bench = Bench::started(&[100, 150]);
    assert_eq!(bench.group.report(&bench.standings()), Some((Init, Backup)));
    bench.tell(3_415, 1, Event::DeadlineReached);
    assert_eq!(bench.states(), [Backup, Backup], "the other may still hear somebody");
    assert_eq!(
        bench.members[1].next_deadline(),
        Some(at_us(6_829_062) + Duration::from_nanos(500))
    );
    bench.tell(3_610, 0, Event::DeadlineReached);
    assert_eq!(bench.states(), [Master, Master]);
    assert_eq!(bench.sent(), [(0, 100), (1, 150)]);
    assert_eq!(bench.group.report(&bench.standings()), Some((Backup, Master)));
    assert_eq!(bench.group.report(&bench.standings()), None, "once");
}

#[test]
fn an_accepted_advert_takes_a_members_wish_back() {
    let mut bench = Bench::started(&[100, 100]);
    bench.tell(3_610, 0, Event::DeadlineReached);
    bench.tell(3_700, 0, Event::Advertisement(heard(120)));
    bench.tell(3_800, 1, Event::DeadlineReached);
    assert_eq!(bench.states(), [Backup, Backup]);
    // A resignation does not: nobody better is there.
    bench.tell(8_000, 0, Event::DeadlineReached);
    assert_eq!(bench.states(), [Master, Master]);
}

fn active() -> Bench {
    let mut bench = Bench::started(&[100, 100]);
    bench.tell(10_000, 0, Event::DeadlineReached);
    bench.tell(10_000, 1, Event::DeadlineReached);
    assert_eq!(bench.states(), [Master, Master]);
    bench
}

/// No priority 0: the better router is Active for one of them already.
#[test]
fn when_one_member_yields_the_others_follow_without_a_word() {
    let mut bench = active();
    bench.tell(10_500, 1, Event::Advertisement(heard(120)));
    assert_eq!(bench.states(), [Backup, Backup]);
    assert_eq!(bench.sent(), []);
}

#[test]
fn when_one_member_fails_all_resign_and_none_recovers_alone() {
    let mut bench = active();
    bench.tell(10_500, 0, Event::Fault(FaultCause::LinkDown));
    assert_eq!(bench.states(), [Fault, Fault]);
    assert_eq!(bench.sent(), [(0, 0), (1, 0)]);
    bench.tell(10_600, 1, Event::Fault(FaultCause::NoSocket));
    bench.tell(11_000, 0, Event::Recovered(FaultCause::LinkDown));
    assert_eq!(bench.states(), [Fault, Fault], "the other has a fault of its own");
    bench.tell(12_000, 1, Event::Recovered(FaultCause::NoSocket));
    assert_eq!(bench.states(), [Backup, Backup]);
    assert_eq!(bench.members[0].next_deadline(), Some(at_us(15_609_375)), "the whole wait");
}

#[test]
fn a_member_that_cannot_start_keeps_the_others_in_fault() {
    let grouped = RouterSettings { in_sync_group: true, ..settings(100) };
    let members =
        vec![VirtualRouter::new(grouped.clone(), Some(OURS)), VirtualRouter::new(grouped, None)];
    let mut bench = Bench { group: SyncGroup::default(), members, out: Vec::new() };
    bench.settle(0);
    bench.tell(0, 0, Event::Startup);
    bench.tell(0, 1, Event::Startup);
    assert_eq!(bench.states(), [Fault, Fault]);
    assert_eq!(bench.group.report(&bench.standings()), Some((Init, Fault)));
    bench.tell(1_000, 1, Event::SourceChanged(Some(OURS)));
    assert_eq!(bench.states(), [Backup, Backup]);
}

#[test]
fn a_member_that_is_gone_has_no_say() {
    let mut bench = active();
    bench.tell(11_000, 0, Event::Deleted);
    assert_eq!(bench.states()[1], Master);
}
