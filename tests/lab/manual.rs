//! The examples of keepalived.conf(5), taken from the page that is installed, and the tutorial's
//! file: what keepalived says in its dump that it has understood, against our plan.

use std::path::Path;
use std::process::Command;

use mainstay::kernel::node_name;

use crate::harness::{Host, Lab, run};
use crate::meaning::compare_text;

/// Where Debian has the page.
const PAGE: &str = "/usr/share/man/man5/keepalived.conf.5.gz";

const ADDRESSES: &str = "virtual_ipaddress {\n192.0.2.10/24\n}\n";

#[test]
fn examples_of_the_manual_mean_what_keepalived_takes_them_to_mean() {
    run("manual::examples_of_the_manual_mean_what_keepalived_takes_them_to_mean", examples);
}

/// The page as plain text: what stands for letters and fonts in roff, taken out.
fn page() -> Option<String> {
    if !Path::new(PAGE).exists() {
        eprintln!("skipped: there is no {PAGE}");
        return None;
    }
    let output = Command::new("zcat").arg(PAGE).output().expect("zcat");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fonts = ["\\fB", "\\fR", "\\fI"].iter().fold(text, |text, font| text.replace(font, ""));
    Some(fonts.replace("\\e", "\\").replace("\\-", "-").replace("\\'", "'"))
}

/// The lines from the one that `first` is in, up to the one before that `end` is in.
fn part(page: &str, first: &str, end: &str) -> String {
    let from_first = page.lines().skip_while(|line| !line.contains(first));
    let lines = from_first.take_while(|line| !line.contains(end));
    let kept = lines.filter(|line| line.trim() != "..." && !line.starts_with(".nf"));
    let text: String = kept.map(|line| format!("{line}\n")).collect();
    assert!(!text.is_empty(), "the page has no {first:?} any more");
    text
}

/// An instance with `lines` in it.
fn instance(lines: &str) -> String {
    format!("vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\n{lines}}}\n")
}

/// Address lines, and definitions between them, as an instance's addresses.
fn addresses(lines: &str) -> String {
    instance(&format!("virtual_ipaddress {{\n{lines}}}\n"))
}

/// Each with a name.
fn texts(page: &str) -> Vec<(&'static str, String)> {
    let host = node_name();
    let of_this_host = |text: &str| text.replace("main", &host);
    let conditions = part(page, "@main   router_id", ".fi");
    let interface = "vrrp_instance VRRP {\ninterface eth0\nvirtual_router_id 51\n";
    let conditions =
        conditions.replace("vrrp_instance VRRP {\n", &format!("{interface}{ADDRESSES}"));
    let conditions = format!("global_defs {{\n{conditions}");
    let priority = part(page, "$PRIORITY=240", "will produce");
    let complete =
        format!("vrrp_instance VI_0 {{\ninterface eth0\nvirtual_router_id 51\n{ADDRESSES}");
    let priority = priority.replace("vrrp_instance VI_0 {\n", &complete);
    let condition = part(page, "$IF_MAIN=@main", "will produce");
    let sequence = |first, end| addresses(&part(page, first, end).replace("ip_address ", ""));
    let vi4 = part(page, "$VI4=", "will produce");
    let fewer = [("(IF,0,7)", "(IF,0,0)"), ("(NUM,0,31)", "(NUM,0,1)"), ("(ID,1,254)", "(ID,1,2)")];
    let vi4 = fewer.iter().fold(vi4, |text, (all, few)| {
        assert!(text.contains(all), "{all} in {text}");
        text.replace(all, few)
    });
    let empty = "global_defs {\nrouter_id r\n}\n";
    vec![
        ("conditions", of_this_host(&conditions)),
        ("conditions of another host", conditions.replace("main", "other")),
        ("definitions", addresses(&part(page, "$ADDRESS_BASE=10", "will produce"))),
        ("conditional definitions", of_this_host(&priority)),
        ("condition in a definition", instance(&(of_this_host(&condition) + ADDRESSES))),
        ("definition of lines", format!("{empty}{}", part(page, "$INSTANCE= ", ".fi"))),
        // A blank line ends a definition, which is not what the page means to show.
        ("nested definitions", part(page, "$RS= ", ".fi").replace("\\\n\n", "\\\n")),
        ("sequence", sequence("~SEQ(SUBNET, 0, 3)", "would produce")),
        ("sequence of hexadecimal numbers", sequence("~SEQx(SUBNET, 144", "or better")),
        ("sequence of hexadecimal bounds", sequence("~SEQx(SUBNET, 0x90", "would produce")),
        ("nested sequences", sequence("~SEQx(AD2", "\t}")),
        ("instances by sequence", vi4),
        ("list of pairs", sequence("~LST({IP, IP1}, {10,1},{20,4},{5,6},{12,8}) 192", "would")),
        ("nested lists", sequence("~LST(IP, 1, 2, 3, 4)", "produces")),
        ("list and sequence", sequence("~SEQ(IP2,168,2,172)", "produces")),
    ]
}

fn examples(lab: &Lab) {
    let Some(page) = page() else { return };
    let lan = lab.lan();
    let host = lan.host("lb1", "192.0.2.11/24");
    prepare(&host);
    let mut faults = String::new();
    for (name, text) in texts(&page) {
        compare_text(&host, name, &text, &mut faults);
    }
    let tutorial = include_str!("../fixtures/tutorial.conf");
    compare_text(&host, "tutorial", tutorial, &mut faults);
    assert!(faults.is_empty(), "\n{faults}");
}

/// Interfaces, programs and folders that the examples name.
fn prepare(host: &Host) {
    for name in ["eth0.0", "eth0.1", "bond0", "bond0.0", "bond0.1"] {
        host.ip(&format!(
            "link add {name} type veth peer name {name}p\nlink set {name} up\nlink set {name}p up"
        ));
    }
    host.ip("addr add 192.168.8.1/24 dev bond0\naddr add 1.2.3.4/24 dev eth0");
    host.ip("addr add fe80::11/64 dev eth0 nodad");
    for folder in ["scripts", "679/track_files"] {
        std::fs::create_dir_all(host.dir.join(folder)).expect("a folder");
    }
    for script in ["vs.sh", "notify.sh"] {
        let made = host.script(script, "exit 0");
        std::fs::rename(made, host.dir.join("scripts").join(script)).expect("moves");
    }
}
