//! What the kernel's IPVS table holds of ours as far as we know, and how it is made what is
//! wanted.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::managed::Managed;
use crate::driver::clock;
use crate::ipvs::{
    Command, DataPlane, DataPlaneError, Entry, Failed, ServiceKey, Table, Timeouts, difference,
    entry_difference,
};

/// Pause before a refused change is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Pause between two looks at what others have done to the table.
const INSPECTION: Duration = Duration::from_secs(5);

/// At most this part of the time goes into those looks: a large table is looked at less often.
const INSPECTION_SHARE: u32 = 100;

/// Opens the data plane; asked again as long as there is none.
pub type Open = Box<dyn FnMut() -> Result<Box<dyn DataPlane>, DataPlaneError> + Send>;

pub struct KernelTable {
    open: Open,
    /// `None` until it could be opened: IPVS may be loaded later.
    plane: Option<Box<dyn DataPlane>>,
    /// Our services as the kernel holds them, unless somebody else changed them.
    known: HashMap<ServiceKey, Entry>,
    /// Services that may be deleted: those of this plan, of the one before, and of a former run.
    ours: BTreeSet<ServiceKey>,
    /// Virtual servers whose wanted entries have changed, by their number.
    dirty: BTreeSet<usize>,
    /// Connection time-outs as they are to be; what is 0 is as it was.
    timeouts: Timeouts,
    /// As they were before we changed them.
    former_timeouts: Option<Timeouts>,
    /// When everything is compared again, because something was refused.
    retry_at: Option<Instant>,
    /// When the table is looked at for what others have done to it.
    inspect_at: Option<Instant>,
    /// What the last look found to put right: what somebody does again and again is said once.
    repaired: Option<String>,
    /// Why the table is not as wanted; said once, until it changes.
    trouble: Option<String>,
}

impl KernelTable {
    pub fn new(open: Open) -> Self {
        Self {
            open,
            plane: None,
            known: HashMap::new(),
            ours: BTreeSet::new(),
            dirty: BTreeSet::new(),
            timeouts: Timeouts::default(),
            former_timeouts: None,
            retry_at: None,
            inspect_at: None,
            repaired: None,
            trouble: None,
        }
    }

    pub fn set_ours(&mut self, ours: BTreeSet<ServiceKey>) {
        self.ours = ours;
    }

