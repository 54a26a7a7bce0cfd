//! Notices to accounts: what an incident did to their requests. Numbers, times
//! and one of a few words only; what is said of them is made when they are read.

use std::future::Future;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, PublicId};
use surgewall_core::incident::Verdict;

use crate::people::StoreError;

/// Notices that one account is shown; the newest.
pub const NOTICES_SHOWN_MAX: u32 = 5;
/// Notices that are kept; past it the oldest go.
pub const NOTICES_MAX: u32 = 200_000;
/// Days after its incident began that a notice is kept.
pub const NOTICE_DAYS_MAX: u64 = 30;

/// What became of an account's requests during an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// Requests that were refused or not answered.
    pub refused: u32,
    /// Answers that broke off.
    pub cut: u32,
    /// Requests that waited for long.
    pub delayed: u32,
}

impl Harm {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            refused: self.refused.saturating_add(other.refused),
            cut: self.cut.saturating_add(other.cut),
            delayed: self.delayed.saturating_add(other.delayed),
        }
    }
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whose.
    pub account: AccountId,
    /// The incident's id.
    pub incident: PublicId,
    /// Its verdict.
    pub verdict: Verdict,
    /// What it did to the account's requests.
    pub harm: Harm,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended; `None` while it goes on.
    pub ended_at: Option<Timestamp>,
}

/// Where notices are kept. Whose one is stands in every key.
pub trait Notices: Send + Sync {
    /// Writes notices. One of an incident that the account has a notice of takes
    /// its place, and stays read where it was.
    fn put_notices(
        &self,
        notices: &[Notice],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What `account` has not read yet, the newest first, at most [`NOTICES_SHOWN_MAX`].
    fn notices(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<Vec<Notice>, StoreError>> + Send;

    /// `account` has read its notice of `incident`; whether it has one.
    fn read_notice(
        &self,
        account: AccountId,
        incident: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// No incident goes on any more: those of which no end is known ended at `at`.
    fn end_notices(&self, at: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes what is older than [`NOTICE_DAYS_MAX`] at `now`, and the oldest
    /// beyond [`NOTICES_MAX`].
    fn sweep_notices(&self, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
}
