//! Bare `surgewall check`: all checks that apply here, and the fourteen rows.

use serde::Serialize;
use surgewall_core::finding::Finding;

use super::print;
use crate::cli::check::Format;
use crate::fault::{Fault, Verdict};
use crate::place::Place;
use crate::show::rows::ROWS;

/// Rows that `check config` speaks to: an open store, and weak authentication.
const CONFIG_ROWS: [usize; 2] = [4, 14];
/// Rows that `check ledger` speaks to: can it be told afterwards what happened?
const LEDGER_ROWS: [usize; 1] = [3];

/// What all checks say.
#[derive(Serialize, Debug)]
struct All {
    rows: Vec<Row>,
    notes: Vec<String>,
    findings: Vec<Finding>,
}

/// One of the fourteen rows.
#[derive(Serialize, Debug)]
struct Row {
    row: usize,
    what: &'static str,
    /// The check that speaks to it.
    check: Option<&'static str>,
    /// `clean`, `findings`, `could not tell` or `not built`.
    result: &'static str,
}

/// Runs all checks.
///
/// # Errors
/// The configuration cannot be read or meant.
pub(super) async fn check(place: &Place, format: Format) -> Result<Verdict, Fault> {
    let config = super::config::read(place).await?;
    let ledger =
        if place.data_dir.exists() { Some(super::ledger::read(place, None)) } else { None };
    let config_result = result(&config.findings);
    let (ledger_result, mut notes, ledger_findings) = match ledger {
        None => (
            "could not tell",
            vec!["there is no data directory yet: no ledger to check".to_owned()],
            Vec::new(),
        ),
        Some(Ok(read)) => (result(&read.findings), read.notes, read.findings),
        Some(Err(fault)) => ("could not tell", vec![fault.message().to_owned()], Vec::new()),
    };
    let rows = ROWS.iter().enumerate().map(|(at, what)| {
        let row = at + 1;
        let (check, result) = match row {
            row if CONFIG_ROWS.contains(&row) => (Some("config"), config_result),
            row if LEDGER_ROWS.contains(&row) => (Some("ledger"), ledger_result),
            _ => (None, "not built"),
        };
        Row { row, what, check, result }
    });
    let rows: Vec<_> = rows.collect();
    let mut findings = config.findings;
    findings.extend(ledger_findings);
    notes.push("the rows say what `check` looks at here; `surgewall check config` and `check ledger` say it in full".to_owned());
    let text = text(&rows, &notes);
    print(format, &text, &All { rows, notes, findings: findings.clone() }, &findings)
}

fn result(findings: &[Finding]) -> &'static str {
    if findings.iter().any(Finding::counts) { "findings" } else { "clean" }
}

fn text(rows: &[Row], notes: &[String]) -> String {
    let row = |row: &Row| {
        let check = row.check.map_or(String::new(), |check| format!(" (check {check})"));
        format!("{:>2}  {:<32}  {}{check}\n", row.row, row.what, row.result)
    };
    let notes = notes.iter().map(|note| format!("note: {note}\n"));
    rows.iter().map(row).chain(std::iter::once("\n".to_owned())).chain(notes).collect()
}
