//! Findings in SQLite. Every statement is a constant; values are bound.

use std::future::Future;

use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};
use surgewall_core::finding::{ChangedBy, Confidence, Severity, State};

use super::rows::{bytes, column, id, instant, public_id, to_blob, to_millis};
use super::write::begin;
use super::{Sqlite, engine};
use crate::findings::{FindingCounts, FindingPick, FindingRow, Findings};
use crate::people::{ORG_ID, PAGE_ROWS_MAX, StoreError};

impl Findings for Sqlite {
    async fn write_findings(&self, rows: &[FindingRow], rows_max: u32) -> Result<(), StoreError> {
        let doing = engine("writing findings");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        for row in rows {
            put(&mut transaction, row).await.map_err(&doing)?;
        }
        forget_fixed(&mut transaction, rows_max).await.map_err(&doing)?;
        transaction.commit().await.map_err(doing)
    }

    fn findings(
        &self,
        pick: &FindingPick,
    ) -> impl Future<Output = Result<Vec<FindingRow>, StoreError>> + Send {
        pick_rows(&self.readers, pick)
    }

    async fn finding_counts(&self) -> Result<FindingCounts, StoreError> {
        let sql = "SELECT state, severity, count(*) AS findings FROM findings \
             WHERE org_id = ?1 GROUP BY state, severity";
        let found = sqlx::query(sql).bind(ORG_ID).fetch_all(&self.readers).await;
        let mut counts = FindingCounts::default();
        for row in &found.map_err(engine("counting findings"))? {
            let count: i64 = column(row, "findings")?;
            let count = u64::try_from(count).unwrap_or(0);
            *match (state(row)?, severity(row)?) {
                (State::Open, Severity::Critical) => &mut counts.open.critical,
                (State::Open, Severity::Warning) => &mut counts.open.warning,
                (State::Open, Severity::Note) => &mut counts.open.note,
                (State::Acknowledged, _) => &mut counts.acknowledged,
                (State::Rule, _) => &mut counts.rule,
                (State::Fixed, _) => &mut counts.fixed,
            } += count;
        }
        Ok(counts)
    }
}

async fn put(connection: &mut SqliteConnection, row: &FindingRow) -> Result<(), sqlx::Error> {
    // What a finding is known by, and when it was seen first, never changes.
    const SQL: &str = "INSERT INTO findings (org_id, id, public_id, finding_hash, subject_hash, \
         producer_hash, state, severity, confidence, body_sealed, note_sealed, first_seen, \
         last_seen, seen, changed_at, changed_by) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
         ON CONFLICT (org_id, id) DO UPDATE SET producer_hash = excluded.producer_hash, \
         state = excluded.state, severity = excluded.severity, \
         confidence = excluded.confidence, body_sealed = excluded.body_sealed, \
         note_sealed = excluded.note_sealed, last_seen = excluded.last_seen, \
         seen = excluded.seen, changed_at = excluded.changed_at, \
         changed_by = excluded.changed_by";
    sqlx::query(SQL)
        .bind(ORG_ID)
        .bind(to_blob(row.id.as_u128()))
        .bind(row.public_id.as_str())
        .bind(row.hash.to_vec())
        .bind(row.subject.to_vec())
        .bind(row.producer.to_vec())
        .bind(row.state.as_str())
        .bind(row.severity.as_str())
        .bind(row.confidence.as_str())
        .bind(&row.body)
        .bind(row.note.as_ref())
        .bind(to_millis(row.first_seen))
        .bind(to_millis(row.last_seen))
        .bind(i64::try_from(row.seen).unwrap_or(i64::MAX))
        .bind(to_millis(row.changed_at))
        .bind(row.changed_by.as_str())
        .execute(connection)
        .await
        .map(drop)
}

/// Past `rows_max` rows, forgets those that have been fixed for longest.
async fn forget_fixed(connection: &mut SqliteConnection, rows_max: u32) -> Result<(), sqlx::Error> {
    const COUNT: &str = "SELECT count(*) FROM findings WHERE org_id = ?1";
    const FORGET: &str = "DELETE FROM findings WHERE org_id = ?1 AND id IN \
         (SELECT id FROM findings WHERE org_id = ?1 AND state = 'fixed' \
         ORDER BY changed_at, id LIMIT ?2)";
    let count: i64 = sqlx::query_scalar(COUNT).bind(ORG_ID).fetch_one(&mut *connection).await?;
    let over = count - i64::from(rows_max);
    if over > 0 {
        sqlx::query(FORGET).bind(ORG_ID).bind(over).execute(connection).await?;
    }
    Ok(())
}

