//! Keywords that lack what they cannot be without.
//!
//! keepalived ends at most such lines, with status 2, whether or not we act on the keyword; at some
//! it complains and goes on. Seen by giving 2.2.7 each keyword of the table by itself.

use super::super::keywords::Keyword;
use super::super::tree::Statement;
use super::super::value;
use super::context::Context;

/// Keywords of `global_defs` that keepalived goes on without.
const GLOBAL: [&str; 51] = [
    "router_id",
    "script_user",
    "lvs_timeouts",
    "lvs_sync_daemon",
    "notification_email_from",
    "smtp_helo_name",
    "startup_script",
    "startup_script_timeout",
    "shutdown_script",
    "shutdown_script_timeout",
    "min_auto_priority_delay",
    "default_interface",
    "vrrp_priority",
    "vrrp_rt_priority",
    "vrrp_cpu_affinity",
    "checker_priority",
    "checker_rt_priority",
    "checker_cpu_affinity",
    "bfd_priority",
    "bfd_rt_priority",
    "bfd_cpu_affinity",
    "notify_fifo",
    "notify_fifo_script",
    "vrrp_notify_fifo",
    "vrrp_notify_fifo_script",
    "lvs_notify_fifo",
    "lvs_notify_fifo_script",
    "snmp_socket",
    "snmp_vs_stats_update_interval",
    "snmp_rs_stats_update_interval",
    "dbus_service_name",
    "dbus_no_interface_name",
    "vrrp_netlink_cmd_rcv_bufs",
    "vrrp_netlink_monitor_rcv_bufs",
    "process_monitor_rcv_bufs",
    "lvs_netlink_cmd_rcv_bufs",
    "lvs_netlink_monitor_rcv_bufs",
    "vrrp_rx_bufs_policy",
    "vrrp_rx_bufs_multiplier",
    "vrrp_delay_after_boot",
    "reload_time_file",
    "tmp_config_directory",
    "json_version",
    "iproute_usr_dir",
    "iproute_etc_dir",
    "state_dump_file",
    "stats_dump_file",
    "json_dump_file",
    "state_file_location",
    "stats_file_location",
    "json_file_location",
];

/// Block and keyword, likewise.
const ELSEWHERE: [(&str, &str); 38] = [
    ("top", "track_group"),
    ("top", "net_namespace"),
    ("top", "instance"),
    ("top", "vrrp_instance"),
    ("top", "vrrp_sync_group"),
    ("SSL", "password"),
    ("SSL", "ca"),
    ("SSL", "certificate"),
    ("SSL", "key"),
    ("track_file", "file"),
    ("track_file", "weight"),
    ("vrrp_track_file", "file"),
    ("vrrp_track_file", "weight"),
    ("vrrp_track_process", "weight"),
    ("vrrp_script", "script"),
    ("vrrp_instance", "kernel_rx_buf_size"),
    ("virtual_server", "sorry_server_lvs_method"),
    ("virtual_server", "virtualhost"),
    ("virtual_server", "snmp_name"),
    ("real_server", "virtualhost"),
    ("real_server", "snmp_name"),
    ("BFD_CHECK", "name"),
    ("FILE_CHECK", "weight"),
    ("MISC_CHECK", "misc_path"),
    ("MISC_CHECK", "user"),
    ("SMTP_CHECK", "helo_name"),
    ("UDP_CHECK", "payload"),
    ("HTTP_GET", "virtualhost"),
    ("HTTP_GET", "http_protocol"),
    ("SSL_GET", "virtualhost"),
    ("SSL_GET", "http_protocol"),
    ("url", "status_code"),
    ("url", "virtualhost"),
    ("url", "regex"),
    ("url", "regex_options"),
    ("url", "regex_min_offset"),
    ("url", "regex_max_offset"),
    ("url", "regex_stack"),
];

/// Blocks whose lines are lists, in which a word of the table may be a name.
const LISTS: [&str; 12] = [
    "lvs_sync_daemon",
    "static_ipaddress",
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "track_interface",
    "track_script",
    "track_file",
    "track_process",
    "track_bfd",
    "use_vmac",
    "use_ipvlan",
    "encap",
];

/// Whether keepalived complains that `keyword` in `block` lacks its parameter, and goes on.
pub(super) fn goes_on_without(block: &str, keyword: &str) -> bool {
    (block == "global_defs" && GLOBAL.contains(&keyword)) || ELSEWHERE.contains(&(block, keyword))
}

/// The bounds of `<KIND LEAST..GREATEST>` at the start of a keyword's arguments.
fn bounds(args: &str) -> Option<(i64, i64)> {
    let inside = args.strip_prefix('<')?.split('>').next()?;
    let (kind, bounds) = inside.split_once(' ').unwrap_or((inside, ""));
    let (least, greatest) = match kind {
        "uint" | "uint32" => (0, u32::MAX.into()),
        "int" => (i32::MIN.into(), i32::MAX.into()),
        _ => return None,
    };
    let mut bounds = bounds.split("..");
    let mut next =
        |otherwise| bounds.next().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    Some((next(least), next(greatest)))
}

impl Context<'_> {
    /// Looks at the value of a keyword that is not acted on, as keepalived does all the same: a
    /// number in its range, or a boolean.
    pub fn value_without_effect(&mut self, keyword: &Keyword, statement: &Statement) {
        let Some(word) = self.words(statement).get(1) else { return };
        let (text, name) = (self.text(word.span), keyword.name);
        let message = match bounds(keyword.args) {
            Some((least, greatest)) => match value::integer(text) {
                Ok(number) if (least..=greatest).contains(&number) => return,
                Ok(_) => format!("{name} {text} is out of range {least}-{greatest}"),
                Err(_) => format!("{name} `{text}` is not a number"),
            },
            None if !keyword.args.starts_with("[on|off") => return,
            None if matches!(text, "on" | "true" | "yes" | "off" | "false" | "no") => return,
            None => format!("`{text}` is neither on nor off"),
        };
        self.warn("bad-value", statement, word.span, message);
    }

    /// Reports a keyword that is not acted on and has not even got what it cannot be without:
    /// keepalived ends at such a line, wherever it stands. True if that is the keyword itself.
    pub fn lacks_parameter(&mut self, keyword: &Keyword, statement: &Statement) -> bool {
        if keyword.needs_argument() && self.words(statement).len() == 1 {
            self.argument(statement);
            return true;
        }
        let (tree, Some(block)) = (self.tree, keyword.child) else { return false };
        // The block `track_file` outside all others is no list.
        if LISTS.contains(&keyword.name) && (keyword.block, keyword.name) != ("top", "track_file") {
            return false;
        }
        for inner in tree.children(statement) {
            let name = self.text_at(inner, 0).unwrap_or_default();
            if let Some(keyword) = self.table.get(block, name) {
                self.lacks_parameter(keyword, inner);
            }
        }
        false
    }
}
