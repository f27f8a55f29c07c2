//! `keepalived.conf` to [`plan::Plan`]: text, keywords, positions, defaults.

pub mod plan;
