use super::*;

fn check(text: &str, strict: bool, format: Format) -> (String, i32) {
    let name = format!("mainstay-check-{}-{:x}.conf", std::process::id(), text.len());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).expect("writes");
    let args = CheckArgs {
        files: vec![path.clone()],
        format,
        strict,
        allow: Vec::new(),
        separate: false,
        live: false,
        color: Color::Never,
        config_id: None,
    };
    let (report, status) = report(&args, false);
    let _ = std::fs::remove_file(&path);
    (report.replace(&path.display().to_string(), "FILE"), status)
}

const GOOD: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\n\
                    virtual_ipaddress {\n192.0.2.1\n}\n}\n";

#[test]
fn a_good_file_is_one_line_and_status_0() {
    let line = "FILE: 1 vrrp_instance, 0 virtual_servers, 0 real_servers; no complaint\n";
    assert_eq!(check(GOOD, false, Format::Text), (line.to_owned(), 0));
}

#[test]
fn complaints_are_status_5_and_under_strict_2() {
    let text = format!("{GOOD}nonsense\n");
    let (report, status) = check(&text, false, Format::Short);
    assert_eq!(status, 5);
    assert!(report.starts_with("FILE:8:1: warning: unknown keyword `nonsense`\n"), "{report}");
    let (report, status) = check(&format!("\n{text}"), true, Format::Short);
    assert_eq!(status, 2);
    assert!(report.contains("FILE:9:1: error: "), "{report}");
}

#[test]
fn a_missing_file_is_status_6() {
    let args = CheckArgs {
        files: vec![PathBuf::from("/none/such.conf")],
        format: Format::Short,
        strict: false,
        allow: Vec::new(),
        separate: false,
        live: false,
        color: Color::Never,
        config_id: None,
    };
    let (report, status) = report(&args, false);
    assert_eq!(status, 6);
    assert!(report.starts_with("error: /none/such.conf: No such file or directory"), "{report}");
}

#[test]
fn json_names_file_status_and_findings() {
    let (report, _) = check(&format!("{GOOD}\n\nnonsense\n"), false, Format::Json);
    let document: serde_json::Value = serde_json::from_str(&report).expect("is JSON");
    let file = &document["files"][0];
    assert_eq!(file["exit_status"], 5);
    assert_eq!(file["starts"], true);
    assert_eq!(file["findings"][0]["code"], "unknown-keyword");
    assert_eq!(file["findings"][0]["at"]["line"], 10);
}

#[test]
fn two_files_are_compared_unless_that_is_switched_off() {
    let path = std::env::temp_dir().join(format!("mainstay-pair-{}.conf", std::process::id()));
    std::fs::write(&path, GOOD).expect("writes");
    let mut args = CheckArgs {
        files: vec![path.clone(), path.clone()],
        format: Format::Short,
        strict: false,
        allow: Vec::new(),
        separate: false,
        live: false,
        color: Color::Never,
        config_id: None,
    };
    let (text, status) = report(&args, false);
    assert_eq!(status, 5);
    assert!(text.contains("has priority 100 on both hosts"), "{text}");
    assert!(text.ends_with("as a cluster: 1 warning\n"), "{text}");
    args.separate = true;
    assert_eq!(report(&args, false).1, 0);
    (args.separate, args.allow) = (false, vec!["priorities-equal".to_owned()]);
    assert_eq!(report(&args, false).1, 0);
    let _ = std::fs::remove_file(&path);
}
