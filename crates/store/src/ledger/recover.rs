//! What a start finds: the state after the last whole record.
//!
//! A segment's opening holds all state at its beginning, so the last segment
//! is all that is read.

use std::path::Path;

use surgewall_core::decision::Record;
use surgewall_core::random;

use super::LedgerError;
use super::encode::Chain;
use super::fold::Fold;
use super::read::scan::{Damage, End, HeaderError, Scanner};
use super::read::walk::{open_record, segments};
use super::seal::{BodyKey, key_purpose};
use crate::vault::Vault;

/// The state after the last whole record in `directory`; an empty directory
/// begins a new ledger.
pub(super) fn recover(directory: &Path, vault: &Vault) -> Result<(Fold, Chain), LedgerError> {
    let io_error = |source| LedgerError::Io { path: directory.to_owned(), source };
    let last = segments(directory).map_err(io_error)?.pop();
    let Some((first, path)) = last else {
        let chain = Chain { ledger: random::bytes(), next: 1, head: [0; 32] };
        return Ok((Fold::default(), chain));
    };
    let damaged = |damage: &Damage| LedgerError::Damaged {
        path: path.clone(),
        sequence: damage.sequence,
        offset: damage.offset,
        what: damage.what.clone(),
    };
    let io_error = |source| LedgerError::Io { path: path.clone(), source };
    let mut scanner = match Scanner::open(&path, first).map_err(io_error)? {
        Ok(scanner) => scanner,
        Err(HeaderError::Newer(version)) => {
            return Err(LedgerError::Newer { path: path.clone(), version });
        }
        Err(HeaderError::Damaged(damage)) => return Err(damaged(&damage)),
    };
    let ledger = scanner.header().ledger;
    let purpose = key_purpose(&ledger, first);
    let key = vault.unwrap_key(&purpose, &scanner.header().wrapped).map_err(|_| {
        let what = "its data key does not open".to_owned();
        damaged(&Damage { rule: "ledger.header", sequence: first, offset: 0, what })
    })?;
    let key = BodyKey::new(key.expose());
    let mut fold = Fold::default();
    let mut buffer = Vec::new();
    loop {
        match scanner.next(buffer).map_err(io_error)? {
            Ok(mut raw) => {
                let (sequence, offset) = (raw.sequence, raw.offset);
                let record: Record = open_record(&key, &ledger, &mut raw)
                    .map_err(|(rule, what)| damaged(&Damage { rule, sequence, offset, what }))?;
                fold.apply(record);
                buffer = raw.sealed;
            }
            Err(End::Damaged(damage)) => return Err(damaged(&damage)),
            Err(End::Clean | End::Torn) => break,
        }
    }
    Ok((fold, Chain { ledger, next: scanner.next_sequence(), head: scanner.head() }))
}
