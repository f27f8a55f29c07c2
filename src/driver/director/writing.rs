//! The director's side of the kernel's table: what is to be written, one order at a time, and what waits
//! for the answer.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tokio::sync::oneshot;

use super::joint::Joint;
use super::managed::Managed;
use super::table::{Answer, Farewell, Keeper, Order, Wanted};
use crate::ipvs::{Change, ServiceKey, SocketKey};

pub struct Writing {
    keeper: Keeper,
    /// Virtual servers whose wanted entries have changed since the last order, by their number.
    dirty: BTreeMap<usize, Extent>,
    joint: Joint,
    /// The order that has not been answered yet.
    under_way: Option<UnderWay>,
    /// Destinations that the kernel would not take, by service.
    lacking: HashMap<ServiceKey, HashSet<SocketKey>>,
    /// Why the table is not as wanted, if it is not.
    pub trouble: Option<String>,
}

/// How much of a virtual server has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// The destination of this server alone.
    Server(usize),
    Whole,
}

struct UnderWay {
    /// How much of the news follows from what is being written, and is told when it is.
    news: usize,
    /// Who waits for a reload, and hears whether the table is as wanted.
    reply: Option<oneshot::Sender<bool>>,
}

/// What follows from an answer.
pub struct Settled {
    /// Services of which something was refused, or is so no longer.
    pub refusals: BTreeSet<ServiceKey>,
    /// How much of the news may be told.
    pub news: usize,
}

impl Writing {
    pub fn new(keeper: Keeper) -> Self {
        Self {
            keeper,
            dirty: BTreeMap::new(),
            joint: Joint::default(),
            under_way: None,
            lacking: HashMap::new(),
            trouble: None,
        }
    }

    /// All of virtual server `number` may have changed.
    pub fn mark(&mut self, number: usize) {
        self.dirty.insert(number, Extent::Whole);
    }

    /// One real server of it has. Of two, the order in which they are written matters: then it is all of it.
    pub fn mark_server(&mut self, number: usize, server: usize) {
        let this = Extent::Server(server);
        let extent = self.dirty.entry(number).or_insert(this);
        if *extent != this {
            *extent = Extent::Whole;
        }
    }

    /// Has everything made as `managed` wants it, which was numbered anew; what is not dirty is as it was.
    /// `settings`: the rest of what is wanted. `news` follows from that, `reply` hears of it.
    pub fn adopt(
        &mut self,
        managed: &[Managed],
        settings: Wanted,
        news: usize,
        reply: oneshot::Sender<bool>,
    ) {
        let dirty = std::mem::take(&mut self.dirty);
        let former = std::mem::replace(&mut self.joint, Joint::of(managed));
        let (mut services, mut unchanged) = (Vec::new(), HashSet::new());
        for (number, managed) in managed.iter().enumerate() {
            if dirty.contains_key(&number) {
                services.extend(managed.entries());
                continue;
            }
            for key in managed.server.keys() {
                match former.has(&key) {
                    true => services.push(managed.entry(key)),
                    false => drop(unchanged.insert(key)),
                }
            }
        }
        for key in self.joint.keys() {
            unchanged.remove(key);
            // Later ones count.
            services.extend(self.joint.entry(key, managed));
        }
        self.keeper.order(Order::Adopt(Wanted { services, unchanged, ..settings }));
        self.under_way = Some(UnderWay { news, reply: Some(reply) });
    }

    /// Has written what is dirty, unless an order is under way: then it waits for the answer. Whether there is
    /// nothing to wait for, and the news may be told.
    pub fn write(&mut self, managed: &[Managed], news: usize) -> bool {
        if self.under_way.is_some() {
            return false;
        }
        let dirty = std::mem::take(&mut self.dirty);
        let changes: Vec<Change> = dirty
            .into_iter()
            .flat_map(|(number, extent)| match extent {
                Extent::Server(server) => managed[number].server_changes(server),
                Extent::Whole => managed[number].entries().map(Change::Service).collect(),
            })
            .map(|change| {
                self.joint.entry(&change.service(), managed).map_or(change, Change::Service)
            })
            .collect();
        if changes.is_empty() {
            return true;
        }
        self.keeper.order(Order::Write(changes));
        self.under_way = Some(UnderWay { news, reply: None });
        false
    }

    pub fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// The next answer; `None`: the keeper has ended. Cancel safe.
    pub async fn answer(&mut self) -> Option<Answer> {
        self.keeper.answer().await
    }

    /// Takes an answer in.
    pub fn settle(&mut self, answer: Answer) -> Settled {
        let mut refusals = BTreeSet::new();
        for (key, lacking) in answer.standing.refusals {
            refusals.insert(key);
            match lacking.is_empty() {
                true => drop(self.lacking.remove(&key)),
                false => drop(self.lacking.insert(key, lacking)),
            }
        }
        self.trouble = answer.standing.trouble;
        let done = self.under_way.take_if(|_| answer.to_order);
        let news = done.as_ref().map_or(0, |done| done.news);
        if let Some(reply) = done.and_then(|done| done.reply) {
            // Whoever asked may have gone.
            let _ = reply.send(self.trouble.is_none());
        }
        Settled { refusals, news }
    }

    /// All virtual servers of a joint service; none if it has but one.
    pub fn users(&self, service: &ServiceKey) -> &[usize] {
        self.joint.users(service)
    }

    /// Whether the kernel would not take this destination.
    pub fn lacks(&self, service: &ServiceKey, address: &SocketKey) -> bool {
        self.lacking.get(service).is_some_and(|lacking| lacking.contains(address))
    }

    /// Waits until the keeper has done all, and the farewell.
    pub fn end(self, farewell: Farewell) {
        self.keeper.end(farewell);
    }
}

#[cfg(test)]
mod tests;
