use std::net::TcpListener;

use super::arguments::USAGE;
use super::*;

fn genhash(words: &str) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = words.split_whitespace().map(OsString::from);
    let status = run_with(args, &mut out, &mut err).unwrap();
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// Serves one connection with `reply`; gives the port.
fn serve(reply: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = io::Read::read(&mut stream, &mut [0; 4096]).unwrap();
        stream.write_all(reply).unwrap();
    });
    port
}

const HELLO: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\nhello from Server 1\n";

#[test]
fn digest_alone_is_32_digits_and_a_newline() {
    let port = serve(HELLO);
    let expected = (0, "5f2b4547f41470dc3e293e7267461575\n".to_owned(), String::new());
    assert_eq!(genhash(&format!("-s 127.0.0.1 -p {port} -u /hello")), expected);
    let port = serve(HELLO);
    assert_eq!(genhash(&format!("-s127.0.0.1 --po={port} --url /hello -m 0 -t2")), expected);
}

/// Taken from keepalived 2.2.7: `genhash -v -s 127.0.0.1 -p 8080 -u /hello`.
#[test]
fn verbose_report_is_keepaliveds_byte_for_byte() {
    let port = serve(HELLO);
    let (status, out, err) = genhash(&format!("-v -s 127.0.0.1 -p {port} -u /hello"));
    let expected = "\
-----------------------[    HTTP Header Buffer    ]-----------------------
0000  48 54 54 50 2f 31 2e 31 - 20 32 30 30 20 4f 4b 0d   HTTP/1.1 200 OK.
0016  0a 43 6f 6e 74 65 6e 74 - 2d 54 79 70 65 3a 20 74   .Content-Type: t
0032  65 78 74 2f 70 6c 61 69 - 6e 0d 0a 43 6f 6e 74 65   ext/plain..Conte
0048  6e 74 2d 4c 65 6e 67 74 - 68 3a 20 32 30 0d 0a 0d   nt-Length: 20...
0064  0a                      -                           .               
-----------------------[ HTTP Header Ascii Buffer ]-----------------------
HTTP/1.1 200 OK\r
Content-Type: text/plain\r
Content-Length: 20\r
\r

-----------------------[        HTML Buffer        ]-----------------------
0000  68 65 6c 6c 6f 20 66 72 - 6f 6d 20 53 65 72 76 65   hello from Serve
0016  72 20 31 0a             -                           r 1.            

-----------------------[    HTML hash resulting    ]-----------------------
0000  5f 2b 45 47 f4 14 70 dc - 3e 29 3e 72 67 46 15 75   _+EG..p.>)>rgF.u
-----------------------[ HTML hash final resulting ]-----------------------
5f2b4547f41470dc3e293e7267461575

Global response time for [/hello] = ";
    let (report, time) = out.split_at(expected.len());
    assert_eq!(report, expected);
    assert!(time.ends_with(" usecs\n"), "{time}");
    assert_eq!((status, err.as_str()), (0, ""));
}

#[test]
fn failed_connection_is_told_on_stdout_and_is_no_failure() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let found = genhash(&format!("-s 127.0.0.1 -p {closed} -u /"));
    assert_eq!(found, (0, "Connection failed\n".to_owned(), String::new()));
}

#[test]
fn empty_reply_is_told_on_stderr() {
    let port = serve(b"");
    let found = genhash(&format!("-s 127.0.0.1 -p {port} -u /"));
    assert_eq!(found, (0, String::new(), "no data received from remote webserver\n".to_owned()));
}

#[test]
fn status_is_not_judged() {
    let port = serve(b"no http at all\r\n\r\nxx");
    let (_, out, _) = genhash(&format!("-s 127.0.0.1 -p {port} -u /"));
    assert_eq!(out, "9336ebf25087d91c818ee6e9ec29f8c1\n");
}

#[test]
fn wrong_usage_is_told_with_the_usage_and_status_1() {
    let cases = [
        ("", ""),
        ("-h", ""),
        ("-s", ""),
        ("-s 127.0.0.1 -p 80", ""),
        ("-s localhost", "server should be an IP, not localhost\n"),
        ("-p 99999", "invalid port number '99999'\n"),
        ("-p 0", "invalid port number '0'\n"),
        ("-P 2", "invalid HTTP protocol version '2'\n"),
        ("-t 0.5", "invalid timeout '0.5'\n"),
        ("-m abc", "invalid fwmark 'abc'\n"),
        ("-vz", "Unknown option -z\n"),
        ("--use", "Unknown option --use\n"),
        ("-v extra words", "Unexpected argument(s): extra words\n"),
    ];
    for (words, wrong) in cases {
        assert_eq!(genhash(words), (1, String::new(), format!("{wrong}{USAGE}")), "{words}");
    }
}

#[test]
fn a_server_without_tls_is_told_on_stdout_and_is_no_failure() {
    let port = serve(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    let (status, out, err) = genhash(&format!("-S -s 127.0.0.1 -p {port} -u /"));
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("TLS handshake failed: "), "{out}");
}
