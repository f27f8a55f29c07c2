//! Whether a script may run: is it there, can it run, and can only root have written it.
//!
//! A script that runs as root and that somebody else may rewrite, or swap for another, hands root
//! to that somebody. As in keepalived the check covers every component of the path and, where links
//! are involved, of what they lead to. Unlike there a link among the directories (`/bin/true` on a
//! merged-usr system) is followed rather than held against the script.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::account::{self, AccountError};
use crate::config::plan::{Script, ScriptUser};
use crate::kernel::process::Credentials;

/// Where programs named without a slash are looked for when PATH is not set.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The global settings about scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptRules {
    /// `script_user`; `None`: user `keepalived_script` if it exists, else root.
    pub user: Option<ScriptUser>,
    /// `enable_script_security`: what is [`Finding::is_fatal`] only then, is refused.
    pub enforce: bool,
    /// `use_symlink_paths`: scripts are run by the path given, not by what its links lead to.
    pub keep_links: bool,
    /// `umask`; `None`: 077 for scripts, 0177 for FIFOs.
    pub umask: Option<u32>,
}

/// What speaks against a script. Worded for operators; begins with the script's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    #[error("script {script}: {error}")]
    Account { script: String, error: AccountError },
    #[error("script {script} is not found in PATH; write its whole path")]
    NotInPath { script: String },
    #[error("script {script} is not found: there is no {}", component.display())]
    NotFound { script: String, component: PathBuf },
    #[error("script {script}: cannot look at {}: {reason}", component.display())]
    Unreachable { script: String, component: PathBuf, reason: String },
    #[error("script {script}: not a regular file")]
    NotAFile { script: String },
    #[error(
        "script {script}: {} cannot be {} by uid {uid} (mode {mode:04o} lacks bit {bit:04o})",
        component.display(), if component.as_os_str() == script.as_str() { "run" } else { "entered" }
    )]
    NotExecutable { script: String, component: PathBuf, uid: u32, mode: u32, bit: u32 },
    #[error(
        "script {script} would run as root, but {} belongs to uid {owner}, who could replace it: \
         chown root {0}",
        component.display()
    )]
    ForeignOwner { script: String, component: PathBuf, owner: u32 },
    #[error(
        "script {script} would run as root, but {} is writable by gid {group} \
         (mode {mode:04o}, bit 0020): chmod g-w {0}",
        component.display()
    )]
    GroupWritable { script: String, component: PathBuf, group: u32, mode: u32 },
    #[error(
        "script {script} would run as root, but {} is writable by everyone \
         (mode {mode:04o}, bit 0002): chmod o-w {0}",
        component.display()
    )]
    WorldWritable { script: String, component: PathBuf, mode: u32 },
    #[error("script {script}: taken from PATH as {}; its whole path is safer", program.display())]
    FromPath { script: String, program: PathBuf },
}

impl Finding {
    /// Whether the script cannot run at all, `enable_script_security` or not.
    pub fn is_fatal(&self) -> bool {
        !matches!(
            self,
            Self::ForeignOwner { .. }
                | Self::GroupWritable { .. }
                | Self::WorldWritable { .. }
                | Self::FromPath { .. }
        )
    }
}

/// A script that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vetted {
    /// Absolute, unless the configuration gave a relative path.
    pub program: PathBuf,
    pub credentials: Credentials,
    /// Unsafe, and tolerated because `enable_script_security` is not set; or not as it should be.
    pub warning: Option<Finding>,
}

/// Decides whether `script` may run under `rules`, as the file system is now.
///
/// Blocks on user lookups and file systems. The driver calls it for every script when a
/// configuration is loaded, to report; it is called again before each run.
///
/// # Errors
/// The first thing found that forbids it.
pub fn vet(script: &Script, rules: &ScriptRules) -> Result<Vetted, Finding> {
    let name = script.argv.first().map(String::as_str).unwrap_or_default();
    let credentials = account::resolve(script.user.as_ref(), rules.user.as_ref(), rules.enforce)
        .map_err(|error| Finding::Account { script: name.to_owned(), error })?;
    let program = locate(name)?;
    let file = executable(name, &program, &credentials)?;
    // Set-uid and set-gid files of root are root's, whoever starts them.
    let becomes_root = (file.mode() & 0o4000 != 0 && file.uid() == 0)
        || (file.mode() & 0o2000 != 0 && file.gid() == 0);
    let warning = match credentials.is_root() || becomes_root {
        true => examine(name, &program).err(),
        false => None,
    };
    match warning {
        Some(finding) if rules.enforce || finding.is_fatal() => Err(finding),
        warning => {
            let from_path =
                || Finding::FromPath { script: name.to_owned(), program: program.clone() };
            let warning = warning.or_else(|| (!name.contains('/')).then(from_path));
            Ok(Vetted { program: resolved(name, program, rules)?, credentials, warning })
        }
    }
}

