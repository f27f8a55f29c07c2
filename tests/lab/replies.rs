//! What passes and what does not, reply by reply, of both programs side by side: where they differ, a
//! case says what keepalived makes of it.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use md5::{Digest, Md5};

use crate::checks::HTTP;
use crate::configs::{Farm, SOON, VIP, start_checks};
use crate::for_each_program;
use crate::harness::{Canned, Director, Lab, Program, eventually, eventually_eq};

for_each_program!(
    http_bodies_and_their_digests,
    http_headers_of_all_kinds,
    several_urls_in_turn,
    requests_octet_for_octet,
    mail_servers_that_say_more_than_a_line,
    udp_replies_and_silence,
    dns_replies,
);

/// What a server sends, and whether it passes: for Mainstay, for keepalived.
struct Case {
    what: &'static str,
    server: Canned,
    check: String,
    passes: (bool, bool),
}

impl Case {
    fn passes(&self, program: Program) -> bool {
        match program {
            Program::Mainstay => self.passes.0,
            Program::Keepalived => self.passes.1,
        }
    }
}

fn get(lines: &str) -> String {
    format!("HTTP_GET {{\n url {{\n path /x\n {lines}\n }}\n connect_timeout 2\n retry 0\n }}")
}

fn digest(body: &str) -> String {
    let hex: String = Md5::digest(body).iter().map(|octet| format!("{octet:02x}")).collect();
    get(&format!("digest {hex}"))
}

/// A service whose servers are the ports 8001, 8002, … of web1, each down until its check passes.
fn config(checks: impl Iterator<Item = String>) -> String {
    let server = |(number, check): (usize, String)| {
        format!(" real_server 192.0.2.101 {} {{\n weight 1\n {check}\n }}\n", 8_001 + number)
    };
    let servers: String = checks.enumerate().map(server).collect();
    format!(
        "virtual_server {VIP} 80 {{\n delay_loop 1\n warmup 0\n alpha\n lb_algo rr\n lb_kind NAT\n \
         protocol TCP\n{servers}}}\n"
    )
}

/// The servers of those for which `passes`, in the table's order: the newest first.
fn table(director: &Director<'_>) -> Vec<u16> {
    let servers = director.host.ipvs().servers(HTTP);
    let port = |each: &str| each.split([':', '/']).nth(1)?.parse().ok();
    let mut ports: Vec<u16> = servers.split(' ').filter_map(port).collect();
    ports.sort_unstable();
    ports
}

fn judge(lab: &Lab, program: Program, cases: Vec<Case>) {
    let farm = Farm::new(lab);
    let port = |number: usize| 8_001 + number as u16;
    let serve = |(number, case): (usize, &Case)| {
        case.server.clone().serve(&farm.web1, &format!("0.0.0.0:{}", port(number)))
    };
    let asked: Vec<_> = cases.iter().enumerate().map(serve).collect();
    let director =
        start_checks(&farm.lb1, program, &config(cases.iter().map(|case| case.check.clone())));
    let expected: Vec<u16> = cases
        .iter()
        .enumerate()
        .filter(|(_, case)| case.passes(program))
        .map(|(number, _)| port(number))
        .collect();
    let names = cases.iter().map(|case| case.what).collect::<Vec<_>>();
    eventually(&format!("of {names:?} those that pass are {expected:?}"), SOON, || {
        table(&director) == expected
    });
    // Each has been asked twice, so that none that fails is only late.
    eventually("all are asked again and again", SOON, || {
        asked.iter().all(|note| note.lock().unwrap().len() >= 2)
    });
    assert_eq!(table(&director), expected, "{names:?}");
}

/// Digests are made over what comes, up to the length that is announced.
fn http_bodies_and_their_digests(lab: &Lab, program: Program) {
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = format!("{ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let case = |what, reply: String, digested: &str, passes| Case {
        what,
        server: Canned::page(reply),
        check: digest(digested),
        passes: (passes, passes),
    };
    judge(
        lab,
        program,
        vec![
            case("length", format!("{ok}Content-Length: 5\r\n\r\nhello"), "hello", true),
            case("surplus", format!("{ok}Content-Length: 5\r\n\r\nhello, you"), "hello", true),
            case("too short", format!("{ok}Content-Length: 9\r\n\r\nhello"), "hello", true),
            case("lower case", format!("{ok}content-length: 5\r\n\r\nhello"), "hello", true),
            case("chunks as they come", chunked.clone(), "5\r\nhello\r\n0\r\n\r\n", true),
            case("chunks undone", chunked, "hello", false),
        ],
    );
}

