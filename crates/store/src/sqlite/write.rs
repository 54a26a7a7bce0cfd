//! Writing people: each call is one transaction on the one writing connection.

use std::future::Future;

use sqlx::{Sqlite as Db, SqliteConnection, SqlitePool, Transaction};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, KeyId};
use surgewall_core::limits::CONFIGS_KEPT_MAX;
use surgewall_core::principal::DelegatedUser;

use super::rows::{to_blob, to_millis};
use super::{Sqlite, engine, read};
use crate::people::{
    AccountRow, Change, ConfigRow, DELEGATED_USERS_MAX, GroupRow, KeyCounts, KeyRow, ORG_ID,
    People, Pick, Seen, StoreError, UserSeen,
};

impl People for Sqlite {
    async fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        let doing = engine("writing a change");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        for change in changes {
            match change {
                Change::Group(row) => group(&mut transaction, row).await,
                Change::Account(row) => account(&mut transaction, row).await,
                Change::Key(row) => key(&mut transaction, row).await,
            }
            .map_err(&doing)?;
        }
        transaction.commit().await.map_err(doing)
    }

    fn groups(
        &self,
        pick: &Pick,
    ) -> impl Future<Output = Result<Vec<GroupRow>, StoreError>> + Send {
        read::groups(&self.readers, pick)
    }

    fn accounts(
        &self,
        pick: &Pick,
    ) -> impl Future<Output = Result<Vec<AccountRow>, StoreError>> + Send {
        read::accounts(&self.readers, pick)
    }

    fn keys(&self, pick: &Pick) -> impl Future<Output = Result<Vec<KeyRow>, StoreError>> + Send {
        read::keys(&self.readers, pick)
    }

    fn key_counts(
        &self,
        account: AccountId,
        now: Timestamp,
        lately: Timestamp,
    ) -> impl Future<Output = Result<KeyCounts, StoreError>> + Send {
        read::key_counts(&self.readers, account, now, lately)
    }

    async fn write_key_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO key_uses (org_id, key_id, last_used_at) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)";
        let doing = engine("writing last uses");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        for (key, at) in uses {
            let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(key.as_u128()));
            query.bind(to_millis(*at)).execute(&mut *transaction).await.map_err(&doing)?;
        }
        transaction.commit().await.map_err(doing)
    }

    async fn write_good_uses(
        &self,
        uses: &[(AccountId, Timestamp)],
    ) -> Result<Vec<AccountId>, StoreError> {
        const SQL: &str = "INSERT INTO account_uses (org_id, account_id, good_days, last_day) \
             VALUES (?1, ?2, 1, ?3) ON CONFLICT DO UPDATE SET \
             good_days = good_days + 1, last_day = excluded.last_day \
             WHERE excluded.last_day > last_day";
        let doing = engine("counting days of good use");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        let mut counted = Vec::new();
        for (account, at) in uses {
            let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(account.as_u128()));
            let query = query.bind(i64::try_from(at.day()).unwrap_or(i64::MAX));
            let done = query.execute(&mut *transaction).await.map_err(&doing)?;
            counted.extend((done.rows_affected() > 0).then_some(*account));
        }
        transaction.commit().await.map_err(doing)?;
        Ok(counted)
    }

    async fn write_users_seen(&self, users: &[UserSeen]) -> Result<(), StoreError> {
        let doing = engine("writing delegated users");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        for seen in users {
            user_seen(&mut transaction, seen).await.map_err(&doing)?;
        }
        forget_users(&mut transaction, DELEGATED_USERS_MAX).await.map_err(&doing)?;
        transaction.commit().await.map_err(doing)
    }

    fn user_seen(
        &self,
        key: KeyId,
        user: DelegatedUser,
    ) -> impl Future<Output = Result<Option<Seen>, StoreError>> + Send {
        read::user_seen(&self.readers, key, user)
    }

    fn users_first_seen(
        &self,
        after: (KeyId, DelegatedUser),
    ) -> impl Future<Output = Result<Vec<UserSeen>, StoreError>> + Send {
        read::users_first_seen(&self.readers, after)
    }

    async fn keep_config(&self, config: &ConfigRow) -> Result<(), StoreError> {
        // A configuration that comes back is the newest again.
        const KEEP: &str = "INSERT INTO configs (org_id, id, hash, text_sealed, kept_at) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (org_id, hash) DO UPDATE SET \
             id = excluded.id, text_sealed = excluded.text_sealed, kept_at = excluded.kept_at";
        const DROP: &str = "DELETE FROM configs WHERE org_id = ?1 AND id NOT IN \
             (SELECT id FROM configs WHERE org_id = ?1 ORDER BY id DESC LIMIT ?2)";
        let doing = engine("keeping a configuration");
        let mut transaction = begin(&self.writer).await.map_err(&doing)?;
        let keep = sqlx::query(KEEP).bind(ORG_ID).bind(to_blob(config.id)).bind(&config.hash);
        let keep = keep.bind(&config.sealed).bind(to_millis(config.kept_at));
        keep.execute(&mut *transaction).await.map_err(&doing)?;
        let kept_max = i64::try_from(CONFIGS_KEPT_MAX).unwrap_or(i64::MAX);
        let drop = sqlx::query(DROP).bind(ORG_ID).bind(kept_max);
        drop.execute(&mut *transaction).await.map_err(&doing)?;
        transaction.commit().await.map_err(doing)
    }

    fn configs(&self) -> impl Future<Output = Result<Vec<ConfigRow>, StoreError>> + Send {
        read::configs(&self.readers)
    }
}

