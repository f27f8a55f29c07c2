//! When checkers try: said at virtual server, real server or checker; the nearest counts.

use std::time::Duration;

use super::super::keywords::Keyword;
use super::super::tree::Statement;
use super::context::Context;
use super::global::replace;
use crate::check::Timing;

/// keepalived.conf(5), virtual_server: `delay_loop`.
const DELAY_LOOP: Duration = Duration::from_secs(60);

/// keepalived.conf(5), virtual_server: `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What one level said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TimingDraft {
    pub delay_loop: Option<Duration>,
    pub retry: Option<u32>,
    pub delay_before_retry: Option<Duration>,
    pub warmup: Option<Duration>,
    pub connect_timeout: Option<Duration>,
    pub alpha: Option<bool>,
}

/// What a kind of checker has where nobody said anything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub retry: u32,
    pub delay_before_retry: Duration,
}

impl TimingDraft {
    /// Takes the keyword if it is about timing.
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "delay_loop" => replace(&mut self.delay_loop, cx.duration(at, keyword)),
            "retry" | "nb_get_retry" => replace(&mut self.retry, cx.number(at, keyword)),
            "delay_before_retry" => replace(&mut self.delay_before_retry, cx.duration(at, keyword)),
            "warmup" => replace(&mut self.warmup, cx.duration(at, keyword)),
            "connect_timeout" => replace(&mut self.connect_timeout, cx.duration(at, keyword)),
            "alpha" => replace(&mut self.alpha, cx.flag(at)),
            _ => return false,
        }
        true
    }

    /// Fills the gaps from the level above.
    pub fn or(self, outer: TimingDraft) -> Self {
        Self {
            delay_loop: self.delay_loop.or(outer.delay_loop),
            retry: self.retry.or(outer.retry),
            delay_before_retry: self.delay_before_retry.or(outer.delay_before_retry),
            warmup: self.warmup.or(outer.warmup),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            alpha: self.alpha.or(outer.alpha),
        }
    }

    pub fn delay_loop(&self) -> Duration {
        self.delay_loop.unwrap_or(DELAY_LOOP)
    }

    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(CONNECT_TIMEOUT)
    }

    pub fn finish(&self, defaults: Defaults) -> Timing {
        Timing {
            delay_loop: self.delay_loop(),
            retry: self.retry.unwrap_or(defaults.retry),
            delay_before_retry: self.delay_before_retry.unwrap_or(defaults.delay_before_retry),
            warmup: self.warmup.unwrap_or(self.delay_loop()),
            alpha: self.alpha.unwrap_or(false),
        }
    }
}
