use std::cell::Cell;

use super::*;
use crate::config::parse_text;

/// Virtual servers 192.0.2.1, .2, …, each with a server 198.51.100.1 and these checkers.
fn servers(checkers: &[&str]) -> Vec<Arc<VirtualServer>> {
    let server = |(number, check): (usize, &&str)| {
        format!(
            "virtual_server 192.0.2.{} 80 {{\n protocol TCP\n lb_algo rr\n lb_kind NAT\n \
             real_server 198.51.100.1 80 {{\n{check}\n }}\n}}\n",
            number + 1
        )
    };
    let text: String = checkers.iter().enumerate().map(server).collect();
    parse_text("t", text).plan.virtual_servers
}

fn sharing(checkers: &[&str]) -> Sharing {
    let mut sharing = Sharing::default();
    sharing.follow(&servers(checkers), true);
    sharing
}

fn member(service: usize) -> Member {
    Member { service, server: 0, checker: 0 }
}

fn key(service: usize, attempt: u64) -> AttemptKey {
    let identity = servers(&[""; 5])[service].identity();
    AttemptKey { service: identity, attempt: AttemptId(attempt) }
}

fn who(sharing: &Sharing) -> Vec<Vec<usize>> {
    let services =
        |shared: SharedCheck| shared.members.iter().map(|(service, ..)| *service).collect();
    sharing.status().into_iter().map(services).collect()
}

const TCP: &str = "TCP_CHECK {\n}";

#[test]
fn those_share_that_differ_in_nothing() {
    assert_eq!(who(&sharing(&[TCP, TCP, TCP])), [[0, 1, 2]]);
    let other = [
        "TCP_CHECK {\n connect_port 81\n}",
        "TCP_CHECK {\n delay_loop 3\n}",
        "TCP_CHECK {\n retry 7\n}",
        "TCP_CHECK {\n fwmark 7\n}",
        "TCP_CHECK {\n connect_timeout 7\n}",
        "TCP_CHECK {\n alpha\n}",
        "SMTP_CHECK {\n}",
        "",
    ];
    for different in other {
        assert_eq!(who(&sharing(&[TCP, different, TCP])), [[0, 2]], "{different}");
    }
    let get = |lines: &str| format!("HTTP_GET {{\n url {{\n path /\n{lines}\n }}\n}}");
    let [plain, header, regex] = [get(""), get(" header X y"), get(" regex x")];
    assert_eq!(
        who(&sharing(&[&plain, &header, &regex, &header, &regex, &plain])),
        [[0, 5], [1, 3], [2, 4]]
    );
}

/// A checker that counts how often it is compared with another.
struct Counted<'a>(&'a Checker, &'a Cell<usize>);

impl PartialEq for Counted<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.1.set(self.1.get() + 1);
        self.0 == other.0
    }
}

impl Eq for Counted<'_> {}

impl Hash for Counted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// To compare each with all before it would take 180,000 comparisons.
#[test]
fn checkers_of_one_target_are_not_compared_with_each_other() {
    let differing = |number| {
        [
            format!("HTTP_GET {{\n url {{\n path /{number}\n }}\n}}\n"),
            format!("HTTP_GET {{\n virtualhost www{number}\n url {{\n path /\n }}\n}}\n"),
            format!("HTTP_GET {{\n url {{\n path /\n regex x{number}\n }}\n}}\n"),
            format!("HTTP_GET {{\n url {{\n path /\n header X {number}\n }}\n}}\n"),
            format!("SSL_GET {{\n enable_sni\n sni_name www{number}\n url {{\n path /\n }}\n}}\n"),
            format!("DNS_CHECK {{\n name www{number}\n}}\n"),
        ]
    };
    let text: String = (0..100).flat_map(differing).collect();
    let servers = servers(&[&text]);
    let (number, comparisons) = (checkers(&servers).count(), Cell::new(0));
    assert_eq!(number, 600);
    let counted = checkers(&servers).map(|(member, it)| (Counted(it, &comparisons), member));
    assert_eq!(alike(counted), Vec::<Vec<Member>>::new());
    assert!(comparisons.get() < number, "{} comparisons", comparisons.get());
}

#[test]
fn scripts_are_not_shared() {
    let misc = "MISC_CHECK {\n misc_path /bin/true\n}";
    assert_eq!(who(&sharing(&[misc, misc])), [[0; 0]; 0]);
}

#[test]
fn with_the_keyword_off_nobody_shares() {
    let mut sharing = Sharing::default();
    sharing.follow(&servers(&[TCP, TCP]), false);
    assert_eq!(sharing.begin(member(0), 0, &key(0, 1)), Begin::Alone);
    assert_eq!(who(&sharing), [[0; 0]; 0]);
}

#[test]
fn one_attempt_is_for_those_that_wait_and_for_those_that_do_not() {
    let mut sharing = sharing(&[TCP; 4]);
    let Begin::First(ticket) = sharing.begin(member(1), 0, &key(1, 7)) else { panic!("the first") };
    assert_eq!(sharing.begin(member(3), 0, &key(3, 9)), Begin::Joined);
    let others = sharing.end(&key(1, 7), Some(ticket));
    assert_eq!(others, Others { joined: vec![key(3, 9)], idle: vec![member(0), member(2)] });
    assert!(matches!(sharing.begin(member(3), 0, &key(3, 10)), Begin::First(_)), "the next round");
}

/// Another url of the same check is another matter.
#[test]
fn another_target_is_tried_beside_it() {
    let mut sharing = sharing(&[TCP; 2]);
    assert!(matches!(sharing.begin(member(0), 0, &key(0, 1)), Begin::First(_)));
    assert_eq!(sharing.begin(member(1), 1, &key(1, 1)), Begin::Alone);
    assert_eq!(sharing.end(&key(1, 1), None), Others::default());
}

/// Those that wait have their result whatever became of the first; those that do not are of the new plan,
/// and wait for its attempts.
#[test]
fn a_reload_loses_nobody_who_waits() {
    let mut sharing = sharing(&[TCP; 3]);
    let Begin::First(ticket) = sharing.begin(member(0), 0, &key(0, 1)) else { panic!("the first") };
    assert_eq!(sharing.begin(member(1), 0, &key(1, 1)), Begin::Joined);
    sharing.follow(&servers(&[TCP; 2]), true);
    assert!(matches!(sharing.begin(member(0), 0, &key(0, 2)), Begin::First(_)), "a new one");
    let others = sharing.end(&key(0, 1), Some(ticket));
    assert_eq!(others, Others { joined: vec![key(1, 1)], idle: vec![] });
}
