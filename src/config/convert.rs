//! A configuration as JSON, and back: for programs that write configurations.
//!
//! The document is `{"statements": […]}`; a statement is `{"keyword": …, "args": […], "block": […]}`
//! with `args` and `block` left out where there are none. What `include`, `@` and `$` stand for is
//! filled in; comments are not kept. A line in which quotes are escaped has `raw` instead of
//! `args`: the text behind the keyword.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostics;
use super::preprocess::Reader;
use super::source::SourceMap;
use super::tree::{Builder, Statement, Tree};
use super::{Options, format};

/// A whole configuration.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub statements: Vec<Node>,
}

/// One statement with its block.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Node {
    pub keyword: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Vec<Node>>,
}

/// Why a document is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error("this is no configuration in JSON")]
    Json(#[from] serde_json::Error),
    #[error("`{0}` cannot stand in a configuration: it has a quote, a newline or a NUL in it")]
    Word(String),
}

/// Reads the configuration in `octets` as far as it can be read; findings come along.
pub fn document(
    name: &str,
    octets: Vec<u8>,
    path: Option<&Path>,
    options: &Options,
) -> (Document, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let (mut reader, mut builder) = (Reader::new(options), Builder::default());
    let mut document = Document::default();
    reader.start(name, octets, path, &mut diagnostics);
    let mut take = |tree: &Tree, sources: &SourceMap, _: &mut Diagnostics| {
        document.statements.extend(tree.root().map(|root| node(tree, sources, root)));
    };
    while let Some(line) = reader.next_line(&mut diagnostics) {
        builder.line(line, &reader.sources, &mut diagnostics, &mut take);
    }
    builder.finish(&reader.sources, &mut diagnostics, &mut take);
    diagnostics.sort(std::sync::Arc::new(reader.sources));
    (document, diagnostics)
}

/// Recursion ends at the depth that the tree has: [`super::tree::DEEPEST`].
fn node(tree: &Tree, sources: &SourceMap, statement: &Statement) -> Node {
    let words: Vec<&str> =
        tree.words(statement).iter().map(|word| sources.text(word.span)).collect();
    let raw = sources.text(statement.raw);
    let keyword = (*words.first().unwrap_or(&"")).to_owned();
    let fragile = raw.contains(['\\', '\'']);
    let behind = raw.strip_prefix(keyword.as_str()).filter(|_| fragile);
    let block = statement.brace.is_some();
    Node {
        args: match behind {
            Some(_) => Vec::new(),
            None => words.iter().skip(1).map(|word| (*word).to_owned()).collect(),
        },
        raw: behind.map(|text| text.trim().to_owned()),
        block: block
            .then(|| tree.children(statement).map(|child| node(tree, sources, child)).collect()),
        keyword,
    }
}

/// The configuration that a document in JSON describes, laid out.
///
/// # Errors
/// The first thing that is no statement, or that no line of a configuration can hold.
pub fn from_json(text: &str) -> Result<String, ConvertError> {
    let document: Document = serde_json::from_str(text)?;
    let mut out = String::new();
    for node in &document.statements {
        write(node, &mut out)?;
    }
    Ok(format::layout(&out))
}

/// Recursion ends where serde_json's does, at 128 levels.
fn write(node: &Node, out: &mut String) -> Result<(), ConvertError> {
    out.push_str(&word(&node.keyword)?);
    for arg in &node.args {
        // Writing to a String does not fail.
        let _ = write!(out, " {}", word(arg)?);
    }
    if let Some(raw) = &node.raw {
        if raw.contains(['\n', '\0']) {
            return Err(ConvertError::Word(raw.clone()));
        }
        let _ = write!(out, " {raw}");
    }
    if let Some(block) = &node.block {
        out.push_str(" {\n");
        for node in block {
            write(node, out)?;
        }
        out.push('}');
    }
    out.push('\n');
    Ok(())
}

/// One word as it may stand in a line: in quotes where it has to.
fn word(text: &str) -> Result<String, ConvertError> {
    if text.contains(['"', '\n', '\0', '\r']) {
        return Err(ConvertError::Word(text.to_owned()));
    }
    let hides = |letter: char| letter.is_whitespace() || matches!(letter, '{' | '}' | '#' | '!');
    let quotes = text.is_empty() || text.contains(hides) || text.starts_with(['$', '@', '~']);
    Ok(if quotes { format!("\"{text}\"") } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_text;

    fn there_and_back(text: &str) -> String {
        let (document, _) = document("t", text.into(), None, &Options::default());
        let json = serde_json::to_string(&document).expect("is JSON");
        from_json(&json).expect("it was a configuration")
    }

    /// Findings hide it; a translation without it would be another configuration.
    #[test]
    fn what_is_secret_is_kept() {
        let text = "authentication {\n    auth_pass hunter2\n}\nbasic_auth probe hunter2\n\
                    header \"Authorization: Bearer x\"\n";
        assert_eq!(there_and_back(text), text);
    }

    #[test]
    fn a_configuration_comes_back_with_the_same_meaning() {
        let text = "$V=7 # seven\nvrrp_instance A {\ninterface eth0\nvirtual_router_id $V\n\
                    notify \"/bin/x a b\" root\nnotify_master '/bin/y \"c d\"'\n\
                    virtual_ipaddress {\n192.0.2.1/24 dev eth1\n}\n}\n";
        let back = there_and_back(text);
        assert_eq!(parse_text("t", text).plan, parse_text("t", back.as_str()).plan, "{back}");
        assert_eq!(there_and_back(&back), back);
        assert!(back.contains("    virtual_router_id 7\n"), "{back}");
    }

    #[test]
    fn documents_look_as_documented() {
        let (document, _) = document("t", b"a b {\nc\n}\n".to_vec(), None, &Options::default());
        let json = serde_json::to_value(&document).expect("is JSON");
        let wanted = serde_json::json!({"statements": [
            {"keyword": "a", "args": ["b"], "block": [{"keyword": "c"}]}
        ]});
        assert_eq!(json, wanted);
    }

    #[test]
    fn what_no_line_can_hold_is_refused() {
        for text in [
            "{\"statements\": [{\"keyword\": \"a\", \"args\": [\"x\\ny\"]}]}",
            "{\"statements\": [{\"keyword\": \"a\\\"\"}]}",
            "{\"statements\": [{\"keyword\": \"a\", \"raw\": \"x\\n}\"}]}",
            "{\"statements\": [{\"keyword\": \"a\", \"arguments\": []}]}",
            "[]",
        ] {
            assert!(from_json(text).is_err(), "{text}");
        }
    }
}
