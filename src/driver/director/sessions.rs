//! The BFD sessions of BFD_CHECK: which are up, and who is told when one changes.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::files::User;
use crate::config::plan::Plan;
use crate::driver::bfd_thread::SessionStates;
use crate::probe::Probe;

/// The sessions of one plan that checkers follow.
#[derive(Debug, Default)]
pub struct Followed {
    /// `None`: there is nobody to tell of any.
    news: Option<watch::Receiver<SessionStates>>,
    states: SessionStates,
    users: HashMap<Arc<str>, Vec<User>>,
}

impl Followed {
    pub fn new(news: watch::Receiver<SessionStates>) -> Self {
        Self { news: Some(news), ..Self::default() }
    }

    /// Follows what `plan` asks for, beginning with how things are now.
    pub fn follow(&mut self, plan: &Plan) {
        self.users = users(plan);
        self.look();
    }

    /// Resolves when something may have changed; `None` when nothing ever will.
    pub async fn changed(&mut self) -> Option<()> {
        self.news.as_mut()?.changed().await.ok()
    }

    fn look(&mut self) {
        if let Some(news) = &mut self.news {
            self.states.clone_from(&news.borrow_and_update());
        }
    }

    /// Takes in how things are now; gives the checkers for which that is news.
    pub fn take_in(&mut self) -> Vec<User> {
        let before = std::mem::take(&mut self.states);
        self.look();
        let changed = self.states.iter().filter(|(name, up)| before.get(*name) != Some(up));
        changed.filter_map(|(name, _)| self.users.get(name)).flatten().cloned().collect()
    }

    /// Whether the session is up; `None` until it has been for the first time.
    pub fn up(&self, session: &str) -> Option<bool> {
        self.states.get(session).copied().flatten()
    }

    pub fn all_users(&self) -> Vec<User> {
        self.users.values().flatten().cloned().collect()
    }
}

fn users(plan: &Plan) -> HashMap<Arc<str>, Vec<User>> {
    let mut users: HashMap<Arc<str>, Vec<User>> = HashMap::new();
    for virtual_server in &plan.virtual_servers {
        let service = virtual_server.identity();
        for (server, real) in virtual_server.real_servers.iter().enumerate() {
            for (checker, each) in real.checkers.iter().enumerate() {
                if let Probe::Bfd(probe) = &each.probe {
                    let user = User { service: service.clone(), server, checker };
                    users.entry(probe.session.clone()).or_default().push(user);
                }
            }
        }
    }
    users
}
