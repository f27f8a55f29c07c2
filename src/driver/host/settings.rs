//! Kernel settings that VMACs and `promote_secondaries` need, in files below `/proc/sys`; what they
//! were is put back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::plan::{OwnLink, Plan};

/// Wanted values by path below `/proc/sys`.
type Wanted = BTreeMap<String, String>;

/// One setting that we changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub was: String,
    pub ours: String,
}

/// Settings of the host, and what they were before us.
#[derive(Debug)]
pub struct Settings {
    root: PathBuf,
    changed: BTreeMap<String, Setting>,
}

impl Settings {
    /// `changed`: by a former run that could not put them back.
    pub fn new(changed: BTreeMap<String, Setting>) -> Self {
        Self { root: "/proc/sys".into(), changed }
    }

    pub fn changed(&self) -> &BTreeMap<String, Setting> {
        &self.changed
    }

    fn read(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }

    /// Notes what is going to change. What an earlier change is on record for stays as that has it.
    pub fn note(&mut self, wanted: &Wanted) {
        for (path, ours) in wanted {
            let Some(now) = self.read(path) else { continue };
            if let Some(known) = self.changed.get_mut(path) {
                known.ours.clone_from(ours);
            } else if now != *ours {
                let setting = Setting { was: now, ours: ours.clone() };
                self.changed.insert(path.clone(), setting);
            }
        }
    }

    pub fn apply(&self, wanted: &Wanted) {
        for (path, value) in wanted {
            if self.read(path).is_some_and(|now| now != *value) {
                write(&self.root, path, value);
            }
        }
    }

    /// Puts back what `keep` does not name. A value that somebody has changed since is left alone,
    /// and an interface that is gone needs nothing.
    pub fn release(&mut self, keep: impl Fn(&str) -> bool) {
        for (path, Setting { was, ours }) in self.changed.extract_if(.., |path, _| !keep(path)) {
            let now = std::fs::read_to_string(self.root.join(&path)).unwrap_or_default();
            if now.trim() == ours {
                write(&self.root, &path, &was);
            }
        }
    }
}

fn write(root: &Path, path: &str, value: &str) {
    if let Err(error) = std::fs::write(root.join(path), value) {
        let name = path.replace('/', ".");
        tracing::warn!("cannot set {name} to {value}: {error}; the configuration needs it");
    }
}

/// What `plan` needs, as the host is now.
pub fn wanted(plan: &Plan, settings: &Settings) -> Wanted {
    let mut wanted = Wanted::new();
    for link in vmacs(plan).filter(|link| link.ipv4) {
        // Otherwise it answers for addresses on the VMAC, too, and with its own MAC address.
        for (name, unset) in [("arp_ignore", "0"), ("arp_filter", "0")] {
            let path = format!("net/ipv4/conf/{}/{name}", link.parent);
            let ours = settings.changed.contains_key(&path);
            if ours || settings.read(&path).is_some_and(|now| now == unset) {
                wanted.insert(path, "1".to_owned());
            }
        }
    }
    if vmacs(plan).any(|link| link.ipv4) {
        loosen_reverse_path(settings, &mut wanted);
    }
    // The vrrp thread sets it on interfaces that come later; what it was is on record from here.
    for instance in plan.vrrp_instances.iter().filter(|each| each.promote_secondaries) {
        let path = format!("net/ipv4/conf/{}/promote_secondaries", instance.advert_interface());
        if settings.read(&path).is_some() {
            wanted.insert(path, "1".to_owned());
        }
    }
    if plan.global.disable_local_igmp {
        wanted.insert("net/ipv4/igmp_link_local_mcast_reports".to_owned(), "0".to_owned());
    }
    wanted
}

