//! Real servers given by name: what is known of their addresses, and the plan that follows from it.
//!
//! The plan as configured is kept here. The director runs the one with addresses, and adopts a new
//! one when a name is answered otherwise than before, as if it had been reloaded.

mod asking;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub use self::asking::Answer;
use self::asking::Asking;
use crate::config::plan::{Addresses, Host, MOST_ADDRESSES, Plan, VirtualServer};
use crate::ipvs::{Family, ServiceKey};
use crate::status::NameStatus;

/// Answers waiting to be taken in; who asks waits when there is no room.
const ANSWERS: usize = 64;

/// How long a start waits for names. What answers till then is there from the beginning: no quorum is lost
/// for the moment without, and what a crash has left in the table stays there.
const PATIENCE: Duration = Duration::from_secs(1);

/// A name and the family of the addresses that are wanted of it.
type Wanted = (Arc<str>, Family);

#[derive(Debug)]
pub struct Names {
    configured: Arc<Plan>,
    ours: BTreeSet<ServiceKey>,
    known: Addresses,
    /// Those that had no answer the last time, and why.
    silent: HashMap<Wanted, String>,
    asking: Asking,
    answers: mpsc::Receiver<Answer>,
}

impl Default for Names {
    fn default() -> Self {
        let (sender, answers) = mpsc::channel(ANSWERS);
        Self {
            configured: Arc::default(),
            ours: BTreeSet::new(),
            known: Addresses::new(),
            silent: HashMap::new(),
            asking: Asking::new(sender),
            answers,
        }
    }
}

impl Names {
    /// Goes on with another configured plan; gives the one to run. All its names are asked for now.
    pub fn follow(
        &mut self,
        plan: Arc<Plan>,
        ours: &BTreeSet<ServiceKey>,
        work: &Handle,
    ) -> Arc<Plan> {
        self.asking.begin(questions(&plan), work);
        self.remember(plan, ours)
    }

    /// The same for the first plan, once all its names are answered or [`PATIENCE`] is over.
    pub async fn begin(
        &mut self,
        plan: Arc<Plan>,
        ours: &BTreeSet<ServiceKey>,
        work: &Handle,
    ) -> Arc<Plan> {
        self.follow(plan, ours, work);
        self.hear_all().await;
        self.configured.with_addresses(&self.known)
    }

    async fn hear_all(&mut self) {
        let mut left: HashSet<Arc<str>> =
            self.configured.hosts().map(|host| host.name.clone()).collect();
        let answered = async {
            while !left.is_empty()
                && let Some(answer) = self.answers.recv().await
            {
                left.remove(&answer.name);
                self.take_in_one(answer);
            }
        };
        // What is late comes by itself.
        let _ = tokio::time::timeout(PATIENCE, answered).await;
    }

    /// What is known of names that are still there stays known.
    fn remember(&mut self, plan: Arc<Plan>, ours: &BTreeSet<ServiceKey>) -> Arc<Plan> {
        let wanted: HashSet<Wanted> = plan.hosts().map(Host::key).collect();
        self.known.retain(|name, _| wanted.contains(name));
        self.silent.retain(|name, _| wanted.contains(name));
        self.ours.clone_from(ours);
        self.configured = plan;
        self.configured.with_addresses(&self.known)
    }

    /// The next answer. Cancel-safe.
    pub async fn answered(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }

    /// Takes in `answer` and all that wait behind it; gives the plan to run now if it is another,
    /// with the services that are ours.
    pub fn take_in(&mut self, answer: Answer) -> Option<(Arc<Plan>, BTreeSet<ServiceKey>)> {
        let mut changed = self.take_in_one(answer);
        while let Ok(answer) = self.answers.try_recv() {
            changed |= self.take_in_one(answer);
        }
        changed.then(|| (self.configured.with_addresses(&self.known), self.ours.clone()))
    }

