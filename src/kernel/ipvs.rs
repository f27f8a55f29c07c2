//! The kernel's IPVS table by generic netlink: family `IPVS`, version 1.

pub(super) mod decode;
mod encode;
mod numbers;
mod stop_daemon;

use std::io;
use std::path::Path;
use std::process::{Command as Process, Stdio};

use neli::consts::socket::NlFamily;
use neli::err::RouterError;
use neli::router::synchronous::NlRouter;
use neli::utils::Groups;
use netlink_sys::protocols::NETLINK_GENERIC;

use super::netlink::messages;
use super::netlink_socket::{CommandSocket, Refusal, RequestKind};
use crate::ipvs::{
    Command, DataPlane, DataPlaneError, Destinations, Entry, Failed, Service, SyncDaemon, SyncRole,
    Table, Timeouts,
};
use numbers::{GENL_HEADER_LEN, IPVS_FAMILY_NAME};
use stop_daemon::DaemonStopper;

/// The family may still be unknown just after its module was loaded.
const RESOLVE_ATTEMPTS: usize = 3;

/// The table of the network namespace in which it was opened.
pub struct KernelDataPlane {
    socket: CommandSocket,
    stopper: DaemonStopper,
    /// Number of the family IPVS, chosen by the kernel when the module is loaded.
    family: u16,
}

impl KernelDataPlane {
    /// Loads the module `ip_vs` if need be, which may take some 100 ms and runs `modprobe`.
    ///
    /// # Errors
    /// `NoIpvs` when this kernel has none.
    pub fn open() -> Result<Self, DataPlaneError> {
        let socket = CommandSocket::open(NETLINK_GENERIC).map_err(DataPlaneError::Io)?;
        let stopper = DaemonStopper::open().map_err(DataPlaneError::Io)?;
        let family = resolve_or_load()?;
        Ok(Self { socket, stopper, family })
    }

    fn services(&mut self) -> io::Result<Vec<Service>> {
        let kind = RequestKind { kind: self.family, flags: 0 };
        let dump = self.socket.dump(|out| {
            encode::get_services(out);
            kind
        })?;
        Ok(payloads(&dump, self.family).filter_map(decode::service).collect())
    }

    fn destinations(&mut self, service: &Service) -> io::Result<Destinations> {
        let kind = RequestKind { kind: self.family, flags: 0 };
        let dump = self.socket.dump(|out| {
            encode::get_destinations(&service.key, out);
            kind
        })?;
        let family = service.key.family();
        let destinations =
            payloads(&dump, self.family).filter_map(|payload| decode::destination(payload, family));
        Ok(destinations.collect())
    }

    fn read_table(&mut self) -> io::Result<Table> {
        let mut table = Table::default();
        for service in self.services()? {
            let destinations = self.destinations(&service)?;
            table.services.insert(service.key, Entry { service, destinations });
        }
        Ok(table)
    }
}

impl DataPlane for KernelDataPlane {
    /// Services of a protocol that ipvsadm(8) does not know are left out. The kernel has no
    /// snapshot: a change made by others meanwhile may be seen in part.
    fn list(&mut self) -> Result<Table, DataPlaneError> {
        match self.read_table() {
            // The module was unloaded, and perhaps loaded again: the family has another number.
            Err(gone) if gone.raw_os_error() == Some(libc::ENOENT) => {
                self.family = resolve_or_load()?;
                self.read_table().map_err(read_error)
            }
            result => result.map_err(read_error),
        }
    }

    fn timeouts(&mut self) -> Result<Timeouts, DataPlaneError> {
        let kind = RequestKind { kind: self.family, flags: 0 };
        let reply = self.socket.ask(|out| {
            encode::get_timeouts(out);
            kind
        });
        let reply = reply.map_err(read_error)?.unwrap_or_default();
        Ok(decode::timeouts(reply.get(GENL_HEADER_LEN..).unwrap_or_default()))
    }

