//! What the keyword table knows of a word, for people and as JSON: `mainstay explain`.

use std::fmt::Write as _;

use serde::Serialize;

use super::keywords::{Keyword, Support, table};

/// One row of the table, for scripts.
#[derive(Debug, Serialize)]
pub struct JsonKeyword {
    /// Path of the block, such as `virtual_server/real_server`; `top` for the file itself.
    pub block: &'static str,
    pub keyword: &'static str,
    pub arguments: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<&'static str>,
    /// `supported`, `no-effect`, `not-yet` or `refused`.
    pub status: &'static str,
    /// Why it has that status, where that is worth saying.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'static str,
    pub meaning: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<&'static str>,
    /// keepalived does not know it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}

/// What there is to say of one word.
#[derive(Debug)]
pub enum Answer {
    /// The rows it names: in each block where it is a keyword, or all of a block.
    Rows(Vec<&'static Keyword>),
    /// It names nothing; what it was perhaps meant to be, likeliest first.
    Unknown(Vec<&'static str>),
}

/// Looks up `words`: a keyword, or a path such as `real_server weight` or `virtual_server/weight`.
pub fn look_up(words: &[String]) -> Answer {
    let path: Vec<&str> = words.iter().flat_map(|word| word.split('/')).collect();
    let Some((name, blocks)) = path.split_last() else { return Answer::Unknown(Vec::new()) };
    let is_in = |row: &&Keyword| {
        let mut above = row.block.split('/').rev();
        row.block != "syntax" && blocks.iter().rev().all(|block| above.any(|name| name == *block))
    };
    let rows: Vec<_> =
        table().rows().iter().filter(|row| row.name == *name).filter(is_in).collect();
    if rows.is_empty() { Answer::Unknown(alike(name)) } else { Answer::Rows(rows) }
}

/// Up to three keywords that `word` is perhaps a misspelling of.
fn alike(word: &str) -> Vec<&'static str> {
    let word = word.to_lowercase();
    let most = 1 + word.len() / 4;
    let rows = table().rows().iter().filter(|row| row.block != "syntax");
    let mut found: Vec<_> = rows
        .map(|row| (strsim::damerau_levenshtein(&word, &row.name.to_lowercase()), row.name))
        .filter(|(distance, name)| *distance <= most && !name.starts_with('<'))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(_, name)| name).take(3).collect()
}

/// All rows but those about the language itself, in the order of the table.
pub fn everything() -> Vec<&'static Keyword> {
    table().rows().iter().filter(|row| row.block != "syntax").collect()
}

/// The keywords of the block that `row` opens.
pub fn inside(row: &Keyword) -> Vec<&'static Keyword> {
    let path = match row.block {
        "top" => row.name.to_owned(),
        block => format!("{block}/{}", row.name),
    };
    table().rows().iter().filter(|inner| inner.block == path).collect()
}

impl From<&Keyword> for JsonKeyword {
    fn from(row: &Keyword) -> Self {
        let (status, reason) = status(row.support);
        Self {
            block: row.block,
            keyword: row.name,
            arguments: row.args,
            default: default(row),
            status,
            reason,
            meaning: row.meaning,
            alias_of: row.alias_of,
            own: row.is_own(),
        }
    }
}

fn status(support: Support) -> (&'static str, &'static str) {
    match support {
        Support::Supported => ("supported", ""),
        Support::NoEffect(why) => ("no-effect", why),
        Support::NotYet(why) => ("not-yet", why),
        Support::Refused(why) => ("refused", why),
    }
}

fn default(row: &Keyword) -> Option<&'static str> {
    (!matches!(row.default, "" | "-" | "- (mandatory)")).then_some(row.default)
}

/// Everything about one keyword, as a paragraph.
pub fn text(row: &Keyword) -> String {
    let mut out = String::new();
    let place = match row.block {
        "top" => "in the file itself".to_owned(),
        block => format!("in {}", block.replace('/', " ")),
    };
    // Writing to a String does not fail.
    let _ = writeln!(out, "{} {}\n    {place}\n", row.name, shown_arguments(row));
    let _ = match row.alias_of {
        Some(other) => writeln!(out, "    Another name for {other}"),
        None => writeln!(out, "    {}", row.meaning),
    };
    if row.is_own() {
        out.push_str("    Mainstay's own: keepalived does not know it\n");
    }
    if let Some(range) = range(row) {
        let _ = writeln!(out, "    Range: {range}");
    }
    if row.default == "- (mandatory)" {
        out.push_str("    Mandatory\n");
    }
    if row.default != "- (mandatory)" {
        let _ = writeln!(out, "    Default: {}", default(row).unwrap_or("none"));
    }
    let (status, why) = status(row.support);
    let words = match status {
        "supported" => "supported",
        "no-effect" => "accepted, has no effect",
        "not-yet" => "not supported yet: left out with a warning",
        _ => "not supported yet: what it belongs to does not run",
    };
    let reason = if why.is_empty() { String::new() } else { format!(" ({why})") };
    let _ = writeln!(out, "    Status: {words}{reason}");
    let _ = writeln!(out, "\n    Example:\n{}", example(row));
    out
}

