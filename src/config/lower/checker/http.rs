//! HTTP_GET: its urls, and what a page must be like.

use std::time::Duration;

use super::super::super::diagnostic::Diagnostic;
use super::super::super::keywords::Keyword;
use super::super::super::source::Span;
use super::super::super::tree::Statement;
use super::super::super::value;
use super::super::context::Context;
use super::super::global::replace;
use super::Inherited;
use super::connect::ConnectDraft;
use crate::probe::{HttpProbe, HttpVersion, Url};

#[derive(Debug, Default)]
pub(super) struct HttpDraft {
    pub connect: ConnectDraft,
    version: HttpVersion,
    virtual_host: Option<String>,
    fast_recovery: bool,
    pub urls: Vec<Url>,
    /// A url was reported to be no good.
    pub bad_url: bool,
}

impl HttpDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "virtualhost" => replace(&mut self.virtual_host, cx.string(at)),
            "http_protocol" => self.version(cx, at),
            "fast_recovery" => super::super::global::flag(cx, at, &mut self.fast_recovery),
            "url" => match url(cx, at) {
                Some(url) => self.urls.push(url),
                None => self.bad_url = true,
            },
            _ => return false,
        }
        true
    }

    fn version(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        self.version = match cx.text(word.span) {
            "1.0" => HttpVersion::Http10,
            "1.0C" | "1.0c" => HttpVersion::Http10Close,
            "1.1" => HttpVersion::Http11,
            other => {
                let message = format!("http_protocol `{other}` is not 1.0, 1.0C or 1.1");
                return cx.bad("bad-value", at, word.span, message);
            }
        };
    }

    pub fn finish(
        mut self,
        cx: &mut Context<'_>,
        block: Span,
        from: &Inherited<'_>,
        timeout: Duration,
    ) -> HttpProbe {
        for url in &mut self.urls {
            let inherited = self.virtual_host.as_deref().or(from.virtual_host);
            url.virtual_host = url.virtual_host.take().or(inherited.map(str::to_owned));
        }
        self.urls.shrink_to_fit();
        HttpProbe {
            connect: self.connect.finish(cx, block, from, timeout),
            version: self.version,
            urls: self.urls,
            fast_recovery: self.fast_recovery,
        }
    }
}

/// One `url` block; `None` without a path.
fn url(cx: &mut Context<'_>, block: &Statement) -> Option<Url> {
    let tree = cx.tree;
    let id = cx.table.block("virtual_server/real_server/HTTP_GET/url")?;
    let (mut path, mut virtual_host, mut digest, mut status) = (None, None, None, Vec::new());
    for at in tree.children(block) {
        match cx.keyword(id, at).map(|keyword| keyword.name) {
            Some("path") => replace(&mut path, cx.string(at)),
            Some("virtualhost") => replace(&mut virtual_host, cx.string(at)),
            Some("digest") => {
                let value = self::digest(cx, at);
                cx.set_once(at, &mut digest, value);
            }
            Some("status_code") => status_codes(cx, at, &mut status),
            Some(_) | None => {}
        }
    }
    let Some(path) = path else {
        let finding = Diagnostic::error("incomplete-checker", block.raw, "url lacks its path");
        cx.push(finding.label("the server is served without this check"));
        return None;
    };
    if status.is_empty() {
        status.push((200, 299));
    }
    Some(Url { path, virtual_host, digest, status })
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