const STANDING_OF: &str = "SELECT * FROM findings INDEXED BY findings_producer \
     WHERE org_id = ?1 AND producer_hash = ?2 AND state IN ('open', 'acknowledged', 'rule')";
const BY_HASH: &str = "SELECT * FROM findings INDEXED BY findings_hash \
     WHERE org_id = ?1 AND finding_hash = ?2";
const BY_PUBLIC_ID: &str = "SELECT * FROM findings INDEXED BY findings_public_id \
     WHERE org_id = ?1 AND public_id = ?2";
const PAGE: &str = "SELECT * FROM findings WHERE org_id = ?1 AND id > ?2 AND \
     ((?3 AND state = 'open') OR (?4 AND state = 'acknowledged') OR (?5 AND state = 'rule') \
     OR (?6 AND state = 'fixed')) ORDER BY id LIMIT ?7";

async fn pick_rows(pool: &SqlitePool, pick: &FindingPick) -> Result<Vec<FindingRow>, StoreError> {
    let doing = engine("reading findings");
    let found = match pick {
        FindingPick::StandingOf(producer) => {
            let query = sqlx::query(STANDING_OF).bind(ORG_ID).bind(producer.to_vec());
            query.fetch_all(pool).await.map_err(doing)?
        }
        FindingPick::Hashes(hashes) => {
            let mut found = Vec::new();
            for hash in hashes {
                let query = sqlx::query(BY_HASH).bind(ORG_ID).bind(hash.to_vec());
                found.extend(query.fetch_optional(pool).await.map_err(&doing)?);
            }
            found
        }
        FindingPick::PublicId(public_id) => {
            let query = sqlx::query(BY_PUBLIC_ID).bind(ORG_ID).bind(public_id);
            query.fetch_all(pool).await.map_err(doing)?
        }
        FindingPick::Page { states, after, rows_max } => {
            let mut query = sqlx::query(PAGE).bind(ORG_ID).bind(to_blob(*after));
            for state in State::ALL {
                query = query.bind(states.contains(&state));
            }
            let query = query.bind((*rows_max).min(PAGE_ROWS_MAX));
            query.fetch_all(pool).await.map_err(doing)?
        }
    };
    found.iter().map(finding).collect()
}

fn finding(row: &SqliteRow) -> Result<FindingRow, StoreError> {
    let seen: i64 = column(row, "seen")?;
    Ok(FindingRow {
        id: id(row, "id")?,
        public_id: public_id(row)?,
        hash: bytes(row, "finding_hash")?,
        subject: bytes(row, "subject_hash")?,
        producer: bytes(row, "producer_hash")?,
        state: state(row)?,
        severity: severity(row)?,
        confidence: word(row, "confidence", &Confidence::ALL, Confidence::as_str)?,
        body: column(row, "body_sealed")?,
        note: column(row, "note_sealed")?,
        first_seen: instant(row, "first_seen")?,
        last_seen: instant(row, "last_seen")?,
        seen: u64::try_from(seen).map_err(|_| StoreError::Damaged { column: "findings.seen" })?,
        changed_at: instant(row, "changed_at")?,
        changed_by: word(row, "changed_by", &ChangedBy::ALL, ChangedBy::as_str)?,
    })
}

fn state(row: &SqliteRow) -> Result<State, StoreError> {
    word(row, "state", &State::ALL, State::as_str)
}

fn severity(row: &SqliteRow) -> Result<Severity, StoreError> {
    word(row, "severity", &Severity::ALL, Severity::as_str)
}

/// One of a few words.
fn word<T: Copy>(
    row: &SqliteRow,
    name: &'static str,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, StoreError> {
    let word: &str = column(row, name)?;
    let known = all.iter().copied().find(|known| as_str(*known) == word);
    known.ok_or(StoreError::Damaged { column: name })
}
