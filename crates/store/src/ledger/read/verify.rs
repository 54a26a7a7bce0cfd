//! `check ledger`: does the ledger hold, and what does it add up to?

use std::path::Path;

use serde::Serialize;
use surgewall_core::finding::Finding;

use super::ReadError;
use super::tally::Tally;
use super::walk::{Event, Reading, walk_watched};
use crate::vault::Vault;

/// What `check ledger --format json` prints. Sums are `null` without the
/// master key; with findings they cover what could be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verification {
    /// Whole records in the segments that are kept.
    pub records: u64,
    /// Requests admitted since the ledger began.
    pub admitted: Option<u64>,
    /// Tokens reserved since the ledger began, top-ups included.
    pub reserved: Option<u64>,
    /// Tokens settled since the ledger began.
    pub settled: Option<u64>,
    /// Tokens refunded since the ledger began.
    pub refunded: Option<u64>,
    /// Tokens reserved by requests that are open: neither settled nor refunded.
    pub open: Option<u64>,
    /// Requests that are open.
    pub open_requests: Option<u64>,
    /// The chain's value after the last record, in hex: note it elsewhere, and
    /// nobody can cut the ledger's end off unseen.
    pub head: String,
    /// Worth knowing, no damage: a torn last record, open reservations.
    pub notes: Vec<String>,
    /// Damage; the first one names the first bad record.
    pub findings: Vec<Finding>,
}

/// Checks every segment in `directory` (`DataDir::ledger`, or a copy). It only
/// reads, takes no lock, and works beside a running door.
///
/// # Errors
/// A file cannot be read, or a newer Surgewall wrote it: nothing can be said.
pub fn verify(directory: &Path, vault: Option<&Vault>) -> Result<Verification, ReadError> {
    verify_watched(directory, vault, &mut |_| {})
}

/// As [`verify`]; `watch` hears how far it is.
///
/// # Errors
/// As [`verify`].
pub fn verify_watched(
    directory: &Path,
    vault: Option<&Vault>,
    watch: &mut dyn FnMut(Reading),
) -> Result<Verification, ReadError> {
    let mut tally = Tally::default();
    let mut visit = |event: Event| match event {
        Event::Segment { fresh } => {
            tally.segment(fresh);
            Ok(())
        }
        Event::Record { record, .. } => tally.record(&record),
    };
    let walked = walk_watched(directory, vault, &mut visit, watch)?;
    let mut notes = walked.notes;
    if walked.records == 0 && walked.findings.is_empty() {
        notes.push("the ledger is empty".to_owned());
    }
    if vault.is_none() {
        notes.push(
            "the master key is not here: the chain was verified, sums are not known".to_owned(),
        );
    } else if tally.open_requests() > 0 {
        notes.push(format!(
            "{} requests are open, with {} tokens reserved: they run now, or settle at the next start",
            tally.open_requests(),
            tally.open_tokens()
        ));
    }
    let sum = |value: u64| vault.map(|_| value);
    Ok(Verification {
        records: walked.records,
        admitted: sum(tally.admitted),
        reserved: sum(tally.reserved),
        settled: sum(tally.settled),
        refunded: sum(tally.refunded),
        open: sum(tally.open_tokens()),
        open_requests: sum(tally.open_requests()),
        head: walked.head.iter().map(|byte| format!("{byte:02x}")).collect(),
        notes,
        findings: walked.findings,
    })
}
