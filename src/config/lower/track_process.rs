//! `vrrp_track_process`: processes of a name, counted.

use std::sync::Arc;
use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::plan::{ProcessMatch, TrackProcess};
use super::super::tree::Statement;
use super::context::Context;
use super::global::replace;
use super::tracking::{Kind, weight_line};

/// One block as read.
#[derive(Debug, Default)]
pub(super) struct ProcessDraft {
    words: Vec<String>,
    full_command: bool,
    matching: Option<ProcessMatch>,
    least: Option<u32>,
    most: Option<u32>,
    up_delay: Option<Duration>,
    down_delay: Option<Duration>,
    pub weight: Option<i16>,
    pub reverse: bool,
}

impl ProcessDraft {
    pub fn read(cx: &mut Context<'_>, block: &Statement) -> Self {
        let mut draft = Self::default();
        let tree = cx.tree;
        let Some(id) = cx.table.block("vrrp_track_process") else { return draft };
        for at in tree.children(block) {
            let Some(keyword) = cx.keyword(id, at) else { continue };
            match keyword.name {
                "process" => draft.process(cx, at),
                "param_match" => draft.param_match(cx, at),
                "full_command" => draft.full_command = true,
                "weight" => {
                    let (weight, reverse) = weight_line(cx, at, Kind::Process);
                    replace(&mut draft.weight, weight);
                    draft.reverse = reverse;
                }
                "quorum" => replace(&mut draft.least, cx.number(at, keyword)),
                "quorum_max" => replace(&mut draft.most, cx.number(at, keyword)),
                "fork_delay" => replace(&mut draft.up_delay, cx.duration(at, keyword)),
                "terminate_delay" => replace(&mut draft.down_delay, cx.duration(at, keyword)),
                "delay" => {
                    let delay = cx.duration(at, keyword);
                    replace(&mut draft.up_delay, delay);
                    replace(&mut draft.down_delay, delay);
                }
                other => debug_assert!(false, "no arm for {other}"),
            }
        }
        draft
    }

    fn process(&mut self, cx: &mut Context<'_>, at: &Statement) {
        if cx.argument(at).is_none() {
            return;
        }
        if self.words.is_empty() {
            let words = cx.words(at).iter().skip(1);
            self.words = words.map(|word| cx.text(word.span).to_owned()).collect();
        } else {
            cx.warn("duplicate", at, at.raw, "`process` is there already; the first one counts");
        }
    }

    fn param_match(&mut self, cx: &mut Context<'_>, at: &Statement) {
        cx.no_more_than(at, 1);
        self.matching = Some(match cx.text_at(at, 1) {
            None | Some("exact") => ProcessMatch::Exact,
            Some("partial") => ProcessMatch::Partial,
            Some("initial") => ProcessMatch::Initial,
            Some(other) => {
                let message = format!("`{other}` is neither initial nor partial");
                return cx.bad("bad-value", at, at.raw, message);
            }
        });
    }

    /// `None` when there is nothing to count, which is reported here.
    pub fn finish(
        &self,
        name: &str,
        block: &Statement,
        cx: &mut Context<'_>,
    ) -> Option<TrackProcess> {
        let Some((command, parameters)) = self.words.split_first() else {
            let message = format!("vrrp_track_process {name} has no process");
            let finding = Diagnostic::error("incomplete-track-process", block.raw, message);
            cx.push(finding.label("it is left out").help("process haproxy"));
            return None;
        };
        let least = self.least.unwrap_or(1);
        if let Some(most) = self.most.filter(|most| *most != 0 && *most < least) {
            let message = format!("quorum_max {most} is below quorum {least}");
            let finding = Diagnostic::error("bad-quorum", block.raw, message);
            cx.push(finding.label("quorum_max is ignored"));
        }
        // With 0 it is well as long as none runs.
        let most = self.most.filter(|most| *most == 0 || *most >= least);
        let by_line = self.full_command || !parameters.is_empty();
        let matching = self.matching.unwrap_or(match by_line {
            true => ProcessMatch::Exact,
            false => ProcessMatch::Name,
        });
        if matching == ProcessMatch::Name && command.len() > 15 {
            let message =
                format!("the kernel keeps 15 characters of a process's name, not {command}");
            let finding = Diagnostic::warning("name-too-long", block.raw, message);
            cx.push(finding.label("the first 15 are compared").help("full_command"));
        }
        Some(TrackProcess {
            name: Arc::from(name),
            command: command.clone(),
            parameters: parameters.to_vec(),
            matching,
            least: if most == Some(0) { 0 } else { least },
            most,
            up_delay: self.up_delay.unwrap_or_default(),
            down_delay: self.down_delay.unwrap_or_default(),
        })
    }
}
