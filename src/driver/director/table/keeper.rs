//! The keeper of the kernel's table: a thread that does what the director orders, and looks by itself
//! whether others have meddled. The kernel may take seconds over a large table; checks go on meanwhile.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{KernelTable, Open, Standing, Wanted};
use crate::config::plan::Scheduling;
use crate::driver::{clock, scheduling};
use crate::ipvs::Change;

/// What the director has the keeper do. Each order but the farewell is answered.
#[derive(Debug)]
pub enum Order {
    Adopt(Wanted),
    Write(Vec<Change>),
    Leave(Farewell),
}

/// What becomes of the table when we go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// It stays as it is.
    Keep,
    RemoveOurs,
    Flush,
}

/// How the table is now.
#[derive(Debug)]
pub struct Answer {
    pub standing: Standing,
    /// Of its own accord the keeper tells what its looks have changed.
    pub to_order: bool,
}

/// The director's end.
pub struct Keeper {
    orders: Sender<Order>,
    answers: UnboundedReceiver<Answer>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts the thread, in the network namespace of the caller; it opens the table when it is first needed.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn spawn(open: Open, wanted: &Scheduling) -> io::Result<Self> {
        let (orders, receive_orders) = channel();
        let (answer, answers) = unbounded_channel();
        let wanted = wanted.clone();
        let thread = std::thread::Builder::new().name("ipvs".into()).spawn(move || {
            scheduling::apply("the ipvs thread", &wanted);
            keep(KernelTable::new(open), &receive_orders, &answer);
        })?;
        Ok(Self { orders, answers, thread })
    }

    /// Never waits. Without effect once the thread has ended, which [`Self::answer`] tells.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// The next answer; `None`: the thread has ended. Cancel safe.
    pub async fn answer(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }

    /// Waits until everything ordered so far is done, and the farewell.
    pub fn end(self, farewell: Farewell) {
        self.order(Order::Leave(farewell));
        // A panic of that thread has been told by itself.
        let _ = self.thread.join();
    }
}

fn keep(mut table: KernelTable, orders: &Receiver<Order>, answers: &UnboundedSender<Answer>) {
    loop {
        let to_order = match next(orders, &table) {
            Ok(Order::Leave(farewell)) => return leave(&mut table, farewell),
            Ok(Order::Adopt(wanted)) => {
                table.adopt(wanted);
                true
            }
            Ok(Order::Write(changes)) => {
                table.write(changes);
                true
            }
            Err(RecvTimeoutError::Timeout) => {
                table.compare();
                false
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let _ = answers.send(Answer { standing: table.standing(), to_order });
    }
}

fn next(orders: &Receiver<Order>, table: &KernelTable) -> Result<Order, RecvTimeoutError> {
    match table.compare_at() {
        None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(at) => orders.recv_timeout(at.saturating_duration_since(clock::now())),
    }
}

fn leave(table: &mut KernelTable, farewell: Farewell) {
    match farewell {
        Farewell::Keep => return,
        Farewell::RemoveOurs => table.remove_ours(),
        Farewell::Flush => table.flush(),
    }
    table.restore_timeouts();
}
