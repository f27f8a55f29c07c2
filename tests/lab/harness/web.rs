//! Web servers and a client, as threads of the test inside a host's namespace: light, and a page can
//! change or a server die between two lines of a test.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::Host;

/// An HTTP/1.0 server: one answer a connection.
pub struct WebServer {
    listener: Arc<TcpListener>,
    pages: Arc<Mutex<HashMap<String, String>>>,
    requests: Arc<Mutex<Vec<String>>>,
    acceptor: Option<JoinHandle<()>>,
}

impl WebServer {
    pub fn start(host: &Host, address: &str, pages: &[(&str, &str)]) -> WebServer {
        let listener = host.enter(|| TcpListener::bind(address));
        let listener = Arc::new(
            listener.unwrap_or_else(|e| panic!("{}: listen on {address}: {e}", host.name)),
        );
        let pages = pages.iter().map(|(path, body)| (path.to_string(), body.to_string())).collect();
        let (pages, requests) = (Arc::new(Mutex::new(pages)), Arc::new(Mutex::new(Vec::new())));
        let acceptor = thread::spawn({
            let (listener, pages, requests) = (listener.clone(), pages.clone(), requests.clone());
            move || {
                // Ends with the error that `Drop` causes by shutting the socket down.
                while let Ok((connection, _)) = listener.accept() {
                    let (pages, requests) = (pages.clone(), requests.clone());
                    thread::spawn(move || answer(connection, &pages, &requests));
                }
            }
        });
        WebServer { listener, pages, requests, acceptor: Some(acceptor) }
    }

    pub fn set_page(&self, path: &str, body: &str) {
        self.pages.lock().unwrap().insert(path.into(), body.into());
    }

    pub fn remove_page(&self, path: &str) {
        self.pages.lock().unwrap().remove(path);
    }

    /// From now on it refuses connections.
    pub fn die(&mut self) {
        let _ =
            nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        let _ = self.acceptor.take().map(JoinHandle::join);
    }

    /// Every request's head, as received.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.die();
    }
}

fn answer(
    mut connection: TcpStream,
    pages: &Mutex<HashMap<String, String>>,
    requests: &Mutex<Vec<String>>,
) {
    let _ = connection.set_read_timeout(Some(Duration::from_secs(5)));
    let Some(head) = read_head(&mut connection) else { return };
    let path = head.split(' ').nth(1).unwrap_or("/").to_string();
    requests.lock().unwrap().push(head);
    let page = pages.lock().unwrap().get(&path).cloned();
    let (status, body) = match &page {
        Some(body) => ("200 OK", body.as_str()),
        None => ("404 Not Found", "no such page\n"),
    };
    let length = body.len();
    let reply = format!(
        "HTTP/1.0 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let _ = connection.write_all(reply.as_bytes());
}

/// Up to the empty line; `None` for a connection that was only opened and closed (TCP_CHECK).
fn read_head(connection: &mut TcpStream) -> Option<String> {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match connection.read(&mut buffer) {
            Ok(n) if n > 0 => head.extend(&buffer[..n]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Fetches one page as a client on `host` would; the body, or why there was none.
pub fn fetch(host: &Host, address: &str, path: &str) -> io::Result<String> {
    fetch_from(host, "0.0.0.0", address, path, Duration::from_secs(2))
}

/// The same from one of the host's addresses, with a limit to each step.
pub fn fetch_from(
    host: &Host,
    source: &str,
    address: &str,
    path: &str,
    limit: Duration,
) -> io::Result<String> {
    let to: SocketAddr = address.parse().expect("address:port");
    let from = SocketAddr::new(source.parse().expect("an address"), 0);
    host.enter(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&from.into())?;
        socket.connect_timeout(&to.into(), limit)?;
        let mut connection = TcpStream::from(socket);
        connection.set_read_timeout(Some(limit))?;
        connection
            .write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
        let mut reply = String::new();
        connection.read_to_string(&mut reply)?;
        let body = reply.split_once("\r\n\r\n").map(|(_, body)| body.to_string());
        body.ok_or_else(|| io::Error::other(format!("no complete reply: {reply:?}")))
    })
}
