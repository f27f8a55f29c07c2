//! The demo: two directors, two web servers and a client on one LAN, as a readable timeline.
//! `scripts/demo` builds it and runs it in a kernel with IPVS; it shares the lab's harness.

#![allow(clippy::disallowed_methods, reason = "the lab measures time; no core is here")]

#[allow(dead_code)]
#[path = "../tests/lab/configs.rs"]
mod configs;
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../tests/lab/harness/mod.rs"]
mod harness;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use configs::{Farm, LB1, LB2, PAGE_1, SOON, VIP, tutorial};
use harness::{Director, Host, Lab, Program, eventually, fetch_from};

/// The client has addresses 192.0.2.201 to 192.0.2.224, and asks from each once: the tutorial's
/// persistence keeps an address on one server.
const CLIENTS: std::ops::Range<u8> = 201..225;

fn main() {
    let keepalived = std::env::args().any(|argument| argument == "--keepalived");
    let program = if keepalived { Program::Keepalived } else { Program::Mainstay };
    let lab = Lab::new("demo");
    let farm = Farm::new(&lab);
    let lb2 = farm.lan.host("lb2", &format!("{LB2}/24"));
    let addresses: String =
        CLIENTS.map(|host| format!("addr add 192.0.2.{host}/24 dev eth0\n")).collect();
    farm.client.ip(&addresses);
    let color = std::env::var_os("MAINSTAY_DEMO_COLOR").is_some();
    let story = Story { began: Instant::now(), color, clients: Cell::new(CLIENTS) };
    story.headline(program);

    let one = story.start(&farm.lb1, program, 100);
    let two = story.start(&lb2, program, 50);
    story.follow(&one, 0, "MASTER", "it owns the address");
    story.tables("both have the IPVS table", &[&farm.lb1, &lb2], BOTH);
    story.ask(&farm.client);

    story.chapter("A page is not what it should be");
    story.say("web1", "/service.txt changes: its digest is now wrong");
    farm.server1.set_page("/service.txt", "out of order\n");
    story.tables("both threw out web1", &[&farm.lb1, &lb2], ONLY_WEB2);
    story.ask(&farm.client);
    story.say("web1", "/service.txt is right again");
    farm.server1.set_page("/service.txt", PAGE_1);
    story.tables("both took web1 back", &[&farm.lb1, &lb2], BOTH);
    story.ask(&farm.client);

    story.chapter("The master dies");
    let surfer = Surfer::default();
    let (failover, back) = thread::scope(|scope| {
        scope.spawn(|| surfer.surf(&farm.client));
        let _rest = Rest(&surfer);
        eventually("the surfer has its first page", SOON, || surfer.served() > 0);

        let from = two.log().len();
        let died = Instant::now();
        one.kill9();
        farm.lan.pull_cable(&farm.lb1);
        story.say("lb1", "kill -9, and its cable is cut: no goodbye, the address is just gone");
        story.follow(&two, from, "MASTER", "it heard nothing for 3 × 1 s + skew, and takes over");
        let failover = surfer.gap_after(died);
        story.say(
            "client",
            &format!("has pages again: it saw a gap of {} ms", failover.as_millis()),
        );
        story.ask(&farm.client);

        story.chapter("The old master returns");
        // A machine that boots has neither the address nor a table.
        farm.lb1.ip(&format!("addr del {VIP}/32 dev eth0"));
        farm.lb1.run("ipvsadm -C");
        farm.lan.mend_cable(&farm.lb1);
        let (before, from) = (farm.lb1.read("log").len(), two.log().len());
        let returned = Instant::now();
        let one = story.start(&farm.lb1, program, 100);
        story.follow(&one, before, "MASTER", "priority 100 beats 50");
        story.follow(&two, from, "BACKUP", "it heard a higher priority, and lets go");
        let back = surfer.longest_gap_since(returned);
        story.say(
            "client",
            &format!("hardly noticed: its longest wait was {} ms", back.as_millis()),
        );
        story.ask(&farm.client);

        story.chapter("The end");
        let from = two.log().len();
        one.stop();
        story.say(
            "lb1",
            "is stopped: it resigns with priority 0 and takes its address and table along",
        );
        story.follow(&two, from, "MASTER", "it waited for its skew only");
        (failover, back)
    });
    let served = surfer.served();
    two.stop();
    story.say("lb2", "is stopped");
    println!(
        "\nIn {:.0} seconds the client fetched {served} pages through {VIP}. A web server with a wrong page was\n\
         left out until it was right. When the master died without a word, the other director took the\n\
         address over and the client waited {} ms; when the old one came back, at most {} ms. Nothing is\n\
         left on this machine: all of it happened in network namespaces.",
        story.began.elapsed().as_secs_f64(),
        failover.as_millis(),
        back.as_millis()
    );
}

