//! The keyword table: all words of keepalived.conf(5), each known here and nowhere else.
//!
//! The data is `keywords.tsv`, one row a keyword: block, keyword, arguments, default, level,
//! support, note, meaning. The parser's dispatch, range checks and suggestions come from it. A
//! keyword that becomes supported changes its row to `yes` and gets its arm in `lower`.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use super::value;

static DATA: &str = include_str!("keywords.tsv");

/// Index of a block in the table.
pub type BlockId = u16;

/// The block that is the file itself.
pub const TOP: BlockId = 0;

/// What becomes of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    Supported,
    /// Accepted and ignored, for this reason.
    NoEffect(&'static str),
    /// Left out with a warning; the text says what that leads to, if that is worth saying.
    NotYet(&'static str),
    /// What it belongs to is not run at all, since running without it would do harm.
    Refused(&'static str),
}

/// One row of the table.
#[derive(Debug)]
pub struct Keyword {
    /// Path of the block it stands in, such as `virtual_server/real_server`; `top` for the file.
    pub block: &'static str,
    pub name: &'static str,
    /// Grammar of the arguments, for people.
    pub args: &'static str,
    pub default: &'static str,
    /// How common it is: A to D; M: it is our own, and keepalived does not know it.
    pub level: &'static str,
    pub support: Support,
    pub meaning: &'static str,
    /// The keyword it is another name for.
    pub alias_of: Option<&'static str>,
    pub takes_block: bool,
    /// Least and greatest value, where `args` starts with a range: for `timer` and `decimal`
    /// in microseconds, else as written.
    pub range: Option<(i64, i64)>,
    /// The block it opens, if the table has keywords for it.
    pub child: Option<BlockId>,
    /// The block it stands in.
    pub home: BlockId,
    /// `args` begin with a whole number: a time is in whole seconds.
    pub whole: bool,
    /// Its name opens a block wherever it may stand.
    always_block: bool,
}

impl Keyword {
    /// Whether it is Mainstay's own.
    pub fn is_own(&self) -> bool {
        self.level == "M"
    }

    /// Whether it means nothing by itself.
    pub fn needs_argument(&self) -> bool {
        self.args.starts_with(|first: char| first.is_ascii_uppercase() || first == '<')
            || self.args.starts_with("[inet|inet6] IP")
            || self.args.starts_with("[lock] ")
    }
}

/// FNV-1a, by eight octets at a time: keywords are short, and the table is ours, so nobody can choose
/// colliding ones.
#[derive(Debug)]
pub struct ShortHasher(u64);

impl Default for ShortHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl ShortHasher {
    fn mix(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for ShortHasher {
    fn finish(&self) -> u64 {
        // The map takes the lowest and the highest bits.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, octets: &[u8]) {
        let (words, rest) = octets.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last));
    }

    /// What ends a string. Octets that are no text are no keyword.
    fn write_u8(&mut self, _: u8) {}
}

type ShortMap<V> = HashMap<&'static str, V, BuildHasherDefault<ShortHasher>>;

/// All keywords, by block.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Keyword>,
    /// Row numbers by keyword, for each block.
    blocks: Vec<ShortMap<usize>>,
    block_ids: ShortMap<BlockId>,
    /// Row numbers by keyword, in whatever block.
    everywhere: ShortMap<Vec<usize>>,
    always_block: HashSet<&'static str, BuildHasherDefault<ShortHasher>>,
}

/// The table, read at first use.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::read(DATA))
}

