use super::*;

fn find(name: &str) -> Option<(u32, Option<u32>)> {
    match name {
        "eth0" => Some((2, None)),
        "blue" => Some((7, Some(1001))),
        _ => None,
    }
}

fn route(destination: &str, via: Option<&str>, device: Option<&str>) -> Route {
    let hop = Hop {
        via: via.map(|via| via.parse().unwrap()),
        device: device.map(str::to_owned),
        ..Hop::new()
    };
    Route { hops: vec![hop], ..Route::new(destination.parse().unwrap(), "") }
}

fn installed(route: &Route<u32>, hops: &[(Option<&str>, u32)]) -> InstalledRoute {
    let hops = hops.iter().map(|(via, index)| (via.map(|via| via.parse().unwrap()), *index));
    InstalledRoute {
        key: route.key(),
        kind: UNICAST,
        protocol: PROTOCOL,
        preferred_source: None,
        hops: hops.collect(),
    }
}

#[test]
fn a_route_whose_interface_is_missing_cannot_be_told_to_the_kernel() {
    assert!(route("192.0.2.0/24", None, Some("eth9")).resolve(find).is_none());
    let there = route("192.0.2.0/24", None, Some("eth0")).resolve(find).unwrap();
    assert_eq!(there.hops[0].device, Some(2));
}

#[test]
fn a_vrf_stands_for_its_table_and_must_be_one() {
    let with =
        |vrf: &str| Route { vrf: Some(vrf.into()), ..route("192.0.2.0/24", None, Some("eth0")) };
    assert_eq!(with("blue").resolve(find).unwrap().table, 1001);
    assert!(with("eth0").resolve(find).is_none());
}

#[test]
fn what_a_route_leaves_open_the_kernel_may_have_filled_in() {
    let by_gateway = route("192.0.2.0/24", Some("198.51.100.1"), None).resolve(find).unwrap();
    assert!(by_gateway.is(&installed(&by_gateway, &[(Some("198.51.100.1"), 5)])));
    assert!(!by_gateway.is(&installed(&by_gateway, &[(Some("198.51.100.2"), 5)])));
    let v6 = route("2001:db8::/64", None, Some("eth0")).resolve(find).unwrap();
    assert_eq!(v6.key().metric, 1024);
}

#[test]
fn a_multipath_route_that_lost_a_hop_is_another_one() {
    let mut both = route("192.0.2.0/24", Some("198.51.100.1"), None);
    both.hops.push(Hop { via: Some("198.51.100.2".parse().unwrap()), ..Hop::new() });
    let both = both.resolve(find).unwrap();
    let hops = [(Some("198.51.100.2"), 5), (Some("198.51.100.1"), 5)];
    assert!(both.is(&installed(&both, &hops)), "IPv6 gives them in any order");
    assert!(!both.is(&installed(&both, &hops[..1])));
}

#[test]
fn the_same_said_in_other_words_is_the_same() {
    let rule = |text: &str| Rule::new(false, 5, RuleAction::Table(100), text);
    assert_eq!(rule("from all table 100"), rule("table 100  from any"));
}