/// Takes the write lock at once: a deferred transaction could fail half-way.
pub(super) async fn begin(writer: &SqlitePool) -> Result<Transaction<'static, Db>, sqlx::Error> {
    writer.begin_with("BEGIN IMMEDIATE").await
}

async fn group(connection: &mut SqliteConnection, row: &GroupRow) -> Result<(), sqlx::Error> {
    const SQL: &str = "INSERT INTO groups (org_id, id, public_id, name_hash, name_sealed, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (org_id, id) DO UPDATE SET \
         name_hash = excluded.name_hash, name_sealed = excluded.name_sealed";
    sqlx::query(SQL)
        .bind(ORG_ID)
        .bind(to_blob(row.id.as_u128()))
        .bind(row.public_id.as_str())
        .bind(row.name.hash.to_vec())
        .bind(&row.name.sealed)
        .bind(to_millis(row.created_at))
        .execute(&mut *connection)
        .await?;
    limits(connection, "group", row.id.as_u128(), row.limits.as_ref()).await
}

async fn account(connection: &mut SqliteConnection, row: &AccountRow) -> Result<(), sqlx::Error> {
    const SQL: &str = "INSERT INTO accounts (org_id, id, public_id, email_hash, email_sealed, \
         external_hash, external_sealed, class, group_id, suspended, created_at, \
         class_since, class_why, class_given, known_since, days_brought, role, role_granted, \
         group_granted) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
         ?16, ?17, ?18, ?19) \
         ON CONFLICT (org_id, id) DO UPDATE SET \
         email_hash = excluded.email_hash, email_sealed = excluded.email_sealed, \
         external_hash = excluded.external_hash, external_sealed = excluded.external_sealed, \
         class = excluded.class, group_id = excluded.group_id, suspended = excluded.suspended, \
         class_since = excluded.class_since, class_why = excluded.class_why, \
         class_given = excluded.class_given, known_since = excluded.known_since, \
         days_brought = excluded.days_brought, role = excluded.role, \
         role_granted = excluded.role_granted, group_granted = excluded.group_granted";
    sqlx::query(SQL)
        .bind(ORG_ID)
        .bind(to_blob(row.id.as_u128()))
        .bind(row.public_id.as_str())
        .bind(row.email.as_ref().map(|email| email.hash.to_vec()))
        .bind(row.email.as_ref().map(|email| &email.sealed))
        .bind(row.external.as_ref().map(|external| external.hash.to_vec()))
        .bind(row.external.as_ref().map(|external| &external.sealed))
        .bind(row.class.as_str())
        .bind(row.group.map(|group| to_blob(group.as_u128())))
        .bind(row.suspended)
        .bind(to_millis(row.created_at))
        .bind(to_millis(row.class_since))
        .bind(row.class_why.as_str())
        .bind(row.class_given.as_str())
        .bind(to_millis(row.known_since))
        .bind(row.days_brought)
        .bind(row.role.as_str())
        .bind(row.role_granted)
        .bind(row.group_granted)
        .execute(&mut *connection)
        .await?;
    limits(connection, "account", row.id.as_u128(), row.limits.as_ref()).await
}

