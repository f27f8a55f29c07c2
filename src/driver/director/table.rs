//! What the kernel's IPVS table holds of ours as far as we know, and how it is made what is
//! wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::managed::Managed;
use crate::driver::clock;
use crate::ipvs::{
    Command, DataPlane, DataPlaneError, Entry, Failed, ServiceKey, SocketKey, Table, Timeouts,
    difference, entry_difference,
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
    /// Our services as the kernel holds them, unless somebody else changed them: what was found there, and
    /// each command since that it took.
    known: HashMap<ServiceKey, Entry>,
    /// Whether the kernel's table was found, so that this can be known.
    found: bool,
    /// What the kernel would not take, by what was attempted: said once, and tried again.
    refused: BTreeMap<String, Refused>,
    /// Services of which something was refused, or is so no longer, since that was last asked.
    refusals_changed: BTreeSet<ServiceKey>,
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

/// Something that the kernel would not take.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    why: String,
    service: Option<ServiceKey>,
    /// For want of its service only, which was refused itself.
    orphan: bool,
}

impl KernelTable {
    pub fn new(open: Open) -> Self {
        Self {
            open,
            plane: None,
            known: HashMap::new(),
            found: false,
            refused: BTreeMap::new(),
            refusals_changed: BTreeSet::new(),
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
                self.cannot_read(&error);
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
        let mut found = match self.list() {
            Ok(found) => found,
            Err(error) => return self.cannot_read(&error),
        };
        let (mut commands, mut differing) = (Vec::new(), Vec::new());
        for (key, wanted) in &self.known {
            let there = found.services.get(key);
            if there != Some(wanted) {
                commands.extend(entry_difference(there, Some(wanted)));
                differing.push(*key);
            }
        }
        for key in differing {
            match found.services.remove(&key) {
                Some(there) => drop(self.known.insert(key, there)),
                None => drop(self.known.remove(&key)),
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

    /// Why the table is not as wanted, if it is not.
    pub fn trouble(&self) -> Option<String> {
        let first = || self.refused.values().min_by_key(|refused| refused.orphan);
        let refused = || first().map(|refused| refused.why.clone());
        self.trouble.clone().or_else(refused)
    }

    /// Writes the services that changed: cost proportional to the change.
    pub fn write_dirty(&mut self, managed: &[Managed]) {
        // Not knowing what is there, all of it is compared once that can be read.
        if self.dirty.is_empty() || !self.found {
            return;
        }
        let dirty = std::mem::take(&mut self.dirty);
        let changed = dirty.into_iter().filter_map(|number| managed.get(number));
        let mut commands = Vec::new();
        for wanted in changed.flat_map(Managed::entries) {
            let known = self.known.get(&wanted.service.key);
            commands.extend(entry_difference(known, Some(&wanted)));
        }
        self.apply(&commands);
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
            Err(error) => return self.cannot_read(&error),
        };
        self.trouble = None;
        if !self.no_timeouts() {
            self.write_timeouts();
        }
        let commands = difference(&found, &wanted, &self.ours);
        let ours = found.services.into_iter();
        let ours =
            ours.filter(|(key, _)| self.ours.contains(key) || wanted.services.contains_key(key));
        self.known = ours.collect();
        self.forget_refusals_but_of(&commands);
        self.apply(&commands);
        self.inspect_at = Some(clock::now() + INSPECTION).filter(|_| !self.known.is_empty());
    }

    /// What is wanted no longer cannot be refused any more.
    fn forget_refusals_but_of(&mut self, commands: &[Command]) {
        if self.refused.is_empty() {
            return;
        }
        let attempted: BTreeSet<String> = commands.iter().map(Command::to_string).collect();
        let (changed, refused) = (&mut self.refusals_changed, &mut self.refused);
        refused.retain(|what, refused| {
            let again = attempted.contains(what);
            changed.extend(refused.service.filter(|_| !again));
            again
        });
    }

    /// Services of which something has been refused, or is so no longer, since the last call.
    pub fn take_changed_refusals(&mut self) -> BTreeSet<ServiceKey> {
        std::mem::take(&mut self.refusals_changed)
    }

    /// Whether the kernel has this destination of ours.
    pub fn has(&self, service: &ServiceKey, address: &SocketKey) -> bool {
        self.known.get(service).is_some_and(|entry| entry.destinations.contains_key(address))
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
            return self.cannot_read(&error);
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
        self.found |= found.is_ok();
        found
    }

    /// Whether all of `commands` were carried out.
    fn apply(&mut self, commands: &[Command]) -> bool {
        if commands.is_empty() {
            return true;
        }
        let Some(plane) = &mut self.plane else { return false };
        let mut failed = plane.apply(commands);
        failed.sort_by_key(|failed| failed.index);
        let mut failing = failed.iter().peekable();
        for (index, command) in commands.iter().enumerate() {
            match failing.next_if(|failed| failed.index == index) {
                Some(Failed { error, .. }) => self.note_refusal(command, error),
                None => self.note_success(command),
            }
        }
        if !failed.is_empty() {
            self.retry_at = Some(clock::now() + RETRY);
        }
        failed.is_empty()
    }

    /// Said once, though it is tried again and again.
    fn note_refusal(&mut self, command: &Command, error: &DataPlaneError) {
        let (what, why) = (command.to_string(), error.to_string());
        let service = command.service();
        let orphan = service.is_some_and(|key| !self.known.contains_key(&key))
            && !matches!(command, Command::NewService(_));
        let refused = Refused { why, service, orphan };
        if self.refused.get(&what) != Some(&refused) {
            if orphan {
                tracing::debug!("cannot {what}: {error}");
            } else {
                tracing::error!("cannot {what}: {error}; trying again every {RETRY:?}");
            }
            self.refusals_changed.extend(refused.service);
            self.refused.insert(what, refused);
        }
    }

    fn note_success(&mut self, command: &Command) {
        if !self.refused.is_empty()
            && let Some(refused) = self.refused.remove(&command.to_string())
        {
            tracing::info!("could {command} after all");
            self.refusals_changed.extend(refused.service);
        }
        command.carry_over(&mut self.known);
    }

    fn cannot_read(&mut self, error: &DataPlaneError) {
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
