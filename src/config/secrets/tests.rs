use std::borrow::Cow;

use super::super::parse_text;
use super::starred;

#[test]
fn passwords_and_keys_are_starred_out_octet_for_octet() {
    for (line, shown) in [
        ("  auth_pass hunter2-hunter2", "  auth_pass ***************"),
        (
            "authentication { auth_type PASS auth_pass \"a b\" }",
            "authentication { auth_type PASS auth_pass ** ** }",
        ),
        ("authentication {auth_pass x}", "authentication {auth_pass *}"),
        ("# auth_pass x", "# auth_pass *"),
        ("#auth_pass x", "#auth_pass *"),
        ("auth_pass\"x", "auth_pass**"),
        ("key 7 hex:00ff", "key 7 ********"),
        ("key 7 \u{e9}", "key 7 **"),
        ("key seven hex:00ff", "key seven ********"),
        ("key hex:00ff", "key ********"),
        ("key hex:00ff x", "key ******** *"),
        ("key 0123456789abcdef", "key ****************"),
        ("basic_auth probe secret", "basic_auth ***** ******"),
        ("basic_auth probe:secret", "basic_auth ************"),
        ("password \"a b\" # c", "password ** ** * *"),
        ("header Authorization Bearer x", "header Authorization ****** *"),
        ("header \"authorization: Bearer x\"", "header \"authorization: ****** **"),
        ("header \"Authorization Bearer x\"", "header \"Authorization ****** **"),
        ("header 'Cookie: a=b'", "header 'Cookie: ****"),
        ("header Proxy-Authorization:x", "header Proxy-Authorization:*"),
        ("header X-Api-Key: x", "header X-Api-Key: *"),
        ("$VRRP_PASSWORD=hunter2", "$VRRP_PASSWORD=*******"),
        ("$TOKEN=\"a b\"", "$TOKEN=** **"),
    ] {
        assert_eq!(starred(line), shown);
        assert_eq!(starred(line).len(), line.len());
    }
    for line in [
        "key 7 file:/etc/key",
        "key client.pem",
        "key /etc/keepalived/client_key",
        "auth_pass",
        "auth_pass \"\"",
        "key 7",
        "key",
        "keys 7 x",
        "header",
        "header Accept: text/html",
        "header Authorization",
        "header \"Authorization:\"",
        "expect_header Set-Cookie x",
        "misc_path \"/bin/check password x\"",
        "$ROUTER=x",
        "",
    ] {
        assert_eq!(starred(line), line);
        assert!(matches!(starred(line), Cow::Borrowed(_)));
    }
}

/// Everything that is said of `text`, in every form.
fn said(text: &str) -> String {
    let diagnostics = parse_text("t", text).diagnostics;
    let json = serde_json::to_string(&diagnostics.to_json()).expect("is JSON");
    diagnostics.to_text(false) + &diagnostics.to_lines() + &json
}

fn of_vrrp(lines: &str) -> String {
    format!(
        "vrrp_instance V {{\n interface e\n virtual_router_id 1\n {lines}\n no_virtual_ipaddress\n}}\n"
    )
}

fn of_http(lines: &str) -> String {
    format!(
        "virtual_server 192.0.2.1 80 {{\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n \
         real_server 192.0.2.2 80 {{\n HTTP_GET {{\n url {{\n path /\n {lines}\n }}\n }}\n }}\n}}\n"
    )
}

/// Findings of a line are what is read of it: a finding about each keyword, none with the secret.
#[test]
fn no_finding_shows_what_is_secret() {
    let password =
        |line: &str| of_vrrp(&format!("authentication {{\n auth_type PASS\n {line}\n }}"));
    let key = |line: &str| of_vrrp(&format!("auth_hmac {{\n {line}\n active_key 1\n }}"));
    let ssl = |line: &str| format!("SSL {{\n {line}\n certificate /etc/c.pem\n}}\n");
    for (code, text) in [
        ("auth-pass-truncated", password("auth_pass hunter2-hunter2")),
        ("surplus-words", password("auth_pass x hunter2")),
        ("unclosed-quote", password("auth_pass \"hunter2")),
        ("unknown-keyword", of_vrrp("auth_pass hunter2")),
        ("unexpected-brace", password("auth_pass hunter2 {\n }")),
        ("missing-closing-brace", password("auth_pass hunter2 {")),
        ("not-a-number", key("key hex:68756e74657232 hunter2")),
        ("not-a-number", key("key hex:hunter2")),
        ("bad-key", key("key 1 hunter2")),
        ("bad-value", of_http("basic_auth hunter2")),
        ("bad-value", of_http("basic_auth probe:hunter2 x")),
        ("unclosed-quote", of_http("basic_auth \"probe hunter2")),
        ("bad-value", of_http("basic_auth a b hunter2")),
        ("bad-value", of_http("header \"Authorization Bearer hunter2\"")),
        ("bad-value", of_http("header \"Cookie: a=\\nhunter2\"")),
        ("surplus-words", ssl("password hunter1 hunter2")),
        ("unclosed-quote", ssl("password \"hunter2")),
    ] {
        let said = said(&text);
        assert!(said.contains(code), "{code} is not said of\n{text}{said}");
        assert!(!said.contains("hunter") && !said.contains("68756e"), "{text}{said}");
    }
}

/// A definition is shown where a finding is about what was filled in, unless that is secret.
#[test]
fn no_definition_shows_what_is_secret() {
    for (code, text) in [
        (
            "auth-pass-truncated",
            "$P=hunter2-hunter2\n".to_owned()
                + &of_vrrp("authentication {\n auth_type PASS\n auth_pass $P\n }"),
        ),
        (
            "bad-value",
            "$BOTH=\\\n auth_type NONE\\\n auth_pass hunter2\n".to_owned()
                + &of_vrrp("authentication {\n $BOTH\n }"),
        ),
        ("bad-value", "$H=basic_auth hunter2\n".to_owned() + &of_http("$H")),
        ("bad-value", "$H=\"Authorization hunter2\"\n".to_owned() + &of_http("header $H")),
    ] {
        let said = said(&text);
        assert!(said.contains(code), "{code} is not said of\n{text}{said}");
        assert!(!said.contains("hunter"), "{text}{said}");
    }
}
