//! What was measured, as a table with ratios or as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::harness::Program;

#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

struct Row {
    step: &'static str,
    what: String,
    unit: &'static str,
    ours: Option<f64>,
    theirs: Option<f64>,
}

impl Table {
    /// One figure of one program; both programs' figures of the same name share a row.
    pub fn add(
        &mut self,
        step: &'static str,
        what: &str,
        unit: &'static str,
        program: Program,
        value: f64,
    ) {
        eprintln!("    {:<11} {what}: {} {unit}", format!("{program:?}"), short(value));
        let same = self.rows.iter().position(|row| row.step == step && row.what == what);
        let place = same.unwrap_or_else(|| {
            let what = what.to_owned();
            self.rows.push(Row { step, what, unit, ours: None, theirs: None });
            self.rows.len() - 1
        });
        let row = &mut self.rows[place];
        match program {
            Program::Mainstay => row.ours = Some(value),
            Program::Keepalived => row.theirs = Some(value),
        }
    }

    pub fn print(&self) {
        println!("{:<66} {:>10} {:>11} {:>7}", "", "mainstay", "keepalived", "ratio");
        for row in &self.rows {
            let name = format!("({}) {} [{}]", row.step, row.what, row.unit);
            let cell = |value: Option<f64>| value.map_or_else(|| "-".into(), short);
            let mut line = String::new();
            let _ = write!(line, "{name:<66} {:>10} {:>11}", cell(row.ours), cell(row.theirs));
            let _ = write!(line, " {:>7}", cell(row.ratio()));
            println!("{line}");
        }
    }

    pub fn print_json(&self) {
        let row = |row: &Row| {
            json!({
                "step": row.step, "what": row.what, "unit": row.unit,
                "mainstay": row.ours, "keepalived": row.theirs, "ratio": row.ratio(),
            })
        };
        println!("{:#}", Value::Array(self.rows.iter().map(row).collect()));
    }
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        Some(self.ours? / self.theirs.filter(|theirs| *theirs > 0.0)?)
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
