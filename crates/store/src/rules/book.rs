//! The stored rules in force: read once, changed one at a time, each change
//! recorded before it is written.

use std::sync::{Arc, PoisonError, RwLock};

use surgewall_core::clock::Timestamp;
use surgewall_core::config::data::Bar;
use surgewall_core::config::limits::RuleState;
use surgewall_core::data::ClassSet;
use surgewall_core::decision::{Changed, Record};
use surgewall_core::id::{PublicId, RuleId};

use super::{RULES_MAX, RuleRow, Rules, StoredRule, sealed};
use crate::admin::{AdminError, Signed};
use crate::people::StoreError;
use crate::vault::Vault;

/// The stored rules of one store.
pub struct RuleBook<S> {
    store: Arc<S>,
    vault: Vault,
    /// One change at a time: what was read still holds when it is written.
    turn: tokio::sync::Mutex<()>,
    current: RwLock<Arc<[StoredRule]>>,
}

impl<S> std::fmt::Debug for RuleBook<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleBook").field("rules", &self.current()).finish_non_exhaustive()
    }
}

/// What is to become of one rule.
enum Write<'a> {
    Put(&'a StoredRule),
    Remove(&'a StoredRule),
}

impl<S> RuleBook<S> {
    /// The rules in `store`, sealed by `vault`; none before [`RuleBook::load`].
    #[must_use]
    pub fn new(store: Arc<S>, vault: Vault) -> Self {
        let current = RwLock::new(Arc::from([]));
        Self { store, vault, turn: tokio::sync::Mutex::default(), current }
    }

    /// The rules of this moment, the oldest first.
    #[must_use]
    pub fn current(&self) -> Arc<[StoredRule]> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rule that came of this finding.
    #[must_use]
    pub fn of_finding(&self, finding: &PublicId) -> Option<PublicId> {
        let current = self.current();
        current.iter().find(|rule| rule.finding == *finding).map(|rule| rule.id.clone())
    }
}

impl<S: Rules> RuleBook<S> {
    /// Reads what is stored and puts it in force.
    ///
    /// # Errors
    /// The store failed, or a rule does not open.
    pub async fn load(&self) -> Result<(), StoreError> {
        let rows = self.store.rules().await?;
        let rules = rows.iter().map(|row| sealed::open(&self.vault, row));
        let rules: Arc<[StoredRule]> = rules.collect::<Result<_, _>>()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    /// Makes a rule in shadow that bars `upstream`, of `finding`; the one that is
    /// there, if it came of this finding before.
    ///
    /// # Errors
    /// It cannot be recorded or written, or there are [`RULES_MAX`].
    pub(crate) async fn bar(
        &self,
        signed: Signed<'_>,
        upstream: &str,
        finding: &PublicId,
        now: Timestamp,
    ) -> Result<PublicId, AdminError> {
        let _turn = self.turn.lock().await;
        if let Some(id) = self.of_finding(finding) {
            return Ok(id);
        }
        if self.current().len() >= RULES_MAX {
            return Err(AdminError::conflict(format!("there are {RULES_MAX} stored rules"))
                .hint("`surgewall admin rule remove ID` makes room"));
        }
        let id = PublicId::random("rule");
        let rule = StoredRule {
            key: RuleId::new(now),
            bar: Bar {
                id: id.to_string(),
                state: RuleState::Shadow,
                classes: ClassSet::EMPTY,
                groups: Vec::new(),
                upstreams: vec![upstream.to_owned()],
            },
            id: id.clone(),
            finding: finding.clone(),
            created_at: now,
            changed_at: now,
        };
        self.carry_out(signed, "rule.create", Write::Put(&rule), now).await?;
        Ok(id)
    }

    /// Puts a rule into another state.
    pub(super) async fn set(
        &self,
        signed: Signed<'_>,
        id: &str,
        state: RuleState,
        now: Timestamp,
    ) -> Result<StoredRule, AdminError> {
        let _turn = self.turn.lock().await;
        let mut rule = self.find(id)?;
        if rule.bar.state != state {
            rule.bar.state = state;
            rule.changed_at = now;
            self.carry_out(signed, "rule.set", Write::Put(&rule), now).await?;
        }
        Ok(rule)
    }

    /// Removes a rule.
    pub(super) async fn remove(
        &self,
        signed: Signed<'_>,
        id: &str,
        now: Timestamp,
    ) -> Result<StoredRule, AdminError> {
        let _turn = self.turn.lock().await;
        let rule = self.find(id)?;
        self.carry_out(signed, "rule.remove", Write::Remove(&rule), now).await?;
        Ok(rule)
    }

    pub(super) fn find(&self, id: &str) -> Result<StoredRule, AdminError> {
        let (current, id) = (self.current(), id.trim());
        current.iter().find(|rule| rule.id.as_str() == id).cloned().ok_or_else(|| {
            AdminError::not_found(format!("there is no rule `{id}`"))
                .hint("`surgewall admin rule list` shows them")
        })
    }

    /// Recorded, written, in force, recorded as done: in this order.
    async fn carry_out(
        &self,
        signed: Signed<'_>,
        action: &str,
        write: Write<'_>,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let (Write::Put(rule) | Write::Remove(rule)) = write;
        let row: RuleRow = sealed::seal(&self.vault, rule)?;
        let changed = |action: String, detail| {
            let subject = Some(rule.id.to_string());
            Record::Changed(Changed { at: now, action, subject, detail })
        };
        let detail = format!("bar {} by={signed}", rule.bar.state.as_str());
        let begun = signed.ledger.append(changed(action.to_owned(), Some(detail))).await;
        begun.map_err(AdminError::not_recorded)?;
        let written = match write {
            Write::Put(_) => self.store.write_rule(&row).await,
            Write::Remove(_) => self.store.remove_rule(row.id).await,
        };
        // What is stored is in force, also where it could not be told what that is.
        let written = written.and(self.load().await);
        let outcome = if written.is_ok() { "done" } else { "failed" };
        if let Err(error) = signed.ledger.append(changed(format!("{action}.{outcome}"), None)).await
        {
            tracing::error!(%error, action, "the end of a change could not be recorded");
        }
        Ok(written?)
    }
}
