//! Interfaces that addresses and routes name and this host does not have yet.

use crate::config::plan::{Plan, VirtualAddress, VirtualRoute};
use crate::kernel::interface_index;

/// What there is to say of them: what names them is added when they appear. Unlike an instance's
/// own interface they are no reason not to start.
pub fn interfaces(plan: &Plan) -> Vec<String> {
    let missing = |name: &str| interface_index(name).is_err();
    let mut lines = Vec::new();
    for instance in &plan.vrrp_instances {
        let all = instance.addresses.iter().chain(&instance.excluded_addresses);
        lines.extend(of_addresses(&instance.name, all, missing));
        lines.extend(of_routes(&instance.name, &instance.routes, missing));
    }
    lines.extend(of_addresses("static", plan.static_objects.addresses.iter(), missing));
    lines.extend(of_routes("static", &plan.static_objects.routes, missing));
    lines
}

fn of_addresses<'a>(
    owner: &str,
    addresses: impl Iterator<Item = &'a VirtualAddress>,
    missing: impl Fn(&str) -> bool,
) -> Vec<String> {
    let named = addresses.filter_map(|each| Some((each.address, each.interface.as_deref()?)));
    let waiting = named.filter(|(_, name)| missing(name));
    waiting.map(|(address, name)| line(owner, &address, name)).collect()
}

fn of_routes(owner: &str, routes: &[VirtualRoute], missing: impl Fn(&str) -> bool) -> Vec<String> {
    let waiting = routes.iter().filter_map(|each| {
        let name = each.route.interfaces().find(|name| missing(name))?;
        Some(line(owner, &format_args!("route {}", each.route.text), name))
    });
    waiting.collect()
}

fn line(owner: &str, what: &dyn std::fmt::Display, interface: &str) -> String {
    format!(
        "({owner}) {what}: interface {interface} does not exist; it is added when {interface} appears"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_text;

    #[test]
    fn each_thing_that_waits_is_named_with_its_interface() {
        let text = "vrrp_instance VI_1 {\n interface lo0\n virtual_router_id 5\n \
                    virtual_ipaddress {\n 192.0.2.1/24\n 192.0.2.2/24 dev nowhere0\n }\n \
                    virtual_routes {\n 203.0.113.0/24 dev nowhere1\n 203.0.113.0/25 dev lo\n }\n}\n";
        let waiting = interfaces(&parse_text("t", text).plan);
        assert_eq!(
            waiting,
            [
                "(VI_1) 192.0.2.2/24: interface nowhere0 does not exist; it is added when nowhere0 appears",
                "(VI_1) route 203.0.113.0/24 dev nowhere1: interface nowhere1 does not exist; \
             it is added when nowhere1 appears",
            ]
        );
    }
}
