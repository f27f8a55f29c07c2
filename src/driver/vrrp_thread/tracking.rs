//! What tracked things do to the instances: readings come from the work runtime, interfaces from
//! the kernel.

use std::collections::{BTreeSet, HashMap};

use super::VrrpThread;
use super::instance::Instance;
use super::interfaces::Interfaces;
use crate::driver::clock;
use crate::vrrp::{Effect, Event, PublicState, Reading, Sum, Tracked, Tracker};

/// The last reading of every script, file and process.
pub type Readings = HashMap<Tracked, Reading>;

/// What the trackers of one instance come to, as all that they track is now.
pub fn sum(instance: &Instance, interfaces: &Interfaces, readings: &Readings) -> Sum {
    Sum::of(&instance.plan.trackers, |what| reading(what, interfaces, readings))
}

fn reading(what: &Tracked, interfaces: &Interfaces, readings: &Readings) -> Reading {
    match what {
        Tracked::Interface(name) if interfaces.by_name(name).is_some_and(|link| link.up) => {
            Reading::Good
        }
        Tracked::Interface(_) => Reading::Bad,
        Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) => {
            readings.get(what).copied().unwrap_or(Reading::Unknown)
        }
        // Down until it is up.
        Tracked::Bfd(_) => readings.get(what).copied().unwrap_or(Reading::Bad),
    }
}

/// A session that was never up is down.
fn session_reading(up: Option<bool>) -> Reading {
    if up == Some(true) { Reading::Good } else { Reading::Bad }
}

impl VrrpThread {
    /// Takes in a reading, and lets those instances follow that track the thing.
    pub(super) fn take_reading(&mut self, what: Tracked, reading: Reading) {
        self.readings.insert(what.clone(), reading);
        let now = clock::now();
        for number in 0..self.instances.len() {
            let tracks =
                self.instances[number].plan.trackers.iter().any(|tracker| tracker.what == what);
            if tracks {
                self.reassess(number, now);
                self.start_if_ready(number, now);
            }
        }
    }

    /// Sessions have gone up or down.
    pub(super) fn hear_sessions(&mut self) {
        let states = self.sessions.borrow_and_update().clone();
        for (name, up) in states {
            let (what, reading) = (Tracked::Bfd(name), session_reading(up));
            if self.readings.get(&what) != Some(&reading) {
                self.tell_of_session(&what, reading);
                self.take_reading(what, reading);
            }
        }
    }

    /// keepalived's words, for each instance that is concerned.
    fn tell_of_session(&self, what: &Tracked, reading: Reading) {
        let Tracked::Bfd(session) = what else { return };
        let state = if reading == Reading::Good { "UP" } else { "DOWN" };
        let tracks = |each: &&Instance| each.plan.trackers.iter().any(|t| t.what == *what);
        // What was never up has not gone down.
        let told = reading == Reading::Good || self.readings.contains_key(what);
        for instance in self.instances.iter().filter(tracks).filter(|_| told) {
            let name = &instance.plan.name;
            tracing::info!("VRRP_Instance({name}) Tracked BFD instance {session} is {state}");
        }
    }

    /// For the dump: `script chk is bad, weight -60: priority -60`.
    pub(super) fn describe_tracked(&self, instance: &Instance) -> Vec<String> {
        let line = |tracker: &Tracker| {
            let now = reading(&tracker.what, &self.interfaces, &self.readings);
            let effect = tracker.effect(now);
            let (what, weight) = (&tracker.what, tracker.weight);
            let reverse = if tracker.reverse { " reverse" } else { "" };
            let comes_to = match effect {
                Effect { fault: true, .. } => "FAULT".to_owned(),
                Effect { pending: true, .. } => "waiting for it".to_owned(),
                Effect { priority, .. } => format!("priority {priority:+}"),
            };
            format!("{what} is {now}, weight {weight}{reverse}: {comes_to}")
        };
        instance.plan.trackers.iter().map(line).collect()
    }

    /// Forgets what the plan no longer tracks: tracked again later, it begins anew.
    pub(super) fn forget_readings(&mut self) {
        let wanted: BTreeSet<&Tracked> = self
            .plan
            .vrrp_instances
            .iter()
            .flat_map(|each| &each.trackers)
            .map(|t| &t.what)
            .collect();
        self.readings.retain(|what, _| wanted.contains(what));
        // What begins to be tracked may be up already.
        let states = self.sessions.borrow_and_update();
        let known =
            states.iter().map(|(name, up)| (Tracked::Bfd(name.clone()), session_reading(*up)));
        self.readings.extend(known);
    }

    /// Starts an instance that has not run yet, unless a script that decides over it has not.
    pub(super) fn start_if_ready(&mut self, number: usize, now: std::time::Instant) {
        let instance = &self.instances[number];
        let pending = sum(instance, &self.interfaces, &self.readings).pending;
        if instance.state == PublicState::Init && !pending {
            self.handle(number, now, Event::Startup);
        }
    }
}
