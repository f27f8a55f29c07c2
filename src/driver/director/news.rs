//! What happens to real and virtual servers, told to log, scripts, FIFOs and mail.

use super::managed::Managed;
use crate::check::{Action, Cause, Verdict};
use crate::config::plan::{Script, VirtualServer};
use crate::driver::mailer::ServerNews;
use crate::driver::outlets::Outlets;

impl Managed {
    /// Says what happened: script, FIFO, mail, as keepalived orders them. `changed` are the servers
    /// that went up or down by the same event.
    pub fn announce(&self, outlets: &Outlets, action: &Action, changed: &[usize]) {
        self.log(action);
        match action {
            Action::ServerUp { server, cause } => {
                self.tell_server(outlets, *server, true);
                self.mail_server(outlets, *server, cause, true);
            }
            Action::ServerDown { server, cause } => {
                self.tell_server(outlets, *server, false);
                self.mail_server(outlets, *server, cause, false);
            }
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
            Action::AttemptFailed { server, checker, reason, verdict: Verdict::Down, .. }
                if !changed.contains(server) =>
            {
                let body = format!("{} failed: {reason}", self.checker(*server, *checker));
                self.mail(outlets, *server, ServerNews::Checker, false, &body);
            }
            Action::CheckerPassed { server, checker, first: false }
                if !changed.contains(server) =>
            {
                let body = format!("{} succeeds", self.checker(*server, *checker));
                self.mail(outlets, *server, ServerNews::Checker, true, &body);
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

    /// `rs_init_notifies`: the servers that are up from the start are told as such, without mail.
    pub fn announce_initial(&self, outlets: &Outlets) {
        for (server, state) in self.pool.status().servers.iter().enumerate() {
            if state.alive {
                self.tell_server(outlets, server, true);
            }
        }
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

    fn mail_server(&self, outlets: &Outlets, server: usize, cause: &Cause, up: bool) {
        self.mail(outlets, server, ServerNews::Server, up, &self.why(server, cause));
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

/// What there is to tell of one event.
pub struct News {
    /// Of this virtual server.
    pub number: usize,
    pub actions: Vec<Action>,
    /// The servers that went up or down by it.
    pub changed: Vec<usize>,
}

impl News {
    /// Without the actions, which come one by one.
    pub fn of(number: usize, all: &[Action]) -> Self {
        Self { number, actions: Vec::new(), changed: changed_servers(all) }
    }
}

/// A quorum that a start would have gained, had the kernel taken the servers, is not told of: neither that it
/// was gained nor, unless a sorry server serves now, that it was lost.
pub fn retract_start(untold: &mut [News], number: usize, managed: &Managed) {
    let own = |news: &&mut News| news.number == number;
    let is_gain = |action: &Action| matches!(action, Action::QuorumGained { initial: true, .. });
    let is_loss = |action: &Action| matches!(action, Action::QuorumLost { initial: false, .. });
    let any = |is: fn(&Action) -> bool| {
        untold.iter().any(|news| news.number == number && news.actions.iter().any(is))
    };
    if !any(is_gain) || !any(is_loss) {
        return;
    }
    let sorry_serves = managed.server.sorry_server.is_some();
    for news in untold.iter_mut().filter(own) {
        news.actions.retain(|action| !is_gain(action) && (sorry_serves || !is_loss(action)));
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
