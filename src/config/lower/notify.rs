//! What `global_defs` says about telling others: FIFOs, mail, scripts of the program itself.

use std::path::PathBuf;
use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::keywords::Keyword;
use super::super::plan::{Fifo, Fifos, Global, Mail, OneShot, Script, ScriptUser};
use super::super::source::Span;
use super::super::tree::Statement;
use super::context::Context;
use super::global::{flag, replace};
use super::script;

/// keepalived.conf(5): `smtp_server` without a port.
const SMTP_PORT: u16 = 25;
/// keepalived.conf(5): `smtp_connect_timeout`.
const SMTP_TIMEOUT: Duration = Duration::from_secs(30);
/// keepalived.conf(5): `startup_script_timeout`, `shutdown_script_timeout`.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct FifoDraft {
    path: Option<(PathBuf, Option<ScriptUser>, Span)>,
    script: Option<Script>,
}

/// As read so far, with what instances inherit.
#[derive(Debug, Default)]
pub(super) struct NotifyDraft {
    all: FifoDraft,
    vrrp: FifoDraft,
    lvs: FifoDraft,
    states_on_reload: bool,
    pub priority_changes: bool,
    server: Option<(String, u16)>,
    helo: Option<String>,
    from: Option<String>,
    to: Vec<String>,
    timeout: Option<Duration>,
    mails: Option<bool>,
    mails_of_vrrp: Option<bool>,
    mails_of_checkers: Option<bool>,
    startup: (Option<Script>, Option<Duration>),
    shutdown: (Option<Script>, Option<Duration>),
    /// Where mail was asked for.
    wants_mail: Option<Span>,
    findings: Vec<Diagnostic>,
}

impl NotifyDraft {
    /// Takes the keyword if it is one of these.
    pub fn read(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        match keyword.name {
            "notify_fifo" => self.all.path(cx, at),
            "notify_fifo_script" => self.all.script(cx, at),
            "vrrp_notify_fifo" => self.vrrp.path(cx, at),
            "vrrp_notify_fifo_script" => self.vrrp.script(cx, at),
            "lvs_notify_fifo" => self.lvs.path(cx, at),
            "lvs_notify_fifo_script" => self.lvs.script(cx, at),
            "fifo_write_vrrp_states_on_reload" => self.states_on_reload = true,
            "vrrp_notify_priority_changes" => flag(cx, at, &mut self.priority_changes),
            "startup_script" => one_shot(cx, at, &mut self.startup.0),
            "shutdown_script" => one_shot(cx, at, &mut self.shutdown.0),
            "startup_script_timeout" => replace(&mut self.startup.1, cx.duration(at, keyword)),
            "shutdown_script_timeout" => replace(&mut self.shutdown.1, cx.duration(at, keyword)),
            _ => return self.mail(cx, at, keyword),
        }
        true
    }

    fn mail(&mut self, cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> bool {
        let alert = match keyword.name {
            "notification_email" => {
                self.recipients(cx, at);
                return true;
            }
            "notification_email_from" => {
                replace(&mut self.from, mailbox(cx, at));
                return true;
            }
            "smtp_server" => {
                replace(&mut self.server, server(cx, at));
                return true;
            }
            "smtp_helo_name" => {
                replace(&mut self.helo, cx.string(at));
                return true;
            }
            "smtp_connect_timeout" => {
                replace(&mut self.timeout, timeout(cx, at, keyword));
                return true;
            }
            "smtp_alert" => &mut self.mails,
            "smtp_alert_vrrp" => &mut self.mails_of_vrrp,
            "smtp_alert_checker" => &mut self.mails_of_checkers,
            _ => return false,
        };
        replace(alert, cx.flag(at));
        if *alert == Some(true) {
            self.wants_mail = Some(at.raw);
        }
        true
    }

    fn recipients(&mut self, cx: &mut Context<'_>, block: &Statement) {
        let tree = cx.tree;
        let before = self.to.len();
        for at in tree.children(block) {
            let words = cx.words(at);
            let text = words.iter().map(|word| cx.text(word.span)).collect::<Vec<_>>().join(" ");
            match bad_mailbox(&text) {
                Some(why) => cx.bad("bad-mail-address", at, at.raw, format!("`{text}` {why}")),
                None => self.to.push(text),
            }
        }
        if self.to.len() == before {
            cx.warn("empty-block", block, block.raw, "there is nobody to send mail to");
        }
    }

    /// What was asked for without what it needs, once the whole file is known.
    pub fn findings(&mut self) -> Vec<Diagnostic> {
        if let Some(at) = self.wants_mail
            && (self.server.is_none() || self.to.is_empty())
        {
            let lacking = if self.server.is_none() { "smtp_server" } else { "notification_email" };
            let message = format!("mail is asked for, but there is no {lacking}");
            let finding = Diagnostic::warning("mail-goes-nowhere", at, message);
            self.findings.push(finding.label("no mail is sent").help(match lacking {
                "smtp_server" => "smtp_server 127.0.0.1",
                _ => "notification_email { admin@example.com }",
            }));
        }
        // One path is one FIFO: the general one goes before, as in keepalived.
        let all = self.all.known();
        self.vrrp.differ_from(std::slice::from_ref(&all), &mut self.findings);
        let vrrp = self.vrrp.known();
        self.lvs.differ_from(&[all, vrrp], &mut self.findings);
        std::mem::take(&mut self.findings)
    }

    /// Whether instances and groups send mail where they do not say.
    pub fn mails_of_vrrp(&self) -> bool {
        self.mails_of_vrrp.or(self.mails).unwrap_or(false)
    }

    /// Puts it all into the plan.
    pub fn finish(self, plan: &mut Global) {
        let (all, vrrp, lvs) = (self.all.finish(), self.vrrp.finish(), self.lvs.finish());
        plan.fifos = Fifos { all, vrrp, lvs, states_on_reload: self.states_on_reload };
        plan.mail_of_checkers = self.mails_of_checkers.or(self.mails);
        let one_shot = |(script, timeout): (Option<Script>, Option<Duration>)| {
            let timeout = timeout.unwrap_or(SCRIPT_TIMEOUT);
            script.map(|script| OneShot { script, timeout })
        };
        plan.startup_script = one_shot(self.startup);
        plan.shutdown_script = one_shot(self.shutdown);
        let to = self.to;
        plan.mail = self.server.filter(|_| !to.is_empty()).map(|(server, port)| Mail {
            server,
            port,
            helo: self.helo,
            from: self.from,
            to,
            timeout: self.timeout.unwrap_or(SMTP_TIMEOUT),
        });
    }
}

impl FifoDraft {
    fn path(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(Script { mut argv, user }) = script::read(cx, at) else { return };
        if argv.len() > 1 {
            let message = format!("`{}` is no path of a FIFO", argv.join(" "));
            return cx.bad("bad-value", at, at.raw, message);
        }
        let Some(path) = argv.pop() else { return };
        if !path.starts_with('/') {
            let message = format!("`{path}` is relative: it depends on where the program starts");
            cx.warn("relative-path", at, at.raw, message);
        }
        cx.set_once(at, &mut self.path, Some((path.into(), user, at.raw)));
    }

