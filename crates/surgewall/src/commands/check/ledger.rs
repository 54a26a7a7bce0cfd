//! `surgewall check ledger`: does the ledger hold, and what does it add up to?

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use surgewall_core::files::read_text;
use surgewall_core::finding::{Finding, Severity};
use surgewall_scan::ledger::{
    Means, NoteKey, PROOF_BYTES_MAX, ProofFault, Shown, Verification, WitnessKey, check_proof,
    verify_all, verify_with,
};
use surgewall_store::datadir::DataDir;
use surgewall_store::vault::Vault;

use super::print;
use crate::cli::check::{Format, Ledger};
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show::progress::Progress;

/// Verifies the ledger that is named, or that of the data directory; or a proof.
///
/// # Errors
/// Nothing can be said.
pub(super) async fn check(place: &Place, asked: &Ledger, format: Format) -> Result<Verdict, Fault> {
    if let Some(file) = &asked.proof {
        return proof(place, asked, file, format);
    }
    let verification = read(place, asked).await?;
    print(format, &text(&verification), &verification, &verification.findings)
}

/// What a reader makes of the ledger; without the master key only its tree.
///
/// # Errors
/// A file cannot be read.
pub(super) async fn read(place: &Place, asked: &Ledger) -> Result<Verification, Fault> {
    let Place { data_dir, .. } = place;
    let dir = asked.dir.as_deref();
    let root = dir.unwrap_or(data_dir);
    let (ledger, records, vault, note) = if root.join("store").exists() || dir.is_none() {
        let data = DataDir::open(root)?;
        let (vault, note) = key(place, &data)?;
        (data.ledger(), Some(data.records()), vault, note)
    } else {
        (segments(root)?, None, None, None)
    };
    let mut progress = Progress::new("checking the ledger", true);
    let mut watch = |reading| progress.step(reading);
    let (key, against) = (asked.key.as_ref(), asked.against.as_deref());
    let configured = if dir.is_none() { witness(place) } else { None };
    let witness = asked.witness.as_ref().or(configured.as_ref());
    let means = Means { vault: vault.as_ref(), key, against, witness };
    // Without a ledger nothing can be compared: then the file that is missing is named.
    let mut verification = match &records {
        _ if !ledger.exists() && against.is_none() => Verification::of_nothing(),
        Some(records) => verify_all(&ledger, records, &means, &mut watch).await?,
        None => verify_with(&ledger, &means, &mut watch)?,
    };
    verification.notes.extend(note);
    Ok(verification)
}

/// The master key, or why it cannot be used: the tree needs none.
fn key(place: &Place, data: &DataDir) -> Result<(Option<Vault>, Option<String>), Fault> {
    match vault(data, &place.load()?.config) {
        Ok(vault) => Ok((Some(vault), None)),
        Err(fault) => Ok((None, Some(fault.message().to_owned()))),
    }
}

/// The witness that the configuration names.
fn witness(place: &Place) -> Option<WitnessKey> {
    let witness = place.load().ok()?.config.ledger.witness?;
    Some(WitnessKey::new(witness.key.name(), *witness.key.key()))
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

/// Checks a proof with the key that is named, or this store's.
fn proof(place: &Place, asked: &Ledger, file: &Path, format: Format) -> Result<Verdict, Fault> {
    let read = |file: &Path| {
        read_text(file, PROOF_BYTES_MAX)
            .map_err(|error| Fault::from(error).during(&file.display().to_string()))
    };
    let (text, kept) = (read(file)?, asked.against.as_deref().map(read).transpose()?);
    let key = match &asked.key {
        Some(key) => key.clone(),
        None => own_key(place).map_err(|fault| {
            fault.hint(
                "give the key of the store that signed: --key; a proof cannot vouch for itself",
            )
        })?,
    };
    let (shown, findings) = match check_proof(&text, &key, kept.as_deref()) {
        Ok(shown) => (Some(shown), Vec::new()),
        Err(fault @ (ProofFault::Malformed(_) | ProofFault::OtherCheckpoint(_))) => {
            return Err(Fault::from(fault).during(&file.display().to_string()));
        }
        Err(fault) => {
            let finding =
                Finding::new(Severity::Critical, "ledger.proof", file.display().to_string());
            let advice =
                "Do not rely on it: ask for a new proof, and whether the key is the store's.";
            (None, vec![finding.evidence(fault.to_string()).advice(advice)])
        }
    };
    let said = shown.as_ref().map_or_else(String::new, told);
    let whole = serde_json::json!({ "shown": shown, "findings": findings });
    print(format, &said, &whole, &findings)
}

/// The key of the store in the data directory.
pub(super) fn own_key(place: &Place) -> Result<NoteKey, Fault> {
    let data = place.data()?;
    let vault = vault(&data, &place.load()?.config)?;
    Ok(NoteKey::new(&format!("surgewall/{}", data.store_id()), vault.verifying_key()))
}

/// What a proof shows, to people.
fn told(shown: &Shown) -> String {
    match shown {
        Shown::Inclusion { origin, size, records } => {
            let numbers: Vec<_> = records.iter().map(u64::to_string).collect();
            let numbers = numbers.join(", ");
            format!(
                "the ledger of {origin} holds record {numbers}, under the checkpoint over {size} records\n"
            )
        }
        Shown::Consistency { origin, size, from } => {
            format!("the ledger of {origin} with {size} records continues the one with {from}\n")
        }
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
        ("size", crate::show::count(verification.size, "record")),
        ("head", verification.head.clone()),
        ("signed", sum(verification.signed, "record")),
        ("witnessed", witnessed(verification)),
        ("batches", batches(verification)),
        ("key", verification.key.clone().unwrap_or_else(|| "not known".to_owned())),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<9} {value}");
    }
    for note in &verification.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = writeln!(text, "trust: {}", verification.trust);
    text
}

/// What a witness saw of it.
fn witnessed(verification: &Verification) -> String {
    verification
        .witnessed
        .map_or_else(|| "by nobody".to_owned(), |size| crate::show::count(size, "record"))
}

/// The operator's records, as far as they were compared.
fn batches(verification: &Verification) -> String {
    verification
        .batches
        .map_or_else(|| "not compared".to_owned(), |batches| format!("{batches} of records fit"))
}
