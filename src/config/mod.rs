//! `keepalived.conf` to [`plan::Plan`]: text, keywords, positions, defaults.
//!
//! ```text
//! files ─► preprocess (include, @, $) ─► lexer ─► tree ─► lower, by the keyword table ─► Plan
//!                                                            └──► Diagnostics ─► render
//! ```
//!
//! The pipeline handles one top-level statement at a time, so its memory is that of the text and
//! of the plan. It needs no rights, no network and no interfaces: whatever those decide is decided
//! when the plan is put into effect.

mod advice;
pub mod convert;
pub mod diagnostic;
pub mod explain;
pub mod format;
mod key_file;
pub mod keywords;
mod lexer;
pub mod lint;
mod lower;
pub mod plan;
mod preprocess;
pub mod reference;
pub mod render;
mod secrets;
pub mod source;
mod tree;
mod unchanged;
mod value;

use std::path::Path;
use std::sync::Arc;

use diagnostic::{Diagnostic, Diagnostics, Effect, Severity};
use lower::Lowering;
use plan::Plan;
use preprocess::Reader;
use unchanged::{Begin, Running};

pub(crate) use lexer::comment_start;
pub use preprocess::{Checks as IncludeChecks, LARGEST_FILE, read_file};

/// What a configuration came to.
#[derive(Debug)]
pub struct Loaded {
    /// What can be run of it. At `Verdict::Unusable` it is for looking at only.
    pub plan: Plan,
    /// Everything found, in the order of the text.
    pub diagnostics: Diagnostics,
    pub verdict: Verdict,
}

/// What a director does with the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to say.
    Clean,
    /// It starts, with complaints.
    Complaints,
    /// It must not start.
    Unusable,
    /// There is no such file, or it cannot be read.
    Unreadable,
}

/// What a configuration depends on besides its text.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What `@ID` lines are compared with: `-i`, else the host's name up to the first dot
    /// ([`crate::kernel::node_name`]). Empty: no line is for this host.
    pub config_id: String,
    /// What `${_RANDOM}` starts from. Kept over reloads, so that the same file means the same.
    pub random_seed: u64,
    /// What `include` asks of files from the start: `--all-config`.
    pub include_checks: IncludeChecks,
}

impl Loaded {
    /// Exit status of a daemon that was to start with it; `None`: it starts
    /// (keepalived-compatible: 2 unusable, 6 unreadable).
    pub fn refusal_status(&self) -> Option<i32> {
        match self.verdict {
            Verdict::Clean | Verdict::Complaints => None,
            Verdict::Unusable => Some(2),
            Verdict::Unreadable => Some(6),
        }
    }

    /// Exit status of a test of the configuration, as keepalived's `-t` gives it: 0 no complaint,
    /// 5 complaints, 6 script security, 2 a keyword lacks its parameter.
    pub fn test_status(&self) -> i32 {
        match self.diagnostics.effect() {
            Effect::LacksParameter => 2,
            Effect::ScriptSecurity | Effect::Unreadable => 6,
            Effect::Starts | Effect::Refuses => {
                if self.diagnostics.worst() >= Some(Severity::Warning) { 5 } else { 0 }
            }
        }
    }

    /// The plan alone. The text, 100 octets for each real server, is let go with the findings.
    pub fn into_plan(self) -> Plan {
        self.plan
    }

    /// Whether a running director may change over to it: not if anything it asks for cannot be had.
    pub fn can_replace_running(&self) -> bool {
        !self.diagnostics.has_errors()
    }
}

/// Loads the configuration in the file at `path`.
pub fn load(path: &Path, options: &Options) -> Loaded {
    let name = path.to_string_lossy();
    match read_file(path) {
        Ok(octets) => run(&name, octets, Some(path), options, None, None),
        Err(error) => unreadable(&name, &error),
    }
}

/// Loads it for a director that runs `running`, an empty plan at its start: virtual servers that are in every
/// detail as there are the very ones of that plan, and cost little.
pub fn reload(path: &Path, options: &Options, running: Arc<Plan>) -> Loaded {
    let name = path.to_string_lossy();
    match read_file(path) {
        Ok(octets) => run(&name, octets, Some(path), options, Some(Running::of(running)), None),
        Err(error) => unreadable(&name, &error),
    }
}

/// As [`parse_with`], for a director that runs `running`; see [`reload`].
pub fn parse_again(
    name: &str,
    text: impl Into<Vec<u8>>,
    options: &Options,
    running: Arc<Plan>,
) -> Loaded {
    run(name, text.into(), None, options, Some(Running::of(running)), None)
}

/// What a configuration comes to, with lints, and what they remember of it.
#[derive(Debug)]
pub struct Linted {
    pub loaded: Loaded,
    pub facts: lint::Facts,
}

/// As [`load`], with all lints but those called in `allowed`.
pub fn load_linted(path: &Path, options: &Options, allowed: &[String]) -> Linted {
    let name = path.to_string_lossy();
    match read_file(path) {
        Ok(octets) => run_linted(&name, octets, Some(path), options, allowed),
        Err(error) => Linted { loaded: unreadable(&name, &error), facts: lint::Facts::default() },
    }
}