/// Where a line with the keyword stands, as the path of the block, and such a line.
pub fn line(row: &Keyword) -> (&'static str, String) {
    match list_around(row) {
        Some(list) => (list, line_with(row, list)),
        None => (row.block, usage(row)),
    }
}

/// The list whose lines the keyword is a word of, rather than a line of its own: its path.
fn list_around(row: &Keyword) -> Option<&'static str> {
    let is_list = |path: &&str| {
        let (outer, name) = path.rsplit_once('/').unwrap_or(("top", path));
        let block = table().block(outer).and_then(|id| table().get(id, name));
        block.is_some_and(|block| block.args.contains("{list-block}"))
    };
    // A line may have parts with words of their own, such as `encap` of a route.
    let paths = std::iter::successors(Some(row.block), |path| Some(path.rsplit_once('/')?.0));
    paths.into_iter().find(is_list)
}

fn shown_arguments(row: &Keyword) -> String {
    match row.args {
        "(none)" => String::new(),
        args => args.replace("{block}", "{ … }").replace("{list-block}", "{ … }"),
    }
}

/// `1 to 255`, from the start of the grammar.
fn range(row: &Keyword) -> Option<String> {
    let inside = row.args.trim_start_matches('[').strip_prefix('<')?.split('>').next()?;
    let (_, bounds) = inside.split_once(' ')?;
    let (least, greatest) = bounds.split_once("..")?;
    let unit = row.args.split("> ").nth(1).and_then(|rest| rest.split([' ', ']']).next());
    let unit = unit.filter(|unit| matches!(*unit, "seconds" | "usec" | "bytes")).unwrap_or("");
    let end = if greatest.is_empty() { " or more".to_owned() } else { format!(" to {greatest}") };
    Some(format!("{least}{end} {unit}").trim_end().to_owned())
}

/// The keyword with a value that fits, such as `priority 150`.
pub fn usage(row: &Keyword) -> String {
    let name = if row.name.starts_with('<') { "" } else { row.name };
    format!("{name} {}", sample(row.name, row.args)).trim().to_owned()
}

/// A line of the list at `path` with the option `row` in it.
fn line_with(row: &Keyword, path: &str) -> String {
    let list = path.rsplit('/').next().unwrap_or(path);
    let rule = list.ends_with("rules");
    let is_action = ["goto", "nop", "blackhole", "unreachable", "prohibit", "l3mdev"];
    let entry = match list {
        _ if row.block.ends_with("/nexthop") => "198.51.100.0/24",
        _ if row.name == "autojoin" => "239.0.0.1/32",
        _ if row.name == "from" && list.ends_with("routes") => "2001:db8:1::/48 dev eth0",
        "virtual_ipaddress" | "virtual_ipaddress_excluded" | "static_ipaddress" => "192.0.2.10/24",
        _ if rule && (is_action.contains(&row.name) || row.name == "from") => "preference 100",
        _ if rule && matches!(row.name, "table" | "lookup") => "from 192.0.2.0/24",
        _ if rule => "from 192.0.2.0/24 table 100",
        "unicast_peer" => "192.0.2.2",
        "virtual_server_group" => "192.0.2.10 80",
        "track_interface" | "interface_up_down_delays" | "linkbeat_interfaces" => "eth1",
        "track_script" | "track_process" | "track_file" | "track_bfd" => "check_haproxy",
        "notification_email" => "admin@example.com",
        "group" => "VI_1",
        _ => "198.51.100.0/24 dev eth0",
    };
    let parts = match (row.block.ends_with("/encap"), row.name) {
        (true, "ip" | "ip6" | "mpls" | "ila") => " encap".to_owned(),
        (true, "id" | "dst") => " encap ip".to_owned(),
        (true, "tc" | "hoplimit") => " encap ip6 id 1".to_owned(),
        (true, _) => " encap ip id 1".to_owned(),
        (false, "via" | "dev") => row.block[path.len()..].replace('/', " "),
        (false, _) if row.block.ends_with("/nexthop") => " nexthop dev eth0".to_owned(),
        (false, _) => row.block[path.len()..].replace('/', " "),
    };
    let value = match row.name {
        name if name.starts_with('<') => return entry.to_owned(),
        "table" | "lookup" => "100".to_owned(),
        "from" if list.ends_with("routes") => "2001:db8:2::/48".to_owned(),
        "from" | "to" => "198.51.100.0/24".to_owned(),
        "label" => "eth0:1".to_owned(),
        "goto" => "200".to_owned(),
        "as" => "to 192.0.2.10".to_owned(),
        "or" => return format!("{entry} via 192.0.2.1 or 192.0.2.2"),
        "lock" => return format!("{entry} mtu lock 1400"),
        "encap" | "ip" | "ip6" if row.block.contains("routes") => {
            let kind = if row.name == "encap" { "ip " } else { "" };
            format!("{kind}id 1")
        }
        "mpls" => "100".to_owned(),
        "ila" => "1:2:3:4".to_owned(),
        name => sample(name, row.args),
    };
    // Where the destination is the option itself, it comes first.
    match row.name {
        "default" | "any" | "all" | "default6" => return format!("{} dev eth0", row.name),
        "inet6" if rule => return "inet6 from 2001:db8:1::/48 table 100".to_owned(),
        "inet6" => return "inet6 to 2001:db8:1::/48 dev eth0".to_owned(),
        "inet" if !rule => return format!("inet to {entry}"),
        "inet" | "not" => return format!("{} {entry}", row.name),
        _ => {}
    }
    format!("{entry}{parts} {} {value}", row.name).trim().to_owned()
}

