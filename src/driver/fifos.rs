//! The FIFOs: which events go into which, and what becomes of them on reload and stop.

use std::sync::{Arc, Mutex, PoisonError};

use super::scripts;
use crate::config::plan::{Fifo, Global};
use crate::notify::{Backlog, FifoWriter, ScriptRules};

/// Where events are written; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Fifos {
    targets: Arc<Mutex<Targets>>,
}

/// What takes the lines of each kind of event.
#[derive(Debug, Default)]
struct Targets {
    vrrp: Vec<Arc<Backlog>>,
    lvs: Vec<Arc<Backlog>>,
}

impl Fifos {
    /// An event of an instance or a group; `line` ends with a newline.
    pub fn write_vrrp(&self, line: &str) {
        self.with(|targets| targets.vrrp.iter().for_each(|fifo| fifo.push(line)));
    }

    /// An event of a virtual or real server.
    pub fn write_lvs(&self, line: &str) {
        self.with(|targets| targets.lvs.iter().for_each(|fifo| fifo.push(line)));
    }

    fn with(&self, act: impl FnOnce(&mut Targets)) {
        act(&mut self.targets.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The open FIFOs. Owned by the supervisor.
#[derive(Debug, Default)]
pub struct FifoSet {
    all: Option<FifoWriter>,
    vrrp: Option<FifoWriter>,
    lvs: Option<FifoWriter>,
    pub fifos: Fifos,
}

impl FifoSet {
    /// Opens what `global` asks for and ends what it no longer does. A FIFO that stays is not
    /// touched, but its script is started anew, as by keepalived.
    pub async fn follow(&mut self, global: &Global) {
        let (wanted, rules) = (&global.fifos, scripts::rules(global));
        replace(&mut self.all, wanted.all.as_ref(), &rules).await;
        replace(&mut self.vrrp, wanted.vrrp.as_ref(), &rules).await;
        replace(&mut self.lvs, wanted.lvs.as_ref(), &rules).await;
        let backlogs = |one: &Option<FifoWriter>| {
            let both = [&self.all, one].into_iter().flatten();
            both.map(FifoWriter::backlog).collect()
        };
        let (vrrp, lvs) = (backlogs(&self.vrrp), backlogs(&self.lvs));
        self.fifos.with(|targets| *targets = Targets { vrrp, lvs });
    }

    /// Lets the readers have the last lines, and removes what we made; each in bounded time, and
    /// side by side.
    pub async fn finish(self) {
        let finish = |writer: Option<FifoWriter>| async move {
            if let Some(writer) = writer {
                writer.finish().await;
            }
        };
        tokio::join!(finish(self.all), finish(self.vrrp), finish(self.lvs));
    }
}

async fn replace(slot: &mut Option<FifoWriter>, wanted: Option<&Fifo>, rules: &ScriptRules) {
    match (slot.as_mut(), wanted) {
        (Some(writer), Some(fifo)) if writer.serves(fifo) => {
            return writer.restart_script(fifo.script.clone(), rules.clone()).await;
        }
        _ => {}
    }
    if let Some(former) = slot.take() {
        former.finish().await;
    }
    *slot = wanted.map(|fifo| FifoWriter::start(fifo.clone(), rules.clone()));
}
