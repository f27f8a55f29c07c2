//! What the kernel's IPVS table holds of ours as far as we know, and how it is made what is
//! wanted.

#[cfg(test)]
pub mod fixtures;
mod keeper;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

pub use self::keeper::{Answer, Farewell, Keeper, Order};
use crate::driver::clock;
use crate::ipvs::{
    Change, Command, DataPlane, DataPlaneError, Entry, Failed, ServiceKey, SocketKey, Table,
    Timeouts, difference, difference_beside, entry_difference,
};

/// Pause before a refused change is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Pause between two looks at what others have done to the table.
const INSPECTION: Duration = Duration::from_secs(5);

/// A large table is looked at less often: reading a service takes 10 to 300 us, and at most a hundredth of
/// the time goes into it.
const INSPECTION_OF_A_SERVICE: Duration = Duration::from_millis(10);
const INSPECTION_SHARE: u32 = 100;

/// Opens the data plane; asked again as long as there is none.
pub type Open = Box<dyn FnMut() -> Result<Box<dyn DataPlane>, DataPlaneError> + Send>;

/// A whole table as it is to be, at start and on reload.
#[derive(Debug, Default)]
pub struct Wanted {
    pub services: Vec<Entry>,
    /// Further services, which are wanted as they were before.
    pub unchanged: HashSet<ServiceKey>,
    /// Services that may be deleted: those of this plan, of the one before, and of a former run.
    pub ours: BTreeSet<ServiceKey>,
    /// Connection time-outs; what is 0 is as it was.
    pub timeouts: Timeouts,
    /// `lvs_flush`: first everything goes, whoever made it.
    pub flush: bool,
}

/// What the director is to know of the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Services of which something was refused, or is so no longer, since the last time: with the
    /// destinations that the kernel would not take.
    pub refusals: Vec<(ServiceKey, HashSet<SocketKey>)>,
    /// Why the table is not as wanted, if it is not.
    pub trouble: Option<String>,
}

