//! The inbox itself: reports and operators' changes, one at a time, recorded
//! before they are written.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Record;
use surgewall_core::finding::{ChangedBy, FindingChanged, State};
use surgewall_core::id::PublicId;

use super::merge::{self, Known, Plan, Sight};
use super::{
    FINDINGS_MAX, FindingCounts, FindingPick, FindingView, Findings, Report, Reported, sealed,
};
use crate::admin::Signed;
use crate::ledger::{AppendError, Ledger};
use crate::ocsf::Export;
use crate::people::StoreError;
use crate::vault::Vault;

/// Why the inbox could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A change of state cannot be recorded, so nothing was changed.
    #[error("the ledger cannot record it: {0}")]
    Ledger(#[from] AppendError),
}

/// The findings of one store.
pub struct Inbox<S> {
    store: Arc<S>,
    vault: Vault,
    /// One change at a time: what was read still holds when it is written.
    turn: tokio::sync::Mutex<()>,
    /// As last counted.
    counts: Mutex<FindingCounts>,
    /// Who else hears of changes.
    export: OnceLock<Export>,
}

/// Who says what becomes of a finding.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    by: ChangedBy,
    account: Option<&'a PublicId>,
}

impl<'a> Said<'a> {
    /// Whoever found it.
    const fn by_producer() -> Self {
        Self { by: ChangedBy::Producer, account: None }
    }

    /// An operator.
    pub(super) fn by(signed: &Signed<'a>) -> Self {
        Self { by: ChangedBy::Operator, account: signed.by_account() }
    }
}

impl<S> std::fmt::Debug for Inbox<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl<S> Inbox<S> {
    /// The inbox in `store`, sealed by `vault`.
    #[must_use]
    pub fn new(store: Arc<S>, vault: Vault) -> Self {
        let turn = tokio::sync::Mutex::new(());
        Self { store, vault, turn, counts: Mutex::default(), export: OnceLock::new() }
    }

    /// Findings that change from now on become events, too. The first export stays.
    pub fn export_to(&self, export: Export) {
        // One door has one export.
        let _ = self.export.set(export);
    }

    /// How many findings there were after the last change through this inbox;
    /// none before [`Inbox::count`] or a first change.
    #[must_use]
    pub fn counts(&self) -> FindingCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn store(&self) -> &Arc<S> {
        &self.store
    }

    pub(super) const fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

impl<S: Findings> Inbox<S> {
    /// Counts what is stored.
    ///
    /// # Errors
    /// The store failed.
    pub async fn count(&self) -> Result<FindingCounts, StoreError> {
        let counts = self.store.finding_counts().await?;
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        Ok(counts)
    }

    /// Takes in what one producer sees: new findings are open, known ones are
    /// updated, what it saw before and does not see now is fixed. A fixed one
    /// that is back is open again, and so is an acknowledged one that got worse.
    ///
    /// # Errors
    /// The store failed, or the ledger cannot record it: nothing was changed.
    pub async fn report(
        &self,
        ledger: &Ledger,
        report: Report,
        now: Timestamp,
    ) -> Result<Reported, InboxError> {
        let sights = merge::sights(&self.vault, report.producer, report.findings);
        let unsure = report.unsure.iter().map(|subject| sealed::subject(&self.vault, subject));
        let unsure = unsure.collect();
        let producer = sealed::producer(&self.vault, report.producer);
        let _turn = self.turn().await;
        let known = self.known(producer, &sights, unsure).await?;
        let known = Known { standing_max: report.standing_max, ..known };
        let plan = merge::plan(&self.vault, known, sights, now)?;
        let left_out = plan.left_out;
        let changes = self.carry_out(ledger, plan, Said::by_producer(), now).await?;
        Ok(Reported { changes, left_out })
    }

    /// When what `rule` found on each of `subjects` was first seen, where it was.
    ///
    /// # Errors
    /// The store failed.
    pub async fn first_seen(
        &self,
        rule: &str,
        subjects: &[String],
    ) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let hash = |subject: &String| sealed::identity(&self.vault, rule, subject);
        let hashes: Vec<_> = subjects.iter().map(hash).collect();
        let rows = self.store.findings(&FindingPick::Hashes(hashes.clone())).await?;
        let seen = |hash| rows.iter().find(|row| row.hash == hash).map(|row| row.first_seen);
        Ok(hashes.into_iter().map(seen).collect())
    }

    /// What is stored of a producer and of what it sees.
    async fn known(
        &self,
        producer: [u8; 32],
        sights: &[Sight],
        unsure: HashSet<[u8; 32]>,
    ) -> Result<Known, StoreError> {
        let mut rows = self.store.findings(&FindingPick::StandingOf(producer)).await?;
        let read: HashSet<_> = rows.iter().map(|row| row.hash).collect();
        let others = sights.iter().map(|sight| sight.hash).filter(|hash| !read.contains(hash));
        rows.extend(self.store.findings(&FindingPick::Hashes(others.collect())).await?);
        let counts = self.store.finding_counts().await?;
        Ok(Known { producer, rows, counts, unsure, standing_max: None })
    }

    /// Records every change of state, then writes. Gives the changed findings.
    pub(super) async fn carry_out(
        &self,
        ledger: &Ledger,
        plan: Plan,
        by: Said<'_>,
        now: Timestamp,
    ) -> Result<Vec<FindingView>, InboxError> {
        for (_, view) in &plan.changes {
            record(ledger, view, view.finding.state, by, now).await?;
        }
        if let Err(error) = self.store.write_findings(&plan.rows, FINDINGS_MAX).await {
            // The ledger has said it: it says too that it did not come to be.
            for (before, view) in &plan.changes {
                let state = before.unwrap_or(State::Fixed);
                if let Err(error) = record(ledger, view, state, by, now).await {
                    tracing::error!(%error, id = %view.id, "a finding's state could not be recorded");
                }
            }
            return Err(error.into());
        }
        if let Some(export) = self.export.get() {
            plan.changes.iter().for_each(|(_, view)| export.finding(view));
        }
        self.count().await?;
        Ok(plan.changes.into_iter().map(|(_, view)| view).collect())
    }
}

async fn record(
    ledger: &Ledger,
    view: &FindingView,
    state: State,
    by: Said<'_>,
    now: Timestamp,
) -> Result<(), AppendError> {
    let changed = FindingChanged {
        at: now,
        id: view.id.clone(),
        rule: view.finding.rule.clone(),
        severity: view.finding.severity,
        state,
        by: by.by,
        account: by.account.cloned(),
    };
    ledger.append(Record::Finding(changed)).await.map(drop)
}
