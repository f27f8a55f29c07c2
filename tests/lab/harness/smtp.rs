//! A mail relay, as threads of the test inside a host's namespace. It keeps what it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Host;

/// How it behaves.
#[derive(Clone, Copy, PartialEq)]
pub enum Manner {
    /// Plain replies of one line.
    Plain,
    /// Greeting and replies of several lines, each a while in coming.
    Talkative,
    /// It takes connections and says nothing.
    Silent,
    /// It does not take mail from anybody.
    Refusing,
}

/// One mail: what was said before it, its headers and its body, line by line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mail {
    pub commands: Vec<String>,
    pub lines: Vec<String>,
}

impl Mail {
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.lines.iter().take_while(|line| !line.is_empty());
        headers.filter_map(|line| line.split_once(": ")).find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    pub fn subject(&self) -> &str {
        self.header("Subject").unwrap_or_default()
    }
}

pub struct MailServer {
    listener: Arc<TcpListener>,
    mails: Arc<Mutex<Vec<Mail>>>,
    acceptor: Option<JoinHandle<()>>,
}

impl MailServer {
    /// On port 25 of the host's loopback interface.
    pub fn start(host: &Host, manner: Manner) -> MailServer {
        let listener = host.enter(|| TcpListener::bind("127.0.0.1:25"));
        let listener = Arc::new(listener.unwrap_or_else(|e| panic!("{}: port 25: {e}", host.name)));
        let mails = Arc::new(Mutex::new(Vec::new()));
        let acceptor = thread::spawn({
            let (listener, mails) = (listener.clone(), mails.clone());
            move || {
                // Ends with the error that `Drop` causes by shutting the socket down.
                while let Ok((connection, _)) = listener.accept() {
                    let mails = mails.clone();
                    thread::spawn(move || converse(connection, manner, &mails));
                }
            }
        });
        MailServer { listener, mails, acceptor: Some(acceptor) }
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }

    /// Subjects, sorted: keepalived sends several mails at a time.
    pub fn subjects(&self) -> Vec<String> {
        let mut subjects: Vec<_> = self.mails().iter().map(|m| m.subject().to_string()).collect();
        subjects.sort();
        subjects
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ =
            nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        let _ = self.acceptor.take().map(JoinHandle::join);
    }
}

fn converse(connection: TcpStream, manner: Manner, mails: &Mutex<Vec<Mail>>) -> Option<()> {
    connection.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let mut writer = connection.try_clone().ok()?;
    let mut say = move |code: u16, text: &str| {
        if manner != Manner::Talkative {
            return writer.write_all(format!("{code} {text}\r\n").as_bytes()).ok();
        }
        for line in [format!("{code}-patience\r\n"), format!("{code} {text}\r\n")] {
            thread::sleep(Duration::from_millis(20));
            writer.write_all(line.as_bytes()).ok()?;
        }
        Some(())
    };
    let mut lines = BufReader::new(connection).lines();
    if manner == Manner::Silent {
        // Until the other side has had enough.
        return lines.next().map(drop);
    }
    say(220, "lab")?;
    let mut mail = Mail::default();
    loop {
        let line = lines.next()?.ok()?;
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        mail.commands.push(line);
        match verb.as_str() {
            "QUIT" => return say(221, "bye"),
            "MAIL" if manner == Manner::Refusing => say(550, "no mail from you")?,
            "DATA" => {
                say(354, "go on")?;
                loop {
                    let line = lines.next()?.ok()?;
                    if line == "." {
                        break;
                    }
                    mail.lines.push(line);
                }
                mails.lock().unwrap().push(std::mem::take(&mut mail));
                say(250, "taken")?;
            }
            _ => say(250, "ok")?,
        }
    }
}
