use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::*;

/// A directory tree that only root can write; `None` without root: nothing can be shown then.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return None;
        }
        let path = Path::new("/run").join(format!("mainstay-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("bin")).unwrap();
        fs::write(path.join("bin/script"), "#!/bin/sh\n").unwrap();
        let tree = Self(path);
        for (name, mode) in [("", 0o755), ("bin", 0o755), ("bin/script", 0o755)] {
            tree.mode(name, mode);
        }
        Some(tree)
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }

    /// Vets `bin/script` (or what is named) as root, with `enable_script_security`.
    fn vet(&self, name: &str) -> Result<Vetted, Finding> {
        vet(&script(&self.path(name).to_string_lossy()), &rules("root", true))
    }

    fn refusal(&self, name: &str) -> String {
        let text = self.vet(name).unwrap_err().to_string();
        text.replace(&*self.0.to_string_lossy(), "T")
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn script(program: &str) -> Script {
    Script { argv: vec![program.to_owned()], user: None }
}

fn rules(user: &str, enforce: bool) -> ScriptRules {
    ScriptRules {
        user: Some(ScriptUser { user: user.to_owned(), group: None }),
        enforce,
        ..ScriptRules::default()
    }
}

#[test]
fn script_that_only_root_can_write_is_fine() {
    let Some(tree) = Tree::new("fine") else { return };
    assert_eq!(tree.vet("bin/script").unwrap().warning, None);
}

#[test]
fn finding_names_the_component_and_the_bit() {
    let Some(tree) = Tree::new("bits") else { return };
    tree.mode("bin/script", 0o757);
    assert_eq!(
        tree.refusal("bin/script"),
        "script T/bin/script would run as root, but T/bin/script is writable by everyone \
         (mode 0757, bit 0002): chmod o-w T/bin/script"
    );
    tree.mode("bin/script", 0o755);
    chown(tree.path("bin"), None, Some(1)).unwrap();
    tree.mode("bin", 0o775);
    assert_eq!(
        tree.refusal("bin/script"),
        "script T/bin/script would run as root, but T/bin is writable by gid 1 \
         (mode 0775, bit 0020): chmod g-w T/bin"
    );
    chown(tree.path("bin"), Some(65534), Some(0)).unwrap();
    assert_eq!(
        tree.refusal("bin/script"),
        "script T/bin/script would run as root, but T/bin belongs to uid 65534, \
         who could replace it: chown root T/bin"
    );
}

#[test]
fn roots_own_group_may_write_and_sticky_directories_are_tolerated() {
    let Some(tree) = Tree::new("sticky") else { return };
    tree.mode("bin", 0o775);
    assert!(tree.vet("bin/script").is_ok());
    tree.mode("bin", 0o1777);
    assert!(tree.vet("bin/script").is_ok());
}

/// keepalived disables a script for a link among its directories.
#[test]
fn links_are_followed_and_what_they_lead_to_is_checked() {
    let Some(tree) = Tree::new("links") else { return };
    symlink(tree.path("bin"), tree.path("sbin")).unwrap();
    assert!(tree.vet("sbin/script").is_ok());
    tree.mode("bin", 0o777);
    assert!(tree.refusal("sbin/script").contains("T/bin is writable by everyone (mode 0777,"));
    assert!(vet(&script("/bin/true"), &rules("root", true)).is_ok());
}

#[test]
fn without_enforcement_an_unsafe_script_runs_with_a_warning() {
    let Some(tree) = Tree::new("warn") else { return };
    tree.mode("bin/script", 0o777);
    let name = tree.path("bin/script").to_string_lossy().into_owned();
    let vetted = vet(&script(&name), &rules("root", false)).unwrap();
    assert!(matches!(vetted.warning, Some(Finding::WorldWritable { mode: 0o777, .. })));
    let harmless = vet(&script(&name), &rules("nobody", true)).unwrap();
    assert_eq!(harmless.warning, None, "who is not root has nothing to give away");
    tree.mode("bin/script", 0o6777);
    assert!(vet(&script(&name), &rules("nobody", true)).is_err(), "set-uid root");
}

#[test]
fn what_cannot_run_is_refused_in_any_case() {
    let Some(tree) = Tree::new("cannot") else { return };
    assert!(tree.refusal("bin/none").ends_with("is not found: there is no T/bin/none"));
    assert_eq!(tree.refusal("bin"), "script T/bin: not a regular file");
    tree.mode("bin/script", 0o644);
    assert_eq!(
        tree.refusal("bin/script"),
        "script T/bin/script: T/bin/script cannot be run by uid 0 (mode 0644 lacks bit 0111)"
    );
    tree.mode("bin/script", 0o744);
    let name = tree.path("bin/script").to_string_lossy().into_owned();
    let finding = vet(&script(&name), &rules("nobody", false)).unwrap_err();
    assert!(matches!(finding, Finding::NotExecutable { uid: 65534, mode: 0o744, bit: 1, .. }));
    tree.mode("bin/script", 0o755);
    tree.mode("bin", 0o750);
    let finding = vet(&script(&name), &rules("nobody", false)).unwrap_err().to_string();
    let expected = "bin cannot be entered by uid 65534 (mode 0750 lacks bit 0001)";
    assert!(finding.ends_with(expected), "{finding}");
    let finding = tree.refusal("none/at/all");
    assert!(finding.ends_with("is not found: there is no T/none"), "{finding}");
}

#[test]
fn bare_names_are_looked_up_in_path() {
    // Even where security is enforced: it is not unsafe, only not as it should be.
    let vetted = vet(&script("true"), &rules("nobody", true)).unwrap();
    assert!(vetted.program.is_absolute());
    assert!(matches!(vetted.warning, Some(Finding::FromPath { .. })));
    let finding = vet(&script("no-such-program"), &rules("nobody", false)).unwrap_err();
    assert_eq!(
        finding.to_string(),
        "script no-such-program is not found in PATH; write its whole path"
    );
    assert!(vet(&Script { argv: vec![], user: None }, &rules("nobody", false)).is_err());
}

#[test]
fn unknown_user_is_named() {
    let finding = vet(&script("/bin/true"), &rules("no-such-user", false)).unwrap_err();
    assert_eq!(finding.to_string(), "script /bin/true: user no-such-user does not exist");
}

/// keepalived.conf(5), use_symlink_paths.
#[test]
fn what_a_link_leads_to_is_run_unless_links_are_to_be_kept() {
    let Some(tree) = Tree::new("kept") else { return };
    symlink(tree.path("bin"), tree.path("sbin")).unwrap();
    let name = tree.path("sbin/script").to_string_lossy().into_owned();
    let program = |keep_links| {
        let rules = ScriptRules { keep_links, ..rules("root", true) };
        vet(&script(&name), &rules).unwrap().program
    };
    assert_eq!(program(true), tree.path("sbin/script"));
    assert_eq!(program(false), std::fs::canonicalize(tree.path("bin/script")).unwrap());
}
