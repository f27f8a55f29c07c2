//! A director whose servers flap, hour after hour: what it holds does not grow. `scripts/bench soak SECONDS` lets
//! it run for longer than a test may.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::configs::{LB1, VIP, with_globals};
use crate::harness::Program::Mainstay;
use crate::harness::namespace::children_of;
use crate::harness::{Director, Host, Lab, MailServer, Manner, alive, eventually, run};
use crate::served::{Server, name_server, nginx, write_zone};

/// Rounds before anything is counted, and after that at least.
const WARM_UP: usize = 2;
const ROUNDS: usize = 4;

/// Real servers that are checked by TCP_CHECK alone.
const CROWD: usize = 60;

/// A round waits for many checks, in a guest with one processor.
const LONG: Duration = Duration::from_secs(120);

/// One service each, at port 8000 and so on; what follows the name goes into its block.
const CHECKS: [&str; 9] = [
    "TCP_CHECK {\n connect_port 80",
    "HTTP_GET {\n connect_port 80\n url {\n path /state\n regex well\n }",
    "SSL_GET {\n connect_port 8443\n url {\n path /state\n status_code 200\n }",
    "SSL_GET {\n connect_port 8443\n http_protocol 2\n url {\n path /state\n }",
    "SMTP_CHECK {\n connect_port 25\n helo_name lb1.example",
    "DNS_CHECK {\n connect_port 53\n type A\n name www.example",
    "UDP_CHECK {\n connect_port 7",
    "PING_CHECK {",
    "MISC_CHECK {\n misc_path \"SCRIPT\"\n misc_timeout 1",
];

#[test]
fn what_is_held_while_servers_flap_does_not_grow() {
    let seconds = std::env::var("MAINSTAY_SOAK").ok().and_then(|text| text.parse().ok());
    let period = Duration::from_secs(seconds.unwrap_or(0));
    run("soak::flapping", |lab: &Lab| {
        let lan = lab.lan();
        let (lb, web) = (lan.host("lb1", &format!("{LB1}/24")), lan.host("web1", "192.0.2.101/24"));
        web.ip("route add local 198.51.100.0/24 dev lo");
        lb.ip("route add 198.51.100.0/24 via 192.0.2.101");
        let relay = MailServer::start(&lb, Manner::Plain);
        let mut servers = Servers::prepare(&lb, &web);
        servers.start();
        let mut director = Director::start(&lb, Mainstay, config(&lb, 1));
        becomes(&lb, "all serve", true);

        let watch = Watch::start(director.pid());
        let (mut round, mut began) = (0, Instant::now());
        while round < WARM_UP + ROUNDS || began.elapsed() < period {
            if round == WARM_UP {
                (began, _) = (Instant::now(), watch.take());
            }
            servers.end(round);
            becomes(&lb, "none serves", false);
            servers.start();
            becomes(&lb, "all serve", true);
            reload(&director, round);
            round += 1;
        }
        let (samples, zombie) = watch.take();
        let mails = relay.mails().len();
        println!("{} rounds in {:.0?}, {mails} mails", round - WARM_UP, began.elapsed());
        judge(&samples);
        assert!(
            zombie < Duration::from_secs(5),
            "nobody took note of a child's end for {zombie:?}"
        );
        let dump = director.dump();
        assert_eq!(dump.matches(" 0 waiting").count(), 2, "attempts wait for a place:\n{dump}");
        director.assert_alive();
        let (_, status) = director.stop();
        assert!(status.success(), "it ended with {status}");
    });
}

