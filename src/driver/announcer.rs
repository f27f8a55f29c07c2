//! Tells scripts, FIFOs and mail of what happens to instances and groups.
//!
//! A task of the work runtime; it owns the receiving end of the vrrp thread's reports and ends
//! when that thread has ended and all its reports are handed on. Nothing is lost here: the
//! queues behind [`Outlets`] drop and count by themselves.

use std::borrow::Cow;

use tokio::sync::mpsc;

use super::outlets::Outlets;
use super::vrrp_thread::{News, Report, Who};
use crate::config::plan::{NotifyScripts, Script};
use crate::vrrp::PublicState;

/// Hands every report to whom it is for, in keepalived's order: scripts, FIFOs, mail.
pub async fn run(mut reports: mpsc::Receiver<Report>, outlets: Outlets) {
    while let Some(report) = reports.recv().await {
        let scripts = scripts_for(&report);
        if !scripts.is_empty() {
            outlets.scripts.run(&queue_of(&report.who), scripts);
        }
        if let Some(line) = fifo_line(&report) {
            outlets.fifos.write_vrrp(&line);
        }
        if let News::Entered(state) = report.news {
            outlets.mailer.vrrp(&report.who, told_state(report.who.notify(), state));
        }
    }
}

/// Whose scripts wait for each other.
fn queue_of(who: &Who) -> Cow<'_, str> {
    match who {
        Who::Instance(instance) => Cow::Borrowed(&instance.name),
        // An instance may have the same name.
        Who::Group(group) => Cow::Owned(format!("group {}", group.name)),
    }
}

/// First the script for the state, then `notify` with its four words, as keepalived orders them.
fn scripts_for(report: &Report) -> Vec<(Script, Vec<String>)> {
    let notify = report.who.notify();
    let alone =
        |script: Option<&Script>| script.map(|script| (script.clone(), Vec::<String>::new()));
    match report.news {
        News::Entered(state) => {
            let state = told_state(notify, state);
            let generic = notify.any.as_deref().map(|script| {
                let words = [report.who.word(), report.who.name(), state.name()].map(str::to_owned);
                let words = words.into_iter().chain([report.priority.to_string()]).collect();
                (script.clone(), words)
            });
            alone(specific(notify, state)).into_iter().chain(generic).collect()
        }
        News::HeardLowerPriority => alone(notify.lower_priority.as_deref()).into_iter().collect(),
        News::PriorityChanged(_) | News::StillIn(_) => Vec::new(),
    }
}

fn specific(notify: &NotifyScripts, state: PublicState) -> Option<&Script> {
    match state {
        PublicState::Init => None,
        PublicState::Backup => notify.backup.as_deref(),
        PublicState::Master => notify.master.as_deref(),
        PublicState::Fault => notify.fault.as_deref(),
        PublicState::Stop => notify.stop.as_deref(),
        PublicState::Deleted => notify.deleted.as_deref(),
    }
}

/// The state as the outside is told it: an instance that a reload removed reports FAULT unless it
/// has a `notify_deleted` (keepalived.conf(5)).
fn told_state(notify: &NotifyScripts, state: PublicState) -> PublicState {
    match state {
        PublicState::Deleted if !notify.tells_deleted => PublicState::Fault,
        state => state,
    }
}

/// `INSTANCE "VI_1" MASTER 100` and a newline.
fn fifo_line(report: &Report) -> Option<String> {
    let notify = report.who.notify();
    let word = match report.news {
        News::Entered(state) | News::StillIn(state) => told_state(notify, state).name(),
        News::HeardLowerPriority => "MASTER_RX_LOWER_PRI",
        News::PriorityChanged(PublicState::Master) => "MASTER_PRIORITY",
        News::PriorityChanged(PublicState::Backup) => "BACKUP_PRIORITY",
        News::PriorityChanged(_) => return None,
    };
    let (kind, name, priority) = (report.who.word(), report.who.name(), report.priority);
    Some(format!("{kind} \"{name}\" {word} {priority}\n"))
}

#[cfg(test)]
mod tests;
