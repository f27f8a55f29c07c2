//! Checks of servers as Debian has them: nginx with TLS, NSD, aiosmtpd, and gRPC's own library for Python.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::checks::{BOTH, ONLY_2, service, table_becomes, tcp_check};
use crate::configs::{Farm, SOON, VIP, start_checks};
use crate::for_each_program;
use crate::harness::{Host, Lab, Program, eventually, eventually_eq, run};

for_each_program!(
    https_is_checked_whatever_the_certificate,
    names_come_from_servers_too_and_an_abrupt_end_is_an_end,
    a_real_mail_server_passes_and_its_end_is_seen,
    a_real_name_server_passes_and_a_name_it_has_not_fails,
);

/// Ends with the test, as everything on its host does.
pub struct Server {
    child: Child,
}

impl Server {
    pub fn start(host: &Host, program: &str, arguments: &[&str]) -> Server {
        let log = std::fs::File::create(host.dir.join(format!("{}.log", name_of(program))));
        let log = log.expect("a log");
        let mut command = host.command(program);
        command
            .args(arguments)
            .stdout(log.try_clone().expect("duplicate a descriptor"))
            .stderr(log);
        let child = host.spawn(command.stdin(Stdio::null()));
        Server { child: child.unwrap_or_else(|e| panic!("start {program}: {e}")) }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name_of(program: &str) -> &str {
    Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(program)
}

fn certificate(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src/probe/tls/files", name].iter().collect()
}

/// nginx on port 8443, with the certificate for www.example; `extra` goes into its server block. Its log has
/// the name that was told and the protocol.
pub fn nginx(host: &Host, extra: &str) -> Server {
    let dir = host.dir.display();
    let pem = certificate("server.pem");
    let pem = pem.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .concat();
    let config = format!(
        "user root;\npid {dir}/nginx.pid;\ndaemon off;\nmaster_process off;\nerror_log {dir}/nginx.errors;\n\
         events {{}}\nhttp {{\n{temporary}\
         log_format seen '<$ssl_server_name> $server_protocol $request_method $status <$http_x_probe> \
         $ssl_client_verify';\n\
         access_log {dir}/access seen;\nroot {dir}/pages;\nserver {{\n\
         listen 8443 ssl http2;\nlisten [::]:8443 ssl http2;\nlisten 8080 http2;\n\
         ssl_certificate {pem};\nssl_certificate_key {pem};\n{extra}\n}}\n}}\n"
    );
    std::fs::create_dir_all(host.dir.join("pages")).expect("a directory");
    std::fs::write(host.dir.join("pages/state"), "all is well\n").expect("a page");
    let config = host.write("nginx.conf", config);
    Server::start(host, "/usr/sbin/nginx", &["-c", &config.display().to_string()])
}

fn ssl_get(url: &str, more: &str) -> String {
    format!(
        "        SSL_GET {{\n            url {{\n                path /state\n{url}\n            }}\n            \
         connect_port 8443\n            connect_timeout 3\n            retry 0\n            \
         delay_before_retry 1\n{more}\n        }}"
    )
}

/// Self-made, for another name and from nobody: fine, whatever `ca` says. Names are told where enable_sni asks
/// for it.
fn https_is_checked_whatever_the_certificate(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let server = nginx(&farm.web1, "");
    let digest: String = {
        use md5::{Digest, Md5};
        Md5::digest("all is well\n").iter().map(|octet| format!("{octet:02x}")).collect()
    };
    let check = ssl_get(
        &format!("                virtualhost url.example\n                digest {digest}"),
        "            enable_sni",
    );
    let other = ssl_get("", "            virtualhost checker.example\n            enable_sni");
    // keepalived knows sni_name after 2.4.3 only.
    let named = match program {
        Program::Mainstay => "            sni_name sni.example\n            virtualhost x.example",
        Program::Keepalived => "            enable_sni\n            virtualhost sni.example",
    };
    let named = ssl_get("", named);
    let silent = ssl_get("", "            virtualhost nobody.example");
    let ssl = format!("SSL {{\n    ca {}\n}}\n", certificate("client.pem").display());
    let all = format!("        alpha\n{check}\n{other}\n{named}\n{silent}");
    let _director = start_checks(&farm.lb1, program, &(ssl + &service("", [all, tcp_check()])));
    table_becomes(&farm, "both serve", BOTH);
    let names = ["<url.example>", "<checker.example>", "<sni.example>", "<->"];
    eventually("all names are seen", Duration::from_secs(20), || {
        let seen = farm.web1.read("access");
        names.iter().all(|name| seen.contains(name))
    });
    let seen = farm.web1.read("access");
    assert!(!seen.contains("nobody.example") && !seen.contains("x.example"), "{seen}");
    server.end();
    table_becomes(&farm, "web1 is out", ONLY_2);
}

/// Ours: the certificate's issuer and name, our own certificate, the method and headers of the request and of
/// the reply, and HTTP/2.
#[test]
fn https_is_verified_and_asked_as_one_likes() {
    run("served::verified", |lab: &Lab| {
        let farm = Farm::new(lab);
        let (ca, client) = (certificate("ca.pem"), certificate("client.pem"));
        let (ca, client) = (ca.display(), client.display());
        let _server = nginx(
            &farm.web1,
            &format!(
                "add_header X-State well;\nssl_client_certificate {ca};\nssl_verify_client on;"
            ),
        );
        let verified = |name: &str, more: &str| {
            let more = format!("            tls_ca {ca}\n            tls_name {name}\n{more}");
            ssl_get(
                "                expect_header X-State ^well$\n                regex well",
                &more,
            )
        };
        let ssl = format!(
            "SSL {{\n    certificate {client}\n    key {}\n    password secret\n}}\n",
            certificate("client-encrypted.key").display()
        );
        let good = format!(
            "        alpha\n{}\n{}\n{}",
            verified("www.example", "            header X-Probe one"),
            verified("www.example", "            http_protocol 2\n            header X-Probe two"),
            ssl_get("", "            method HEAD\n            header X-Probe three"),
        );
        let config = |first: &str| ssl.clone() + &service("", [first.to_owned(), tcp_check()]);
        let director = start_checks(&farm.lb1, Program::Mainstay, &config(&good));
        table_becomes(&farm, "both serve", BOTH);
        let expected = [
            "<www.example> HTTP/1.0 GET 200 <one> SUCCESS",
            "<www.example> HTTP/2.0 GET 200 <two> SUCCESS",
            "<-> HTTP/1.0 HEAD 200 <three> SUCCESS",
        ];
        eventually("nginx has seen all of them", Duration::from_secs(20), || {
            let seen = farm.web1.read("access");
            expected.iter().all(|line| seen.lines().any(|found| found == *line))
        });
        // For a name that is not in the certificate.
        director.reload(crate::configs::with_globals(&config(&verified("other.example", ""))));
        table_becomes(&farm, "web1 is out", ONLY_2);
        eventually("the log says why", Duration::from_secs(20), || {
            director.log().contains("certificate not valid for name \"other.example\"")
        });
    });
}

/// Notes the name that each client tells, `None` if none, and ends each reply by closing the connection, without the
/// close_notify of TLS.
const ABRUPT: &str = r#"
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
names = open(sys.argv[2], "a", buffering=1)
context.sni_callback = lambda connection, name, _: print(name, file=names) and None
listener = socket.create_server(("0.0.0.0", 8443))
while True:
    connection, _ = listener.accept()
    try:
        tls = context.wrap_socket(connection, server_side=True)
        tls.recv(4096)
        tls.sendall(b"HTTP/1.0 200 OK\r\n\r\nall is well\n")
        tls.close()
    except OSError:
        connection.close()
"#;

/// The virtual host of a virtual server is told, and here that of a real server, which keepalived does not tell.
fn names_come_from_servers_too_and_an_abrupt_end_is_an_end(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let script = farm.web1.write("abrupt.py", ABRUPT).display().to_string();
    let names = farm.web1.write("names", "").display().to_string();
    let pem = certificate("server.pem").display().to_string();
    let server = Server::start(&farm.web1, "/usr/bin/python3", &[&script, &pem, &names]);
    listens(&farm.web1, 8443);
    let service = |port: u16, of_service: &str, of_server: &str| {
        format!(
            "virtual_server {VIP} {port} {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    \
             alpha\n{of_service}\n    real_server 192.0.2.101 8443 {{\n{of_server}\n{}\n    }}\n}}\n",
            ssl_get("", "            enable_sni")
        )
    };
    let config = service(80, "    virtualhost service.example", "")
        + &service(81, "", "        virtualhost server.example");
    let _director = start_checks(&farm.lb1, program, &config);
    let serve = |wanted: &str| {
        eventually_eq("the services", SOON, (wanted.to_owned(), wanted.to_owned()), || {
            let servers = |port: u16| farm.lb1.ipvs().servers(&format!("TCP {VIP}:{port}"));
            (servers(80), servers(81))
        });
    };
    serve("192.0.2.101:8443/1");
    let second = if program == Program::Mainstay { "server.example" } else { "None" };
    eventually("both are told", SOON, || {
        let told = farm.web1.read("names");
        ["service.example", second].iter().all(|name| told.lines().any(|line| line == *name))
    });
    let told = farm.web1.read("names");
    assert!(told.lines().all(|name| ["service.example", second].contains(&name)), "{told}");
    server.end();
    serve("");
}

/// A server in Python takes its time to begin, on a busy machine more than a check may.
fn listens(host: &Host, port: u16) {
    eventually("the server listens", Duration::from_secs(120), || {
        host.enter(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
    });
}

fn a_real_mail_server_passes_and_its_end_is_seen(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    let listen = ["-m", "aiosmtpd", "-n", "-l", "0.0.0.0:25", "-c", "aiosmtpd.handlers.Sink"];
    let server = Server::start(&farm.web1, "/usr/bin/python3", &listen);
    listens(&farm.web1, 25);
    let check = "        alpha\n        SMTP_CHECK {\n            connect_port 25\n            connect_timeout 5\n            \
                 retry 0\n        }";
    let _director = start_checks(&farm.lb1, program, &service("", [check.into(), tcp_check()]));
    table_becomes(&farm, "both serve", BOTH);
    server.end();
    table_becomes(&farm, "web1 is out", ONLY_2);
    let _server = Server::start(&farm.web1, "/usr/bin/python3", &listen);
    listens(&farm.web1, 25);
    table_becomes(&farm, "web1 is back", BOTH);
}

/// The zone `example` of a name server, with these records.
pub fn write_zone(host: &Host, records: &str) {
    let zone = "@ 60 IN SOA ns.example. admin.example. 1 60 60 60 60\n@ 60 IN NS ns.example.\n";
    host.write("example.zone", zone.to_owned() + records);
}

/// nsd on port 53; it reads its zone again at SIGHUP.
pub fn name_server(host: &Host, address: &str) -> Server {
    let dir = host.dir.display();
    let config = format!(
        "server:\n  ip-address: {address}\n  username: \"\"\n  zonesdir: \"{dir}\"\n  database: \"\"\n  \
         pidfile: \"{dir}/nsd.pid\"\n  xfrdfile: \"{dir}/xfrd.state\"\n  zonelistfile: \"{dir}/zone.list\"\n  \
         cookie-secret-file: \"{dir}/cookie\"\n  xfrdir: \"{dir}\"\nremote-control:\n  control-enable: no\n\
         zone:\n  name: example\n  zonefile: \"{dir}/example.zone\"\n"
    );
    let config = host.write("nsd.conf", config).display().to_string();
    Server::start(host, "/usr/sbin/nsd", &["-d", "-c", &config])
}

fn a_real_name_server_passes_and_a_name_it_has_not_fails(lab: &Lab, program: Program) {
    let farm = Farm::new(lab);
    write_zone(&farm.web1, "ns 60 IN A 192.0.2.101\nwww 60 IN A 192.0.2.80\nwww 60 IN TXT \"x\"\n");
    let server = name_server(&farm.web1, "192.0.2.101");
    let check = |name: &str, record: &str| {
        format!(
            "        DNS_CHECK {{\n            connect_port 53\n            connect_timeout 2\n            \
             connect_ip 192.0.2.101\n            type {record}\n            name {name}\n            retry 0\n        }}"
        )
    };
    let all = ["SOA", "NS", "A", "TXT", "AAAA"];
    let names = ["example", "example", "www.example", "www.example", "www.example"];
    let good: String =
        all.iter().zip(names).map(|(record, name)| check(name, record) + "\n").collect();
    let checks = [format!("        alpha\n{good}"), tcp_check()];
    let director = start_checks(&farm.lb1, program, &service("", checks.clone()));
    table_becomes(&farm, "both serve", BOTH);
    let bad = format!("{good}{}", check("nosuch.example", "A"));
    let with =
        |first: String| crate::configs::with_globals(&service("", [first, checks[1].clone()]));
    director.reload(with(bad));
    table_becomes(&farm, "web1 is out", ONLY_2);
    director.reload(with(good));
    table_becomes(&farm, "web1 is back", BOTH);
    server.end();
    table_becomes(&farm, "web1 is out again", ONLY_2);
}

/// The health service of gRPC, as its own library serves it; what it says is in the file `health`.
const HEALTH: &str = r#"
import grpc, sys
from concurrent import futures

def check(request, context):
    said = open(sys.argv[1]).read().split()
    if b"missing" in request:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
    return bytes([8, int(said[0])])

handler = grpc.unary_unary_rpc_method_handler(check)
service = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})
server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
server.add_generic_rpc_handlers((service,))
server.add_insecure_port("0.0.0.0:50051")
pem = open(sys.argv[2], "rb").read()
server.add_secure_port("0.0.0.0:50052", grpc.ssl_server_credentials([(pem, pem)]))
server.start()
server.wait_for_termination()
"#;

#[test]
fn a_grpc_service_says_whether_it_serves() {
    run("served::grpc", |lab: &Lab| {
        let farm = Farm::new(lab);
        let script = farm.web1.write("health.py", HEALTH).display().to_string();
        let health = farm.web1.write("health", "1").display().to_string();
        let pem = certificate("server.pem").display().to_string();
        let server = Server::start(&farm.web1, "/usr/bin/python3", &[&script, &health, &pem]);
        listens(&farm.web1, 50052);
        let check = |lines: &str| {
            format!(
                "        GRPC_CHECK {{\n            connect_timeout 5\n            retry 0\n{lines}\n        }}\n"
            )
        };
        let ca = certificate("ca.pem");
        let tls = format!(
            "            connect_port 50052\n            tls_ca {}\n            tls_name www.example",
            ca.display()
        );
        let plain = check("            connect_port 50051\n            service pkg.Web");
        let good = format!("        alpha\n{plain}{}", check(&tls));
        let config = |first: String| service("", [first, tcp_check()]);
        let director = start_checks(&farm.lb1, Program::Mainstay, &config(good.clone()));
        table_becomes(&farm, "both serve", BOTH);
        farm.web1.write("health", "2");
        table_becomes(&farm, "web1 does not serve", ONLY_2);
        eventually("the log says why", Duration::from_secs(20), || {
            director.log().contains("GRPC_CHECK failed: the service says that it is NOT_SERVING")
        });
        farm.web1.write("health", "1");
        table_becomes(&farm, "web1 serves again", BOTH);
        let missing = check("            connect_port 50051\n            service missing");
        director.reload(crate::configs::with_globals(&config(missing)));
        table_becomes(&farm, "web1 has no such service", ONLY_2);
        eventually("the log says so", Duration::from_secs(20), || {
            director.log().contains("the call ended with 5 (NOT_FOUND): no such service")
        });
        director.reload(crate::configs::with_globals(&config(good)));
        table_becomes(&farm, "web1 serves", BOTH);
        server.end();
        table_becomes(&farm, "web1 is gone", ONLY_2);
    });
}
