//! What a reload need not read again: the text of a virtual server that runs, if that alone says what it is.
//!
//! Most of a large file is virtual servers, and most of them are as they were. The running plan remembers of each
//! how long its text was, and the hash of it. Where the new text goes on with that of the virtual server which
//! comes next in the plan, the one that runs is taken, and its lines are skipped. A text alone does not say what
//! it is if a definition, a condition or an `include` is in it, if there was something to be said of it, or if it
//! names what is defined elsewhere; nor if the rest of the file has a say.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::diagnostic::Diagnostics;
use super::plan::{Plan, ServerIdentity, VirtualServer, Wording};
use super::preprocess::{Place, Reader};
use super::source::Span;
use super::tree::Builder;
use crate::probe::Probe;

/// What all blocks begin with that can be known again.
const KEYWORD: &str = "virtual_server";

/// The virtual servers that run while the configuration is read again. One that is found to be in every detail
/// as it was becomes the very one that runs: who goes on with it has nothing to compare, and it is in memory once.
#[derive(Debug, Default)]
pub(super) struct Running {
    plan: Arc<Plan>,
    numbers: HashMap<ServerIdentity, usize>,
    /// The one whose text may come next.
    next: usize,
}

impl Running {
    pub fn of(plan: Arc<Plan>) -> Self {
        let servers = plan.virtual_servers.iter().enumerate();
        let numbers = servers.map(|(number, server)| (server.identity(), number)).collect();
        Self { plan, numbers, next: 0 }
    }

    /// The one that runs, if it is as `server`.
    pub fn same(&self, server: &VirtualServer) -> Option<&Arc<VirtualServer>> {
        let running = &self.plan.virtual_servers[*self.numbers.get(&server.identity())?];
        (std::ptr::eq(&raw const **running, server) || **running == *server).then_some(running)
    }

    /// `server` has been read: behind it the text goes on as behind the one that runs.
    pub fn follow(&mut self, server: &VirtualServer) {
        if let Some(number) = self.numbers.get(&server.identity()) {
            self.next = number + 1;
        }
    }

    /// The virtual server that the text goes on with, and its first line; the reader is behind it then. Only where
    /// a top-level statement may begin.
    pub fn skip_next(&mut self, reader: &mut Reader<'_>) -> Option<(Arc<VirtualServer>, Span)> {
        let server = self.plan.virtual_servers.get(self.next)?;
        let Wording { octets, hash, first_line, first_hash } = server.wording;
        let (length, first_line) = (octets as usize, first_line.0 as usize..first_line.1 as usize);
        let text = reader.ahead()?.get(..length).filter(|text| !text.is_empty())?;
        // The line first: a long text is not gone through in vain for each that is new before it.
        if first_hash != hash_of(text.get(first_line.clone())?) || hash != hash_of(text) {
            return None;
        }
        // What follows decides whether the block was complete, unless it is the next one.
        if !matches!(reader.next_word(length)?, "" | KEYWORD) {
            return None;
        }
        let first_line = reader.skip(length).part(first_line);
        self.next += 1;
        Some((server.clone(), first_line))
    }
}

/// Whether the next line that says something begins a virtual server.
pub(super) fn is_next(reader: &Reader<'_>) -> bool {
    reader.next_word(0) == Some(KEYWORD)
}

/// Where a top-level statement may begin, and how things were there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begin {
    place: Place,
    statements: usize,
    findings: usize,
}

/// The text of one top-level block that has just ended, and the findings before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    text: Span,
    findings: usize,
}

impl Begin {
    pub fn here(reader: &Reader<'_>, builder: &Builder, diagnostics: &Diagnostics) -> Option<Self> {
        let (place, statements) = (reader.place()?, builder.begun());
        Some(Self { place, statements, findings: diagnostics.total() })
    }

    /// What was read since, if it was one block, and each line stood for itself.
    pub fn block(&self, reader: &Reader<'_>, builder: &Builder) -> Option<Block> {
        let text = reader.since(self.place).filter(|_| builder.begun() == self.statements + 1)?;
        Some(Block { text, findings: self.findings })
    }
}

impl Block {
    /// What `server` can be known again by, whose first line is `first_line`; `text` is that of the block's file.
    pub fn wording(
        &self,
        server: &VirtualServer,
        first_line: Span,
        text: &str,
        diagnostics: &Diagnostics,
    ) -> Wording {
        if self.findings != diagnostics.total() || names_others(server) {
            return Wording::default();
        }
        let offset = |at: u32| at - self.text.start;
        Wording {
            octets: self.text.end - self.text.start,
            hash: hash_of(&text[self.text.range()]),
            first_line: (offset(first_line.start), offset(first_line.end)),
            first_hash: hash_of(&text[first_line.range()]),
        }
    }
}

/// Whether it depends on what is defined elsewhere.
fn names_others(server: &VirtualServer) -> bool {
    let mut checkers = server.real_servers.iter().flat_map(|real| &real.checkers);
    checkers.any(|checker| matches!(checker.probe, Probe::File(_) | Probe::Bfd(_)))
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
