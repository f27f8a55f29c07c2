//! Connections that are held through IPVS, and a server that sends back what it gets.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, SystemTime};

use crate::harness::{Host, stalled_since};

/// The port of both: RFC 862.
pub const ECHO: u16 = 7;

/// Sends back what it gets, for as long as the test runs.
pub fn echo(host: &Host) {
    let listener = host.enter(|| TcpListener::bind(("0.0.0.0", ECHO)));
    let listener = listener.unwrap_or_else(|error| panic!("{}: {error}", host.name));
    std::thread::spawn(move || {
        while let Ok((mut connection, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut buffer = [0; 256];
                while let Ok(len @ 1..) = connection.read(&mut buffer) {
                    let _ = connection.write_all(&buffer[..len]);
                }
            });
        }
    });
}

/// A client's connection.
pub struct Held(TcpStream);

impl Held {
    pub fn connect(client: &Host, vip: &str) -> Self {
        let connection = client.enter(|| TcpStream::connect((vip, ECHO))).expect("connect");
        connection.set_nodelay(true).expect("no delay");
        Self(connection)
    }

    /// Gives what came back within `limit`.
    pub fn say(&mut self, words: &str, limit: Duration) -> io::Result<String> {
        self.0.set_read_timeout(Some(limit))?;
        self.0.write_all(words.as_bytes())?;
        let mut answer = vec![0; words.len()];
        self.0.read_exact(&mut answer)?;
        String::from_utf8(answer).map_err(io::Error::other)
    }

    /// Whether it answers before TCP would send anything again: no packet was lost.
    pub fn answers_at_once(&mut self) {
        let (began, since) = (std::time::Instant::now(), SystemTime::now());
        let answer = self.say("are you there?", Duration::from_secs(20));
        assert_eq!(answer.expect("an answer"), "are you there?");
        let took = began.elapsed();
        assert!(took < Duration::from_millis(190) || stalled_since(since), "lost: {took:.3?}");
    }
}
