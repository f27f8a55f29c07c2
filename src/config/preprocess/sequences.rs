//! `~SEQ(…)`, `~SEQx(…)` and `~LST(…)`: a line repeated for each value of a list.

use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::source::{Origin, Span};
use super::definitions::{DEEPEST, Expansion, reference};
use super::{LONGEST_LINE, Pending, Reader, trimmed};

/// Lines that repetitions may make in all.
pub(super) const MOST_LINES: usize = 1 << 18;

/// What is repeated: the names, one or several, and what they stand for each time.
struct Repetition {
    names: Vec<String>,
    values: Vec<Vec<String>>,
}

impl Reader<'_> {
    /// Puts the repeated lines in front of all that is still to come.
    pub(super) fn repeat(&mut self, line: Span, diagnostics: &mut Diagnostics) {
        let text = self.sources.text(line);
        let made = match split(text) {
            Some((construct, arguments, rest)) => {
                self.repetition(construct, arguments).map(|repetition| {
                    (repetition, trimmed(line.part(rest..text.len()), &text[rest..]))
                })
            }
            None => Err("a name and brackets belong here: ~SEQ(NAME, 1, 9) …".to_owned()),
        };
        match made {
            Ok((repetition, Some(rest))) if self.has_room_for(&repetition) => {
                self.lines_made += repetition.values.len();
                self.references.set(0);
                for values in repetition.values.iter().rev() {
                    let filled = self.fill(rest, &repetition.names, values);
                    if !self.has_room(line, filled.range().len(), diagnostics) {
                        break;
                    }
                    // Names that stand for nothing may leave nothing of the line.
                    if let Some(line) = trimmed(filled, self.sources.text(filled)) {
                        let pending = Pending { line, resolved: false, depth: self.depth };
                        self.pending.push_front(pending);
                    }
                }
            }
            Ok((_, None)) => diagnostics.push(bad(line, "nothing follows that could be repeated")),
            Ok((_, Some(_))) => {
                diagnostics.push(bad(line, &format!("that makes more than {MOST_LINES} lines")));
            }
            Err(why) => diagnostics.push(bad(line, &why)),
        }
    }

    fn has_room_for(&self, repetition: &Repetition) -> bool {
        repetition.values.len() <= MOST_LINES - self.lines_made
    }

    fn repetition(&self, construct: &str, arguments: &str) -> Result<Repetition, String> {
        let too_long = || "its definitions name themselves, or are too long".to_owned();
        let arguments = self.filled_in(arguments).ok_or_else(too_long)?;
        let arguments = arguments_of(&arguments);
        match construct {
            "~SEQ" => sequence(&arguments, |number| number.to_string()),
            "~SEQx" => {
                let is_step = |at: usize| at == 2 && arguments.len() == 4;
                let negative =
                    |(at, argument): (usize, &&str)| !is_step(at) && argument.starts_with('-');
                if arguments.iter().enumerate().skip(1).any(negative) {
                    return Err("~SEQx has no negative numbers".to_owned());
                }
                sequence(&arguments, |number| format!("{number:x}"))
            }
            "~LST" => list(&arguments),
            other => Err(format!("`{other}` is neither ~SEQ, ~SEQx nor ~LST")),
        }
    }

    /// `rest` with the `names` replaced by their `values`; all else stays.
    fn fill(&mut self, rest: Span, names: &[String], values: &[String]) -> Span {
        let text = self.sources.text(rest);
        let (mut expansion, mut at) = (Expansion::default(), 0);
        while let Some(length) = text[at..].find('$') {
            let next = at + length;
            expansion.copy(&text[at..next], rest.part(at..next));
            let found = reference(&text[next..]);
            at = next + found.as_ref().map_or(1, |found| found.end);
            let span = rest.part(next..at);
            match found.and_then(|found| self.bound(found.name, names, values, DEEPEST)) {
                Some(value) => expansion.replace(&value, span, None),
                None => expansion.copy(&text[next..at], span),
            }
        }
        expansion.copy(&text[at..], rest.part(at..text.len()));
        let name = self.sources.get(rest.source).name.clone();
        let length = expansion.text.len();
        let source = self.sources.add(name, expansion.text, Origin::Expanded(expansion.pieces));
        Span::new(source, 0..length)
    }
}

