use std::time::Instant;

use super::*;
use crate::config::parse_text;

fn status() -> BfdStatus {
    let text = "bfd_instance s1 {\n neighbor_ip 192.0.2.2\n source_ip 192.0.2.1\n min_rx 100\n}\n";
    let plan = parse_text("t", text).plan.bfd_instances.remove(0);
    let number = std::num::NonZeroU32::new(0xbdd3_7ca8).unwrap();
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let now = Instant::now();
    let session = crate::bfd::Session::new(plan.settings.clone(), number).status(now);
    let counters = Counters { sent: 7, ..Counters::default() };
    let session = BfdSession { plan: plan.into(), session, counters, lateness: Duration::ZERO };
    BfdStatus { sessions: vec![session], discards: BTreeMap::from([(Discard::Ttl, 3)]) }
}

#[test]
fn a_dump_has_keepaliveds_words() {
    let mut out = String::new();
    status().write(&mut out).unwrap();
    for line in [
        "------< BFD Topology >------",
        " BFD Instance = s1",
        "   Neighbor IP                  = 192.0.2.2",
        "   Required min RX interval     = 100000 us",
        "   local state                  = AdminDown",
        "   local discriminator          = 0xbdd37ca8",
        "   last seen                    = never",
        "   Packets sent                 = 7",
        " Discarded 3: TTL or hop limit too low",
    ] {
        assert!(out.lines().any(|each| each == line), "{line:?} in\n{out}");
    }
}

#[test]
fn without_sessions_there_is_nothing_to_show() {
    let mut out = String::new();
    BfdStatus::default().write(&mut out).unwrap();
    assert_eq!(out, "");
}

#[test]
fn json_has_one_object_for_each_session() {
    let all = crate::status::Status { bfd: status(), ..Default::default() };
    let document: Value =
        serde_json::from_str(&crate::status::json(&all, 2, Duration::ZERO)).unwrap();
    let json = &document["bfd"];
    assert_eq!(json["discards"]["ttl"], 3);
    let session = &json["sessions"][0];
    assert_eq!((&session["name"], &session["state"]), (&json!("s1"), &json!("AdminDown")));
    assert_eq!(session["heard_us_ago"], Value::Null);
}
