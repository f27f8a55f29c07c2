//! What an advert can hold, and what can wait to be read.

use crate::configs::{LB1, Pair, SOON, with_globals};
use crate::harness::Program::Mainstay;
use crate::harness::{Director, Lab, eventually, run};

/// RFC 9568 §5.1 knows no fragments: 20 + 8 + 4 × 137 octets are 576.
#[test]
fn an_advert_lists_what_fits_into_one_packet_and_the_rest_is_held_all_the_same() {
    run("vrrp_limits::mtu", |lab: &Lab| {
        let pair = Pair::new(lab);
        pair.r1.ip("link set eth0 mtu 576");
        let addresses: Vec<String> = (1..=150).map(|n| format!("198.51.100.{n}/32")).collect();
        let configuration = with_globals(&format!(
            "vrrp_instance KAV_1 {{\n interface eth0\n virtual_router_id 50\n version 3\n \
             priority 100\n virtual_ipaddress {{\n{}\n }}\n}}\n",
            addresses.join("\n")
        ));
        let one = Director::start(&pair.r1, Mainstay, configuration);
        one.wait_for_log(0, "13 addresses do not fit into one packet of eth0 (MTU 576)", SOON);
        one.wait_for_state(0, "MASTER");
        eventually("all are held", SOON, || pair.r1.holds("198.51.100.150"));
        eventually("an advert is seen", SOON, || !pair.capture.advert_octets_of(LB1).is_empty());
        let (_, advert) = pair.capture.advert_octets_of(LB1).remove(0);
        assert_eq!((advert[3], advert.len()), (137, 8 + 4 * 137));
        pair.r1.ip("link set eth0 mtu 1500");
        one.wait_for_log(0, "all addresses fit into one packet of eth0 again", SOON);
        eventually("all are listed", SOON, || {
            pair.capture.advert_octets_of(LB1).last().is_some_and(|(_, advert)| advert[3] == 150)
        });
    });
}

/// The kernel doubles what it is asked for.
#[test]
fn receive_buffers_are_as_large_as_asked_for() {
    run("vrrp_limits::receive_buffer", |lab: &Lab| {
        let pair = Pair::new(lab);
        let block = |name: &str, vrid: u8, lines: &str| {
            format!(
                "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n{lines}\n \
                 virtual_ipaddress {{\n 192.0.2.{vrid}\n }}\n}}\n"
            )
        };
        let two = block("KAV_1", 150, "") + &block("KAV_2", 151, "kernel_rx_buf_size 30000");
        let policy = "global_defs {\n    vrrp_rx_bufs_policy MTU\n    vrrp_rx_bufs_multiplier 10\n";
        let asked = with_globals(&two).replace("global_defs {\n", policy);
        let one = Director::start(&pair.r1, Mainstay, &asked);
        one.wait_for_state(0, "BACKUP");
        // 10 × 1500 for the one, 30000 for the other.
        assert_eq!(one.counter("Receive buffer"), 2 * 45_000);
        one.reload(with_globals(&two.replace("kernel_rx_buf_size 30000", "")));
        eventually("ample room again", SOON, || one.counter("Receive buffer") == 2 * 4_194_304);
    });
}
