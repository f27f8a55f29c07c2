//! A thread that is there from when it is first needed, as its owner sees it.

use std::io;

use tokio::sync::{mpsc, oneshot};

/// It takes commands `C` once it has been started, and is `None` before.
pub struct LaterThread<C>(Option<Running<C>>);

struct Running<C> {
    commands: mpsc::Sender<C>,
    ended: oneshot::Receiver<()>,
}

impl<C: Send + 'static> LaterThread<C> {
    pub const NONE: Self = Self(None);

    /// Does `work` on a thread called `name`, until it returns.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn start(
        name: &str,
        work: impl FnOnce(mpsc::Receiver<C>) + Send + 'static,
    ) -> io::Result<Self> {
        // One command at a time comes, from the supervisor.
        let (commands, receive_commands) = mpsc::channel(4);
        let (ending, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name(name.into()).spawn(move || {
            // Dropped, and so resolved, also when a panic unwinds this thread.
            let _ending = ending;
            work(receive_commands);
        })?;
        Ok(Self(Some(Running { commands, ended })))
    }

    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Without a thread, or when it has ended, the command is dropped, and with it whatever answers it.
    pub async fn tell(&self, command: C) {
        if let Some(thread) = &self.0 {
            let _ = thread.commands.send(command).await;
        }
    }

    /// Resolves when the thread has ended, whatever the reason.
    pub async fn ended(&mut self) {
        match &mut self.0 {
            Some(thread) => drop((&mut thread.ended).await),
            None => std::future::pending().await,
        }
    }

    /// Gives it the command to stop, and waits until it has ended.
    pub async fn stop(self, stop: C) {
        let Some(thread) = self.0 else { return };
        let _ = thread.commands.send(stop).await;
        if !thread.commands.is_closed() {
            let _ = thread.ended.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    enum Command {
        Answer(oneshot::Sender<&'static str>),
        Panic,
        Stop,
    }

    fn work(mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            match command {
                Command::Answer(reply) => drop(reply.send("here")),
                Command::Panic => std::panic::resume_unwind(Box::new("as asked")),
                Command::Stop => return,
            }
        }
    }

    async fn answer(thread: &LaterThread<Command>) -> Option<&'static str> {
        let (reply, answer) = oneshot::channel();
        thread.tell(Command::Answer(reply)).await;
        answer.await.ok()
    }

    #[tokio::test]
    async fn without_a_thread_nobody_answers_and_nothing_ends() {
        let mut none = LaterThread::NONE;
        assert!(!none.is_there());
        assert_eq!(answer(&none).await, None);
        assert!(timeout(Duration::ZERO, none.ended()).await.is_err());
        none.stop(Command::Stop).await;
    }

    #[tokio::test]
    async fn it_answers_until_it_is_told_to_stop() {
        let thread = LaterThread::start("later", work).expect("a thread");
        assert!(thread.is_there());
        assert_eq!(answer(&thread).await, Some("here"));
        thread.stop(Command::Stop).await;
    }

    #[tokio::test]
    async fn its_end_is_noticed_when_it_panics_as_well() {
        let mut thread = LaterThread::start("later", work).expect("a thread");
        thread.tell(Command::Panic).await;
        thread.ended().await;
        assert_eq!(answer(&thread).await, None);
        thread.stop(Command::Stop).await;
    }
}