const HTTP: &str = "TCP 192.0.2.142:80";
const BOTH: &str = "192.0.2.101:80/1 192.0.2.102:80/1";
const ONLY_WEB2: &str = "192.0.2.102:80/1";

/// The timeline: each line has its time since the start, who, and what.
struct Story {
    began: Instant,
    color: bool,
    /// Those that have not asked yet.
    clients: Cell<std::ops::Range<u8>>,
}

impl Story {
    fn headline(&self, program: Program) {
        println!("{}\n", self.paint("1", &format!("Two directors ({program:?}), one address")));
        println!("  client      192.0.2.200 and more     fetches pages from {VIP}");
        println!("  lb1, lb2    {LB1}, {LB2}   directors of priority 100 and 50");
        println!("  web1, web2  192.0.2.101, .102        web servers, reached by direct routing\n");
    }

    fn chapter(&self, title: &str) {
        println!("\n{}", self.paint("1", title));
    }

    fn say(&self, who: &str, what: &str) {
        let color = match who {
            "lb1" => "36",
            "lb2" => "35",
            "client" => "32",
            _ => "33",
        };
        println!(
            "{:>8.3} s  {}  {what}",
            self.began.elapsed().as_secs_f64(),
            self.paint(color, &format!("{who:<7}"))
        );
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }

    fn start<'h>(&self, host: &'h Host, program: Program, priority: u8) -> Director<'h> {
        let from = host.read("log").len();
        let director = Director::start(host, program, tutorial(priority));
        self.say(&host.name, &format!("starts with priority {priority}"));
        self.follow(&director, from, "BACKUP", "it listens first");
        director
    }

    /// Waits for a state line in the director's log beyond `from`.
    fn follow(&self, director: &Director, from: usize, state: &str, why: &str) {
        director.wait_for_state(from, state);
        self.say(&director.host.name, &format!("is {}: {why}", self.paint("1", state)));
    }

    fn tables(&self, what: &str, directors: &[&Host], expected: &str) {
        for host in directors {
            eventually(what, SOON, || host.ipvs().servers(HTTP) == expected);
        }
        let name =
            |server: &str| server.replace("192.0.2.10", "web").replace(":80/1", " (weight 1)");
        let servers: Vec<String> = expected.split(' ').map(name).collect();
        self.say("lb1+lb2", &format!("{what}: {HTTP} wlc → {}", servers.join(", ")));
    }

    /// Four more clients ask for a page.
    fn ask(&self, client: &Host) {
        let mut rest = self.clients.take();
        let mut answers: BTreeMap<String, usize> = BTreeMap::new();
        for host in rest.by_ref().take(4) {
            let source = format!("192.0.2.{host}");
            let page =
                fetch_from(client, &source, &format!("{VIP}:80"), "/", Duration::from_secs(3));
            *answers.entry(page.unwrap_or_else(|error| error.to_string())).or_default() += 1;
        }
        self.clients.set(rest);
        let answers: Vec<String> =
            answers.iter().map(|(page, times)| format!("{times} × “{page}”")).collect();
        self.say("client", &format!("four new clients ask http://{VIP}/: {}", answers.join(", ")));
    }
}

/// A client that fetches a page again and again and notes when it was served.
#[derive(Default)]
struct Surfer {
    served_at: Mutex<Vec<Instant>>,
    rests: AtomicBool,
}

/// Lets the surfer rest, also when the story ends badly.
struct Rest<'a>(&'a Surfer);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.rests.store(true, Ordering::Relaxed);
    }
}

impl Surfer {
    fn surf(&self, client: &Host) {
        while !self.rests.load(Ordering::Relaxed) {
            let limit = Duration::from_millis(200);
            if fetch_from(client, "192.0.2.200", &format!("{VIP}:80"), "/", limit).is_ok() {
                self.served_at.lock().unwrap().push(Instant::now());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn served(&self) -> usize {
        self.served_at.lock().unwrap().len()
    }

    /// Waits until it is served after a pause; from the last page before `moment` to the first one then.
    fn gap_after(&self, moment: Instant) -> Duration {
        let gap = || {
            let served = self.served_at.lock().unwrap();
            let pairs = served.windows(2).filter(|pair| pair[1] > moment);
            pairs.map(|pair| pair[1] - pair[0]).find(|gap| *gap > Duration::from_millis(500))
        };
        eventually("the client has pages again", SOON, || gap().is_some());
        gap().expect("seen just now")
    }

    fn longest_gap_since(&self, moment: Instant) -> Duration {
        let served = self.served_at.lock().unwrap();
        let pairs = served.windows(2).filter(|pair| pair[1] > moment);
        pairs.map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}
