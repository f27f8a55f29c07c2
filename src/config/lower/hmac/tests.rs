use std::os::unix::fs::PermissionsExt;

use super::super::super::{Verdict, parse_text};
use super::*;

const ASCII: &str = "0123456789abcdef0123456789abcdef";

fn loaded(lines: &str, others: &str) -> super::super::super::Loaded {
    parse_text(
        "t",
        format!(
            "vrrp_instance V {{\n interface eth0\n virtual_router_id 51\n {others}\n \
             virtual_ipaddress {{\n 192.0.2.10/24\n }}\n auth_hmac {{\n{lines}\n }}\n}}\n"
        ),
    )
}

fn hmac(lines: &str, others: &str) -> (Option<Hmac>, Vec<&'static str>) {
    let loaded = loaded(lines, others);
    let codes = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    (loaded.plan.vrrp_instances.into_iter().next().and_then(|each| each.hmac.clone()), codes)
}

fn key(id: u8, secret: &[u8]) -> HmacKey {
    HmacKey::new(NonZeroU8::new(id).unwrap(), secret)
}

#[test]
fn defaults_are_keepalived_s() {
    let (hmac, codes) = hmac(&format!("key 7 {ASCII}\nactive_key 7"), "");
    let expected = Hmac {
        keys: vec![key(7, ASCII.as_bytes())],
        active_key: NonZeroU8::new(7),
        mode: HmacMode::Enforce,
        anti_replay: AntiReplay::Time,
        window_s: 5,
    };
    assert_eq!((hmac, codes), (Some(expected), vec![]));
}

#[test]
fn every_setting_has_its_keyword() {
    let lines = format!(
        "key 1 hex:{}\nkey 2 {ASCII}\nactive_key 2\ntime_window 300\nanti_replay monotonic\n\
         mode permissive",
        "2F".repeat(32)
    );
    let (hmac, codes) = hmac(&lines, "");
    let expected = Hmac {
        keys: vec![key(1, &[0x2f; 32]), key(2, ASCII.as_bytes())],
        active_key: NonZeroU8::new(2),
        mode: HmacMode::Permissive,
        anti_replay: AntiReplay::Monotonic,
        window_s: 300,
    };
    assert_eq!((hmac, codes), (Some(expected), vec![]));
}

#[test]
fn the_window_follows_the_interval_within_bounds() {
    let window =
        |others: &str| hmac(&format!("key 7 {ASCII}\nactive_key 7"), others).0.unwrap().window_s;
    assert_eq!(window("advert_int 4"), 12);
    assert_eq!(window("advert_int 200"), 300);
    assert_eq!(window("version 3\nadvert_int 0.1"), 5);
}

#[test]
fn keys_come_from_files_and_who_else_can_read_them_is_told() {
    let path = std::env::temp_dir().join(format!("mainstay-hmac-{}", std::process::id()));
    let lines = format!("key 7 file:{}\nactive_key 7", path.display());
    let with = |content: &str, mode| {
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let (hmac, codes) = hmac(&lines, "");
        std::fs::remove_file(&path).unwrap();
        (hmac.map(|hmac| hmac.keys), codes)
    };
    let ascii = vec![key(7, ASCII.as_bytes())];
    assert_eq!(with(&format!("{ASCII}\n"), 0o600), (Some(ascii.clone()), vec![]));
    assert_eq!(with(ASCII, 0o640), (Some(ascii), vec!["key-file-readable"]));
    let hex = format!("hex:{}\n", "00".repeat(64));
    assert_eq!(with(&hex, 0o600), (Some(vec![key(7, &[0; 64])]), vec![]));
    assert_eq!(with(&format!("{ASCII}\n\n"), 0o600).0.map(|keys| keys.len()), Some(1));
    let refused = vec!["bad-key", "no-active-key"];
    assert_eq!(with("short\n", 0o600), (None, refused.clone()));
    assert_eq!(with(&"x".repeat(5000), 0o600), (None, refused.clone()));
    assert_eq!(hmac(&lines, "").1, refused, "no such file");
    assert_eq!(hmac("key 7 file:/tmp\nactive_key 7", "").1, refused, "a directory");
}

/// A finding about a key says what is wrong with it, not what it is.
#[test]
fn bad_keys_are_pointed_out_and_none_is_shown() {
    for (secret, why) in [
        ("hunter2hunter2", "it has 14 octets"),
        ("hex:hunter2hunter2hunter2hunter2hunter2hunter2", "pairs of hexadecimal digits"),
        ("hex:686", "pairs of hexadecimal digits"),
        ("hunter2-ö-hunter2-hunter2-hunter2-hunter2", "neither ASCII"),
    ] {
        let loaded = loaded(&format!("key 7 {secret}\nactive_key 7"), "");
        let lines = loaded.diagnostics.to_lines();
        assert!(lines.contains(why), "{lines}");
        assert!(!lines.contains("hunter2"), "{lines}");
        assert!(!format!("{:?}", loaded.plan).contains("hunter2"));
        assert_eq!(loaded.verdict, Verdict::Unusable);
    }
}

#[test]
fn mistakes_are_findings_at_their_place() {
    let good = format!("key 7 {ASCII}\nactive_key 7\n");
    for (line, code) in [
        ("key 7", "missing-value"),
        ("key 0 x", "number-out-of-range"),
        ("key 256 x", "number-out-of-range"),
        (&format!("key 7 {ASCII}"), "duplicate"),
        ("time_window 301", "number-out-of-range"),
        ("anti_replay both", "bad-value"),
        ("mode strict", "bad-value"),
        ("secret x", "unknown-keyword"),
    ] {
        let (hmac, codes) = hmac(&format!("{good}{line}"), "");
        assert!(hmac.is_some(), "{line}");
        assert_eq!(codes, [code], "{line}");
    }
}

/// Peers would refuse what it sends: two MASTERs.
#[test]
fn without_a_key_to_sign_with_nothing_runs() {
    for lines in ["", &format!("key 7 {ASCII}"), &format!("key 7 {ASCII}\nactive_key 8")] {
        assert_eq!(hmac(lines, ""), (None, vec!["no-active-key"]), "{lines}");
    }
    let (hmac, codes) = hmac(&format!("key 7 {ASCII}\nmode receive-only"), "");
    assert_eq!((hmac.map(|hmac| hmac.active_key), codes), (Some(None), vec![]));
}

#[test]
fn it_takes_the_place_of_the_old_authentication() {
    let others = "authentication {\n auth_type PASS\n auth_pass x\n }";
    let loaded = loaded(&format!("key 7 {ASCII}\nactive_key 7"), others);
    let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["hmac-replaces-authentication"]);
    let instance = &loaded.plan.vrrp_instances[0];
    assert_eq!(instance.authentication, crate::wire::Authentication::None);
}

#[test]
fn strict_mode_enforces() {
    let (hmac, codes) =
        hmac(&format!("key 7 {ASCII}\nactive_key 7\nmode permissive"), "strict_mode");
    assert_eq!(hmac.map(|hmac| hmac.mode), Some(HmacMode::Enforce));
    assert!(codes.contains(&"strict-hmac-enforces"), "{codes:?}");
}
