//! Names of tables, protocols, scopes, … as iproute2's files have them (ip-route(8)), read when
//! the first of a kind is looked up.
//!
//! A file in the local directory replaces the distributor's of the same name; `NAME.d/*.conf` of
//! both add to it. What iproute2 knows without any file, so do we.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::line::c_number;

/// A file of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Tables,
    Protocols,
    Scopes,
    Tos,
    Realms,
    Groups,
}

const KINDS: usize = 6;
/// More is no table of names.
const LARGEST: u64 = 1 << 20;

/// Where the files are, and what they say.
#[derive(Debug)]
pub(super) struct Names {
    usr: PathBuf,
    etc: PathBuf,
    read: [OnceCell<HashMap<String, u32>>; KINDS],
}

impl Default for Names {
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Table {
    fn file(self) -> &'static str {
        match self {
            Self::Tables => "rt_tables",
            Self::Protocols => "rt_protos",
            Self::Scopes => "rt_scopes",
            Self::Tos => "rt_dsfield",
            Self::Realms => "rt_realms",
            Self::Groups => "group",
        }
    }

    pub fn what(self) -> &'static str {
        match self {
            Self::Tables => "routing table",
            Self::Protocols => "route protocol",
            Self::Scopes => "scope",
            Self::Tos => "type of service",
            Self::Realms => "realm",
            Self::Groups => "interface group",
        }
    }

    /// What iproute2 knows by itself.
    fn built_in(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Tables => &[("unspec", 0), ("default", 253), ("main", 254), ("local", 255)],
            Self::Protocols => &[
                ("none", 0),
                ("redirect", 1),
                ("kernel", 2),
                ("boot", 3),
                ("static", 4),
                ("gated", 8),
                ("ra", 9),
                ("mrt", 10),
                ("zebra", 11),
                ("bird", 12),
                ("dnrouted", 13),
                ("xorp", 14),
                ("ntk", 15),
                ("dhcp", 16),
                ("keepalived", 18),
                ("babel", 42),
            ],
            Self::Scopes => {
                &[("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)]
            }
            Self::Tos => &[("default", 0)],
            Self::Realms => &[("unknown", 0)],
            Self::Groups => &[("default", 0)],
        }
    }
}

impl Names {
    /// `None`: iproute2's own directories.
    pub fn new(usr: Option<&str>, etc: Option<&str>) -> Self {
        Self {
            usr: usr.unwrap_or("/usr/share/iproute2").into(),
            etc: etc.unwrap_or("/etc/iproute2").into(),
            read: Default::default(),
        }
    }

    pub fn number(&self, table: Table, name: &str) -> Option<u32> {
        self.read[table as usize].get_or_init(|| self.read(table)).get(name).copied()
    }

    /// What to write, or where.
    pub fn advice(&self, table: Table, name: &str) -> String {
        let file = self.etc.join(table.file());
        format!("give its number, or have a line `NUMBER {name}` in {}", file.display())
    }

    fn read(&self, table: Table) -> HashMap<String, u32> {
        let built_in = table.built_in().iter().map(|(name, number)| ((*name).to_owned(), *number));
        let mut names: HashMap<String, u32> = built_in.collect();
        let local = self.etc.join(table.file());
        let main = if local.exists() { local } else { self.usr.join(table.file()) };
        let more = [&self.usr, &self.etc].map(|directory| self.parts(directory, table));
        for file in std::iter::once(main).chain(more.into_iter().flatten()) {
            names.extend(text(&file).lines().filter_map(entry));
        }
        names
    }

    fn parts(&self, directory: &Path, table: Table) -> Vec<PathBuf> {
        let parts = directory.join(format!("{}.d", table.file()));
        let found = fs::read_dir(parts).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<_> =
            found.filter(|path| path.extension() == Some("conf".as_ref())).collect();
        found.sort();
        found
    }
}

/// Empty for what is not there, is no plain file, or is far too large.
fn text(file: &Path) -> String {
    match fs::metadata(file) {
        Ok(found) if found.is_file() && found.len() <= LARGEST => {
            fs::read(file).map(|octets| String::from_utf8_lossy(&octets).into_owned())
        }
        _ => Ok(String::new()),
    }
    .unwrap_or_default()
}

/// `NUMBER NAME`, with a comment perhaps.
fn entry(line: &str) -> Option<(String, u32)> {
    let line = line.split('#').next()?;
    let mut words = line.split_whitespace();
    let number = c_number(words.next()?)?;
    Some((words.next()?.to_owned(), u32::try_from(number).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_file_replaces_the_distributors_and_parts_of_both_add_to_it() {
        let top = std::env::temp_dir().join(format!("mainstay-names-{}", std::process::id()));
        let (usr, etc) = (top.join("usr"), top.join("etc"));
        for (path, text) in [
            ("usr/rt_tables", "100 replaced\n"),
            ("usr/rt_tables.d/a.conf", "101 added # here\n"),
            ("usr/rt_tables.d/a.txt", "102 unread\n"),
            ("etc/rt_tables", "# local\n0x67 local_one\nnonsense\n"),
            ("usr/rt_dsfield", "0x10 lowdelay\n"),
        ] {
            let path = top.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let names = Names::new(usr.to_str(), etc.to_str());
        let tables = ["main", "added", "local_one", "replaced", "unread"]
            .map(|name| names.number(Table::Tables, name));
        let tos = names.number(Table::Tos, "lowdelay");
        fs::remove_dir_all(&top).unwrap();
        assert_eq!(tables, [Some(254), Some(101), Some(103), None, None]);
        assert_eq!(tos, Some(16));
    }
}
