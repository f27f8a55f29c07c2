//! What the host must be like for VMACs and `no_accept`, apart from what the vrrp thread does by
//! netlink: kernel settings in files, firewall rules set by nft(8), and the end of interfaces.
//!
//! All of it can wait for a file, a child process or the kernel, so the work runtime does it: before the vrrp
//! thread starts or hears of a new plan, which then finds the rules in place before it adds an
//! address; once more when it has made an interface; and at the end, to undo it.

mod firewall;
mod links;
mod marking;
mod settings;

use std::collections::BTreeSet;
use std::path::Path;

use super::record::Record;
use crate::config::plan::Plan;
use firewall::Complaint;
pub use settings::Setting;
use settings::Settings;

/// What we have changed of the host.
#[derive(Debug)]
pub struct Host {
    settings: Settings,
    /// Interfaces that we, or a former run, may have made.
    links: BTreeSet<String>,
    /// Tables of the firewall that may be there.
    tables: BTreeSet<String>,
    /// The rules of `no_accept` and of VMACs.
    rules: InForce,
    /// The marks of groups.
    marks: InForce,
}

/// What nft(8) was last given.
#[derive(Debug, Default)]
struct InForce {
    /// `None` if it could not do it, or not all of it.
    script: Option<String>,
    /// What it could not do, said once.
    complaint: Option<Complaint>,
}

impl InForce {
    /// Puts `script` in force by `set`, unless it is already.
    fn put(&mut self, script: String, set: impl FnOnce(&str) -> Option<Complaint>) {
        if self.script.as_ref() == Some(&script) {
            return;
        }
        let complaint = set(&script);
        self.script = complaint.is_none().then_some(script);
        match complaint.as_ref().filter(|new| self.complaint.as_ref() != Some(new)) {
            Some(Complaint { text, serious: true }) => tracing::error!("{text}"),
            Some(Complaint { text, serious: false }) => tracing::info!("{text}"),
            None => {}
        }
        self.complaint = complaint;
    }

    /// Forgets the script if somebody else has removed its table; says whether.
    fn is_gone(&mut self, table: &str) -> bool {
        self.script.take_if(|script| !firewall::is_in_place(table, script)).is_some()
    }
}

impl Host {
    /// Makes the host as `plan` wants it at the start, once the record at `path` has what is ours of it, now or
    /// from a former run. Gives that, too.
    pub fn take_possession(plan: &Plan, path: &Path) -> (Self, Record) {
        let former = Record::read(path);
        let mut host = Self::new(&former);
        host.look(plan);
        let mut owned = Record::of(plan).union(former);
        host.enter(&mut owned);
        owned.keep(path);
        // The rules come before the addresses they are for.
        host.prepare(plan, None);
        (host, owned)
    }

    /// Takes over what a former run left.
    fn new(former: &Record) -> Self {
        Self {
            settings: Settings::new(former.settings.clone()),
            links: former.links.clone(),
            tables: former.tables.clone(),
            rules: InForce::default(),
            marks: InForce::default(),
        }
    }

    /// Looks what has to change for `plan`, for the record, and changes nothing yet.
    pub fn look(&mut self, plan: &Plan) {
        self.settings.note(&settings::wanted(plan, &self.settings));
        self.links.extend(plan.links().map(|link| link.name.clone()));
        self.tables.extend(tables(plan).map(str::to_owned));
    }

    /// Puts into a record what we have changed.
    pub fn enter(&self, record: &mut Record) {
        record.settings = self.settings.changed().clone();
        record.links = self.links.clone();
        record.tables = self.tables.clone();
    }

    /// Makes the host as `plan` wants it; `before` is what else is still in force.
    pub fn prepare(&mut self, plan: &Plan, before: Option<&Plan>) {
        self.settings.apply(&settings::wanted(plan, &self.settings));
        settings::apply_to_own_links(plan);
        self.set_rules(plan, before);
        self.set_marks(plan);
    }

    /// Undoes what only an earlier plan, or run, wanted.
    pub fn settle(&mut self, plan: &Plan) {
        let wanted = settings::wanted(plan, &self.settings);
        self.settings.release(|path| wanted.contains_key(path));
        let unwanted = |name: &String| plan.links().all(|link| link.name != *name);
        links::delete(self.links.extract_if(.., |name| unwanted(name)).collect());
        self.set_rules(plan, None);
        let unwanted = |name: &String| tables(plan).all(|wanted| wanted != name);
        for table in self.tables.extract_if(.., |name| unwanted(name)) {
            firewall::remove(&table);
        }
    }

    /// Undoes everything.
    pub fn restore(&mut self) {
        links::delete(std::mem::take(&mut self.links));
        self.settings.release(|_| false);
        std::mem::take(&mut self.tables).iter().for_each(|table| firewall::remove(table));
    }

    /// Interfaces of `plan` have been made, some perhaps anew under the name they had: rules that
    /// have their numbers are void.
    pub fn follow_links(&mut self, plan: &Plan) {
        self.rules.script = None;
        self.prepare(plan, None);
    }

    /// Sets the rules again if somebody has removed a table of ours, as `nft flush ruleset` does.
    pub fn repair_rules(&mut self, plan: &Plan) {
        if self.rules.is_gone(&plan.global.firewall.table) {
            tracing::warn!("the firewall's rules were removed by someone else: setting them again");
            self.set_rules(plan, None);
        }
        if marking::table(plan).is_some_and(|table| self.marks.is_gone(table)) {
            tracing::warn!("the firewall's marks were removed by someone else: setting them again");
            self.set_marks(plan);
        }
    }

    /// The rules anew, unless they are there already.
    fn set_rules(&mut self, plan: &Plan, before: Option<&Plan>) {
        if !firewall::is_wanted(plan) && !before.is_some_and(firewall::is_wanted) {
            return;
        }
        let script = firewall::script(plan, before, firewall::Extras::All);
        self.rules.put(script, |script| firewall::set_rules(plan, before, script));
    }

    /// The marks anew, unless they are there already.
    fn set_marks(&mut self, plan: &Plan) {
        match marking::script(plan) {
            Some(script) => self.marks.put(script, marking::set),
            None => self.marks = InForce::default(),
        }
    }
}

/// Tables of the firewall that `plan` needs.
fn tables(plan: &Plan) -> impl Iterator<Item = &str> {
    let rules = firewall::is_wanted(plan).then_some(&*plan.global.firewall.table);
    rules.into_iter().chain(marking::table(plan))
}
