//! The document that SIGRTMIN+2 writes: keepalived's JSON dump, member by member.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{InstanceStatus, ServerStatus, Status, hindered};
use crate::config::plan::{NotifyScripts, Script, VirtualAddress};
use crate::vrrp::{PublicState, Tracked};
use crate::wire::Authentication;

/// Renders all instances at `now`, time since 1970; `version` 2 puts the array into an object, with
/// what keepalived has not, if there is any: BFD sessions, and checks that cannot be made.
pub fn json(status: &Status, version: u8, now: Duration) -> String {
    let array: Vec<Value> = status
        .instances
        .iter()
        .map(|each| json!({ "data": data(each, now), "stats": stats(each) }))
        .collect();
    let document = match version {
        2 => object(status, array),
        _ => Value::Array(array),
    };
    // keepalived writes each slash so, and some programs compare texts.
    document.to_string().replace('/', "\\/") + "\n"
}

fn object(status: &Status, instances: Vec<Value>) -> Value {
    let mut document = json!({ "vrrp": instances, "track_process": [] });
    if !status.bfd.sessions.is_empty() {
        document["bfd"] = json!(status.bfd.to_json());
    }
    let hindered: Vec<Value> = status.servers.iter().flat_map(hindered_checks).collect();
    if !hindered.is_empty() {
        document["hindered_checks"] = Value::Array(hindered);
    }
    document
}

fn hindered_checks(status: &ServerStatus) -> impl Iterator<Item = Value> {
    let name = status.server.identity().to_string();
    let servers = status.server.real_servers.iter().zip(&status.pool.servers);
    servers.flat_map(move |(real, state)| {
        let (name, address) = (name.clone(), real.destination.address.to_string());
        hindered(real, state).map(move |(check, reason)| {
            json!({
                "virtual_server": name,
                "real_server": address,
                "check": check,
                "up": state.alive,
                "reason": reason,
            })
        })
    })
}

fn stats(status: &InstanceStatus) -> Value {
    let value = |(name, value): (&str, u64)| {
        let value = if name == "unknown_vrid" { status.unknown_vrids } else { value };
        (name.to_owned(), json!(value))
    };
    Value::Object(status.counters.iter().map(value).collect())
}

fn data(status: &InstanceStatus, now: Duration) -> Value {
    let (plan, router, garp) = (&status.plan, &status.plan.router, &status.plan.router.garp);
    let (state, held) = (number_of(status.state), status.state == PublicState::Master);
    let interval = seconds(router.adver_interval.as_duration());
    let mut data = json!({
        "iname": plan.name,
        "dont_track_primary": 0,
        "skip_check_adv_addr": i32::from(plan.skip_check_adv_addr),
        "strict_mode": 0,
        "vmac_ifname": "",
        "ifp_ifname": plan.interface,
        "master_priority": 0,
        "last_transition": now.saturating_sub(status.in_state).as_secs_f64(),
        "garp_delay": seconds(garp.delay),
        "garp_refresh": seconds(garp.refresh),
        "garp_rep": garp.repeat,
        "garp_refresh_rep": garp.refresh_repeat,
        "garp_lower_prio_delay": seconds(garp.lower_prio_delay),
        "garp_lower_prio_rep": garp.lower_prio_repeat,
        "lower_prio_no_advert": i32::from(router.lower_prio_no_advert),
        "higher_prio_send_advert": i32::from(router.higher_prio_send_advert),
        "vrid": router.vrid.get(),
        "base_priority": router.priority,
        "effective_priority": status.priority,
        "vipset": held,
        "promote_secondaries": false,
        "adver_int": interval,
        "master_adver_int": interval,
        "accept": 1,
        "nopreempt": !router.preempt,
        "preempt_delay": seconds(router.preempt_delay),
        "state": state,
        "wantstate": state,
        "version": router.version.number(),
        "smtp_alert": false,
        "notify_deleted": plan.notify.deleted.is_some(),
    });
    if let Value::Object(members) = &mut data {
        scripts(members, &plan.notify);
        let address = |each: &VirtualAddress| address(each, &plan.interface, held);
        list(members, "vips", plan.addresses.iter().map(address));
        list(members, "evips", plan.excluded_addresses.iter().map(address));
        let tracked = |of: fn(&Tracked) -> Option<&str>| {
            plan.trackers.iter().filter_map(move |each| of(&each.what)).map(str::to_owned)
        };
        list(members, "track_ifp", tracked(interface));
        list(members, "track_script", tracked(script));
        if plan.authentication != Authentication::None {
            members.insert("auth_type".to_owned(), json!(plan.authentication.wire_type()));
            members.insert("auth_data".to_owned(), json!("********"));
        }
    }
    data
}

/// Whole seconds without a decimal point, as keepalived has them.
fn seconds(duration: Duration) -> Value {
    match duration.subsec_nanos() {
        0 => json!(duration.as_secs()),
        _ => json!(duration.as_secs_f64()),
    }
}

fn number_of(state: PublicState) -> u8 {
    match state {
        PublicState::Init => 0,
        PublicState::Backup => 1,
        PublicState::Master => 2,
        PublicState::Fault => 3,
        PublicState::Deleted => 97,
        PublicState::Stop => 98,
    }
}

