//! What many checkers have alike is in memory once.

use std::sync::Arc;

use crate::check::Timing;
use crate::probe::Pages;

/// That of one top-level block: the servers of a virtual server differ in little but their address.
#[derive(Debug, Default)]
pub(super) struct Alikes {
    pub timings: Alike<Timing>,
    pub pages: Alike<Pages>,
}

/// Values met of late, each once.
#[derive(Debug)]
pub(super) struct Alike<T>(Vec<Arc<T>>);

/// So many are looked through. A server rarely has more checkers, and the next server has the same.
const REMEMBERED: usize = 4;

impl<T> Default for Alike<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Alike<T> {
    /// The value, or one that is equal to it.
    pub fn share(&mut self, value: T) -> Arc<T> {
        if let Some(same) = self.0.iter().find(|known| ***known == value) {
            return same.clone();
        }
        if self.0.len() == REMEMBERED {
            self.0.remove(0);
        }
        let new = Arc::new(value);
        self.0.push(new.clone());
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_is_one() {
        let mut alike = Alike::default();
        let first = alike.share("a".to_owned());
        assert!(Arc::ptr_eq(&first, &alike.share("a".to_owned())));
        for other in ["b", "c", "d"] {
            assert_eq!(*alike.share(other.to_owned()), other);
        }
        assert!(Arc::ptr_eq(&first, &alike.share("a".to_owned())));
        alike.share("e".to_owned());
        assert!(!Arc::ptr_eq(&first, &alike.share("a".to_owned())), "it is forgotten");
    }
}
