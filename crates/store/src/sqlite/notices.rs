//! Notices in SQLite. Every statement is a constant; values are bound.

use sqlx::sqlite::SqliteRow;
use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::id::AccountId;
use surgewall_core::incident::Verdict;

use super::rows::{column, id, instant, optional_instant, public_id, to_blob, to_millis};
use super::write::begin;
use super::{Sqlite, engine};
use crate::notices::{Harm, NOTICE_DAYS_MAX, NOTICES_MAX, NOTICES_SHOWN_MAX, Notice, Notices};
use crate::people::{ORG_ID, StoreError};

/// Notices that are written in one transaction: nobody else writes meanwhile.
const BATCH_ROWS_MAX: usize = 500;

impl Notices for Sqlite {
    async fn put_notices(&self, notices: &[Notice]) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO notices (org_id, account_id, public_id, verdict, refused, \
             cut, delayed, began_at, ended_at, read) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0) \
             ON CONFLICT (org_id, account_id, public_id) DO UPDATE SET verdict = excluded.verdict, \
             refused = excluded.refused, cut = excluded.cut, delayed = excluded.delayed, \
             began_at = excluded.began_at, ended_at = excluded.ended_at";
        let doing = engine("writing notices");
        for batch in notices.chunks(BATCH_ROWS_MAX) {
            let mut transaction = begin(&self.writer).await.map_err(&doing)?;
            for notice in batch {
                let query = sqlx::query(SQL)
                    .bind(ORG_ID)
                    .bind(to_blob(notice.account.as_u128()))
                    .bind(notice.incident.as_str())
                    .bind(notice.verdict.as_str())
                    .bind(notice.harm.refused)
                    .bind(notice.harm.cut)
                    .bind(notice.harm.delayed)
                    .bind(to_millis(notice.began_at))
                    .bind(notice.ended_at.map(to_millis));
                query.execute(&mut *transaction).await.map_err(&doing)?;
            }
            transaction.commit().await.map_err(&doing)?;
        }
        Ok(())
    }

    async fn notices(&self, account: AccountId) -> Result<Vec<Notice>, StoreError> {
        const SQL: &str = "SELECT * FROM notices WHERE org_id = ?1 AND account_id = ?2 \
             AND read = 0 ORDER BY began_at DESC LIMIT ?3";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(account.as_u128()));
        let found = query.bind(NOTICES_SHOWN_MAX).fetch_all(&self.readers).await;
        found.map_err(engine("reading notices"))?.iter().map(notice).collect()
    }

    async fn read_notice(&self, account: AccountId, incident: &str) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE notices SET read = 1 \
             WHERE org_id = ?1 AND account_id = ?2 AND public_id = ?3";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(account.as_u128())).bind(incident);
        let done = query.execute(&self.writer).await.map_err(engine("noting what was read"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn end_notices(&self, at: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE notices SET ended_at = max(?2, began_at) \
             WHERE org_id = ?1 AND ended_at IS NULL";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(to_millis(at));
        query.execute(&self.writer).await.map(drop).map_err(engine("ending notices"))
    }

    async fn sweep_notices(&self, now: Timestamp) -> Result<(), StoreError> {
        const OLD: &str = "DELETE FROM notices WHERE org_id = ?1 AND began_at < ?2";
        const BEYOND: &str = "DELETE FROM notices WHERE org_id = ?1 AND (account_id, public_id) IN \
             (SELECT account_id, public_id FROM notices WHERE org_id = ?1 \
             ORDER BY began_at DESC LIMIT -1 OFFSET ?2)";
        let doing = engine("removing old notices");
        let before = now.millis().saturating_sub(NOTICE_DAYS_MAX * DAY_S * 1_000);
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        let query = sqlx::query(OLD).bind(ORG_ID).bind(to_millis(Timestamp::from_millis(before)));
        query.execute(&mut *transaction).await.map_err(&doing)?;
        let query = sqlx::query(BEYOND).bind(ORG_ID).bind(NOTICES_MAX);
        query.execute(&mut *transaction).await.map_err(&doing)?;
        transaction.commit().await.map_err(doing)
    }
}

fn notice(row: &SqliteRow) -> Result<Notice, StoreError> {
    let word: &str = column(row, "verdict")?;
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == word);
    Ok(Notice {
        account: id(row, "account_id")?,
        incident: public_id(row)?,
        verdict: verdict.ok_or(StoreError::Damaged { column: "notices.verdict" })?,
        harm: Harm {
            refused: column(row, "refused")?,
            cut: column(row, "cut")?,
            delayed: column(row, "delayed")?,
        },
        began_at: instant(row, "began_at")?,
        ended_at: optional_instant(row, "ended_at")?,
    })
}

