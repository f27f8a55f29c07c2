//! What a configuration says, with where it says it: what lints of one file and of a pair look at.
//!
//! Read from the blocks themselves rather than from the plan, so that what cannot run yet, or has
//! no place in the plan, is linted all the same.

use std::collections::BTreeMap;

use super::super::secrets;
use super::super::source::{SourceMap, Span};
use super::super::tree::{Statement, Tree};

/// A value and the statement that gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    pub at: Span,
}

/// One `vrrp_instance`.
#[derive(Debug, Clone)]
pub struct Instance {
    pub name: String,
    /// `vrrp_instance NAME`.
    pub at: Span,
    /// The single values, by keyword; the last one counts.
    pub values: BTreeMap<&'static str, Said>,
    pub nopreempt: Option<Span>,
    /// `None`: no block; empty: a block with nothing in it.
    pub unicast_peers: Option<(Span, Vec<Said>)>,
    pub hmac: Option<Hmac>,
    /// First words of the lines of `virtual_ipaddress`.
    pub addresses: Vec<Said>,
    /// Lines of `track_script`, `track_process`, `track_file` and `track_interface`.
    pub trackers: Vec<Tracker>,
}

/// `auth_hmac` of an instance.
#[derive(Debug, Clone)]
pub struct Hmac {
    pub at: Span,
    /// `active_key`, `mode`.
    pub values: BTreeMap<&'static str, Said>,
    /// `key ID VALUE`, by ID; of two the first counts.
    pub keys: BTreeMap<String, Said>,
}

/// One line that lets something count for an instance.
#[derive(Debug, Clone)]
pub struct Tracker {
    pub name: String,
    pub at: Span,
    /// `weight N` of the line.
    pub weight: Option<i64>,
}

/// One `virtual_server`.
#[derive(Debug, Clone)]
pub struct Server {
    /// `ADDRESS PORT`, `fwmark N`, `group NAME`, single blanks between.
    pub name: String,
    pub at: Span,
    pub values: BTreeMap<&'static str, Said>,
    /// `ADDRESS PORT` of each real server with its weight.
    pub real_servers: Vec<(Said, Option<Said>)>,
}

/// One `vrrp_script` or its like.
#[derive(Debug, Clone)]
pub struct Script {
    pub at: Span,
    pub values: BTreeMap<&'static str, Said>,
}

/// Everything that lints remember of a file.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub global: BTreeMap<&'static str, Said>,
    pub instances: Vec<Instance>,
    pub servers: Vec<Server>,
    pub scripts: BTreeMap<String, Script>,
    /// Where passwords and keys are written: in a statement, or in the definition it takes them from.
    pub secrets: Vec<Span>,
}

/// Keywords of `vrrp_instance` whose values are kept, under the name used today.
const OF_INSTANCE: [(&str, &str); 10] = [
    ("state", "state"),
    ("interface", "interface"),
    ("virtual_router_id", "virtual_router_id"),
    ("priority", "priority"),
    ("version", "version"),
    ("advert_int", "advert_int"),
    ("unicast_src_ip", "unicast_src_ip"),
    ("mcast_src_ip", "unicast_src_ip"),
    ("strict_mode", "strict_mode"),
    ("preempt_delay", "preempt_delay"),
];

const OF_SERVER: [(&str, &str); 10] = [
    ("lb_algo", "lvs_sched"),
    ("lvs_sched", "lvs_sched"),
    ("lb_kind", "lvs_method"),
    ("lvs_method", "lvs_method"),
    ("protocol", "protocol"),
    ("persistence_timeout", "persistence_timeout"),
    ("quorum", "quorum"),
    ("hysteresis", "hysteresis"),
    ("delay_loop", "delay_loop"),
    ("weight", "weight"),
];

const OF_SCRIPT: [(&str, &str); 4] =
    [("interval", "interval"), ("timeout", "timeout"), ("weight", "weight"), ("script", "script")];

const OF_GLOBAL: [(&str, &str); 3] =
    [("vrrp_strict", "vrrp_strict"), ("vrrp_version", "vrrp_version"), ("router_id", "router_id")];

/// One top-level statement, for reading.
#[derive(Clone, Copy)]
pub(super) struct Block<'t> {
    pub tree: &'t Tree,
    pub sources: &'t SourceMap,
    pub at: &'t Statement,
}