/// Everything there is: nine kinds of checks, a crowd, an instance, scripts, a FIFO and mail.
fn config(lb: &Host, weight: usize) -> String {
    let dir = lb.dir.display();
    let tell = format!("{dir}/tell");
    let service = |port: usize, servers: String| {
        format!(
            "virtual_server {VIP} {port} {{\n    delay_loop 1\n    warmup 0\n    lvs_sched rr\n    lvs_method NAT\n    \
             protocol TCP\n    smtp_alert\n    quorum_up \"{tell} {port} up\"\n    \
             quorum_down \"{tell} {port} down\"\n{servers}}}\n"
        )
    };
    let server = |address: &str, check: &str| {
        format!(
            "    real_server {address} 80 {{\n        weight {weight}\n        notify_up \"{tell} {address} up\"\n        \
             notify_down \"{tell} {address} down\"\n{check}\n retry 0\n delay_before_retry 1\n }}\n    }}\n"
        )
    };
    let single = |(number, check): (usize, &&str)| {
        let timeout = if check.starts_with("MISC") { "" } else { "\n connect_timeout 2" };
        let check = check.replace("SCRIPT", &format!("{dir}/check")) + timeout;
        service(8_000 + number, server("192.0.2.101", &check))
    };
    let singles: String = CHECKS.iter().enumerate().map(single).collect();
    let tcp = "TCP_CHECK {\n connect_timeout 2";
    let crowd = (1..=CROWD).map(|n| server(&format!("198.51.100.{n}"), tcp)).collect();
    let instance = format!(
        "track_file n {{\n    file {dir}/number\n}}\nvrrp_script c {{\n    script {dir}/check\n    interval 1\n    \
         timeout 1\n}}\nvrrp_instance KAV_1 {{\n    interface eth0\n    virtual_router_id 50\n    priority 100\n    \
         advert_int 1\n    notify {tell}\n    smtp_alert\n    track_script {{\n        c\n    }}\n    \
         virtual_ipaddress {{\n        {VIP}\n    }}\n}}\n"
    );
    let globals = format!(
        "global_defs {{\n    smtp_server 127.0.0.1\n    notification_email {{\n        a@example\n    }}\n    \
         notify_fifo {dir}/fifo\n    notify_fifo_script {dir}/reader\n"
    );
    let all = instance + &singles + &service(9_000, crowd);
    with_globals(&all).replacen("global_defs {\n", &globals, 1)
}

/// Waits until each service has all of its servers, or none.
fn becomes(lb: &Host, what: &str, up: bool) {
    eventually(what, LONG, || {
        let table = lb.ipvs();
        let count =
            |port: usize| table.servers(&format!("TCP {VIP}:{port}")).split_whitespace().count();
        let wanted = usize::from(up);
        (0..CHECKS.len()).all(|number| count(8_000 + number) == wanted)
            && count(9_000) == wanted * CROWD
    });
}

/// Another weight everywhere; in every third round a file that is refused comes first. And a dump.
fn reload(director: &Director<'_>, round: usize) {
    let good = config(director.host, 1 + (round + 1) % 2);
    if round % 3 == 2 {
        let from = director.log().len();
        director.reload(good.clone() + "}\nvirtual_server {\n");
        director.wait_for_log(from, "nothing has changed", LONG);
    }
    let from = director.log().len();
    director.reload(&good);
    director.wait_for_log(from, "reloaded: ", LONG);
    director.signal(Signal::SIGUSR2);
    drop(director.dump());
}

/// What the checks ask.
struct Servers<'h> {
    lb: &'h Host,
    web: &'h Host,
    running: Vec<Server>,
    udp: Option<UdpSocket>,
}

impl<'h> Servers<'h> {
    fn prepare(lb: &'h Host, web: &'h Host) -> Self {
        let dir = lb.dir.display();
        lb.script("tell", "exit 0");
        lb.script("reader", "while read -r line; do :; done <\"$1\"");
        let hang = "[ \"$status\" != hang ] || sleep 1000";
        lb.script("check", &format!("status=$(cat {dir}/status)\n{hang}\nexit $status"));
        write_zone(web, "ns 60 IN A 192.0.2.101\nwww 60 IN A 192.0.2.80\n");
        Self { lb, web, running: Vec::new(), udp: None }
    }

    fn start(&mut self) {
        // Children of the name server outlive it for a moment.
        eventually("its port is free", LONG, || {
            self.web.enter(|| UdpSocket::bind(("192.0.2.101", 53))).is_ok()
        });
        let mail = ["-m", "aiosmtpd", "-n", "-l", "0.0.0.0:25", "-c", "aiosmtpd.handlers.Sink"];
        self.running = vec![
            nginx(self.web, "listen 80;"),
            name_server(self.web, "192.0.2.101"),
            Server::start(self.web, "/usr/bin/python3", &mail),
        ];
        let udp = self.web.enter(|| UdpSocket::bind("0.0.0.0:7"));
        self.udp = Some(udp.expect("a silent server"));
        self.web.sysctl("net.ipv4.icmp_echo_ignore_all", "0");
        self.lb.write("status", "0");
        self.lb.write("number", "0");
    }

