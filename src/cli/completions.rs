//! `mainstay completions`: what shells need to complete our command lines.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap::builder::PossibleValuesParser;
use clap_complete::{Shell, generate};

use crate::config::keywords::table;
use crate::config::lint::LINTS;

/// Arguments of `mainstay completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct CompletionsArgs {
    /// The shell that is to read them
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Writes the completions to standard output.
pub fn run(args: &CompletionsArgs) -> i32 {
    let _ = std::io::stdout().lock().write_all(&script(args.shell));
    0
}

/// The completions for `shell`, keywords of `explain` and lints of `check` among them.
fn script(shell: Shell) -> Vec<u8> {
    let lints = LINTS.iter().map(|lint| lint.code);
    let mut command = super::Cli::command()
        .mut_subcommand("explain", |explain| {
            explain.mut_arg("words", |words| {
                words.value_parser(PossibleValuesParser::new(words_of_the_table()))
            })
        })
        .mut_subcommand("check", |check| {
            check.mut_arg("allow", |allow| allow.value_parser(PossibleValuesParser::new(lints)))
        });
    let mut out = Vec::new();
    generate(shell, &mut command, "mainstay", &mut out);
    // What a word without an option may be, clap leaves out for fish.
    if shell == Shell::Fish {
        let words = words_of_the_table().join(" ");
        let line = format!(
            "complete -c mainstay -n \"__fish_mainstay_using_subcommand explain\" -f -a \"{words}\"\n"
        );
        out.extend_from_slice(line.as_bytes());
    }
    out
}

/// Keywords that can be typed, each once.
fn words_of_the_table() -> Vec<&'static str> {
    let rows = table().rows().iter().filter(|row| row.block != "syntax");
    let typed = |name: &&str| name.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'_');
    let mut words: Vec<&str> = rows.map(|row| row.name).filter(typed).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_completes_keywords_and_lints() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(script(shell)).expect("is text");
            for word in ["virtual_router_id", "persistence_timeout", "weight-too-small", "convert"]
            {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
