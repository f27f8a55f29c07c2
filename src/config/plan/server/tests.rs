use std::fs;
use std::sync::Arc;

use super::*;
use crate::config::{Options, parse_text, reload};

/// The plan of `text`, loaded while `running` runs.
fn reloaded(name: &str, text: &str, running: &Arc<Plan>) -> Plan {
    let path = std::env::temp_dir().join(format!("mainstay-{name}-{}", std::process::id()));
    fs::write(&path, text).unwrap();
    let loaded = reload(&path, &Options::default(), running.clone());
    fs::remove_file(&path).unwrap();
    assert_eq!(loaded.diagnostics.worst(), None, "{:?}", loaded.diagnostics);
    loaded.plan
}

/// Which of the virtual servers of `plan` are the very ones of `running`, in the order of `plan`.
fn kept(plan: &Plan, running: &Plan) -> Vec<bool> {
    let runs = |one: &Arc<VirtualServer>| {
        running.virtual_servers.iter().any(|other| Arc::ptr_eq(one, other))
    };
    plan.virtual_servers.iter().map(runs).collect()
}

fn services(weights: &[u32]) -> String {
    let service = |(n, weight): (usize, &u32)| {
        format!(
            "virtual_server 198.51.100.{n} 80 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
             real_server 192.0.2.{n} 80 {{\nweight {weight}\nTCP_CHECK {{\n}}\n}}\n}}\n"
        )
    };
    weights.iter().enumerate().map(service).collect()
}

#[test]
fn what_a_reload_leaves_as_it_was_is_what_runs_already() {
    let running = Arc::new(parse_text("t", services(&[1, 2, 3])).plan);
    let text = services(&[1, 7, 3, 4]);
    let plan = reloaded("kept", &text, &running);
    assert_eq!(kept(&plan, &running), [true, false, true, false]);
    assert_eq!(plan, parse_text("t", text).plan);
}

/// What a server is in the end may be said elsewhere than in its own block.
#[test]
fn what_the_rest_of_the_file_changes_does_not_stay() {
    let group = |address: &str| {
        format!(
            "virtual_server_group web {{\n{address} 80\n192.0.2.9 81\n}}\nvirtual_server group web {{\n\
             lvs_sched rr\nlvs_method NAT\nprotocol TCP\nreal_server 198.51.100.1 80 {{\n}}\n}}\n"
        )
    };
    let marked = |first: u32| {
        let settings = format!("nftables_ipvs\nnftables_ipvs_start_fwmark {first}");
        format!("global_defs {{\n{settings}\n}}\n{}", group("192.0.2.1"))
    };
    let encrypted = |certificate: &str| {
        format!(
            "{certificate}virtual_server 192.0.2.7 443 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
             real_server 198.51.100.1 443 {{\nSSL_GET {{\nurl {{\npath /\nstatus_code 200\n}}\n}}\n}}\n}}\n"
        )
    };
    let ssl = "SSL {\ncertificate /etc/hostname\n}\n";
    let all = [
        group("192.0.2.1"),
        group("192.0.2.2"),
        marked(7),
        marked(8),
        encrypted(""),
        encrypted(ssl),
    ];
    for (number, before) in all.iter().enumerate() {
        let running = Arc::new(parse_text("t", before.as_str()).plan);
        for (other, after) in all.iter().enumerate() {
            let fresh = parse_text("t", after.as_str()).plan;
            let plan = reloaded(&format!("{number}-{other}"), after, &running);
            assert_eq!(plan, fresh, "{before}\nto\n{after}");
            assert_eq!(kept(&plan, &running), [number == other], "{before}\nto\n{after}");
        }
        assert_eq!(*running, parse_text("t", before.as_str()).plan, "it runs on as it was");
    }
}
