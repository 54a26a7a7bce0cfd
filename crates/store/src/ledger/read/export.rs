//! `admin ledger export`: every record, opened.

use std::path::Path;

use surgewall_core::decision::Record;
use surgewall_core::finding::Finding;

use super::ReadError;
use super::walk::{Event, Reading, walk_watched};
use crate::vault::Vault;

/// Gives every record in `directory` to `each`, with its sequence, oldest
/// first. Where a segment is damaged its rest is left out and the findings say so.
///
/// # Errors
/// A file cannot be read, or another Surgewall wrote it.
pub fn export(
    directory: &Path,
    vault: &Vault,
    each: impl FnMut(u64, Record),
) -> Result<Vec<Finding>, ReadError> {
    export_watched(directory, vault, each, &mut |_| {})
}

/// As [`export`]; `watch` hears how far it is.
///
/// # Errors
/// As [`export`].
pub fn export_watched(
    directory: &Path,
    vault: &Vault,
    mut each: impl FnMut(u64, Record),
    watch: &mut dyn FnMut(Reading),
) -> Result<Vec<Finding>, ReadError> {
    let mut visit = |event: Event| {
        if let Event::Record { sequence, record } = event {
            each(sequence, record);
        }
    };
    walk_watched(directory, vault, &mut visit, watch).map(|walked| walked.findings)
}
