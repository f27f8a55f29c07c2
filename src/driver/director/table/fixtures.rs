//! For tests: a data plane in memory that can be looked at, be missing, and be slow.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::Open;
use crate::ipvs::{
    Command, DataPlane, DataPlaneError, Failed, MemoryDataPlane, SyncDaemon, SyncRole, Table,
    Timeouts,
};

/// A plane that the test can look at, and that can be told to be missing.
#[derive(Clone, Default)]
pub struct Watched {
    pub plane: Arc<Mutex<MemoryDataPlane>>,
    pub missing: Arc<Mutex<bool>>,
    commands: Arc<Mutex<Vec<Command>>>,
    /// How often the whole table was read.
    pub reads: Arc<Mutex<usize>>,
    /// If there is one, each batch waits for a word from it.
    gate: Arc<Mutex<Option<Receiver<()>>>>,
}

impl DataPlane for Watched {
    fn list(&mut self) -> Result<Table, DataPlaneError> {
        *self.reads.lock().unwrap() += 1;
        self.plane.lock().unwrap().list()
    }

    fn timeouts(&mut self) -> Result<Timeouts, DataPlaneError> {
        self.plane.lock().unwrap().timeouts()
    }

    fn apply(&mut self, commands: &[Command]) -> Vec<Failed> {
        if let Some(gate) = &*self.gate.lock().unwrap() {
            gate.recv().unwrap();
        }
        self.commands.lock().unwrap().extend_from_slice(commands);
        self.plane.lock().unwrap().apply(commands)
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, DataPlaneError> {
        self.plane.lock().unwrap().daemons()
    }

    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), DataPlaneError> {
        self.plane.lock().unwrap().start_daemon(daemon)
    }

    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), DataPlaneError> {
        self.plane.lock().unwrap().stop_daemon(role)
    }
}

impl Watched {
    pub fn open(&self) -> Open {
        let watched = self.clone();
        Box::new(move || {
            if *watched.missing.lock().unwrap() {
                return Err(DataPlaneError::NoIpvs);
            }
            Ok(Box::new(watched.clone()))
        })
    }

    /// From now on a batch is carried out for each word that is sent.
    pub fn slow(&self) -> Sender<()> {
        let (let_it, may) = channel();
        *self.gate.lock().unwrap() = Some(may);
        let_it
    }

    pub fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *self.commands.lock().unwrap())
    }
}