/// As [`parse_with`], with all lints but those called in `allowed`.
pub fn parse_linted(
    name: &str,
    text: impl Into<Vec<u8>>,
    options: &Options,
    allowed: &[String],
) -> Linted {
    run_linted(name, text.into(), None, options, allowed)
}

fn run_linted(
    name: &str,
    octets: Vec<u8>,
    path: Option<&Path>,
    options: &Options,
    allowed: &[String],
) -> Linted {
    let mut facts = lint::Facts::default();
    let linter = (lint::Linter::new(), &mut facts);
    let loaded = run(name, octets, path, options, None, Some((linter, allowed)));
    Linted { loaded, facts }
}

/// Loads `text`, which messages call `name`. Relative includes start in the working directory.
pub fn parse_text(name: &str, text: impl Into<Vec<u8>>) -> Loaded {
    parse_with(name, text, &Options::default())
}

/// As [`parse_text`], for the given `options`.
pub fn parse_with(name: &str, text: impl Into<Vec<u8>>, options: &Options) -> Loaded {
    run(name, text.into(), None, options, None, None)
}

/// What a configuration comes to that cannot be read because of `error`.
pub fn unreadable(name: &str, error: &std::io::Error) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let finding = Diagnostic::nowhere("unreadable", format!("{name}: {error}"));
    diagnostics.push(finding.effect(Effect::Unreadable));
    conclude(Plan::default(), diagnostics)
}

fn run(
    name: &str,
    octets: Vec<u8>,
    path: Option<&Path>,
    options: &Options,
    running: Option<Running>,
    linter: Option<((lint::Linter, &mut lint::Facts), &[String])>,
) -> Loaded {
    if octets.len() as u64 > LARGEST_FILE {
        return unreadable(name, &preprocess::too_large());
    }
    let mut diagnostics = Diagnostics::default();
    let (linter, facts) = match linter {
        Some(((linter, facts), allowed)) => {
            diagnostics.mute(allowed);
            (Some(linter), Some(facts))
        }
        None => (None, None),
    };
    let mut reading = Reading {
        reader: Reader::new(options),
        builder: tree::Builder::default(),
        lowering: Lowering::beside(running),
        linter,
        begin: None,
    };
    reading.reader.start(name, octets, path, &mut diagnostics);
    while reading.go_on(&mut diagnostics) {}
    let Reading { reader, lowering, linter, .. } = reading;
    let plan = lowering.finish(&reader.sources, &mut diagnostics);
    if let Some((linter, facts)) = linter.zip(facts) {
        *facts = linter.finish(&mut diagnostics);
    }
    diagnostics.sort(Arc::new(reader.sources));
    conclude(plan, diagnostics)
}

/// One pass through a text, and what has come of it so far.
struct Reading<'r> {
    reader: Reader<'r>,
    builder: tree::Builder,
    lowering: Lowering,
    linter: Option<lint::Linter>,
    /// Where the block at hand began, if it may be known again some day.
    begin: Option<Begin>,
}

impl Reading<'_> {
    /// Takes the next line, or a virtual server that needs no reading; `false` at the end.
    fn go_on(&mut self, diagnostics: &mut Diagnostics) -> bool {
        let known_again = self.lowering.knows_again();
        if known_again && self.builder.is_between() {
            if unchanged::is_next(&self.reader) {
                self.step(diagnostics, tree::Builder::hand_out_closed);
                if self.lowering.go_on(&mut self.reader) {
                    return true;
                }
            }
            self.begin = Begin::here(&self.reader, &self.builder, diagnostics);
        }
        let Some(line) = self.reader.next_line(diagnostics) else {
            self.step(diagnostics, tree::Builder::finish);
            return false;
        };
        self.step(diagnostics, |builder, sources, d, take| builder.line(line, sources, d, take));
        if known_again && self.builder.is_between() {
            let begin = self.begin.take();
            self.lowering
                .announce(begin.and_then(|begin| begin.block(&self.reader, &self.builder)));
        }
        true
    }

    /// Lets the builder do something, and takes the statements that it completes.
    fn step(
        &mut self,
        diagnostics: &mut Diagnostics,
        work: impl FnOnce(&mut tree::Builder, &source::SourceMap, &mut Diagnostics, &mut tree::Take),
    ) {
        let (lowering, linter) = (&mut self.lowering, &mut self.linter);
        let mut take = |tree: &tree::Tree, sources: &source::SourceMap, d: &mut Diagnostics| {
            lowering.statement(tree, sources, d);
            if let Some(linter) = linter {
                linter.statement(tree, sources, d);
            }
        };
        work(&mut self.builder, &self.reader.sources, diagnostics, &mut take);
    }
}

fn conclude(plan: Plan, diagnostics: Diagnostics) -> Loaded {
    let verdict = match (diagnostics.effect(), diagnostics.worst()) {
        (Effect::Unreadable, _) => Verdict::Unreadable,
        (Effect::Refuses | Effect::LacksParameter, _) => Verdict::Unusable,
        (_, Some(Severity::Warning | Severity::Error)) => Verdict::Complaints,
        (_, None | Some(Severity::Note)) => Verdict::Clean,
    };
    Loaded { plan, diagnostics, verdict }
}

#[cfg(test)]
mod tests;
