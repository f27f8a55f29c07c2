//! The checkers beside TCP_CHECK, HTTP_GET and MISC_CHECK: files, echo requests, mail and name servers.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::checks::{BOTH, ONLY_2, service, table_becomes, tcp_check};
use crate::configs::{Farm, start_checks};
use crate::for_each_program;
use crate::harness::{Host, Lab, Program};

for_each_program!(
    a_number_in_a_file_changes_the_weight,
    a_file_without_weight_takes_the_server_out,
    a_server_that_answers_no_echo_request_is_removed,
    a_mail_server_that_refuses_is_removed,
    a_name_server_that_answers_with_an_error_is_removed,
    a_closed_udp_port_removes_the_server,
    a_pattern_in_the_page_decides,
);

/// Weight 10; with a factor of 2 the numbers 5, −4, −6 give 20, 2, 0, and −2000000000 takes the server out.
fn a_number_in_a_file_changes_the_weight(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let number = farm.lb1.write("number", "0");
    let check = "        weight 10\n        FILE_CHECK {\n            track_file n\n            weight 2\n        }";
    let config = service("", [check.into(), tcp_check()]);
    let file = format!("track_file n {{\n    file {}\n}}\n", number.display());
    let _director = start_checks(&farm.lb1, program, &(file + &config));
    let web1 = |weight: u32| format!("192.0.2.101:80/{weight} 192.0.2.102:80/1");
    table_becomes(&farm, "both serve", &web1(10));
    for (says, weight) in [("5", 20), ("-4", 2), ("-6", 0)] {
        farm.lb1.write("number", says);
        table_becomes(&farm, says, &web1(weight));
    }
    farm.lb1.write("number", "-2000000000");
    table_becomes(&farm, "web1 is out", ONLY_2);
    farm.lb1.write("number", "1");
    table_becomes(&farm, "web1 is back", &web1(12));
}

fn a_file_without_weight_takes_the_server_out(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let number = farm.lb1.write("number", "1");
    let check = "        FILE_CHECK {\n            track_file n\n            weight 0\n        }";
    let config = service("", [check.into(), tcp_check()]);
    let file = format!("track_file n {{\n    file {}\n}}\n", number.display());
    let _director = start_checks(&farm.lb1, program, &(file + &config));
    table_becomes(&farm, "web1 is out from the start", ONLY_2);
    farm.lb1.write("number", "0");
    table_becomes(&farm, "0 is fine", BOTH);
    farm.lb1.write("number", "0x10");
    table_becomes(&farm, "0x10 is not", ONLY_2);
    fs::remove_file(&number).expect("remove the file");
    table_becomes(&farm, "no file is fine", BOTH);
    let other = farm.lb1.write("other", "3");
    fs::rename(other, &number).expect("move a file");
    table_becomes(&farm, "one that was moved there counts", ONLY_2);
    farm.lb1.write("number", "abc");
    table_becomes(&farm, "no number is 0", BOTH);
}

fn a_server_that_answers_no_echo_request_is_removed(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let check =
        "        PING_CHECK {\n            connect_timeout 1\n            retry 1\n        }";
    let _director = start_checks(&farm.lb1, program, &service("", [check.into(), check.into()]));
    table_becomes(&farm, "both serve", BOTH);
    farm.web1.sysctl("net.ipv4.icmp_echo_ignore_all", "1");
    table_becomes(&farm, "web1 is out", ONLY_2);
    farm.web1.sysctl("net.ipv4.icmp_echo_ignore_all", "0");
    table_becomes(&farm, "web1 is back", BOTH);
}

/// A server that greets, takes HELO and QUIT; while the flag is set it has no time.
fn mail_server(host: &Host) -> Arc<AtomicBool> {
    let listener = host.enter(|| TcpListener::bind("0.0.0.0:25")).expect("a mail server");
    let busy = Arc::new(AtomicBool::new(false));
    let is_busy = busy.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let greeting =
                if is_busy.load(Ordering::SeqCst) { "421 busy\r\n" } else { "220 mx\r\n" };
            let mut line = [0; 256];
            for reply in [greeting, "250 mx\r\n", "221 bye\r\n"] {
                if stream.write_all(reply.as_bytes()).is_err()
                    || !matches!(stream.read(&mut line), Ok(1..))
                {
                    break;
                }
            }
        }
    });
    busy
}

fn a_mail_server_that_refuses_is_removed(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let busy = mail_server(&farm.web1);
    let check = "        SMTP_CHECK {\n            connect_port 25\n            connect_timeout 2\n            \
                 helo_name lb1.example\n            retry 1\n            delay_before_retry 1\n        }";
    let _director = start_checks(&farm.lb1, program, &service("", [check.into(), tcp_check()]));
    table_becomes(&farm, "both serve", BOTH);
    busy.store(true, Ordering::SeqCst);
    table_becomes(&farm, "web1 is out", ONLY_2);
    busy.store(false, Ordering::SeqCst);
    table_becomes(&farm, "web1 is back", BOTH);
}

/// A server whose replies are the queries, with a code that can be changed.
fn a_name_server_that_answers_with_an_error_is_removed(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let socket = farm.web1.enter(|| UdpSocket::bind("0.0.0.0:53")).expect("a name server");
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = broken.clone();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut query) {
            query[2] |= 0x80;
            query[3] = if is_broken.load(Ordering::SeqCst) { 2 } else { 0 };
            let _ = socket.send_to(&query[..length], peer);
        }
    });
    let check = "        DNS_CHECK {\n            connect_port 53\n            connect_timeout 2\n            type A\n            \
                 name www.example\n            retry 1\n            delay_before_retry 1\n        }";
    let _director = start_checks(&farm.lb1, program, &service("", [check.into(), tcp_check()]));
    table_becomes(&farm, "both serve", BOTH);
    broken.store(true, Ordering::SeqCst);
    table_becomes(&farm, "web1 is out", ONLY_2);
    broken.store(false, Ordering::SeqCst);
    table_becomes(&farm, "web1 is back", BOTH);
}

fn a_closed_udp_port_removes_the_server(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let check = "        UDP_CHECK {\n            connect_port 7\n            connect_timeout 1\n            retry 1\n        }";
    let _director = start_checks(&farm.lb1, program, &service("", [check.into(), tcp_check()]));
    table_becomes(&farm, "web1 is out", ONLY_2);
    let socket = farm.web1.enter(|| UdpSocket::bind("0.0.0.0:7")).expect("a silent server");
    table_becomes(&farm, "silence is fine", BOTH);
    drop(socket);
    table_becomes(&farm, "web1 is out again", ONLY_2);
}

/// The page must have the word, and must not have the other.
fn a_pattern_in_the_page_decides(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let get = |pattern: &str| {
        format!(
            "        HTTP_GET {{\n            url {{\n                path /state\n{pattern}\n            }}\n            retry 1\n            delay_before_retry 1\n            fast_recovery\n        }}"
        )
    };
    let there = get("                regex well");
    let absent = get("                regex down\n                regex_no_match");
    for server in [&farm.server1, &farm.server2] {
        server.set_page("/state", "all is well");
    }
    let _director = start_checks(&farm.lb1, program, &service("", [there, absent]));
    table_becomes(&farm, "both serve", BOTH);
    farm.server1.set_page("/state", "nothing works");
    table_becomes(&farm, "web1 is out", ONLY_2);
    farm.server1.set_page("/state", "well again");
    table_becomes(&farm, "web1 is back", BOTH);
    farm.server2.set_page("/state", "all is down");
    table_becomes(&farm, "web2 is out", "192.0.2.101:80/1");
}