#[cfg(test)]
mod tests {
    use surgewall_core::id::PublicId;

    use super::*;

    fn at(days: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + days * DAY_S * 1_000)
    }

    fn notice(account: u128, incident: &str, days: u64) -> Notice {
        Notice {
            account: AccountId::from_u128(account),
            incident: PublicId::from_stored(incident.to_owned()),
            verdict: Verdict::KnownDemand,
            harm: Harm { refused: 3, cut: 0, delayed: 1 },
            began_at: at(days),
            ended_at: None,
        }
    }

    async fn store() -> (tempfile::TempDir, Sqlite) {
        let base = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&base.path().join("t.db")).await.unwrap();
        (base, store)
    }

    #[tokio::test]
    async fn a_notice_is_its_accounts_and_what_was_read_stays_read() {
        let (_base, store) = store().await;
        let (ada, bob) = (AccountId::from_u128(1), AccountId::from_u128(2));
        store.put_notices(&[notice(1, "inc_a", 0), notice(2, "inc_a", 0)]).await.unwrap();
        assert_eq!(store.notices(ada).await.unwrap(), [notice(1, "inc_a", 0)]);
        assert!(!store.read_notice(AccountId::from_u128(3), "inc_a").await.unwrap());
        assert!(!store.read_notice(ada, "inc_b").await.unwrap());
        assert!(store.read_notice(ada, "inc_a").await.unwrap());
        let over = |account| Notice {
            ended_at: Some(at(1)),
            verdict: Verdict::UpstreamSlow,
            harm: Harm { cut: 7, ..Harm::default() },
            ..notice(account, "inc_a", 0)
        };
        store.put_notices(&[over(1), over(2)]).await.unwrap();
        assert_eq!(store.notices(ada).await.unwrap(), [], "it is not told again");
        assert_eq!(store.notices(bob).await.unwrap(), [over(2)]);
    }

    #[tokio::test]
    async fn a_restart_ends_what_went_on() {
        let (_base, store) = store().await;
        let over = Notice { ended_at: Some(at(1)), ..notice(1, "inc_a", 0) };
        store.put_notices(&[over.clone(), notice(1, "inc_b", 1)]).await.unwrap();
        store.end_notices(at(3)).await.unwrap();
        let ended = Notice { ended_at: Some(at(3)), ..notice(1, "inc_b", 1) };
        assert_eq!(store.notices(AccountId::from_u128(1)).await.unwrap(), [ended, over]);
    }

    #[tokio::test]
    async fn what_is_shown_and_what_is_kept_is_bounded() {
        let (_base, store) = store().await;
        let many: Vec<_> = (0..u64::from(NOTICES_SHOWN_MAX) + 2)
            .map(|day| notice(1, &format!("inc_{day}"), day))
            .collect();
        store.put_notices(&many).await.unwrap();
        let shown = store.notices(AccountId::from_u128(1)).await.unwrap();
        assert_eq!(shown.len(), NOTICES_SHOWN_MAX as usize);
        assert_eq!(shown[0], many[many.len() - 1], "the newest first");
        // The first is as old as may be, then one millisecond older.
        store.sweep_notices(at(NOTICE_DAYS_MAX)).await.unwrap();
        assert!(store.read_notice(AccountId::from_u128(1), "inc_0").await.unwrap());
        let past = Timestamp::from_millis(at(NOTICE_DAYS_MAX).millis() + 1);
        store.sweep_notices(past).await.unwrap();
        assert!(!store.read_notice(AccountId::from_u128(1), "inc_0").await.unwrap());
        assert!(store.read_notice(AccountId::from_u128(1), "inc_1").await.unwrap());
    }
}
