//! Lines into statements and blocks, one top-level statement at a time.
//!
//! Written by hand rather than generated, for the sake of recovery: a missing or a surplus brace
//! is one mistake of the author's, so it is one message, and what follows is read as it was meant.
//! Works on an explicit stack with a limit, so nesting cannot exhaust ours.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::keywords::{BlockId, Keyword, TOP, table};
use super::lexer::{self, Kind, Token};
use super::secrets;
use super::source::{SourceMap, Span};

/// Blocks in blocks. keepalived's deepest is five.
pub const DEEPEST: usize = 32;

/// Statements in one top-level block: a million real servers with a check each.
const MOST_STATEMENTS: usize = 1 << 23;

/// A keyword with its arguments, and the block that belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    first_word: u32,
    last_word: u32,
    /// All words as they stand in the line, quotes included.
    pub raw: Span,
    /// The opening brace of its block.
    pub brace: Option<Span>,
    index: u32,
    /// Index of the enclosing statement.
    parent: Option<u32>,
    /// Index behind the last statement of its block.
    end: u32,
    /// The row of its keyword in the block where it was read, looked up once.
    keyword: Option<&'static Keyword>,
}

/// One word of a statement.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    pub span: Span,
    pub quoted: bool,
}

/// One top-level statement with all that is in it: statements in the order of the text.
#[derive(Debug, Default)]
pub struct Tree {
    statements: Vec<Statement>,
    words: Vec<Word>,
}

impl Tree {
    /// The top-level statement.
    pub fn root(&self) -> Option<&Statement> {
        self.statements.first()
    }

    /// The keyword first. Empty only for a block that belongs to nothing.
    pub fn words(&self, statement: &Statement) -> &[Word] {
        &self.words[statement.first_word as usize..statement.last_word as usize]
    }

    /// The row of the statement's keyword, if it is one of `block`.
    pub fn keyword(&self, statement: &Statement, block: BlockId) -> Option<&'static Keyword> {
        statement.keyword.filter(|row| row.home == block)
    }

    /// The row of the statement's keyword in the block where it stands.
    pub fn row(&self, statement: &Statement) -> Option<&'static Keyword> {
        statement.keyword
    }

    /// The statements directly in the block of `statement`.
    pub fn children<'t>(&'t self, statement: &Statement) -> impl Iterator<Item = &'t Statement> {
        let (mut at, end) = (statement.index as usize + 1, statement.end as usize);
        std::iter::from_fn(move || {
            let child = (at < end).then(|| &self.statements[at])?;
            at = child.end as usize;
            Some(child)
        })
    }

    /// The statement whose block holds `statement`.
    pub fn parent(&self, statement: &Statement) -> Option<&Statement> {
        statement.parent.map(|index| &self.statements[index as usize])
    }

    fn clear(&mut self) {
        self.statements.clear();
        self.words.clear();
    }
}

/// A block that is not closed yet.
#[derive(Debug)]
struct OpenBlock {
    statement: u32,
    brace: Span,
    /// What the keyword table knows of it.
    block: Option<BlockId>,
    /// It was closed too early and opened again, which has been reported.
    reopened: bool,
}

/// A row of braces that are too many.
#[derive(Debug)]
struct Surplus {
    first: Span,
    /// Whether they open something.
    opening: bool,
    more: usize,
}

impl Surplus {
    fn finding(&self) -> Diagnostic {
        let (brace, message, label) = match self.opening {
            true => ('{', "this `{` is one too many", "the block is open already"),
            false => ('}', "this `}` closes nothing", "no block is open here"),
        };
        let label = match self.more {
            0 => label.to_owned(),
            more => format!("{label}; there are {more} more `{brace}` behind it"),
        };
        Diagnostic::error("unexpected-brace", self.first, message).label(label)
    }
}

/// Takes each top-level statement as soon as it is complete.
pub type Take<'f> = dyn FnMut(&Tree, &SourceMap, &mut Diagnostics) + 'f;