fn interface(tracked: &Tracked) -> Option<&str> {
    match tracked {
        Tracked::Interface(name) => Some(name),
        _ => None,
    }
}

fn script(tracked: &Tracked) -> Option<&str> {
    match tracked {
        Tracked::Script(name) => Some(name),
        _ => None,
    }
}

fn scripts(members: &mut Map<String, Value>, notify: &NotifyScripts) {
    let words = |script: &Script| {
        let quoted: Vec<String> = script.argv.iter().map(|word| format!("'{word}'")).collect();
        json!(quoted.join(" "))
    };
    for (name, script) in [
        ("script_backup", &notify.backup),
        ("script_master", &notify.master),
        ("script_fault", &notify.fault),
        ("script_stop", &notify.stop),
        ("script_deleted", &notify.deleted),
        ("script", &notify.any),
    ] {
        let member = script.as_ref().map(|script| (name.to_owned(), words(script)));
        members.extend(member);
    }
}

fn list(members: &mut Map<String, Value>, name: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.collect();
    if !items.is_empty() {
        members.insert(name.to_owned(), json!(items));
    }
}

fn address(address: &VirtualAddress, interface: &str, held: bool) -> String {
    let device = address.interface.as_deref().unwrap_or(interface);
    let label = address.label.as_ref().map(|label| format!(" label {label}")).unwrap_or_default();
    let set = if held { " set" } else { "" };
    let ip = address.address;
    let is_host = ip.prefix_len() == ip.max_prefix_len();
    let shown = if is_host { ip.addr().to_string() } else { ip.to_string() };
    format!("{shown} dev {device}{label}{set}")
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::config;
    use crate::status::tests::with_hindrance;
    use crate::vrrp::Counters;

    /// The members of keepalived 2.2.7's dump of the same configuration, in its order; those of
    /// authentication extensions are ours.
    #[test]
    fn an_instance_has_the_members_of_keepaliveds_dump() {
        let text = "vrrp_script chk {\n script /usr/bin/true\n weight 3\n}\nvrrp_instance VI_1 {\n \
                    interface eth0\n virtual_router_id 51\n priority 100\n track_script {\n chk\n \
                    }\n track_interface {\n eth1 weight 5\n }\n virtual_ipaddress {\n \
                    192.0.2.10/24 dev eth0 label eth0:1\n 192.0.2.12\n }\n \
                    notify_master \"/usr/bin/true a\"\n authentication {\n auth_type PASS\n \
                    auth_pass 1234\n }\n}\n";
        let plan = config::parse_text("t", text).plan.vrrp_instances.remove(0);
        let status = InstanceStatus {
            receive_queue: None,
            plan,
            state: PublicState::Master,
            in_state: Duration::from_secs(40),
            priority: 108,
            source: None,
            active_router: None,
            faults: Vec::new(),
            tracked: Vec::new(),
            next_deadline: None,
            latest: Duration::ZERO,
            counters: Counters::default(),
            repairs: Default::default(),
            unknown_vrids: 0,
        };
        let status = Status { instances: vec![status], ..Status::default() };
        let text = json(&status, 1, Duration::from_millis(1_000_500));
        assert!(text.contains(r#""script_master":"'\/usr\/bin\/true' 'a'""#), "{text}");
        let document: Value = serde_json::from_str(&text).expect("is JSON");
        let data = document[0]["data"].as_object().expect("an object");
        for (member, expected) in [
            ("iname", json!("VI_1")),
            ("last_transition", json!(960.5)),
            ("effective_priority", json!(108)),
            ("base_priority", json!(100)),
            ("adver_int", json!(1)),
            ("state", json!(2)),
            ("vips", json!(["192.0.2.10/24 dev eth0 label eth0:1 set", "192.0.2.12 dev eth0 set"])),
            ("track_ifp", json!(["eth1"])),
            ("track_script", json!(["chk"])),
            ("auth_data", json!("********")),
        ] {
            assert_eq!(data[member], expected, "{member}");
        }
        for member in ["advert_rcvd", "packet_len_err", "pri_zero_sent", "auth_failure"] {
            assert_eq!(document[0]["stats"][member], json!(0), "{member}");
        }
        let second: Value =
            serde_json::from_str(&json(&Status::default(), 2, Duration::ZERO)).expect("is JSON");
        assert_eq!(second, json!({ "vrrp": [], "track_process": [] }));
    }

    /// keepalived's own dump has no checks: only version 2, which is ours to extend, tells of these.
    #[test]
    fn checks_that_cannot_be_made_are_in_version_2() {
        let status = Status { servers: vec![with_hindrance()], ..Status::default() };
        let document = |version| -> Value {
            serde_json::from_str(&json(&status, version, Duration::ZERO)).expect("is JSON")
        };
        assert_eq!(document(1), json!([]));
        let expected = json!([{
            "virtual_server": "[192.0.2.1]:tcp:80",
            "real_server": "192.0.2.11:80",
            "check": "TCP_CHECK",
            "up": true,
            "reason": "cannot bind to interface eth9: No such device (os error 19)",
        }]);
        assert_eq!(document(2)["hindered_checks"], expected);
    }
}
