//! The text that SIGUSR2 writes: keepalived's statistics file, line by line.

use std::fmt::{self, Write as _};

use super::InstanceStatus;

/// keepalived's lines below an instance's title: depth, words, and the counter if it has one.
const LINES: [(usize, &str, Option<&str>); 19] = [
    (1, "Advertisements", None),
    (2, "Received", Some("advert_rcvd")),
    (2, "Sent", Some("advert_sent")),
    (1, "Became master", Some("become_master")),
    (1, "Released master", Some("release_master")),
    (1, "Packet Errors", None),
    (2, "Length", Some("packet_len_err")),
    (2, "TTL", Some("ip_ttl_err")),
    (2, "Invalid Type", Some("invalid_type_rcvd")),
    (2, "Advertisement Interval", Some("advert_interval_err")),
    (2, "Address List", Some("addr_list_err")),
    (1, "Authentication Errors", None),
    (2, "Invalid Type", Some("invalid_authtype")),
    (2, "Type Mismatch", Some("authtype_mismatch")),
    (2, "Failure", Some("auth_failure")),
    (1, "Priority Zero", None),
    (2, "Received", Some("pri_zero_rcvd")),
    (2, "Sent", Some("pri_zero_sent")),
    // What keepalived throws away without counting it.
    (1, "Other Discards", None),
];

/// Renders the counters of all instances.
pub fn statistics(instances: &[InstanceStatus]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = instances.iter().try_for_each(|each| instance(&mut out, each));
    out
}

fn instance(out: &mut String, status: &InstanceStatus) -> fmt::Result {
    writeln!(out, "VRRP Instance: {}", status.plan.name)?;
    let counters: Vec<(&str, u64)> = status.counters.iter().collect();
    for (depth, words, counter) in LINES {
        let indent = "  ".repeat(depth);
        let value = counters.iter().find(|(name, _)| counter == Some(*name));
        match (counter, value) {
            (Some(_), value) => writeln!(out, "{indent}{words}: {}", value.map_or(0, |v| v.1))?,
            (None, _) => writeln!(out, "{indent}{words}:")?,
        }
    }
    let known = |name: &str| LINES.iter().any(|(_, _, counter)| *counter == Some(name));
    for (name, value) in counters.iter().filter(|(name, _)| !known(name)) {
        let value = if *name == "unknown_vrid" { status.unknown_vrids } else { *value };
        writeln!(out, "    {name}: {value}")?;
    }
    Ok(())
}
