//! A data plane in memory, with the kernel's refusals: for tests, simulation, `--dry-run`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::io;
use std::net::IpAddr;

use super::{
    Command, DataPlane, DataPlaneError, Destination, Entry, Failed, Family, Forward, Persistence,
    Service, ServiceKey, SocketKey, SyncDaemon, SyncRole, SyncSettings, Table, Timeouts, Tunnel,
    has_mixed_families,
};

/// The kernel's own refusals (errno(3)), as numbers: a pure module has no `libc`.
mod errno {
    pub const ENOENT: i32 = 2;
    pub const ESRCH: i32 = 3;
    pub const EINVAL: i32 = 22;
    pub const ERANGE: i32 = 34;
}

/// Those of the kernel; `none` is its word for having none.
const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos",
    "none",
];
const ENGINES: &[&str] = &["sip"];
/// IP_VS_SCHEDNAME_MAXLEN less its NUL.
const LONGEST_NAME: usize = 15;
/// What an MTU of 1500 leaves beside IP and UDP headers.
const LARGEST_SYNC_PACKET: u16 = 1_472;

/// Starts empty; [`Table`]s can be put in and taken out.
#[derive(Debug, Clone)]
pub struct MemoryDataPlane {
    table: Table,
    timeouts: Timeouts,
    daemons: BTreeMap<SyncRole, SyncDaemon>,
}

impl Default for MemoryDataPlane {
    fn default() -> Self {
        Self::with_table(Table::default())
    }
}

impl MemoryDataPlane {
    /// One that holds `table` already, as after a start beside foreign entries.
    pub fn with_table(table: Table) -> Self {
        // The kernel's own.
        let timeouts = Timeouts { tcp_s: 900, tcp_fin_s: 120, udp_s: 300 };
        Self { table, timeouts, daemons: BTreeMap::new() }
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    /// For what others do behind our back.
    pub fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    fn carry_out(&mut self, command: &Command) -> Result<(), DataPlaneError> {
        match command {
            Command::NewService(service) => self.new_service(service),
            Command::SetService(service) => self.set_service(service),
            Command::DeleteService(key) => {
                self.table.services.remove(key);
                Ok(())
            }
            Command::NewDestination(key, destination) => self.new_destination(key, destination),
            Command::SetDestination(key, destination) => self.set_destination(key, destination),
            Command::DeleteDestination(key, address) => {
                self.delete_destination(key, *address);
                Ok(())
            }
            Command::Flush => {
                self.table.services.clear();
                Ok(())
            }
            Command::SetTimeouts(timeouts) => {
                self.timeouts = timeouts.or(self.timeouts);
                Ok(())
            }
        }
    }

    /// One that is there stays as it was, whatever is asked for, as in the kernel.
    fn new_service(&mut self, service: &Service) -> Result<(), DataPlaneError> {
        if let Slot::Vacant(slot) = self.table.services.entry(service.key) {
            check_service(service)?;
            slot.insert(Entry { service: service.clone(), destinations: Default::default() });
        }
        Ok(())
    }

    fn set_service(&mut self, service: &Service) -> Result<(), DataPlaneError> {
        let entry = self.entry(&service.key)?;
        check_service(service)?;
        entry.service = service.clone();
        Ok(())
    }

    fn new_destination(
        &mut self,
        key: &ServiceKey,
        destination: &Destination,
    ) -> Result<(), DataPlaneError> {
        self.check_family(key, destination)?;
        let entry = self.entry(key)?;
        check_destination(key, destination)?;
        if !entry.destinations.contains(&destination.address) {
            entry.destinations.insert(destination.clone());
        }
        Ok(())
    }

    fn set_destination(
        &mut self,
        key: &ServiceKey,
        destination: &Destination,
    ) -> Result<(), DataPlaneError> {
        self.check_family(key, destination)?;
        let entry = self.entry(key)?;
        check_destination(key, destination)?;
        if !entry.destinations.contains(&destination.address) {
            return Err(refused(errno::ENOENT));
        }
        entry.destinations.insert(destination.clone());
        Ok(())
    }

    fn delete_destination(&mut self, key: &ServiceKey, address: SocketKey) {
        if let Some(entry) = self.table.services.get_mut(key) {
            entry.destinations.remove(&address);
        }
    }

    /// While a sync daemon runs a tunnel may not lead into the other family.
    fn check_family(
        &self,
        key: &ServiceKey,
        destination: &Destination,
    ) -> Result<(), DataPlaneError> {
        let known = self.table.services.contains_key(key);
        let mixed = Family::of(destination.address.ip) != key.family();
        if known && mixed && !self.daemons.is_empty() {
            return Err(refused(errno::EINVAL));
        }
        Ok(())
    }

    fn entry(&mut self, key: &ServiceKey) -> Result<&mut Entry, DataPlaneError> {
        self.table.services.get_mut(key).ok_or_else(|| refused(errno::ESRCH))
    }
}

impl DataPlane for MemoryDataPlane {
    fn list(&mut self) -> Result<Table, DataPlaneError> {
        Ok(self.table.clone())
    }

