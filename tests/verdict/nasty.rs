//! Files as people break them: left-overs of templates and of other languages, words of old
//! versions, braces, quotes and comments in odd places.

use crate::{Case, Known};

/// Where our status is meant to be another one.
pub const KNOWN: [Known; 1] =
    [("address twice", "two instances with one address take it from each other")];

const INSTANCE: &str = "vrrp_instance VI_1 {\n    state BACKUP\n    interface eth0\n    \
                        virtual_router_id 51\n    priority 100\n    advert_int 1\n    \
                        authentication {\n        auth_type PASS\n        auth_pass 1111\n    }\n    \
                        virtual_ipaddress {\n        192.0.2.10/24\n    }\n}\n";

const SERVER: &str = "virtual_server 192.0.2.10 80 {\n    delay_loop 6\n    lvs_sched rr\n    \
                      lvs_method DR\n    protocol TCP\n    real_server 192.0.2.11 80 {\n        \
                      weight 1\n        TCP_CHECK {\n            connect_timeout 3\n        }\n    \
                      }\n}\n";

/// A name, and the file.
fn edited(all: &mut Vec<Case>, name: &str, text: String) {
    all.push(Case { name: name.to_owned(), keyword: "\0".to_owned(), text });
}

/// The good instance with one stretch of text replaced by another.
const EDITS: [(&str, &str, &str); 71] = [
    ("jinja value", "priority 100", "priority {{ priority }}"),
    ("jinja statement", "    priority 100\n", "{% if master %}\n    priority 100\n{% endif %}\n"),
    ("jinja comment", "    priority 100\n", "    {# who wins #}\n    priority 100\n"),
    ("jinja loop of addresses", "192.0.2.10/24", "{% for a in vips %}\n{{ a }}\n{% endfor %}"),
    ("jinja interface", "interface eth0", "interface {{ ansible_default_ipv4.interface }}"),
    ("jinja glued", "interface eth0", "interface {{iface}}"),
    ("erb value", "priority 100", "priority <%= @priority %>"),
    ("erb block", "    priority 100\n", "<% if @master -%>\n    priority 100\n<% end -%>\n"),
    ("helm value", "192.0.2.10/24", "{{ .Values.vip }}"),
    ("helm range", "192.0.2.10/24", "{{- range .Values.vips }}\n{{ . }}\n{{- end }}"),
    ("shell variable", "192.0.2.10/24", "${VIRTUAL_IP}"),
    ("shell variable bare", "192.0.2.10/24", "$VIRTUAL_IP"),
    ("shell default", "priority 100", "priority ${PRIORITY:-100}"),
    ("envsubst name", "interface eth0", "interface $INTERFACE"),
    ("python format", "priority 100", "priority %(priority)s"),
    ("double at", "priority 100", "priority @@PRIORITY@@"),
    ("angle brackets", "192.0.2.10/24", "<VIP>"),
    ("crossed out", "192.0.2.10/24", "x.x.x.x"),
    ("three dots", "192.0.2.10/24", "..."),
    ("equals signs", "priority 100", "priority = 100"),
    ("equals glued", "priority 100", "priority=100"),
    ("colon", "priority 100", "priority: 100"),
    ("comma", "priority 100", "priority 100,"),
    ("semicolon", "priority 100", "priority 100;"),
    ("semicolons everywhere", "advert_int 1\n", "advert_int 1;\n"),
    ("semicolon behind brace", "    }\n}\n", "    };\n};\n"),
    ("comma list of addresses", "192.0.2.10/24", "192.0.2.10/24, 192.0.2.12/24"),
    ("two addresses a line", "192.0.2.10/24", "192.0.2.10/24 192.0.2.12/24"),
    ("quoted number", "priority 100", "priority \"100\""),
    ("single quotes", "interface eth0", "interface 'eth0'"),
    ("unbalanced quote", "auth_pass 1111", "auth_pass \"1111"),
    ("quote in the middle", "auth_pass 1111", "auth_pass 11\"11"),
    ("quoted with blank", "auth_pass 1111", "auth_pass \"11 11\""),
    ("empty quotes", "auth_pass 1111", "auth_pass \"\""),
    ("typographic quotes", "auth_pass 1111", "auth_pass “1111”"),
    ("bang comment", "priority 100", "priority 100 ! the backup"),
    ("bang glued", "priority 100", "priority 100!backup"),
    ("hash glued", "priority 100", "priority 100#backup"),
    ("slash comment", "priority 100", "priority 100 // the backup"),
    ("slash comment line", "    priority 100\n", "    // the backup\n    priority 100\n"),
    ("c comment", "    priority 100\n", "    /* the backup */\n    priority 100\n"),
    ("dash comment", "    priority 100\n", "    -- the backup\n    priority 100\n"),
    ("comment eats value", "priority 100", "priority # 100"),
    ("comment eats brace", "authentication {", "authentication # {"),
    ("comment behind brace", "authentication {", "authentication { # secret"),
    ("brace on next line", "authentication {", "authentication\n    {"),
    ("brace after blank lines", "authentication {", "authentication\n\n\n    {"),
    ("brace glued", "authentication {", "authentication{"),
    ("closing on same line", "auth_pass 1111\n    }", "auth_pass 1111 }"),
    (
        "whole block on a line",
        "virtual_ipaddress {\n        192.0.2.10/24\n    }",
        "virtual_ipaddress { 192.0.2.10/24 }",
    ),
    ("missing closing brace", "        auth_pass 1111\n    }\n", "        auth_pass 1111\n"),
    ("missing opening brace", "authentication {", "authentication"),
    ("doubled opening brace", "authentication {", "authentication {{"),
    ("surplus closing brace", "    }\n}\n", "    }\n}\n}\n"),
    ("parentheses", "authentication {", "authentication ("),
    ("two keywords a line", "state BACKUP\n", "state BACKUP priority 50\n"),
    ("state in lower case", "state BACKUP", "state backup"),
    ("state SLAVE", "state BACKUP", "state SLAVE"),
    ("keyword in capitals", "priority 100", "PRIORITY 100"),
    ("hyphens", "virtual_router_id 51", "virtual-router-id 51"),
    ("hexadecimal", "virtual_router_id 51", "virtual_router_id 0x33"),
    ("leading zero", "virtual_router_id 51", "virtual_router_id 051"),
    ("decimal VRID", "virtual_router_id 51", "virtual_router_id 51.0"),
    ("VRID 0", "virtual_router_id 51", "virtual_router_id 0"),
    ("VRID 256", "virtual_router_id 51", "virtual_router_id 256"),
    ("priority 256", "priority 100", "priority 256"),
    ("netmask", "192.0.2.10/24", "192.0.2.10/255.255.255.0"),
    ("address too long", "192.0.2.10/24", "192.0.2.10/33"),
    ("interface with colon", "interface eth0", "interface eth0:1"),
    ("auth_type in lower case", "auth_type PASS", "auth_type pass"),
    ("unknown block", "authentication {", "authentification {"),
];

