//! File name patterns: `*`, `?`, `[a-z]` and `{one,two}`, as keepalived's `include` takes them.

use std::path::{Path, PathBuf};

/// Alternatives that braces may multiply to.
const MOST_ALTERNATIVES: usize = 1000;

/// The files that each alternative of `pattern` names, sorted. A name without wildcards is given
/// back only if something of that name exists.
pub(super) fn matches(pattern: &str) -> Vec<Vec<PathBuf>> {
    alternatives(pattern).iter().map(|one| walk(one)).collect()
}

/// `a{b,c}d` as `abd`, `acd`. Braces that do not pair stay as they are.
fn alternatives(pattern: &str) -> Vec<String> {
    let (mut done, mut open) = (Vec::new(), vec![pattern.to_owned()]);
    while let Some(next) = open.pop() {
        match first_braces(&next) {
            Some((start, end)) if open.len() + done.len() < MOST_ALTERNATIVES => {
                let (before, after) = (&next[..start], &next[end + 1..]);
                let choices = split_choices(&next[start + 1..end]);
                open.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
            }
            _ => done.push(next),
        }
    }
    done
}

/// The first `{` that is closed, and its `}`.
fn first_braces(pattern: &str) -> Option<(usize, usize)> {
    let start = pattern.find('{')?;
    let mut depth = 0;
    for (at, octet) in pattern.bytes().enumerate().skip(start) {
        match octet {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some((start, at)),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits at the commas that are in no further braces.
fn split_choices(inside: &str) -> Vec<&str> {
    let (mut depth, mut start, mut choices) = (0, 0, Vec::new());
    for (at, octet) in inside.bytes().enumerate() {
        match octet {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                choices.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    choices.push(&inside[start..]);
    choices
}

/// Follows the path component by component, reading a directory only where one is a pattern.
fn walk(pattern: &str) -> Vec<PathBuf> {
    let root = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = vec![PathBuf::from(root)];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        found = if component.contains(['*', '?', '[']) {
            found.iter().flat_map(|directory| entries(directory, component)).collect()
        } else {
            found.into_iter().map(|directory| directory.join(component)).collect()
        };
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    found
}

/// Entries of `directory` whose name matches, sorted. Hidden ones only if the pattern says so.
fn entries(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let path = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(listing) = std::fs::read_dir(path) else { return Vec::new() };
    let hidden_wanted = pattern.starts_with('.');
    let mut names: Vec<_> = listing
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| hidden_wanted || !name.starts_with('.'))
        .filter(|name| matches_name(pattern.as_bytes(), name.as_bytes()))
        .collect();
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}

/// Whether `name` matches. On a mismatch only the last `*` is tried with more: never exponential.
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match one(&pattern[p.min(pattern.len())..], name[n]) {
            Step::Star => {
                star = Some((p, n));
                p += 1;
            }
            Step::Match(length) => {
                p += length;
                n += 1;
            }
            Step::Mismatch => {
                let Some((star_at, from)) = star else { return false };
                star = Some((star_at, from + 1));
                (p, n) = (star_at + 1, from + 1);
            }
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|&octet| octet == b'*')
}

enum Step {
    Star,
    /// The octet matches; this much of the pattern is used up.
    Match(usize),
    Mismatch,
}

fn one(pattern: &[u8], octet: u8) -> Step {
    match pattern.first() {
        Some(b'*') => Step::Star,
        Some(b'?') => Step::Match(1),
        Some(b'[') => set(pattern, octet),
        Some(&plain) if plain == octet => Step::Match(1),
        _ => Step::Mismatch,
    }
}

/// `[abc]`, `[a-z]`, `[!a]` at the start of `pattern`; an unclosed one is a plain bracket.
fn set(pattern: &[u8], octet: u8) -> Step {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let Some(length) = pattern.iter().skip(first + 1).position(|&o| o == b']') else {
        return if octet == b'[' { Step::Match(1) } else { Step::Mismatch };
    };
    let members = &pattern[first..first + 1 + length];
    let (mut at, mut inside) = (0, false);
    while at < members.len() {
        if members.get(at + 1) == Some(&b'-') && at + 2 < members.len() {
            inside |= (members[at]..=members[at + 2]).contains(&octet);
            at += 3;
        } else {
            inside |= members[at] == octet;
            at += 1;
        }
    }
    if inside != negated { Step::Match(first + 2 + length) } else { Step::Mismatch }
}
