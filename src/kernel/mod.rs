//! kernel.

pub mod process;
