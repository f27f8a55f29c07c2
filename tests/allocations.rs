//! The advert path allocates nothing: a whole director in this process, with an allocator that
//! counts for each thread.

#![expect(clippy::disallowed_methods, reason = "tests against the real kernel wait in real time")]

#[path = "kernel/network.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod network;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use mainstay::driver::{self, Options};

/// Allocations by thread; two threads that share a slot are counted together.
static COUNTS: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

struct Counting;

impl Counting {
    fn count() {
        // SAFETY: no arguments, cannot fail.
        let thread = unsafe { libc::gettid() };
        COUNTS[thread as usize % COUNTS.len()].fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: everything is left to the system's allocator; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Virtual routers on each of the two interfaces.
const ROUTERS: usize = 40;

/// Each VRID is MASTER on v0 and BACKUP on v1, at twenty adverts a second; every second one signs
/// them, and every eighth is of VRRPv2 with AH, which has whole seconds only.
fn configuration() -> String {
    let hmac = "auth_hmac {\n key 1 0123456789abcdef0123456789abcdef\n active_key 1\n }\n";
    let ah = "authentication {\n auth_type AH\n auth_pass secret\n }\n";
    let kind = |vrid: usize| match vrid % 8 {
        0 => format!("version 2\n advert_int 1\n {ah}"),
        1 | 3 | 5 | 7 => format!("version 3\n advert_int 0.05\n {hmac}"),
        _ => "version 3\n advert_int 0.05\n".to_owned(),
    };
    let instance = |name: &str, interface: &str, vrid: usize, priority: u8| {
        format!(
            "vrrp_instance {name}{vrid} {{\n interface {interface}\n virtual_router_id {vrid}\n \
             {}\n priority {priority}\n virtual_ipaddress {{\n 192.0.2.{}\n }}\n}}\n",
            kind(vrid),
            100 + vrid
        )
    };
    let pair = |vrid| instance("M", "v0", vrid, 200) + &instance("B", "v1", vrid, 100);
    (1..=ROUTERS).map(pair).collect()
}

fn vrrp_thread() -> Option<usize> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?.flatten();
    threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok()).find(|thread: &usize| {
        let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
        name.is_ok_and(|name| name.trim() == "vrrp")
    })
}

/// Hears the ARP packets that arrive anywhere.
fn arp_listener() -> Socket {
    let protocol = (libc::ETH_P_ARP as u16).to_be();
    let listener =
        Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(protocol))));
    let listener = listener.unwrap();
    listener.set_recv_buffer_size(1 << 22).unwrap();
    listener.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    listener
}

/// Takes `wanted` gratuitous ARPs, and tells how many there were before it gave up.
fn arps(mut listener: &Socket, wanted: usize) -> usize {
    let mut frame = [0; 64];
    let mut next = || loop {
        let length = listener.read(&mut frame).ok()?;
        // A request whose sender and target are the same address.
        if length >= 42 && frame[28..32] == frame[38..42] {
            return Some(());
        }
    };
    (0..wanted).map_while(|_| next()).count()
}

fn received() -> u64 {
    let received = std::fs::read_to_string("/sys/class/net/v1/statistics/rx_packets");
    let here = received.ok().and_then(|text| text.trim().parse().ok());
    // /sys shows the network namespace it was mounted in.
    here.unwrap_or_else(|| {
        let table = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let line = table.lines().find(|line| line.trim_start().starts_with("v1:")).unwrap();
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    })
}

#[test]
fn no_advert_sent_or_received_costs_an_allocation() {
    network::in_own_network(|| {
        network::veth_pair("v0", "v1");
        network::ip("addr add 192.0.2.1/24 dev v0");
        network::ip("addr add 192.0.2.2/24 dev v1");
        let directory = std::env::temp_dir().join(format!("mainstay-alloc-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("keepalived.conf");
        std::fs::write(&file, configuration()).unwrap();
        let mut options = Options::new(file);
        options.runtime_directory = directory.clone();
        options.log.console = false;
        let listener = arp_listener();
        // It runs until this process ends.
        std::thread::spawn(move || driver::main(options));

        // Until both blocks of gratuitous ARPs are out.
        let announced = arps(&listener, 2 * 5 * ROUTERS);
        assert_eq!(announced, 2 * 5 * ROUTERS, "gratuitous ARPs for each address");
        let thread = vrrp_thread().expect("the vrrp thread runs");
        let (count, packets) = (&COUNTS[thread % COUNTS.len()], received());
        let before = count.load(Ordering::Relaxed);
        assert!(before > 0, "the start allocates, so the count works");
        let start = Instant::now();
        // 35 × 20 and 5 a second: 3 s, or what a busy machine makes of them.
        while received() - packets < 2000 {
            assert!(start.elapsed() < Duration::from_secs(60), "{} adverts", received() - packets);
            std::thread::sleep(Duration::from_millis(50));
        }
        let allocations = count.load(Ordering::Relaxed) - before;
        let adverts = received() - packets;
        std::fs::remove_dir_all(&directory).unwrap();

        println!("{adverts} adverts, {allocations} allocations");
        assert_eq!(allocations, 0, "in {adverts} adverts");
    });
}
