//! `authentication { … }` of VRRPv2.

use super::super::diagnostic::Diagnostic;
use super::super::plan::Authentication;
use super::super::source::Span;
use super::super::tree::Statement;
use super::context::Context;
use crate::wire::ah;

/// Octets that the packet has for a password (RFC 2338 §5.3.10).
const PASSWORD_OCTETS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct AuthenticationDraft {
    /// `auth_type`, and where.
    auth_type: Option<(AuthType, Span)>,
    password: Option<[u8; PASSWORD_OCTETS]>,
    /// `auth_pass` was there, good or not.
    password_named: bool,
    /// Another type was named, which has been reported.
    other_type: bool,
}

#[derive(Debug, Clone, Copy)]
enum AuthType {
    Pass,
    Ah,
}

impl AuthenticationDraft {
    pub fn read(&mut self, cx: &mut Context<'_>, block: &Statement) {
        let tree = cx.tree;
        let Some(id) = cx.table.block("vrrp_instance/authentication") else { return };
        for at in tree.children(block) {
            match cx.keyword(id, at).map(|keyword| keyword.name) {
                Some("auth_type") => self.auth_type(cx, at),
                Some("auth_pass") => self.auth_pass(cx, at),
                Some(_) | None => {}
            }
        }
    }

    fn auth_type(&mut self, cx: &mut Context<'_>, at: &Statement) {
        let Some(word) = cx.only_argument(at) else { return };
        let auth_type = match cx.text(word.span) {
            "PASS" => AuthType::Pass,
            "AH" => AuthType::Ah,
            other => {
                self.other_type = true;
                let message = format!("auth_type `{other}` is neither PASS nor AH");
                return cx.bad("bad-value", at, word.span, message);
            }
        };
        self.auth_type = Some((auth_type, at.raw));
    }

    fn auth_pass(&mut self, cx: &mut Context<'_>, at: &Statement) {
        self.password_named = true;
        let Some(word) = cx.only_argument(at) else { return };
        let letters = cx.text(word.span);
        let text = letters.as_bytes();
        if text.is_empty() {
            cx.warn("bad-value", at, at.raw, "auth_pass is empty: no authentication");
            return;
        }
        if text.len() > PASSWORD_OCTETS {
            // The cut may be in the middle of a letter.
            let is_start = |at: &usize| letters.is_char_boundary(*at);
            let cut = (0..=PASSWORD_OCTETS).rev().find(is_start).unwrap_or(0);
            let surplus = word.span.part(cut..text.len());
            let message = format!(
                "auth_pass has {} octets; VRRP carries {PASSWORD_OCTETS}, the rest is cut off",
                text.len()
            );
            let help = "keep the first eight octets, and the same ones on all routers of the VRID";
            let finding = Diagnostic::warning("auth-pass-truncated", surplus, message);
            cx.push(finding.label(cx.place(at)).help(help));
        }
        let mut password = [0; PASSWORD_OCTETS];
        for (octet, &from) in password.iter_mut().zip(text) {
            *octet = from;
        }
        self.password = Some(password);
    }

    /// Without a type keepalived takes the password for nothing; without a password, the type.
    pub fn finish(&self, at: Span, warn: &mut dyn FnMut(Diagnostic)) -> Authentication {
        match (self.auth_type, self.password) {
            (Some((AuthType::Pass, _)), Some(password)) => Authentication::SimpleText(password),
            (Some((AuthType::Ah, _)), Some(key)) => Authentication::Header(ah::Key(key)),
            (Some((_, span)), None) if !self.password_named => {
                let message = "auth_type without auth_pass: no authentication";
                warn(Diagnostic::warning("bad-value", span, message).help("auth_pass PASSWORD"));
                Authentication::None
            }
            (None, Some(_)) if !self.other_type => {
                let message = "auth_pass without auth_type: no authentication";
                warn(Diagnostic::warning("bad-value", at, message).help("auth_type PASS"));
                Authentication::None
            }
            (None, _) | (Some(_), None) => Authentication::None,
        }
    }
}
