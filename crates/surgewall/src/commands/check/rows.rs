//! Bare `surgewall check`: all checks that apply here, and the fourteen rows.

use serde::Serialize;
use surgewall_core::finding::Finding;

use super::print;
use crate::cli::check::{Format, Ledger};
use crate::fault::{Fault, Verdict};
use crate::place::Place;
use crate::show::rows::ROWS;

/// The row of the store that was left open: the ledger, and who is answered without a login.
const STORE_ROW: usize = 4;
/// The row of weak authentication: who reaches what, and with which credential.
const ACCESS_ROW: usize = 14;

/// What a check says that could not be made.
const NO_ANSWER: &str = "could not tell";

/// What a check says that found nothing to look at.
const NOTHING_YET: &str = "nothing yet";

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
    /// The checks that speak to it, and what is missing.
    checks: &'static str,
    /// `clean`, `findings`, `nothing yet`, `could not tell` or `not built`.
    result: &'static str,
}

/// Runs all checks.
///
/// # Errors
/// The configuration cannot be read or meant.
pub(super) async fn check(place: &Place, format: Format) -> Result<Verdict, Fault> {
    let config = super::config::read(place).await?;
    let ledger = if place.data_dir.join("store").exists() {
        Some(super::ledger::read(place, &Ledger::default()).await)
    } else {
        None
    };
    let config_result = result(&config.findings);
    let settings = place.load()?.config;
    let exposure = super::exposure::read(&settings).await;
    let exposure_result = match result(&exposure.findings) {
        "clean" if exposure.is_unsure() => NO_ANSWER,
        "clean" if exposure.seen.is_empty() && !settings.exposure.listeners => NOTHING_YET,
        result => result,
    };
    let (ledger_result, mut notes, ledger_findings) = match ledger {
        None => {
            let note = "there is no data directory yet: no ledger to check";
            (NOTHING_YET, vec![note.to_owned()], Vec::new())
        }
        Some(Ok(read)) => (result(&read.findings), read.notes, read.findings),
        Some(Err(fault)) => (NO_ANSWER, vec![fault.message().to_owned()], Vec::new()),
    };
    notes.extend(exposure.notes);
    let store_result = worst([ledger_result, exposure_result]);
    let rows = ROWS.iter().enumerate().map(|(at, what)| {
        let (checks, result) = match at + 1 {
            STORE_ROW => ("ledger, exposure", store_result),
            ACCESS_ROW => ("config", config_result),
            _ => ("", "not built"),
        };
        Row { row: at + 1, what, checks, result }
    });
    let rows: Vec<_> = rows.collect();
    let is_unsure = rows.iter().any(|row| row.result == NO_ANSWER);
    let mut findings = config.findings;
    findings.extend(ledger_findings);
    findings.extend(exposure.findings);
    let text = text(&rows, &notes);
    let all = All { rows, notes, findings: findings.clone() };
    match print(format, &text, &all, &findings)? {
        Verdict::Clean if is_unsure => Ok(Verdict::CouldNotTell),
        verdict => Ok(verdict),
    }
}

/// What two checks of one row say together.
fn worst(results: [&'static str; 2]) -> &'static str {
    let order = ["findings", NO_ANSWER, "clean"];
    order.into_iter().find(|word| results.contains(word)).unwrap_or(NOTHING_YET)
}

fn result(findings: &[Finding]) -> &'static str {
    if findings.iter().any(Finding::counts) { "findings" } else { "clean" }
}

fn text(rows: &[Row], notes: &[String]) -> String {
    let row = |row: &Row| {
        let checks =
            if row.checks.is_empty() { String::new() } else { format!(" (check {})", row.checks) };
        format!("{:>2}  {:<32}  {}{checks}\n", row.row, row.what, row.result)
    };
    let notes = notes.iter().map(|note| format!("note: {note}\n"));
    rows.iter().map(row).chain(std::iter::once("\n".to_owned())).chain(notes).collect()
}
