//! Datagrams from netlink sockets: links, addresses, routes, rules, IPVS, refusals.

#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod targets;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    targets::netlink(octets);
});
