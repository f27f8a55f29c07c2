use std::fs;

use proptest::prelude::*;

use super::*;
use crate::config::preprocess::Reader;
use crate::config::{Loaded, Options, Reading, lower, parse_again, parse_text, reload, tree};

fn load(text: &str, running: Arc<Plan>) -> Loaded {
    parse_again("t", text, &Options::default(), running)
}

/// How many top-level statements of `text` are read, and not known again, while `running` runs.
fn read(text: &str, running: &Arc<Plan>) -> usize {
    let (options, mut diagnostics) = (Options::default(), Diagnostics::default());
    let mut reading = Reading {
        reader: Reader::new(&options),
        builder: tree::Builder::default(),
        lowering: lower::Lowering::beside(Some(Running::of(running.clone()))),
        linter: None,
        begin: None,
    };
    reading.reader.start("t", text.into(), None, &mut diagnostics);
    while reading.go_on(&mut diagnostics) {}
    reading.builder.begun()
}

/// Which of the virtual servers of `plan` are the very ones of `running`, in the order of `plan`.
fn kept(plan: &Plan, running: &Plan) -> Vec<bool> {
    let runs = |one: &Arc<VirtualServer>| {
        running.virtual_servers.iter().any(|other| Arc::ptr_eq(one, other))
    };
    plan.virtual_servers.iter().map(runs).collect()
}

fn service(n: usize, weight: u32) -> String {
    format!(
        "virtual_server 198.51.100.{n} 80 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
         real_server 192.0.2.{n} 80 {{\nweight {weight}\nTCP_CHECK {{\n}}\n}}\n}}\n"
    )
}

fn services(weights: &[u32]) -> String {
    weights.iter().enumerate().map(|(n, weight)| service(n, *weight)).collect()
}

#[test]
fn what_a_reload_leaves_as_it_was_is_what_runs_already() {
    let running = Arc::new(load(&services(&[1, 2, 3]), Arc::default()).plan);
    let text = services(&[1, 7, 3, 4]);
    let path = std::env::temp_dir().join(format!("mainstay-unchanged-{}", std::process::id()));
    fs::write(&path, &text).unwrap();
    let plan = reload(&path, &Options::default(), running.clone()).plan;
    fs::remove_file(&path).unwrap();
    assert_eq!(kept(&plan, &running), [true, false, true, false]);
    assert_eq!(plan, parse_text("t", text).plan);
}

#[test]
fn what_is_as_it_was_is_not_read_again() {
    let running = Arc::new(load(&services(&[1, 2, 3, 4]), Arc::default()).plan);
    let last = |text: &str| text.trim_end().to_owned();
    for (text, expected) in [
        (services(&[1, 2, 3, 4]), 0),
        (last(&services(&[1, 2, 3, 4])), 0),
        (services(&[1, 7, 3, 4]), 1),
        (services(&[1, 2, 3, 4, 5]), 1),
        (services(&[1, 2, 3]), 0),
        // One is gone, and the next is where nothing of it was expected.
        (service(0, 1) + &service(2, 3) + &service(3, 4), 1),
        (service(0, 1) + &service(9, 9) + &service(1, 2) + &service(2, 3), 1),
        // Another comment is another text.
        (service(0, 1) + "# of the second\n" + &service(1, 2) + &service(2, 3), 1),
        // What follows may belong to the one before, so that is read; and the track_file.
        (services(&[1, 2]) + "track_file load {\nfile /dev/null\n}\n" + &service(2, 3), 2),
    ] {
        assert_eq!(read(&text, &running), expected, "{text}");
        assert_eq!(load(&text, running.clone()).plan, parse_text("t", text).plan);
    }
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
    let checked = |before: &str, check: &str| {
        format!(
            "{before}virtual_server 192.0.2.7 443 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
             real_server 198.51.100.1 443 {{\n{check}\n}}\n}}\n"
        )
    };
    let encrypted = |ssl| checked(ssl, "SSL_GET {\nurl {\npath /\nstatus_code 200\n}\n}");
    let by_file = |file: &str| {
        let defined = format!("track_file load {{\nfile {file}\n}}\n");
        checked(&defined, "FILE_CHECK {\ntrack_file load\n}")
    };
    let by_definition = |port: &str| {
        // Not right before the server: what stands there counts as a part of its text.
        let before = format!("$PORT={port}\n{}", service(0, 1));
        checked(&before, "TCP_CHECK {\nconnect_port $PORT\n}")
    };
    let ssl = "SSL {\ncertificate /etc/hostname\n}\n";
    let all = [
        group("192.0.2.1"),
        group("192.0.2.2"),
        marked(7),
        marked(8),
        encrypted(""),
        encrypted(ssl),
        by_file("/dev/null"),
        by_file("/dev/zero"),
        by_definition("8080"),
        by_definition("8081"),
    ];
    for (number, before) in all.iter().enumerate() {
        let running = Arc::new(load(before, Arc::default()).plan);
        for (other, after) in all.iter().enumerate() {
            let plan = load(after, running.clone()).plan;
            assert_eq!(plan, parse_text("t", after.as_str()).plan, "{before}\nto\n{after}");
            assert_eq!(kept(&plan, &running).pop(), Some(number == other), "{before}\nto\n{after}");
        }
        assert_eq!(*running, parse_text("t", before.as_str()).plan, "it runs on as it was");
    }
}