/// The keyword as it may stand in a file, inside the blocks that it needs around it.
pub fn example(row: &Keyword) -> String {
    let (path, line) = line(row);
    let blocks: Vec<&str> = match path {
        "top" => Vec::new(),
        path => path.split('/').collect(),
    };
    let mut out = String::new();
    let indent = |depth: usize| "    ".repeat(depth + 2);
    for (depth, block) in blocks.iter().enumerate() {
        let path = blocks[..depth].join("/");
        let outer = if depth == 0 { "top" } else { path.as_str() };
        let args =
            table().block(outer).and_then(|id| table().get(id, block)).map_or("", |r| r.args);
        // Only there do they mean anything.
        let value = match row.name {
            "resolve_family" | "resolve_interval" => "web1.example.net 80".to_owned(),
            _ => sample(block, args),
        };
        let _ = writeln!(out, "{}{} {{", indent(depth), format!("{block} {value}").trim_end());
    }
    let braces = if row.takes_block { " {\n" } else { "\n" };
    let _ = write!(out, "{}{line}{braces}", indent(blocks.len()));
    if row.takes_block {
        let _ = writeln!(out, "{}}}", indent(blocks.len()));
    }
    for depth in (0..blocks.len()).rev() {
        let _ = writeln!(out, "{}}}", indent(depth));
    }
    out
}

/// Values that fit, for each kind of argument in the table's grammar.
fn sample(name: &str, args: &str) -> String {
    let known = match name {
        "vrrp_instance" | "vrrp_sync_group" => "VI_1",
        "virtual_server" => "192.0.2.10 80",
        "real_server" => "198.51.100.1 80",
        "interface" | "bind_if" => "eth0",
        "state" => "BACKUP",
        "virtual_router_id" => "51",
        "priority" => "150",
        "auth_pass" => "12345678",
        "auth_type" => "PASS",
        "lvs_sched" | "lb_algo" => "wlc",
        "lvs_method" | "lb_kind" => "DR",
        "protocol" => "TCP",
        "digest" => "5f2b4547f41470dc3e293e7267461575",
        "status_code" => "200",
        "path" => "/health",
        "method" => "HEAD",
        "header" => "Accept text/html",
        "basic_auth" => "probe \"pass word\"",
        "body" => "\"ping\"",
        "expect_header" => "Content-Type ^text/html",
        "tls_name" => "www.example",
        "misc_path" => "\"/usr/local/bin/check -H 198.51.100.1\"",
        "script" => "\"/usr/bin/pgrep -x haproxy\"",
        "router_id" => "lb1",
        "umask" => "022",
        "smtp_connect_timeout" => "30",
        "include" => "/etc/keepalived/conf.d/*.conf",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let first = args.trim_start_matches('[');
    match first {
        "" | "(none)" => String::new(),
        _ if first.starts_with('(') || first.starts_with('{') => String::new(),
        _ if first.starts_with("on|off") => String::new(),
        _ if first.starts_with('<') => number(first),
        _ if first.starts_with("IPV4") || first.starts_with("IP") => "192.0.2.10".to_owned(),
        _ if first.starts_with("inet") => "192.0.2.10".to_owned(),
        _ if first.starts_with("IFNAME") => "eth0".to_owned(),
        _ if first.starts_with("SCRIPT") => "/etc/keepalived/notify.sh".to_owned(),
        _ if first.starts_with("PATH") || first.starts_with("DIR") => {
            "/etc/keepalived/file".to_owned()
        }
        _ if first.starts_with("USER") => "keepalived_script".to_owned(),
        _ => first.split(['|', ' ', ']']).next().unwrap_or_default().to_owned(),
    }
}

/// The least value that is none of the odd ones: 1 where that is in the range.
fn number(args: &str) -> String {
    let inside = args[1..].split('>').next().unwrap_or_default();
    let (kind, bounds) = inside.split_once(' ').unwrap_or((inside, ""));
    let least = bounds.split("..").next().unwrap_or_default();
    match (kind, least.parse::<i64>()) {
        ("timer" | "decimal", _) => "1.5".to_owned(),
        (_, Ok(least)) if least > 1 => least.to_string(),
        _ => "1".to_owned(),
    }
}

#[cfg(test)]
mod tests;