impl<'t> Block<'t> {
    pub fn word(&self, index: usize) -> Option<&'t str> {
        self.tree.words(self.at).get(index).map(|word| self.sources.text(word.span))
    }

    pub fn keyword(&self) -> &'t str {
        self.word(0).unwrap_or_default()
    }

    pub fn children(&self) -> impl Iterator<Item = Block<'t>> + use<'t> {
        let (tree, sources) = (self.tree, self.sources);
        tree.children(self.at).map(move |at| Block { tree, sources, at })
    }

    /// The last statement of the block called one of `names`.
    pub fn last(&self, names: &[&str]) -> Option<Block<'t>> {
        self.children().filter(|child| names.contains(&child.keyword())).last()
    }

    /// The words behind the first `from`, single blanks between.
    pub fn words_from(&self, from: usize) -> String {
        let words = self.tree.words(self.at).iter().skip(from);
        words.map(|word| self.sources.text(word.span)).collect::<Vec<_>>().join(" ")
    }

    pub fn said(&self) -> Said {
        Said { text: self.words_from(1), at: self.at.raw }
    }

    fn values(&self, known: &[(&str, &'static str)]) -> BTreeMap<&'static str, Said> {
        let mut values = BTreeMap::new();
        for child in self.children() {
            if let Some((_, name)) = known.iter().find(|(word, _)| *word == child.keyword()) {
                values.insert(*name, child.said());
            }
        }
        values
    }

    /// Where the statement, or one in its block, has a secret written.
    fn secrets(&self, out: &mut Vec<Span>) {
        let line = self.sources.text(self.at.raw);
        if let Some(start) = secrets::start(line) {
            let secret = self.at.raw.part(start..line.len());
            out.push(self.sources.definition_of(secret).unwrap_or(secret));
        }
        self.children().for_each(|child| child.secrets(out));
    }

    /// First words of the lines of the block's `name` blocks.
    fn lines_of(&self, name: &str) -> Vec<Said> {
        let blocks = self.children().filter(|child| child.keyword() == name);
        let lines = blocks.flat_map(|block| block.children());
        lines.map(|line| Said { text: line.keyword().to_owned(), at: line.at.raw }).collect()
    }

    fn instance(&self) -> Instance {
        let mut values = self.values(&OF_INSTANCE);
        if let Some(authentication) = self.last(&["authentication"]) {
            let known = [("auth_type", "auth_type"), ("auth_pass", "auth_pass")];
            values.append(&mut authentication.values(&known));
        }
        let peers = self.last(&["unicast_peer"]).map(|block| block.at.raw);
        Instance {
            name: self.word(1).unwrap_or_default().to_owned(),
            at: self.at.raw,
            nopreempt: self.last(&["nopreempt"]).map(|block| block.at.raw),
            hmac: self.last(&["auth_hmac"]).map(|block| block.hmac()),
            unicast_peers: peers.map(|at| (at, self.lines_of("unicast_peer"))),
            addresses: self.lines_of("virtual_ipaddress"),
            trackers: self.trackers(),
            values,
        }
    }

    fn hmac(&self) -> Hmac {
        let mut keys = BTreeMap::new();
        for line in self.children().filter(|child| child.keyword() == "key") {
            let value = Said { text: line.words_from(2), at: line.at.raw };
            keys.entry(line.word(1).unwrap_or_default().to_owned()).or_insert(value);
        }
        let values = self.values(&[("active_key", "active_key"), ("mode", "mode")]);
        Hmac { at: self.at.raw, values, keys }
    }

    fn trackers(&self) -> Vec<Tracker> {
        let is_tracker = |block: &Block<'_>| {
            matches!(
                block.keyword(),
                "track_script" | "track_process" | "track_file" | "track_interface"
            )
        };
        self.children().filter(is_tracker).flat_map(|block| block.children()).map(tracker).collect()
    }

    fn server(&self) -> Server {
        let real_server = |block: Block<'t>| {
            let weight = block.last(&["weight"]).map(|weight| weight.said());
            (Said { text: block.words_from(1), at: block.at.raw }, weight)
        };
        let real = self.children().filter(|child| child.keyword() == "real_server");
        Server {
            name: self.words_from(1),
            at: self.at.raw,
            values: self.values(&OF_SERVER),
            real_servers: real.map(real_server).collect(),
        }
    }
}

fn tracker(line: Block<'_>) -> Tracker {
    let words: Vec<&str> = (1..6).map_while(|index| line.word(index)).collect();
    let weight = words.iter().position(|word| *word == "weight");
    let weight = weight.and_then(|at| words.get(at + 1)).and_then(|word| word.parse().ok());
    Tracker { name: line.keyword().to_owned(), at: line.at.raw, weight }
}

impl Facts {
    /// Remembers what is worth it of one top-level statement.
    pub(super) fn take(&mut self, block: Block<'_>) {
        block.secrets(&mut self.secrets);
        match block.keyword() {
            "global_defs" => self.global.append(&mut block.values(&OF_GLOBAL)),
            "vrrp_instance" => self.instances.push(block.instance()),
            "virtual_server" => self.servers.push(block.server()),
            "vrrp_script" | "vrrp_track_process" | "track_file" | "vrrp_track_file" => {
                let name = block.word(1).unwrap_or_default().to_owned();
                let script = Script { at: block.at.raw, values: block.values(&OF_SCRIPT) };
                self.scripts.insert(name, script);
            }
            _ => {}
        }
    }

    /// What a tracker takes from or adds to the priority; 0: it decides on its own.
    pub(super) fn weight(&self, tracker: &Tracker) -> i64 {
        let own = || self.scripts.get(&tracker.name)?.values.get("weight")?.number();
        tracker.weight.or_else(own).unwrap_or(0)
    }
}

impl Said {
    /// The first word as a whole number.
    pub fn number(&self) -> Option<i64> {
        self.text.split(' ').next()?.parse().ok()
    }

    /// The first word as decimal seconds.
    pub fn seconds(&self) -> Option<f64> {
        let micros = super::super::value::microseconds(self.text.split(' ').next()?).ok()?;
        Some(micros as f64 / 1e6)
    }
}

impl Instance {
    pub(super) fn said(&self, keyword: &str) -> Option<&str> {
        self.values.get(keyword).map(|said| said.text.as_str())
    }

    /// Where `keyword` is said; else the instance itself.
    pub(super) fn place(&self, keyword: &str) -> Span {
        self.values.get(keyword).map_or(self.at, |said| said.at)
    }

    /// As keepalived takes it: `state MASTER` without a priority is an owner's.
    pub(super) fn priority(&self) -> i64 {
        let default = if self.said("state") == Some("MASTER") { 255 } else { 100 };
        self.values.get("priority").and_then(Said::number).unwrap_or(default)
    }
}
