//! Names of the files that a running director keeps: pid files, dumps, what it owns.

use std::path::{Path, PathBuf};

use super::{Options, PidFiles};
use crate::config::plan::{Daemon, Plan};

/// Whose names pid files have that no option names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PidNames {
    /// There are none.
    #[default]
    None,
    /// `/run/keepalived.pid` and so on; with `use_pid_dir`, `instance` or `net_namespace`
    /// `/run/keepalived/keepalived_INSTANCE.pid` (keepalived(8)).
    Keepalived,
    /// `mainstay.pid` in the runtime directory.
    Mainstay,
}

/// Where keepalived's pid files lie.
const KEEPALIVED: &str = "/run";

/// Gives everything its name that the configuration has a say in.
pub(super) fn settle(options: &mut Options, plan: &mut Plan) {
    let daemon = &mut plan.daemon;
    if options.net_namespace.is_some() {
        daemon.net_namespace.clone_from(&options.net_namespace);
    }
    for part in [&daemon.net_namespace, &daemon.instance].into_iter().flatten() {
        options.runtime_directory.push(part);
        options.log.ident = format!("{}_{part}", options.log.ident);
    }
    let named = |name: &str| pid_file(options, daemon, name);
    let files = &options.pid_files;
    let or = |given: &Option<PathBuf>, name: &str| given.clone().or_else(|| named(name));
    options.pid_files = PidFiles {
        parent: or(&files.parent, "keepalived"),
        vrrp: or(&files.vrrp, "vrrp"),
        checkers: or(&files.checkers, "checkers"),
        bfd: or(&files.bfd, "bfd"),
        names: files.names,
    };
}

fn pid_file(options: &Options, daemon: &Daemon, name: &str) -> Option<PathBuf> {
    match options.pid_files.names {
        PidNames::None => None,
        PidNames::Mainstay => {
            (name == "keepalived").then(|| options.runtime_directory.join("mainstay.pid"))
        }
        PidNames::Keepalived => {
            let mut directory = PathBuf::from(KEEPALIVED);
            if daemon.use_pid_dir || daemon.tag().is_some() {
                directory.push("keepalived");
                directory.extend(&daemon.net_namespace);
            }
            let suffix = daemon.instance.as_ref().map(|instance| format!("_{instance}"));
            Some(directory.join(format!("{name}{}.pid", suffix.unwrap_or_default())))
        }
    }
}

/// Kinds of dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dump {
    State,
    Statistics,
    Json,
}

/// Where a dump goes: as the configuration says, relative names lying in `runtime`.
pub(super) fn dump_file(kind: Dump, daemon: &Daemon, runtime: &Path) -> PathBuf {
    let (given, name) = match kind {
        Dump::State => (&daemon.state_dump_file, "mainstay.data"),
        Dump::Statistics => (&daemon.stats_dump_file, "mainstay.stats"),
        Dump::Json => (&daemon.json_dump_file, "mainstay.json"),
    };
    let mut path = runtime.join(given.as_deref().unwrap_or(Path::new(name)));
    if given.as_ref().is_some_and(|given| given.as_os_str().as_encoded_bytes().ends_with(b"/")) {
        path.push(name);
    }
    match daemon.tag().filter(|_| daemon.data_use_instance) {
        Some(tag) => with_tag(&path, &tag),
        None => path,
    }
}

/// `NAME.EXT` as `NAME.TAG.EXT`.
fn with_tag(path: &Path, tag: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{tag}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// What of `new` cannot change while the director runs (keepalived(8)).
pub(super) fn fixed_at_start(old: &Daemon, new: &Daemon) -> Option<&'static str> {
    if old.net_namespace != new.net_namespace {
        Some("net_namespace")
    } else if old.ipvs_namespace != new.ipvs_namespace {
        Some("net_namespace_ipvs")
    } else if old.instance != new.instance {
        Some("instance")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(names: PidNames, daemon: Daemon) -> Options {
        let mut options = Options::new("c".into());
        options.runtime_directory = "/run/mainstay".into();
        options.log.ident = "K".to_owned();
        options.pid_files.names = names;
        settle(&mut options, &mut Plan { daemon, ..Plan::default() });
        options
    }

    #[test]
    fn pid_files_have_the_names_of_the_manual() {
        let parent = |names, daemon| settled(names, daemon).pid_files.parent;
        let (plain, directory) =
            (Daemon::default(), Daemon { use_pid_dir: true, ..Daemon::default() });
        let instance = Daemon { instance: Some("a".into()), ..Daemon::default() };
        let both = Daemon { net_namespace: Some("red".into()), ..instance.clone() };
        let keepalived = PidNames::Keepalived;
        assert_eq!(parent(PidNames::None, plain.clone()), None);
        assert_eq!(parent(keepalived, plain.clone()), Some("/run/keepalived.pid".into()));
        assert_eq!(parent(keepalived, directory), Some("/run/keepalived/keepalived.pid".into()));
        let expected = "/run/keepalived/keepalived_a.pid";
        assert_eq!(parent(keepalived, instance), Some(expected.into()));
        let expected = "/run/keepalived/red/keepalived_a.pid";
        assert_eq!(parent(keepalived, both.clone()), Some(expected.into()));
        assert_eq!(parent(PidNames::Mainstay, plain), Some("/run/mainstay/mainstay.pid".into()));
        let options = settled(PidNames::Mainstay, both);
        assert_eq!(options.runtime_directory, Path::new("/run/mainstay/red/a"));
        assert_eq!(options.log.ident, "K_red_a");
    }

    #[test]
    fn dumps_lie_where_the_configuration_says() {
        let path = |daemon: &Daemon| dump_file(Dump::State, daemon, Path::new("/run/mainstay"));
        let mut daemon = Daemon::default();
        assert_eq!(path(&daemon), Path::new("/run/mainstay/mainstay.data"));
        daemon.state_dump_file = Some("/var/lib/x/".into());
        assert_eq!(path(&daemon), Path::new("/var/lib/x/mainstay.data"));
        daemon.state_dump_file = Some("state.txt".into());
        assert_eq!(path(&daemon), Path::new("/run/mainstay/state.txt"));
        daemon.instance = Some("a".into());
        assert_eq!(path(&daemon), Path::new("/run/mainstay/state.txt"));
        daemon.data_use_instance = true;
        assert_eq!(path(&daemon), Path::new("/run/mainstay/state.a.txt"));
    }
}
