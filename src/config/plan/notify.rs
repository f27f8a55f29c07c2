//! The part of a plan that is about telling others: scripts, FIFOs, mail.

use std::path::PathBuf;
use std::time::Duration;

use super::{Script, ScriptUser};

/// What one instance or group tells, and by which scripts; each may be absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NotifyScripts {
    /// `notify`: run on every transition, with `INSTANCE NAME STATE PRIORITY` appended.
    pub any: Option<Box<Script>>,
    pub master: Option<Box<Script>>,
    pub backup: Option<Box<Script>>,
    pub fault: Option<Box<Script>>,
    pub stop: Option<Box<Script>>,
    /// `notify_deleted SCRIPT`.
    pub deleted: Option<Box<Script>>,
    /// `notify_deleted`, with or without a script; without it a removed instance reports FAULT.
    pub tells_deleted: bool,
    /// `notify_master_rx_lower_pri`.
    pub lower_priority: Option<Box<Script>>,
    /// `notify_priority_changes`: lines MASTER_PRIORITY and BACKUP_PRIORITY on the FIFOs.
    pub priority_changes: bool,
    /// `smtp_alert`, what it inherits filled in.
    pub mails: bool,
}

impl NotifyScripts {
    /// All that it may run.
    pub fn scripts(&self) -> impl Iterator<Item = &Script> {
        let states = [&self.master, &self.backup, &self.fault, &self.stop, &self.deleted];
        states
            .into_iter()
            .chain([&self.any, &self.lower_priority])
            .filter_map(|each| each.as_deref())
    }

    /// Nobody is told of anything: no script, no mail.
    pub fn is_silent(&self) -> bool {
        !self.mails && self.scripts().next().is_none()
    }
}

/// The FIFOs that events are written to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fifos {
    /// `notify_fifo`: events of VRRP and of virtual servers.
    pub all: Option<Fifo>,
    /// `vrrp_notify_fifo`.
    pub vrrp: Option<Fifo>,
    /// `lvs_notify_fifo`.
    pub lvs: Option<Fifo>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub states_on_reload: bool,
}

impl Fifos {
    /// Whether any takes the events of instances and groups.
    pub fn take_vrrp(&self) -> bool {
        self.all.is_some() || self.vrrp.is_some()
    }

    /// Those that there are.
    pub fn iter(&self) -> impl Iterator<Item = &Fifo> {
        [&self.all, &self.vrrp, &self.lvs].into_iter().flatten()
    }
}

/// One FIFO.
#[derive(Debug, Clone, PartialEq)]
pub struct Fifo {
    pub path: PathBuf,
    /// Whose it is when we create it; `None`: the user of scripts.
    pub user: Option<ScriptUser>,
    /// The program that reads it; the path is added as its last argument.
    pub script: Option<Script>,
}

/// Where mail goes, and how; there is none without `smtp_server` and `notification_email`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// Name or address of the relay.
    pub server: String,
    pub port: u16,
    /// `smtp_helo_name`; `None`: the host's name.
    pub helo: Option<String>,
    /// `notification_email_from`; `None`: our user at this host.
    pub from: Option<String>,
    /// `notification_email`, never empty; each an address, or `NAME <ADDRESS>`.
    pub to: Vec<String>,
    /// `smtp_connect_timeout`: longest wait for each step.
    pub timeout: Duration,
}

/// `startup_script`, `shutdown_script`: run once, by the time given.
#[derive(Debug, Clone, PartialEq)]
pub struct OneShot {
    pub script: Script,
    pub timeout: Duration,
}

/// How threads are scheduled: `vrrp_*`, and `checker_*` for the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Nice value, −20 to 19.
    pub nice: Option<i8>,
    /// SCHED_RR priority, 1–99.
    pub real_time: Option<u8>,
    /// Processors by number; empty: any.
    pub cpus: Vec<usize>,
}
