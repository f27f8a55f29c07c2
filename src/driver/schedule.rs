//! When each instance wants to be called again: one heap for all of them, which allocates only
//! when there are more instances than ever before.

use std::time::Instant;

/// Deadlines by instance number. Setting one costs O(log n), looking at the earliest O(1).
#[derive(Debug, Default)]
pub struct Schedule {
    /// A binary heap of those that have a deadline, the earliest first.
    heap: Vec<(Instant, usize)>,
    /// Where each instance is in the heap.
    places: Vec<Option<usize>>,
}

impl Schedule {
    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Instant> {
        self.heap.first().map(|&(at, _)| at)
    }

    /// Replaces the deadline of `instance`.
    pub fn set(&mut self, instance: usize, deadline: Option<Instant>) {
        if self.places.len() <= instance {
            self.places.resize(instance + 1, None);
        }
        match (self.places[instance], deadline) {
            (None, None) => {}
            (None, Some(at)) => {
                self.heap.push((at, instance));
                self.rise(self.heap.len() - 1);
            }
            (Some(place), Some(at)) => {
                self.heap[place].0 = at;
                self.settle(place);
            }
            (Some(place), None) => self.remove(place, instance),
        }
    }

    /// Forgets all deadlines.
    pub fn clear(&mut self) {
        self.heap.clear();
        self.places.clear();
    }

    /// Adds the instances due at `now` to `due`, the most overdue first, and of them not more than
    /// `most`.
    pub fn due(&self, now: Instant, most: usize, due: &mut Vec<(Instant, usize)>) {
        let before = due.len();
        self.collect(0, now, due);
        if due.len() - before > most {
            due[before..].select_nth_unstable(most);
            due.truncate(before + most);
        }
        due[before..].sort_unstable();
    }

    /// Below one that is not due yet none is: the walk is as long as what it finds.
    fn collect(&self, place: usize, now: Instant, due: &mut Vec<(Instant, usize)>) {
        if let Some(&entry) = self.heap.get(place).filter(|(at, _)| *at <= now) {
            due.push(entry);
            self.collect(2 * place + 1, now, due);
            self.collect(2 * place + 2, now, due);
        }
    }

    fn remove(&mut self, place: usize, instance: usize) {
        self.heap.swap_remove(place);
        self.places[instance] = None;
        if place < self.heap.len() {
            self.settle(place);
        }
    }

    fn settle(&mut self, place: usize) {
        let place = self.rise(place);
        self.sink(place);
    }

    /// Gives the place it ends in.
    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 && self.heap[place] < self.heap[(place - 1) / 2] {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        self.places[self.heap[place].1] = Some(place);
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children = (2 * place + 1)..(2 * place + 3).min(self.heap.len());
            let least = children.min_by_key(|&child| self.heap[child]);
            let Some(child) = least.filter(|&child| self.heap[child] < self.heap[place]) else {
                return;
            };
            self.swap(place, child);
            place = child;
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        for place in [one, other] {
            self.places[self.heap[place].1] = Some(place);
        }
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
        schedule.due(at(25), 10, &mut due);
        assert_eq!(due, [(at(20), 0)]);

        schedule.set(0, None);
        assert_eq!(schedule.next(), Some(at(30)));
    }

    /// Against a plain list, over many changes in an order that a small generator gives.
    #[test]
    fn the_heap_says_what_a_list_would() {
        let start = clock::now();
        let (mut schedule, mut list) = (Schedule::default(), vec![None; 20]);
        let mut random = 1u64;
        for _ in 0..5000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (instance, ms) = ((random >> 33) as usize % 20, (random >> 40) % 50);
            let deadline = (ms > 5).then(|| start + Duration::from_millis(ms));
            schedule.set(instance, deadline);
            list[instance] = deadline;

            assert_eq!(schedule.next(), list.iter().flatten().min().copied());
            let now = start + Duration::from_millis(25);
            let mut due = Vec::new();
            let most = (random >> 20) as usize % 20;
            schedule.due(now, most, &mut due);
            let mut expected: Vec<(Instant, usize)> =
                (0..).zip(&list).filter_map(|(n, at)| Some(((*at)?, n))).collect();
            expected.retain(|(at, _)| *at <= now);
            expected.sort_unstable();
            expected.truncate(most);
            assert_eq!(due, expected);
        }
    }
}
