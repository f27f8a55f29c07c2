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
use crate::kernel::nft;
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
    /// The script nft(8) was last given, if it could do it.
    rules: Option<String>,
    /// What it could not do, said once.
    complaint: Option<Complaint>,
    /// The script for the marks of groups, if it could do it.
    marks: Option<String>,
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
            rules: None,
            complaint: None,
            marks: None,
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
        self.rules = None;
        self.prepare(plan, None);
    }

    /// Sets the rules again if somebody has removed a table of ours, as `nft flush ruleset` does.
    pub fn repair_rules(&mut self, plan: &Plan) {
        let removed = |table: &str, script: &Option<String>| {
            script.as_ref().is_some_and(|script| !firewall::is_in_place(table, script))
        };
        if removed(&plan.global.firewall.table, &self.rules) {
            tracing::warn!("the firewall's rules were removed by someone else: setting them again");
            self.rules = None;
            self.set_rules(plan, None);
        }
        if marking::table(plan).is_some_and(|table| removed(table, &self.marks)) {
            tracing::warn!("the firewall's marks were removed by someone else: setting them again");
            self.marks = None;
            self.set_marks(plan);
        }
    }

    /// The rules anew, unless they are there already.
    fn set_rules(&mut self, plan: &Plan, before: Option<&Plan>) {
        if !firewall::is_wanted(plan) && !before.is_some_and(firewall::is_wanted) {
            return;
        }
        let script = firewall::script(plan, before, firewall::Extras::All);
        if self.rules.as_ref() == Some(&script) {
            return;
        }
        let complaint = firewall::set_rules(plan, before, &script);
        self.rules = complaint.is_none().then_some(script);
        match complaint.as_ref().filter(|new| self.complaint.as_ref() != Some(new)) {
            Some(Complaint { text, serious: true }) => tracing::error!("{text}"),
            Some(Complaint { text, serious: false }) => tracing::info!("{text}"),
            None => {}
        }
        self.complaint = complaint;
    }

    /// The marks anew, unless they are there already.
    fn set_marks(&mut self, plan: &Plan) {
        let script = marking::script(plan);
        if self.marks == script {
            return;
        }
        let refused = script.as_ref().and_then(|script| nft(script).err());
        if let Some(error) = &refused {
            tracing::error!(
                "cannot set the marks of nftables_ipvs: {error}; its groups get no packets"
            );
        }
        self.marks = script.filter(|_| refused.is_none());
    }
}

/// Tables of the firewall that `plan` needs.
fn tables(plan: &Plan) -> impl Iterator<Item = &str> {
    let rules = firewall::is_wanted(plan).then_some(&*plan.global.firewall.table);
    rules.into_iter().chain(marking::table(plan))
}
