use std::sync::Arc;

use super::*;
use crate::config::parse_text;

fn plan(weights: [u32; 3]) -> Plan {
    let service = |(n, weight): (usize, u32)| {
        format!(
            "virtual_server 198.51.100.{n} 80 {{\nprotocol TCP\nreal_server 192.0.2.{n} 80 {{\n\
             weight {weight}\nTCP_CHECK {{\n}}\n}}\n}}\n"
        )
    };
    parse_text("t", weights.into_iter().enumerate().map(service).collect::<String>()).plan
}

#[test]
fn what_a_reload_leaves_as_it_was_is_what_runs_already() {
    let (running, mut reloaded) = (plan([1, 2, 3]), plan([1, 7, 3]));
    let another = plan([1, 7, 3]);
    reloaded.keep_unchanged(&running);
    let pairs = running.virtual_servers.iter().zip(&reloaded.virtual_servers);
    let same: Vec<_> = pairs.map(|(one, other)| Arc::ptr_eq(one, other)).collect();
    assert_eq!(same, [true, false, true]);
    assert_eq!(reloaded.virtual_servers, another.virtual_servers);
}
