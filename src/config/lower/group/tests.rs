use super::*;
use crate::config::parse_text;

/// The services of one virtual server over a group with these lines, its forwarding method NAT; and what there
/// is to say.
fn services(lines: &str) -> (Vec<String>, Vec<&'static str>) {
    let text = format!(
        "virtual_server group g {{\n protocol TCP\n lb_algo rr\n lb_kind NAT\n persistence_timeout 9\n \
         real_server 198.51.100.1 80 {{\n }}\n}}\nvirtual_server_group g {{\n{lines}\n}}\n"
    );
    let loaded = parse_text("t", text);
    let codes = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    let servers = loaded.plan.virtual_servers.iter();
    (servers.flat_map(|server| server.keys()).map(|key| key.to_string()).collect(), codes)
}

#[test]
fn a_line_is_an_address_a_range_a_net_or_a_mark_wherever_the_group_stands() {
    let cases = [
        ("192.0.2.1 80", &["[192.0.2.1]:tcp:80"][..]),
        ("192.0.2.9-11 81", &["[192.0.2.9]:tcp:81", "[192.0.2.10]:tcp:81", "[192.0.2.11]:tcp:81"]),
        ("192.0.2.255-192.0.3.0", &["[192.0.2.255]:tcp:0", "[192.0.3.0]:tcp:0"]),
        ("192.0.2.2/31 80", &["[192.0.2.2]:tcp:80", "[192.0.2.3]:tcp:80"]),
        ("fwmark 7", &["FWM 7"]),
        ("fwmark 7 inet\n 192.0.2.1 80", &["FWM 7", "[192.0.2.1]:tcp:80"]),
    ];
    for (lines, expected) in cases {
        let (found, codes) = services(lines);
        assert_eq!(
            (found.as_slice(), codes.as_slice()),
            (&expected.iter().map(|s| s.to_string()).collect::<Vec<_>>()[..], &[][..]),
            "{lines}"
        );
    }
}

/// keepalived steps only the last 16 bits of an IPv6 range.
#[test]
fn ranges_of_ipv6_carry_over() {
    let (first, last) = range("2001:db8::fffe-2001:db8::1:1").unwrap();
    assert_eq!(number(last) - number(first), 3);
    assert_eq!(range("2001:db8::1-a").unwrap().1.to_string(), "2001:db8::a");
}

#[test]
fn lines_that_are_no_good_are_reported_and_the_others_serve() {
    for line in ["192.0.2.5-3 80", "192.0.2.0-2001:db8::1", "nonsense", "0.0.0.0/0", "192.0.2.3-x"]
    {
        let (found, codes) = services(&format!("{line}\n192.0.2.1 80"));
        assert_eq!(found, ["[192.0.2.1]:tcp:80"], "{line}");
        assert_eq!(codes, ["bad-address"], "{line}");
    }
    assert_eq!(services("fwmark 1 inet4\n192.0.2.1 80").1, ["bad-value"]);
}

#[test]
fn a_group_without_members_of_the_servers_family_serves_nothing() {
    assert_eq!(services("2001:db8::1 80").1, ["address-family-mismatch", "empty-group"]);
    assert_eq!(services("").1, ["empty-group"]);
}

#[test]
fn what_is_served_twice_is_served_once() {
    let (found, codes) = services("192.0.2.1-2 80\n192.0.2.2-3 80");
    assert_eq!(found, ["[192.0.2.1]:tcp:80", "[192.0.2.2]:tcp:80", "[192.0.2.3]:tcp:80"]);
    assert_eq!(codes, [""; 0]);
}

