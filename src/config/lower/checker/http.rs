//! HTTP_GET: its urls, and what a page must be like.

use std::time::Duration;

use super::super::super::keywords::Keyword;
use super::super::super::source::Span;
use super::super::super::tree::Statement;
use super::super::context::Context;
use super::super::global::{flag, replace};
use super::Inherited;
use super::connect::ConnectDraft;
use super::url::url;
use crate::probe::{HttpProbe, HttpVersion, Tls, Url};

#[derive(Debug, Default)]
pub(super) struct HttpDraft {
    pub connect: ConnectDraft,
    /// SSL_GET.
    pub tls: Option<Tls>,
    pub version: HttpVersion,
    pub virtual_host: Option<String>,
    pub fast_recovery: bool,
    pub urls: Vec<Url>,
    /// A url was reported to be no good.
    pub bad_url: bool,
}

impl HttpDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "virtualhost" => replace(&mut self.virtual_host, cx.string(at)),
            "http_protocol" => self.version(cx, at),
            "fast_recovery" => flag(cx, at, &mut self.fast_recovery),
            "url" => match url(cx, at, self.name()) {
                Some(url) => self.urls.push(url),
                None => self.bad_url = true,
            },
            other => return self.tls.as_mut().is_some_and(|tls| tls_keyword(tls, cx, at, other)),
        }
        true
    }

    fn name(&self) -> &'static str {
        if self.tls.is_some() { "SSL_GET" } else { "HTTP_GET" }
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
            tls: self.tls,
        }
    }
}

/// What only SSL_GET knows.
fn tls_keyword(tls: &mut Tls, cx: &mut Context<'_>, at: &Statement, name: &str) -> bool {
    match name {
        "enable_sni" => flag(cx, at, &mut tls.sni),
        "sni_name" => {
            tls.sni = true;
            if cx.words(at).len() > 1 {
                replace(&mut tls.sni_name, cx.string(at));
            }
        }
        "tls_compliant" => flag(cx, at, &mut tls.compliant),
        _ => return false,
    }
    true
}