/// Whole files.
fn whole(all: &mut Vec<Case>) {
    let both = format!("{INSTANCE}{SERVER}");
    edited(all, "crlf", both.replace('\n', "\r\n"));
    edited(all, "tabs", both.replace("    ", "\t"));
    edited(all, "old mac line ends", INSTANCE.replace('\n', "\r"));
    edited(all, "vertical tab and form feed", both.replace("    ", "\u{b}\u{c}"));
    edited(all, "no-break space", INSTANCE.replace("priority 100", "priority\u{a0}100"));
    edited(all, "no newline at the end", both.trim_end().to_owned());
    edited(all, "twice the same", format!("{INSTANCE}{INSTANCE}"));
    edited(all, "twice the same server", format!("{SERVER}{SERVER}"));
    let second = INSTANCE.replace("VI_1", "VI_2");
    edited(all, "VRID twice", format!("{INSTANCE}{second}"));
    edited(all, "address twice", format!("{INSTANCE}{}", second.replace("51", "52")));
    edited(all, "name missing", INSTANCE.replace("vrrp_instance VI_1", "vrrp_instance"));
    edited(all, "name with blank", INSTANCE.replace("VI_1", "VI 1"));
    edited(all, "markdown fence", format!("```\n{INSTANCE}```\n"));
    edited(
        all,
        "here-document",
        format!("cat > /etc/keepalived/keepalived.conf <<EOF\n{INSTANCE}EOF\n"),
    );
    edited(all, "diff", INSTANCE.replace("    priority 100", "+   priority 100"));
    edited(all, "merge conflict", format!("<<<<<<< HEAD\n{INSTANCE}=======\n>>>>>>> b\n"));
    edited(all, "yaml", "vrrp_instance:\n  - name: VI_1\n    interface: eth0\n".to_owned());
    edited(
        all,
        "json",
        "{\n  \"vrrp_instance\": {\n    \"interface\": \"eth0\"\n  }\n}\n".to_owned(),
    );
    edited(all, "xml", "<keepalived>\n<vrrp_instance name=\"VI_1\"/>\n</keepalived>\n".to_owned());
    edited(all, "ini", "[vrrp_instance]\nname = VI_1\n".to_owned());
    edited(all, "empty", String::new());
    edited(all, "comments only", "# nothing\n! here\n".to_owned());
    edited(all, "one brace", "{\n".to_owned());
    edited(
        all,
        "global_defs twice",
        format!("global_defs {{\nrouter_id a\n}}\nglobal_defs {{\nrouter_id b\n}}\n{INSTANCE}"),
    );
    edited(
        all,
        "1.x header",
        format!(
            "! Configuration File for keepalived\n\nglobal_defs {{\n   notification_email {{\n     acassen@firewall.loc\n   }}\n   notification_email_from Alexandre.Cassen@firewall.loc\n   smtp_server 192.0.2.200\n   smtp_connect_timeout 30\n   router_id LVS_DEVEL\n   vrrp_skip_check_adv_addr\n   vrrp_garp_interval 0\n   vrrp_gna_interval 0\n}}\n{INSTANCE}"
        ),
    );
    edited(all, "lvs_id", format!("global_defs {{\nlvs_id LVS_1\n}}\n{INSTANCE}"));
    edited(
        all,
        "virtual_server of 1.x",
        SERVER
            .replace("lvs_sched", "lb_algo")
            .replace("lvs_method", "lb_kind")
            .replace("protocol TCP", "nat_mask 255.255.255.0\n    protocol TCP"),
    );
    edited(
        all,
        "connect_port in nb_get_retry style",
        SERVER.replace(
            "connect_timeout 3",
            "connect_timeout 3\nnb_get_retry 3\ndelay_before_retry 3\nconnect_port 80",
        ),
    );
    edited(
        all,
        "vrrp_sync_group of old",
        format!(
            "vrrp_sync_group VG1 {{\ngroup {{\nVI_1\n}}\nnotify_master \"/usr/bin/true\"\n}}\n{INSTANCE}"
        ),
    );
    edited(
        all,
        "vrrp_script without tracker",
        format!(
            "vrrp_script chk {{\nscript \"killall -0 haproxy\"\ninterval 2\n}}\nglobal_defs {{\nscript_user root\nenable_script_security\n}}\n{INSTANCE}"
        ),
    );
    edited(all, "server without port", SERVER.replacen("192.0.2.10 80", "192.0.2.10", 1));
    edited(all, "server with colon", SERVER.replacen("192.0.2.10 80", "192.0.2.10:80", 1));
    edited(all, "real server without port", SERVER.replace("192.0.2.11 80", "192.0.2.11"));
    edited(
        all,
        "real server of the other family",
        SERVER.replace("192.0.2.11 80", "2001:db8::1 80"),
    );
    edited(all, "method in lower case", SERVER.replace("DR", "dr"));
    edited(all, "scheduler unknown", SERVER.replace("lvs_sched rr", "lvs_sched roundrobin"));
    edited(all, "protocol http", SERVER.replace("protocol TCP", "protocol HTTP"));
    edited(all, "persistence 0", SERVER.replace("delay_loop 6", "persistence_timeout 0"));
    edited(all, "weight too large", SERVER.replace("weight 1", "weight 65536"));
    edited(all, "check misspelt", SERVER.replace("TCP_CHECK", "TCP_CHEK"));
    edited(all, "http check without url", SERVER.replace("TCP_CHECK", "HTTP_GET"));
    edited(all, "instance inside server", SERVER.replace("delay_loop 6", INSTANCE));
    edited(all, "server inside instance", INSTANCE.replace("state BACKUP", SERVER));
    edited(all, "include of nothing", format!("include /nonexistent/*.conf\n{INSTANCE}"));
    edited(all, "include without name", format!("include\n{INSTANCE}"));
    edited(
        all,
        "condition for another host",
        format!("@other global_defs {{\n@other }}\n{INSTANCE}"),
    );
    edited(all, "condition without word", format!("@\n{INSTANCE}"));
    edited(all, "definition without value", format!("$A=\n{INSTANCE}"));
    edited(all, "definition with blanks", format!("$A = 5\n{INSTANCE}"));
    edited(
        all,
        "definition used",
        format!("$P=100\n{}", INSTANCE.replace("priority 100", "priority $P")),
    );
    edited(
        all,
        "definition of lines",
        format!(
            "$P= \\\npriority 100 \\\nadvert_int 2\n{}",
            INSTANCE.replace("priority 100", "$P")
        ),
    );
    edited(all, "backslash at the end", INSTANCE.replace("priority 100", "priority \\\n100"));
    edited(
        all,
        "unicast and its source",
        INSTANCE
            .replace("priority 100", "unicast_src_ip 192.0.2.11\nunicast_peer {\n192.0.2.12\n}"),
    );
    edited(
        all,
        "unicast peers of names",
        INSTANCE.replace("priority 100", "unicast_peer {\nlb1.invalid\n}"),
    );
    edited(all, "unicast peers empty", INSTANCE.replace("priority 100", "unicast_peer {\n}"));
    edited(
        all,
        "track unknown script",
        INSTANCE.replace("priority 100", "track_script {\nnone\n}"),
    );
    edited(
        all,
        "track unknown interface",
        INSTANCE.replace("priority 100", "track_interface {\nnone0\n}"),
    );
    edited(
        all,
        "mcast_src_ip of another",
        INSTANCE.replace("priority 100", "mcast_src_ip 203.0.113.1"),
    );
    edited(
        all,
        "no address block",
        "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\n}\n".to_owned(),
    );
    edited(
        all,
        "ipv6 and ipv4",
        INSTANCE.replace("192.0.2.10/24", "192.0.2.10/24\n2001:db8::10/64"),
    );
    edited(all, "password of nine", INSTANCE.replace("1111", "123456789"));
    edited(all, "nopreempt of MASTER", INSTANCE.replace("BACKUP", "MASTER\nnopreempt"));
    edited(
        all,
        "state MASTER without priority",
        INSTANCE.replace("BACKUP", "MASTER").replace("priority 100\n", ""),
    );
    edited(all, "advert_int 0", INSTANCE.replace("advert_int 1", "advert_int 0"));
    edited(all, "advert_int of v3 in v2", INSTANCE.replace("advert_int 1", "advert_int 0.5"));
    edited(
        all,
        "use_vmac of old",
        INSTANCE.replace("priority 100", "use_vmac vrrp.51\nvmac_xmit_base"),
    );
    edited(all, "dont_track_primary", INSTANCE.replace("priority 100", "dont_track_primary"));
    edited(
        all,
        "lvs_sync_daemon_interface",
        INSTANCE.replace("priority 100", "lvs_sync_daemon_interface eth0"),
    );
    edited(
        all,
        "garp of old",
        INSTANCE.replace("priority 100", "garp_master_delay 10\ngarp_master_refresh 60"),
    );
    edited(all, "smtp_alert", INSTANCE.replace("priority 100", "smtp_alert"));
    edited(all, "debug", INSTANCE.replace("priority 100", "debug 2"));
}

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, from, to) in EDITS {
        assert!(INSTANCE.contains(from), "{name}");
        edited(&mut all, name, INSTANCE.replacen(from, to, 1));
    }
    whole(&mut all);
    all
}
