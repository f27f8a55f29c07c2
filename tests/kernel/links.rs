//! Interfaces made on top of others.

use mainstay::kernel::{
    Ipv4Setting, IpvlanFlags, Link, LinkChange, LinkKind, LinkSettings, NewLink, NewLinkKind, Rtnl,
};

use crate::network::{in_own_network, ip, output};

const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];

/// The interface `name` as the kernel has it; `None`: there is none.
fn link(rtnl: &mut Rtnl, name: &str) -> Option<Link> {
    match rtnl.link(name) {
        Ok(link) => Some(link),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => None,
        Err(error) => panic!("{name}: {error}"),
    }
}

fn setting(name: &str) -> String {
    let path = format!("/proc/sys/net/{name}");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}")).trim().to_owned()
}

#[test]
fn a_macvlan_is_made_set_and_deleted() {
    in_own_network(|| {
        let mut rtnl = Rtnl::open().unwrap();
        ip("link add lower type veth peer name other");
        ip("link set lower up group 3");
        ip("link set other up");
        let parent = link(&mut rtnl, "lower").unwrap();
        assert_eq!((parent.group, parent.kind), (3, LinkKind::Other));
        let kind = NewLinkKind::Macvlan { mac: MAC };
        let new = NewLink { name: "vrrp.51".into(), parent: parent.index, kind, group: 3 };
        let failures = rtnl.change_links(&[LinkChange::Make(new.clone())]);
        assert!(failures.is_empty(), "{failures:?}");

        let made = link(&mut rtnl, "vrrp.51").unwrap();
        assert_eq!(made.kind, LinkKind::Macvlan { private: true });
        assert_eq!((made.mac, made.parent, made.group), (Some(MAC), Some(parent.index), 3));
        assert!(!made.up);

        let settings = LinkSettings {
            mac: Some([2, 0, 0, 0, 0, 9]),
            make_private: true,
            group: Some(4),
            ipv4: vec![
                (Ipv4Setting::ArpIgnore, 1),
                (Ipv4Setting::AcceptLocal, 1),
                (Ipv4Setting::RpFilter, 2),
                (Ipv4Setting::PromoteSecondaries, 1),
            ],
            no_generated_address: true,
            ..LinkSettings::default()
        };
        let up = LinkSettings { up: true, ..LinkSettings::default() };
        let failures = rtnl.change_links(&[
            LinkChange::Set(made.index, settings),
            LinkChange::Set(made.index, up),
        ]);
        assert!(failures.is_empty(), "{failures:?}");
        let set = link(&mut rtnl, "vrrp.51").unwrap();
        assert_eq!((set.mac, set.group, set.up), (Some([2, 0, 0, 0, 0, 9]), 4, true));
        let ipv4 = ["arp_ignore", "accept_local", "rp_filter", "promote_secondaries"];
        let found = ipv4.map(|name| setting(&format!("ipv4/conf/vrrp.51/{name}")));
        assert_eq!(found, ["1", "1", "2", "1"]);
        assert_eq!(setting("ipv6/conf/vrrp.51/addr_gen_mode"), "1");
        let addresses = output("ip", "-6 -o addr show dev vrrp.51");
        assert_eq!(addresses, "", "no address of its own making");

        let again = rtnl.change_links(&[LinkChange::Make(new)]);
        assert_eq!(again[0].error.raw_os_error(), Some(libc::EEXIST));
        let gone = [LinkChange::Delete(made.index), LinkChange::Delete(made.index)];
        assert!(rtnl.change_links(&gone).is_empty(), "what is gone is gone");
        assert_eq!(link(&mut rtnl, "vrrp.51"), None);
    });
}

#[test]
fn a_macvlan_in_bridge_mode_becomes_private() {
    in_own_network(|| {
        let mut rtnl = Rtnl::open().unwrap();
        ip("link add lower type veth peer name other");
        ip("link add m0 link lower type macvlan mode bridge");
        let found = link(&mut rtnl, "m0").unwrap();
        assert_eq!(found.kind, LinkKind::Macvlan { private: false });
        let private = LinkSettings { make_private: true, ..LinkSettings::default() };
        let failures = rtnl.change_links(&[LinkChange::Set(found.index, private)]);
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(link(&mut rtnl, "m0").unwrap().kind, LinkKind::Macvlan { private: true });
    });
}

#[test]
fn an_ipvlan_and_a_vrf_are_known_as_what_they_are() {
    in_own_network(|| {
        let mut rtnl = Rtnl::open().unwrap();
        ip("link add lower type veth peer name other");
        let parent = link(&mut rtnl, "lower").unwrap().index;
        let kind = NewLinkKind::Ipvlan(IpvlanFlags::Private);
        let new = NewLink { name: "ipv0".into(), parent, kind, group: 0 };
        let failures = rtnl.change_links(&[LinkChange::Make(new)]);
        if let Some(failure) = failures.first() {
            assert_eq!(failure.error.raw_os_error(), Some(libc::EOPNOTSUPP), "{failure}");
            return println!("skipped: this kernel has no ipvlan");
        }
        let made = link(&mut rtnl, "ipv0").unwrap();
        assert_eq!(made.kind, LinkKind::Ipvlan(IpvlanFlags::Private));
    });
}

/// Each call that deletes makes the kernel wait for all its processors.
#[test]
fn a_group_of_interfaces_is_deleted_at_once_and_others_stay() {
    in_own_network(|| {
        let mut rtnl = Rtnl::open().unwrap();
        ip("link add lower type veth peer name other");
        let parent = link(&mut rtnl, "lower").unwrap().index;
        let new = |number: u8, group| {
            let kind = NewLinkKind::Macvlan { mac: [0, 0, 0x5e, 0, 1, number] };
            LinkChange::Make(NewLink { name: format!("m{number}"), parent, kind, group })
        };
        let mut all: Vec<_> = (1..=100).map(|number| new(number, 77)).collect();
        all.push(new(200, 78));
        assert!(rtnl.change_links(&all).is_empty());
        assert!(rtnl.change_links(&[LinkChange::DeleteGroup(77)]).is_empty());
        let left: Vec<_> = rtnl.links().unwrap().into_iter().map(|link| link.name).collect();
        assert!(!left.iter().any(|name| name == "m1" || name == "m100"), "{left:?}");
        assert!(["m200", "lower"].iter().all(|name| left.iter().any(|l| l == name)), "{left:?}");
    });
}