    fn apply(&mut self, commands: &[Command]) -> Vec<Failed> {
        let kind = RequestKind { kind: self.family, flags: 0 };
        let refused = self.socket.execute(commands, |command, out| {
            encode::command(command, out);
            kind
        });
        let failed = refused.into_iter().filter_map(|refusal| {
            let error = command_error(&commands[refusal.index], &refusal)?;
            Some(Failed { index: refusal.index, error })
        });
        failed.collect()
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, DataPlaneError> {
        let kind = RequestKind { kind: self.family, flags: 0 };
        let dump = self.socket.dump(|out| {
            encode::get_daemons(out);
            kind
        });
        let dump = dump.map_err(read_error)?;
        Ok(payloads(&dump, self.family).filter_map(decode::daemon).collect())
    }

    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), DataPlaneError> {
        let kind = RequestKind { kind: self.family, flags: 0 };
        let refused = self.socket.execute(std::slice::from_ref(daemon), |daemon, out| {
            encode::new_daemon(daemon, out);
            kind
        });
        match refused.first() {
            None => Ok(()),
            Some(refusal) if refusal.errno == libc::EEXIST => Ok(()),
            Some(refusal) if refusal.errno == libc::EPERM => Err(DataPlaneError::NotPermitted),
            Some(refusal) => Err(DataPlaneError::Io(refusal.error())),
        }
    }

    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), DataPlaneError> {
        match self.stopper.stop(encode::sync_state(role)) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                Err(DataPlaneError::NotPermitted)
            }
            result => result.map_err(DataPlaneError::Io),
        }
    }
}

/// The attributes of each of the family's messages in `dump`.
fn payloads(dump: &[u8], family: u16) -> impl Iterator<Item = &[u8]> {
    messages(dump)
        .filter(move |message| message.kind == family)
        .filter_map(|message| message.payload.get(GENL_HEADER_LEN..))
}

/// What a refusal means; `None` when things are as the command wanted them.
fn command_error(command: &Command, refusal: &Refusal) -> Option<DataPlaneError> {
    match (command, refusal.errno) {
        (Command::NewService(_) | Command::NewDestination(..), libc::EEXIST)
        | (
            Command::DeleteService(_) | Command::DeleteDestination(..),
            libc::ESRCH | libc::ENOENT,
        ) => None,
        (_, libc::EPERM) => Some(DataPlaneError::NotPermitted),
        (Command::NewService(service) | Command::SetService(service), libc::ENOENT) => {
            Some(not_in_this_kernel(service))
        }
        _ => Some(DataPlaneError::Io(refusal.error())),
    }
}

/// The kernel says ENOENT for a scheduler and for a persistence engine that it cannot load.
fn not_in_this_kernel(service: &Service) -> DataPlaneError {
    let engine = service.persistence.as_ref().and_then(|persistence| persistence.engine.as_ref());
    let scheduler = &service.scheduler;
    match engine {
        None => DataPlaneError::NoScheduler(scheduler.clone()),
        Some(engine) => {
            let engine = format!("persistence engine {engine} (module ip_vs_pe_{engine})");
            let is_loaded = Path::new(&format!("/sys/module/ip_vs_{scheduler}")).exists();
            let what = match is_loaded {
                true => engine,
                false => format!("scheduler {scheduler} (module ip_vs_{scheduler}) or {engine}"),
            };
            let why = format!("{what} is not in this kernel");
            DataPlaneError::Io(io::Error::new(io::ErrorKind::NotFound, why))
        }
    }
}

fn read_error(error: io::Error) -> DataPlaneError {
    match error.raw_os_error() {
        Some(libc::EPERM) => DataPlaneError::NotPermitted,
        Some(libc::ENOENT) => DataPlaneError::NoIpvs,
        _ => DataPlaneError::Io(error),
    }
}

fn resolve_or_load() -> Result<u16, DataPlaneError> {
    if let Some(family) = resolve()? {
        return Ok(family);
    }
    load_module();
    for _ in 0..RESOLVE_ATTEMPTS {
        if let Some(family) = resolve()? {
            return Ok(family);
        }
    }
    Err(DataPlaneError::NoIpvs)
}

/// The number of the family IPVS; `None`: the kernel does not know it.
fn resolve() -> Result<Option<u16>, DataPlaneError> {
    let connected = NlRouter::connect(NlFamily::Generic, None, Groups::empty());
    let (router, _) = connected.map_err(|error| DataPlaneError::Io(io::Error::other(error)))?;
    match router.resolve_genl_family(IPVS_FAMILY_NAME) {
        Ok(family) => Ok(Some(family)),
        Err(RouterError::Nlmsgerr(refusal)) => match -refusal.error() {
            libc::ENOENT => Ok(None),
            errno => Err(read_error(io::Error::from_raw_os_error(errno))),
        },
        Err(error) => Err(DataPlaneError::Io(io::Error::other(error.to_string()))),
    }
}

/// Runs the kernel's own modprobe. Whether it helped is seen by asking again.
fn load_module() {
    let configured = std::fs::read_to_string("/proc/sys/kernel/modprobe").unwrap_or_default();
    let path = match configured.trim() {
        "" => "/sbin/modprobe",
        path => path,
    };
    let mut modprobe = Process::new(path);
    modprobe.args(["-q", "ip_vs"]).stdin(Stdio::null()).stdout(Stdio::null());
    let _ = modprobe.stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests;
