//! What happens to real and virtual servers, told to log, scripts, FIFOs and mail.

use std::sync::Arc;

use super::managed::Managed;
use crate::check::{Action, Verdict};
use crate::config::plan::{Script, VirtualServer};
use crate::driver::mailer::ServerNews;
use crate::driver::outlets::Outlets;
use crate::probe::Probe;

impl Managed {
    /// Says what came of one event, in keepalived's order: log, script and FIFO of each action, with the mail of a
    /// quorum, and then the mails of real servers. `changed` are the servers that went up or down by it.
    pub fn announce(&self, outlets: &Outlets, actions: &[Action], changed: &[usize]) {
        for action in actions {
            self.log(action);
            self.tell(outlets, action);
        }
        actions.iter().for_each(|action| self.mail_of_server(outlets, action, changed));
    }

    fn tell(&self, outlets: &Outlets, action: &Action) {
        match action {
            Action::ServerUp { server, .. } => self.tell_server(outlets, *server, true),
            Action::ServerDown { server, .. } => self.tell_server(outlets, *server, false),
            Action::QuorumGained { initial, sum, needed } => {
                self.tell_quorum(outlets, true);
                let gained = if *initial { "Starting with quorum up" } else { "Gained quorum" };
                let hysteresis = u64::from(self.server.quorum.hysteresis);
                let quorum = needed.saturating_sub(hysteresis);
                let body = format!("{gained} {quorum}+{hysteresis}={needed} <= {sum}");
                outlets.mailer.quorum(&self.server, &self.name, true, &body);
            }
            Action::QuorumLost { sum, needed, .. } => {
                self.tell_quorum(outlets, false);
                let hysteresis = u64::from(self.server.quorum.hysteresis);
                let quorum = needed + hysteresis;
                let body = format!("Lost quorum {quorum}-{hysteresis}={needed} > {sum}");
                outlets.mailer.quorum(&self.server, &self.name, false, &body);
            }
            Action::WeightChanged { .. }
            | Action::AttemptFailed { .. }
            | Action::AttemptNotTried { .. }
            | Action::AttemptMadeAgain { .. }
            | Action::CheckerPassed { .. }
            | Action::Attempt { .. }
            | Action::TableChanged
            | Action::DestinationChanged { .. }
            | Action::ServerRemoved { .. } => {}
        }
    }

    /// The mail about a real server or one of its checkers, if there is one: what a file says is not mailed.
    fn mail_of_server(&self, outlets: &Outlets, action: &Action, changed: &[usize]) {
        let from_file = |server: usize, checker: usize| {
            matches!(self.server.real_servers[server].checkers[checker].probe, Probe::File(_))
        };
        let (server, news, up, body) = match action {
            Action::ServerUp { server, cause } | Action::ServerDown { server, cause } => {
                if cause.checker().is_some_and(|checker| from_file(*server, checker)) {
                    return;
                }
                let up = matches!(action, Action::ServerUp { .. });
                (*server, ServerNews::Server, up, self.why(*server, cause))
            }
            Action::AttemptFailed { server, checker, reason, verdict: Verdict::Down, .. }
                if !changed.contains(server) && !from_file(*server, *checker) =>
            {
                let body = format!("{} failed: {reason}", self.checker(*server, *checker));
                (*server, ServerNews::Checker, false, body)
            }
            Action::CheckerPassed { server, checker, first: false }
                if !changed.contains(server) && !from_file(*server, *checker) =>
            {
                let body = format!("{} succeeds", self.checker(*server, *checker));
                (*server, ServerNews::Checker, true, body)
            }
            _ => return,
        };
        self.mail(outlets, server, news, up, &body);
    }

    /// A reload took `server` away while it was up, or its name has left it; `now` is what it was part of.
    pub fn announce_removed(&self, outlets: &Outlets, server: usize, now: &VirtualServer) {
        let host = self.server.real_servers[server].host();
        let left_by = host.filter(|host| now.hosts().any(|(other, _)| other.name == host.name));
        let why = match left_by {
            Some(host) => format!("is no longer an address of {}", host.name),
            None => "is no longer configured".to_owned(),
        };
        tracing::info!("{} of {} {why}", self.name_of(server), self.name);
        self.tell_server(outlets, server, false);
        self.mail(outlets, server, ServerNews::Server, false, &format!("It {why}"));
    }

    /// The real servers that are up.
    fn alive(&self) -> Vec<usize> {
        let servers = self.pool.status().servers;
        let alive = servers.iter().enumerate().filter(|(_, state)| state.alive);
        alive.map(|(server, _)| server).collect()
    }

