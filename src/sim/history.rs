//! What has happened, in order: for whoever must understand a failure.

use std::fmt;
use std::time::Duration;

use super::trouble::Trouble;
use crate::vrrp::Transition;

/// Everything that was done to the hosts and every transition that came of it.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: Vec<Entry>,
    transitions: usize,
}

/// One line, at a true time since the start.
#[derive(Debug, Clone)]
pub struct Entry {
    pub at: Duration,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Trouble(Trouble),
    /// A heal, a settling: where in the scenario we are.
    Chapter(&'static str),
    /// By the router's name.
    Transition(String, Transition),
}

impl History {
    pub(super) fn add(&mut self, at: Duration, what: What) {
        self.transitions += usize::from(matches!(what, What::Transition(..)));
        self.entries.push(Entry { at, what });
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many transitions there were.
    pub fn transitions(&self) -> usize {
        self.transitions
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { at, what } in &self.entries {
            write!(f, "{:11.6} ", at.as_secs_f64())?;
            match what {
                What::Trouble(trouble) => writeln!(f, "! {trouble:?}")?,
                What::Chapter(name) => writeln!(f, "--- {name}")?,
                What::Transition(router, Transition { from, to, cause }) => {
                    writeln!(f, "{router}: {from} -> {to}: {cause}")?;
                }
            }
        }
        Ok(())
    }
}
