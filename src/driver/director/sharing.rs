//! Identical checkers of several real servers: one makes the attempt, all have the result. Bookkeeping
//! only, no task and no clock.
//!
//! Checkers are identical whose probes and timing are, down to the last option: the same backend behind
//! many virtual servers. Scripts are not taken together: what they do beside their answer is not ours to know.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::check::AttemptId;
use crate::config::plan::{Checker, ServerIdentity, VirtualServer};
use crate::status::SharedCheck;

/// One checker, by the numbers of its virtual server, real server and itself in the running plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Member {
    pub service: usize,
    pub server: usize,
    pub checker: usize,
}

/// One attempt, by the virtual server it was for: places change with a reload, keys do not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct AttemptKey {
    pub service: ServerIdentity,
    pub attempt: AttemptId,
}

/// What the one who makes the attempt brings back with its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    /// Which plan its numbers are of.
    generation: u64,
    group: usize,
    leader: Member,
    pub target: usize,
}

/// What to do about an attempt that a checker asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Make it; the result is nobody else's.
    Alone,
    /// Make it; the result is for others, too.
    First(Ticket),
    /// It is under way already: its result comes with that of the first.
    Joined,
}

/// For whom a result is beside the one who made the attempt.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// Attempts that wait for it.
    pub joined: Vec<AttemptKey>,
    /// Checkers that made none.
    pub idle: Vec<Member>,
}

#[derive(Debug, Default)]
pub(super) struct Sharing {
    generation: u64,
    groups: Vec<Group>,
    group_of: HashMap<Member, usize>,
    /// Who waits for an attempt. Not part of a group: a reload makes new ones, and results come all the same.
    joined: HashMap<AttemptKey, Vec<(AttemptKey, Member)>>,
}

#[derive(Debug)]
struct Group {
    members: Vec<Member>,
    /// The attempt under way, and what it is about.
    running: Option<(usize, AttemptKey)>,
}

impl Sharing {
    /// Finds who shares in the servers of a plan; with `on` false, nobody.
    pub fn follow(&mut self, servers: &[Arc<VirtualServer>], on: bool) {
        self.generation += 1;
        self.group_of.clear();
        self.groups.clear();
        if !on {
            return;
        }
        // Told apart first by what differs most often, then by everything.
        let mut similar = Vec::with_capacity(checkers(servers).count());
        similar.extend(checkers(servers).filter_map(|(member, it)| Some((likeness(it)?, member))));
        similar.sort_unstable();
        let numbered = |&(_, member): &(u64, Member)| {
            let real = &servers[member.service].real_servers[member.server];
            (&real.checkers[member.checker], member)
        };
        let chunks = similar.chunk_by(|one, other| one.0 == other.0);
        for similar in chunks.filter(|similar| similar.len() > 1) {
            alike(similar.iter().map(numbered)).into_iter().for_each(|each| self.add_group(each));
        }
    }

    fn add_group(&mut self, members: Vec<Member>) {
        self.group_of.extend(members.iter().map(|member| (*member, self.groups.len())));
        self.groups.push(Group { members, running: None });
    }

    /// `member` wants to try `target`, and calls the attempt `key`.
    pub fn begin(&mut self, member: Member, target: usize, key: &AttemptKey) -> Begin {
        let Some(&group) = self.group_of.get(&member) else { return Begin::Alone };
        match &self.groups[group].running {
            Some((same, first)) if *same == target => {
                let waiting = self.joined.entry(first.clone()).or_default();
                waiting.push((key.clone(), member));
                Begin::Joined
            }
            Some(_) => Begin::Alone,
            None => {
                self.groups[group].running = Some((target, key.clone()));
                Begin::First(Ticket { generation: self.generation, group, leader: member, target })
            }
        }
    }

    /// The attempt `key` has ended.
    pub fn end(&mut self, key: &AttemptKey, ticket: Option<Ticket>) -> Others {
        let joined = self.joined.remove(key).unwrap_or_default();
        let current = ticket.filter(|ticket| ticket.generation == self.generation);
        let idle = current.map_or_else(Vec::new, |ticket| {
            let group = &mut self.groups[ticket.group];
            group.running = None;
            let has_it = |member: &Member| {
                *member == ticket.leader || joined.iter().any(|(_, other)| other == member)
            };
            group.members.iter().filter(|member| !has_it(member)).copied().collect()
        });
        Others { joined: joined.into_iter().map(|(key, _)| key).collect(), idle }
    }

    /// Who shares with whom, in the order of the configuration.
    pub fn status(&self) -> Vec<SharedCheck> {
        let mut groups: Vec<&Group> = self.groups.iter().collect();
        groups.sort_by_key(|group| group.members.first());
        let members = |group: &Group| {
            group.members.iter().map(|it| (it.service, it.server, it.checker)).collect()
        };
        groups.into_iter().map(|group| SharedCheck { members: members(group) }).collect()
    }
}

fn checkers(servers: &[Arc<VirtualServer>]) -> impl Iterator<Item = (Member, &Checker)> {
    servers.iter().enumerate().flat_map(|(service, virtual_server)| {
        virtual_server.real_servers.iter().enumerate().flat_map(move |(server, real)| {
            let numbered = real.checkers.iter().enumerate();
            numbered.map(move |(checker, it)| (Member { service, server, checker }, it))
        })
    })
}

/// Those whose checkers are equal, where there are several. Thousands may differ in nothing but the path of a
/// url: each is looked up, not compared with all before it.
fn alike<C: Eq + Hash>(checkers: impl Iterator<Item = (C, Member)>) -> Vec<Vec<Member>> {
    let (mut numbers, mut groups) = (HashMap::<C, usize>::new(), Vec::<Vec<Member>>::new());
    for (checker, member) in checkers {
        match numbers.entry(checker) {
            Entry::Occupied(number) => groups[*number.get()].push(member),
            Entry::Vacant(number) => {
                number.insert(groups.len());
                groups.push(vec![member]);
            }
        }
    }
    groups.retain(|members| members.len() > 1);
    groups
}

/// Equal for identical checkers, and hardly ever for others; `None`: without a target its attempts are its own.
fn likeness(checker: &Checker) -> Option<u64> {
    let target = checker.probe.connect()?.target;
    let mut hasher = DefaultHasher::new();
    (checker.probe.name(), target, checker.timing.delay_loop).hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests;
