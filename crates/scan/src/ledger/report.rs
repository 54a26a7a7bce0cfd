//! What the verifier concludes, in the words that an operator reads.

use std::borrow::Cow;
use std::path::Path;

use serde::Serialize;
use surgewall_core::finding::{Finding, Severity};

use super::segment::Fault;
use super::tree::Tree;

/// Findings of one check: the first ones tell the story.
const FINDINGS_MAX: usize = 100;

/// What no check of one's own ledger can show.
pub const TRUST: &str = "whoever holds the master key can write another history and sign it, and no witness vouches for this one: name one in the configuration, or keep ledger/log/checkpoint where the door cannot reach it, and compare with `check ledger --against FILE`";

/// What `check ledger --format json` prints. Sums are `null` without the
/// master key; with findings they cover what could be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verification {
    /// Whole records in the segments that are kept.
    pub records: u64,
    /// Batches of the operator's records that are kept and are those of the ledger;
    /// `null` where the two were not compared.
    pub batches: Option<u64>,
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
    /// How many records the tree has: the last record's number.
    pub size: u64,
    /// The tree's root over all of them, in hex.
    pub head: String,
    /// How many of them the signed checkpoint covers.
    pub signed: Option<u64>,
    /// Whose signature that is, as tools for signed notes take it.
    pub key: Option<String>,
    /// How many of them the witness that was named countersigned.
    pub witnessed: Option<u64>,
    /// What this check cannot show, and what to do about it.
    pub trust: Cow<'static, str>,
    /// Worth knowing, no damage: a torn last record, open reservations.
    pub notes: Vec<String>,
    /// Damage; the first one names the first bad record.
    pub findings: Vec<Finding>,
}

impl Verification {
    pub(super) fn with(mut self, findings: Findings) -> Self {
        self.findings = findings.sorted();
        self
    }

    /// Of a data directory in which nothing was recorded yet.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self {
            records: 0,
            batches: None,
            admitted: Some(0),
            reserved: Some(0),
            settled: Some(0),
            refunded: Some(0),
            open: Some(0),
            open_requests: Some(0),
            size: 0,
            head: hex(&Tree::default().root()),
            signed: None,
            key: None,
            witnessed: None,
            trust: TRUST.into(),
            notes: vec!["the ledger is empty".to_owned()],
            findings: Vec::new(),
        }
    }
}

/// Findings, by the record that each is about.
#[derive(Default)]
pub(super) struct Findings {
    found: Vec<(u64, Finding)>,
}

impl Findings {
    pub(super) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// A record of the segment at `path` is bad.
    pub(super) fn record(&mut self, path: &Path, fault: &Fault) {
        let Fault { rule, sequence, offset, what } = fault;
        let evidence = format!("record {sequence} at byte {offset}: {what}");
        let advice = "The segment was changed after it was written, or its disk is failing: keep a copy as evidence, compare it with a backup, and trust nothing after this record.";
        self.push(*sequence, rule, path, evidence, advice);
    }

    /// A file of the log is bad, or says that records are: the first of them,
    /// where it can be told.
    pub(super) fn log(&mut self, path: &Path, rule: &str, sequence: Option<u64>, what: &str) {
        let evidence = sequence
            .map_or_else(|| what.to_owned(), |sequence| format!("record {sequence}: {what}"));
        let sequence = sequence.unwrap_or(u64::MAX);
        let advice = "Keep a copy of the whole ledger as evidence, and compare it with a backup and with a checkpoint that was kept elsewhere.";
        self.push(sequence, rule, path, evidence, advice);
    }

    /// The operator's records at `path` are not those of the ledger, whose record
    /// `sequence` knows them; 0 where none does.
    pub(super) fn records(&mut self, path: &Path, rule: &str, sequence: u64, what: &str) {
        let evidence = match sequence {
            0 => what.to_owned(),
            sequence => format!("{what} (record {sequence} of the ledger)"),
        };
        let advice = "Keep a copy of the file and of the ledger as evidence, and compare it with a backup; what was sealed elsewhere does not open here.";
        // The ledger's own damage is the first to be told.
        self.push(u64::MAX, rule, path, evidence, advice);
    }

    fn push(&mut self, sequence: u64, rule: &str, path: &Path, evidence: String, advice: &str) {
        if self.found.len() < FINDINGS_MAX {
            let finding = Finding::new(Severity::Critical, rule, path.display().to_string());
            self.found.push((sequence, finding.evidence(evidence).advice(advice)));
        }
    }

    /// All, the one about the first record first.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|(sequence, _)| *sequence);
        self.found.into_iter().map(|(_, finding)| finding).collect()
    }
}

/// A hash in hex.
pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