/// keepalived wants CRLF, a reason behind the code and the end of the connection.
fn http_headers_of_all_kinds(lab: &Lab, program: Program) {
    let case = |what, reply: &str, check: String, passes| Case {
        what,
        server: Canned::page(reply),
        check,
        passes,
    };
    let moved = "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
    let mut kept_open = case(
        "kept open",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        get(""),
        (true, false),
    );
    kept_open.server.stays = true;
    judge(
        lab,
        program,
        vec![
            case("302", moved, get(""), (false, false)),
            case("302 is wanted", moved, get("status_code 302"), (true, true)),
            case("line feeds", "HTTP/1.1 200 OK\n\nhello", get(""), (true, false)),
            case("no reason", "HTTP/1.1 200\r\n\r\nhello", get(""), (true, false)),
            case("empty reason", "HTTP/1.1 200 \r\n\r\nhello", get(""), (true, true)),
            kept_open,
        ],
    );
}

/// One url each second in turn. To come back, the one that failed has to pass, and then both in turn; with
/// fast_recovery without a pause.
fn several_urls_in_turn(lab: &Lab, program: Program) {
    let mut farm = Farm::new(lab);
    let both = "url {\n path /a\n }\n url {\n path /b\n }\n connect_timeout 2\n retry 0\n delay_before_retry 1";
    let checks = ["", "fast_recovery"].map(|fast| format!("HTTP_GET {{\n {both}\n {fast}\n }}"));
    let start = |host| {
        let pages = [("/a", "a"), ("/b", "b")];
        let start =
            |port| crate::harness::WebServer::start(host, &format!("0.0.0.0:{port}"), &pages);
        [8_001, 8_002].map(start)
    };
    let servers = start(&farm.web1);
    let director = start_checks(&farm.lb1, program, &config(checks.into_iter()));
    eventually_eq("both serve", SOON, vec![8_001, 8_002], || table(&director));
    for server in &servers {
        server.remove_page("/b");
    }
    eventually_eq("both are out", SOON, Vec::<u16>::new(), || table(&director));
    let before = servers.each_ref().map(|server| server.requests().len());
    for server in &servers {
        server.set_page("/b", "b");
    }
    eventually_eq("both serve again", SOON, vec![8_001, 8_002], || table(&director));
    for (server, before) in servers.iter().zip(before) {
        let after = server.requests().split_off(before);
        let paths: Vec<_> = after.iter().filter_map(|head| head.split(' ').nth(1)).collect();
        let passed = paths.windows(3).any(|three| three == ["/b", "/a", "/b"]);
        assert!(passed, "{program:?}: {paths:?}");
    }
    farm.server1.die();
}

/// The request line, then `Host` from the nearest level; the port only where it is ours to make up.
fn requests_octet_for_octet(lab: &Lab, program: Program) {
    let request = |line: &str, connection: &str, host: &str| {
        format!("GET {line}\r\nUser-Agent: KeepAliveClient\r\n{connection}Host: {host}\r\n\r\n")
    };
    let close = "Connection: close\r\n";
    let check = |url: &str, more: &str| {
        format!("HTTP_GET {{\n url {{\n path /x\n {url}\n }}\n {more}\n connect_timeout 2\n }}")
    };
    let cases = [
        (check("", ""), request("/x HTTP/1.0", "", "192.0.2.101:8001")),
        (check("", "http_protocol 1.0C"), request("/x HTTP/1.0", close, "192.0.2.101:8002")),
        (check("", "http_protocol 1.1"), request("/x HTTP/1.1", close, "192.0.2.101:8003")),
        (check("", "virtualhost c.example"), request("/x HTTP/1.0", "", "c.example")),
        (
            check("virtualhost u.example", "virtualhost c.example"),
            request("/x HTTP/1.0", "", "u.example"),
        ),
        (
            check("", "connect_ip 2001:db8::65\n connect_port 8006"),
            request("/x HTTP/1.0", "", "[2001:db8::65]:8006"),
        ),
    ];
    let farm = Farm::new(lab);
    for (host, address) in [(&farm.web1, "65"), (&farm.lb1, "b")] {
        host.ip(&format!("addr add 2001:db8::{address}/64 dev eth0 nodad"));
    }
    let page = Canned::page("HTTP/1.0 200 OK\r\n\r\nok");
    let serve = |number| page.clone().serve(&farm.web1, &format!("[::]:{}", 8_001 + number));
    let asked: Vec<Arc<Mutex<Vec<Vec<u8>>>>> = (0..cases.len()).map(serve).collect();
    let checks = cases.iter().map(|(check, _)| check.clone());
    let _director = start_checks(&farm.lb1, program, &config(checks));
    for ((check, expected), note) in cases.iter().zip(&asked) {
        let first =
            || note.lock().unwrap().first().map(|it| String::from_utf8_lossy(it).into_owned());
        eventually(&format!("a request by {check}"), SOON, || first().is_some());
        assert_eq!(first().as_ref(), Some(expected), "{check}");
    }
}

