//! One director on one host, with the log it was given.

use std::collections::HashMap;
use std::fs;
use std::marker::PhantomData;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::thread;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::namespace::{alive, children_of, cpu_time, cpu_time_if_any};
use crate::harness::{Host, Program};
use crate::sink::{Log, Reading, Sink};

pub struct Node<'h> {
    host: PhantomData<&'h Host>,
    child: Child,
    pub sink: Sink,
}

/// Gives the director a `/dev` of its own, in which `log` may be ours.
const IN_OWN_DEV: &str = r#"for node in null zero urandom; do
    touch "$0/$node" && mount --bind "/dev/$node" "$0/$node" || exit
done
mount --rbind "$0" /dev && exec "$@""#;

/// How a director is to run.
#[derive(Clone, Copy)]
pub struct Way {
    pub program: Program,
    pub log: Log,
    pub reading: Reading,
    /// Without: the right to real-time scheduling is taken away.
    pub real_time: bool,
}

impl Way {
    /// Without any log.
    pub fn quiet(program: Program) -> Way {
        Way { program, log: Log::Off, reading: Reading::Freely, real_time: true }
    }
}

impl<'h> Node<'h> {
    pub fn start(host: &'h Host, configuration: &str, way: Way) -> Node<'h> {
        let dev = host.dir.join("dev");
        fs::create_dir_all(&dev).expect("make a directory");
        let (sink, output) = Sink::open(way.log, &dev, way.reading).expect("open a log sink");
        let file = host.write("keepalived.conf", configuration);
        let mut command = host.command("/bin/sh");
        command.args(["-c", IN_OWN_DEV]).arg(&dev);
        if !way.real_time {
            command.args(["setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice"]);
        }
        command.arg(way.program.path(host)).arg("-n").arg("-f").arg(file);
        for (option, name) in [("-p", "pid"), ("-r", "vrrp.pid"), ("-c", "checkers.pid")] {
            command.arg(option).arg(host.dir.join(name));
        }
        match way.log {
            Log::Off => command.arg("-G"),
            Log::Pipe => command.args(["-l", "-D", "-G"]),
            Log::Syslog => command.arg("-D"),
        };
        command.envs(way.program.environment());
        command.stdout(output.try_clone().expect("duplicate a descriptor")).stderr(output);
        let child = host.spawn(command.process_group(0)).expect("start a director");
        Node { host: PhantomData, child, sink }
    }

    fn processes(&self) -> Vec<i32> {
        let own = self.child.id() as i32;
        let mut all = children_of(own);
        all.push(own);
        all
    }

    /// CPU time of all its processes so far.
    pub fn cpu(&self) -> Duration {
        self.processes().into_iter().map(cpu_time).sum()
    }

    /// Resident memory that is not shared with files, in KiB, and with them.
    pub fn resident_kib(&self) -> (f64, f64) {
        let field = |status: &str, name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
        };
        let mut sums = (0.0, 0.0);
        for pid in self.processes() {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            sums.0 += field(&status, "RssAnon:");
            sums.1 += field(&status, "VmRSS:");
        }
        sums
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("signal a director");
    }

    /// Has it stop; gives the processor time that this took. keepalived leaves children behind that it has
    /// not waited for, so that each process is looked at until it is gone.
    pub fn terminate(mut self) -> Duration {
        let mut used: HashMap<i32, (Duration, Duration)> = HashMap::new();
        for pid in self.processes() {
            used.insert(pid, (cpu_time(pid), Duration::ZERO));
        }
        self.signal(Signal::SIGTERM);
        let mut running = true;
        while running {
            thread::sleep(Duration::from_millis(5));
            running = self.child.try_wait().is_ok_and(|ended| ended.is_none());
            for (pid, (before, during)) in &mut used {
                if let Some(now) = cpu_time_if_any(*pid).filter(|_| alive(*pid)) {
                    *during = now.saturating_sub(*before);
                    running = true;
                }
            }
        }
        used.into_values().map(|(_, during)| during).sum()
    }

    /// As a power failure would: all of it at once, without a word.
    pub fn kill9(mut self) -> SystemTime {
        let now = SystemTime::now();
        self.end();
        now
    }

    fn end(&mut self) {
        let own = Pid::from_raw(self.child.id() as i32);
        // Stopped first, so that it does not start its children again.
        let _ = kill(own, Signal::SIGSTOP);
        for pid in children_of(own.as_raw()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = kill(own, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
