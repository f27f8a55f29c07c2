//! Counts the processes that are tracked (`vrrp_track_process`).
//!
//! One task for all of them: it owns the kernel's process events, and looks at all of /proc once at
//! its start and when events were lost. Where there are no events it says why and looks at /proc
//! every second.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::process_table::{Table, scan};
use super::{Last, Readings};
use crate::config::plan::TrackProcess;
use crate::driver::clock;
use crate::driver::vrrp_thread::Command;
use crate::kernel::{ProcessEvent, ProcessEvents};
use crate::vrrp::{ProcessQuorum, Reading, Tracked};

/// How often all processes are looked at where the kernel tells nothing of them.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One tracked process: its rule, and where its readings go.
struct Watched {
    definition: TrackProcess,
    quorum: ProcessQuorum,
    readings: Readings,
}

/// Counts `definitions` for ever.
pub(super) async fn track(definitions: Vec<TrackProcess>, vrrp: mpsc::Sender<Command>) {
    let mut watched: Vec<Watched> =
        definitions.iter().map(|each| Watched::new(each.clone(), &vrrp)).collect();
    let mut table = Table::new(definitions);
    match ProcessEvents::open() {
        Ok(events) => table = listen(events, table, &mut watched).await,
        Err(error) => tracing::warn!(
            "track_process: the kernel tells nothing of processes: {error}; \
             looking at all of them every second"
        ),
    }
    loop {
        rescan(&mut table).await;
        tell(&table, &mut watched).await;
        sleep(LOOK_AGAIN).await;
    }
}

/// Follows the kernel's events until there are none to be had any more.
async fn listen(mut events: ProcessEvents, mut table: Table, watched: &mut [Watched]) -> Table {
    // Listening began before this: what happens meanwhile is seen twice, not missed.
    rescan(&mut table).await;
    loop {
        tell(&table, watched).await;
        tokio::select! {
            ready = events.ready() => if ready.is_err() { return table },
            () = next_due(watched) => continue,
        }
        let mut heard = Vec::new();
        if let Err(error) = events.drain(&mut heard) {
            tracing::error!("track_process: no more process events: {error}");
            return table;
        }
        if heard.contains(&ProcessEvent::Overrun) {
            tracing::warn!("track_process: events were lost: looking at all processes again");
            heard.clear();
            rescan(&mut table).await;
        }
        table = take_in(table, heard).await;
    }
}

/// Files of /proc may wait for their process, so they are read where waiting holds up nobody.
async fn take_in(mut table: Table, heard: Vec<ProcessEvent>) -> Table {
    let none_to_look_at = !heard.iter().any(|event| matches!(event, ProcessEvent::Changed(_)));
    let matcher = table.matcher();
    let take_all = move || {
        heard.into_iter().for_each(|event| table.take(event));
        table
    };
    if none_to_look_at {
        return take_all();
    }
    // Should that panic, the table begins empty, and the next overrun or reload fills it.
    let lost = |_| Table::new(matcher.definitions().to_vec());
    tokio::task::spawn_blocking(take_all).await.unwrap_or_else(lost)
}

async fn rescan(table: &mut Table) {
    let found = scan(table.matcher());
    table.replace(tokio::task::spawn_blocking(found).await.unwrap_or_else(|_| HashMap::new()));
}

/// Says what has changed.
async fn tell(table: &Table, watched: &mut [Watched]) {
    for (place, each) in watched.iter_mut().enumerate() {
        let now = clock::now();
        let due = each.quorum.due(now);
        if let Some(good) = each.quorum.count(now, table.count(place)).or(due) {
            each.say(good).await;
        }
    }
}

async fn next_due(watched: &[Watched]) {
    match watched.iter().filter_map(|each| each.quorum.next_deadline()).min() {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl Watched {
    fn new(definition: TrackProcess, vrrp: &mpsc::Sender<Command>) -> Self {
        let TrackProcess { least, most, up_delay, down_delay, .. } = definition;
        // A process number is an i32: there are not more than that.
        let most = most.map(|most| most as usize);
        let quorum = ProcessQuorum::new(least as usize, most, up_delay, down_delay);
        let readings =
            Readings::new(Tracked::Process(definition.name.clone()), vrrp.clone(), Last::default());
        Self { definition, quorum, readings }
    }

    async fn say(&mut self, good: bool) {
        let TrackProcess { name, command, least, most, .. } = &self.definition;
        if self.readings.tell(if good { Reading::Good } else { Reading::Bad }).await {
            let running = self.quorum.running();
            let most = most.map_or(String::new(), |most| format!(" and at most {most}"));
            let verdict = if good { "is well" } else { "is not well" };
            tracing::info!(
                "track_process {name} {verdict}: {running} of {command} run, \
                 at least {least}{most} should"
            );
        }
    }
}