/// RFC 5321 §4.2.1: a hyphen behind the code means that more lines follow.
fn mail_servers_that_say_more_than_a_line(lab: &Lab, program: Program) {
    let smtp = "SMTP_CHECK {\n connect_timeout 2\n retry 0\n }".to_owned();
    let case = |what, greeting: &str, hello: &str, bye: &str, passes| Case {
        what,
        server: Canned {
            greeting: greeting.into(),
            replies: vec![hello.into(), bye.into()],
            stays: false,
        },
        check: smtp.clone(),
        passes,
    };
    let (mx, fine, bye) = ("220 mx ESMTP\r\n", "250 mx\r\n", "221 bye\r\n");
    judge(
        lab,
        program,
        vec![
            case("plain", mx, fine, bye, (true, true)),
            case("greeting of lines", "220-mx\r\n220 go\r\n", fine, bye, (true, false)),
            case("hello of lines", mx, "250-mx\r\n250 HELP\r\n", bye, (true, false)),
            case("bare code", "220\r\n", fine, bye, (true, false)),
            case("no service", "421 busy\r\n", fine, bye, (false, false)),
            case("refused", mx, "550 who?\r\n", bye, (false, false)),
            case("odd goodbye", mx, fine, "500 what?\r\n", (true, true)),
        ],
    );
}

/// A UDP server at that port of web1, which makes its reply, or none, of each query; and how many there were.
fn udp_server(
    farm: &Farm,
    port: u16,
    reply: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> Arc<AtomicUsize> {
    let socket = farm.web1.enter(|| UdpSocket::bind(("0.0.0.0", port))).expect("a UDP server");
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut query) {
            if let Some(reply) = reply(&query[..length]) {
                let _ = socket.send_to(&reply, peer);
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    heard
}

/// Those serve that pass, and still do when each server has been asked a few times.
fn judge_datagrams(
    director: &Director<'_>,
    servers: &[Arc<AtomicUsize>],
    passes: impl Iterator<Item = bool>,
) {
    let of = |(number, passes): (usize, bool)| passes.then_some(8_001 + number as u16);
    let expected: Vec<u16> = passes.enumerate().filter_map(of).collect();
    eventually_eq("those that pass serve", SOON, expected.clone(), || table(director));
    let asked = || servers.iter().map(|count| count.load(Ordering::SeqCst)).min();
    eventually("all are asked again and again", SOON, || asked() >= Some(4));
    assert_eq!(table(director), expected);
}

/// Options of the check; a server, if there is one, and its reply, if there is one; whether it passes.
type UdpCase = (&'static str, Option<Option<&'static [u8]>>, bool);

/// What makes a reply of a query, and whether it passes.
type DnsCase = (fn(&mut [u8]), bool);

fn udp_replies_and_silence(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let check = |lines: &str| format!("UDP_CHECK {{\n connect_timeout 1\n retry 0\n {lines}\n }}");
    let cases: [UdpCase; 7] = [
        ("", Some(None), true),
        ("", None, false),
        ("require_reply", Some(None), false),
        ("require_reply", Some(Some(b"anything")), true),
        ("require_reply 61 xx 63", Some(Some(b"abcd")), true),
        ("require_reply 61 62 63", Some(Some(b"axcd")), false),
        // Of a reply that is shorter only what there is gets compared.
        ("require_reply 61 62 63", Some(Some(b"ab")), true),
    ];
    let start = |(number, (_, server, _)): (usize, &UdpCase)| {
        let reply = (*server)?;
        Some(udp_server(&farm, 8_001 + number as u16, move |_| reply.map(<[u8]>::to_vec)))
    };
    let servers: Vec<_> = cases.iter().enumerate().filter_map(start).collect();
    let checks = cases.iter().map(|(lines, ..)| check(lines));
    let director = start_checks(&farm.lb1, program, &config(checks));
    judge_datagrams(&director, &servers, cases.iter().map(|(.., passes)| *passes));
}

/// No error, no such name, and a reply to another question.
fn dns_replies(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let cases: [DnsCase; 3] = [
        (|reply| reply[3] = 0, true),
        (|reply| reply[3] = 3, false),
        (|reply| reply[0] ^= 0xff, false),
    ];
    let start = |(number, (turn, _)): (usize, &DnsCase)| {
        let turn = *turn;
        udp_server(&farm, 8_001 + number as u16, move |query| {
            let mut reply = query.to_vec();
            reply[2] |= 0x80;
            turn(&mut reply);
            Some(reply)
        })
    };
    let servers: Vec<_> = cases.iter().enumerate().map(start).collect();
    let check = "DNS_CHECK {\n connect_timeout 1\n retry 0\n type A\n name www.example\n }";
    let checks = cases.iter().map(|_| check.to_owned());
    let director = start_checks(&farm.lb1, program, &config(checks));
    judge_datagrams(&director, &servers, cases.iter().map(|(_, passes)| *passes));
}
