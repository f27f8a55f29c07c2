//! The text that SIGUSR1 writes: sections as in keepalived's data file, one fact a line.

use std::fmt::{self, Write as _};

use super::{
    CheckStatus, InstanceStatus, NameStatus, ServerStatus, Status, SyncStatus, counted, hindered,
    human,
};
use crate::config::plan::{
    Authentication, Global, HmacMode, Plan, StaticObjects, VirtualAddress, VrrpInstance,
};
use crate::routing::Text;

/// Renders everything there is to know.
pub fn dump(plan: &Plan, status: &Status) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut out, plan, status);
    out
}

fn write_all(out: &mut String, plan: &Plan, status: &Status) -> fmt::Result {
    writeln!(out, "Mainstay v{}: {}", env!("CARGO_PKG_VERSION"), counted(plan))?;
    global(out, &plan.global)?;
    static_objects(out, &plan.static_objects)?;
    writeln!(out, "\n------< VRRP Topology >------")?;
    status.instances.iter().try_for_each(|each| instance(out, each))?;
    writeln!(out, "\n------< LVS Topology >------")?;
    if let Some(trouble) = &status.ipvs_trouble {
        writeln!(out, " IPVS is not as wanted: {trouble}")?;
    }
    sync_daemons(out, &status.sync)?;
    status.servers.iter().try_for_each(|each| server(out, each))?;
    checks(out, status)?;
    status.bfd.write(out)
}

fn global(out: &mut String, global: &Global) -> fmt::Result {
    writeln!(out, "\n------< Global definitions >------")?;
    let fact = |out: &mut String, name, value: &str| writeln!(out, "   {name} = {value}");
    fact(out, "Router ID", global.router_id.as_deref().unwrap_or("host name"))?;
    fact(out, "VRRP IPv4 mcast group", &global.multicast_group.to_string())?;
    fact(out, "VRRP IPv6 mcast group", &global.multicast_group6.to_string())?;
    fact(out, "Script security", if global.script_security { "enabled" } else { "disabled" })?;
    let user = global.script_user.as_ref().map_or("keepalived_script, else root", |who| &who.user);
    fact(out, "Script user", user)
}

fn instance(out: &mut String, status: &InstanceStatus) -> fmt::Result {
    let (plan, router) = (&status.plan, &status.plan.router);
    let fact =
        |out: &mut String, name, value: &dyn fmt::Display| writeln!(out, "   {name:<28} = {value}");
    writeln!(out, " VRRP Instance = {}", plan.name)?;
    fact(out, "State", &format_args!("{}, for {}", status.state, human(status.in_state)))?;
    for fault in &status.faults {
        fact(out, "Fault", &format_args!("{}: {fault}", plan.interface))?;
    }
    for tracked in &status.tracked {
        fact(out, "Tracked", tracked)?;
    }
    fact(out, "Interface", &plan.interface)?;
    if let Some(link) = &plan.link {
        let kind = if link.is_vmac() { "VMAC interface" } else { "IPVLAN interface" };
        fact(out, kind, &format_args!("{} on {}", link.name, link.parent))?;
        fact(out, "Adverts go by", &plan.advert_interface())?;
    }
    fact(out, "Accept", &if plan.accept { "enabled" } else { "disabled" })?;
    fact(out, "Virtual Router ID", &router.vrid)?;
    fact(out, "Priority", &router.priority)?;
    fact(out, "Effective priority", &status.priority)?;
    fact(out, "Advert interval", &human(router.adver_interval.as_duration()))?;
    fact(out, "Authentication", &authentication(plan))?;
    fact(out, "Preempt", &if router.preempt { "enabled" } else { "disabled" })?;
    if let Some(source) = status.source {
        fact(out, "Using src_ip", &source)?;
    }
    if let Some(active) = status.active_router {
        fact(out, "Master router", &active)?;
    }
    if let Some(next) = status.next_deadline {
        fact(out, "Next deadline in", &human(next))?;
    }
    fact(out, "Worst lateness", &human(status.latest))?;
    if let Some(octets) = status.receive_queue {
        fact(out, "Receive buffer", &octets)?;
    }
    if plan.promote_secondaries {
        fact(out, "Promote_secondaries", &"enabled")?;
    }
    if status.repairs > 0 {
        fact(out, "Repairs", &status.repairs)?;
    }
    addresses(out, "Virtual IP", &plan.addresses)?;
    addresses(out, "Virtual IP Excluded", &plan.excluded_addresses)?;
    lines(out, "Virtual Routes", plan.routes.iter().map(|each| &each.route.text))?;
    lines(out, "Virtual Rules", plan.rules.iter().map(|each| &each.rule.text))?;
    statistics(out, status)
}