/// Builds statements from lines.
#[derive(Debug, Default)]
pub struct Builder {
    tree: Tree,
    open: Vec<OpenBlock>,
    /// The last statement, while a `{` may still follow it.
    pending: Option<u32>,
    /// The block that the last `}` closed, while something may still show that it did so too
    /// early; if it is a top-level one, its tree has not been handed out yet.
    closed: Option<(OpenBlock, Span)>,
    /// The last thing was a `{`.
    after_open: bool,
    /// Blocks that were closed for the author: as many `}` may turn up later, in the wrong place,
    /// and have been reported already.
    closed_for_author: usize,
    /// Blocks opened beyond [`DEEPEST`].
    too_deep: usize,
    /// Braces in a row that are too many, yet to be told: one mistake, however many there are.
    surplus: Option<Surplus>,
    /// A block without anything in it was closed for the author just now, which has been reported:
    /// those that follow right behind it are the same mistake, and are left out.
    left_empty: bool,
    /// The top-level block has more than [`MOST_STATEMENTS`], which has been reported.
    too_many: bool,
    tokens: Vec<Token>,
    /// Top-level statements so far.
    begun: usize,
}

impl Builder {
    /// Whether the next word, if it is one of the top level, begins another statement.
    pub fn is_between(&self) -> bool {
        self.open.is_empty() && self.pending.is_none()
    }

    /// How many top-level statements have begun so far.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// Takes one line without comment.
    pub fn line(&mut self, line: Span, sources: &SourceMap, d: &mut Diagnostics, take: &mut Take) {
        let mut tokens = std::mem::take(&mut self.tokens);
        tokens.clear();
        lexer::tokens(sources.text(line), &mut tokens);
        let mut at = 0;
        while at < tokens.len() {
            let token = tokens[at];
            let span = line.part(token.start as usize..token.end as usize);
            match token.kind {
                Kind::Open => self.open_block(span, sources, d, take),
                Kind::Close => self.close_block(span, sources, d, take),
                Kind::Word | Kind::Quoted | Kind::Unclosed => {
                    let is_word = |t: &Token| !matches!(t.kind, Kind::Open | Kind::Close);
                    let length = tokens[at..].iter().take_while(|t| is_word(t)).count();
                    self.statement(line, &tokens[at..at + length], sources, d, take);
                    at += length - 1;
                }
            }
            at += 1;
        }
        self.tokens = tokens;
    }

    /// Ends the text: what is still open is missing its `}`.
    pub fn finish(&mut self, sources: &SourceMap, d: &mut Diagnostics, take: &mut Take) {
        self.tell_surplus(d);
        if let Some(innermost) = self.open.last().filter(|block| !block.reopened) {
            d.push(unclosed(innermost.brace, &self.header(innermost.statement, sources)));
        }
        self.settle(None, sources, d, take);
        self.close_down_to(0);
        self.closed = None;
        self.emit(sources, d, take);
    }

    fn statement(
        &mut self,
        line: Span,
        tokens: &[Token],
        sources: &SourceMap,
        d: &mut Diagnostics,
        take: &mut Take,
    ) {
        if self.too_deep > 0 {
            return;
        }
        self.tell_surplus(d);
        let start = line.part(tokens[0].raw_start() as usize..tokens[0].raw_end() as usize);
        self.settle(Some(start), sources, d, take);
        self.after_open = false;
        let word = line.part(tokens[0].start as usize..tokens[0].end as usize);
        let mut keyword = self.known(sources.text(word));
        if keyword.is_none() && tokens[0].kind == Kind::Word {
            self.recover(start, sources, d);
            keyword = self.known(sources.text(word));
        }
        self.hand_out_closed(sources, d, take);
        if self.tree.statements.len() >= MOST_STATEMENTS {
            if !std::mem::replace(&mut self.too_many, true) {
                d.push(too_many_statements(start));
            }
            return;
        }
        let first_word = self.tree.words.len() as u32;
        for token in tokens {
            let span = line.part(token.start as usize..token.end as usize);
            // As in keepalived the word is left out: what it was to be is anybody's guess.
            if token.kind == Kind::Unclosed {
                d.push(unclosed_quote(span, sources.text(line)));
                continue;
            }
            self.tree.words.push(Word { span, quoted: token.kind != Kind::Word });
        }
        if self.tree.words.len() == first_word as usize {
            return;
        }
        let last = tokens[tokens.len() - 1].raw_end() as usize;
        let raw = start.to(line.part(last..last));
        self.push(first_word, raw, keyword);
    }

