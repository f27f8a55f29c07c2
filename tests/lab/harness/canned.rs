//! Servers that say what they are told, whatever they are asked; and note what that was.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Host;

/// What one says over each connection.
#[derive(Clone, Default)]
pub struct Canned {
    /// Before anything is asked.
    pub greeting: Vec<u8>,
    /// To each piece that is read, in turn; the last one again and again.
    pub replies: Vec<Vec<u8>>,
    /// The connection stays open when the last of them is out.
    pub stays: bool,
}

impl Canned {
    /// An HTTP server: `reply`, and the end.
    pub fn page(reply: impl Into<Vec<u8>>) -> Canned {
        Canned { replies: vec![reply.into()], ..Canned::default() }
    }

    /// Serves at that port of the host; gives a note of what was asked, one entry for each connection.
    pub fn serve(self, host: &Host, address: &str) -> Arc<Mutex<Vec<Vec<u8>>>> {
        let listener = host.enter(|| TcpListener::bind(address));
        let listener =
            listener.unwrap_or_else(|e| panic!("{}: listen on {address}: {e}", host.name));
        let asked: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let note = asked.clone();
        // Ends with the test program: a thread costs next to nothing.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, note) = (self.clone(), note.clone());
                thread::spawn(move || note.lock().unwrap().push(all.talk(stream)));
            }
        });
        asked
    }

    fn talk(&self, mut stream: TcpStream) -> Vec<u8> {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
        let (mut asked, mut buffer) = (Vec::new(), [0; 4096]);
        if !self.greeting.is_empty() && stream.write_all(&self.greeting).is_err() {
            return asked;
        }
        for reply in &self.replies {
            match stream.read(&mut buffer) {
                Ok(length @ 1..) => asked.extend_from_slice(&buffer[..length]),
                _ => return asked,
            }
            if stream.write_all(reply).is_err() {
                return asked;
            }
        }
        if !self.stays {
            let _ = stream.shutdown(Shutdown::Write);
        }
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
        asked
    }
}
