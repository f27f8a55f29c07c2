use std::sync::{Arc, Mutex};

use super::*;
use crate::ipvs::{
    Command as Order, Failed, MemoryDataPlane, SyncRole, SyncSettings, Table, Timeouts,
};

/// A plane that notes what becomes of its daemons.
#[derive(Clone, Default)]
struct Noted {
    plane: Arc<Mutex<MemoryDataPlane>>,
    done: Arc<Mutex<Vec<String>>>,
    refuses: Arc<Mutex<bool>>,
}

impl DataPlane for Noted {
    fn list(&mut self) -> Result<Table, DataPlaneError> {
        self.plane.lock().unwrap().list()
    }

    fn timeouts(&mut self) -> Result<Timeouts, DataPlaneError> {
        self.plane.lock().unwrap().timeouts()
    }

    fn apply(&mut self, commands: &[Order]) -> Vec<Failed> {
        self.plane.lock().unwrap().apply(commands)
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, DataPlaneError> {
        self.plane.lock().unwrap().daemons()
    }

    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), DataPlaneError> {
        if *self.refuses.lock().unwrap() {
            return Err(DataPlaneError::Io(io::Error::from_raw_os_error(nix::libc::ENODEV)));
        }
        self.done.lock().unwrap().push(format!("start {}", daemon.role));
        self.plane.lock().unwrap().start_daemon(daemon)
    }

    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), DataPlaneError> {
        self.done.lock().unwrap().push(format!("stop {role}"));
        self.plane.lock().unwrap().stop_daemon(role)
    }
}

impl Noted {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.done.lock().unwrap())
    }

    fn running(&self) -> Vec<SyncDaemon> {
        self.plane.lock().unwrap().daemons().unwrap()
    }
}

struct Bench {
    noted: Noted,
    worker: Worker,
    followed: watch::Sender<Option<Followed>>,
}

impl Bench {
    fn new(plan: Option<SyncDaemons>) -> Self {
        let noted = Noted::default();
        let opened = noted.clone();
        let followed = watch::Sender::default();
        let worker = Worker {
            open: Box::new(move || Ok(Box::new(opened.clone()))),
            plane: None,
            plan,
            running: Vec::new(),
            keep_on_stop: false,
            followed: followed.subscribe(),
            status: watch::Sender::default(),
            again_at: None,
            trouble: None,
        };
        Self { noted, worker, followed }
    }

    /// The instance has become this, or is told to be; gives what was done.
    fn told(&mut self, active: bool) -> Vec<String> {
        self.followed.send_replace(Some(Followed { instance: "VI_1".to_owned(), active }));
        self.reconciled()
    }

    fn reconciled(&mut self) -> Vec<String> {
        self.worker.reconcile();
        self.noted.take()
    }
}

fn plan(instance: Option<&str>) -> SyncDaemons {
    let settings = SyncSettings::new("eth1", 51);
    SyncDaemons { instance: instance.map(str::to_owned), settings }
}

#[test]
fn without_an_instance_both_run_from_start_to_stop() {
    let mut bench = Bench::new(Some(plan(None)));
    assert_eq!(bench.reconciled(), ["start master", "start backup"]);
    assert_eq!(bench.reconciled(), [""; 0], "they are right");
    bench.worker.stop();
    assert_eq!(bench.noted.running(), []);
}

#[test]
fn the_state_of_the_instance_decides() {
    let mut bench = Bench::new(Some(plan(Some("VI_1"))));
    assert_eq!(bench.reconciled(), [""; 0], "nothing is known of the instance yet");
    assert_eq!(bench.told(false), ["start backup"]);
    assert_eq!(bench.told(true), ["start master", "stop backup"]);
    assert_eq!(bench.told(true), [""; 0]);
    assert_eq!(bench.told(false), ["start backup", "stop master"]);
    let other = Followed { instance: "VI_2".to_owned(), active: true };
    bench.followed.send_replace(Some(other));
    assert_eq!(bench.reconciled(), [""; 0], "it is another one that became MASTER");
}

#[test]
fn a_reload_restarts_a_daemon_only_for_another_attribute() {
    let mut bench = Bench::new(Some(plan(Some("VI_1"))));
    bench.told(true);
    bench.worker.plan = Some(plan(Some("VI_1")));
    assert_eq!(bench.reconciled(), [""; 0]);
    for change in [
        |settings: &mut SyncSettings| settings.id = 7,
        |settings: &mut SyncSettings| settings.max_len = Some(1_400),
        // What the kernel chooses by itself cannot be told from what was asked for.
        |settings: &mut SyncSettings| settings.max_len = None,
    ] {
        let wanted = bench.worker.plan.as_mut().unwrap();
        change(&mut wanted.settings);
        assert_eq!(bench.reconciled(), ["stop master", "start master"]);
    }
    bench.worker.plan = None;
    assert_eq!(bench.reconciled(), ["stop master"]);
    assert_eq!(bench.worker.again_at, None, "there is nothing to look after any more");
}

#[test]
fn daemons_of_a_former_run_go_on_if_they_are_right() {
    let mut bench = Bench::new(Some(plan(Some("VI_1"))));
    for role in SyncRole::BOTH {
        let settings = plan(None).settings;
        bench.noted.plane.lock().unwrap().start_daemon(&SyncDaemon { role, settings }).unwrap();
    }
    assert_eq!(bench.told(false), ["stop master"]);
}

#[test]
fn daemons_of_others_are_left_alone_where_none_is_configured() {
    let mut bench = Bench::new(None);
    let foreign = SyncDaemon { role: SyncRole::Backup, settings: plan(None).settings };
    bench.noted.plane.lock().unwrap().start_daemon(&foreign).unwrap();
    assert_eq!(bench.reconciled(), [""; 0]);
    bench.worker.stop();
    assert_eq!(bench.noted.running().len(), 1);
}

#[test]
fn one_that_somebody_stopped_is_started_again_and_a_refusal_is_retried() {
    let mut bench = Bench::new(Some(plan(None)));
    bench.reconciled();
    bench.noted.plane.lock().unwrap().stop_daemon(SyncRole::Backup).unwrap();
    *bench.noted.refuses.lock().unwrap() = true;
    assert_eq!(bench.reconciled(), [""; 0]);
    let trouble = bench.worker.trouble.clone().unwrap();
    assert!(trouble.starts_with("cannot start the sync daemon backup on eth1, id 51"), "{trouble}");
    assert!(bench.worker.again_at.is_some());
    *bench.noted.refuses.lock().unwrap() = false;
    assert_eq!(bench.reconciled(), ["start backup"]);
    assert_eq!(bench.worker.trouble, None);
}