/// What is run: unless links are to be kept, the very file that was looked at, so that nobody can
/// swap a link in between.
fn resolved(name: &str, program: PathBuf, rules: &ScriptRules) -> Result<PathBuf, Finding> {
    if rules.keep_links {
        return Ok(program);
    }
    fs::canonicalize(&program).map_err(|error| unreachable(name, &program, &error))
}

/// A name without a slash is looked up in PATH, as keepalived does.
fn locate(name: &str) -> Result<PathBuf, Finding> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    find_in(&path, name).ok_or_else(|| Finding::NotInPath { script: name.to_owned() })
}

fn find_in(path: &OsStr, name: &str) -> Option<PathBuf> {
    let candidates = std::env::split_paths(path).map(|directory| directory.join(name));
    let is_program = |candidate: &PathBuf| {
        !name.is_empty()
            && fs::metadata(candidate)
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    candidates.into_iter().find(is_program)
}

/// Looks at the file itself: regular, and executable for the account.
fn executable(name: &str, program: &Path, credentials: &Credentials) -> Result<Metadata, Finding> {
    let file = fs::metadata(program).map_err(|error| unreachable(name, program, &error))?;
    if !file.is_file() {
        return Err(Finding::NotAFile { script: name.to_owned() });
    }
    let absolute =
        std::path::absolute(program).map_err(|error| unreachable(name, program, &error))?;
    let directories = absolute.ancestors().skip(1).collect::<Vec<_>>();
    for directory in directories.into_iter().rev().filter(|_| !credentials.uid.is_root()) {
        let found = fs::metadata(directory).map_err(|error| unreachable(name, program, &error))?;
        may_execute(name, directory, &found, credentials)?;
    }
    may_execute(name, Path::new(name), &file, credentials)?;
    Ok(file)
}

/// Whether the account may run this file, or go through this directory.
fn may_execute(
    name: &str,
    component: &Path,
    found: &Metadata,
    credentials: &Credentials,
) -> Result<(), Finding> {
    let in_group = credentials.gid.as_raw() == found.gid()
        || credentials.groups.iter().any(|group| group.as_raw() == found.gid());
    let bit = match () {
        () if credentials.uid.is_root() => 0o111,
        () if credentials.uid.as_raw() == found.uid() => 0o100,
        () if in_group => 0o010,
        () => 0o001,
    };
    if found.mode() & bit != 0 {
        return Ok(());
    }
    Err(Finding::NotExecutable {
        script: name.to_owned(),
        component: component.to_owned(),
        uid: credentials.uid.as_raw(),
        mode: found.mode() & 0o7777,
        bit,
    })
}

/// Checks the path as given and, when links are on the way, where it leads.
fn examine(name: &str, program: &Path) -> Result<(), Finding> {
    let absolute =
        std::path::absolute(program).map_err(|error| unreachable(name, program, &error))?;
    examine_components(name, &absolute)?;
    let resolved =
        fs::canonicalize(&absolute).map_err(|error| unreachable(name, &absolute, &error))?;
    match resolved == absolute {
        true => Ok(()),
        false => examine_components(name, &resolved),
    }
}

fn examine_components(name: &str, path: &Path) -> Result<(), Finding> {
    let mut components: Vec<&Path> = path.ancestors().collect();
    components.reverse();
    for component in components {
        let found = fs::symlink_metadata(component)
            .map_err(|error| unreachable(name, component, &error))?;
        examine_component(name, component, &found)?;
    }
    Ok(())
}

/// Who but root could change or replace this component?
fn examine_component(name: &str, component: &Path, found: &Metadata) -> Result<(), Finding> {
    let (script, at) = (name.to_owned(), component.to_owned());
    let mode = found.mode() & 0o7777;
    if found.uid() != 0 {
        return Err(Finding::ForeignOwner { script, component: at, owner: found.uid() });
    }
    // A link's mode means nothing. In a sticky directory others cannot rename what is root's.
    if found.is_symlink() || (found.is_dir() && mode & 0o1000 != 0) {
        return Ok(());
    }
    if mode & 0o002 != 0 {
        return Err(Finding::WorldWritable { script, component: at, mode });
    }
    if mode & 0o020 != 0 && found.gid() != 0 {
        return Err(Finding::GroupWritable { script, component: at, group: found.gid(), mode });
    }
    Ok(())
}

/// Names the first component of `path` that is not there or cannot be looked at.
fn unreachable(name: &str, path: &Path, error: &std::io::Error) -> Finding {
    let components = path.ancestors().filter(|each| !each.as_os_str().is_empty());
    let component = components.filter(|each| fs::metadata(each).is_err()).last().unwrap_or(path);
    let (script, component) = (name.to_owned(), component.to_owned());
    if error.kind() == std::io::ErrorKind::NotFound {
        return Finding::NotFound { script, component };
    }
    Finding::Unreachable { script, component, reason: error.to_string() }
}

#[cfg(test)]
mod tests;
