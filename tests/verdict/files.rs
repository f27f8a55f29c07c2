//! Files made from the keyword table: each keyword in the blocks that it needs around it, in an
//! otherwise good file.

use mainstay::config::explain;
use mainstay::config::keywords::{Keyword, table};

use crate::{Case, Known};

/// Where our status is meant to be another one.
pub const KNOWN: [Known; 37] = [
    ("global_defs/smtp_server: \"\\\"", "an empty name, looked up when a mail is sent"),
    ("global_defs/vrrp_iptables", "a build without iptables complains; nftables is used here too"),
    ("global_defs/bfd_cpu_affinity", "has no effect here, and its words are not looked at"),
    ("global_defs/snmp_socket", "has no effect here, and its words are not looked at"),
    ("global_defs/script_user", "a user that no script needs does no harm"),
    ("global_defs/vrrp_rx_bufs_policy", "words behind the first are ignored, with a note"),
    ("global_defs/vrrp_rx_bufs_multiplier", "words behind the first are ignored, with a note"),
    ("global_defs/umask", "words behind the first are ignored, with a note"),
    ("global_defs/reload_time_file", "words behind the first are ignored, with a note"),
    ("global_defs/config_save_dir", "has no effect here, and its words are not looked at"),
    ("track_file/file", "given twice: the lint said-twice tells it"),
    ("vrrp_track_process/param_match", "not in 2.2.7 in this form"),
    ("vrrp_script/interval: \"1.5\"", "2.2.7 has whole seconds only"),
    ("vrrp_script/timeout: \"1.5\"", "2.2.7 has whole seconds only"),
    ("vrrp_instance/use_vmac: \"name junk\"", "2.2.7 takes `name` for the name"),
    ("vrrp_instance/track_file: bare", "the list that follows is taken as the block's"),
    ("vrrp_instance/linkbeat_use_polling", "deprecated there; has no effect here"),
    ("vrrp_instance/kernel_rx_buf_size", "words behind the first are ignored, with a note"),
    ("virtual_server/hashed", "has no effect here"),
    ("virtual_server/lb_kind: \"DR junk\"", "words behind the first are ignored, with a note"),
    ("virtual_server/lvs_method: \"DR junk\"", "words behind the first are ignored, with a note"),
    ("virtual_server/snmp_name", "has no effect here, and its words are not looked at"),
    ("virtual_server/real_server/lvs_method: \"DR junk\"", "as above"),
    ("virtual_server/real_server/snmp_name", "has no effect here"),
    (
        "virtual_server/real_server/weight: \"0\"",
        "a quorum of 1 stays, and is right: nobody serves",
    ),
    ("virtual_server/real_server/UDP_CHECK/payload", "nothing is sent, which is what it says"),
    ("virtual_server/real_server/UDP_CHECK/require_reply", "any reply will do"),
    ("static_routes/nexthop", "is watched by the interfaces of its hops here"),
    ("static_routes/as: \"198.51.100.0/24 dev eth0 as to\"", "as for any value that is missing"),
    ("vrrp_instance/virtual_routes/as: \"198.51.100.0/24 dev eth0 as to\"", "likewise"),
    (
        "vrrp_instance/virtual_routes/nexthop/as: \"198.51.100.0/24 nexthop dev eth0 as to\"",
        "likewise",
    ),
    ("static_routes/vrf", "whether it is a VRF is looked at when the route is set"),
    ("top/virtual_server_group: empty block", "an empty group that nobody uses does no harm"),
    ("global_defs/vrrp_rlimit_rtime: \"0\"", "has no effect here"),
    ("global_defs/checker_rlimit_rtime: \"0\"", "has no effect here"),
    ("global_defs/bfd_rlimit_rtime: \"0\"", "has no effect here"),
    ("virtual_server/real_server/DNS_CHECK/name: bare", "given twice in the file made for it"),
];

const ADDRESSES: &str = "virtual_ipaddress {\n192.0.2.10/24\n}\n";

/// A good file with `lines` in the block at `path`.
fn around(path: &str, lines: &str) -> String {
    let blocks: Vec<&str> = if path == "top" { Vec::new() } else { path.split('/').collect() };
    let top = blocks.first().copied().unwrap_or("top");
    let scripts = "script_user root\nenable_script_security\n";
    let globals = match top {
        "global_defs" => String::new(),
        _ => format!("global_defs {{\n{scripts}}}\n"),
    };
    let own = nested(&blocks, lines);
    let instance =
        format!("vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\n{ADDRESSES}}}\n");
    match top {
        "vrrp_instance" => globals + &own,
        "global_defs" => own.replacen('{', &format!("{{\n{scripts}"), 1) + &instance,
        "vrrp_script" | "track_file" | "vrrp_track_file" | "vrrp_track_process" => {
            globals + &own + &tracking(top)
        }
        "vrrp_sync_group" => globals + &instance + &own,
        _ => globals + &own + &instance,
    }
}

fn tracking(what: &str) -> String {
    let list = match what {
        "vrrp_script" => "track_script",
        "vrrp_track_process" => "track_process",
        _ => "track_file",
    };
    format!(
        "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\n{list} {{\nA\n}}\n{ADDRESSES}}}\n"
    )
}

