use std::sync::mpsc::Sender;
use std::time::Duration;

use super::*;
use crate::check::{Action, AttemptId, Event, Outcome};
use crate::config::parse_text;
use crate::config::plan::Scheduling;
use crate::driver::clock;
use crate::driver::director::table::fixtures::Watched;

struct Lab {
    writing: Writing,
    managed: Vec<Managed>,
    kernel: Watched,
    attempts: HashMap<(usize, usize), AttemptId>,
    let_it: Sender<()>,
}

/// Two virtual servers of three; the keeper has not been given anything yet.
fn lab() -> Lab {
    let service = |n: u8| {
        let server = |m: u8| {
            format!("real_server 192.0.2.{} 80 {{\nweight 5\nTCP_CHECK {{\n}}\n}}\n", 10 * n + m)
        };
        let servers: String = (1..=3).map(server).collect();
        format!("virtual_server 198.51.100.{n} 80 {{\nprotocol TCP\n{servers}}}\n")
    };
    let plan = parse_text("t", service(1) + &service(2)).plan;
    let mut managed: Vec<_> = plan.virtual_servers.iter().cloned().map(Managed::new).collect();
    for each in &mut managed {
        each.start(clock::now(), 1, &mut Vec::new());
    }
    let kernel = Watched::default();
    let let_it = kernel.slow();
    let keeper = Keeper::spawn(kernel.open(), &Scheduling::default()).unwrap();
    let attempts = HashMap::new();
    Lab { writing: Writing::new(keeper), managed, kernel, attempts, let_it }
}

impl Lab {
    /// As at the start: each has said that its table changed.
    fn adopt(&mut self, reply: oneshot::Sender<bool>) {
        (0..self.managed.len()).for_each(|number| self.writing.mark(number));
        self.writing.adopt(&self.managed, Wanted::default(), 0, reply);
    }

    fn write(&mut self, news: usize) -> bool {
        self.writing.write(&self.managed, news)
    }

    /// One failed check takes a server out; the virtual server has begun its attempts.
    fn fail(&mut self, number: usize, server: usize) {
        let (later, mut out) = (clock::now() + Duration::from_secs(60), Vec::new());
        let pool = &mut self.managed[number].pool;
        pool.handle(later, Event::DeadlineReached, &mut out);
        let begun = out.drain(..).filter_map(|action| match action {
            Action::Attempt { server, attempt, .. } => Some(((number, server), attempt)),
            _ => None,
        });
        self.attempts.extend(begun);
        let attempt = self.attempts[&(number, server)];
        pool.handle(
            later,
            Event::Result { attempt, outcome: Outcome::Failure("no".into()) },
            &mut out,
        );
        assert!(out.contains(&Action::DestinationChanged { server }), "{out:?}");
        self.writing.mark_server(number, server);
    }

    fn served(&self) -> usize {
        let plane = self.kernel.plane.lock().unwrap();
        plane.table().services.values().map(|entry| entry.destinations.len()).sum()
    }

    /// Lets the kernel carry one order out; how many commands it was, and what follows.
    async fn carry_out(&mut self) -> (usize, Settled) {
        self.let_it.send(()).unwrap();
        let answer = self.writing.answer().await.unwrap();
        (self.kernel.take_commands().len(), self.writing.settle(answer))
    }
}

#[tokio::test]
async fn one_order_at_a_time_and_what_changes_meanwhile_is_the_next() {
    let mut lab = lab();
    let (reply, done) = oneshot::channel();
    lab.adopt(reply);
    assert!(lab.writing.is_busy());
    // Nothing has changed, but what is told must wait for what is under way.
    assert!(!lab.write(1));
    assert_eq!(lab.carry_out().await.0, 2 * (1 + 3));
    assert!(done.await.unwrap());

    lab.fail(0, 0);
    assert!(!lab.write(2));
    lab.fail(0, 1);
    lab.fail(0, 2);
    lab.fail(1, 0);
    assert!(!lab.write(5), "an order is under way");
    let (commands, settled) = lab.carry_out().await;
    assert_eq!((commands, settled.news), (1, 2));
    assert_eq!(lab.served(), 5);

    assert!(!lab.write(3));
    let (commands, settled) = lab.carry_out().await;
    assert_eq!((commands, settled.news), (3, 3));
    assert_eq!(lab.served(), 2);
    assert!(lab.write(0), "nothing to wait for");

    // A reload that has changed one of them: the other is only named.
    lab.writing.mark(1);
    let (reply, done) = oneshot::channel();
    lab.writing.adopt(&lab.managed, Wanted::default(), 0, reply);
    let answer = lab.writing.answer().await.unwrap();
    lab.writing.settle(answer);
    assert!(done.await.unwrap());
    assert_eq!(lab.kernel.take_commands(), []);
    assert_eq!(lab.kernel.plane.lock().unwrap().table().services.len(), 2);
    lab.writing.end(Farewell::Keep);
    assert_eq!(lab.kernel.plane.lock().unwrap().table().services.len(), 2);
}
