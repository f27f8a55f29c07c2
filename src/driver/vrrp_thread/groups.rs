//! Sync groups: carries what has happened to one member to the others, and the news to scripts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::{News, Report, VrrpThread, Who};
use crate::config::plan;
use crate::driver::clock;
use crate::vrrp::{Event, FaultCause, GroupMove, PublicState, Standing, SyncGroup};

/// One vrrp_sync_group as it runs.
pub struct Group {
    pub plan: Arc<plan::SyncGroup>,
    core: SyncGroup,
    /// Numbers of its instances.
    members: Vec<usize>,
}

/// Each move makes the members more alike: three in a row are the most there can be.
const MOST_MOVES: usize = 4;

impl VrrpThread {
    /// The groups of a new plan. One of the same name goes on from where it was.
    pub(super) fn adopt_groups(&mut self) {
        let mut former: HashMap<String, SyncGroup> =
            self.groups.drain(..).map(|group| (group.plan.name.clone(), group.core)).collect();
        let numbers: HashMap<&str, usize> =
            (self.instances.iter().enumerate()).map(|(n, each)| (&*each.plan.name, n)).collect();
        for group in &self.plan.sync_groups {
            let members = group.members.iter().filter_map(|name| numbers.get(&**name).copied());
            self.groups.push(Group {
                plan: Arc::new(group.clone()),
                core: former.remove(&group.name).unwrap_or_default(),
                members: members.collect(),
            });
        }
        self.groups_touched = !self.groups.is_empty();
        self.release_from_groups();
    }

    /// Who has left its group is no longer kept in FAULT by it.
    fn release_from_groups(&mut self) {
        let now = clock::now();
        for number in 0..self.instances.len() {
            let router = &self.instances[number].router;
            let held = router.faults().any(|cause| cause == FaultCause::SyncGroup);
            if held && !router.settings().in_sync_group {
                self.handle(number, now, Event::Recovered(FaultCause::SyncGroup));
            }
        }
    }

    /// Brings the members of every group into step, after something has happened to some.
    pub(super) fn settle_groups(&mut self) {
        if !std::mem::take(&mut self.groups_touched) {
            return;
        }
        let now = clock::now();
        for number in 0..self.groups.len() {
            for _ in 0..MOST_MOVES {
                let standings = self.standings(number);
                let Some(next) = SyncGroup::next_move(&standings) else { break };
                self.move_group(number, next, now);
            }
            self.report_group(number);
        }
        self.groups_touched = false;
    }

    fn standings(&self, group: usize) -> Vec<Standing> {
        let members = self.groups[group].members.iter();
        members.map(|&number| self.instances[number].router.standing()).collect()
    }

    fn move_group(&mut self, group: usize, next: GroupMove, now: Instant) {
        let name = &self.groups[group].plan.name;
        let (event, state) = match next {
            GroupMove::Fault => (Event::Fault(FaultCause::SyncGroup), PublicState::Fault),
            GroupMove::Recover => (Event::Recovered(FaultCause::SyncGroup), PublicState::Backup),
            GroupMove::Yield => (Event::GroupYields, PublicState::Backup),
            GroupMove::BecomeActive => (Event::GroupBecomesActive, PublicState::Master),
        };
        tracing::info!("VRRP_Group({name}) Syncing instances to {state} state");
        for place in 0..self.groups[group].members.len() {
            let member = self.groups[group].members[place];
            self.handle(member, now, event.clone());
        }
    }

    /// Tells FIFOs where every instance and group stands (`fifo_write_vrrp_states_on_reload`).
    pub(super) fn repeat_states(&mut self) {
        for instance in self.instances.iter().filter(|each| each.state != PublicState::Init) {
            self.effects.report(Report {
                who: Who::Instance(instance.plan.clone()),
                news: News::StillIn(instance.state),
                priority: instance.router.priority(),
            });
        }
        for group in self.groups.iter().filter(|each| each.core.state() != PublicState::Init) {
            let (who, news) = (Who::Group(group.plan.clone()), News::StillIn(group.core.state()));
            self.effects.report(Report { who, news, priority: 0 });
        }
    }

    /// Tells scripts where the whole group is now; while it starts before its members, else after
    /// them, as keepalived does.
    pub(super) fn report_group(&mut self, number: usize) {
        let standings = self.standings(number);
        let group = &mut self.groups[number];
        if let Some((from, to)) = group.core.report(&standings) {
            let before_members = from == PublicState::Init;
            self.effects.group_entered(group.plan.clone(), to, before_members);
        }
    }
}
