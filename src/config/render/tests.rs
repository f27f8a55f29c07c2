use super::super::parse_text;

#[test]
fn text_shows_the_line_a_caret_and_the_correction() {
    let text = "vrrp_instance VI_1 {\n\tinterface eth0\n\tvirtual_router_id 300\n\tno_virtual_ipaddress\n}\n";
    insta::assert_snapshot!(parse_text("keepalived.conf", text).diagnostics.to_text(false), @r"
    error[number-out-of-range]: virtual_router_id 300 is out of range 1-255
     --> keepalived.conf:3:20
      |
    3 |     virtual_router_id 300
      |                       ^^^ in vrrp_instance VI_1
    ");
}

#[test]
fn two_places_are_shown_for_a_finding_about_two() {
    let one = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nno_virtual_ipaddress\n}\n";
    let text = format!("{one}{}", one.replace(" A ", " B "));
    insta::assert_snapshot!(parse_text("keepalived.conf", text).diagnostics.to_text(false), @r"
    error[duplicate-vrid]: virtual_router_id 7 is used twice on eth0
     --> keepalived.conf:6:1
      |
    6 | vrrp_instance B {
      | ^^^^^^^^^^^^^^^ this one cannot run
      |
     ::: keepalived.conf:1:1
      |
    1 | vrrp_instance A {
      | --------------- first one
      |
      = help: give each virtual router of an interface its own virtual_router_id
    ");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let rendered = parse_text("t", "a\u{1b}[31mb\n").diagnostics.to_text(false);
    assert!(!rendered.contains('\u{1b}'), "{rendered:?}");
}

#[test]
fn a_finding_in_a_long_line_shows_a_part_of_it_only() {
    let text = format!("{}nonsense\n", "\u{e9}".repeat(5000) + " ");
    let rendered = parse_text("t", text).diagnostics.to_text(false);
    assert!(rendered.len() < 3000, "{}", rendered.len());
}

#[test]
fn findings_beyond_a_thousand_are_counted_only() {
    let diagnostics = parse_text("t", "nonsense\n".repeat(5000)).diagnostics;
    assert_eq!(diagnostics.iter().count(), 1000);
    assert!(diagnostics.to_lines().ends_with("and 4000 more\n"));
}
