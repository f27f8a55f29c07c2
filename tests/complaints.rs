//! The complaints that people meet most, word for word: what is wrong, where, and what to write.

use mainstay::config;
use mainstay::config::keywords::table;

/// What is said of `text`, as `mainstay check` prints it.
fn said(text: &str) -> String {
    config::parse_text("keepalived.conf", text).diagnostics.to_text(false)
}

/// What is said of a good instance with `lines` added to it.
fn said_of_instance(lines: &str) -> String {
    said(&format!(
        "vrrp_instance VI_1 {{\n    interface eth0\n    virtual_router_id 51\n{lines}\n    \
         virtual_ipaddress {{\n        192.0.2.10/24\n    }}\n}}\n"
    ))
}

/// What is said of a good virtual server with `lines` in it, and `check` in its real server.
fn said_of_server(lines: &str, check: &str) -> String {
    said(&format!(
        "virtual_server 192.0.2.10 80 {{\n    lvs_sched rr\n    lvs_method NAT\n    protocol TCP\n\
         {lines}\n    real_server 198.51.100.1 80 {{\n{check}\n    }}\n}}\n"
    ))
}

#[test]
fn unknown_keywords_come_with_what_was_meant() {
    let checks = "        TCP_CHECK {\n            nb_get_retry 3\n        }";
    insta::assert_snapshot!("nb_get_retry", said_of_server("    nat_mask 255.255.255.0", checks));
    insta::assert_snapshot!("misspelt", said_of_instance("    lvs_sync_daemon_inteface eth0"));
    insta::assert_snapshot!(
        "prompt",
        said("[root@lb1 ~]# cat keepalived.conf\nglobal_defs {\n}\n")
    );
}

#[test]
fn scripts_are_found_by_their_name_and_words() {
    let script = "vrrp_script chk {\n    script /bin/true\n    fail 2\n}\n";
    let track = "    track_script {\n        chk_haproxy\n    }";
    insta::assert_snapshot!("unknown_tracked_name", said_of_instance(track) + &said(script));
}

#[test]
fn a_misspelt_word_of_a_script_is_known() {
    let block = table().block("vrrp_script").expect("a block of the table");
    assert_eq!(table().suggestion(block, "fail"), Some("fall"));
    assert_eq!(table().suggestion(block, "interal"), Some("interval"));
    assert_eq!(table().suggestion(block, "wieght"), Some("weight"));
}

#[test]
fn a_password_that_is_cut_is_shown_with_its_surplus() {
    let lines =
        "    authentication {\n        auth_type PASS\n        auth_pass secret-of-ours\n    }";
    insta::assert_snapshot!("auth_pass", said_of_instance(lines));
}

#[test]
fn a_persistence_of_zero_is_said_to_be_none() {
    insta::assert_snapshot!("persistence", said_of_server("    persistence_timeout 0", ""));
}

#[test]
fn deprecated_words_come_with_todays() {
    let checks = "        HTTP_GET {\n            url {\n                path /\n            }\n            \
                  nb_get_retry 3\n        }";
    insta::assert_snapshot!("deprecated", said_of_server("", checks));
}

#[test]
fn placeholders_and_names_where_an_address_belongs() {
    let text = "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    \
                virtual_ipaddress {\n        <vip>\n        x.x.x.x/24\n        192.0.2.256\n        \
                vip.example.com\n    }\n}\n";
    insta::assert_snapshot!("placeholders_and_no_address_left", said(text));
}

#[test]
fn a_brace_too_many_and_one_too_few() {
    insta::assert_snapshot!("brace_too_many", said("global_defs {\n}\n}\n"));
    let text = "global_defs {\n    router_id lb1\nvrrp_instance VI_1 {\n    interface eth0\n    \
                virtual_router_id 51\n    virtual_ipaddress {\n        192.0.2.10/24\n    }\n}\n";
    insta::assert_snapshot!("brace_too_few", said(text));
    insta::assert_snapshot!("brace_of_nothing", said_of_instance("    state {\n    }"));
}

#[test]
fn what_an_instance_cannot_be_without() {
    insta::assert_snapshot!(
        "missing_vrid",
        said(
            "vrrp_instance VI_1 {\n    interface eth0\n    virtual_ipaddress {\n        \
             192.0.2.10/24\n    }\n}\n"
        )
    );
    insta::assert_snapshot!("missing_value", said_of_instance("    priority"));
}

