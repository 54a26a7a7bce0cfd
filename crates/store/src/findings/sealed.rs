//! What of a finding is sealed, and what it is known again by.

use serde::{Deserialize, Serialize};
use surgewall_core::finding::Finding;

use super::{FindingRow, FindingView, SUBJECT_BYTES_MAX, TEXT_BYTES_MAX};
use crate::people::StoreError;
use crate::people::sealed::{open_json, open_text, seal, seal_json};
use crate::vault::Vault;

const BODY: &str = "findings.body";
const NOTE: &str = "findings.note";
/// Purposes of the keyed hashes.
const IDENTITY: &str = "findings.identity";
const SUBJECT: &str = "findings.subject";
const PRODUCER: &str = "findings.producer";

/// What is sealed of one finding.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) producer: String,
    pub(super) rule: String,
    pub(super) subject: String,
    pub(super) evidence: String,
    pub(super) advice: String,
}

impl Body {
    /// The texts of `finding`, cut to their bounds.
    pub(super) fn of(producer: &str, finding: &Finding) -> Self {
        Self {
            producer: producer.to_owned(),
            rule: finding.rule.clone(),
            subject: cut(&finding.subject, SUBJECT_BYTES_MAX),
            evidence: cut(&finding.evidence, TEXT_BYTES_MAX),
            advice: cut(&finding.advice, TEXT_BYTES_MAX),
        }
    }

    pub(super) fn seal(&self, vault: &Vault, row: u128) -> Result<Vec<u8>, StoreError> {
        seal_json(vault, BODY, row, self)
    }
}

/// `text`, or its beginning and an ellipsis, in at most `bytes_max` bytes.
pub(super) fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let room = bytes_max.saturating_sub("…".len());
    format!("{}…", &text[..text.floor_char_boundary(room)])
}

/// The texts of a stored finding.
pub(super) fn open(vault: &Vault, row: &FindingRow) -> Result<Body, StoreError> {
    open_json(vault, BODY, row.id.as_u128(), Some(&row.body))
}

/// `note`, sealed for the row.
pub(super) fn seal_note(vault: &Vault, row: u128, note: &str) -> Vec<u8> {
    seal(vault, NOTE, row, note.as_bytes())
}

/// A stored finding as operators see it.
pub(super) fn view(vault: &Vault, row: &FindingRow) -> Result<FindingView, StoreError> {
    Ok(view_of(row, open(vault, row)?, note(vault, row)?))
}

fn note(vault: &Vault, row: &FindingRow) -> Result<Option<String>, StoreError> {
    let open = |sealed: &Vec<u8>| open_text(vault, NOTE, row.id.as_u128(), sealed);
    row.note.as_ref().map(open).transpose()
}

fn view_of(row: &FindingRow, body: Body, note: Option<String>) -> FindingView {
    let Body { producer, rule, subject, evidence, advice } = body;
    let (severity, confidence, state) = (row.severity, row.confidence, row.state);
    FindingView {
        id: row.public_id.clone(),
        finding: Finding { subject, rule, severity, confidence, evidence, advice, state },
        producer,
        first_seen: row.first_seen,
        last_seen: row.last_seen,
        seen: row.seen,
        changed_at: row.changed_at,
        changed_by: row.changed_by,
        note,
        became: None,
    }
}

/// What a finding is known again by. The length stands before the rule, so that
/// no other pair has the same bytes.
pub(super) fn identity(vault: &Vault, rule: &str, subject: &str) -> [u8; 32] {
    vault.keyed_hash(IDENTITY, format!("{}:{rule}{subject}", rule.len()).as_bytes())
}

/// What the findings on one subject share.
pub(super) fn subject(vault: &Vault, subject: &str) -> [u8; 32] {
    vault.keyed_hash(SUBJECT, subject.as_bytes())
}

/// What the findings of one producer share.
pub(super) fn producer(vault: &Vault, producer: &str) -> [u8; 32] {
    vault.keyed_hash(PRODUCER, producer.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_one_past_its_bound_and_stays_text() {
        for (text, bytes_max, expected) in [
            ("", 4, ""),
            ("four", 4, "four"),
            ("fives", 4, "f…"),
            ("ééé", 6, "ééé"),
            ("éééé", 6, "é…"),
            ("abc", 3, "abc"),
            ("abcd", 3, "…"),
        ] {
            assert_eq!(cut(text, bytes_max), expected, "{text} in {bytes_max}");
        }
    }
}
