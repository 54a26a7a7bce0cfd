//! `surgewall check receipt`: a receipt, checked without the store that gave it.
//!
//! docs/receipts.md has the form. It shares no code with the writer: RFC 8785
//! says what is signed, RFC 9162 what the proof in it shows.

use serde::Serialize;
use serde_json::Value;

use crate::ledger::{NoteKey, ProofFault, Shown, check_proof};

/// A receipt, in bytes.
pub const RECEIPT_BYTES_MAX: u64 = 4 << 20;
/// The form that is known here.
const FORMAT: &str = "surgewall-receipt/1";
/// The first line of what is signed.
const PURPOSE: &str = "surgewall receipt 1";

/// What a receipt shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The store that gave it.
    pub store: String,
    /// The request.
    pub request_id: String,
    /// The ledger's records of the request, which are proven.
    pub records: Vec<u64>,
    /// How many records the ledger had when that was signed.
    pub size: u64,
}

/// Why a receipt shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// It is no receipt.
    #[error("it is no receipt: {0}")]
    Malformed(&'static str),
    /// Somebody else signed it, or it was changed.
    #[error("it is not signed by this key: it was changed, or another store gave it")]
    Unsigned,
    /// Its proof does not hold.
    #[error("its proof does not hold: {0}")]
    Proof(#[from] ProofFault),
}

/// Checks a receipt against the key of the store, which must come from elsewhere
/// than the receipt.
///
/// # Errors
/// What does not hold, first of all.
pub fn check_receipt(text: &str, key: &NoteKey) -> Result<Held, ReceiptFault> {
    let bad = ReceiptFault::Malformed;
    let mut whole: Value = serde_json::from_str(text).map_err(|_| bad("it is not JSON"))?;
    // Where a field stands twice, people and programs may read another one.
    let written = whole.to_string();
    if written != compact(text) {
        return Err(bad(
            "a field stands twice, or its numbers or texts are written in another way",
        ));
    }
    let fields = whole.as_object_mut().ok_or(bad("it is no object"))?;
    if fields.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(bad("its format is not surgewall-receipt/1"));
    }
    let signature = fields.remove("signature");
    let signature = signature.as_ref().and_then(Value::as_str).and_then(bytes);
    let signature = signature.ok_or(bad("it has no signature"))?;
    let word = |name: &str| whole.get(name).and_then(Value::as_str).map(str::to_owned);
    let store = word("store").ok_or(bad("it names no store"))?;
    let request_id = word("request_id").ok_or(bad("it names no request"))?;
    let name = format!("surgewall/{store}");
    if !key.has_signed(&name, PURPOSE, &canonical(&whole), &signature) {
        return Err(ReceiptFault::Unsigned);
    }
    let proof = whole.get("ledger").ok_or(bad("it has no proof"))?;
    match check_proof(&proof.to_string(), key, None)? {
        Shown::Inclusion { origin, size, records } if origin == name => {
            Ok(Held { store, request_id, records, size })
        }
        _ => Err(bad("its proof is about something else")),
    }
}

/// `text` without what stands between the parts of JSON.
fn compact(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let kept = text.chars().filter(|c| {
        let keep = in_string || !c.is_ascii_whitespace();
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        keep
    });
    kept.collect()
}

/// As RFC 8785 writes it: fields in the order of their names, which are ASCII here.
fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let mut names: Vec<_> = fields.keys().collect();
            names.sort();
            let field = |name: &&String| {
                let value = fields.get(*name).map(canonical).unwrap_or_default();
                format!("{}:{value}", Value::from(name.as_str()))
            };
            let fields: Vec<_> = names.iter().map(field).collect();
            format!("{{{}}}", fields.join(","))
        }
        plain => plain.to_string(),
    }
}

/// 64 bytes in lower-case hex.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if hex.len() != 128 || !hex.as_bytes().iter().all(is_hex) {
        return None;
    }
    let pairs = (0..hex.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_is_left_out() {
        let text = "{ \"a b\" :\n[1,\t\"\\\" x\\\\\" ] }";
        assert_eq!(compact(text), "{\"a b\":[1,\"\\\" x\\\\\"]}");
    }

    #[test]
    fn what_is_no_receipt_is_told_from_one_that_was_changed() {
        let key: NoteKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap();
        let signed = format!("\"signature\":\"{}\"", "0".repeat(128));
        for (text, says) in [
            (String::new(), "it is not JSON"),
            ("[]".to_owned(), "it is no object"),
            ("{\"format\":\"x\"}".to_owned(), "its format"),
            (format!("{{\"format\":\"{FORMAT}\"}}"), "it has no signature"),
            (
                format!("{{\"format\":\"{FORMAT}\",\"format\":\"{FORMAT}\"}}"),
                "a field stands twice",
            ),
            (format!("{{\"format\":\"{FORMAT}\",{signed}}}"), "it names no store"),
        ] {
            let fault = check_receipt(&text, &key).unwrap_err();
            assert!(
                matches!(fault, ReceiptFault::Malformed(what) if what.starts_with(says)),
                "{fault}"
            );
        }
        let text =
            format!("{{\"format\":\"{FORMAT}\",\"store\":\"s\",\"request_id\":\"r\",{signed}}}");
        assert_eq!(check_receipt(&text, &key), Err(ReceiptFault::Unsigned));
    }
}