#[test]
fn nopreempt_needs_state_backup() {
    insta::assert_snapshot!(
        "nopreempt",
        said_of_instance("    state MASTER\n    priority 150\n    nopreempt")
    );
}

#[test]
fn a_semicolon_is_no_part_of_a_number() {
    insta::assert_snapshot!("semicolon", said_of_instance("    priority 150;"));
}

/// Inside a definition that is used in an included file, the whole way is shown.
#[test]
fn an_error_in_an_included_file_shows_how_it_came_to_be_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/included");
    let loaded = config::load(&folder.join("main.conf"), &config::Options::default());
    let text = loaded.diagnostics.to_text(false);
    insta::assert_snapshot!("included", text.replace(&*folder.to_string_lossy(), "conf"));
}

/// Of a definition of several lines the one that is wrong, and the definitions it names.
#[test]
fn an_error_in_a_definition_shows_the_line_of_it_and_what_it_names() {
    let text = "$HOST=300\n$NET=192.0.2.${HOST}\n$BLOCK= \\\n    virtual_ipaddress { \\\n        \
                ${NET}/24 \\\n    }\nvrrp_instance VI_1 {\n    interface eth0\n    \
                virtual_router_id 51\n    $BLOCK\n}\n";
    insta::assert_snapshot!("definitions", said(text));
}

/// keepalived ends at such a line whether or not we act on the keyword.
#[test]
fn a_value_is_missed_of_keywords_that_have_no_effect_too() {
    insta::assert_snapshot!(
        "missing_values",
        said("global_defs {\n    smtp_connect_timeout\n    umask\n    router_id\n}\n")
    );
}

/// What `keepalived -t` says of scripts: they are looked for on this host.
fn said_of_script(globals: &str, script: &str) -> String {
    use std::os::unix::process::CommandExt as _;
    let text = format!(
        "global_defs {{\n    dynamic_interfaces\n{globals}}}\nvrrp_script chk {{\n    script \
         {script}\n}}\nvrrp_instance VI_1 {{\n    interface eth0\n    virtual_router_id 51\n    \
         track_script {{\n        chk\n    }}\n    virtual_ipaddress {{\n        192.0.2.10/24\n    \
         }}\n}}\n"
    );
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("mainstay-complaint-{number}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).expect("writes");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mainstay"));
    let output = command.arg0("keepalived").args(["-t", "-f"]).arg(&path).output().expect("runs");
    std::fs::remove_file(&path).expect("removes");
    let status = output.status.code();
    format!("{}status {status:?}\n", String::from_utf8_lossy(&output.stderr))
}

#[test]
fn scripts_that_cannot_run_are_told_with_the_reason() {
    let root = "    script_user root\n";
    insta::assert_snapshot!("script_not_found", said_of_script(root, "/nonexistent/check.sh"));
    insta::assert_snapshot!(
        "script_user_missing",
        said_of_script("    script_user nobody-here\n", "/usr/bin/true")
    );
}

/// Statuses of keepalived 2.2.7 for a `vrrp_script`, whoever it runs as.
#[test]
fn scripts_change_the_status_as_with_keepalived() {
    insta::assert_snapshot!("script_security_off", said_of_script("", "/usr/bin/true"));
    let secure = "    script_user root\n    enable_script_security\n";
    for (globals, script, status) in [
        ("", "/usr/bin/true", 6),
        ("    script_user root\n", "/usr/bin/true", 6),
        ("    script_user nobody\n", "/usr/bin/env", 6),
        (secure, "/usr/bin/true", 0),
        ("", "/nonexistent/a", 5),
        (secure, "/nonexistent/b", 5),
        ("    script_user nobody-here\n", "/usr/bin/id", 5),
    ] {
        let said = said_of_script(globals, script);
        assert!(said.ends_with(&format!("status Some({status})\n")), "{globals}{script}: {said}");
    }
}

/// What is nearly the name of a script is taken for a mistyping of it.
#[test]
fn a_tracked_name_that_is_nearly_right_is_pointed_out() {
    let text = "vrrp_script chk_haproxy {\n    script /bin/true\n}\nvrrp_instance VI_1 {\n    \
                interface eth0\n    virtual_router_id 51\n    track_script {\n        chk_haprxy\n    \
                }\n    virtual_ipaddress {\n        192.0.2.10/24\n    }\n}\n";
    insta::assert_snapshot!("nearly_a_script", said(text));
}

