//! The asking of names: a task of the work runtime for each plan, ended by the next one.
//!
//! It owns nothing but its questions. A question that it has asked when it ends is still answered,
//! by the resolver's thread, and the answer is lost.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

/// Questions under way at once, those of former plans included: each holds a thread until the
/// resolver has given up. Further ones wait.
const MOST_AT_ONCE: usize = 16;

/// What a name was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub name: Arc<str>,
    /// Addresses of both families, as they came; or why there are none.
    pub addresses: Result<Vec<IpAddr>, String>,
}

/// Asks the names of one plan after the other.
#[derive(Debug)]
pub struct Asking {
    places: Arc<Semaphore>,
    answers: mpsc::Sender<Answer>,
    task: Option<AbortHandle>,
}

impl Asking {
    pub fn new(answers: mpsc::Sender<Answer>) -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_AT_ONCE)), answers, task: None }
    }

    /// Asks for these names from now on, at once and then again after each's interval.
    pub fn begin(&mut self, names: Vec<(Arc<str>, Duration)>, work: &Handle) {
        self.end();
        if names.is_empty() {
            return;
        }
        let (places, answers) = (self.places.clone(), self.answers.clone());
        let task = work.spawn(async move {
            let mut all = JoinSet::new();
            for (name, interval) in names {
                all.spawn(ask_again(name, interval, places.clone(), answers.clone()));
            }
            while all.join_next().await.is_some() {}
        });
        self.task = Some(task.abort_handle());
    }

    fn end(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.end();
    }
}

async fn ask_again(
    name: Arc<str>,
    interval: Duration,
    places: Arc<Semaphore>,
    answers: mpsc::Sender<Answer>,
) {
    let mut failures = 0;
    loop {
        let addresses = ask(name.clone(), &places).await;
        failures = if addresses.is_ok() { 0 } else { failures + 1 };
        if answers.send(Answer { name: name.clone(), addresses }).await.is_err() {
            return;
        }
        tokio::time::sleep(pause(failures, interval)).await;
    }
}

/// After a failure 1, 2, 4 s and so on, so that a network that comes up late costs little.
fn pause(failures: u32, interval: Duration) -> Duration {
    match failures {
        0 => interval,
        failures => interval.min(Duration::from_secs(1 << (failures - 1).min(17))),
    }
}

/// The place is the thread's: it is taken until the resolver returns, whoever waits for that.
async fn ask(name: Arc<str>, places: &Arc<Semaphore>) -> Result<Vec<IpAddr>, String> {
    let place = places.clone().acquire_owned().await.map_err(|error| error.to_string())?;
    let asked = tokio::task::spawn_blocking(move || {
        let _place = place;
        let addresses = (&*name, 0).to_socket_addrs();
        addresses.map(|all| all.map(|address| address.ip()).collect())
    });
    match asked.await {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => {
            let error = error.to_string();
            let reason = error.strip_prefix("failed to lookup address information: ");
            Err(reason.unwrap_or(&error).to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_failures_it_is_asked_sooner_than_its_interval_and_never_later() {
        let interval = Duration::from_secs(30);
        let pauses = [0, 1, 2, 3, 5, 6, 7, 100].map(|failures| pause(failures, interval).as_secs());
        assert_eq!(pauses, [30, 1, 2, 4, 16, 30, 30, 30]);
        assert_eq!(pause(1, Duration::from_millis(10)), Duration::from_millis(10));
    }

    /// /etc/hosts answers this everywhere.
    #[tokio::test]
    async fn a_name_is_asked_for_again_and_again_until_the_next_plan() {
        let (sender, mut answers) = mpsc::channel(1);
        let mut asking = Asking::new(sender);
        let names = vec![("localhost".into(), Duration::from_millis(1))];
        asking.begin(names, &Handle::current());
        for _ in 0..3 {
            let answer = answers.recv().await.expect("an answer");
            let loopback = answer.addresses.expect("addresses").iter().all(IpAddr::is_loopback);
            assert!(loopback && &*answer.name == "localhost");
        }
        asking.begin(Vec::new(), &Handle::current());
        drop(asking);
        while answers.recv().await.is_some() {}
    }

    /// RFC 6761 §6.4: no resolver has an address for it, with a network or without.
    #[tokio::test]
    async fn a_name_that_there_is_none_of_is_answered_with_the_reason() {
        let places = Arc::new(Semaphore::new(1));
        let reason = ask("host.invalid".into(), &places).await.expect_err("no such name");
        assert!(!reason.is_empty() && !reason.contains("failed to lookup"), "{reason}");
        assert_eq!(places.available_permits(), 1);
    }
}
