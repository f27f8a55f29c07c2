//! The keyword part of mainstay.conf(5), written from the keyword table: man(7) source.
//!
//! `tests/documents.rs` keeps the manual page equal to it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::keywords::{Keyword, Support, Table, table};

/// Rows about the language rather than about keywords; the manual tells those in its own words.
const LANGUAGE: &str = "syntax";

/// Keywords in the order of the table: what each supported one takes and means, then those that
/// are accepted without effect, those that are refused, and those that are not supported yet.
pub fn man_section() -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_all(&mut out, table());
    out
}

fn write_all(out: &mut String, table: &Table) -> fmt::Result {
    writeln!(out, ".SH KEYWORDS")?;
    for block in blocks(table) {
        supported(out, table, block)?;
    }
    writeln!(out, ".SH ACCEPTED WITHOUT EFFECT")?;
    by_reason(out, table, |support| match support {
        Support::NoEffect(why) => Some(why),
        _ => None,
    })?;
    writeln!(out, ".SH REFUSED")?;
    writeln!(out, "What these belong to does not run, since running without them would do harm.")?;
    by_reason(out, table, |support| match support {
        Support::Refused(why) => Some(why),
        _ => None,
    })?;
    writeln!(out, ".SH NOT SUPPORTED YET")?;
    writeln!(out, "Each is left out with a warning that says so, a block with all that is in it.")?;
    blocks(table).into_iter().try_for_each(|block| not_yet(out, table, block))
}

/// Blocks that are read, in the order of the table.
fn blocks(table: &Table) -> Vec<&'static str> {
    let mut blocks: Vec<&'static str> = Vec::new();
    for row in table.rows().iter().filter(|row| row.block != LANGUAGE) {
        if !blocks.contains(&row.block) && is_read(table, row.block) {
            blocks.push(row.block);
        }
    }
    blocks
}

/// Whether the block at `path`, and so every block around it, is supported.
fn is_read(table: &Table, path: &str) -> bool {
    let (outer, name) = match path.rsplit_once('/') {
        None if path == "top" => return true,
        None => ("top", path),
        Some(parts) => parts,
    };
    let row = table.block(outer).and_then(|block| table.get(block, name));
    row.is_some_and(|row| row.support == Support::Supported) && is_read(table, outer)
}

fn of_block<'t>(table: &'t Table, block: &str) -> impl Iterator<Item = &'t Keyword> {
    table.rows().iter().filter(move |row| row.block == block)
}

fn supported(out: &mut String, table: &Table, block: &str) -> fmt::Result {
    let mut rows = of_block(table, block).filter(|row| row.support == Support::Supported);
    let Some(first) = rows.next() else { return Ok(()) };
    writeln!(out, ".SS {}", title(block))?;
    std::iter::once(first).chain(rows).try_for_each(|row| keyword(out, row))
}

/// `In virtual_server, real_server`; the file itself for `top`.
fn title(block: &str) -> String {
    match block {
        "top" => "In the file".to_owned(),
        path => format!("In {}", path.replace('/', ", ")),
    }
}

fn keyword(out: &mut String, row: &Keyword) -> fmt::Result {
    let (words, range) = grammar(row.args);
    let name = if row.name.starts_with('<') { "" } else { row.name };
    writeln!(out, ".TP")?;
    match (name, words.as_str()) {
        (name, "") => writeln!(out, ".B {}", escaped(name))?,
        ("", words) => writeln!(out, ".I {}", escaped(words))?,
        (name, words) => writeln!(out, ".BI {} \" {}\"", escaped(name), escaped(words))?,
    }
    match row.alias_of {
        Some(other) => writeln!(out, "Another name for\n.BR {} .", escaped(other))?,
        None => writeln!(out, "{}", sentence(row.meaning))?,
    }
    if row.is_own() {
        writeln!(out, "Mainstay\\(aqs own.")?;
    }
    if let Some(range) = range {
        writeln!(out, "{}", escaped(&range))?;
    }
    match row.default {
        "-" | "" => Ok(()),
        "- (mandatory)" => writeln!(out, "Mandatory."),
        default => writeln!(out, "Default: {}.", escaped(default)),
    }
}

/// The table's grammar for readers of a manual, and a sentence about the first number in it:
/// `<uint 1..255> seconds` is `NUMBER`, and `Range 1 to 255 seconds.`
fn grammar(args: &str) -> (String, Option<String>) {
    if args == "(none)" || args.starts_with("(token") {
        return (String::new(), None);
    }
    let (mut words, mut range, mut rest) = (String::new(), None, args);
    while let Some((before, (inside, after))) =
        rest.split_once('<').and_then(|(before, tail)| Some((before, tail.split_once('>')?)))
    {
        let (kind, bounds) = inside.split_once(' ').unwrap_or((inside, ""));
        let (kind, bounds) = if kind.contains("..") { ("int", kind) } else { (kind, bounds) };
        words += before;
        words += if matches!(kind, "timer" | "decimal") { "SECONDS" } else { "NUMBER" };
        rest = after;
        if let Some((unit, tail)) = after.strip_prefix(' ').map(first_word)
            && matches!(unit, "seconds" | "usec")
        {
            (range, rest) = (range.or_else(|| bounds_of(bounds, unit)), tail);
        } else {
            range = range.or_else(|| bounds_of(bounds, ""));
        }
    }
    words += rest;
    let words = words.replace("{block}", "{ … }").replace("{list-block}", "{ … }");
    (words.trim().to_owned(), range)
}