#[test]
fn a_keyword_of_another_block_is_led_there() {
    insta::assert_snapshot!("elsewhere", said_of_instance("    lvs_sched rr"));
}

/// Mistakes in virtual servers that an LVS host must not hide: each is said once, with its code, where it
/// is, and what to do.
#[test]
fn mistakes_of_lvs_are_told_with_their_place_and_with_what_to_do() {
    let service = |method: &str, lines: &str| {
        format!(
            "virtual_server 192.0.2.10 80 {{\n    lvs_sched rr\n    lvs_method {method}\n    protocol TCP\n{lines}}}\n"
        )
    };
    let server = |address: &str| format!("    real_server {address} {{\n    }}\n");
    let check = |lines: &str| {
        service("NAT", &format!("    real_server 198.51.100.1 80 {{\n{lines}    }}\n"))
    };
    let url = |line: &str| {
        check(&format!(
            "        HTTP_GET {{\n            url {{\n{line}            }}\n        }}\n"
        ))
    };
    let digest = "                path /\n                digest 5f2b4547ba1c1e0e0ba7a0e5b4bb5b3\n";
    assert_eq!(digest.trim_end().rsplit(' ').next().map(str::len), Some(31));
    let schedulers = "one of rr, wrr, lc, wlc, lblc, sh, mh, dh, fo, ovf, lblcr, sed, nq, twos";
    for (text, place, code, help) in [
        (
            service("NAT", &server("198.51.100.1 80"))
                .replace("lvs_sched rr", "lvs_sched roundrobin"),
            "2:15",
            "unknown-scheduler",
            schedulers,
        ),
        (
            service("NAT", &server("198.51.100.1 80")).replace("lvs_sched rr", "lvs_sched RR"),
            "2:15",
            "unknown-scheduler",
            "did you mean `rr`?",
        ),
        (
            service("DR", &server("198.51.100.1 8080")),
            "5:5",
            "port-forced",
            "port 80 here, or lvs_method NAT, which can change it; `connect_port 8080` lets a check go to 8080",
        ),
        (
            service("NAT", &(server("198.51.100.1 80") + &server("2001:db8::1 80"))),
            "7:5",
            "address-family-mismatch",
            "lvs_method TUN crosses families",
        ),
        (
            url(digest),
            "9:24",
            "bad-digest",
            "mainstay genhash -s ADDRESS -p PORT -u PATH prints it",
        ),
        (
            service("NAT", &(server("198.51.100.1 80") + &server("198.51.100.1 80"))),
            "7:5",
            "duplicate",
            "remove one of the two; `weight` gives a server more of the load",
        ),
        (
            service("NAT", &server("198.51.100.1 80")).repeat(2),
            "8:1",
            "duplicate",
            "put the real servers of both into one block",
        ),
        (
            check("        HTTP_GET {\n        }\n"),
            "6:9",
            "incomplete-checker",
            "in a block: url { path / }, one a line",
        ),
        (url("                status_code 200\n"), "7:13", "incomplete-checker", "path /"),
        (
            check("        MISC_CHECK {\n        }\n"),
            "6:9",
            "incomplete-checker",
            "misc_path \"/usr/local/bin/check ARGUMENTS\"",
        ),
        (
            check("        FILE_CHECK {\n        }\n"),
            "6:9",
            "incomplete-checker",
            "track_file NAME, and above: track_file NAME { file PATH }",
        ),
        (
            check("        BFD_CHECK {\n        }\n"),
            "6:9",
            "incomplete-checker",
            "name NAME, and above: bfd_instance NAME { neighbor_ip ADDRESS }",
        ),
    ] {
        let diagnostics = config::parse_text("t", text.as_str()).diagnostics;
        let found: Vec<_> = diagnostics
            .to_json()
            .iter()
            .map(|finding| {
                let place = finding.at.as_ref().map(|at| format!("{}:{}", at.line, at.column));
                (
                    place.unwrap_or_default(),
                    finding.code,
                    finding.help.unwrap_or_default().to_owned(),
                )
            })
            .filter(|(_, code, _)| *code != "defaulted")
            .collect();
        assert_eq!(found, [(place.to_owned(), code, help.to_owned())], "{text}");
    }
}
