use std::collections::BTreeSet;

use tokio::sync::oneshot;

use super::*;
use crate::check::Event;
use crate::config::parse_text;
use crate::config::plan::Scheduling;
use crate::driver::clock;
use crate::driver::director::table::fixtures::Watched;
use crate::driver::director::table::{Keeper, Wanted};
use crate::driver::director::writing::Writing;
use crate::ipvs::Family;

const MARK: ServiceKey = ServiceKey::Fwmark { family: Family::Inet, mark: 7 };

/// A virtual server over the group for each of these: its protocol and its real servers, as (last part of the
/// address, weight).
fn over_group(servers: &[(&str, &[(u8, u32)])]) -> Vec<Managed> {
    let real = |(n, weight): &(u8, u32)| {
        format!("real_server 192.0.2.{n} 80 {{\nweight {weight}\nTCP_CHECK {{\n}}\n}}\n")
    };
    let virtual_server = |(protocol, real_servers): &(&str, &[(u8, u32)])| {
        let real_servers: String = real_servers.iter().map(real).collect();
        format!(
            "virtual_server group g {{\nprotocol {protocol}\nlvs_method DR\nlvs_sched rr\n{real_servers}}}\n"
        )
    };
    let servers: String = servers.iter().map(virtual_server).collect();
    let group = "virtual_server_group g {\nfwmark 7\n198.51.100.1 80\n}\n";
    let plan = parse_text("t", format!("{group}{servers}")).plan;
    let mut managed: Vec<_> = plan.virtual_servers.iter().cloned().map(Managed::new).collect();
    for each in &mut managed {
        each.pool.handle(clock::now(), Event::Startup { seed: 1 }, &mut Vec::new());
    }
    managed
}

/// Last part of the address, and weight.
fn held(entry: &Entry) -> BTreeSet<(String, u32)> {
    let destinations = entry.destinations.iter();
    destinations.map(|each| (each.address.ip.to_string(), each.weight)).collect()
}

fn expected(all: &[(u8, u32)]) -> BTreeSet<(String, u32)> {
    all.iter().map(|(n, weight)| (format!("192.0.2.{n}"), *weight)).collect()
}

#[test]
fn a_service_in_common_has_the_servers_of_all_with_the_highest_weight() {
    let managed =
        over_group(&[("TCP", &[(11, 5), (12, 5)]), ("UDP", &[(11, 9), (12, 1), (13, 2)])]);
    let joint = Joint::of(&managed);
    assert_eq!(joint.keys().collect::<Vec<_>>(), [&MARK], "addresses differ by their protocol");
    assert_eq!(joint.users(&MARK), [0, 1]);
    let entry = joint.entry(&MARK, &managed).unwrap();
    assert_eq!(held(&entry), expected(&[(11, 9), (12, 5), (13, 2)]));
    for managed in &managed {
        assert!(managed.server.keys().all(|key| key == MARK || joint.entry(&key, &[]).is_none()));
    }
}

/// What is in the kernel's table of the mark.
fn of_mark(kernel: &Watched) -> BTreeSet<(String, u32)> {
    held(&kernel.plane.lock().unwrap().table().services[&MARK])
}

async fn adopt(writing: &mut Writing, managed: &[Managed]) {
    let ours = managed.iter().flat_map(|each| each.server.keys()).collect();
    let (reply, done) = oneshot::channel();
    writing.adopt(managed, Wanted { ours, ..Wanted::default() }, 0, reply);
    let answer = writing.answer().await.unwrap();
    writing.settle(answer);
    assert!(done.await.unwrap());
}

/// One that has not changed is asked again what it wants of a service that it had in common with another.
#[tokio::test]
async fn what_one_of_them_changes_leaves_what_the_others_want() {
    let kernel = Watched::default();
    let mut writing = Writing::new(Keeper::spawn(kernel.open(), &Scheduling::default()).unwrap());
    let mut managed = over_group(&[("TCP", &[(11, 5)]), ("UDP", &[(11, 9), (13, 2)])]);
    (0..2).for_each(|number| writing.mark(number));
    adopt(&mut writing, &managed).await;
    assert_eq!(of_mark(&kernel), expected(&[(11, 9), (13, 2)]));

    // The second stops wanting any: the first still has the one.
    managed[1] = over_group(&[("TCP", &[(11, 5)]), ("UDP", &[(13, 3)])]).remove(1);
    writing.mark_server(1, 0);
    assert!(!writing.write(&managed, 0));
    let answer = writing.answer().await.unwrap();
    writing.settle(answer);
    assert_eq!(of_mark(&kernel), expected(&[(11, 5), (13, 3)]));

    managed.truncate(1);
    adopt(&mut writing, &managed).await;
    assert_eq!(of_mark(&kernel), expected(&[(11, 5)]));
}
