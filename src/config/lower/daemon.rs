//! Keywords about the director as a process, outside all blocks and in `global_defs`.

use std::path::PathBuf;

use super::super::keywords::Keyword;
use super::super::plan::{Daemon, IpvsNamespace, ReloadCheck, ReloadFile};
use super::super::tree::Statement;
use super::context::Context;
use super::global::{flag, replace};

/// Takes the keyword if it is one of these.
pub(super) fn read(
    daemon: &mut Daemon,
    cx: &mut Context<'_>,
    at: &Statement,
    keyword: &Keyword,
) -> bool {
    match keyword.name {
        "net_namespace" => name(cx, at, &mut daemon.net_namespace),
        "net_namespace_ipvs" => ipvs_namespace(cx, at, &mut daemon.ipvs_namespace),
        "instance" => name(cx, at, &mut daemon.instance),
        "use_pid_dir" => daemon.use_pid_dir = true,
        "reload_check_config" => daemon.reload_check = Some(ReloadCheck { log: optional(cx, at) }),
        "reload_file" => daemon.reload_file = Some(ReloadFile { path: optional(cx, at) }),
        "reload_time_file" => replace(&mut daemon.reload_time_file, path(cx, at)),
        "reload_repeat" => daemon.reload_repeat = true,
        "state_dump_file" | "state_file_location" => {
            replace(&mut daemon.state_dump_file, path(cx, at));
        }
        "stats_dump_file" | "stats_file_location" => {
            replace(&mut daemon.stats_dump_file, path(cx, at));
        }
        "json_dump_file" | "json_file_location" => {
            replace(&mut daemon.json_dump_file, path(cx, at));
        }
        "data_use_instance" => flag(cx, at, &mut daemon.data_use_instance),
        "json_version" => {
            let version = cx.number(at, keyword).and_then(|version| u8::try_from(version).ok());
            daemon.json_version = version.unwrap_or(daemon.json_version);
        }
        _ => return false,
    }
    true
}

fn path(cx: &mut Context<'_>, at: &Statement) -> Option<PathBuf> {
    cx.string(at).map(PathBuf::from)
}

fn optional(cx: &mut Context<'_>, at: &Statement) -> Option<PathBuf> {
    cx.no_more_than(at, 1);
    cx.text_at(at, 1).map(PathBuf::from)
}

/// A word that becomes part of names of files: the first one counts, as in keepalived.
fn name(cx: &mut Context<'_>, at: &Statement, slot: &mut Option<String>) {
    let Some(word) = cx.only_argument(at) else { return };
    let text = cx.text(word.span);
    if text.contains('/') || text.starts_with('.') || text.is_empty() {
        let message = format!("`{text}` cannot be part of the name of a file");
        return cx.bad("bad-value", at, word.span, message);
    }
    cx.set_once(at, slot, Some(text.to_owned()));
}

/// Without a name: that of the start.
fn ipvs_namespace(cx: &mut Context<'_>, at: &Statement, slot: &mut IpvsNamespace) {
    let mut first = match std::mem::take(slot) {
        IpvsNamespace::Ours => None,
        said => Some(said),
    };
    if cx.words(at).len() == 1 {
        cx.set_once(at, &mut first, Some(IpvsNamespace::OfTheStart));
    } else {
        let mut named = None;
        name(cx, at, &mut named);
        cx.set_once(at, &mut first, named.map(IpvsNamespace::Named));
    }
    *slot = first.unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, parse_with};
    use super::*;

    fn read(text: &str) -> (Daemon, String) {
        let loaded = parse_with("t", text, &Options::default());
        (loaded.plan.daemon, loaded.diagnostics.to_lines())
    }

    #[test]
    fn names_of_the_process_are_taken_once_and_are_no_paths() {
        let (daemon, said) = read("instance a\ninstance b\nnet_namespace red\nuse_pid_dir\n");
        assert_eq!(daemon.tag().as_deref(), Some("red_a"));
        assert!(daemon.use_pid_dir);
        assert!(said.contains("`instance` is there already; the first one counts"), "{said}");
        let (daemon, said) = read("instance ../etc\n");
        assert_eq!(daemon.tag(), None);
        assert!(said.contains("cannot be part of the name of a file"), "{said}");
    }

    #[test]
    fn the_table_may_be_in_another_namespace() {
        let namespace = |text: &str| read(text).0.ipvs_namespace;
        assert_eq!(namespace(""), IpvsNamespace::Ours);
        assert_eq!(namespace("net_namespace_ipvs\n"), IpvsNamespace::OfTheStart);
        let blue = IpvsNamespace::Named("blue".to_owned());
        assert_eq!(namespace("net_namespace_ipvs blue\nnet_namespace_ipvs\n"), blue);
        assert_eq!(namespace("net_namespace_ipvs ../blue\n"), IpvsNamespace::Ours);
    }

    #[test]
    fn dumps_and_reloads_have_their_files() {
        let text = "global_defs {\n reload_check_config\n reload_file /run/r\n \
                    reload_time_file /etc/t\n reload_repeat\n state_dump_file /var/s/\n \
                    stats_dump_file st\n json_dump_file j\n json_version 2\n \
                    data_use_instance\n}\n";
        let expected = Daemon {
            reload_check: Some(ReloadCheck { log: None }),
            reload_file: Some(ReloadFile { path: Some("/run/r".into()) }),
            reload_time_file: Some("/etc/t".into()),
            reload_repeat: true,
            state_dump_file: Some("/var/s/".into()),
            stats_dump_file: Some("st".into()),
            json_dump_file: Some("j".into()),
            data_use_instance: true,
            json_version: 2,
            ..Daemon::default()
        };
        assert_eq!(read(text), (expected, String::new()));
    }
}