    fn tell_server(&self, outlets: &Outlets, server: usize, up: bool) {
        let real = &self.server.real_servers[server];
        let script = if up { real.notify_up() } else { real.notify_down() };
        self.run(outlets, script);
        let (name, word) = (self.name_of(server), word(up));
        outlets.fifos.write_lvs(&format!("RS {name} {} {word}\n", self.name));
    }

    fn tell_quorum(&self, outlets: &Outlets, up: bool) {
        let script = if up { &self.server.quorum_up } else { &self.server.quorum_down };
        self.run(outlets, script.as_ref());
        outlets.fifos.write_lvs(&format!("VS {} {}\n", self.name, word(up)));
    }

    fn mail(&self, outlets: &Outlets, server: usize, news: ServerNews, up: bool, body: &str) {
        let real = &self.server.real_servers[server];
        let names = (self.name_of(server), &self.name);
        outlets.mailer.real_server(real, (&names.0, names.1), news, up, body);
    }

    fn run(&self, outlets: &Outlets, script: Option<&Script>) {
        let without_words = |script: Script| (script, Vec::new());
        outlets.scripts.run(&self.name, script.cloned().map(without_words));
    }
}

/// What there is to tell, once the kernel has what it follows from.
pub enum News {
    Event(EventNews),
    /// `rs_init_notifies`: the servers of this virtual server that are up from the start, told without mail.
    Initial {
        number: usize,
        servers: Vec<usize>,
    },
    /// Servers that were up are no longer part of the virtual server, which is as `now`.
    Removed {
        before: Managed,
        servers: Vec<usize>,
        now: Arc<VirtualServer>,
    },
    /// The virtual server is no longer configured.
    Gone {
        managed: Managed,
        actions: Vec<Action>,
    },
}

/// What there is to tell of one event.
pub struct EventNews {
    /// Of this virtual server.
    number: usize,
    pub actions: Vec<Action>,
    /// The servers that went up or down by it.
    changed: Vec<usize>,
}

impl EventNews {
    /// Without the actions, which come one by one.
    pub fn of(number: usize, all: &[Action]) -> Self {
        Self { number, actions: Vec::new(), changed: changed_servers(all) }
    }
}

impl News {
    pub fn initial(number: usize, managed: &Managed) -> Self {
        Self::Initial { number, servers: managed.alive() }
    }

    /// Tells it; `managed` are those that run.
    pub fn tell(&self, outlets: &Outlets, managed: &[Managed]) {
        match self {
            Self::Event(EventNews { number, actions, changed }) => {
                managed[*number].announce(outlets, actions, changed);
            }
            Self::Initial { number, servers } => {
                let tell = |server: &usize| managed[*number].tell_server(outlets, *server, true);
                servers.iter().for_each(tell);
            }
            Self::Removed { before, servers, now } => {
                let tell = |server: &usize| before.announce_removed(outlets, *server, now);
                servers.iter().for_each(tell);
            }
            Self::Gone { managed, actions } => managed.announce(outlets, actions, &[]),
        }
    }

    /// The actions of virtual server `number`, if it is about those.
    fn actions_of(&mut self, of: usize) -> Option<&mut Vec<Action>> {
        match self {
            Self::Event(EventNews { number, actions, .. }) if *number == of => Some(actions),
            _ => None,
        }
    }
}

/// A quorum that a start would have gained, had the kernel taken the servers, is not told of: neither that it
/// was gained nor, unless a sorry server serves now, that it was lost.
pub fn retract_start(untold: &mut [News], number: usize, managed: &Managed) {
    let is_gain = |action: &Action| matches!(action, Action::QuorumGained { initial: true, .. });
    let is_loss = |action: &Action| matches!(action, Action::QuorumLost { initial: false, .. });
    let mut own: Vec<_> = untold.iter_mut().filter_map(|news| news.actions_of(number)).collect();
    let any = |is: fn(&Action) -> bool| own.iter().any(|actions| actions.iter().any(is));
    if !any(is_gain) || !any(is_loss) {
        return;
    }
    let sorry_serves = managed.server.sorry_server.is_some();
    for actions in &mut own {
        actions.retain(|action| !is_gain(action) && (sorry_serves || !is_loss(action)));
    }
}

/// The servers that go up or down by these actions.
fn changed_servers(actions: &[Action]) -> Vec<usize> {
    let changed = actions.iter().filter_map(|action| match action {
        Action::ServerUp { server, .. } | Action::ServerDown { server, .. } => Some(*server),
        _ => None,
    });
    changed.collect()
}

fn word(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}
