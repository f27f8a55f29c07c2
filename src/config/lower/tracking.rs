//! `vrrp_script`, `track_file`, and the blocks in which instances and groups track them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::super::diagnostic::Diagnostic;
use super::super::plan::{
    BfdInstance, InitFile, Script, ScriptUser, TrackFile, TrackProcess, TrackScript, Tracker,
};
use super::super::source::Span;
use super::super::tree::{Statement, Word};
use super::bfd;
use super::context::Context;
use super::global::replace;
use super::track_process::ProcessDraft;
use super::{script, track_file};
use crate::vrrp::Tracked;

/// Largest weight; keepalived takes 254 and reduces it.
const MOST_WEIGHT: i16 = 253;

/// keepalived.conf(5), vrrp_script: `interval`.
const INTERVAL: Duration = Duration::from_secs(1);

/// What kind of thing a `track_*` block tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Interface,
    Script,
    File,
    Process,
    Bfd,
}

/// One line of a `track_*` block, its definition not yet looked up.
#[derive(Debug, Clone)]
pub(super) struct TrackDraft {
    kind: Kind,
    name: String,
    weight: Option<i16>,
    reverse: Option<bool>,
    at: Span,
}

/// The lines of an instance or group, each thing once, in the order of the file.
pub(super) type TrackDrafts = IndexMap<(Kind, String), TrackDraft>;

/// Everything that can be tracked, by name, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    scripts: IndexMap<Arc<str>, Definition<TrackScript>>,
    files: IndexMap<Arc<str>, Definition<TrackFile>>,
    processes: IndexMap<Arc<str>, Definition<TrackProcess>>,
    sessions: bfd::AllDefined,
}

/// A definition, with what its trackers have where they say nothing.
#[derive(Debug)]
struct Definition<T> {
    what: T,
    weight: i16,
    reverse: bool,
}

/// `NAME [weight W [reverse|noreverse]]`, one a line.
pub(super) fn read_block(
    cx: &mut Context<'_>,
    block: &Statement,
    kind: Kind,
    out: &mut TrackDrafts,
) {
    let tree = cx.tree;
    for at in tree.children(block) {
        let Some(draft) = read_line(cx, at, kind) else { continue };
        match out.entry((kind, draft.name.clone())) {
            Entry::Vacant(place) => drop(place.insert(draft)),
            Entry::Occupied(_) => {
                cx.warn("duplicate", at, at.raw, format!("{} is tracked already", draft.name));
            }
        }
    }
}

fn read_line(cx: &mut Context<'_>, at: &Statement, kind: Kind) -> Option<TrackDraft> {
    let words = cx.words(at);
    let name = cx.text(words.first()?.span).to_owned();
    let mut draft = TrackDraft { kind, name, weight: None, reverse: None, at: at.raw };
    let mut rest = words[1..].iter();
    while let Some(option) = rest.next() {
        match cx.text(option.span) {
            "weight" => match rest.next() {
                Some(value) => draft.weight = weight(cx, at, *value, kind),
                None => cx.bad("missing-value", at, option.span, "`weight` lacks its value"),
            },
            "reverse" => draft.reverse = Some(true),
            "noreverse" => draft.reverse = Some(false),
            other => {
                cx.warn("unknown-keyword", at, option.span, format!("unknown option `{other}`"));
            }
        }
    }
    Some(draft)
}

fn weight(cx: &mut Context<'_>, at: &Statement, word: Word, kind: Kind) -> Option<i16> {
    let text = cx.text(word.span);
    let most = match kind {
        Kind::File | Kind::Process => MOST_WEIGHT + 1,
        Kind::Interface | Kind::Script | Kind::Bfd => MOST_WEIGHT,
    };
    let parsed = text.parse::<i16>().ok().filter(|weight| (-254..=254).contains(weight));
    let Some(weight) = parsed else {
        let message = format!("weight `{text}` is not a number from -{most} to {most}");
        cx.bad("number-out-of-range", at, word.span, message);
        return None;
    };
    if weight.abs() > most {
        cx.warn("rounded", at, word.span, format!("weight {text} is taken as {most}, signed"));
    }
    Some(weight.clamp(-most, most))
}

