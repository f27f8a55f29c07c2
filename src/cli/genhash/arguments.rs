//! genhash's options, read as getopt_long(3) reads them: bundles, attached and separate values,
//! unambiguous abbreviations, `--` and options after other words.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::probe::HttpVersion;

pub(super) const USAGE: &str = "\
Usage: genhash COMMAND [OPTIONS]
Commands:
   -s server-address -p port -u url
   -S -s server-address -p port -u url
   -h

Options:
Either long or short options are allowed.
   --use-ssl         -S       Use SSL connection to remote server.
   --use-sni         -I       Use SNI during SSL handshake (uses virtualhost setting; see -V).
   --server          -s       Use the specified remote server address.
   --port            -p       Use the specified remote server port.
   --url             -u       Use the specified remote server url.
   --use-virtualhost -V       Use the specified virtualhost in GET query.
   --verbose         -v       Use verbose mode output.
   --help            -h       Display this short inlined help screen.
   --fwmark          -m       Use the specified FW mark.
   --protocol        -P       Use the specified HTTP protocol - '1.0', 1.0c', '1.1'.
                                1.0c means 1.0 with 'Connection: close'
   --timeout         -t       Timeout in seconds
";

/// What genhash is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arguments {
    pub target: SocketAddr,
    pub url: String,
    pub virtual_host: Option<String>,
    pub version: HttpVersion,
    pub fwmark: u32,
    pub timeout: Option<Duration>,
    pub verbose: bool,
    pub use_ssl: bool,
    /// Tell the server `virtual_host` already in the TLS handshake.
    pub use_sni: bool,
}

/// Long name, short name, whether a value follows.
const OPTIONS: [(&str, char, bool); 11] = [
    ("use-ssl", 'S', false),
    ("use-sni", 'I', false),
    ("server", 's', true),
    ("port", 'p', true),
    ("url", 'u', true),
    ("use-virtualhost", 'V', true),
    ("verbose", 'v', false),
    ("help", 'h', false),
    ("fwmark", 'm', true),
    ("protocol", 'P', true),
    ("timeout", 't', true),
];

#[derive(Default)]
struct Given {
    server: Option<IpAddr>,
    port: Option<u16>,
    url: Option<String>,
    virtual_host: Option<String>,
    version: HttpVersion,
    fwmark: u32,
    timeout: Option<Duration>,
    verbose: bool,
    use_ssl: bool,
    use_sni: bool,
}

/// Reads the command line.
///
/// # Errors
/// The text for stderr: what is wrong, if anything is (with `--help` nothing is), and the usage.
pub(super) fn parse(words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    read(words).map_err(|wrong| {
        let separator = if wrong.is_empty() { "" } else { "\n" };
        format!("{wrong}{separator}{USAGE}")
    })
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut given, mut others) = (Given::default(), Vec::new());
    while let Some(word) = words.next() {
        if word == "--" {
            others.extend(words.by_ref());
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (short, takes_value) = long_option(name)?;
            match (takes_value, value) {
                (true, value) => given.set(short, value.or_else(|| words.next()))?,
                (false, None) => given.set(short, None)?,
                (false, Some(_)) => return Err(format!("Unknown option {word}")),
            }
        } else if word.len() > 1 && word.starts_with('-') {
            given.bundle(&word[1..], &mut words)?;
        } else {
            others.push(word);
        }
    }
    if !others.is_empty() {
        return Err(format!("Unexpected argument(s): {}", others.join(" ")));
    }
    given.complete()
}

/// A long name or an abbreviation that fits one option only.
fn long_option(name: &str) -> Result<(char, bool), String> {
    let mut fitting = OPTIONS.iter().filter(|(long, ..)| long.starts_with(name));
    let exact = OPTIONS.iter().find(|(long, ..)| *long == name);
    match (exact, fitting.next(), fitting.next()) {
        (Some((_, short, value)), ..) | (None, Some((_, short, value)), None) => {
            Ok((*short, *value))
        }
        _ => Err(format!("Unknown option --{name}")),
    }
}

impl Given {
    /// Reads short options in one word: `-v`, `-vS`, `-p80`, `-vp80`.
    fn bundle(
        &mut self,
        letters: &str,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), String> {
        for (at, letter) in letters.char_indices() {
            let Some((_, _, takes_value)) = OPTIONS.iter().find(|(_, short, _)| *short == letter)
            else {
                return Err(format!("Unknown option -{letter}"));
            };
            if *takes_value {
                let attached = &letters[at + letter.len_utf8()..];
                let attached = (!attached.is_empty()).then(|| attached.to_owned());
                return self.set(letter, attached.or_else(|| words.next()));
            }
            self.set(letter, None)?;
        }
        Ok(())
    }

    /// Takes one option; an empty error stands for "just the usage".
    fn set(&mut self, option: char, value: Option<String>) -> Result<(), String> {
        match (option, value) {
            ('S', _) => self.use_ssl = true,
            ('I', _) => self.use_sni = true,
            ('v', _) => self.verbose = true,
            ('s', Some(value)) => {
                let address = value.parse();
                self.server =
                    Some(address.map_err(|_| format!("server should be an IP, not {value}"))?);
            }
            ('p', Some(value)) => match value.parse() {
                Ok(port @ 1..) => self.port = Some(port),
                _ => return Err(format!("invalid port number '{value}'")),
            },
            ('u', Some(value)) => self.url = Some(value),
            ('V', Some(value)) => self.virtual_host = Some(value),
            ('m', Some(value)) => {
                self.fwmark = value.parse().map_err(|_| format!("invalid fwmark '{value}'"))?;
            }
            ('P', Some(value)) => {
                self.version = match value.as_str() {
                    "1.0" => HttpVersion::Http10,
                    "1.0c" | "1.0C" => HttpVersion::Http10Close,
                    "1.1" => HttpVersion::Http11,
                    _ => return Err(format!("invalid HTTP protocol version '{value}'")),
                }
            }
            ('t', Some(value)) => {
                let seconds: u32 =
                    value.parse().map_err(|_| format!("invalid timeout '{value}'"))?;
                self.timeout = Some(Duration::from_secs(seconds.into()));
            }
            // `-h`, and a value that is not there.
            _ => return Err(String::new()),
        }
        Ok(())
    }

    fn complete(self) -> Result<Arguments, String> {
        let (Some(server), Some(port), Some(url)) = (self.server, self.port, self.url) else {
            return Err(String::new());
        };
        Ok(Arguments {
            target: SocketAddr::new(server, port),
            url,
            virtual_host: self.virtual_host,
            version: self.version,
            fwmark: self.fwmark,
            timeout: self.timeout,
            verbose: self.verbose,
            use_ssl: self.use_ssl,
            use_sni: self.use_sni,
        })
    }
}
