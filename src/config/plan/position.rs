//! Where in a configuration something was said.

use std::fmt;
use std::sync::Arc;

/// Where in a configuration something was said. Compares equal to any other position: where
/// a thing was said is no part of what was said.
#[derive(Clone, Default)]
pub struct Position {
    pub file: Arc<str>,
    /// From 1; 0: unknown.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl PartialEq for Position {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
