//! Rules that an operator makes on the running door: out of a finding, in shadow
//! first. They stand beside those of the configuration, in one list, and hold for
//! the next request.
//!
//! A rule is sealed before an engine gets it. Every change is in the ledger before
//! it is made, by the rule's id.

mod ask;
mod book;
mod sealed;

use std::fmt;
use std::future::Future;

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::config::data::Bar;
use surgewall_core::config::limits::RuleState;
use surgewall_core::id::{PublicId, RuleId};

use crate::people::StoreError;

pub use ask::{RuleReply, RuleRequest, RuleView, Source, configured};
pub use book::RuleBook;

/// Rules that a store holds: each request is held against all of them.
pub const RULES_MAX: usize = 200;

/// A rule that was made on the door, as requests are held against it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredRule {
    /// Where it is stored.
    pub key: RuleId,
    /// Its id.
    pub id: PublicId,
    /// What it asks; its own id is the public one.
    pub bar: Bar,
    /// The finding that it came of.
    pub finding: PublicId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it has its state.
    pub changed_at: Timestamp,
}

/// One rule as an engine stores it.
#[derive(Clone, PartialEq, Eq)]
pub struct RuleRow {
    /// Its id.
    pub id: RuleId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Whether it is in force.
    pub state: RuleState,
    /// What it asks and what it came of, sealed.
    pub body: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it has its state.
    pub changed_at: Timestamp,
}

impl fmt::Debug for RuleRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RuleRow({}, {})", self.public_id, self.state.as_str())
    }
}

/// How often a rule held for a request since the door was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Hits {
    /// It refused them.
    pub refused: u64,
    /// It kept them from an upstream, and another one took them.
    pub narrowed: u64,
    /// In shadow: it would have refused them.
    pub would_refuse: u64,
    /// In shadow: it would have kept them from an upstream.
    pub would_narrow: u64,
    /// It took something out of them.
    #[serde(default)]
    pub redacted: u64,
    /// In shadow: it would have taken something out of them.
    #[serde(default)]
    pub would_redact: u64,
}

/// A store of rules. Engines implement it; [`crate::sqlite::Sqlite`] is one.
pub trait Rules: Send + Sync {
    /// All of them, the oldest first.
    ///
    /// # Errors
    /// The engine failed.
    fn rules(&self) -> impl Future<Output = Result<Vec<RuleRow>, StoreError>> + Send;

    /// Writes one: a new one, or another state of one that is there.
    ///
    /// # Errors
    /// The engine failed.
    fn write_rule(&self, row: &RuleRow) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes one, if it is there.
    ///
    /// # Errors
    /// The engine failed.
    fn remove_rule(&self, id: RuleId) -> impl Future<Output = Result<(), StoreError>> + Send;
}
