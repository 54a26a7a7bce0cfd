//! `surgewall check receipt`: does a receipt hold?

use surgewall_core::files::read_text;
use surgewall_core::finding::{Finding, Severity};
use surgewall_scan::receipt::{Held, RECEIPT_BYTES_MAX, ReceiptFault, check_receipt};

use super::ledger::own_key;
use super::print;
use crate::cli::check::{Format, Receipt};
use crate::fault::{Fault, Verdict};
use crate::place::Place;

/// Checks a receipt with the key that is named, or this store's.
///
/// # Errors
/// Nothing can be said: it is no receipt, or there is no key.
pub(super) fn check(place: &Place, asked: &Receipt, format: Format) -> Result<Verdict, Fault> {
    let shown = asked.file.display().to_string();
    let text = read_text(&asked.file, RECEIPT_BYTES_MAX)
        .map_err(|error| Fault::from(error).during(&shown))?;
    let key = match &asked.key {
        Some(key) => key.clone(),
        None => own_key(place).map_err(|fault| {
            fault.hint(
                "give the key of the store that signed: --key; a receipt cannot vouch for itself",
            )
        })?,
    };
    let (held, findings) = match check_receipt(&text, &key) {
        Ok(held) => (Some(held), Vec::new()),
        Err(fault @ ReceiptFault::Malformed(_)) => return Err(Fault::from(fault).during(&shown)),
        Err(fault) => {
            let finding = Finding::new(Severity::Critical, "receipt", shown);
            let advice =
                "Do not rely on it: ask for a new one, and whether the key is the store's.";
            (None, vec![finding.evidence(fault.to_string()).advice(advice)])
        }
    };
    let said = held.as_ref().map_or_else(String::new, told);
    print(format, &said, &serde_json::json!({ "held": held, "findings": findings }), &findings)
}

/// What a receipt shows, to people.
fn told(held: &Held) -> String {
    let Held { store, request_id, records, size } = held;
    let records: Vec<_> = records.iter().map(u64::to_string).collect();
    format!(
        "the store {store} gave this receipt for {request_id}; its ledger holds record {}, under the checkpoint over {size} records\n",
        records.join(", ")
    )
}
