//! `surgewall check ledger`: does the ledger hold, and what does it add up to?

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::read::{Verification, verify_watched};
use surgewall_store::vault::Vault;

use super::print;
use crate::cli::check::Format;
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show::progress::Progress;

/// Verifies the ledger in `dir`, or in the data directory.
///
/// # Errors
/// Nothing can be said.
pub(super) fn check(place: &Place, dir: Option<&Path>, format: Format) -> Result<Verdict, Fault> {
    let verification = read(place, dir)?;
    print(format, &text(&verification), &verification, &verification.findings)
}

/// What a reader makes of the ledger; without the master key only its chain.
///
/// # Errors
/// A file cannot be read.
pub(super) fn read(place: &Place, dir: Option<&Path>) -> Result<Verification, Fault> {
    let Place { data_dir, .. } = place;
    let root = dir.unwrap_or(data_dir);
    let (ledger, vault, note) = if root.join("store").exists() || dir.is_none() {
        let data = DataDir::open(root)?;
        let (vault, note) = key(place, &data)?;
        (data.ledger(), vault, note)
    } else {
        (segments(root)?, None, None)
    };
    let mut progress = Progress::new("checking the ledger", true);
    let mut watch = |reading| progress.step(reading);
    let mut verification = if ledger.exists() {
        verify_watched(&ledger, vault.as_ref(), &mut watch)?
    } else {
        empty()
    };
    verification.notes.extend(note);
    Ok(verification)
}

/// The master key, or why it cannot be used: the chain needs none.
fn key(place: &Place, data: &DataDir) -> Result<(Option<Vault>, Option<String>), Fault> {
    match vault(data, &place.load()?.config) {
        Ok(vault) => Ok((Some(vault), None)),
        Err(fault) => Ok((None, Some(fault.message().to_owned()))),
    }
}

/// Where the segments are in a directory that is no data directory.
fn segments(root: &Path) -> Result<PathBuf, Fault> {
    let inside = root.join("ledger");
    if inside.is_dir() {
        return Ok(inside);
    }
    let listed = std::fs::read_dir(root)
        .map_err(|error| Fault::from(error).during(&root.display().to_string()))?;
    let segment = |name: std::ffi::OsString| name.to_string_lossy().ends_with(".seg");
    if listed.flatten().any(|entry| segment(entry.file_name())) {
        return Ok(root.to_owned());
    }
    Err(Fault::new(format!("{} is no data directory and holds no ledger", root.display())))
}

/// Of a data directory in which nothing was recorded yet.
fn empty() -> Verification {
    Verification {
        records: 0,
        admitted: Some(0),
        reserved: Some(0),
        settled: Some(0),
        refunded: Some(0),
        open: Some(0),
        open_requests: Some(0),
        head: "0".repeat(64),
        notes: vec!["the ledger is empty".to_owned()],
        findings: Vec::new(),
    }
}

/// What it says to people.
pub(super) fn text(verification: &Verification) -> String {
    let sum = |sum: Option<u64>, thing| {
        sum.map_or_else(|| "not known".to_owned(), |sum| crate::show::count(sum, thing))
    };
    let mut text = String::new();
    for (name, value) in [
        ("records", verification.records.to_string()),
        ("admitted", sum(verification.admitted, "request")),
        ("reserved", sum(verification.reserved, "token")),
        ("settled", sum(verification.settled, "token")),
        ("refunded", sum(verification.refunded, "token")),
        ("open", sum(verification.open, "token")),
        ("head", verification.head.clone()),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<9} {value}");
    }
    for note in &verification.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}
