//! Identical checkers of several real servers: one makes the attempt, all have the result. Bookkeeping
//! only, no task and no clock.
//!
//! Checkers are identical whose probes and timing are, down to the last option: the same backend behind
//! many virtual servers. Scripts are not taken together: what they do beside their answer is not ours to know.

use std::collections::HashMap;

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
    pub fn follow<'p>(&mut self, servers: impl Iterator<Item = &'p VirtualServer>, on: bool) {
        self.generation += 1;
        self.group_of.clear();
        self.groups.clear();
        // Told apart first by what differs most often, then by everything.
        let mut similar: HashMap<_, Vec<(&'p Checker, Vec<Member>)>> = HashMap::new();
        for (service, virtual_server) in servers.enumerate().filter(|_| on) {
            for (server, real) in virtual_server.real_servers.iter().enumerate() {
                for (checker, settings) in real.checkers.iter().enumerate() {
                    // Without a target its attempts are its own.
                    let Some(connect) = settings.probe.connect() else { continue };
                    let key = (settings.probe.name(), connect.target, settings.timing.delay_loop);
                    let member = Member { service, server, checker };
                    let groups = similar.entry(key).or_default();
                    match groups.iter_mut().find(|(other, _)| *other == settings) {
                        Some((_, members)) => members.push(member),
                        None => groups.push((settings, vec![member])),
                    }
                }
            }
        }
        let groups = similar.into_values().flatten().map(|(_, members)| members);
        for members in groups.filter(|members| members.len() > 1) {
            self.group_of.extend(members.iter().map(|member| (*member, self.groups.len())));
            self.groups.push(Group { members, running: None });
        }
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

#[cfg(test)]
mod tests;
