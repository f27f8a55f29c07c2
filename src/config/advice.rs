//! What to say of words that many files have and no version understands, or no longer: the help
//! that a likeness of spelling cannot give.

/// Unknown keywords, and what to do about each. Taken from published configurations.
const UNKNOWN: [(&str, &str); 12] = [
    ("nb_get_retry", "it is called `retry` here: retry 3"),
    ("nat_mask", "remove the line: it has had no effect since keepalived 1.2"),
    ("net_mask", "remove the line: a netmask belongs to an address, as in 192.0.2.10/24"),
    ("netmask", "write it with the address, as in 192.0.2.10/24"),
    ("lvs_id", "it is called `router_id` now, in global_defs"),
    ("state_master", "state MASTER"),
    ("virtual_ip", "addresses stand in a block: virtual_ipaddress { 192.0.2.10/24 }"),
    ("vip", "addresses stand in a block: virtual_ipaddress { 192.0.2.10/24 }"),
    ("interface_name", "interface eth0"),
    ("password", "in a block: authentication { auth_type PASS auth_pass PASSWORD }, one a line"),
    ("EOF", "the end of a shell's here-document was left in: remove the line"),
    ("sudo", "a shell command was left in: remove the line"),
];

/// The help for an unknown keyword `name`, if it is one that people often write.
pub fn unknown(name: &str) -> Option<&'static str> {
    let listed = UNKNOWN.iter().find(|(word, _)| *word == name).map(|(_, help)| *help);
    listed.or_else(|| {
        let prompt = name.starts_with('[') && name.contains('@') || name.ends_with(['$', '%']);
        prompt.then_some("a shell's prompt was left in: remove the line")
    })
}

/// What `text` is where an address should be, if it looks like one that was to be filled in.
pub fn placeholder(text: &str) -> Option<&'static str> {
    let bracketed = [("<", ">"), ("{{", "}}"), ("__", "__"), ("[", "]"), ("%", "%"), ("@", "@")];
    let in_brackets = bracketed.iter().any(|(open, close)| {
        text.strip_prefix(open).and_then(|rest| rest.find(close)).is_some_and(|at| at > 0)
            && text.parse::<std::net::IpAddr>().is_err()
    });
    let address = text.split('/').next().unwrap_or_default();
    let crossed_out = address.split('.').count() == 4
        && address
            .split('.')
            .any(|part| !part.is_empty() && part.chars().all(|x| "xX".contains(x)));
    let shell = text.starts_with('$') || text.contains("${");
    match (in_brackets || crossed_out, shell) {
        (true, _) => Some("a placeholder that nobody filled in"),
        (_, true) => Some("a name that is not defined"),
        _ => None,
    }
}

/// Help for a value that ends in what other languages end lines with.
pub fn trailing(text: &str) -> Option<String> {
    let bare = text.trim_end_matches([';', ',']);
    (bare.len() < text.len() && !bare.is_empty())
        .then(|| format!("a value ends with its line: `{bare}`, without `{}`", &text[bare.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_mistyped_addresses_and_names() {
        for text in ["<vip>", "<vip>/24", "x.x.x.x", "192.168.x.x", "xxx.xxx.xxx.xxx/xx"] {
            assert!(placeholder(text).is_some(), "{text}");
        }
        for text in ["{{ vip }}", "__VIRTUAL_IP__/27", "$VIP", "${VIP}/24", "@ip@"] {
            assert!(placeholder(text).is_some(), "{text}");
        }
        for text in
            ["192.0.2.256", "web1.example.com", "192.0.2.1.", "a.example.net.", "eth0", "a.b.c.d"]
        {
            assert_eq!(placeholder(text), None, "{text}");
        }
    }

    #[test]
    fn what_ends_a_line_elsewhere_is_pointed_out() {
        let help = "a value ends with its line: `101`, without `;`";
        assert_eq!(trailing("101;").as_deref(), Some(help));
        assert_eq!(trailing("101"), None);
        assert_eq!(trailing(";"), None);
    }
}
