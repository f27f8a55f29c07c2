//! HTTP_GET: its urls, and what a page must be like.

use std::time::Duration;

use super::super::super::keywords::Keyword;
use super::super::super::source::Span;
use super::super::super::tree::Statement;
use super::super::context::Context;
use super::super::global::{flag, replace};
use super::Inherited;
use super::connect::ConnectDraft;
use super::tls::TlsDraft;
use super::url::url;
use super::wishes::WishesDraft;
use crate::probe::{HttpProbe, HttpVersion, Pages, Url};

#[derive(Debug, Default)]
pub(super) struct HttpDraft {
    pub connect: ConnectDraft,
    /// SSL_GET.
    pub tls: Option<TlsDraft>,
    pub version: HttpVersion,
    pub virtual_host: Option<String>,
    pub fast_recovery: bool,
    pub urls: Vec<(Url, WishesDraft)>,
    /// For all urls.
    pub wishes: WishesDraft,
    /// A url was reported to be no good.
    pub bad_url: bool,
}

impl HttpDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "virtualhost" => replace(&mut self.virtual_host, cx.string(at)),
            "http_protocol" => self.version(cx, at),
            "fast_recovery" => flag(cx, at, &mut self.fast_recovery),
            "url" => match url(cx, at) {
                Some(url) => self.urls.push(url),
                None => self.bad_url = true,
            },
            _ if self.wishes.read(cx, at, keyword) => {}
            name => return self.tls.as_mut().is_some_and(|tls| tls.read(cx, at, name)),
        }
        true
    }

    fn version(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        self.version = match cx.text(word.span) {
            "1.0" => HttpVersion::Http10,
            "1.0C" | "1.0c" => HttpVersion::Http10Close,
            "1.1" => HttpVersion::Http11,
            "2" => HttpVersion::Http2,
            other => {
                let message = format!("http_protocol `{other}` is not 1.0, 1.0C, 1.1 or 2");
                return cx.bad("bad-value", at, word.span, message);
            }
        };
    }

    pub fn finish(
        self,
        cx: &mut Context<'_>,
        block: Span,
        from: &Inherited<'_>,
        timeout: Duration,
    ) -> HttpProbe {
        let inherited = self.virtual_host.as_deref().or(from.virtual_host);
        let mut urls = Vec::with_capacity(self.urls.len());
        for (mut url, wishes) in self.urls {
            url.virtual_host = url.virtual_host.or(inherited.map(str::to_owned));
            url.wishes = wishes.or(&self.wishes).finish();
            urls.push(url);
        }
        let pages = Pages {
            version: self.version,
            urls,
            fast_recovery: self.fast_recovery,
            tls: self.tls.map(|tls| Box::new(tls.finish(cx))),
        };
        let connect = self.connect.finish(cx, block, from, timeout);
        HttpProbe { connect, pages: cx.alike.pages.share(pages) }
    }
}