/// The kernel takes the greater of `all` and an interface's own value, and a VMAC, which hears
/// what has its parent's addresses as source, needs 0: so `all` becomes 0, and each interface,
/// with those to come, gets what `all` had.
fn loosen_reverse_path(settings: &Settings, wanted: &mut Wanted) {
    const ALL: &str = "net/ipv4/conf/all/rp_filter";
    let of_interfaces =
        |path: &str| path.starts_with("net/ipv4/conf/") && path.ends_with("/rp_filter");
    let ours = settings.changed.iter().filter(|(path, _)| of_interfaces(path));
    wanted.extend(ours.map(|(path, setting)| (path.clone(), setting.ours.clone())));
    let number = |path: &str| settings.read(path).and_then(|text| text.parse::<u8>().ok());
    let Some(all @ 1..) = number(ALL) else { return };
    let directory = std::fs::read_dir(settings.root.join("net/ipv4/conf"));
    for entry in directory.into_iter().flatten().flatten() {
        let path = format!("net/ipv4/conf/{}/rp_filter", entry.file_name().to_string_lossy());
        if path != ALL && number(&path).is_some_and(|own| own < all) {
            wanted.insert(path, all.to_string());
        }
    }
    wanted.insert(ALL.to_owned(), "0".to_owned());
}

/// What only files can set of the VMACs themselves; it ends with them. Until it is done nothing
/// goes wrong: a VMAC makes no address of its own (the vrrp thread saw to that), so that it has
/// nothing to send over IPv6.
pub fn apply_to_own_links(plan: &Plan) {
    let root = Path::new("/proc/sys");
    for link in vmacs(plan) {
        let setting = if link.ipv6 { ("accept_ra", "0") } else { ("disable_ipv6", "1") };
        let path = format!("net/ipv6/conf/{}/{}", link.name, setting.0);
        let now = std::fs::read_to_string(root.join(&path));
        if now.is_ok_and(|now| now.trim() != setting.1) {
            write(root, &path, setting.1);
        }
    }
}

fn vmacs(plan: &Plan) -> impl Iterator<Item = &OwnLink> {
    plan.links().filter(|link| link.is_vmac())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that stands for `/proc/sys`.
    fn host(name: &str, files: &[(&str, &str)]) -> Settings {
        let root = std::env::temp_dir().join(format!("mainstay-{name}-{}", std::process::id()));
        for (path, value) in files {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), value).unwrap();
        }
        Settings { root, changed: BTreeMap::new() }
    }

    fn end(settings: &Settings) {
        std::fs::remove_dir_all(&settings.root).unwrap();
    }

    #[test]
    fn what_a_setting_was_comes_back_unless_somebody_changed_it_since() {
        let mut host = host("settings", &[("a", "0\n"), ("b", "2\n"), ("c", "1\n")]);
        let wanted: Wanted = ["a", "b", "c"].map(|path| (path.to_owned(), "1".to_owned())).into();
        host.note(&wanted);
        host.apply(&wanted);
        assert_eq!(["a", "b", "c"].map(|path| host.read(path).unwrap()), ["1", "1", "1"]);
        assert!(!host.changed.contains_key("c"), "it was so before");

        // A second run, which finds them as the first left them.
        let mut host = Settings { root: host.root.clone(), changed: host.changed.clone() };
        host.note(&wanted);
        std::fs::write(host.root.join("b"), "3").unwrap();
        host.release(|_| false);
        assert_eq!(["a", "b", "c"].map(|path| host.read(path).unwrap()), ["0", "3", "1"]);
        end(&host);
    }

    #[test]
    fn reverse_path_filtering_moves_from_all_to_each_interface_and_stays_there() {
        let path = |name: &str| format!("net/ipv4/conf/{name}/rp_filter");
        let files = [("all", "1"), ("default", "0"), ("eth0", "0"), ("eth1", "2")];
        let files = files.map(|(name, value)| (path(name), value));
        let files = files.each_ref().map(|(path, value)| (path.as_str(), *value));
        let mut host = host("rp-filter", &files);
        let mut wanted = Wanted::new();
        loosen_reverse_path(&host, &mut wanted);
        let expected = [("all", "0"), ("default", "1"), ("eth0", "1")];
        assert_eq!(wanted, expected.map(|(name, value)| (path(name), value.to_owned())).into());

        host.note(&wanted);
        host.apply(&wanted);
        let mut again = Wanted::new();
        loosen_reverse_path(&host, &mut again);
        assert_eq!(again, wanted, "with `all` at 0 the same is still wanted");
        end(&host);
    }
}
