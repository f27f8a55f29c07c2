use super::*;
use crate::config::lint::{LINTS, Lint};
use crate::config::{Options, parse_linted};
use crate::driver::ScriptVerdict;

const PAIR: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\n\
                    virtual_ipaddress {\n192.0.2.10/24\n}\n}\n";

/// A host on which nothing is wrong.
fn host() -> Host {
    Host {
        interfaces: ["lo", "eth0"].map(str::to_owned).into(),
        addresses: vec![("eth0".to_owned(), "192.0.2.1/24".parse().expect("an address"))],
        sysctls: std::path::PathBuf::from("/none"),
        modules: ["ip_vs", "ip_vs_rr"].map(str::to_owned).into(),
        managers: Vec::new(),
        scripts: ScriptVerdict::default(),
    }
}

/// `LINE code` of each finding.
fn found(text: &str, host: &Host) -> Vec<String> {
    let linted = parse_linted("t", text, &Options::default(), &[]);
    let sources = &linted.loaded.diagnostics.sources;
    let line = |at: Option<Span>| at.map_or(0, |at| sources.position(at).line);
    let found = findings(&linted, host, &[]);
    found.iter().map(|finding| format!("{} {}", line(finding.span), finding.code)).collect()
}

/// A folder of sysctls, removed when it goes.
struct Sysctls(std::path::PathBuf);

impl Sysctls {
    fn new(name: &str, values: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("mainstay-{name}-{}", std::process::id()));
        for (path, value) in values {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            std::fs::write(path, format!("{value}\n")).expect("a file");
        }
        Self(folder)
    }
}

impl Drop for Sysctls {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_host_that_fits_gives_nothing() {
    assert_eq!(found(PAIR, &host()), [""; 0]);
}

#[test]
fn interfaces_and_subnets_are_looked_up() {
    assert_eq!(found(&PAIR.replace("eth0", "eth9"), &host()), ["2 interface-missing"]);
    let dynamic = format!("global_defs {{\ndynamic_interfaces\n}}\n{PAIR}").replace("eth0", "eth9");
    assert_eq!(found(&dynamic, &host()), [""; 0]);
    assert_eq!(
        found(&PAIR.replace("192.0.2.10", "198.51.100.1"), &host()),
        ["5 address-outside-subnets"]
    );
}

#[test]
fn a_peer_that_is_this_host_is_pointed_out() {
    let peers = |lines: &str| PAIR.replace("interface eth0", lines);
    let good = "interface eth0\nunicast_src_ip 192.0.2.1\nunicast_peer {\n192.0.2.2\n}";
    assert_eq!(found(&peers(good), &host()), [""; 0]);
    let mut two = host();
    two.addresses.push(("lo".to_owned(), "198.51.100.7/32".parse().expect("an address")));
    let own = good.replace("192.0.2.2", "192.0.2.2\n198.51.100.7");
    assert_eq!(found(&peers(&own), &two), ["6 unicast-peer-is-this-host"]);
    // Without an interface and without a source, too.
    let bare = "unicast_peer {\n192.0.2.1\n192.0.2.2\n}";
    assert_eq!(found(&peers(bare), &two), ["3 unicast-peer-is-this-host"]);
    let itself = good.replace("192.0.2.2", "192.0.2.1");
    assert_eq!(found(&peers(&itself), &two), [""; 0], "that shows without a look at the host");
}

#[test]
fn sysctls_that_break_vrrp_or_lvs_are_named() {
    let sysctls = Sysctls::new(
        "sysctls",
        &[
            ("net/ipv4/ip_forward", "0"),
            ("net/ipv4/ip_nonlocal_bind", "0"),
            ("net/ipv4/conf/all/rp_filter", "1"),
            ("net/ipv4/conf/eth0/arp_ignore", "8"),
        ],
    );
    let host = Host { sysctls: sysctls.0.clone(), ..host() };
    assert_eq!(found(PAIR, &host), ["2 arp-not-answered", "1 ip-nonlocal-bind-off"]);
    let service = "virtual_server 192.0.2.10 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
                   real_server 192.0.2.20 80 {\n}\n}\n";
    assert_eq!(found(service, &host), ["1 ip-forward-off"]);
    let mut both = host;
    both.interfaces.insert("eth1".to_owned());
    let two = format!(
        "{PAIR}{}",
        PAIR.replace("eth0", "eth1").replace(" A ", " B ").replace(".10/", ".11/")
    );
    assert!(found(&two, &both).contains(&"1 reverse-path-filter".to_owned()));
}

#[test]
fn a_kernel_without_ipvs_or_the_scheduler_is_said() {
    let service = "virtual_server 192.0.2.10 80 {\nlvs_sched wrr\nlvs_method DR\nprotocol TCP\n\
                   real_server 192.0.2.20 80 {\n}\n}\n";
    assert_eq!(found(service, &host()), ["2 kernel-lacks-ipvs"]);
    let none = Host { modules: BTreeSet::new(), ..host() };
    assert_eq!(found(service, &none), ["1 kernel-lacks-ipvs"]);
}

fn against(finding: &str, security_off: bool) -> ScriptVerdict {
    ScriptVerdict { findings: vec![finding.to_owned()], security_off, ..ScriptVerdict::default() }
}

