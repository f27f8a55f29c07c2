//! The user a script runs as: configured names to numbers.
//!
//! Lookups may ask the network (NSS): call from where blocking is allowed.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use crate::config::plan::ScriptUser;
use crate::kernel::process::Credentials;

/// keepalived's default for scripts, when the system has such a user.
pub const DEFAULT_USER: &str = "keepalived_script";

/// Why a script's user cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("user {0} does not exist")]
    NoUser(String),
    #[error("group {0} does not exist")]
    NoGroup(String),
    #[error("cannot look up {name}: {source}")]
    Lookup { name: String, source: nix::Error },
    #[error(
        "enable_script_security is set, but there is neither a script_user nor a user {DEFAULT_USER}"
    )]
    NoDefault,
}

/// The account of a script: its own `user`, else the global `script_user`, else user
/// `keepalived_script`, else root, which `secure` (`enable_script_security`) rules out.
///
/// # Errors
/// A name that does not exist, or a lookup that failed.
pub fn resolve(
    own: Option<&ScriptUser>,
    global: Option<&ScriptUser>,
    secure: bool,
) -> Result<Credentials, AccountError> {
    if let Some(chosen) = own.or(global) {
        return look_up(chosen);
    }
    let default = ScriptUser { user: DEFAULT_USER.to_owned(), group: None };
    match look_up(&default) {
        Err(AccountError::NoUser(_)) if secure => Err(AccountError::NoDefault),
        Err(AccountError::NoUser(_)) => Ok(root()),
        other => other,
    }
}

/// Names or numbers to ids. A number without an entry stands for itself.
///
/// # Errors
/// As [`resolve`].
pub fn look_up(wanted: &ScriptUser) -> Result<Credentials, AccountError> {
    let name = &wanted.user;
    let number = name.parse().ok().map(Uid::from_raw);
    let entry = match (find(name, User::from_name(name))?, number) {
        (None, Some(uid)) => find(name, User::from_uid(uid))?,
        (entry, _) => entry,
    };
    let (uid, own_gid) = match (&entry, number) {
        (Some(entry), _) => (entry.uid, entry.gid),
        (None, Some(uid)) => (uid, Gid::from_raw(uid.as_raw())),
        (None, None) => return Err(AccountError::NoUser(name.clone())),
    };
    let gid = wanted.group.as_deref().map_or(Ok(own_gid), group)?;
    let known = entry.and_then(|entry| CString::new(entry.name).ok());
    let groups = match known {
        Some(name) => getgrouplist(&name, gid)
            .map_err(|source| AccountError::Lookup { name: wanted.user.clone(), source })?,
        None => vec![gid],
    };
    Ok(Credentials { uid, gid, groups })
}

fn group(name: &str) -> Result<Gid, AccountError> {
    match (find(name, Group::from_name(name))?, name.parse().ok()) {
        (Some(entry), _) => Ok(entry.gid),
        (None, Some(number)) => Ok(Gid::from_raw(number)),
        (None, None) => Err(AccountError::NoGroup(name.to_owned())),
    }
}

fn find<T>(name: &str, found: nix::Result<Option<T>>) -> Result<Option<T>, AccountError> {
    found.map_err(|source| AccountError::Lookup { name: name.to_owned(), source })
}

/// Root with root's group alone.
fn root() -> Credentials {
    let gid = Gid::from_raw(0);
    Credentials { uid: Uid::from_raw(0), gid, groups: vec![gid] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(user: &str, group: Option<&str>) -> ScriptUser {
        ScriptUser { user: user.to_owned(), group: group.map(str::to_owned) }
    }

    #[test]
    fn names_and_numbers_name_the_same_account() {
        assert_eq!(look_up(&user("root", None)), look_up(&user("0", None)));
        assert_eq!(look_up(&user("nobody", None)).unwrap().uid.as_raw(), 65534);
    }

    #[test]
    fn number_without_an_entry_stands_for_itself() {
        let account = look_up(&user("54321", Some("12345"))).unwrap();
        assert_eq!((account.uid.as_raw(), account.gid.as_raw()), (54321, 12345));
        assert_eq!(account.groups, [Gid::from_raw(12345)]);
    }

    #[test]
    fn configured_group_replaces_the_users_own() {
        let account = look_up(&user("nobody", Some("root"))).unwrap();
        assert_eq!(account.gid.as_raw(), 0);
        assert!(account.groups.contains(&account.gid));
        assert!(account.is_root(), "root's group is enough to be dangerous");
    }

    #[test]
    fn unknown_names_are_named() {
        let error = look_up(&user("no-such-user", None)).unwrap_err();
        assert_eq!(error.to_string(), "user no-such-user does not exist");
        let error = look_up(&user("root", Some("no-such-group"))).unwrap_err();
        assert_eq!(error.to_string(), "group no-such-group does not exist");
    }

    #[test]
    fn own_user_goes_before_the_global_one() {
        let (own, global) = (user("nobody", None), user("root", None));
        let account = resolve(Some(&own), Some(&global), true).unwrap();
        assert_eq!(account.uid.as_raw(), 65534);
        assert!(resolve(None, Some(&global), true).unwrap().is_root());
    }
}