fn first_word(text: &str) -> (&str, &str) {
    text.split_at(text.find([' ', ']']).unwrap_or(text.len()))
}

fn bounds_of(bounds: &str, unit: &str) -> Option<String> {
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    match bounds.split_once("..") {
        None => unit.strip_prefix(' ').map(|unit| format!("In {unit}.")),
        Some((least, "")) => Some(format!("At least {least}{unit}.")),
        Some((least, greatest)) => Some(format!("Range {least} to {greatest}{unit}.")),
    }
}

/// Keywords of read blocks for which `reason` says something, gathered by what it says.
fn by_reason(
    out: &mut String,
    table: &Table,
    reason: impl Fn(Support) -> Option<&'static str>,
) -> fmt::Result {
    let mut gathered: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for block in blocks(table) {
        for row in of_block(table, block) {
            if let Some(why) = reason(row.support) {
                gathered.entry(why).or_default().push(place(row));
            }
        }
    }
    for (why, mut keywords) in gathered {
        keywords.dedup();
        writeln!(out, ".TP")?;
        writeln!(out, "{}", sentence(why))?;
        writeln!(out, "{}", escaped(&keywords.join(", ")))?;
    }
    Ok(())
}

/// The keyword, with its block where that is neither the file nor `global_defs`.
fn place(row: &Keyword) -> String {
    match row.block {
        "top" | "global_defs" => row.name.to_owned(),
        block => format!("{} ({})", row.name, block.rsplit('/').next().unwrap_or(block)),
    }
}

fn not_yet(out: &mut String, table: &Table, block: &str) -> fmt::Result {
    let rows = of_block(table, block).filter(|row| matches!(row.support, Support::NotYet(_)));
    let names: Vec<&str> = rows.map(|row| row.name).filter(|name| *name != "<entry>").collect();
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, ".TP")?;
    writeln!(out, "{}", title(block))?;
    writeln!(out, "{}", escaped(&names.join(", ")))
}

/// A sentence that begins like one and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let begun: String = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default();
    let stop = if begun.ends_with('.') { "" } else { "." };
    escaped(&format!("{begun}{stop}"))
}

/// Text as man(7) source: nothing in it is a request or an escape, and what can be typed keeps
/// its ASCII characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        match letter {
            '\\' => out.push_str("\\e"),
            '.' | '\'' if at == 0 => {
                out.push_str("\\&");
                out.push(letter);
            }
            '-' => out.push_str("\\-"),
            '"' => out.push_str("\\(dq"),
            '\'' => out.push_str("\\(aq"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '`' => out.push_str("\\(ga"),
            // A long line may be broken behind it.
            '|' => out.push_str("|\\:"),
            '…' => out.push_str("..."),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammars_give_a_word_and_a_range_with_its_unit() {
        let shown = |args| grammar(args);
        assert_eq!(shown("(none)"), (String::new(), None));
        assert_eq!(shown("<uint 1..255>"), ("NUMBER".into(), Some("Range 1 to 255.".into())));
        assert_eq!(
            shown("[<uint 1..2678400> seconds]"),
            ("[NUMBER]".into(), Some("Range 1 to 2678400 seconds.".into()))
        );
        assert_eq!(
            shown("<timer 0.000001..>"),
            ("SECONDS".into(), Some("At least 0.000001.".into()))
        );
        assert_eq!(shown("<uint>"), ("NUMBER".into(), None));
        assert_eq!(shown("<uint> seconds"), ("NUMBER".into(), Some("In seconds.".into())));
        assert_eq!(shown("IP [PORT] {block}"), ("IP [PORT] { … }".into(), None));
    }

    #[test]
    fn no_text_becomes_a_request_or_an_escape() {
        assert_eq!(escaped(".so \\n"), "\\&.so \\en");
        assert_eq!(escaped("-nodad"), "\\-nodad");
    }

    #[test]
    fn every_keyword_of_a_read_block_is_told_of_once() {
        let section = man_section();
        for name in ["nopreempt", "vrrp_sync_group", "unicast_peer", "smtp_server"] {
            assert!(section.contains(name), "{name}");
        }
        // Inside blocks that are left out as a whole.
        for row in table().rows().iter().filter(|row| row.takes_block) {
            if let Support::NotYet(_) = row.support {
                let block = format!("{}/{}", row.block, row.name).replace("top/", "");
                let heading = format!(".SS In {}\n", block.replace('/', ", "));
                assert!(!section.contains(&heading), "{heading}");
            }
        }
    }
}
