//! Tells scripts of VRRP's transitions.
//!
//! A task of the work runtime; it owns the receiving end of the vrrp thread's reports and ends
//! when that thread has ended and all its reports are handed on. Nothing is lost here: the
//! queues behind [`Scripts`] drop and count by themselves.

use tokio::sync::mpsc;

use super::scripts::Scripts;
use super::vrrp_thread::{Report, Who};
use crate::config::plan::{NotifyScripts, Script};
use crate::vrrp::PublicState;

/// Hands every report to the scripts configured for it.
pub async fn run(mut reports: mpsc::Receiver<Report>, scripts: Scripts) {
    while let Some(report) = reports.recv().await {
        let line = match &report.who {
            Who::Instance(instance) => instance.name.clone(),
            // An instance may have the same name.
            Who::Group(group) => format!("group {}", group.name),
        };
        scripts.run(&line, scripts_for(&report));
    }
}

/// First the script for the state, then `notify` with its four words, as keepalived orders them.
fn scripts_for(report: &Report) -> impl Iterator<Item = (Script, Vec<String>)> + use<> {
    let notify = report.who.notify();
    let (specific, state) = specific(notify, report.state);
    let priority = report.priority.to_string();
    let words = [report.who.word(), report.who.name(), state.name(), &priority].map(str::to_owned);
    let specific = specific.cloned().map(|script| (script, Vec::new()));
    let generic = notify.any.clone().map(|script| (script, words.to_vec()));
    specific.into_iter().chain(generic)
}

/// The state's own script, and the state as scripts are told it: an instance that a reload
/// removed reports FAULT unless it has a `notify_deleted` (keepalived.conf(5)).
fn specific(notify: &NotifyScripts, state: PublicState) -> (Option<&Script>, PublicState) {
    match state {
        PublicState::Init => (None, state),
        PublicState::Backup => (notify.backup.as_ref(), state),
        PublicState::Master => (notify.master.as_ref(), state),
        PublicState::Fault => (notify.fault.as_ref(), state),
        PublicState::Stop => (notify.stop.as_ref(), state),
        PublicState::Deleted if notify.deleted.is_some() => (notify.deleted.as_ref(), state),
        PublicState::Deleted => (notify.fault.as_ref(), PublicState::Fault),
    }
}

#[cfg(test)]
mod tests;