    /// Whether addresses have changed. One for a name that no longer matters changes nothing.
    fn take_in_one(&mut self, Answer { name, addresses }: Answer) -> bool {
        let of_name = self.configured.hosts().filter(|host| host.name == name);
        let wanted: BTreeSet<Wanted> = of_name.map(Host::key).collect();
        let mut changed = false;
        for wanted in wanted {
            let all = addresses.as_deref().map_err(Clone::clone);
            match all.and_then(|all| usable(all, wanted.1)) {
                Ok(addresses) => changed |= self.answer(wanted, addresses),
                Err(reason) => self.no_answer(wanted, reason),
            }
        }
        changed
    }

    fn answer(&mut self, wanted: Wanted, addresses: Vec<IpAddr>) -> bool {
        let (name, user) = (wanted.0.clone(), self.user_of(&wanted));
        if self.silent.remove(&wanted).is_some() {
            tracing::info!("{name}, real_server of {user}, resolves again");
        }
        let before = self.known.get(&wanted).map_or(&[][..], Vec::as_slice);
        if before == addresses {
            return false;
        }
        let was = if before.is_empty() { "none".to_owned() } else { list(before) };
        tracing::info!("{name}, real_server of {user}, is {} now, was {was}", list(&addresses));
        if addresses.len() > MOST_ADDRESSES {
            let more = addresses.len() - MOST_ADDRESSES;
            tracing::warn!(
                "{name} has {more} addresses more than {MOST_ADDRESSES}: the highest are left out"
            );
        }
        self.known.insert(wanted, addresses);
        true
    }

    /// Said once, however long it lasts.
    fn no_answer(&mut self, wanted: Wanted, reason: String) {
        let (name, user) = (&wanted.0, self.user_of(&wanted));
        if !self.silent.contains_key(&wanted) {
            let meanwhile = match self.known.get(&wanted) {
                Some(addresses) => format!("its last addresses stay: {}", list(addresses)),
                None => "it serves nobody until it can be".to_owned(),
            };
            tracing::warn!(
                "{name}, real_server of {user}, cannot be resolved: {reason}; {meanwhile}"
            );
        }
        self.silent.insert(wanted, reason);
    }

    /// The first virtual server that has it.
    fn user_of(&self, wanted: &Wanted) -> String {
        let has_it =
            |server: &&Arc<VirtualServer>| server.hosts().any(|(host, _)| host.key() == *wanted);
        let user = self.configured.virtual_servers.iter().find(has_it);
        user.map(|server| server.identity().to_string()).unwrap_or_default()
    }

    /// How the names of virtual server `number` are.
    pub fn status(&self, number: usize) -> Vec<NameStatus> {
        let server = self.configured.virtual_servers.get(number);
        let hosts = server.into_iter().flat_map(|server| server.hosts());
        let status = |(host, address): (&Host, crate::ipvs::SocketKey)| NameStatus {
            name: host.name.to_string(),
            port: address.port,
            addresses: host.among(&self.known).len(),
            interval: host.interval,
            trouble: self.silent.get(&host.key()).cloned(),
        };
        hosts.map(status).collect()
    }
}

/// Each name once, with the shortest of its intervals.
fn questions(plan: &Plan) -> Vec<(Arc<str>, Duration)> {
    let mut questions: Vec<(Arc<str>, Duration)> =
        plan.hosts().map(|host| (host.name.clone(), host.interval)).collect();
    questions.sort_unstable();
    questions.dedup_by(|later, first| later.0 == first.0);
    questions
}

/// The addresses of `family` that a server can have, lowest first, whatever their order was.
fn usable(all: &[IpAddr], family: Family) -> Result<Vec<IpAddr>, String> {
    let of_family = all.iter().filter(|ip| Family::of(**ip) == family && can_serve(**ip));
    let addresses: BTreeSet<IpAddr> = of_family.copied().collect();
    if addresses.is_empty() {
        let word = if family == Family::Inet { "IPv4" } else { "IPv6" };
        return Err(format!("it has no {word} address that a server can have"));
    }
    Ok(addresses.into_iter().collect())
}

/// Link-local ones lack their interface.
fn can_serve(ip: IpAddr) -> bool {
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    !(ip.is_unspecified() || ip.is_multicast() || link_local)
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
