//! How the director runs as a process: its namespace, its files, its reloads.

use std::path::PathBuf;

/// The process's part of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Daemon {
    /// `net_namespace`: joined at start, by all threads.
    pub net_namespace: Option<String>,
    /// `net_namespace_ipvs`: where the IPVS table is.
    pub ipvs_namespace: IpvsNamespace,
    /// `use_pid_dir`: keepalived's pid files in a directory of their own.
    pub use_pid_dir: bool,
    /// `instance`: part of the names of files and of the log's ident.
    pub instance: Option<String>,
    /// `reload_check_config`: a new file is taken over only if there is nothing to complain of.
    pub reload_check: Option<ReloadCheck>,
    /// `reload_time_file`: tells when to reload.
    pub reload_time_file: Option<PathBuf>,
    /// `reload_repeat`: a time of day in that file holds for each day.
    pub reload_repeat: bool,
    /// `reload_file`: there while a new file is being read.
    pub reload_file: Option<ReloadFile>,
    pub state_dump_file: Option<PathBuf>,
    pub stats_dump_file: Option<PathBuf>,
    pub json_dump_file: Option<PathBuf>,
    /// `data_use_instance`: namespace and instance are part of the names of dumps.
    pub data_use_instance: bool,
    /// `json_version`, 1 or 2: an array, or an object with that array.
    pub json_version: u8,
}

/// Whose IPVS table is programmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IpvsNamespace {
    /// That of the namespace in which everything else runs.
    #[default]
    Ours,
    /// That of the namespace in which the program was started.
    OfTheStart,
    Named(String),
}

/// `reload_check_config [FILE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadCheck {
    /// Where complaints of a refused file are written, beside the log.
    pub log: Option<PathBuf>,
}

/// `reload_file [FILE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadFile {
    /// `None`: beside the pid file.
    pub path: Option<PathBuf>,
}

impl Daemon {
    /// What tells this director from others on the host: namespace and instance, as far as given.
    pub fn tag(&self) -> Option<String> {
        let parts: Vec<&str> = [&self.net_namespace, &self.instance]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        (!parts.is_empty()).then(|| parts.join("_"))
    }
}
