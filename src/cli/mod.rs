//! Subcommands, one file each.

pub mod genhash;