pub struct KernelTable {
    open: Open,
    /// `None` until it could be opened: IPVS may be loaded later.
    plane: Option<Box<dyn DataPlane>>,
    /// Our services as the kernel holds them, unless somebody else changed them: what was found there, and
    /// each command since that it took.
    known: HashMap<ServiceKey, Entry>,
    /// Whether the kernel's table was found, so that this can be known.
    found: bool,
    /// Services that are not in the kernel as they are wanted. `None`: not to be there. All others of
    /// `known` are as wanted.
    unfulfilled: HashMap<ServiceKey, Option<Entry>>,
    /// What the kernel would not take, by what was attempted: said once, and tried again.
    refused: BTreeMap<String, Refused>,
    /// Services of which something was refused, or is so no longer, since that was last asked.
    refusals_changed: BTreeSet<ServiceKey>,
    ours: BTreeSet<ServiceKey>,
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
            unfulfilled: HashMap::new(),
            refused: BTreeMap::new(),
            refusals_changed: BTreeSet::new(),
            ours: BTreeSet::new(),
            timeouts: Timeouts::default(),
            former_timeouts: None,
            retry_at: None,
            inspect_at: None,
            repaired: None,
            trouble: None,
        }
    }

    /// Makes this the wanted table. The kernel's is read only when there may be something in it that we do
    /// not know of: with 2,300 services that costs far more than one changed weight.
    pub fn adopt(&mut self, wanted: Wanted) {
        let Wanted { services, mut unchanged, ours, timeouts, flush } = wanted;
        (self.ours, self.timeouts) = (ours, timeouts);
        if flush {
            self.flush();
        }
        let mut wanted: BTreeMap<_, _> =
            services.into_iter().map(|entry| (entry.service.key, entry)).collect();
        for (key, entry) in self.unfulfilled.drain() {
            if unchanged.remove(&key) {
                wanted.extend(entry.map(|entry| (key, entry)));
            }
        }
        self.bring_to(wanted, unchanged);
    }

    /// When [`Self::compare`] is to be called.
    pub fn compare_at(&self) -> Option<Instant> {
        self.retry_at.into_iter().chain(self.inspect_at).min()
    }

    /// Does what is due: what was refused again, else a look at what others have done.
    pub fn compare(&mut self) {
        let now = clock::now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.try_again();
        } else if self.inspect_at.is_some_and(|at| at <= now) {
            self.repair();
            self.inspect_again(now);
        }
    }

    /// Attempts again what was refused. Only a table that could not be read is read for it: a large one costs far
    /// more than what it lacks.
    fn try_again(&mut self) {
        if !self.found || self.trouble.is_some() {
            return self.begin_again();
        }
        self.retry_at = None;
        if !self.no_timeouts() {
            self.write_timeouts();
        }
        let mut lacking: Vec<_> = self.unfulfilled.iter().collect();
        lacking.sort_unstable_by_key(|(key, _)| **key);
        let missing = lacking
            .into_iter()
            .flat_map(|(key, wanted)| entry_difference(self.known.get(key), wanted.as_ref()));
        let commands: Vec<_> = missing.collect();
        self.forget_refusals_but_of(&commands);
        let failing = self.apply(&commands);
        self.unfulfilled.retain(|key, _| failing.contains(key));
    }

    /// Compares all that is wanted with the kernel's table.
    fn begin_again(&mut self) {
        let unfulfilled = std::mem::take(&mut self.unfulfilled);
        let mut wanted: BTreeMap<_, _> = self.known.drain().collect();
        for (key, entry) in unfulfilled {
            match entry {
                Some(entry) => drop(wanted.insert(key, entry)),
                None => drop(wanted.remove(&key)),
            }
        }
        self.found = false;
        self.bring_to(wanted, HashSet::new());
    }

    /// Makes the services of ours these, and leaves those as they are that are `unchanged`.
    fn bring_to(
        &mut self,
        mut wanted: BTreeMap<ServiceKey, Entry>,
        mut unchanged: HashSet<ServiceKey>,
    ) {
        self.retry_at = None;
        self.unfulfilled.clear();
        if wanted.is_empty() && self.ours.is_empty() && self.no_timeouts() {
            self.inspect_at = None;
            return;
        }
        if !self.knows_all(&wanted) {
            let same = unchanged.iter().filter_map(|key| self.known.remove_entry(key));
            wanted.extend(same);
            unchanged.clear();
        }
        if let Err(error) = self.look_unless_known(&wanted) {
            self.unfulfilled = wanted.into_iter().map(|(key, entry)| (key, Some(entry))).collect();
            return self.cannot_read(&error);
        }
        self.trouble = None;
        if !self.no_timeouts() {
            self.write_timeouts();
        }
        let commands = difference_beside(&unchanged, &self.known, &wanted);
        self.forget_refusals_but_of(&commands);
        let failing = self.apply_towards(&wanted, &commands);
        for key in &failing {
            self.unfulfilled.insert(*key, wanted.get(key).cloned());
        }
        self.known.extend(wanted.into_iter().filter(|(key, _)| !failing.contains(key)));
        // What is due some day stays so: of reloads in a row none puts the look off.
        let next = self.inspect_at.unwrap_or_else(|| clock::now() + self.pause());
        self.inspect_at = Some(next).filter(|_| !self.known.is_empty());
    }

    /// Not so of a service that may be there all the same, somebody else's so far.
    fn knows_all(&self, wanted: &BTreeMap<ServiceKey, Entry>) -> bool {
        self.found && wanted.keys().all(|key| self.known.contains_key(key))
    }

    fn look_unless_known(
        &mut self,
        wanted: &BTreeMap<ServiceKey, Entry>,
    ) -> Result<(), DataPlaneError> {
        if self.knows_all(wanted) {
            return Ok(());
        }
        let found = self.list()?.services.into_iter();
        let is_ours = |key: &ServiceKey| self.ours.contains(key) || wanted.contains_key(key);
        self.known = found.filter(|(key, _)| is_ours(key)).collect();
        Ok(())
    }

    /// Carries out changes of what is wanted. Cost proportional to them.
    pub fn write(&mut self, changes: Vec<Change>) {
        // Not knowing what is there, all of it is compared once that can be read.
        let failing = if self.found {
            let commands = changes.iter().flat_map(|change| change.commands(&self.known));
            self.apply(&commands.collect::<Vec<_>>())
        } else {
            BTreeSet::new()
        };
        let (known, unfulfilled) = (&self.known, &mut self.unfulfilled);
        for key in failing {
            unfulfilled.entry(key).or_insert_with(|| known.get(&key).cloned());
        }
        for change in changes {
            if let Some(wanted) = unfulfilled.get_mut(&change.service()) {
                change.make(wanted);
            }
        }
    }

    /// Puts right what somebody else changed, and says so. What was found is compared with what we wrote:
    /// only differences cost more than the look.
    fn repair(&mut self) {
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
        let mut wanted = HashMap::new();
        for key in differing {
            let there = found.services.remove(&key);
            let before = match there {
                Some(there) => self.known.insert(key, there),
                None => self.known.remove(&key),
            };
            wanted.insert(key, before);
        }
        self.tell_of_repair(&commands);
        for key in self.apply(&commands) {
            self.unfulfilled.entry(key).or_insert_with(|| wanted.remove(&key).flatten());
        }
    }

    fn tell_of_repair(&mut self, commands: &[Command]) {
        let repair = commands.first().map(|first| match commands.len() - 1 {
            0 => first.to_string(),
            others => format!("{first}, and {others} more"),
        });
        if let Some(repair) = repair.as_ref().filter(|_| repair != self.repaired) {
            tracing::warn!("somebody else changed the IPVS table; putting it right: {repair}");
        }
        self.repaired = repair;
    }

    /// A look that began at `begun` is over.
    fn inspect_again(&mut self, begun: Instant) {
        let took = clock::now().saturating_duration_since(begun);
        let pause = self.pause().max(took.saturating_mul(INSPECTION_SHARE));
        self.inspect_at = Some(clock::now() + pause);
    }

    /// Between two looks at a table of this size.
    fn pause(&self) -> Duration {
        let services = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        INSPECTION.max(INSPECTION_OF_A_SERVICE.saturating_mul(services))
    }

    /// What has changed since this was last called.
    pub fn standing(&mut self) -> Standing {
        let changed = std::mem::take(&mut self.refusals_changed);
        let refusals = changed.into_iter().map(|key| (key, self.lacking(key)));
        Standing { refusals: refusals.collect(), trouble: self.trouble() }
    }

    /// Destinations of a service that the kernel does not have.
    fn lacking(&self, key: ServiceKey) -> HashSet<SocketKey> {
        let Some(Some(wanted)) = self.unfulfilled.get(&key) else { return HashSet::new() };
        let known = self.known.get(&key).map(|entry| &entry.destinations);
        let is_there = |at: &SocketKey| known.is_some_and(|known| known.contains(at));
        wanted.destinations.iter().map(|each| each.address).filter(|at| !is_there(at)).collect()
    }

    fn trouble(&self) -> Option<String> {
        let first = || self.refused.values().min_by_key(|refused| refused.orphan);
        let refused = || first().map(|refused| refused.why.clone());
        self.trouble.clone().or_else(refused)
    }

    fn no_timeouts(&self) -> bool {
        self.timeouts == Timeouts::default() && self.former_timeouts.is_none()
    }

    /// Makes the time-outs what they are to be, or what they were.
    fn write_timeouts(&mut self) {
        let Some(plane) = &mut self.plane else { return };
        let now = match plane.timeouts() {
            Ok(now) => now,
            Err(error) => return self.cannot_read(&error),
        };
        let wanted = self.timeouts.or(*self.former_timeouts.get_or_insert(now));
        if wanted != now {
            self.apply(&[Command::SetTimeouts(wanted)]);
        }
    }

    /// Puts the time-outs back to what they were before us.
    pub fn restore_timeouts(&mut self) {
        self.timeouts = Timeouts::default();
        if self.former_timeouts.is_some() {
            self.write_timeouts();
        }
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

    /// Our services go, with their destinations; everybody else's stay.
    pub fn remove_ours(&mut self) {
        if self.look_unless_known(&BTreeMap::new()).is_ok() {
            let deletions = difference(&self.known, &BTreeMap::new());
            self.apply(&deletions);
        }
    }

    /// Everything goes, whoever made it.
    pub fn flush(&mut self) {
        if let Err(error) = self.list() {
            return self.cannot_read(&error);
        }
        self.apply(&[Command::Flush]);
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

    /// The services of which something failed.
    fn apply(&mut self, commands: &[Command]) -> BTreeSet<ServiceKey> {
        self.apply_towards(&BTreeMap::new(), commands)
    }

    /// The same; of those in `wanted` of which nothing failed, the caller knows how they are now.
    fn apply_towards(
        &mut self,
        wanted: &BTreeMap<ServiceKey, Entry>,
        commands: &[Command],
    ) -> BTreeSet<ServiceKey> {
        let Some(plane) = self.plane.as_mut().filter(|_| !commands.is_empty()) else {
            return BTreeSet::new();
        };
        let mut failed = plane.apply(commands);
        failed.sort_by_key(|failed| failed.index);
        if !failed.is_empty() {
            self.retry_at = Some(clock::now() + RETRY);
        }
        let services = failed.iter().filter_map(|failed| commands[failed.index].service());
        let failing: BTreeSet<ServiceKey> = services.collect();
        let is_known = |key| wanted.contains_key(&key) && !failing.contains(&key);
        let mut failed = failed.iter().peekable();
        for (index, command) in commands.iter().enumerate() {
            match failed.next_if(|failed| failed.index == index) {
                Some(Failed { error, .. }) => self.note_refusal(command, error),
                None => {
                    self.note_success(command);
                    if !command.service().is_some_and(is_known) {
                        command.carry_over(&mut self.known);
                    }
                }
            }
        }
        failing
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