    /// In turn the scripts fail and hang.
    fn end(&mut self, round: usize) {
        self.running.drain(..).for_each(Server::end);
        self.udp = None;
        self.web.sysctl("net.ipv4.icmp_echo_ignore_all", "1");
        self.lb.write("status", if round.is_multiple_of(2) { "1" } else { "hang" });
        self.lb.write("number", "1");
    }
}

/// What the director held at one moment.
struct Sample {
    descriptors: usize,
    anonymous_kb: usize,
    threads: usize,
    children: usize,
}

#[derive(Default)]
struct Seen {
    samples: Vec<Sample>,
    /// Since when there are children that have ended and nobody has taken note of.
    zombies: HashMap<i32, Instant>,
    oldest: Duration,
}

/// A thread that looks again and again until this is dropped.
struct Watch {
    seen: Arc<Mutex<Seen>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(pid: i32) -> Watch {
        let (seen, ended) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let thread = thread::spawn({
            let (seen, ended) = (seen.clone(), ended.clone());
            move || {
                while !ended.load(Ordering::Relaxed) {
                    look(pid, &mut seen.lock().unwrap());
                    thread::sleep(Duration::from_millis(250));
                }
            }
        });
        Watch { seen, ended, thread: Some(thread) }
    }

    /// What was seen since the last time, and the longest that a zombie has stayed.
    fn take(&self) -> (Vec<Sample>, Duration) {
        let mut seen = self.seen.lock().unwrap();
        (std::mem::take(&mut seen.samples), seen.oldest)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn look(pid: i32, seen: &mut Seen) {
    let entries =
        |name| std::fs::read_dir(format!("/proc/{pid}/{name}")).map_or(0, Iterator::count);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    // Less the program's own pages, which come in as they are needed.
    let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let resident = resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    let children = children_of(pid);
    seen.zombies.retain(|each, _| children.contains(each) && !alive(*each));
    for zombie in children.iter().filter(|each| !alive(**each)) {
        let since = *seen.zombies.entry(*zombie).or_insert_with(Instant::now);
        seen.oldest = seen.oldest.max(since.elapsed());
    }
    seen.samples.push(Sample {
        descriptors: entries("fd"),
        anonymous_kb: resident.unwrap_or(0),
        threads: entries("task"),
        children: children.len(),
    });
}

/// Each checker makes one attempt at a time, which has a few descriptors; a script has a child.
const CHECKERS: usize = CHECKS.len() + CROWD;

/// What is held at the quietest moment of the later half is no more than at that of the earlier one, with a little
/// room for what is always under way: what is lost adds up. And at no moment is more held than all checkers at once
/// need, or, of memory, than before with room for what allocators keep: each thread has an arena of its own, so that
/// none waits for another's lock, and each grows to what its thread once needed.
fn judge(samples: &[Sample]) {
    let (earlier, later) = samples.split_at(samples.len() / 2);
    type Figure = fn(&Sample) -> usize;
    type Bound = fn(usize) -> usize;
    let figures: [(&str, Figure, usize, Bound); 4] = [
        ("descriptors", |each| each.descriptors, 6, |_| 60 + 3 * CHECKERS),
        ("kB of memory", |each| each.anonymous_kb, 2_000, |before| before + before / 20 + 1_000),
        ("threads", |each| each.threads, 2, |before| before + 8),
        ("children", |each| each.children, 2, |_| 10 + CHECKERS),
    ];
    for (name, of, room, bound) in figures {
        let least = |part: &[Sample]| part.iter().map(of).min().expect("samples");
        let most = |part: &[Sample]| part.iter().map(of).max().expect("samples");
        let tenths = samples.chunks(samples.len().div_ceil(10));
        let tenths = tenths.map(|tenth| format!("{}-{}", least(tenth), most(tenth)));
        println!("{name}, tenth by tenth: {}", tenths.collect::<Vec<_>>().join(" "));
        let (before, after) = (least(earlier), least(later));
        let flat = before + before / 20 + room;
        assert!(after <= flat, "{name}: {before} at least, then {after}, more than {flat}");
        let (most, bound) = (most(later), bound(most(earlier)));
        assert!(most <= bound, "{name}: {most} at most, more than {bound}");
    }
}