impl Table {
    fn read(data: &'static str) -> Self {
        let mut rows: Vec<Keyword> = data.lines().skip(1).filter_map(row).collect();
        rows.shrink_to_fit();
        let (mut block_ids, mut blocks) = (ShortMap::default(), vec![ShortMap::default()]);
        block_ids.insert("top", TOP);
        for (index, row) in rows.iter().enumerate() {
            let id = *block_ids.entry(row.block).or_insert_with(|| {
                blocks.push(ShortMap::default());
                (blocks.len() - 1) as BlockId
            });
            blocks[usize::from(id)].insert(row.name, index);
        }
        let mut everywhere: ShortMap<Vec<usize>> = ShortMap::default();
        for (index, row) in rows.iter_mut().enumerate() {
            let path = match row.block {
                "top" => row.name.to_owned(),
                block => format!("{block}/{}", row.name),
            };
            row.home = block_ids.get(row.block).copied().unwrap_or(TOP);
            row.child = block_ids.get(path.as_str()).copied().filter(|_| row.takes_block);
            if row.block != "syntax" && !row.args.starts_with("(token") {
                everywhere.entry(row.name).or_default().push(index);
            }
        }
        let always = |(_, at): &(&&str, &Vec<usize>)| at.iter().all(|&row| rows[row].takes_block);
        let always_block: HashSet<_, _> =
            everywhere.iter().filter(always).map(|(name, _)| *name).collect();
        rows.iter_mut().for_each(|row| row.always_block = always_block.contains(row.name));
        Self { rows, blocks, block_ids, everywhere, always_block }
    }

    /// All rows, in the order of the data.
    pub fn rows(&self) -> &[Keyword] {
        &self.rows
    }

    /// The block at `path`; `None` if no such block has keywords of its own.
    pub fn block(&self, path: &str) -> Option<BlockId> {
        self.block_ids.get(path).copied()
    }

    pub fn get(&self, block: BlockId, keyword: &str) -> Option<&Keyword> {
        self.blocks[usize::from(block)].get(keyword).map(|&index| &self.rows[index])
    }

    /// Whether `keyword`, of which `row` is known here, opens a block wherever it may stand.
    pub fn always_block(&self, row: Option<&Keyword>, keyword: &str) -> bool {
        row.map_or_else(|| self.always_block.contains(keyword), |row| row.always_block)
    }

    /// Where else `keyword` is known.
    pub fn elsewhere(&self, keyword: &str) -> impl Iterator<Item = &Keyword> {
        self.everywhere.get(keyword).into_iter().flatten().map(|&index| &self.rows[index])
    }

    /// The keyword of `block` that `word` was probably meant to be.
    pub fn suggestion(&self, block: BlockId, word: &str) -> Option<&'static str> {
        let word = word.to_lowercase();
        let most = if word.len() < 5 { 1 } else { 2 };
        self.blocks[usize::from(block)]
            .keys()
            .filter(|name| !name.starts_with('<') && name.len().abs_diff(word.len()) <= most)
            .map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), *name))
            .filter(|(distance, _)| *distance <= most)
            .min()
            .map(|(_, name)| name)
    }
}

fn row(line: &'static str) -> Option<Keyword> {
    let mut fields = line.split('\t');
    let mut next = || fields.next();
    let (block, name, args, default, level) = (next()?, next()?, next()?, next()?, next()?);
    let (support, note, meaning) = (next()?, next()?, next()?);
    let support = match support {
        "yes" => Support::Supported,
        "no-effect" => Support::NoEffect(note),
        "refuse" => Support::Refused(note),
        _ => Support::NotYet(note),
    };
    let alias_of =
        meaning.strip_prefix("alias-of: ").and_then(|rest| rest.split([' ', '.', '(']).next());
    Some(Keyword {
        block,
        name,
        args,
        default,
        level,
        support,
        meaning,
        alias_of,
        takes_block: args.contains("{block}") || args.contains("{list-block}"),
        range: range(args),
        child: None,
        home: TOP,
        whole: args.contains("<uint"),
        always_block: false,
    })
}

/// The range at the start of an argument grammar: `<uint 1..255>`, `<timer 0.000001..>`.
fn range(args: &str) -> Option<(i64, i64)> {
    let args = args.trim_start_matches('[');
    let inside = args.strip_prefix('<')?.split('>').next()?;
    let (kind, bounds) = inside.split_once(' ').unwrap_or((inside, ""));
    let (least, greatest) = bounds.split_once("..").unwrap_or(("", ""));
    match kind {
        "uint" => Some((least.parse().unwrap_or(0), greatest.parse().unwrap_or(u32::MAX.into()))),
        "uint32" => Some((0, u32::MAX.into())),
        "int" => Some((least.parse().ok()?, greatest.parse().ok()?)),
        "timer" | "decimal" => {
            let micros = |text: &str| value::microseconds(text).ok();
            let most = micros("4294967.295").unwrap_or(i64::MAX);
            Some((micros(least).unwrap_or(0), micros(greatest).unwrap_or(most)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
