//! The `mainstay` binary: arguments in, exit status out.

use std::process::exit;

fn main() {
    exit(mainstay::cli::main(std::env::args_os().collect()))
}