#[test]
fn scripts_are_shown_where_they_are_named() {
    let text = PAIR.replace("interface", "notify /etc/n.sh\ninterface");
    let gone = "script /etc/n.sh is not found: there is no /etc/n.sh";
    let missing = Host { scripts: against(gone, false), ..host() };
    assert_eq!(found(&text, &missing), ["2 script-cannot-run"]);
    let writable =
        "script /etc/n.sh would run as root, but /etc is writable by everyone (mode 0777)";
    let unsafe_path = Host { scripts: against(writable, true), ..host() };
    assert_eq!(found(&text, &unsafe_path), ["2 script-unsafe", "0 script-security-off"]);
}

#[test]
fn managers_of_addresses_are_named() {
    let managed = Host { managers: vec!["NetworkManager"], ..host() };
    assert_eq!(found(PAIR, &managed), ["1 addresses-may-be-removed"]);
}

/// What `secrets-readable` says of a file with `text` and the mode `mode`: its line, if it does.
fn readable(name: &str, text: &str, mode: u32) -> Option<u32> {
    let folder = Sysctls::new(name, &[]);
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let file = folder.0.join("t.conf");
    std::fs::write(&file, text).expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("its mode");
    let linted = crate::config::load_linted(&file, &Options::default(), &[]);
    let found = findings(&linted, &host(), &[]);
    let finding = found.iter().find(|finding| finding.code == "secrets-readable")?;
    let sources = &linted.loaded.diagnostics.sources;
    Some(sources.position(finding.span.expect("it has a place")).line)
}

#[test]
fn every_kind_of_secret_in_a_file_that_everyone_can_read_is_pointed_out() {
    let http = |line: &str| {
        format!(
            "virtual_server 192.0.2.10 80 {{\nlvs_sched rr\nprotocol TCP\n\
             real_server 192.0.2.20 80 {{\nHTTP_GET {{\n{line}\nurl {{\npath /\n}}\n}}\n}}\n}}\n"
        )
    };
    let vrrp = |block: &str| PAIR.replace("interface eth0", block);
    let key = "auth_hmac {\nkey 1 hex:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\
               active_key 1\n}";
    for (line, text) in [
        (4, vrrp("authentication {\nauth_type PASS\nauth_pass x\n}")),
        (3, vrrp(key)),
        (1, "$P=x\n".to_owned() + &vrrp("authentication {\nauth_type PASS\nauth_pass $P\n}")),
        (2, "SSL {\npassword x\ncertificate /etc/c.pem\n}\n".to_owned()),
        (6, http("basic_auth probe x")),
        (6, http("header \"Authorization: Bearer x\"")),
        (6, http("header Cookie a=b")),
    ] {
        assert_eq!(readable("readable", &text, 0o644), Some(line), "{text}");
        assert_eq!(readable("readable", &text, 0o640), None, "{text}");
    }
    let none =
        http("header Accept text/html") + &vrrp("# auth_pass x\nauth_hmac {\nkey 1 file:/k\n}");
    assert_eq!(readable("readable", &none, 0o644), None);
}

/// Every lint that looks at the host is the subject of a test here.
#[test]
fn each_lint_of_a_host_fires_and_can_be_switched_off() {
    let sysctls = Sysctls::new(
        "all",
        &[
            ("net/ipv4/ip_forward", "0"),
            ("net/ipv4/ip_nonlocal_bind", "0"),
            ("net/ipv4/conf/all/rp_filter", "1"),
            ("net/ipv4/conf/eth0/arp_ignore", "8"),
            ("net/ipv6/conf/eth0/disable_ipv6", "1"),
        ],
    );
    let file = sysctls.0.join("readable.conf");
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nauthentication {\n\
                auth_type PASS\nauth_pass secret\n}\nvirtual_ipaddress {\n2001:db8::1\n}\n}\n\
                vrrp_instance B {\ninterface eth9\nvirtual_router_id 7\nvirtual_ipaddress {\n\
                192.0.2.1\n}\n}\nvrrp_instance C {\ninterface eth0\nvirtual_router_id 9\n\
                unicast_src_ip 192.0.2.9\nunicast_peer {\n192.0.2.1\n192.0.2.2\n}\n\
                virtual_ipaddress {\n192.0.2.30\n}\n}\nvirtual_server 192.0.2.10 80 {\nlvs_sched wrr\nlvs_method NAT\n\
                protocol TCP\nreal_server 192.0.2.20 80 {\n}\n}\n";
    std::fs::write(&file, text).expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("its mode");
    let linted = crate::config::load_linted(&file, &Options::default(), &[]);
    let gone = "script /etc/n.sh is not found: there is no /etc/n.sh";
    let writable = "script /etc/n.sh would run as root, but /etc is writable by everyone";
    let findings_of = [gone, writable].map(str::to_owned).into();
    let scripts = ScriptVerdict { findings: findings_of, security_off: true, check_left_out: true };
    let sysctls = sysctls.0.clone();
    let host = Host { sysctls, managers: vec!["dhcpcd"], scripts, ..host() };
    let of_host = |lint: &&Lint| lint.text.starts_with("With --live");
    assert!(LINTS.iter().filter(of_host).count() > 10);
    for lint in LINTS.iter().filter(of_host) {
        let has = |allowed: &[String]| {
            let found = findings(&linted, &host, allowed);
            let finding = found.iter().find(|finding| finding.code == lint.code);
            finding.map(|finding| finding.severity)
        };
        assert_eq!(has(&[]), Some(lint.severity), "{}", lint.code);
        assert_eq!(has(&[lint.code.to_owned()]), None, "{} is switched off", lint.code);
    }
}
