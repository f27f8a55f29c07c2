//! Lints of virtual servers and their checks.

use std::net::IpAddr;

use super::super::diagnostic::Diagnostic;
use super::facts::Block;
use super::finding;

/// Defaults of keepalived.conf(5), in seconds.
const DELAY_LOOP: f64 = 60.0;
const CONNECT_TIMEOUT: f64 = 5.0;

pub(super) fn lint(block: Block<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (keyword, code, message) in [
        ("alpha", "alpha-starts-down", "real servers are down until their first check succeeds"),
        ("omega", "omega-tells-at-stop", "down scripts run when the director stops"),
    ] {
        if let Some(at) = block.last(&[keyword]) {
            found.push(finding(code, at.at.raw, message));
        }
    }
    found.extend(quorum(block));
    unchecked(block, &mut found);
    let of_service = Timing::of(block);
    let servers = block.children().filter(|child| child.keyword() == "real_server");
    let mut slow = servers.flat_map(|server| {
        let inherited = Timing::of(server).or(of_service);
        server.children().filter(is_check).filter_map(move |check| slow(inherited, check))
    });
    // Mostly all checks of a service are alike: one finding for all.
    if let Some(first) = slow.next() {
        found.push(match slow.count() {
            0 => first,
            more => first.help(format!("{more} more checks of this virtual_server are as slow")),
        });
    }
    found
}

fn is_check(block: &Block<'_>) -> bool {
    block.at.brace.is_some()
        && (block.keyword().ends_with("_CHECK") || block.keyword().ends_with("_GET"))
}

fn quorum(block: Block<'_>) -> Option<Diagnostic> {
    let quorum = block.last(&["quorum"])?;
    let wanted = quorum.said().number()?;
    let servers = || block.children().filter(|child| child.keyword() == "real_server");
    // How many servers a name is, nobody knows here.
    let is_name =
        |child: Block<'_>| child.word(1).is_none_or(|word| word.parse::<IpAddr>().is_err());
    if servers().any(is_name) {
        return None;
    }
    let of = |block: Block<'_>| block.last(&["weight"]).and_then(|at| at.said().number());
    let default = of(block).unwrap_or(1);
    let weights: Vec<i64> = servers().map(|server| of(server).unwrap_or(default)).collect();
    let sum: i64 = weights.iter().sum();
    let needs_all = weights.len() > 1 && wanted <= sum && weights.iter().all(|w| sum - w < wanted);
    needs_all.then(|| {
        let message = format!("quorum {wanted} needs every real server, of weight {sum} together");
        finding("quorum-needs-all", quorum.at.raw, message)
    })
}

/// Servers without a check beside servers with one.
fn unchecked(block: Block<'_>, found: &mut Vec<Diagnostic>) {
    let servers = || block.children().filter(|child| child.keyword() == "real_server");
    if !servers().any(|server| server.children().any(|child| is_check(&child))) {
        return;
    }
    for server in servers().filter(|server| !server.children().any(|child| is_check(&child))) {
        let message = format!("{} has no check, and others have", server.words_from(0));
        found.push(finding("server-unchecked", server.at.raw, message));
    }
}

/// What a block says of when checks run, in seconds; what it does not say comes from the block around it.
#[derive(Clone, Copy, Default)]
struct Timing {
    delay_loop: Option<f64>,
    connect_timeout: Option<f64>,
    misc_timeout: Option<f64>,
    retry: Option<f64>,
    delay_before_retry: Option<f64>,
}

impl Timing {
    fn of(block: Block<'_>) -> Self {
        let mut timing = Self::default();
        for child in block.children() {
            let place = match child.keyword() {
                "delay_loop" => &mut timing.delay_loop,
                "connect_timeout" => &mut timing.connect_timeout,
                "misc_timeout" => &mut timing.misc_timeout,
                "retry" | "nb_get_retry" => &mut timing.retry,
                "delay_before_retry" => &mut timing.delay_before_retry,
                _ => continue,
            };
            *place = child.said().seconds().or(*place);
        }
        timing
    }

    fn or(self, outer: Self) -> Self {
        Self {
            delay_loop: self.delay_loop.or(outer.delay_loop),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            misc_timeout: self.misc_timeout.or(outer.misc_timeout),
            retry: self.retry.or(outer.retry),
            delay_before_retry: self.delay_before_retry.or(outer.delay_before_retry),
        }
    }
}

/// The longest that all attempts may take, against the time to the next check.
fn slow(inherited: Timing, check: Block<'_>) -> Option<Diagnostic> {
    let timing = Timing::of(check).or(inherited);
    let is_script = check.keyword() == "MISC_CHECK";
    let is_page = check.keyword().ends_with("_GET");
    let delay_loop = timing.delay_loop.unwrap_or(DELAY_LOOP);
    let timeout = match is_script {
        true => timing.misc_timeout.unwrap_or(delay_loop),
        false => timing.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
    };
    let retry = timing.retry.unwrap_or(if is_script { 0.0 } else { 1.0 });
    let pause = timing.delay_before_retry.unwrap_or(if is_page { 3.0 } else { 1.0 });
    let longest = timeout * (retry + 1.0) + pause * retry;
    (longest > delay_loop).then(|| {
        let message = format!(
            "{} may take {longest} s until it fails; delay_loop is {delay_loop} s",
            check.keyword()
        );
        finding("check-slower-than-delay-loop", check.at.raw, message)
            .label(format!("{timeout} s × {} attempts, {pause} s between", retry + 1.0))
    })
}
