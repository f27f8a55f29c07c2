//! Subcommands, one file each.

pub mod check;
pub mod genhash;
