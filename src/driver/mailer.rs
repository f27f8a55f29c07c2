//! Which events are worth a mail, and in which words: keepalived's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::vrrp_thread::Who;
use crate::config::plan::{Global, RealServer, VirtualServer};
use crate::kernel;
use crate::notify::mail::{Letter, MailQueue, Postman};
use crate::vrrp::PublicState;

/// How long the last mails may take when the program stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Sends mail; clones share one queue.
#[derive(Debug, Clone)]
pub struct Mailer {
    queue: MailQueue,
    policy: Arc<Mutex<Policy>>,
}

#[derive(Debug, Default)]
struct Policy {
    router: String,
    no_fault_mail: bool,
    no_checker_mail: bool,
    of_checkers: Option<bool>,
    /// The state each was last reported in.
    last: HashMap<(&'static str, String), PublicState>,
}

/// What happened to a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerNews {
    /// It went up or down.
    Server,
    /// One of its checkers changed its mind, and the server stays as it was.
    Checker,
}

impl Mailer {
    /// A mailer on the current runtime that has nobody to write to yet.
    pub fn start() -> (Self, Postman) {
        let (queue, postman) = MailQueue::start();
        (Self { queue, policy: Arc::default() }, postman)
    }

    /// The rules of a new configuration.
    pub fn follow(&self, global: &Global) {
        self.queue.set_settings(global.mail.clone());
        self.with(|policy| {
            policy.router = global.router_id.clone().unwrap_or_else(kernel::node_name);
            policy.no_fault_mail = global.no_fault_mail;
            policy.no_checker_mail = global.no_checker_mail;
            policy.of_checkers = global.mail_of_checkers;
        });
    }

    /// An instance or a group has entered `state`.
    pub fn vrrp(&self, who: &Who, state: PublicState) {
        if !who.notify().mails || state == PublicState::Init {
            return;
        }
        let router = self.with(|policy| {
            if policy.no_fault_mail && state == PublicState::Fault {
                return None;
            }
            let key = (who.word(), who.name().to_owned());
            let news = policy.last.insert(key, state) != Some(state);
            news.then(|| policy.router.clone())
        });
        let Some(router) = router else { return };
        let what = match state {
            PublicState::Stop => "Stopping".to_owned(),
            PublicState::Deleted => "Deleted".to_owned(),
            state => format!("Entering {state} state"),
        };
        let (kind, name) = (if who.is_group() { "Group" } else { "Instance" }, who.name());
        let subject = format!("[{router}] VRRP {kind} {name} - {what}");
        let body = match who {
            Who::Group(_) => format!("All VRRP group instances are now in {state} state"),
            Who::Instance(_) if state == PublicState::Master => {
                "VRRP Instance is now owning VRRP VIPs".to_owned()
            }
            Who::Instance(_) => "VRRP Instance is no longer owning VRRP VIPs".to_owned(),
        };
        self.send(subject, &body);
    }

    /// A real server, called `name`, of the virtual server called `of`.
    pub fn real_server(
        &self,
        server: &RealServer,
        (name, of): (&str, &str),
        news: ServerNews,
        up: bool,
        body: &str,
    ) {
        let router = self.with(|policy| {
            let wanted = server.mails.or(policy.of_checkers).unwrap_or(true)
                && !(policy.no_checker_mail && news == ServerNews::Checker);
            wanted.then(|| policy.router.clone())
        });
        if let Some(router) = router {
            let up = if up { "UP" } else { "DOWN" };
            let subject = format!("[{router}] Realserver {name} of virtual server {of} - {up}");
            self.send(subject, body);
        }
    }

    /// A virtual server, called `name`, has gained or lost its quorum.
    pub fn quorum(&self, server: &VirtualServer, name: &str, up: bool, body: &str) {
        let router = self.with(|policy| {
            let wanted = server.mails.or(policy.of_checkers).unwrap_or(false);
            wanted.then(|| policy.router.clone())
        });
        if let Some(router) = router {
            let up = if up { "UP" } else { "DOWN" };
            self.send(format!("[{router}] Virtualserver {name} - {up}"), body);
        }
    }

    fn send(&self, subject: String, body: &str) {
        self.queue.submit(Letter { subject, body: format!("=> {body} <=") });
    }

    /// Delivers the last mails, in bounded time.
    pub async fn finish(&self, postman: Postman) {
        self.queue.finish(postman, STOP_GRACE).await;
    }

    fn with<T>(&self, act: impl FnOnce(&mut Policy) -> T) -> T {
        act(&mut self.policy.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