async fn key(connection: &mut SqliteConnection, row: &KeyRow) -> Result<(), sqlx::Error> {
    // What a key is recognised by never changes, and a revocation is never taken back.
    const SQL: &str = "INSERT INTO keys (org_id, id, public_id, name_hash, name_sealed, kind, \
         credential_hash, bcrypt_sealed, prefix_hash, prefix_len, last_four_sealed, account_id, \
         group_id, scopes_sealed, delegates, created_at, expires_at, revoked_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
         ON CONFLICT (org_id, id) DO UPDATE SET \
         name_hash = excluded.name_hash, name_sealed = excluded.name_sealed, \
         group_id = excluded.group_id, scopes_sealed = excluded.scopes_sealed, \
         delegates = excluded.delegates, expires_at = excluded.expires_at, \
         revoked_at = coalesce(revoked_at, excluded.revoked_at)";
    let bcrypt = row.bcrypt.as_ref();
    sqlx::query(SQL)
        .bind(ORG_ID)
        .bind(to_blob(row.id.as_u128()))
        .bind(row.public_id.as_str())
        .bind(row.name.hash.to_vec())
        .bind(&row.name.sealed)
        .bind(row.kind.as_str())
        .bind(row.credential_hash.to_vec())
        .bind(bcrypt.map(|bcrypt| &bcrypt.sealed))
        .bind(bcrypt.map(|bcrypt| bcrypt.prefix_hash.to_vec()))
        .bind(bcrypt.map(|bcrypt| i64::from(bcrypt.prefix_len)))
        .bind(row.last_four.as_ref())
        .bind(row.account.map(|account| to_blob(account.as_u128())))
        .bind(row.group.map(|group| to_blob(group.as_u128())))
        .bind(row.scopes.as_ref())
        .bind(row.delegates)
        .bind(to_millis(row.created_at))
        .bind(row.expires_at.map(to_millis))
        .bind(row.revoked_at.map(to_millis))
        .execute(&mut *connection)
        .await?;
    limits(&mut *connection, "key", row.id.as_u128(), row.limits.as_ref()).await?;
    limits(connection, "user", row.id.as_u128(), row.user_limits.as_ref()).await
}

async fn limits(
    connection: &mut SqliteConnection,
    kind: &'static str,
    id: u128,
    sealed: Option<&Vec<u8>>,
) -> Result<(), sqlx::Error> {
    const PUT: &str = "INSERT INTO limits (org_id, subject_kind, subject_id, limits_sealed) \
         VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET limits_sealed = excluded.limits_sealed";
    const DROP: &str =
        "DELETE FROM limits WHERE org_id = ?1 AND subject_kind = ?2 AND subject_id = ?3";
    let query = sqlx::query(if sealed.is_some() { PUT } else { DROP });
    let query = query.bind(ORG_ID).bind(kind).bind(to_blob(id));
    let query = match sealed {
        Some(sealed) => query.bind(sealed),
        None => query,
    };
    query.execute(connection).await.map(drop)
}

async fn user_seen(connection: &mut SqliteConnection, seen: &UserSeen) -> Result<(), sqlx::Error> {
    const SQL: &str = "INSERT INTO delegated_users (org_id, key_id, user_hash, first_seen, last_seen) \
         VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (org_id, key_id, user_hash) DO UPDATE SET \
         last_seen = max(last_seen, excluded.last_seen)";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(seen.key.as_u128()));
    let query = query.bind(to_blob(seen.user.0)).bind(to_millis(seen.at));
    query.execute(connection).await.map(drop)
}

