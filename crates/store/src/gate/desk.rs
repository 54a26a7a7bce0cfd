//! The desk of the gate: where it stands, and every change of that, one at a
//! time, recorded before it holds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Changed, Record};
use surgewall_core::gate::{GateStep, GateView, MovedBy};
use surgewall_core::id::PublicId;

use super::{GateStore, StateRow, sealed};
use crate::admin::{AdminError, Signed};
use crate::ledger::Ledger;
use crate::people::StoreError;
use crate::vault::Vault;

/// What the ledger calls a move of the gate.
const MOVE: &str = "gate.move";

/// The gate of one store.
pub struct Desk<S> {
    pub(super) store: Arc<S>,
    pub(super) vault: Vault,
    /// One change at a time: what was read still holds when it is written.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// How many wait, as last counted.
    waiting: AtomicU64,
    /// Sign-ups under way, by the invite that they come by.
    pub(super) held: Arc<Mutex<HashMap<u128, u32>>>,
}

#[derive(Clone, Debug)]
struct State {
    base: GateStep,
    base_by: MovedBy,
    view: GateView,
}

/// Where the gate is to stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Where.
    pub to: GateStep,
    /// Who says so.
    pub by: MovedBy,
    /// Why, in words for everybody.
    pub reason: String,
}

impl<S> std::fmt::Debug for Desk<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("view", &self.view()).finish_non_exhaustive()
    }
}

impl<S> Desk<S> {
    /// The gate in `store`; until it is [loaded](Desk::load), it stands at `start`.
    #[must_use]
    pub fn new(
        store: Arc<S>,
        vault: Vault,
        (start, reason): (GateStep, &str),
        now: Timestamp,
    ) -> Self {
        let by = MovedBy::Config;
        let view = GateView { step: start, reason: reason.to_owned(), since: now, by };
        Self {
            store,
            vault,
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(State { base: start, base_by: by, view }),
            waiting: AtomicU64::new(0),
            held: Arc::default(),
        }
    }

    /// Where the gate stands.
    #[must_use]
    pub fn view(&self) -> GateView {
        guard(&self.state).view.clone()
    }

    /// Where hand or configuration put it.
    #[must_use]
    pub fn base(&self) -> GateStep {
        guard(&self.state).base
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// What sign-ups with addresses of one e-mail domain are counted by.
    #[must_use]
    pub fn domain_key(&self, email: &str) -> u128 {
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        sealed::domain_key(&self.vault, &domain.trim().to_lowercase())
    }

    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

impl<S: GateStore> Desk<S> {
    /// Reads where the gate stands and who waits. One that was never moved stays at
    /// where the configuration starts it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn load(&self) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        if let Some(row) = self.store.gate_state().await? {
            let reason = sealed::open_reason(&self.vault, &row.reason)?;
            let view = GateView { step: row.step, reason, since: row.since, by: row.by };
            *guard(&self.state) = State { base: row.base, base_by: row.base_by, view };
        }
        self.count().await
    }

    /// Counts who waits.
    pub(super) async fn count(&self) -> Result<(), StoreError> {
        self.waiting.store(self.store.waiting().await?, Ordering::Relaxed);
        Ok(())
    }

    /// Holds the gate to where the configuration starts it, unless a hand moved it
    /// since. What pressure narrowed stays until it is calm.
    ///
    /// # Errors
    /// The ledger cannot record it, or the store failed.
    pub async fn configured(
        &self,
        ledger: &Ledger,
        start: GateStep,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let _turn = self.turn().await;
        let mut next = guard(&self.state).clone();
        if next.base_by != MovedBy::Config {
            return Ok(());
        }
        let stood = next.view.by == MovedBy::Config;
        if !stood && next.view.step > start {
            next.base = start;
            return self.write(next).await;
        }
        if stood && next.view.step == start && next.view.reason == reason {
            return self.write(next).await;
        }
        let moved = Moved { to: start, by: MovedBy::Config, reason: reason.to_owned() };
        self.carry_out(ledger, moved, None, now).await.map(drop)
    }

    /// Moves the gate. By hand it then stands there until it is moved again or
    /// pressure narrows it further.
    ///
    /// # Errors
    /// The ledger cannot record it, or the store failed: it stands where it stood.
    pub async fn move_to(
        &self,
        ledger: &Ledger,
        moved: Moved,
        now: Timestamp,
    ) -> Result<GateView, AdminError> {
        let _turn = self.turn().await;
        self.carry_out(ledger, moved, None, now).await
    }

    /// As [`Desk::move_to`], for whoever asks for it.
    pub(super) async fn move_by(
        &self,
        signed: Signed<'_>,
        moved: Moved,
        now: Timestamp,
    ) -> Result<GateView, AdminError> {
        let _turn = self.turn().await;
        self.carry_out(signed.ledger, moved, signed.by_account(), now).await
    }

    /// As [`Desk::move_to`], for a move by pressure that was decided on while the
    /// gate stood at `from`; nothing is moved if a hand was faster.
    ///
    /// # Errors
    /// As [`Desk::move_to`].
    pub async fn move_from(
        &self,
        ledger: &Ledger,
        from: GateStep,
        moved: Moved,
        now: Timestamp,
    ) -> Result<Option<GateView>, AdminError> {
        let _turn = self.turn().await;
        if self.view().step != from {
            return Ok(None);
        }
        self.carry_out(ledger, moved, None, now).await.map(Some)
    }

    async fn carry_out(
        &self,
        ledger: &Ledger,
        moved: Moved,
        account: Option<&PublicId>,
        now: Timestamp,
    ) -> Result<GateView, AdminError> {
        let Moved { to, by, reason } = moved;
        let mut next = guard(&self.state).clone();
        let from = next.view.step;
        let who = account.map_or(by.as_str(), PublicId::as_str);
        record(ledger, to, format!("{from} -> {to} by={who}: {reason}"), now).await?;
        if by != MovedBy::Pressure {
            (next.base, next.base_by) = (to, by);
        }
        next.view = GateView { step: to, reason, since: now, by };
        let view = next.view.clone();
        if let Err(error) = self.write(next).await {
            // The ledger has said it: it says too that it did not come to be.
            let undone = record(ledger, from, format!("{to} -> {from}: not written"), now).await;
            if let Err(error) = undone {
                tracing::error!(%error, "a move of the gate that failed could not be recorded");
            }
            return Err(error);
        }
        Ok(view)
    }

    /// Writes `next` and lets it hold.
    async fn write(&self, next: State) -> Result<(), AdminError> {
        let row = StateRow {
            base: next.base,
            base_by: next.base_by,
            step: next.view.step,
            by: next.view.by,
            since: next.view.since,
            reason: sealed::seal_reason(&self.vault, &next.view.reason),
        };
        self.store.write_gate_state(&row).await?;
        *guard(&self.state) = next;
        Ok(())
    }
}

async fn record(
    ledger: &Ledger,
    step: GateStep,
    detail: String,
    at: Timestamp,
) -> Result<(), AdminError> {
    change(ledger, MOVE, Some(step.to_string()), Some(detail), at).await
}

/// Writes a change of the gate to the ledger.
pub(super) async fn change(
    ledger: &Ledger,
    action: &str,
    subject: Option<String>,
    detail: Option<String>,
    at: Timestamp,
) -> Result<(), AdminError> {
    let changed = Changed { at, action: action.to_owned(), subject, detail };
    let recorded = ledger.append(Record::Changed(changed)).await;
    recorded.map(drop).map_err(AdminError::not_recorded)
}

pub(super) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
