//! Servers that their checkers find well and that the kernel would not take.

use super::*;

fn refused(lab: &mut Lab, servers: &[usize]) -> Vec<Action> {
    lab.handle(Event::Refused { servers: servers.to_vec() })
}

#[test]
fn what_is_refused_does_not_count_for_the_quorum() {
    let mut lab = Lab::start(two_servers(3, 2));
    assert_eq!(refused(&mut lab, &[0]), [], "2 is enough");
    assert_eq!(lab.pool.status().sum, 2);
    let lost = Action::QuorumLost { initial: false, sum: 0, needed: 1 };
    assert_eq!(refused(&mut lab, &[0, 1]), [lost]);
    assert_eq!(lab.wanted(), [Some(3), Some(2)], "they are tried again");
    let gained = Action::QuorumGained { initial: false, sum: 5, needed: 1 };
    assert_eq!(refused(&mut lab, &[]), [gained]);
}

/// They are asked for with weight 0 then, or nobody would learn that they are taken now.
#[test]
fn a_sorry_server_serves_until_they_are_taken() {
    let sorry = Some(Sorry { inhibit: false });
    let mut lab = Lab::start(PoolSettings { sorry, ..two_servers(3, 2) });
    let out = refused(&mut lab, &[0, 1]);
    assert_eq!(out[0], Action::TableChanged);
    assert_eq!(lab.table(), (vec![Some(0), Some(0)], Some(1)));
    refused(&mut lab, &[1]);
    assert_eq!(lab.table(), (vec![Some(3), Some(2)], None));
}

#[test]
fn a_reload_goes_on_with_it() {
    let pairing = Pairing {
        servers: [0, 1].map(|old| Some(PairedServer { old, checkers: vec![Some(0)] })).to_vec(),
    };
    let mut lab = Lab::start(two_servers(3, 2));
    refused(&mut lab, &[0]);
    lab.reload(two_servers(3, 2), &pairing);
    assert_eq!(lab.pool.status().sum, 2);
    assert!(lab.pool.status().servers[0].refused);
}
