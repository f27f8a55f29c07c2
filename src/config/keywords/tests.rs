use super::*;

#[test]
fn every_row_of_the_data_is_a_keyword_of_the_table() {
    assert_eq!(table().rows().len(), DATA.lines().count() - 1);
}

#[test]
fn ranges_come_from_the_argument_grammar() {
    assert_eq!(range("<uint 1..255>"), Some((1, 255)));
    assert_eq!(range("[<uint 1..2678400> seconds]"), Some((1, 2_678_400)));
    assert_eq!(range("<uint32>"), Some((0, 4_294_967_295)));
    assert_eq!(range("<int -20..19>"), Some((-20, 19)));
    assert_eq!(range("<timer 0.000001..4294.967295>"), Some((1, 4_294_967_295)));
    assert_eq!(range("<decimal 0.01..255> seconds"), Some((10_000, 255_000_000)));
    assert_eq!(range("STRING"), None);
}

#[test]
fn suggestions_see_through_case_and_a_slip_or_two() {
    let instance = table().block("vrrp_instance").expect("a block of the data");
    assert_eq!(table().suggestion(instance, "Nopreempt"), Some("nopreempt"));
    assert_eq!(table().suggestion(instance, "prioritty"), Some("priority"));
    assert_eq!(table().suggestion(instance, "telnet"), None);
}

#[test]
fn blocks_nest_by_their_paths() {
    let instance = table().get(TOP, "vrrp_instance").expect("a keyword of the data");
    let authentication = table().get(instance.child.expect("has keywords"), "authentication");
    assert!(authentication.is_some_and(|keyword| keyword.child.is_some()));
}

#[test]
fn only_keywords_that_never_stand_alone_always_open_a_block() {
    assert!(table().always_block(None, "virtual_ipaddress"));
    assert!(table().always_block(None, "real_server"));
    assert!(!table().always_block(None, "priority"));
    assert!(!table().always_block(None, "weight"));
}

#[test]
fn what_is_not_run_or_refused_says_why() {
    for row in table().rows() {
        if let Support::NoEffect(why) | Support::Refused(why) = row.support {
            assert!(!why.is_empty(), "{} {}", row.block, row.name);
        }
    }
}
