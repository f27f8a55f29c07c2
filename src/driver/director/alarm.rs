//! The director's one timer.

use std::pin::Pin;
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// Health checks need no better than tokio's timer, which is a millisecond or two late. One is kept, because
/// tokio takes a system call for each new one that is due before all others.
#[derive(Default)]
pub struct Alarm {
    /// With the deadline it is set to.
    set: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Alarm {
    /// Resolves once `deadline` has come; never without one. Cancel safe.
    pub async fn at(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return std::future::pending().await };
        let new = || (deadline, Box::pin(sleep_until(deadline.into())));
        let (at, sleep) = self.set.get_or_insert_with(new);
        if *at != deadline {
            sleep.as_mut().reset(deadline.into());
            *at = deadline;
        }
        sleep.await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// The paused clock's.
    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_at_the_deadline_it_was_given_last() {
        let (mut alarm, start) = (Alarm::default(), now());
        let second = |n| Some(start + Duration::from_secs(n));
        let within = |n| Duration::from_secs(n);
        assert!(timeout(within(1), alarm.at(None)).await.is_err());
        assert!(timeout(within(1), alarm.at(second(9))).await.is_err());
        assert!(timeout(within(2), alarm.at(second(3))).await.is_ok());
        assert_eq!(now(), start + Duration::from_secs(3));
        // What is past is past.
        assert!(timeout(within(1), alarm.at(second(3))).await.is_ok());
        assert!(timeout(within(1), alarm.at(second(5))).await.is_err());
        assert!(timeout(within(2), alarm.at(second(5))).await.is_ok());
        assert_eq!(now(), start + Duration::from_secs(5));
    }
}