    /// What the table has under `word` in the innermost open block.
    fn known(&self, word: &str) -> Option<&'static Keyword> {
        let here = self.open.last().map_or(Some(TOP), |open| open.block);
        here.and_then(|block| table().get(block, word))
    }

    fn push(&mut self, first_word: u32, raw: Span, keyword: Option<&'static Keyword>) {
        let index = self.tree.statements.len() as u32;
        self.begun += usize::from(self.open.is_empty());
        self.tree.statements.push(Statement {
            first_word,
            last_word: self.tree.words.len() as u32,
            raw,
            brace: None,
            index,
            parent: self.open.last().map(|block| block.statement),
            end: index + 1,
            keyword,
        });
        self.pending = Some(index);
    }

    /// Something other than `{` follows the pending statement. A keyword that cannot be without
    /// a block gets one here, as if its brace had not been forgotten.
    fn settle(
        &mut self,
        next: Option<Span>,
        sources: &SourceMap,
        d: &mut Diagnostics,
        take: &mut Take,
    ) {
        let Some(pending) = self.pending.take() else { return };
        let statement = self.tree.statements[pending as usize];
        if self.needs_block(&statement, sources) {
            d.push(missing_open(&statement, &self.header(pending, sources)));
            if next.is_some() {
                self.enter(pending, statement.raw.after(), sources);
                return;
            }
        }
        if self.open.is_empty() {
            self.emit(sources, d, take);
        }
    }

    fn needs_block(&self, statement: &Statement, sources: &SourceMap) -> bool {
        let keyword = self.tree.words(statement).first();
        keyword.is_some_and(|word| {
            !word.quoted && table().always_block(statement.keyword, sources.text(word.span))
        })
    }

    fn open_block(
        &mut self,
        brace: Span,
        sources: &SourceMap,
        d: &mut Diagnostics,
        take: &mut Take,
    ) {
        if self.too_deep > 0 || self.open.len() >= DEEPEST {
            if self.too_deep == 0 {
                d.push(nested_too_deep(brace));
            }
            self.too_deep += 1;
            self.pending = None;
            return;
        }
        if self.pending.is_none() && self.after_open {
            self.one_too_many(brace, true, d);
            self.closed_for_author += 1;
            return;
        }
        self.tell_surplus(d);
        self.hand_out_closed(sources, d, take);
        let statement = self.pending.take().unwrap_or_else(|| {
            d.push(
                Diagnostic::error("unexpected-brace", brace, "`{` belongs to no keyword")
                    .label("its block is left out"),
            );
            self.push(self.tree.words.len() as u32, brace, None);
            self.pending.take().unwrap_or_default()
        });
        let statement = self.leave_unclosed(statement, sources, d, take);
        self.enter(statement, brace, sources);
        self.after_open = true;
    }

    fn enter(&mut self, statement: u32, brace: Span, sources: &SourceMap) {
        self.tree.statements[statement as usize].brace = Some(brace);
        let block = self.block_of(statement, self.open.last(), sources);
        self.open.push(OpenBlock { statement, brace, block, reopened: false });
    }

    /// The block that the statement's keyword opens inside `outer`, if the table knows it.
    fn block_of(
        &self,
        statement: u32,
        outer: Option<&OpenBlock>,
        sources: &SourceMap,
    ) -> Option<BlockId> {
        let statement = &self.tree.statements[statement as usize];
        let outer = outer.map_or(Some(TOP), |open| open.block)?;
        if let Some(row) = self.tree.keyword(statement, outer) {
            return row.child;
        }
        let words = self.tree.words(statement);
        table().get(outer, sources.text(words.first()?.span))?.child
    }

    /// If a block starts that cannot be here but can be further out, then a `}` is missing:
    /// reports it and closes the blocks between. Returns the statement's new index.
    fn leave_unclosed(
        &mut self,
        index: u32,
        sources: &SourceMap,
        d: &mut Diagnostics,
        take: &mut Take,
    ) -> u32 {
        if self.open.is_empty() || self.block_of(index, self.open.last(), sources).is_some() {
            return index;
        }
        let outer = |depth: &usize| match depth.checked_sub(1) {
            None => self.block_of(index, None, sources),
            Some(at) => self.block_of(index, Some(&self.open[at]), sources),
        };
        let Some(depth) = (0..self.open.len()).rev().find(|depth| outer(depth).is_some()) else {
            return index;
        };
        let Some(statement) = self.tree.statements.pop() else { return index };
        let words = self.tree.words.split_off(statement.first_word as usize);
        self.close_for_author(depth, statement.raw, sources, d);
        if depth == 0 {
            self.emit(sources, d, take);
        }
        let first_word = self.tree.words.len() as u32;
        self.tree.words.extend(words);
        let word = self.tree.words.get(first_word as usize).map(|word| sources.text(word.span));
        let keyword = word.and_then(|word| self.known(word));
        self.push(first_word, statement.raw, keyword);
        self.pending.take().unwrap_or(index)
    }

    fn close_block(
        &mut self,
        brace: Span,
        sources: &SourceMap,
        d: &mut Diagnostics,
        take: &mut Take,
    ) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        self.settle(None, sources, d, take);
        self.after_open = false;
        self.left_empty = false;
        self.hand_out_closed(sources, d, take);
        if self.open.is_empty() && self.closed_for_author > 0 {
            self.closed_for_author -= 1;
            return;
        }
        if self.open.is_empty() {
            return self.one_too_many(brace, false, d);
        }
        self.closed = self.close_down_to(self.open.len() - 1).map(|block| (block, brace));
    }

    /// A brace that nothing needs: told with those behind it.
    fn one_too_many(&mut self, brace: Span, opening: bool, d: &mut Diagnostics) {
        match &mut self.surplus {
            Some(surplus) if surplus.opening == opening => surplus.more += 1,
            _ => {
                self.tell_surplus(d);
                self.surplus = Some(Surplus { first: brace, opening, more: 0 });
            }
        }
    }

    fn tell_surplus(&mut self, d: &mut Diagnostics) {
        self.surplus.take().into_iter().for_each(|surplus| d.push(surplus.finding()));
    }

    /// Closes all blocks but the outermost `depth`; gives the outermost of those closed.
    fn close_down_to(&mut self, depth: usize) -> Option<OpenBlock> {
        let end = self.tree.statements.len() as u32;
        for block in &self.open[depth..] {
            self.tree.statements[block.statement as usize].end = end;
        }
        self.open.drain(depth..).next()
    }

    /// Closes what the author left open before `next`, and says so once.
    fn close_for_author(
        &mut self,
        depth: usize,
        next: Span,
        sources: &SourceMap,
        d: &mut Diagnostics,
    ) {
        let innermost = &self.open[self.open.len() - 1];
        let first = innermost.statement as usize;
        let is_empty = first + 1 == self.tree.statements.len();
        let same_mistake = std::mem::replace(&mut self.left_empty, is_empty) && is_empty;
        if !innermost.reopened && !same_mistake {
            let header = self.header(innermost.statement, sources);
            d.push(unclosed(innermost.brace, &header).also(next, "a `}` is missing before this"));
        }
        self.closed_for_author += self.open.len() - depth;
        if same_mistake && let Some(statement) = self.tree.statements.pop() {
            self.open.pop();
            self.tree.words.truncate(statement.first_word as usize);
        }
        self.close_down_to(depth);
    }

    /// Nothing showed that the last `}` came too early: the block is complete.
    pub fn hand_out_closed(&mut self, sources: &SourceMap, d: &mut Diagnostics, take: &mut Take) {
        if self.closed.take().is_some() && self.open.is_empty() {
            self.emit(sources, d, take);
        }
    }

    /// A keyword that is none here but was one a brace ago: a `}` is one too many, or missing.
    fn recover(&mut self, at: Span, sources: &SourceMap, d: &mut Diagnostics) {
        let word = sources.text(at);
        let knows =
            |block: Option<BlockId>| block.is_some_and(|id| table().get(id, word).is_some());
        let here = self.open.last().map_or(Some(TOP), |open| open.block);
        if here.is_none() || knows(here) {
            return;
        }
        if self.closed.as_ref().is_some_and(|(block, _)| knows(block.block)) {
            self.reopen(at, sources, d);
            return;
        }
        // Where the block does not end in a list of names, only a line that starts no further in
        // than the block itself says that it is outside.
        let Some(innermost) = self.open.last() else { return };
        let outer = match self.open.len() {
            1 => Some(TOP),
            length => self.open[length - 2].block,
        };
        let header = self.tree.statements[innermost.statement as usize].raw;
        if knows(outer) && outer != Some(TOP) && column(at, sources) <= column(header, sources) {
            self.close_for_author(self.open.len() - 1, at, sources, d);
        }
    }

    fn reopen(&mut self, at: Span, sources: &SourceMap, d: &mut Diagnostics) {
        let Some((mut block, brace)) = self.closed.take() else { return };
        let header = self.header(block.statement, sources);
        let message = format!("`{}` stands behind the end of `{header}`", sources.text(at));
        d.push(
            Diagnostic::error("unexpected-brace", at, message)
                .label("taken as a part of it")
                .also(brace, "this `}` is one too many"),
        );
        block.reopened = true;
        self.open.push(block);
    }

    fn emit(&mut self, sources: &SourceMap, d: &mut Diagnostics, take: &mut Take) {
        if !self.tree.statements.is_empty() {
            take(&self.tree, sources, d);
        }
        self.tree.clear();
        self.too_many = false;
    }

    fn header(&self, statement: u32, sources: &SourceMap) -> String {
        sources.text(self.tree.statements[statement as usize].raw).to_owned()
    }
}

