//! The kernel's IPVS table by generic netlink: family `IPVS`, version 1.

mod decode;
mod encode;
mod numbers;

use std::collections::BTreeMap;
use std::io;
use std::process::{Command as Process, Stdio};

use netlink_sys::protocols::NETLINK_GENERIC;

use super::netlink::{attributes, messages, push_attribute, u16_at};
use super::netlink_socket::{CommandSocket, Refusal, RequestKind};
use crate::ipvs::{
    Command, DataPlane, DataPlaneError, Destination, Entry, Failed, Service, SocketKey, Table,
    Timeouts,
};
use numbers::{GENL_HEADER_LEN, IPVS_FAMILY_NAME};

/// nlctrl, the family that knows the others (`linux/genetlink.h`).
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// The family may still be unknown just after its module was loaded.
const RESOLVE_ATTEMPTS: usize = 3;

/// The table of the network namespace in which it was opened.
pub struct KernelDataPlane {
    socket: CommandSocket,
    /// Number of the family IPVS, chosen by the kernel when the module is loaded.
    family: u16,
}

impl KernelDataPlane {
    /// Loads the module `ip_vs` if need be, which may take some 100 ms and runs `modprobe`.
    ///
    /// # Errors
    /// `NoIpvs` when this kernel has none.
    pub fn open() -> Result<Self, DataPlaneError> {
        let mut socket = CommandSocket::open(NETLINK_GENERIC).map_err(DataPlaneError::Io)?;
        let family = resolve_or_load(&mut socket)?;
        Ok(Self { socket, family })
    }

    fn services(&mut self) -> io::Result<Vec<Service>> {
        let kind = RequestKind { kind: self.family, flags: 0 };
        let dump = self.socket.dump(|out| {
            encode::get_services(out);
            kind
        })?;
        Ok(payloads(&dump, self.family).filter_map(decode::service).collect())
    }

    fn destinations(&mut self, service: &Service) -> io::Result<BTreeMap<SocketKey, Destination>> {
        let kind = RequestKind { kind: self.family, flags: 0 };
        let dump = self.socket.dump(|out| {
            encode::get_destinations(&service.key, out);
            kind
        })?;
        let family = service.key.family();
        let destinations =
            payloads(&dump, self.family).filter_map(|payload| decode::destination(payload, family));
        Ok(destinations.map(|destination| (destination.address, destination)).collect())
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
                self.family = resolve_or_load(&mut self.socket)?;
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
        Some(engine) => DataPlaneError::Io(io::Error::new(
            io::ErrorKind::NotFound,
            format!("scheduler {scheduler} or persistence engine {engine} is not in this kernel"),
        )),
    }
}

fn read_error(error: io::Error) -> DataPlaneError {
    match error.raw_os_error() {
        Some(libc::EPERM) => DataPlaneError::NotPermitted,
        Some(libc::ENOENT) => DataPlaneError::NoIpvs,
        _ => DataPlaneError::Io(error),
    }
}

fn resolve_or_load(socket: &mut CommandSocket) -> Result<u16, DataPlaneError> {
    if let Some(family) = resolve(socket)? {
        return Ok(family);
    }
    load_module();
    for _ in 0..RESOLVE_ATTEMPTS {
        if let Some(family) = resolve(socket)? {
            return Ok(family);
        }
    }
    Err(DataPlaneError::NoIpvs)
}

/// The number of the family IPVS; `None`: the kernel does not know it.
fn resolve(socket: &mut CommandSocket) -> Result<Option<u16>, DataPlaneError> {
    let reply = socket.ask(|out| {
        out.extend_from_slice(&[CTRL_CMD_GETFAMILY, 1, 0, 0]);
        push_attribute(out, CTRL_ATTR_FAMILY_NAME, IPVS_FAMILY_NAME);
        RequestKind { kind: GENL_ID_CTRL, flags: 0 }
    });
    match reply {
        Ok(reply) => Ok(reply.as_deref().and_then(family_id)),
        Err(unknown) if unknown.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(read_error(error)),
    }
}

fn family_id(reply: &[u8]) -> Option<u16> {
    let (_, id) =
        attributes(reply.get(GENL_HEADER_LEN..)?).find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID)?;
    u16_at(id, 0)
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