/// How adverts are authenticated; never with what.
fn authentication(plan: &VrrpInstance) -> String {
    match (&plan.hmac, plan.authentication) {
        (Some(hmac), _) => {
            let ids: Vec<String> = hmac.keys.iter().map(|key| key.id.to_string()).collect();
            let signs = hmac.active_key.map_or("none".to_owned(), |id| id.to_string());
            let mode = match hmac.mode {
                HmacMode::Enforce => "enforce",
                HmacMode::Permissive => "permissive",
                HmacMode::ReceiveOnly => "receive-only",
            };
            format!("HMAC-SHA256, mode {mode}, keys {}, active {signs}", ids.join(" "))
        }
        (None, Authentication::None) => "none".to_owned(),
        (None, Authentication::SimpleText(_)) => "PASS".to_owned(),
        (None, Authentication::Header(_)) => "AH".to_owned(),
    }
}

fn addresses(out: &mut String, title: &str, addresses: &[VirtualAddress]) -> fmt::Result {
    if addresses.is_empty() {
        return Ok(());
    }
    writeln!(out, "   {title} = {}", addresses.len())?;
    for each in addresses {
        write!(out, "     {}", each.address)?;
        if let Some(peer) = each.peer {
            write!(out, " peer {peer}")?;
        }
        if let Some(interface) = &each.interface {
            write!(out, " dev {interface}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What was asked for, in the words of the file.
fn lines<'a>(
    out: &mut String,
    title: &str,
    texts: impl ExactSizeIterator<Item = &'a Text>,
) -> fmt::Result {
    if texts.len() > 0 {
        writeln!(out, "   {title} = {}", texts.len())?;
    }
    texts.into_iter().try_for_each(|text| writeln!(out, "     {text}"))
}

fn static_objects(out: &mut String, objects: &StaticObjects) -> fmt::Result {
    if *objects == StaticObjects::default() {
        return Ok(());
    }
    writeln!(out, "\n------< Static addresses, routes and rules >------")?;
    addresses(out, "Static IP", &objects.addresses)?;
    lines(out, "Static Routes", objects.routes.iter().map(|each| &each.route.text))?;
    lines(out, "Static Rules", objects.rules.iter().map(|each| &each.rule.text))
}

fn statistics(out: &mut String, status: &InstanceStatus) -> fmt::Result {
    writeln!(out, "   Statistics")?;
    for (name, value) in status.counters.iter() {
        // Such packets belong to no instance: they are counted for the interface.
        let value = if name == "unknown_vrid" { status.unknown_vrids } else { value };
        writeln!(out, "    {name} = {value}")?;
    }
    Ok(())
}

/// Who waits for a place, and whose attempts are made together.
fn checks(out: &mut String, status: &Status) -> fmt::Result {
    let CheckStatus { places, shared } = &status.checks;
    if status.servers.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n------< Checks >------")?;
    for (name, it) in [("Sockets", places.sockets), ("Scripts", places.scripts)] {
        write!(out, "   {name} = {} of {} in use, {} waiting", it.used, it.limit, it.waiting)?;
        writeln!(out, " (longest wait so far {})", human(it.longest_wait))?;
    }
    writeln!(out, "   Shared checks = {}", shared.len())?;
    for group in shared {
        let mut members = group.members.iter();
        let of = |&(service, server, checker): &(usize, usize, usize)| {
            let service = &status.servers.get(service)?.server;
            let real = service.real_servers.get(server)?;
            Some((service.identity(), real.destination.address, &real.checkers.get(checker)?.probe))
        };
        let Some((service, address, probe)) = members.next().and_then(of) else { continue };
        write!(out, "     {}", probe.name())?;
        if let Some(connect) = probe.connect() {
            write!(out, " of {}", connect.target)?;
        }
        write!(out, ": {address} of {service}")?;
        for (service, address, _) in members.filter_map(of) {
            write!(out, ", {address} of {service}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn sync_daemons(out: &mut String, sync: &SyncStatus) -> fmt::Result {
    if let Some(trouble) = &sync.trouble {
        writeln!(out, " The sync daemons are not as wanted: {trouble}")?;
    }
    let follows = sync.instance.as_ref().map(|name| format!(", follows {name}"));
    let follows = follows.unwrap_or_default();
    if sync.wanted && sync.running.is_empty() {
        writeln!(out, " Sync daemon = none runs{follows}")?;
    }
    sync.running.iter().try_for_each(|each| writeln!(out, " Sync daemon = {each}{follows}"))
}

/// `   Name = web1.example.net:80, 2 addresses, asked for every 30.000s`.
fn name(out: &mut String, status: &NameStatus) -> fmt::Result {
    let NameStatus { name, port, addresses, interval, trouble } = status;
    write!(out, "   Name = {name}:{port}, ")?;
    match (addresses, trouble) {
        (0, _) => write!(out, "no address yet")?,
        (1, None) => write!(out, "1 address")?,
        (1, Some(_)) => write!(out, "the last address stays")?,
        (_, None) => write!(out, "{addresses} addresses")?,
        (_, Some(_)) => write!(out, "the last {addresses} addresses stay")?,
    }
    write!(out, ", asked for every {}", human(*interval))?;
    match trouble {
        Some(trouble) => writeln!(out, ", cannot be resolved: {trouble}"),
        None => writeln!(out),
    }
}

fn server(out: &mut String, status: &ServerStatus) -> fmt::Result {
    let (server, pool) = (&status.server, &status.pool);
    writeln!(out, " Virtual server = {}", server.identity())?;
    writeln!(out, "   Scheduler = {}", server.service.scheduler)?;
    if let Some(persistence) = &server.service.persistence {
        writeln!(out, "   Persistence timeout = {}s", persistence.timeout_s)?;
    }
    let quorum = if pool.quorum_held { "up" } else { "down" };
    writeln!(
        out,
        "   Quorum = {quorum}, weight {} (gained at {}, lost below {})",
        pool.sum, pool.gain, pool.loss
    )?;
    if pool.suspended {
        writeln!(out, "   Checks = suspended, its address is not on this host")?;
    }
    status.names.iter().try_for_each(|each| name(out, each))?;
    for (real, state) in server.real_servers.iter().zip(&pool.servers) {
        let address = real.destination.address;
        let up = match (state.alive, state.refused) {
            (true, false) => "up",
            (true, true) => "up, but refused by the kernel",
            (false, _) => "down",
        };
        let name = real.host().map(|host| format!(" ({})", host.name)).unwrap_or_default();
        write!(
            out,
            "   Real server = {address}{name} {}, {up}, weight {}",
            real.destination.forward, state.weight
        )?;
        if let Some(now) = state.in_table.filter(|now| state.alive && *now != state.weight) {
            write!(out, " ({now} for now: it starts slowly)")?;
        }
        let failed = state.checkers.iter().filter(|checker| !checker.up);
        for reason in failed.filter_map(|checker| checker.last_failure.as_ref()) {
            write!(out, ", {reason}")?;
        }
        for (name, reason) in hindered(real, state) {
            write!(out, ", {name} cannot be tried: {reason}")?;
        }
        writeln!(out)?;
    }
    for (address, left) in &status.draining {
        writeln!(out, "   Draining = {address}, for {:.1}s more", left.as_secs_f64())?;
    }
    if let Some(sorry) = &server.sorry_server {
        let serves = if pool.sorry_serves { "serving" } else { "idle" };
        writeln!(out, "   Sorry server = {}, {serves}", sorry.destination.address)?;
    }
    Ok(())
}
