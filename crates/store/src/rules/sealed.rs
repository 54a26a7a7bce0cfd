//! What of a rule is sealed.

use serde::{Deserialize, Serialize};
use surgewall_core::config::data::Bar;
use surgewall_core::id::PublicId;

use super::{RuleRow, StoredRule};
use crate::people::StoreError;
use crate::people::sealed::{open_json, seal_json};
use crate::vault::Vault;

const BODY: &str = "rules.body";

/// What is sealed of one rule.
#[derive(Serialize, Deserialize)]
struct Body {
    asks: Asks,
    finding: PublicId,
}

/// What a rule asks, by its kind. Its id and state stand in the row.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Asks {
    Bar(Bar),
}

/// `rule` as an engine stores it.
pub(super) fn seal(vault: &Vault, rule: &StoredRule) -> Result<RuleRow, StoreError> {
    let body = Body { asks: Asks::Bar(rule.bar.clone()), finding: rule.finding.clone() };
    Ok(RuleRow {
        id: rule.key,
        public_id: rule.id.clone(),
        state: rule.bar.state,
        body: seal_json(vault, BODY, rule.key.as_u128(), &Some(body))?,
        created_at: rule.created_at,
        changed_at: rule.changed_at,
    })
}

/// What `row` is.
pub(super) fn open(vault: &Vault, row: &RuleRow) -> Result<StoredRule, StoreError> {
    let body: Option<Body> = open_json(vault, BODY, row.id.as_u128(), Some(&row.body))?;
    let Body { asks: Asks::Bar(bar), finding } =
        body.ok_or(StoreError::Damaged { column: BODY })?;
    Ok(StoredRule {
        key: row.id,
        id: row.public_id.clone(),
        // The row's columns are the newer word: they change, the body does not.
        bar: Bar { id: row.public_id.to_string(), state: row.state, ..bar },
        finding,
        created_at: row.created_at,
        changed_at: row.changed_at,
    })
}
