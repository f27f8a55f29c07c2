use super::*;
use crate::config;

const A: &str = "192.0.2.21";

fn plan(servers: &str) -> Arc<Plan> {
    let text = format!(
        "virtual_server 192.0.2.10 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n{servers}}}\n"
    );
    let loaded = config::parse_text("t", text);
    assert_eq!(loaded.plan.virtual_servers.len(), 1, "{:?}", loaded.diagnostics);
    Arc::new(loaded.plan)
}

fn known(names: &[(&str, &[&str])]) -> Addresses {
    let parse = |ips: &[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
    names.iter().map(|(name, ips)| (((*name).into(), Family::Inet), parse(ips))).collect()
}

/// Address and port of each server with where its first check goes.
fn servers(plan: &Plan) -> Vec<String> {
    let shown = |server: &RealServer| {
        let connect = server.checkers.first().and_then(|checker| checker.probe.connect());
        let checked = connect.map(|connect| format!(" {}", connect.target)).unwrap_or_default();
        format!("{}{checked}", server.destination.address)
    };
    plan.virtual_servers[0].real_servers.iter().map(shown).collect()
}

#[test]
fn each_address_of_a_name_is_a_server_with_its_settings_in_its_place() {
    let plan = plan(
        " real_server 192.0.2.31 80 {\n }\n real_server web.example.net 8080 {\n weight 7\n \
         TCP_CHECK {\n }\n }\n real_server 192.0.2.32 80 {\n }\n",
    );
    let expanded = plan.with_addresses(&known(&[("web.example.net", &[A, "192.0.2.22"])]));
    assert_eq!(
        servers(&expanded),
        [
            "192.0.2.31:80",
            "192.0.2.21:8080 192.0.2.21:8080",
            "192.0.2.22:8080 192.0.2.22:8080",
            "192.0.2.32:80"
        ]
    );
    let named = &expanded.virtual_servers[0].real_servers[1..3];
    assert!(named.iter().all(|server| server.destination.weight == 7));
    assert!(named.iter().all(|s| s.host().is_some_and(|h| &*h.name == "web.example.net")));
}

#[test]
fn a_check_that_goes_elsewhere_still_does() {
    let plan = plan(
        " real_server web.example.net 80 {\n TCP_CHECK {\n connect_ip 192.0.2.99\n connect_port \
         81\n }\n }\n",
    );
    let expanded = plan.with_addresses(&known(&[("web.example.net", &[A])]));
    assert_eq!(servers(&expanded), ["192.0.2.21:80 192.0.2.99:81"]);
}

#[test]
fn a_name_without_addresses_is_no_server_and_one_of_the_other_family_counts_for_nothing() {
    let plan = plan(" real_server web.example.net 80 {\n }\n");
    assert!(servers(&plan.with_addresses(&known(&[]))).is_empty());
    assert!(servers(&plan.with_addresses(&known(&[("web.example.net", &[])]))).is_empty());
    let other = HashMap::from([(
        ("web.example.net".into(), Family::Inet6),
        vec!["2001:db8::1".parse().unwrap()],
    )]);
    assert!(servers(&plan.with_addresses(&other)).is_empty());
}

#[test]
fn of_an_address_that_is_there_twice_the_one_given_by_address_counts_then_the_first_name() {
    let plan = plan(
        " real_server a.example.net 80 {\n weight 1\n }\n real_server b.example.net 80 {\n weight \
         2\n }\n real_server b.example.net 81 {\n weight 3\n }\n real_server 192.0.2.21 80 {\n \
         weight 4\n }\n",
    );
    let both: &[&str] = &[A, "192.0.2.22"];
    let expanded = plan.with_addresses(&known(&[("a.example.net", both), ("b.example.net", both)]));
    let of =
        |server: &RealServer| (server.destination.address.to_string(), server.destination.weight);
    let all: Vec<_> = expanded.virtual_servers[0].real_servers.iter().map(of).collect();
    let text = |ip: &str, weight| (ip.to_owned(), weight);
    assert_eq!(
        all,
        [
            text("192.0.2.22:80", 1),
            text("192.0.2.21:81", 3),
            text("192.0.2.22:81", 3),
            text("192.0.2.21:80", 4)
        ]
    );
}

#[test]
fn a_name_of_too_many_addresses_is_so_many_servers_and_no_more() {
    let plan = plan(" real_server web.example.net 80 {\n }\n");
    let many = (0..200).map(|n| IpAddr::from([198, 51, 100, n])).collect();
    let known = HashMap::from([(("web.example.net".into(), Family::Inet), many)]);
    let expanded = servers(&plan.with_addresses(&known));
    assert_eq!(expanded.len(), MOST_ADDRESSES);
    assert_eq!(expanded.last().map(String::as_str), Some("198.51.100.63:80"));
}

#[test]
fn a_plan_without_names_stays_the_very_same() {
    let plan = plan(" real_server 192.0.2.21 80 {\n }\n");
    assert!(Arc::ptr_eq(&plan, &plan.with_addresses(&known(&[]))));
}