    /// The next comparison brings the connection time-outs to this.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    fn no_timeouts(&self) -> bool {
        self.timeouts == Timeouts::default() && self.former_timeouts.is_none()
    }

    /// Makes the time-outs what they are to be, or what they were.
    fn write_timeouts(&mut self) -> bool {
        let Some(plane) = &mut self.plane else { return false };
        let now = match plane.timeouts() {
            Ok(now) => now,
            Err(error) => {
                self.refused(&error);
                return false;
            }
        };
        let wanted = self.timeouts.or(*self.former_timeouts.get_or_insert(now));
        wanted == now || self.apply(&[Command::SetTimeouts(wanted)])
    }

    /// Puts the time-outs back to what they were before us.
    pub fn restore_timeouts(&mut self) {
        self.timeouts = Timeouts::default();
        if self.former_timeouts.is_some() {
            self.write_timeouts();
        }
    }

    pub fn mark(&mut self, number: usize) {
        self.dirty.insert(number);
    }

    /// When [`Self::compare`] is to be called.
    pub fn compare_at(&self) -> Option<Instant> {
        self.retry_at.into_iter().chain(self.inspect_at).min()
    }

    /// Does what is due: everything again after a refusal, else a look at what others have done.
    pub fn compare(&mut self, managed: &[Managed]) {
        let now = clock::now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.synchronise(managed);
        } else if self.retry_at.is_none() && self.inspect_at.is_some_and(|at| at <= now) {
            self.repair(managed);
            self.inspect_again(now);
        }
    }

    /// Puts right what somebody else changed, and says so. What was found is compared with what we wrote:
    /// only differences cost more than the look.
    fn repair(&mut self, managed: &[Managed]) {
        self.write_dirty(managed);
        let found = match self.list() {
            Ok(found) => found,
            Err(error) => return self.refused(&error),
        };
        let mut commands = Vec::new();
        for (key, wanted) in &self.known {
            let found = found.services.get(key);
            if found != Some(wanted) {
                commands.extend(entry_difference(found, Some(wanted)));
            }
        }
        let repair = commands.first().map(|first| match commands.len() - 1 {
            0 => first.to_string(),
            others => format!("{first}, and {others} more"),
        });
        if let Some(repair) = repair.as_ref().filter(|_| repair != self.repaired) {
            tracing::warn!("somebody else changed the IPVS table; putting it right: {repair}");
        }
        self.apply(&commands);
        self.repaired = repair;
    }

    /// A look that began at `begun` is over.
    fn inspect_again(&mut self, begun: Instant) {
        let took = clock::now().saturating_duration_since(begun);
        let pause = INSPECTION.max(took.saturating_mul(INSPECTION_SHARE));
        self.inspect_at = Some(clock::now() + pause);
    }

    pub fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }

    /// Writes the services that changed: cost proportional to the change.
    pub fn write_dirty(&mut self, managed: &[Managed]) {
        if self.dirty.is_empty() || self.retry_at.is_some() {
            return;
        }
        let dirty = std::mem::take(&mut self.dirty);
        let changed = dirty.into_iter().filter_map(|number| managed.get(number));
        for wanted in changed.flat_map(Managed::entries) {
            let key = wanted.service.key;
            let commands = entry_difference(self.known.get(&key), Some(&wanted));
            if self.apply(&commands) {
                self.known.insert(key, wanted);
            }
        }
    }

    /// Compares with the whole table of the kernel: at start, at reload, and after a refusal.
    pub fn synchronise(&mut self, managed: &[Managed]) {
        self.dirty.clear();
        (self.retry_at, self.inspect_at) = (None, None);
        if managed.is_empty() && self.ours.is_empty() && self.no_timeouts() {
            return;
        }
        let entries = managed.iter().flat_map(Managed::entries);
        let services = entries.map(|entry| (entry.service.key, entry));
        let wanted = Table { services: services.collect() };
        let found = match self.list() {
            Ok(found) => found,
            Err(error) => return self.refused(&error),
        };
        let commands = difference(&found, &wanted, &self.ours);
        if !self.no_timeouts() && !self.write_timeouts() {
            return;
        }
        if self.apply(&commands) {
            self.trouble = None;
            self.known = wanted.services.into_iter().collect();
            self.inspect_at = Some(clock::now() + INSPECTION).filter(|_| !self.known.is_empty());
        }
    }

    /// Our services go, with their destinations; everybody else's stay.
    pub fn remove_ours(&mut self) {
        let deletions: Vec<Command> = match self.list() {
            Ok(found) => difference(&found, &Table::default(), &self.ours),
            Err(_) => return,
        };
        self.apply(&deletions);
        self.known.clear();
    }

    /// Everything goes, whoever made it.
    pub fn flush(&mut self) {
        if let Err(error) = self.list() {
            return self.refused(&error);
        }
        self.apply(&[Command::Flush]);
        self.known.clear();
    }

    fn list(&mut self) -> Result<Table, DataPlaneError> {
        let mut plane = match self.plane.take() {
            Some(plane) => plane,
            None => (self.open)()?,
        };
        let found = plane.list();
        self.plane = Some(plane);
        found
    }

    /// Whether all of `commands` were carried out.
    fn apply(&mut self, commands: &[Command]) -> bool {
        if commands.is_empty() {
            return true;
        }
        let Some(plane) = &mut self.plane else { return false };
        let failed = plane.apply(commands);
        for Failed { index, error } in &failed {
            tracing::error!("cannot {}: {error}; trying again in {RETRY:?}", commands[*index]);
            self.trouble = Some(error.to_string());
        }
        if !failed.is_empty() {
            self.retry_at = Some(clock::now() + RETRY);
        }
        failed.is_empty()
    }

    fn refused(&mut self, error: &DataPlaneError) {
        let text = error.to_string();
        if self.trouble.as_ref() != Some(&text) {
            tracing::error!("cannot read the IPVS table: {text}; trying again every {RETRY:?}");
            self.trouble = Some(text);
        }
        self.retry_at = Some(clock::now() + RETRY);
    }
}

#[cfg(test)]
mod tests;
