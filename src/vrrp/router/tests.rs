mod active;
mod backup;
mod delays;
mod initialize;
mod model;
mod owners;

use std::time::Duration;

use super::super::fixtures::*;
use super::super::{GarpSettings, Heard, Version};
use super::*;

/// A router and what it answered last.
struct Bench {
    router: VirtualRouter,
    out: Vec<Action>,
}

impl Bench {
    /// Started at 0 s with our usual address.
    fn started(settings: RouterSettings) -> Self {
        let mut bench = Self::idle(settings);
        bench.tell(at_secs(0), Event::Startup);
        bench
    }

    fn idle(settings: RouterSettings) -> Self {
        Self { router: VirtualRouter::new(settings, Some(OURS)), out: Vec::new() }
    }

    /// Active since 10 s: it heard nobody, and its deadline was served late.
    fn active(settings: RouterSettings) -> Self {
        let mut bench = Self::started(settings);
        bench.tell(at_secs(10), Event::DeadlineReached);
        assert_eq!(bench.router.public_state(), PublicState::Master);
        bench
    }

    /// One event; `out` holds the answer to it alone.
    fn tell(&mut self, now: Instant, event: Event) -> &[Action] {
        self.out.clear();
        self.router.handle(now, event, &mut self.out);
        &self.out
    }

    fn hear(&mut self, now: Instant, heard: Heard) -> &[Action] {
        self.tell(now, Event::Advertisement(heard))
    }

    fn deadline(&self) -> Option<Instant> {
        self.router.next_deadline()
    }

    fn adver_at(&self) -> Instant {
        match self.router.state() {
            State::Active(active) => active.adver_at,
            other => panic!("not Active: {other:?}"),
        }
    }
}

fn transition(from: PublicState, to: PublicState, cause: Cause) -> Action {
    Action::Transition(Transition { from, to, cause })
}

fn note(note: Note) -> Action {
    Action::Note(note)
}

fn advert(priority: u8) -> Action {
    Action::SendAdvertisement { priority }
}
