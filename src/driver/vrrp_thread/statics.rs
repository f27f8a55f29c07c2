//! Static addresses, routes and rules, and who cannot run without them; `promote_secondaries`.

use std::collections::HashSet;
use std::time::Instant;

use super::VrrpThread;
use super::wants::{Owner, assignment, resolve};
use crate::config::plan::Plan;
use crate::kernel::KernelObject;
use crate::routing::{Route, Rule};
use crate::vrrp::Fights;

/// What a former run may have left.
#[derive(Debug, Clone, Default)]
pub struct Leftovers {
    /// By interface name.
    pub addresses: Vec<(String, ipnet::IpNet)>,
    pub routes: Vec<Route>,
    pub rules: Vec<Rule>,
}

/// How static objects fare.
#[derive(Debug, Default)]
pub struct Statics {
    fights: Fights,
    /// After a lost fight: when what is missing is put back again.
    rest_until: Option<Instant>,
    /// Times that something was put back.
    pub repairs: u64,
}

impl Statics {
    pub fn next_deadline(&self) -> Option<Instant> {
        self.rest_until
    }
}

impl VrrpThread {
    /// Hears of routes and rules if `plan` has any, and knows what is there of them.
    pub(super) fn follow_routing(&mut self, plan: &Plan) {
        let statics = &plan.static_objects;
        let wanted = !(statics.routes.is_empty() && statics.rules.is_empty())
            || plan.vrrp_instances.iter().any(|i| !(i.routes.is_empty() && i.rules.is_empty()));
        if wanted == self.follows_routing {
            return;
        }
        if let Err(error) = self.monitor.follow_routes(wanted) {
            tracing::error!(
                "cannot hear of changed routes and rules: {error}; they are not repaired"
            );
            return;
        }
        self.follows_routing = wanted;
        if wanted {
            self.look_at_routing();
        }
    }

    /// Takes off what a former run left, unless it is wanted from the start.
    pub(super) fn remove_leftovers(&mut self, leftovers: Leftovers, plan: &Plan) {
        let statics = &plan.static_objects;
        for rule in leftovers.rules {
            if !statics.rules.iter().any(|wanted| wanted.rule == rule) {
                self.effects.remove_leftover(&self.interfaces, rule.into());
            }
        }
        for route in leftovers.routes {
            let wanted = statics.routes.iter().any(|wanted| wanted.route == route);
            if let Some(route) = resolve(&route, &self.interfaces).filter(|_| !wanted) {
                self.effects.remove_leftover(&self.interfaces, route.into());
            }
        }
        let kept: HashSet<_> = (statics.addresses.iter())
            .filter_map(|wanted| assignment(wanted, "", &self.interfaces))
            .map(|kept| (kept.ifindex, kept.address))
            .collect();
        for (interface, address) in leftovers.addresses {
            let Some(link) = self.interfaces.by_name(&interface) else { continue };
            if !kept.contains(&(link.index, address)) {
                let left = self.interfaces.as_it_is(link.index, address);
                self.effects.remove_leftover(&self.interfaces, left.into());
            }
        }
    }

    /// Somebody has removed something static: it comes back, unless that has become a fight.
    pub(super) fn statics_robbed(&mut self, now: Instant) {
        let wanted = self.objects_of(Owner::Static);
        let lacks = wanted.iter().any(|each| each.tracked && !self.interfaces.holds(&each.object));
        if !lacks || self.statics.rest_until.is_some() {
            return;
        }
        if self.statics.fights.repair(now) {
            self.statics.repairs += 1;
            self.effects.put_back(Owner::Static, "static", wanted, &self.interfaces, true);
        } else {
            self.statics.rest_until = Some(now + Fights::REST);
            tracing::error!(
                "(static) somebody else keeps removing static addresses, routes or rules: \
                 5 repairs within 10 s; trying again in 60 s"
            );
        }
    }

    /// After a lost fight, what is missing is put back once more.
    pub(super) fn rested(&mut self, now: Instant) {
        if self.statics.rest_until.take_if(|at| *at <= now).is_some() {
            self.complete(Owner::Static);
        }
    }

    /// Names of the instances that cannot run: something static of their track group is missing
    /// and could not be put back.
    pub(super) fn list_bereaved(&self) -> HashSet<String> {
        let mut bereaved = HashSet::new();
        if self.plan.track_groups.is_empty() {
            return bereaved;
        }
        let missing = |object: Option<KernelObject>| {
            object.is_none_or(|object| self.effects.is_failing(Owner::Static, &object))
        };
        let objects = &self.plan.static_objects;
        let addresses = objects.addresses.iter().map(|each| {
            let object = || assignment(each, "", &self.interfaces).map(Into::into);
            each.track_group.as_deref().filter(|_| missing(object()))
        });
        let routes = objects.routes.iter().map(|each| {
            let object = || resolve(&each.route, &self.interfaces).map(Into::into);
            each.track_group.as_deref().filter(|_| missing(object()))
        });
        let rules = objects.rules.iter().map(|each| {
            let object = || Some(each.rule.clone().into());
            each.track_group.as_deref().filter(|_| missing(object()))
        });
        for group in addresses.chain(routes).chain(rules).flatten() {
            let found = self.plan.track_groups.iter().filter(|each| each.name == group);
            bereaved.extend(found.flat_map(|each| each.members.iter().cloned()));
        }
        bereaved
    }

    /// Those of a track group follow what has become of it.
    pub(super) fn follow_track_groups(&mut self) {
        if self.plan.track_groups.is_empty() || !self.effects.take_failures_changed() {
            return;
        }
        self.bereaved = self.list_bereaved();
        self.reassess_all();
        self.settle_groups();
        self.carry_out();
    }

    /// Sets `promote_secondaries` where an instance asks for it, and puts back where none does
    /// any more.
    pub(super) fn promote_secondaries(&mut self) {
        let wanted: HashSet<u32> = (self.instances.iter())
            .filter(|instance| instance.plan.promote_secondaries)
            .filter_map(|instance| instance.ifindex)
            .collect();
        let off = |index: &u32| {
            self.interfaces.by_index(*index).is_some_and(|l| l.promote_secondaries == Some(false))
        };
        let set: Vec<u32> = wanted.difference(&self.promoted).copied().filter(off).collect();
        let back: Vec<u32> = self.promoted.difference(&wanted).copied().collect();
        for (index, promote) in
            set.into_iter().map(|i| (i, true)).chain(back.into_iter().map(|i| (i, false)))
        {
            self.set_promotion(index, promote);
        }
    }

    /// At the end: as it was found.
    pub(super) fn restore_promotions(&mut self) {
        for index in std::mem::take(&mut self.promoted) {
            self.set_promotion(index, false);
        }
    }

    fn set_promotion(&mut self, index: u32, promote: bool) {
        if promote {
            self.promoted.insert(index);
        } else {
            self.promoted.remove(&index);
        }
        // With the interface its settings went, too.
        let Some(link) = self.interfaces.by_index(index) else { return };
        if let Err(error) = self.rtnl.promote_secondaries(index, promote) {
            let value = u8::from(promote);
            tracing::warn!("cannot set promote_secondaries of {} to {value}: {error}", link.name);
        }
    }
}
