//! When each instance wants to be called again: one ordered set for all of them.

use std::collections::BTreeSet;
use std::time::Instant;

/// Deadlines by instance number. Setting and taking cost O(log n).
#[derive(Debug, Default)]
pub struct Schedule {
    order: BTreeSet<(Instant, usize)>,
    by_instance: Vec<Option<Instant>>,
}

impl Schedule {
    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|&(at, _)| at)
    }

    /// Replaces the deadline of `instance`.
    pub fn set(&mut self, instance: usize, deadline: Option<Instant>) {
        if self.by_instance.len() <= instance {
            self.by_instance.resize(instance + 1, None);
        }
        let previous = std::mem::replace(&mut self.by_instance[instance], deadline);
        if previous == deadline {
            return;
        }
        if let Some(at) = previous {
            self.order.remove(&(at, instance));
        }
        if let Some(at) = deadline {
            self.order.insert((at, instance));
        }
    }

    /// Forgets all deadlines.
    pub fn clear(&mut self) {
        self.order.clear();
        self.by_instance.clear();
    }

    /// Adds the instances due at `now` to `due`, the most overdue first.
    pub fn due(&self, now: Instant, due: &mut Vec<(Instant, usize)>) {
        due.extend(self.order.iter().take_while(|&&(at, _)| at <= now));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::driver::clock;

    #[test]
    fn a_deadline_that_moved_is_due_only_at_its_new_time() {
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut schedule = Schedule::default();
        schedule.set(3, Some(at(10)));
        schedule.set(0, Some(at(20)));
        schedule.set(3, Some(at(30)));
        assert_eq!(schedule.next(), Some(at(20)));

        let mut due = Vec::new();
        schedule.due(at(25), &mut due);
        assert_eq!(due, [(at(20), 0)]);

        schedule.set(0, None);
        assert_eq!(schedule.next(), Some(at(30)));
    }
}
