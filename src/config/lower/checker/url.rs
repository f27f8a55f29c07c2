//! `url` blocks: a page, and what it must be like.

use super::super::super::diagnostic::Diagnostic;
use super::super::super::source::Span;
use super::super::super::tree::Statement;
use super::super::super::value;
use super::super::context::Context;
use super::super::global::{flag, replace};
use super::super::script;
use super::wishes::WishesDraft;
use crate::probe::pattern::Options;
use crate::probe::{Pattern, Url};

/// One `url` block, and what of it the checker may have to say more about; `None` without a path.
pub(super) fn url(cx: &mut Context<'_>, block: &Statement) -> Option<(Url, WishesDraft)> {
    let tree = cx.tree;
    let id = cx.inside(block)?;
    let (mut path, mut virtual_host, mut digest, mut status) = (None, None, None, Vec::new());
    let (mut pattern, mut tls_compliant) = (PatternDraft::default(), false);
    let mut wishes = WishesDraft::default();
    for at in tree.children(block) {
        let Some(keyword) = cx.keyword(id, at) else { continue };
        match keyword.name {
            "path" => replace(&mut path, cx.string(at)),
            "virtualhost" => replace(&mut virtual_host, cx.string(at)),
            "digest" => {
                let value = self::digest(cx, at);
                cx.set_once(at, &mut digest, value);
            }
            "status_code" => status_codes(cx, at, &mut status),
            "tls_compliant" => flag(cx, at, &mut tls_compliant),
            _ if wishes.read(cx, at, keyword) => {}
            name => pattern.read(cx, at, name),
        }
    }
    let Some(path) = path else {
        let finding = Diagnostic::error("incomplete-checker", block.raw, "url lacks its path");
        cx.push(finding.label("the server is served without this check").help("path /"));
        return None;
    };
    if status.is_empty() {
        status.push((200, 299));
    }
    let pattern = pattern.finish(cx);
    let url = Url { path, virtual_host, digest, status, tls_compliant, pattern, wishes: None };
    Some((url, wishes))
}

fn digest(cx: &mut Context<'_>, at: &Statement) -> Option<[u8; 16]> {
    let word = cx.only_argument(at)?;
    let text = cx.text(word.span);
    let digest = value::md5(text);
    if digest.is_none() {
        let message = match text.chars().count() {
            32 => "the digest has characters that are no hexadecimal digits".to_owned(),
            length => format!("the digest has {length} characters; an MD5 digest has 32"),
        };
        let place = cx.place(at);
        cx.push(
            Diagnostic::error("bad-digest", word.span, message)
                .label(place)
                .help("mainstay genhash -s ADDRESS -p PORT -u PATH prints it"),
        );
    }
    digest
}

fn status_codes(cx: &mut Context<'_>, at: &Statement, out: &mut Vec<(u16, u16)>) {
    if cx.argument(at).is_none() {
        return;
    }
    for word in &cx.words(at)[1..] {
        let text = cx.text(word.span);
        match value::code_range(text) {
            Some((first, last)) if 100 <= first && first <= last && last <= 599 => {
                out.push((first, last));
            }
            _ => {
                let message = format!("status_code `{text}` is no code or range within 100-599");
                cx.bad("bad-value", at, word.span, message);
            }
        }
    }
}

/// `regex` and its companions, in whatever order they come.
#[derive(Debug, Default)]
struct PatternDraft {
    regex: Option<(String, Span)>,
    options: Options,
    absent: bool,
    min_offset: u64,
    max_offset: Option<u64>,
}

impl PatternDraft {
    fn read(&mut self, cx: &mut Context<'_>, at: &Statement, name: &str) {
        match name {
            "regex" => {
                let word = script::read_word(cx, at);
                replace(&mut self.regex, word.map(|word| (word, at.raw)));
            }
            "regex_no_match" => self.absent = true,
            "regex_options" => self.options(cx, at),
            "regex_min_offset" => self.min_offset = offset(cx, at).unwrap_or(0),
            "regex_max_offset" => self.max_offset = offset(cx, at),
            other => debug_assert!(false, "no arm for {other}"),
        }
    }

    fn options(&mut self, cx: &mut Context<'_>, at: &Statement) {
        if cx.argument(at).is_none() {
            return;
        }
        for word in &cx.words(at)[1..] {
            let name = cx.text(word.span);
            match name {
                "caseless" => self.options.caseless = true,
                "multiline" => self.options.multiline = true,
                "dotall" => self.options.dotall = true,
                "extended" => self.options.extended = true,
                "ungreedy" => self.options.ungreedy = true,
                "utf" | "ucp" => self.options.unicode = true,
                "dollar_endonly" => self.options.dollar_endonly = true,
                "allow_empty_class" => self.options.empty_class = true,
                "alt_bsux" => self.options.alt_bsux = true,
                "firstline" => self.options.first_line = true,
                // What PCRE2 is to do faster, or not to allow, makes no difference here; `^` behind a
                // newline at the end matches anyhow, and there are no back-references.
                "alt_circumflex"
                | "match_unset_backref"
                | "auto_callout"
                | "never_ucp"
                | "never_utf"
                | "no_auto_capture"
                | "no_auto_possess"
                | "no_dotstar_anchor"
                | "no_start_optimize"
                | "never_backslash_c"
                | "dupnames"
                | "alt_verbnames"
                | "use_offset_limit" => {}
                _ => {
                    let message = format!("regex option `{name}` is not supported; ignored");
                    cx.warn("regex-option", at, word.span, message);
                }
            }
        }
    }

    /// The pattern, if there is one that can be used.
    fn finish(self, cx: &mut Context<'_>) -> Option<Pattern> {
        let (source, at) = self.regex?;
        // As keepalived: an end not behind the beginning bounds nothing, nor does the beginning then.
        let bounded = self.max_offset.is_none_or(|most| most > self.min_offset);
        match Pattern::new(&source, self.options) {
            Ok(mut pattern) => {
                pattern.absent = self.absent;
                if bounded {
                    (pattern.min_offset, pattern.max_offset) = (self.min_offset, self.max_offset);
                }
                Some(pattern)
            }
            Err(bad) => {
                let why = bad.to_string();
                let why = why.lines().last().unwrap_or_default();
                let message = format!("regex `{source}` cannot be used: {why}");
                cx.push(
                    Diagnostic::error("bad-regex", at, message)
                        .label("the page is accepted without this test")
                        .help(PATTERN_HELP),
                );
                None
            }
        }
    }
}

const PATTERN_HELP: &str = "look-around, back-references and atomic groups of PCRE2 are not \
                            supported; say what must not be there with regex_no_match";

fn offset(cx: &mut Context<'_>, at: &Statement) -> Option<u64> {
    let word = cx.only_argument(at)?;
    let text = cx.text(word.span);
    let offset = text.parse().ok();
    if offset.is_none() {
        cx.bad("not-a-number", at, word.span, format!("offset `{text}` is not a number"));
    }
    offset
}
