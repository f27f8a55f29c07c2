//! What was measured, as a table with ratios or as JSON.

use serde_json::{Value, json};

use crate::harness::Program;

pub struct Table {
    /// What is compared with what.
    columns: [&'static str; 2],
    rows: Vec<Row>,
}

struct Row {
    step: &'static str,
    what: String,
    unit: &'static str,
    figures: [Option<f64>; 2],
}

impl Table {
    pub fn new(columns: [&'static str; 2]) -> Table {
        Table { columns, rows: Vec::new() }
    }

    /// One figure of one program; both programs' figures of the same name share a row.
    pub fn add(
        &mut self,
        step: &'static str,
        what: &str,
        unit: &'static str,
        program: Program,
        value: f64,
    ) {
        self.put(step, what, unit, usize::from(program == Program::Keepalived), value);
    }

    /// The same for one of the columns.
    pub fn put(
        &mut self,
        step: &'static str,
        what: &str,
        unit: &'static str,
        column: usize,
        value: f64,
    ) {
        eprintln!("    {:<11} {what}: {} {unit}", self.columns[column], short(value));
        let same = self.rows.iter().position(|row| row.step == step && row.what == what);
        let place = same.unwrap_or_else(|| {
            let what = what.to_owned();
            self.rows.push(Row { step, what, unit, figures: [None; 2] });
            self.rows.len() - 1
        });
        self.rows[place].figures[column] = Some(value);
    }

    pub fn print(&self) {
        let [ours, theirs] = self.columns;
        println!("{:<66} {ours:>10} {theirs:>11} {:>7}", "", "ratio");
        for row in &self.rows {
            let step = if row.step.is_empty() { String::new() } else { format!("({}) ", row.step) };
            let name = format!("{step}{} [{}]", row.what, row.unit);
            let cell = |value: Option<f64>| value.map_or_else(|| "-".into(), short);
            let [ours, theirs] = row.figures.map(cell);
            println!("{name:<66} {ours:>10} {theirs:>11} {:>7}", cell(row.ratio()));
        }
    }

    pub fn print_json(&self) {
        let [ours, theirs] = self.columns;
        let row = |row: &Row| {
            json!({
                "step": row.step, "what": row.what, "unit": row.unit,
                ours: row.figures[0], theirs: row.figures[1], "ratio": row.ratio(),
            })
        };
        println!("{:#}", Value::Array(self.rows.iter().map(row).collect()));
    }
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let [ours, theirs] = self.figures;
        Some(ours? / theirs.filter(|theirs| *theirs > 0.0)?)
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