impl Definitions {
    /// `vrrp_script NAME { … }`.
    pub fn read_script(&mut self, cx: &mut Context<'_>, block: &Statement) {
        let Some(name) = cx.string(block) else { return };
        if self.scripts.contains_key(name.as_str()) {
            let message = format!("vrrp_script {name} is there already; the first one counts");
            return cx.warn("duplicate", block, block.raw, message);
        }
        let draft = ScriptDraft::read(cx, block);
        let Some(mut script) = draft.script else {
            let finding = Diagnostic::error(
                "missing-script",
                block.raw,
                format!("vrrp_script {name} has no script"),
            );
            return cx.push(finding.label("it is left out").help("script \"/path/to/program\""));
        };
        script.user = draft.user;
        let interval = draft.interval.unwrap_or(INTERVAL);
        let what = TrackScript {
            name: Arc::from(name),
            script,
            interval,
            timeout: draft.timeout.unwrap_or(interval),
            rise: draft.rise.unwrap_or(1),
            fall: draft.fall.unwrap_or(1),
            init_fail: draft.init_fail,
        };
        let weight = draft.weight.unwrap_or(0);
        let definition = Definition { what, weight, reverse: draft.reverse };
        self.scripts.insert(definition.what.name.clone(), definition);
    }

    /// `track_file NAME { … }`, and under its older name; gives what a FILE_CHECK needs of it.
    pub fn read_file(
        &mut self,
        cx: &mut Context<'_>,
        block: &Statement,
        path: &str,
    ) -> Option<(String, track_file::TrackFile)> {
        let name = cx.string(block)?;
        if self.files.contains_key(name.as_str()) {
            let message = format!("track_file {name} is there already; the first one counts");
            cx.warn("duplicate", block, block.raw, message);
            return None;
        }
        let draft = FileDraft::read(cx, block, path);
        let Some(path) = draft.file else {
            let message = format!("track_file {name} has no file");
            let finding = Diagnostic::error("incomplete-track-file", block.raw, message);
            cx.push(finding.label("it is left out").help("file /path/to/file"));
            return None;
        };
        let (weight, reverse) = (draft.weight.unwrap_or(1), draft.reverse);
        let checked = track_file::TrackFile { path: path.clone(), weight: weight.into(), reverse };
        let what = TrackFile { name: Arc::from(name.as_str()), path, init: draft.init };
        self.files.insert(what.name.clone(), Definition { what, weight, reverse });
        Some((name, checked))
    }

    /// `vrrp_track_process NAME { … }`.
    pub fn read_process(&mut self, cx: &mut Context<'_>, block: &Statement) {
        let Some(name) = cx.string(block) else { return };
        if self.processes.contains_key(name.as_str()) {
            let message =
                format!("vrrp_track_process {name} is there already; the first one counts");
            return cx.warn("duplicate", block, block.raw, message);
        }
        let draft = ProcessDraft::read(cx, block);
        let Some(what) = draft.finish(&name, block, cx) else { return };
        let (weight, reverse) = (draft.weight.unwrap_or(0), draft.reverse);
        self.processes.insert(what.name.clone(), Definition { what, weight, reverse });
    }

    /// `bfd_instance NAME { … }`; gives its name, and whether checkers hear of it.
    pub fn read_bfd(&mut self, cx: &mut Context<'_>, block: &Statement) -> Option<(String, bool)> {
        let defined = bfd::read(cx, block, &self.sessions)?;
        let known = (defined.session.name.to_string(), defined.session.for_checkers);
        self.sessions.insert(defined);
        Some(known)
    }

    /// What the lines of an instance on `interface` come to; those of unknown names are reported
    /// and left out.
    pub fn resolve(
        &self,
        drafts: &TrackDrafts,
        interface: &str,
        report: &mut dyn FnMut(Diagnostic),
    ) -> Vec<Tracker> {
        let mut trackers: Vec<Tracker> = Vec::with_capacity(drafts.len());
        for draft in drafts.values() {
            if draft.kind == Kind::Interface && draft.name == interface {
                report(own_interface(draft));
                continue;
            }
            match self.tracker(draft) {
                Some(tracker) => trackers.push(tracker),
                None => report(self.unknown(draft)),
            }
        }
        trackers
    }

