//! Mail: letters in a bounded queue, delivered one after the other to one relay (RFC 5321).
//!
//! A task of the work runtime owns the connection. A relay that is slow, silent or refuses costs the
//! letter its bounded time and nobody else anything. The task ends with [`MailQueue::finish`].

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::plan::Mail;
use crate::kernel;
use crate::probe::smtp::{Broken, Conversation};

/// Letters waiting for the relay: one for each of 4,000 instances. Beyond it the oldest are dropped
/// and counted: the newest state is what matters.
const QUEUE: usize = 4_096;

/// Longest line of a header that is not folded (RFC 5322 §2.1.1).
const LINE: usize = 78;

/// What is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    /// One line.
    pub body: String,
}

/// Why a letter was not delivered. Worded for operators.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("no answer within {}", crate::status::human(*.0))]
    Silent(Duration),
    #[error("{0}")]
    Connect(#[from] io::Error),
    #[error("{0}")]
    Conversation(#[from] Broken),
    #[error("no recipient was accepted: {0}")]
    Recipients(String),
}

/// The queue; clones share it.
#[derive(Debug, Clone)]
pub struct MailQueue {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    letters: VecDeque<Letter>,
    settings: Option<Arc<Mail>>,
    lost: u64,
    closed: bool,
}

/// The task that delivers, for the end of the program.
#[derive(Debug)]
pub struct Postman(JoinHandle<()>);

impl MailQueue {
    /// An empty queue whose letters are delivered on the current runtime.
    pub fn start() -> (Self, Postman) {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(work(shared.clone()));
        (Self { shared }, Postman(task))
    }

    /// Where letters go from now on; `None`: nowhere, they are thrown away.
    pub fn set_settings(&self, mail: Option<Mail>) {
        self.shared.state().settings = mail.map(Arc::new);
    }

    /// Takes a letter. Never waits; callable from any thread.
    pub fn submit(&self, letter: Letter) {
        let mut state = self.shared.state();
        if state.settings.is_none() || state.closed {
            return;
        }
        if state.letters.len() >= QUEUE {
            state.letters.pop_front();
            state.lost += 1;
            if state.lost == 1 {
                tracing::error!(
                    "the mail relay is too slow: {QUEUE} mails wait, older ones are lost"
                );
            }
        }
        state.letters.push_back(letter);
        self.shared.news.notify_one();
    }

    /// What waits.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> Vec<Letter> {
        self.shared.state().letters.iter().cloned().collect()
    }

    /// Delivers what waits, for at most `grace`; what is left is named in the log.
    pub async fn finish(&self, postman: Postman, grace: Duration) {
        self.shared.state().closed = true;
        self.shared.news.notify_one();
        let Postman(mut task) = postman;
        if timeout(grace, &mut task).await.is_err() {
            task.abort();
            let left = std::mem::take(&mut self.shared.state().letters);
            let count = left.len() + 1;
            tracing::warn!("{count} mails were not delivered within {grace:?} of the stop");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next letter and where it goes; `None` when there will be none.
    async fn next(&self) -> Option<(Arc<Mail>, Letter)> {
        loop {
            {
                let mut state = self.state();
                if let (Some(mail), Some(letter)) =
                    (state.settings.clone(), state.letters.pop_front())
                {
                    return Some((mail, letter));
                }
                let lost = std::mem::take(&mut state.lost);
                if lost > 0 {
                    tracing::warn!("the mail relay takes mail again: {lost} were lost");
                }
                if state.closed {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }
}

async fn work(shared: Arc<Shared>) {
    while let Some((mail, letter)) = shared.next().await {
        let (server, port, subject) = (&mail.server, mail.port, &letter.subject);
        match deliver(&mail, &letter).await {
            Ok(()) => tracing::debug!("mail sent: {subject}"),
            Err(error) => {
                tracing::error!("mail not sent to {server} port {port}: {error}: {subject}");
            }
        }
    }
}

async fn deliver(mail: &Mail, letter: &Letter) -> Result<(), DeliveryError> {
    let address = (mail.server.as_str(), mail.port);
    let connected = timeout(mail.timeout, TcpStream::connect(address)).await;
    let stream = connected.map_err(|_| DeliveryError::Silent(mail.timeout))??;
    let host = host_name();
    let text = message(mail, letter, &host, &kernel::mail_date());
    converse(Conversation::new(stream, mail.timeout), mail, &host, &text).await
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut talk: Conversation<S>,
    mail: &Mail,
    host: &str,
    text: &str,
) -> Result<(), DeliveryError> {
    talk.expect("the greeting", 220).await?;
    talk.say(&format!("HELO {}", mail.helo.as_deref().unwrap_or(host)), 250).await?;
    let from = sender(mail, host);
    talk.say(&format!("MAIL FROM:<{}>", address(&from)), 250).await?;
    let mut refused = Vec::new();
    for to in &mail.to {
        // One address that the relay does not like must not cost the others their mail.
        talk.send("RCPT", format!("RCPT TO:<{}>\r\n", address(to)).as_bytes()).await?;
        let reply = talk.reply("RCPT").await?;
        if !matches!(reply.code, 250..=259) {
            refused.push(format!("{to}: {reply}"));
        }
    }
    let refused_all = refused.len() == mail.to.len();
    let refused = refused.join(", ");
    if refused_all {
        return Err(DeliveryError::Recipients(refused));
    }
    if !refused.is_empty() {
        tracing::warn!("mail not sent to some: {refused}");
    }
    talk.say("DATA", 354).await?;
    talk.send("the mail", text.as_bytes()).await?;
    talk.expect("the mail", 250).await?;
    // It is the relay's from here on, whatever it says to this.
    let _ = talk.send("QUIT", b"QUIT\r\n").await;
    let _ = talk.reply("QUIT").await;
    Ok(())
}

/// Headers and body as keepalived writes them, to the final dot.
fn message(mail: &Mail, letter: &Letter, host: &str, date: &str) -> String {
    let (from, to) = (sender(mail, host), recipients(&mail.to));
    let (subject, body) = (one_line(&letter.subject), one_line(&letter.body));
    // RFC 5321 §4.5.2.
    let dot = if body.starts_with('.') { "." } else { "" };
    format!(
        "Date: {date}\r\nFrom: {from}\r\nSubject: {subject}\r\nX-Mailer: Keepalived\r\n\
         To: {to}\r\n\r\n{dot}{body}\r\n\r\n.\r\n"
    )
}

/// On one line as long as it is short enough, else one a line.
fn recipients(to: &[String]) -> String {
    let line = to.join(", ");
    if "To: ".len() + line.len() <= LINE {
        return line;
    }
    let mut folded = String::new();
    for (number, each) in to.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(folded, "{}{each}", if number == 0 { "" } else { ",\r\n " });
    }
    folded
}

fn sender(mail: &Mail, host: &str) -> String {
    mail.from.clone().unwrap_or_else(|| format!("{}@{host}", user_name()))
}

/// What stands between the angle brackets, if there are any.
fn address(mailbox: &str) -> &str {
    match (mailbox.rfind('<'), mailbox.strip_suffix('>')) {
        (Some(open), Some(inside)) => &inside[open + 1..],
        _ => mailbox,
    }
}

/// No line of ours may end where we do not mean it to.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A kernel that was given no name says "(none)", which relays do not take.
fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    let is_name = !name.is_empty() && name.bytes().all(fits);
    if is_name { name } else { "localhost".to_owned() }
}

fn user_name() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    user.ok().flatten().map_or_else(|| "root".to_owned(), |user| user.name)
}

#[cfg(test)]
mod tests;