/// Pieces of files, good and bad, of which each may decide what those beside it mean.
fn pieces() -> impl Strategy<Value = String> {
    let service = (0..4_usize, 1..3_u32).prop_map(|(n, weight)| service(n, weight));
    let tunnel = "virtual_server 198.51.100.9 80 {\nlvs_method TUN\nprotocol TCP\nlvs_sched rr\n\
                  real_server 2001:db8::1 80 {\n}\nreal_server 192.0.2.1 80 {\n}\n}\n";
    let one_line = "virtual_server 198.51.100.7 80 { lvs_method NAT\nlvs_sched rr\nprotocol TCP\n\
                    real_server 192.0.2.1 80 {\n} }\n";
    let suspended = "virtual_server fwmark 7 {\nlvs_method NAT\nlvs_sched rr\nha_suspend\n\
                     real_server 192.0.2.1 80 {\n}\n}\n";
    let other = prop::sample::select(vec![
        tunnel,
        one_line,
        suspended,
        "virtual_server 198.51.100.8 80 {\nreal_server 192.0.2.8 80 {\n}\n",
        "virtual_server group web {\nlvs_method NAT\nlvs_sched rr\nprotocol TCP\nreal_server 192.0.2.1 80 {\n}\n}\n",
        "virtual_server_group web {\n198.51.100.1-2 80\n}\n",
        "virtual_server 198.51.100.6 80 {\nlvs_method NAT\nlvs_sched rr\nprotocol TCP\nreal_server 192.0.2.6 80 {\n\
         FILE_CHECK {\ntrack_file load\n}\n}\n}\n",
        "track_file load {\nfile /dev/null\n}\n",
        "real_server 192.0.2.77 80 {\nweight 1\n}\n",
        "global_defs {\nlvs_sync_daemon lo\n}\n",
        "SSL {\ncertificate /etc/hostname\n}\n",
        "weight 5\n",
        "}\n",
        "{\n",
        "} ",
        "nonsense\n",
        "virtual_server 198.51.100.3 \0 80 {\n",
        "virtual_server $NOBODY 80 {\n",
        "quorum 1\n}\n",
        "# a comment\n\n",
        "$W=7\n",
        "$W=8\n",
        "virtual_server 198.51.100.4 80 {\nlvs_method NAT\nlvs_sched rr\nprotocol TCP\nreal_server 192.0.2.4 80 {\n\
         weight $W\n}\n}\n",
        "$V=\\\nvirtual_server 198.51.100.5 80 {\\\n",
        "$V\n",
        "weight $W\n",
        "@elsewhere }\n",
        "@^elsewhere }\n",
        "include /nonexistent\n",
        "child_wait_time 3\n",
        "\u{feff}\n",
        " \r\n",
        "\"",
        "\\\n",
    ]);
    prop_oneof![2 => service, 1 => other.prop_map(str::to_owned)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever changes: what a reload comes to is what a start with the same text comes to.
    #[test]
    fn a_reload_comes_to_what_a_start_comes_to(
        all in prop::collection::vec((pieces(), prop::array::uniform3(prop::bool::weighted(0.8))), 0..9),
    ) {
        let mut running = Arc::default();
        for turn in 0..3 {
            let text: String =
                all.iter().filter(|(_, here)| here[turn]).map(|(piece, _)| piece.as_str()).collect();
            let (again, fresh) = (load(&text, running), parse_text("t", text.as_str()));
            prop_assert_eq!(&again.plan, &fresh.plan, "{}", text);
            prop_assert_eq!(again.diagnostics.to_lines(), fresh.diagnostics.to_lines(), "{}", text);
            running = Arc::new(again.plan);
        }
    }
}
