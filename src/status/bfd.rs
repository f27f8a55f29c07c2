//! What is shown of BFD sessions, in keepalived's words.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::human;
use crate::bfd::{Counters, Discard, SessionStatus};
use crate::config::plan::BfdInstance;

/// All sessions, and the packets that were none's.
#[derive(Debug, Default)]
pub struct BfdStatus {
    pub sessions: Vec<BfdSession>,
    /// Packets that went no further, by reason.
    pub discards: BTreeMap<Discard, u64>,
}

/// One bfd_instance as it stands.
#[derive(Debug)]
pub struct BfdSession {
    pub plan: Arc<BfdInstance>,
    pub session: SessionStatus,
    pub counters: Counters,
    /// How late a deadline was served at worst.
    pub lateness: Duration,
}

impl BfdStatus {
    /// For the dump.
    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        if self.sessions.is_empty() && self.discards.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n------< BFD Topology >------")?;
        self.sessions.iter().try_for_each(|each| each.write(out))?;
        for (reason, number) in &self.discards {
            writeln!(out, " Discarded {number}: {reason}")?;
        }
        Ok(())
    }

    /// One object for each session.
    pub fn to_json(&self) -> Value {
        let discards: serde_json::Map<String, Value> = self
            .discards
            .iter()
            .map(|(why, count)| (why.name().to_owned(), json!(count)))
            .collect();
        let sessions: Vec<Value> = self.sessions.iter().map(BfdSession::to_json).collect();
        json!({ "sessions": sessions, "discards": discards })
    }
}

impl BfdSession {
    fn write(&self, out: &mut String) -> fmt::Result {
        let (plan, settings, now) = (&self.plan, &self.plan.settings, &self.session);
        let yes = |is| if is { "Yes" } else { "No" };
        let micros = |interval: Duration| format!("{} us", interval.as_micros());
        let source = plan.endpoint.source.map_or("kernel's choice".to_owned(), |ip| ip.to_string());
        let heard = now.heard.map_or("never".to_owned(), |ago| format!("{} ago", human(ago)));
        writeln!(out, " BFD Instance = {}", plan.name)?;
        for (name, value) in [
            ("Neighbor IP", plan.endpoint.neighbor.to_string()),
            ("Source IP", source),
            ("Multihop", yes(plan.endpoint.multihop).to_owned()),
            ("Required min RX interval", micros(settings.min_rx)),
            ("Desired min TX interval", micros(settings.min_tx)),
            ("Desired idle TX interval", micros(settings.idle_tx)),
            ("Detection multiplier", settings.multiplier.to_string()),
            ("TTL", plan.ttl.to_string()),
            ("Least TTL received", settings.least_ttl.to_string()),
            ("passive", settings.passive.to_string()),
            ("send event to VRRP process", yes(plan.for_vrrp).to_owned()),
            ("send event to checker process", yes(plan.for_checkers).to_owned()),
            ("local state", now.state.to_string()),
            ("remote state", now.remote_state.to_string()),
            ("local discriminator", format!("0x{:08x}", now.discriminator)),
            ("remote discriminator", format!("0x{:08x}", now.remote_discriminator)),
            ("local diag", now.diagnostic.to_string()),
            ("remote diag", now.remote_diagnostic.to_string()),
            ("remote min tx intv", micros(now.remote_min_tx)),
            ("remote min rx intv", micros(now.remote_min_rx)),
            ("remote detect multiplier", now.remote_multiplier.to_string()),
            ("poll", now.awaits_final.to_string()),
            ("local tx intv", micros(now.transmit_interval)),
            ("local detection time", micros(now.detection_time)),
            ("last seen", heard),
            ("Worst lateness", human(self.lateness)),
            ("Packets sent", self.counters.sent.to_string()),
            ("Packets received", self.counters.received.to_string()),
            ("Send errors", self.counters.send_errors.to_string()),
            ("Times up", self.counters.ups.to_string()),
            ("Times down", self.counters.downs.to_string()),
        ] {
            writeln!(out, "   {name:<28} = {value}")?;
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let (plan, settings, now) = (&self.plan, &self.plan.settings, &self.session);
        json!({
            "name": &*plan.name,
            "neighbor": plan.endpoint.neighbor,
            "source": plan.endpoint.source,
            "multihop": plan.endpoint.multihop,
            "passive": settings.passive,
            "state": now.state.to_string(),
            "diagnostic": now.diagnostic.to_string(),
            "remote_state": now.remote_state.to_string(),
            "remote_diagnostic": now.remote_diagnostic.to_string(),
            "discriminator": now.discriminator,
            "remote_discriminator": now.remote_discriminator,
            "transmit_interval_us": micros(now.transmit_interval),
            "detection_time_us": micros(now.detection_time),
            "multiplier": settings.multiplier,
            "remote_multiplier": now.remote_multiplier,
            "heard_us_ago": now.heard.map(micros),
            "worst_lateness_us": micros(self.lateness),
            "sent": self.counters.sent,
            "received": self.counters.received,
            "send_errors": self.counters.send_errors,
            "ups": self.counters.ups,
            "downs": self.counters.downs,
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