/// The blocks, each with what it cannot be without.
fn nested(blocks: &[&str], lines: &str) -> String {
    let Some((block, inner)) = blocks.split_first() else { return lines.to_owned() };
    let inside = nested(inner, lines);
    let is_last = inner.is_empty();
    let (argument, before, after) = needs(block, is_last);
    format!("{block}{argument} {{\n{before}{inside}{after}}}\n")
}

/// Argument, and the lines before and behind what is in the block.
fn needs(block: &str, is_last: bool) -> (&'static str, &'static str, &'static str) {
    match block {
        "vrrp_instance" if is_last => {
            (" VI_1", "interface eth0\nvirtual_router_id 51\n", ADDRESSES)
        }
        "vrrp_instance" => (" VI_1", "interface eth0\nvirtual_router_id 51\n", ""),
        "vrrp_sync_group" if is_last => (" VG_1", "group {\nVI_1\n}\n", ""),
        "vrrp_sync_group" => (" VG_1", "group {\nVI_1\n}\n", ""),
        "vrrp_script" => (" A", "script /usr/bin/true\n", ""),
        "track_file" | "vrrp_track_file" => (" A", "file /etc/hostname\n", ""),
        "vrrp_track_process" => (" A", "process init\n", ""),
        "virtual_server" if is_last => (
            " 192.0.2.10 80",
            "lvs_sched rr\nlvs_method NAT\nprotocol TCP\n",
            "real_server 198.51.100.1 80 {\n}\n",
        ),
        "virtual_server" => (" 192.0.2.10 80", "lvs_sched rr\nlvs_method NAT\nprotocol TCP\n", ""),
        "real_server" => (" 198.51.100.1 80", "", ""),
        "HTTP_GET" | "SSL_GET" if is_last => ("", "url {\npath /\nstatus_code 200\n}\n", ""),
        "url" => ("", "path /\nstatus_code 200\n", ""),
        "MISC_CHECK" => ("", "misc_path /usr/bin/true\n", ""),
        "DNS_CHECK" => ("", "name example.com\n", ""),
        "FILE_CHECK" => ("", "track_file A\n", ""),
        "virtual_server_group" => (" G", "", ""),
        "track_group" => (" T", "group {\nVI_1\n}\n", ""),
        "bfd_instance" => (" B", "neighbor_ip 192.0.2.2\nsource_ip 192.0.2.11\n", ""),
        "garp_group" => ("", "interface eth0\n", ""),
        _ => ("", "", ""),
    }
}

/// Values of a numeric keyword that are at its edges, or none at all.
const NUMBERS: [&str; 6] = ["0", "-1", "1.5", "99999999999", "many", "1 2"];

fn values(row: &Keyword) -> Vec<String> {
    let good = explain::usage(row);
    let mut lines = vec![good.clone()];
    if row.args.starts_with('<') {
        lines.extend(NUMBERS.map(|number| format!("{} {number}", row.name)));
    } else if row.args == "(none)" {
        lines.push(format!("{} junk", row.name));
    } else {
        lines.push(format!("{good} junk"));
        lines.push(format!("{} \"\"", row.name));
    }
    lines
}

/// What is no line of its own, or would take the test elsewhere.
fn is_left_out(row: &Keyword) -> bool {
    let elsewhere = ["include", "includer", "includem", "includew", "includeb", "includea"];
    row.block == "block"
        || row.name.starts_with('<')
        || elsewhere.contains(&row.name)
        // Of another namespace, with other interfaces.
        || row.name.starts_with("net_namespace")
}

fn is_line_of_a_block(row: &Keyword) -> bool {
    // Blocks that are arguments in the table, such as the choices of lvs_sched.
    let parent = row.block.rsplit_once('/');
    match parent {
        None => true,
        Some((outer, name)) => {
            let block = table().block(outer).and_then(|id| table().get(id, name));
            block.is_some_and(|block| block.takes_block)
        }
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for row in explain::everything() {
        if is_left_out(row) {
            continue;
        }
        let (path, line) = explain::line(row);
        if line != explain::usage(row) {
            let without = line.rsplit_once(' ').map_or("", |(start, _)| start);
            let takes_value = row.args != "(none)" && !row.args.starts_with("(token");
            for line in [line.as_str(), without].into_iter().take(1 + usize::from(takes_value)) {
                cases.push(Case {
                    name: format!("{}/{}: {line:?}", row.block, row.name),
                    keyword: row.name.to_owned(),
                    text: around(path, &format!("{line}\n")),
                });
            }
            continue;
        }
        if !is_line_of_a_block(row) {
            continue;
        }
        let mut push = |what: &str, line: &str| {
            cases.push(Case {
                name: format!("{}/{}: {what}", row.block, row.name),
                keyword: row.name.to_owned(),
                text: around(row.block, &format!("{line}\n")),
            });
        };
        push("bare", row.name);
        if row.takes_block {
            push("empty block", &format!("{} {{\n}}", explain::usage(row)));
            continue;
        }
        for line in values(row) {
            let value = line[row.name.len().min(line.len())..].trim().to_owned();
            push(&format!("{value:?}"), &line);
        }
    }
    cases
}