    fn tracker(&self, draft: &TrackDraft) -> Option<Tracker> {
        let name = draft.name.as_str();
        let (what, weight, reverse) = match draft.kind {
            Kind::Interface => (Tracked::Interface(Arc::from(name)), 0, false),
            Kind::Script => {
                let known = self.scripts.get(name)?;
                (Tracked::Script(known.what.name.clone()), known.weight, known.reverse)
            }
            Kind::File => {
                let known = self.files.get(name)?;
                (Tracked::File(known.what.name.clone()), known.weight, known.reverse)
            }
            Kind::Process => {
                let known = self.processes.get(name)?;
                (Tracked::Process(known.what.name.clone()), known.weight, known.reverse)
            }
            Kind::Bfd => {
                let known = self.sessions.get(name).filter(|known| known.session.for_vrrp)?;
                (Tracked::Bfd(known.session.name.clone()), known.weight, known.reverse)
            }
        };
        let weight = draft.weight.unwrap_or(weight);
        Some(Tracker { what, weight, reverse: draft.reverse.unwrap_or(reverse) })
    }

    /// Those that somebody tracks, and all BFD sessions.
    pub fn finish<'t>(self, trackers: impl Iterator<Item = &'t Tracker>) -> AllTracked {
        let tracked: HashSet<&Tracked> = trackers.map(|tracker| &tracker.what).collect();
        let tracked = |what: &Tracked| tracked.contains(what);
        let scripts = self.scripts.into_values().map(|known| known.what);
        let scripts = scripts.filter(|each| tracked(&Tracked::Script(each.name.clone())));
        let files = self.files.into_values().map(|known| known.what);
        let files = files.filter(|each| tracked(&Tracked::File(each.name.clone())));
        let processes = self.processes.into_values().map(|known| known.what);
        let processes = processes.filter(|each| tracked(&Tracked::Process(each.name.clone())));
        AllTracked {
            scripts: scripts.collect(),
            files: files.collect(),
            processes: processes.collect(),
            sessions: self.sessions.into_values().map(|known| known.session).collect(),
        }
    }

    fn unknown(&self, draft: &TrackDraft) -> Diagnostic {
        let name = &draft.name;
        if draft.kind == Kind::Bfd && self.sessions.get(name).is_some() {
            let message = format!("bfd_instance {name} says `checker`: VRRP does not hear of it");
            return Diagnostic::error("unknown-bfd", draft.at, message)
                .label("it is not tracked")
                .help(format!("say `vrrp` in bfd_instance {name}, too"));
        }
        let (code, keyword, known) = self.candidates(draft.kind);
        let help = match likest(name, &known) {
            Some(likest) => format!("did you mean `{likest}`?"),
            None => format!("{keyword} {name} {{ … }}"),
        };
        let message = format!("there is no {keyword} {name}");
        Diagnostic::error(code, draft.at, message).label("it is not tracked").help(help)
    }

    /// For one of a name that is not there: code, what defines such, and the names there are.
    fn candidates(&self, kind: Kind) -> (&'static str, &'static str, Vec<&str>) {
        match kind {
            Kind::File => {
                let known = self.files.keys().map(|name| &**name);
                ("unknown-track-file", "track_file", known.collect())
            }
            Kind::Process => {
                let known = self.processes.keys().map(|name| &**name);
                ("unknown-track-process", "vrrp_track_process", known.collect())
            }
            Kind::Script | Kind::Interface => {
                let known = self.scripts.keys().map(|name| &**name);
                ("unknown-script", "vrrp_script", known.collect())
            }
            Kind::Bfd => {
                let known = self.sessions.values().filter(|known| known.session.for_vrrp);
                let known = known.map(|known| &*known.session.name);
                ("unknown-bfd", "bfd_instance", known.collect())
            }
        }
    }
}

/// Everything that is tracked, by kind.
#[derive(Debug)]
pub(super) struct AllTracked {
    pub scripts: Vec<TrackScript>,
    pub files: Vec<TrackFile>,
    pub processes: Vec<TrackProcess>,
    pub sessions: Vec<BfdInstance>,
}

