//! The inbox: what guards, scanners and checks concluded, and what became of it.
//!
//! A producer hands in all that it sees at one look ([`Report`]); the inbox
//! knows a finding again by its rule and subject, opens what is new, and takes
//! for fixed what that producer does not see any more. An operator acknowledges,
//! reopens or closes ([`InboxRequest`]). Every change of state is in the ledger
//! before it is in the inbox.
//!
//! What was seen is sealed before an engine gets it, as people's columns are.

mod ask;
mod inbox;
mod merge;
mod sealed;
mod state;

use std::future::Future;

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::finding::{ChangedBy, Confidence, Finding, Severity, State};
use surgewall_core::id::{FindingId, PublicId};

use crate::people::StoreError;

pub use ask::{InboxReply, InboxRequest, To};
pub use inbox::{Inbox, InboxError};
pub use state::{Event, after};

/// Findings that the inbox holds: past it the fixed ones go, the oldest first.
/// New ones that still do not fit are left out, the mildest first.
pub const FINDINGS_MAX: u32 = 10_000;
/// What a finding is about, in bytes; more is cut.
pub const SUBJECT_BYTES_MAX: usize = 1 << 10;
/// Evidence or advice, in bytes; more is cut.
pub const TEXT_BYTES_MAX: usize = 4 << 10;
/// An operator's note, in characters.
pub const NOTE_CHARS_MAX: usize = 1_000;

/// What one producer concluded at one look.
#[derive(Clone, Debug)]
pub struct Report {
    /// Who looked: one word for each thing that looks by itself, for example
    /// `config` or `exposure`.
    pub producer: &'static str,
    /// All that it sees now. What it reported before and does not name here is fixed.
    pub findings: Vec<Finding>,
    /// Subjects that it could not tell about this time: what is known of them stays.
    pub unsure: Vec<String>,
    /// Set where nobody looks again: what was reported before stays until an operator
    /// closes it, and at most so many of this producer stand at once.
    pub standing_max: Option<u32>,
}

impl Report {
    /// All that `producer` sees, and it could look everywhere.
    #[must_use]
    pub const fn new(producer: &'static str, findings: Vec<Finding>) -> Self {
        Self { producer, findings, unsure: Vec::new(), standing_max: None }
    }

    /// One thing that `producer` was told, which nobody looks for again: it stands
    /// until an operator closes it. While `standing_max` of them stand, a further one
    /// is left out: whoever tells must not fill the inbox.
    #[must_use]
    pub fn told(producer: &'static str, finding: Finding, standing_max: u32) -> Self {
        Self { standing_max: Some(standing_max), ..Self::new(producer, vec![finding]) }
    }

    /// But for these subjects: it could not tell.
    #[must_use]
    pub fn unsure(mut self, subjects: Vec<String>) -> Self {
        self.unsure = subjects;
        self
    }
}

/// What a report changed.
#[derive(Clone, Debug, Default)]
pub struct Reported {
    /// The findings that have another state now, the worst first.
    pub changes: Vec<FindingView>,
    /// New findings that were left out: the inbox is full of what is not fixed.
    pub left_out: usize,
}

/// One finding of the inbox, opened: what operators see.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FindingView {
    /// Its id.
    pub id: PublicId,
    /// The finding, with its state.
    #[serde(flatten)]
    pub finding: Finding,
    /// Who found it.
    pub producer: String,
    /// When it was seen first.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// At how many looks it was seen.
    pub seen: u64,
    /// Since when it has its state.
    pub changed_at: Timestamp,
    /// Who says so.
    pub changed_by: ChangedBy,
    /// What an operator noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The rule that came of it, where one finding is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub became: Option<PublicId>,
}

/// One finding as an engine stores it.
#[derive(Clone, PartialEq, Eq)]
pub struct FindingRow {
    /// Its id.
    pub id: FindingId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Keyed hash of rule and subject: what it is known again by.
    pub hash: [u8; 32],
    /// Keyed hash of the subject.
    pub subject: [u8; 32],
    /// Keyed hash of the producer.
    pub producer: [u8; 32],
    /// What became of it.
    pub state: State,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Producer, rule, subject, evidence and advice, sealed.
    pub body: Vec<u8>,
    /// An operator's note, sealed.
    pub note: Option<Vec<u8>>,
    /// When it was seen first.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// At how many looks it was seen.
    pub seen: u64,
    /// Since when it has its state.
    pub changed_at: Timestamp,
    /// Who says so.
    pub changed_by: ChangedBy,
}

/// Which findings to read.
#[derive(Clone, Debug)]
pub enum FindingPick {
    /// Those of one producer (keyed hash) that are not fixed.
    StandingOf([u8; 32]),
    /// Those with these keyed hashes of rule and subject.
    Hashes(Vec<[u8; 32]>),
    /// The one with this public id.
    PublicId(String),
    /// Those in one of these states after an id, in the order of their ids.
    Page {
        /// The states.
        states: Vec<State>,
        /// The id before the first; 0 begins.
        after: u128,
        /// How many.
        rows_max: u32,
    },
}

/// How many findings are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FindingCounts {
    /// Open ones.
    pub open: OpenFindings,
    /// Acknowledged ones.
    pub acknowledged: u64,
    /// Those that a rule came of.
    pub rule: u64,
    /// Fixed ones.
    pub fixed: u64,
}

impl FindingCounts {
    /// All that are not fixed.
    #[must_use]
    pub const fn standing(&self) -> u64 {
        self.open.all() + self.acknowledged + self.rule
    }
}

/// How many findings are open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OpenFindings {
    /// Critical ones.
    pub critical: u64,
    /// Warnings.
    pub warning: u64,
    /// Notes.
    pub note: u64,
}

impl OpenFindings {
    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.critical + self.warning + self.note
    }

    /// Those of one severity.
    #[must_use]
    pub const fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::Warning => self.warning,
            Severity::Note => self.note,
        }
    }
}

/// A store of findings. Engines implement it; [`crate::sqlite::Sqlite`] is one.
pub trait Findings: Send + Sync {
    /// Puts all of `rows` in, or none of them; a row with the same id is replaced.
    /// Past `rows_max` rows, those go that have been fixed for longest.
    ///
    /// # Errors
    /// The engine failed, or two rows have one hash.
    fn write_findings(
        &self,
        rows: &[FindingRow],
        rows_max: u32,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The findings that `pick` names.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn findings(
        &self,
        pick: &FindingPick,
    ) -> impl Future<Output = Result<Vec<FindingRow>, StoreError>> + Send;

    /// How many there are.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn finding_counts(&self) -> impl Future<Output = Result<FindingCounts, StoreError>> + Send;
}