    fn script(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let script = script::read(cx, at);
        cx.set_once(at, &mut self.script, script);
    }

    fn known(&self) -> Option<PathBuf> {
        self.path.as_ref().map(|(path, ..)| path.clone())
    }

    fn differ_from(&mut self, others: &[Option<PathBuf>], findings: &mut Vec<Diagnostic>) {
        let same = |(path, ..): &mut (PathBuf, _, _)| others.contains(&Some(path.clone()));
        if let Some((path, _, at)) = self.path.take_if(same) {
            let message = format!("{} is another FIFO's path already", path.display());
            let finding = Diagnostic::error("duplicate", at, message);
            findings.push(finding.label("this one is left out"));
        }
    }

    fn finish(self) -> Option<Fifo> {
        let (path, user, _) = self.path?;
        Some(Fifo { path, user, script: self.script })
    }
}

fn one_shot(cx: &mut Context<'_>, at: &Statement, slot: &mut Option<Script>) {
    let script = script::read(cx, at);
    cx.set_once(at, slot, script);
}

/// `HOST [PORT]`. Names are looked up when mail is sent.
fn server(cx: &mut Context<'_>, at: &Statement) -> Option<(String, u16)> {
    let host = cx.argument(at)?;
    cx.no_more_than(at, 2);
    let name = cx.text(host.span);
    if name.parse::<std::net::IpAddr>().is_err() {
        // keepalived looks it up at once, and has no server if that fails.
        let message = format!("smtp_server {name} is a name: it is looked up for each mail");
        cx.push(Diagnostic::note("looked-up-later", host.span, message).label(cx.place(at)));
    }
    let port = match cx.words(at).get(2).copied() {
        Some(word) => match cx.number_in(at, "port", word, (1, 65_535)) {
            Some(port) => u16::try_from(port).ok()?,
            None => return None,
        },
        None => SMTP_PORT,
    };
    Some((cx.text(host.span).to_owned(), port))
}

/// As keepalived: 0 means 1.
fn timeout(cx: &mut Context<'_>, at: &Statement, keyword: &Keyword) -> Option<Duration> {
    let timeout = cx.duration(at, keyword)?;
    if timeout.is_zero() {
        cx.warn("number-out-of-range", at, at.raw, "smtp_connect_timeout 0 is taken as 1");
    }
    Some(timeout.max(Duration::from_secs(1)))
}

fn mailbox(cx: &mut Context<'_>, at: &Statement) -> Option<String> {
    let text = cx.string(at)?;
    match bad_mailbox(&text) {
        Some(why) => {
            cx.bad("bad-mail-address", at, at.raw, format!("`{text}` {why}"));
            None
        }
        None => Some(text),
    }
}

/// What is wrong with a mailbox as far as it would break the conversation: `NAME <ADDRESS>`, or an
/// address alone, of printable characters.
fn bad_mailbox(text: &str) -> Option<&'static str> {
    let address = match (text.find('<'), text.ends_with('>')) {
        (Some(open), true) => &text[open + 1..text.len() - 1],
        (None, false) => text,
        _ => return Some("has one angle bracket only"),
    };
    if text.chars().any(char::is_control) {
        Some("contains control characters")
    } else if address.is_empty() || address.contains(char::is_whitespace) {
        Some("is no mail address; one with a name reads \"NAME <user@host>\"")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