/// The name among `known` that `name` is a misspelling of: a quarter of its letters may differ.
fn likest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |known: &&'k str| (strsim::damerau_levenshtein(name, known), *known);
    let best = known.iter().map(distance).min()?;
    (best.0 <= 1 + name.len() / 4).then_some(best.1)
}

/// keepalived complains of it, too.
fn own_interface(draft: &TrackDraft) -> Diagnostic {
    let message = format!("{} is the instance's own interface", draft.name);
    Diagnostic::note("tracks-own-interface", draft.at, message)
        .label("watched in any case: the line has no effect")
}

#[derive(Debug, Default)]
struct ScriptDraft {
    script: Option<Script>,
    user: Option<ScriptUser>,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    weight: Option<i16>,
    reverse: bool,
    rise: Option<u32>,
    fall: Option<u32>,
    init_fail: bool,
}

impl ScriptDraft {
    fn read(cx: &mut Context<'_>, block: &Statement) -> Self {
        let mut draft = Self::default();
        let tree = cx.tree;
        let Some(id) = cx.table.block("vrrp_script") else { return draft };
        for at in tree.children(block) {
            let Some(keyword) = cx.keyword(id, at) else { continue };
            match keyword.name {
                "script" => {
                    let argv = script::read_command(cx, at);
                    replace(&mut draft.script, argv.map(|argv| Script { argv, user: None }));
                }
                "user" => replace(&mut draft.user, script::read_user(cx, at)),
                "interval" => replace(&mut draft.interval, cx.duration(at, keyword)),
                "timeout" => replace(&mut draft.timeout, cx.duration(at, keyword)),
                "rise" => replace(&mut draft.rise, cx.number(at, keyword)),
                "fall" => replace(&mut draft.fall, cx.number(at, keyword)),
                "init_fail" => draft.init_fail = true,
                "weight" => {
                    let (weight, reverse) = weight_line(cx, at, Kind::Script);
                    replace(&mut draft.weight, weight);
                    draft.reverse = reverse;
                }
                other => debug_assert!(false, "no arm for {other}"),
            }
        }
        draft
    }
}

#[derive(Debug, Default)]
struct FileDraft {
    file: Option<PathBuf>,
    weight: Option<i16>,
    reverse: bool,
    init: Option<InitFile>,
}

impl FileDraft {
    fn read(cx: &mut Context<'_>, block: &Statement, path: &str) -> Self {
        let mut draft = Self::default();
        let tree = cx.tree;
        let Some(id) = cx.table.block(path) else { return draft };
        for at in tree.children(block) {
            let Some(keyword) = cx.keyword(id, at) else { continue };
            match keyword.name {
                "file" => replace(&mut draft.file, cx.string(at).map(PathBuf::from)),
                "init_file" => draft.init = Some(init_file(cx, at)),
                "weight" => {
                    let (weight, reverse) = weight_line(cx, at, Kind::File);
                    replace(&mut draft.weight, weight);
                    draft.reverse = reverse;
                }
                other => debug_assert!(false, "no arm for {other}"),
            }
        }
        draft
    }
}

/// `weight W [reverse]`.
pub(super) fn weight_line(cx: &mut Context<'_>, at: &Statement, kind: Kind) -> (Option<i16>, bool) {
    let Some(word) = cx.argument(at) else { return (None, false) };
    cx.no_more_than(at, 2);
    let weight = weight(cx, at, word, kind);
    let reverse = match cx.text_at(at, 2) {
        Some("reverse") => true,
        Some(other) => {
            cx.bad("bad-value", at, at.raw, format!("`{other}` is not reverse"));
            false
        }
        None => false,
    };
    (weight, reverse)
}

/// `init_file [VALUE] [overwrite]`.
fn init_file(cx: &mut Context<'_>, at: &Statement) -> InitFile {
    let mut init = InitFile::default();
    for word in cx.words(at).iter().skip(1) {
        match cx.text(word.span) {
            "overwrite" => init.overwrite = true,
            number => match number.parse() {
                Ok(value) => init.value = value,
                Err(_) => {
                    let message = format!("`{number}` is neither a number nor overwrite");
                    cx.bad("bad-value", at, word.span, message);
                }
            },
        }
    }
    init
}
