//! The kernel's IPVS table as `/proc/net/ip_vs` shows it: what the kernel really holds, read without
//! the code under test and without a process.

use std::fmt;
use std::net::Ipv4Addr;

#[derive(Clone, Debug, PartialEq)]
pub struct IpvsTable(pub Vec<Service>);

#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// `TCP 192.0.2.142:80` or `FWM 7`.
    pub key: String,
    pub scheduler: String,
    /// For how long, the file gives in the kernel's ticks; `ipvsadm` knows the seconds.
    pub persistent: bool,
    pub servers: Vec<Server>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// `192.0.2.101:80`.
    pub address: String,
    /// `Route`, `Masq` or `Tunnel`.
    pub method: String,
    pub weight: u32,
}

impl IpvsTable {
    pub fn parse(text: &str) -> IpvsTable {
        let mut services: Vec<Service> = Vec::new();
        // Three lines of headings. Services and servers come in the kernel's hash order.
        for line in text.lines().skip(3) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match (words.as_slice(), services.last_mut()) {
                (["->", address, method, weight, ..], Some(service)) => {
                    service.servers.push(Server {
                        address: socket_address(address),
                        method: method.to_string(),
                        weight: weight.parse().expect("a weight"),
                    })
                }
                ([protocol, key, scheduler, ..], _) => services.push(Service {
                    key: format!("{protocol} {}", socket_address(key)),
                    scheduler: scheduler.to_string(),
                    persistent: words.contains(&"persistent"),
                    servers: Vec::new(),
                }),
                _ => panic!("a line of /proc/net/ip_vs that we do not know: {line:?}"),
            }
        }
        services.sort_by(|a, b| a.key.cmp(&b.key));
        services
            .iter_mut()
            .for_each(|service| service.servers.sort_by(|a, b| a.address.cmp(&b.address)));
        IpvsTable(services)
    }

    pub fn service(&self, key: &str) -> Option<&Service> {
        self.0.iter().find(|service| service.key == key)
    }

    /// The servers of one service as `192.0.2.101:80/1 192.0.2.102:80/1`: address and weight.
    pub fn servers(&self, key: &str) -> String {
        let Some(service) = self.service(key) else { return "no such service".into() };
        let each = service.servers.iter().map(|s| format!("{}/{}", s.address, s.weight));
        each.collect::<Vec<_>>().join(" ")
    }
}

/// `C0000265:0050` is 192.0.2.101:80, and `00000007` the firewall mark 7.
fn socket_address(hex: &str) -> String {
    let number = |digits| u32::from_str_radix(digits, 16).expect("hexadecimal digits");
    match hex.split_once(':') {
        Some((address, port)) => format!("{}:{}", Ipv4Addr::from(number(address)), number(port)),
        None => number(hex).to_string(),
    }
}

impl fmt::Display for IpvsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "(empty)");
        }
        for service in &self.0 {
            write!(f, "{} {} →", service.key, service.scheduler)?;
            for server in &service.servers {
                write!(f, " {} {}/{}", server.address, server.method, server.weight)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