impl Reader<'_> {
    /// What `name` is while `names` are `values`: one of these, or a definition that names any of
    /// them, itself or by way of others. `None`: the same as always.
    fn bound(
        &self,
        name: &str,
        names: &[String],
        values: &[String],
        depth: usize,
    ) -> Option<String> {
        if let Some(place) = names.iter().position(|each| each == name) {
            return Some(values.get(place).cloned().unwrap_or_default());
        }
        let depth = depth.checked_sub(1).filter(|_| self.may_refer())?;
        let text = self.definition(name)?;
        let (mut out, mut at, mut speaks_of_them) = (String::new(), 0, false);
        while let Some(length) = text[at..].find('$').filter(|_| out.len() <= LONGEST_LINE) {
            let next = at + length;
            out.push_str(&text[at..next]);
            let found = reference(&text[next..]);
            at = next + found.as_ref().map_or(1, |found| found.end);
            let value = found.and_then(|found| self.bound(found.name, names, values, depth));
            speaks_of_them |= value.is_some();
            out.push_str(value.as_deref().unwrap_or(&text[next..at]));
        }
        out.push_str(&text[at..]);
        speaks_of_them.then_some(out)
    }
}

/// `~SEQ(arguments) rest` as construct, arguments and where the rest starts.
fn split(text: &str) -> Option<(&str, &str, usize)> {
    let open = text.find('(')?;
    let close = open + text[open..].find(')')?;
    Some((text[..open].trim_end(), &text[open + 1..close], close + 1))
}

/// Splits at commas outside braces.
fn arguments_of(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut arguments) = (0, 0, Vec::new());
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                arguments.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    arguments.push(text[start..].trim());
    arguments
}

/// `NAME, [START,] [STEP,] END`.
fn sequence(arguments: &[&str], word: impl Fn(i64) -> String) -> Result<Repetition, String> {
    let (name, numbers) = arguments.split_first().ok_or("the name is missing")?;
    let numbers = numbers.iter().map(|text| number(text)).collect::<Result<Vec<_>, _>>()?;
    let towards = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, step, end) = match numbers[..] {
        [end] => (if end < 0 { -1 } else { 1 }, if end < 0 { -1 } else { 1 }, end),
        [start, end] => (start, towards(start, end), end),
        [start, step, end] => (start, step, end),
        _ => return Err("it takes a name and one to three numbers".to_owned()),
    };
    if step == 0 || (start != end && step.signum() != towards(start, end)) {
        return Err(format!("steps of {step} do not lead from {start} to {end}"));
    }
    // One more than there is room for is enough to see that it is too many.
    let values = std::iter::successors(Some(start), |at| at.checked_add(step))
        .take_while(|at| if step > 0 { *at <= end } else { *at >= end })
        .take(MOST_LINES + 1)
        .map(|value| vec![word(value)])
        .collect();
    Ok(Repetition { names: vec![(*name).to_owned()], values })
}

/// A decimal number, an octal one with 0, a hexadecimal one with 0x in front.
fn number(text: &str) -> Result<i64, String> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let magnitude = if let Some(digits) = digits.strip_prefix("0x") {
        i64::from_str_radix(digits, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse::<u32>().map(i64::from)
    };
    magnitude.map(|value| sign * value).map_err(|_| format!("`{text}` is not a number"))
}

/// `NAME, V1, V2…` or `{A,B}, {a1,b1}, {a2,b2}…`.
fn list(arguments: &[&str]) -> Result<Repetition, String> {
    let (names, values) = arguments.split_first().ok_or("the name is missing")?;
    let inside = |text: &str| -> Vec<String> {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(inside) => inside.split(',').map(|part| part.trim().to_owned()).collect(),
            None => vec![text.to_owned()],
        }
    };
    let names = inside(names);
    let values: Vec<_> = values.iter().map(|value| inside(value)).collect();
    if values.iter().any(|values| values.len() > names.len()) {
        return Err("there are more values than names".to_owned());
    }
    Ok(Repetition { names, values })
}

fn bad(line: Span, why: &str) -> Diagnostic {
    Diagnostic::error("bad-sequence", line, format!("the line cannot be repeated: {why}"))
        .label("the line is left out")
}