    fn timeouts(&mut self) -> Result<Timeouts, DataPlaneError> {
        Ok(self.timeouts)
    }

    fn apply(&mut self, commands: &[Command]) -> Vec<Failed> {
        let results = commands.iter().enumerate();
        let failed = results.filter_map(|(index, command)| {
            let error = self.carry_out(command).err()?;
            Some(Failed { index, error })
        });
        failed.collect()
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, DataPlaneError> {
        Ok(self.daemons.values().cloned().collect())
    }

    /// Any interface is there.
    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), DataPlaneError> {
        let SyncDaemon { role, settings } = daemon;
        let no_group = settings.group.is_some_and(|group| !group.is_multicast());
        if no_group || has_mixed_families(&self.table) {
            return Err(refused(errno::EINVAL));
        }
        let filled = || SyncSettings {
            // For an Ethernet interface.
            max_len: Some(settings.max_len.unwrap_or(LARGEST_SYNC_PACKET)),
            group: Some(settings.group()),
            port: Some(settings.port()),
            ttl: Some(settings.ttl()),
            ..settings.clone()
        };
        let held = self.daemons.entry(*role);
        held.or_insert_with(|| SyncDaemon { role: *role, settings: filled() });
        Ok(())
    }

    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), DataPlaneError> {
        self.daemons.remove(&role);
        Ok(())
    }
}

fn check_service(service: &Service) -> Result<(), DataPlaneError> {
    if service.scheduler.len() > LONGEST_NAME {
        return Err(refused(errno::ERANGE));
    }
    if let Some(persistence) = &service.persistence {
        check_persistence(service.key.family(), persistence)?;
    }
    if !SCHEDULERS.contains(&service.scheduler.as_str()) {
        return Err(DataPlaneError::NoScheduler(service.scheduler.clone()));
    }
    Ok(())
}

fn check_persistence(family: Family, persistence: &Persistence) -> Result<(), DataPlaneError> {
    if family == Family::Inet6 && !(1..=128).contains(&persistence.prefix_len) {
        return Err(refused(errno::EINVAL));
    }
    match &persistence.engine {
        Some(engine) if !ENGINES.contains(&engine.as_str()) => Err(refused(errno::ENOENT)),
        _ => Ok(()),
    }
}

fn check_destination(key: &ServiceKey, destination: &Destination) -> Result<(), DataPlaneError> {
    let SocketKey { ip, .. } = destination.address;
    let tunnelled = matches!(destination.forward, Forward::Tunnel(_));
    let no_port = matches!(destination.forward, Forward::Tunnel(Tunnel::Gue { port: 0, .. }));
    if Family::of(ip) != key.family() && !tunnelled || no_port || !is_unicast(ip) {
        return Err(refused(errno::EINVAL));
    }
    // Also where the upper one is 0, no limit.
    let crossed = destination.lower_threshold > destination.upper_threshold;
    if destination.weight > i32::MAX as u32 || crossed {
        return Err(refused(errno::ERANGE));
    }
    Ok(())
}

fn is_unicast(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_multicast() && !broadcast
}

fn refused(errno: i32) -> DataPlaneError {
    DataPlaneError::Io(io::Error::from_raw_os_error(errno))
}

#[cfg(test)]
mod tests;
