//! Stored rules in SQLite. Every statement is a constant; values are bound.

use sqlx::sqlite::SqliteRow;
use surgewall_core::config::limits::RuleState;
use surgewall_core::id::RuleId;

use super::rows::{column, id, instant, public_id, to_blob, to_millis};
use super::{Sqlite, engine};
use crate::people::{ORG_ID, StoreError};
use crate::rules::{RuleRow, Rules};

impl Rules for Sqlite {
    async fn rules(&self) -> Result<Vec<RuleRow>, StoreError> {
        const SQL: &str = "SELECT * FROM rules WHERE org_id = ?1 ORDER BY id";
        let rows = sqlx::query(SQL).bind(ORG_ID).fetch_all(&self.writer).await;
        rows.map_err(engine("reading rules"))?.iter().map(rule).collect()
    }

    async fn write_rule(&self, row: &RuleRow) -> Result<(), StoreError> {
        // Only its state ever changes.
        const SQL: &str = "INSERT INTO rules (org_id, id, public_id, state, body_sealed, created_at, \
             changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (org_id, id) DO UPDATE \
             SET state = excluded.state, changed_at = excluded.changed_at";
        sqlx::query(SQL)
            .bind(ORG_ID)
            .bind(to_blob(row.id.as_u128()))
            .bind(row.public_id.as_str())
            .bind(row.state.as_str())
            .bind(&row.body)
            .bind(to_millis(row.created_at))
            .bind(to_millis(row.changed_at))
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(engine("writing a rule"))
    }

    async fn remove_rule(&self, id: RuleId) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM rules WHERE org_id = ?1 AND id = ?2";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(id.as_u128()));
        query.execute(&self.writer).await.map(drop).map_err(engine("removing a rule"))
    }
}

fn rule(row: &SqliteRow) -> Result<RuleRow, StoreError> {
    let state: &str = column(row, "state")?;
    let state: RuleState =
        state.parse().map_err(|_| StoreError::Damaged { column: "rules.state" })?;
    Ok(RuleRow {
        id: id(row, "id")?,
        public_id: public_id(row)?,
        state,
        body: column(row, "body_sealed")?,
        created_at: instant(row, "created_at")?,
        changed_at: instant(row, "changed_at")?,
    })
}