#[test]
fn virtual_servers_of_a_group_are_numbered_and_may_have_services_in_common() {
    let server = |protocol: &str| {
        format!(
            "virtual_server group g {{\n protocol {protocol}\n lb_algo rr\n lb_kind NAT\n \
             real_server 198.51.100.1 80 {{\n }}\n}}\n"
        )
    };
    let group = "virtual_server_group g {\n 192.0.2.1 80\n}\n";
    let read = |first: &str, second: &str| {
        let loaded = parse_text("t", format!("{group}{}{}", server(first), server(second)));
        let names = loaded.plan.virtual_servers.iter().map(|s| s.identity().to_string());
        (names.collect::<Vec<_>>(), loaded.diagnostics.iter().map(|f| f.code).collect::<Vec<_>>())
    };
    assert_eq!(read("TCP", "UDP"), (vec!["[g]:0".to_owned(), "[g]:1".to_owned()], vec![]));
    assert_eq!(read("TCP", "TCP"), (vec!["[g]:0".to_owned(), "[g]:1".to_owned()], vec![]));
    let twice = "virtual_server_group g {\n 192.0.2.1-2 80\n 192.0.2.2-3 80\n}\n";
    let both = parse_text("t", format!("{twice}{}{}", server("TCP"), server("TCP")));
    let keys = |server: &VirtualServer| server.keys().count();
    let counts: Vec<_> = both.plan.virtual_servers.iter().map(|server| keys(server)).collect();
    assert_eq!(counts, [3, 3]);
    let other = "TCP\n persistence_timeout 60";
    assert_eq!(read("TCP", other).1, ["shared-service"]);
    let plain = server("TCP").replace("group g", "192.0.2.1 80");
    let loaded = parse_text("t", format!("{group}{}{plain}", server("TCP")));
    assert_eq!(loaded.plan.virtual_servers.len(), 1);
    assert_eq!(loaded.diagnostics.iter().map(|f| f.code).collect::<Vec<_>>(), ["duplicate"]);
    let unknown = parse_text("t", server("TCP"));
    let codes: Vec<_> = unknown.diagnostics.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["unknown-group"]);
}

/// Where checks of a real server go that is written as `real`, by `method`, over a group with these lines; and what
/// there is to say.
fn checked(lines: &str, method: &str, real: &str, check: &str) -> (String, Vec<&'static str>) {
    let text = format!(
        "virtual_server group g {{\n protocol TCP\n lb_algo rr\n lb_kind {method}\n persistence_timeout 9\n \
         real_server {real} {{\n TCP_CHECK {{\n{check}\n}}\n }}\n}}\n\
         virtual_server_group g {{\n{lines}\n}}\n"
    );
    let loaded = parse_text("t", text);
    let codes = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    let target = &loaded.plan.virtual_servers[0].real_servers[0].checkers[0].probe;
    (target.connect().unwrap().target.to_string(), codes)
}

/// keepalived checks the port as written, and fails where none is.
#[test]
fn checks_go_where_packets_for_the_group_arrive() {
    let two = "192.0.2.1 80\n192.0.2.2 443";
    for (lines, method, real, check, target, codes) in [
        ("192.0.2.1-2 80\nfwmark 7", "DR", "198.51.100.1", "", "198.51.100.1:80", &[][..]),
        ("192.0.2.1 80", "NAT", "198.51.100.1", "", "198.51.100.1:80", &[]),
        ("192.0.2.1 80", "NAT", "198.51.100.1 8080", "", "198.51.100.1:8080", &[]),
        ("192.0.2.1 80", "DR", "198.51.100.1 80", "", "198.51.100.1:80", &[]),
        ("192.0.2.1 80", "DR", "198.51.100.1 8080", "", "198.51.100.1:80", &["port-forced"]),
        ("192.0.2.1 80", "DR", "198.51.100.1", "connect_port 9", "198.51.100.1:9", &[]),
        (two, "TUN", "198.51.100.1 443", "", "198.51.100.1:443", &[]),
        ("fwmark 7", "DR", "198.51.100.1 443", "", "198.51.100.1:443", &[]),
        (two, "DR", "198.51.100.1", "", "198.51.100.1:0", &["checker-without-port"]),
        ("fwmark 7", "NAT", "198.51.100.1", "", "198.51.100.1:0", &["checker-without-port"]),
        (two, "DR", "198.51.100.1", "connect_port 80", "198.51.100.1:80", &[]),
    ] {
        let found = checked(lines, method, real, check);
        assert_eq!(
            found,
            (target.to_owned(), codes.to_vec()),
            "{lines}, {method}, {real}, {check}"
        );
    }
}
