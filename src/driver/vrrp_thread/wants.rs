//! What an instance, or the file itself, wants in the kernel, and in which order.

use ipnet::IpNet;

use super::VrrpThread;
use super::instance::Instance;
use super::interfaces::Interfaces;
use crate::config::plan::{StaticObjects, VirtualAddress, VirtualRoute, VirtualRule};
use crate::kernel::{Assignment, KernelObject};
use crate::routing::{Route, RouteKey};

/// Who wants something in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// By its number.
    Instance(usize),
    /// `static_ipaddress` and its like.
    Static,
    /// Nobody any more.
    FormerRun,
}

/// What names an object, for those who hear that it is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKey {
    Address(u32, IpNet),
    Route(RouteKey),
    /// Priority, and whether it is IPv6's.
    Rule(u32, bool),
}

/// Who wants what, in order of the objects.
#[derive(Debug, Default)]
pub struct Holders(Vec<(ObjectKey, Owner)>);

impl Holders {
    fn of(all: impl Iterator<Item = (ObjectKey, Owner)>) -> Self {
        let mut all: Vec<_> = all.collect();
        all.shrink_to_fit();
        all.sort_unstable();
        Self(all)
    }

    /// All who want `object`.
    pub fn get(&self, object: &ObjectKey) -> impl Iterator<Item = Owner> {
        let first = self.0.partition_point(|(key, _)| key < object);
        let same = self.0[first..].iter().take_while(move |(key, _)| key == object);
        same.map(|&(_, owner)| owner)
    }
}

/// One object, and whether it comes back when somebody else removes it.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub object: KernelObject,
    pub tracked: bool,
}

impl ObjectKey {
    pub fn of(object: &KernelObject) -> Self {
        match object {
            KernelObject::Address(assignment) => {
                Self::Address(assignment.ifindex, assignment.address)
            }
            KernelObject::Route(route) => Self::Route(route.key()),
            KernelObject::Rule(rule) => Self::Rule(rule.priority, rule.ipv6),
        }
    }
}

/// The address on the interface it goes to; `None` while that does not exist.
pub fn assignment(
    wanted: &VirtualAddress,
    default_interface: &str,
    interfaces: &Interfaces,
) -> Option<Assignment> {
    Some(Assignment {
        ifindex: interfaces.by_name(wanted.interface_or(default_interface))?.index,
        address: wanted.address,
        peer: wanted.peer,
        broadcast: wanted.broadcast,
        label: wanted.label.clone(),
        scope: wanted.scope,
        detect_duplicates: wanted.detect_duplicates,
        preferred_lifetime: wanted.preferred_lifetime,
        flags: wanted.flags,
    })
}

/// The route as the kernel is told it; `None` while an interface of it does not exist.
pub fn resolve(route: &Route, interfaces: &Interfaces) -> Option<Route<u32>> {
    route.resolve(|name| interfaces.by_name(name).map(|link| (link.index, link.vrf_table)))
}

/// Routes, then rules: what comes after the addresses.
pub fn routing<'a>(
    routes: &'a [VirtualRoute],
    rules: &'a [VirtualRule],
    interfaces: &'a Interfaces,
) -> impl Iterator<Item = Wanted> + 'a {
    let routes = routes.iter().filter_map(|wanted| {
        let object = resolve(&wanted.route, interfaces)?.into();
        Some(Wanted { object, tracked: !wanted.no_track })
    });
    let rules = rules
        .iter()
        .map(|wanted| Wanted { object: wanted.rule.clone().into(), tracked: !wanted.no_track });
    routes.chain(rules)
}

/// All that the file itself wants. What names an interface that does not exist is left out.
pub fn static_objects<'a>(
    wanted: &'a StaticObjects,
    interfaces: &'a Interfaces,
) -> impl Iterator<Item = Wanted> + 'a {
    let addresses = wanted.addresses.iter().filter_map(|address| {
        let object = assignment(address, "", interfaces)?.into();
        Some(Wanted { object, tracked: !address.no_track })
    });
    addresses.chain(routing(&wanted.routes, &wanted.rules, interfaces))
}

/// The order of leaving: rules and routes first, so that nothing leads to addresses that are gone.
pub fn in_order_of_leaving(mut objects: Vec<KernelObject>) -> Vec<KernelObject> {
    objects.sort_by_key(|object| match object {
        KernelObject::Rule(_) => 0,
        KernelObject::Route(_) => 1,
        KernelObject::Address(_) => 2,
    });
    objects
}

impl Instance {
    /// All that it wants in the kernel while it is Active, in the order of entering: addresses,
    /// excluded ones, routes, rules.
    pub fn objects<'a>(&'a self, interfaces: &'a Interfaces) -> impl Iterator<Item = Wanted> + 'a {
        let addresses = self.assigned(interfaces).map(|(plan, assignment)| Wanted {
            object: assignment.into(),
            tracked: !plan.no_track,
        });
        addresses.chain(routing(&self.plan.routes, &self.plan.rules, interfaces))
    }

    /// Whether it holds its objects and somebody has removed one that is to come back.
    pub fn lacks(&self, interfaces: &Interfaces) -> bool {
        self.is_active()
            && self.objects(interfaces).any(|each| each.tracked && !interfaces.holds(&each.object))
    }
}

impl VrrpThread {
    /// What `owner` is to have in the kernel now.
    pub(super) fn objects_of(&self, owner: Owner) -> Vec<Wanted> {
        match owner {
            Owner::Instance(number) => {
                let active = self.instances.get(number).filter(|instance| instance.is_active());
                active.map_or_else(Vec::new, |each| each.objects(&self.interfaces).collect())
            }
            Owner::Static => static_objects(&self.plan.static_objects, &self.interfaces).collect(),
            Owner::FormerRun => Vec::new(),
        }
    }

    /// Who to ask when something is gone.
    pub(super) fn index_holders(&mut self) {
        let interfaces = &self.interfaces;
        let of_instances = self.instances.iter().enumerate().flat_map(|(number, instance)| {
            let objects = instance.objects(interfaces);
            objects.map(move |wanted| (ObjectKey::of(&wanted.object), Owner::Instance(number)))
        });
        let statics = static_objects(&self.plan.static_objects, interfaces)
            .map(|wanted| (ObjectKey::of(&wanted.object), Owner::Static));
        self.holders = Holders::of(of_instances.chain(statics));
        self.virtual_addresses = self.list_virtual_addresses();
    }
}