/// Forgets the users that were not seen for longest, past `users_max`.
async fn forget_users(
    connection: &mut SqliteConnection,
    users_max: u32,
) -> Result<(), sqlx::Error> {
    const COUNT: &str = "SELECT count(*) FROM delegated_users WHERE org_id = ?1";
    // By the instant, not row by row: those of the same millisecond go together.
    const FORGET: &str = "DELETE FROM delegated_users WHERE org_id = ?1 AND last_seen <= \
         (SELECT last_seen FROM delegated_users WHERE org_id = ?1 \
         ORDER BY last_seen LIMIT 1 OFFSET ?2)";
    let count: i64 = sqlx::query_scalar(COUNT).bind(ORG_ID).fetch_one(&mut *connection).await?;
    let over = count - i64::from(users_max);
    if over > 0 {
        sqlx::query(FORGET).bind(ORG_ID).bind(over - 1).execute(connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use surgewall_core::id::PublicId;

    use super::*;
    use crate::people::{CredentialKind, Hidden};

    fn key(id: u128) -> KeyRow {
        KeyRow {
            id: KeyId::from_u128(id),
            public_id: PublicId::random("key"),
            name: Hidden { hash: [1; 32], sealed: vec![1] },
            kind: CredentialKind::Own,
            credential_hash: [2; 32],
            bcrypt: None,
            last_four: None,
            account: None,
            group: None,
            scopes: None,
            delegates: true,
            limits: None,
            user_limits: None,
            created_at: Timestamp::default(),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        }
    }

    async fn store() -> (Sqlite, tempfile::TempDir) {
        let base = tempfile::tempdir().unwrap();
        (Sqlite::open(&base.path().join("t.db")).await.unwrap(), base)
    }

    #[tokio::test]
    async fn delegated_users_past_the_limit_are_forgotten_oldest_first() {
        let (store, _base) = store().await;
        store.write(&[Change::Key(key(1))]).await.unwrap();
        let seen = |user: u128, at| UserSeen {
            key: KeyId::from_u128(1),
            user: DelegatedUser(user),
            at: Timestamp::from_millis(at),
        };
        let users = [seen(1, 5), seen(2, 6), seen(3, 7), seen(1, 8)];
        store.write_users_seen(&users).await.unwrap();
        let mut connection = store.writer.acquire().await.unwrap();
        for (users_max, kept) in [(3, vec![1, 2, 3]), (2, vec![1, 3])] {
            forget_users(&mut connection, users_max).await.unwrap();
            let sql = "SELECT user_hash FROM delegated_users ORDER BY user_hash";
            let rows: Vec<Vec<u8>> =
                sqlx::query_scalar(sql).fetch_all(&mut *connection).await.unwrap();
            let kept: Vec<_> = kept.into_iter().map(to_blob).collect();
            assert_eq!(rows, kept, "at most {users_max}");
        }
    }

    #[tokio::test]
    async fn a_revocation_and_a_credential_never_change_back() {
        let (store, _base) = store().await;
        let revoked = KeyRow { revoked_at: Some(Timestamp::from_millis(3)), ..key(1) };
        store.write(&[Change::Key(revoked)]).await.unwrap();
        let changed = KeyRow { credential_hash: [9; 32], ..key(1) };
        store.write(&[Change::Key(changed)]).await.unwrap();
        let rows = store.keys(&Pick::Ids(vec![1, 2])).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].revoked_at, Some(Timestamp::from_millis(3)));
        assert_eq!(rows[0].credential_hash, [2; 32]);
    }

    #[tokio::test]
    async fn a_batch_is_written_whole_or_not_at_all() {
        let (store, _base) = store().await;
        let orphan = KeyRow {
            account: Some(surgewall_core::id::AccountId::from_u128(7)),
            credential_hash: [3; 32],
            ..key(2)
        };
        let error = store.write(&[Change::Key(key(1)), Change::Key(orphan)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Engine { .. }), "{error}");
        assert!(store.keys(&Pick::After { id: 0, rows_max: 9 }).await.unwrap().is_empty());
    }
}
