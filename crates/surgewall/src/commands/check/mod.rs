//! `surgewall check`: what should be changed.

mod config;
mod exposure;
mod ledger;
mod provider;
mod receipt;
mod rows;
mod stored;

use surgewall_core::finding::Finding;

use crate::cli::check::{Check, Format, What};
use crate::fault::{Fault, Verdict};
use crate::place::{Loaded, Place};
use crate::show;

/// Runs one check, or all that apply here.
///
/// # Errors
/// Nothing can be said.
pub(crate) async fn check(place: &Place, asked: &Check) -> Result<Verdict, Fault> {
    match &asked.what {
        Some(What::Config) => config::check(place, asked.format).await,
        Some(What::Exposure { targets }) => exposure::check(place, targets, asked.format).await,
        Some(What::Ledger(ledger)) => ledger::check(place, ledger, asked.format).await,
        Some(What::Provider { url }) => provider::check(place, url, asked.format).await,
        Some(What::Receipt(receipt)) => receipt::check(place, receipt, asked.format),
        None => rows::check(place, asked.format).await,
    }
}

/// What a door that runs finds in its own configuration and about its data directory.
pub(super) fn of_door(place: &Place, loaded: &Loaded) -> Vec<Finding> {
    let mut findings = config::say(loaded).findings;
    findings.extend(place.data().ok().and_then(|data| stored::exposed(&data)));
    findings
}

/// Prints findings under what was said before them, in text.
fn print_text(said: &str, findings: &[Finding]) {
    let findings_text = show::findings::text(findings, show::is_colourful());
    let gap = if findings_text.is_empty() { "" } else { "\n" };
    show::out(&format!("{said}{gap}{findings_text}\n{}", show::findings::summary(findings)));
}

/// Prints findings in `format`; `said` is what stands before them in text, and
/// `whole` the JSON value.
fn print<T: serde::Serialize>(
    format: Format,
    said: &str,
    whole: &T,
    findings: &[Finding],
) -> Result<Verdict, Fault> {
    match format {
        Format::Text => print_text(said, findings),
        Format::Json => show::json(whole)?,
        Format::Sarif => show::json(&show::sarif::document(findings))?,
    }
    Ok(Verdict::over(findings))
}