/// How far in the line of `span` it starts, blanks only being before it; else beyond all.
fn column(span: Span, sources: &SourceMap) -> usize {
    let source = sources.get(span.source);
    let before = &source.text[..span.start as usize];
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    if line.trim().is_empty() { line.len() } else { usize::MAX }
}

fn unclosed(brace: Span, header: &str) -> Diagnostic {
    Diagnostic::error(
        "missing-closing-brace",
        brace,
        format!("the block of `{header}` is not closed"),
    )
    .label("opened here")
    .help("a `}` where the block ends")
}

fn missing_open(statement: &Statement, header: &str) -> Diagnostic {
    let message = format!("`{header}` lacks the `{{` of its block");
    Diagnostic::error("missing-opening-brace", statement.raw, message)
        .label("a `{` belongs behind this")
        .help(format!("{header} {{"))
}

fn nested_too_deep(brace: Span) -> Diagnostic {
    let message = format!("blocks are nested more than {DEEPEST} deep");
    Diagnostic::error("nested-too-deep", brace, message).label("this block is left out")
}

fn too_many_statements(start: Span) -> Diagnostic {
    let message = format!("the block has more than {MOST_STATEMENTS} statements");
    Diagnostic::error("too-many-statements", start, message).label("from here on they are left out")
}

fn unclosed_quote(span: Span, line: &str) -> Diagnostic {
    let help = match secrets::start(line) {
        Some(_) => "a `\"` where the word ends".to_owned(),
        None => format!("{line}\""),
    };
    Diagnostic::error("unclosed-quote", span, "the line ends before the closing `\"`")
        .label("left out")
        .help(help)
}

#[cfg(test)]
mod tests;
