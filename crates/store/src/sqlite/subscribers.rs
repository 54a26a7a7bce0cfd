//! Subscribers in SQLite. Every statement is a constant; values are bound.

use sqlx::sqlite::SqliteRow;
use surgewall_core::clock::Timestamp;

use super::rows::{bytes, column, instant, optional_instant, to_blob, to_millis};
use super::write::begin;
use super::{Sqlite, engine};
use crate::people::{ORG_ID, PAGE_ROWS_MAX, StoreError};
use crate::subscribers::{
    FAILURES_MAX, SubscriberCounts, SubscriberKind, SubscriberRow, SubscriberStore,
};

impl SubscriberStore for Sqlite {
    async fn subscriber(&self, id: u128) -> Result<Option<SubscriberRow>, StoreError> {
        const SQL: &str = "SELECT * FROM subscribers WHERE org_id = ?1 AND id = ?2";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(id));
        let found = query.fetch_optional(&self.readers).await;
        found.map_err(engine("reading a subscriber"))?.as_ref().map(row).transpose()
    }

    async fn subscriber_at(
        &self,
        address_hash: &[u8; 32],
    ) -> Result<Option<SubscriberRow>, StoreError> {
        const SQL: &str = "SELECT * FROM subscribers WHERE org_id = ?1 AND address_hash = ?2";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(address_hash.to_vec());
        let found = query.fetch_optional(&self.readers).await;
        found.map_err(engine("reading a subscriber"))?.as_ref().map(row).transpose()
    }

    async fn count_subscribers(
        &self,
        network_hash: &[u8; 32],
    ) -> Result<SubscriberCounts, StoreError> {
        const CONFIRMED: &str =
            "SELECT count(*) FROM subscribers WHERE org_id = ?1 AND confirmed_at IS NOT NULL";
        const WAITING: &str =
            "SELECT count(*) FROM subscribers WHERE org_id = ?1 AND confirmed_at IS NULL";
        const OF_NETWORK: &str = "SELECT count(*) FROM subscribers WHERE org_id = ?1 \
             AND confirmed_at IS NULL AND network_hash = ?2";
        let doing = engine("counting subscribers");
        let confirmed: i64 = sqlx::query_scalar(CONFIRMED)
            .bind(ORG_ID)
            .fetch_one(&self.readers)
            .await
            .map_err(&doing)?;
        let unconfirmed: i64 = sqlx::query_scalar(WAITING)
            .bind(ORG_ID)
            .fetch_one(&self.readers)
            .await
            .map_err(&doing)?;
        let query = sqlx::query_scalar(OF_NETWORK).bind(ORG_ID).bind(network_hash.to_vec());
        let of_network: i64 = query.fetch_one(&self.readers).await.map_err(&doing)?;
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(SubscriberCounts {
            confirmed: number(confirmed),
            unconfirmed: number(unconfirmed),
            of_network: number(of_network),
        })
    }

    async fn add_subscriber(&self, row: &SubscriberRow) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO subscribers (org_id, id, kind, address_hash, body_sealed, \
             network_hash, asked_at, confirmed_at, told_at, failures) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        sqlx::query(SQL)
            .bind(ORG_ID)
            .bind(to_blob(row.id))
            .bind(row.kind.as_str())
            .bind(row.address_hash.to_vec())
            .bind(&row.body)
            .bind(row.network_hash.to_vec())
            .bind(to_millis(row.asked_at))
            .bind(row.confirmed_at.map(to_millis))
            .bind(to_millis(row.told_at))
            .bind(row.failures)
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(engine("writing a subscriber"))
    }

    async fn confirm_subscriber(&self, id: u128, at: Timestamp) -> Result<bool, StoreError> {
        // Confirmed again, it keeps what it was told of.
        const SQL: &str = "UPDATE subscribers SET told_at = CASE WHEN confirmed_at IS NULL \
             THEN ?3 ELSE told_at END, confirmed_at = coalesce(confirmed_at, ?3) \
             WHERE org_id = ?1 AND id = ?2";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(id)).bind(to_millis(at));
        let done = query.execute(&self.writer).await.map_err(engine("confirming a subscriber"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn remove_subscriber(&self, id: u128) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM subscribers WHERE org_id = ?1 AND id = ?2";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(id));
        let done = query.execute(&self.writer).await.map_err(engine("removing a subscriber"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn subscribers_due(
        &self,
        said_at: Timestamp,
        after: Option<u128>,
        rows_max: u32,
    ) -> Result<Vec<SubscriberRow>, StoreError> {
        const SQL: &str = "SELECT * FROM subscribers WHERE org_id = ?1 AND id > ?2 \
             AND confirmed_at IS NOT NULL AND told_at < ?3 ORDER BY id LIMIT ?4";
        let after = after.map(to_blob).unwrap_or_default();
        let query = sqlx::query(SQL).bind(ORG_ID).bind(after).bind(to_millis(said_at));
        let query = query.bind(rows_max.min(PAGE_ROWS_MAX));
        let found = query.fetch_all(&self.readers).await;
        found.map_err(engine("reading subscribers"))?.iter().map(row).collect()
    }

    async fn subscribers_told(
        &self,
        told: &[(u128, bool)],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        const WELL: &str = "UPDATE subscribers SET told_at = max(told_at, ?3), failures = 0 \
             WHERE org_id = ?1 AND id = ?2";
        // It is told again later, of all that it missed.
        const BADLY: &str =
            "UPDATE subscribers SET failures = failures + 1 WHERE org_id = ?1 AND id = ?2";
        const GIVEN_UP: &str = "DELETE FROM subscribers WHERE org_id = ?1 AND failures >= ?2";
        let doing = engine("noting who was told");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        for (id, well) in told {
            let query = sqlx::query(if *well { WELL } else { BADLY });
            let query = query.bind(ORG_ID).bind(to_blob(*id));
            let query = if *well { query.bind(to_millis(at)) } else { query };
            query.execute(&mut *transaction).await.map_err(&doing)?;
        }
        if told.iter().any(|(_, well)| !well) {
            let query = sqlx::query(GIVEN_UP).bind(ORG_ID).bind(FAILURES_MAX);
            query.execute(&mut *transaction).await.map_err(&doing)?;
        }
        transaction.commit().await.map_err(doing)
    }

    async fn sweep_subscribers(&self, before: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM subscribers WHERE org_id = ?1 AND confirmed_at IS NULL \
             AND asked_at < ?2";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_millis(before));
        query
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(engine("forgetting who did not confirm"))
    }
}

fn row(row: &SqliteRow) -> Result<SubscriberRow, StoreError> {
    let word: &str = column(row, "kind")?;
    let kind = SubscriberKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    Ok(SubscriberRow {
        id: u128::from_be_bytes(bytes(row, "id")?),
        kind: kind.ok_or(StoreError::Damaged { column: "subscribers.kind" })?,
        address_hash: bytes(row, "address_hash")?,
        body: column(row, "body_sealed")?,
        network_hash: bytes(row, "network_hash")?,
        asked_at: instant(row, "asked_at")?,
        confirmed_at: optional_instant(row, "confirmed_at")?,
        told_at: instant(row, "told_at")?,
        failures: column(row, "failures")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
    }

    fn subscriber(id: u128) -> SubscriberRow {
        let mut address_hash = [0; 32];
        address_hash[..16].copy_from_slice(&id.to_be_bytes());
        SubscriberRow {
            id,
            kind: SubscriberKind::Webhook,
            address_hash,
            body: vec![1],
            network_hash: [7; 32],
            asked_at: at(0),
            confirmed_at: None,
            told_at: at(0),
            failures: 0,
        }
    }

    async fn due(store: &Sqlite, said_s: u64) -> Vec<u128> {
        let rows = store.subscribers_due(at(said_s), None, 10).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    }

    #[tokio::test]
    async fn who_confirmed_is_told_once_and_again_after_a_failure() {
        let base = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&base.path().join("t.db")).await.unwrap();
        for id in [1, 2, 3] {
            store.add_subscriber(&subscriber(id)).await.unwrap();
        }
        assert!(due(&store, 100).await.is_empty(), "nobody confirmed");
        for id in [1, 2] {
            assert!(store.confirm_subscriber(id, at(10)).await.unwrap());
        }
        assert!(!store.confirm_subscriber(9, at(10)).await.unwrap());
        assert!(due(&store, 10).await.is_empty(), "what was said before is not told");
        assert_eq!(due(&store, 11).await, [1, 2]);
        store.subscribers_told(&[(1, true), (2, false)], at(11)).await.unwrap();
        assert_eq!(due(&store, 11).await, [2], "it is tried again");
        store.confirm_subscriber(1, at(99)).await.unwrap();
        assert_eq!(due(&store, 12).await, [1, 2], "confirmed again, it misses nothing");
        for _ in 1..FAILURES_MAX {
            assert!(store.subscriber(2).await.unwrap().is_some());
            store.subscribers_told(&[(2, false)], at(12)).await.unwrap();
        }
        assert!(store.subscriber(2).await.unwrap().is_none(), "given up");
        let counts = store.count_subscribers(&[7; 32]).await.unwrap();
        let expected = SubscriberCounts { confirmed: 1, unconfirmed: 1, of_network: 1 };
        assert_eq!(counts, expected);
        store.sweep_subscribers(at(0)).await.unwrap();
        assert!(store.subscriber(3).await.unwrap().is_some());
        store.sweep_subscribers(at(1)).await.unwrap();
        assert!(store.subscriber(3).await.unwrap().is_none(), "it did not confirm");
        assert!(store.remove_subscriber(1).await.unwrap());
        assert!(!store.remove_subscriber(1).await.unwrap());
    }
}
