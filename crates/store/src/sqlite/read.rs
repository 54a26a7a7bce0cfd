//! Reading people. Every statement is a constant; values are bound.

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, KeyId};
use surgewall_core::principal::DelegatedUser;

use super::engine;
use super::rows::{self, to_blob, to_millis};
use crate::people::{
    AccountRow, ConfigRow, GroupRow, KeyCounts, KeyRow, ORG_ID, PAGE_ROWS_MAX, Pick, Seen,
    StoreError, UserSeen,
};

/// One table's statements, by [`Pick`]. Each is bound to the organisation, the
/// value that is looked for, the id before the first, and the number of rows.
struct Statements {
    after: &'static str,
    of: &'static str,
    id: &'static str,
    public_id: &'static str,
    named: &'static str,
    external: &'static str,
}

/// The statements of a table that share everything but index and condition.
///
/// Every one names its index: without statistics SQLite believes that `org_id`
/// alone leaves ten rows, and walks the whole table in the order of ids.
macro_rules! statements {
    (
        $columns:literal, $table:literal, $joins:literal,
        public_id: $public_id:literal,
        of: ($of_index:literal, $of:literal),
        named: ($named_index:literal, $named:literal),
        external: ($external_index:literal, $external:literal)
    ) => {
        Statements {
            after: statements!(@ $columns, $table, "", $joins, "t.id > ?3 AND ?2 = ?2"),
            of: statements!(@ $columns, $table, $of_index, $joins, $of),
            id: statements!(@ $columns, $table, "", $joins, "t.id = ?2 AND ?3 = ?3"),
            public_id: statements!(@ $columns, $table, $public_id, $joins, "t.public_id = ?2 AND ?3 = ?3"),
            named: statements!(@ $columns, $table, $named_index, $joins, $named),
            external: statements!(@ $columns, $table, $external_index, $joins, $external),
        }
    };
    (@ $columns:literal, $table:literal, $index:literal, $joins:literal, $condition:literal) => {
        concat!(
            "SELECT ", $columns, " FROM ", $table, " t ", $index, " ", $joins,
            " WHERE t.org_id = ?1 AND ", $condition, " ORDER BY t.id LIMIT ?4"
        )
    };
}

const GROUPS: Statements = statements!(
    "t.*, l.limits_sealed", "groups",
    "LEFT JOIN limits l ON l.org_id = t.org_id AND l.subject_kind = 'group' AND l.subject_id = t.id",
    public_id: "INDEXED BY groups_public_id",
    of: ("", "0 AND ?2 = ?3"),
    named: ("INDEXED BY groups_name", "t.name_hash = ?2 AND ?3 = ?3"),
    external: ("", "0 AND ?2 = ?3")
);
const ACCOUNTS: Statements = statements!(
    "t.*, l.limits_sealed, u.good_days", "accounts",
    "LEFT JOIN limits l ON l.org_id = t.org_id AND l.subject_kind = 'account' AND l.subject_id = t.id \
     LEFT JOIN account_uses u ON u.org_id = t.org_id AND u.account_id = t.id",
    public_id: "INDEXED BY accounts_public_id",
    of: ("INDEXED BY accounts_group", "t.group_id = ?2 AND t.id > ?3"),
    named: ("INDEXED BY accounts_email", "t.email_hash = ?2 AND ?3 = ?3"),
    external: ("INDEXED BY accounts_external", "t.external_hash = ?2 AND ?3 = ?3")
);
const KEYS: Statements = statements!(
    "t.*, l.limits_sealed, v.limits_sealed AS user_limits_sealed, u.last_used_at", "keys",
    "LEFT JOIN limits l ON l.org_id = t.org_id AND l.subject_kind = 'key' AND l.subject_id = t.id \
     LEFT JOIN limits v ON v.org_id = t.org_id AND v.subject_kind = 'user' AND v.subject_id = t.id \
     LEFT JOIN key_uses u ON u.org_id = t.org_id AND u.key_id = t.id",
    public_id: "INDEXED BY keys_public_id",
    of: ("INDEXED BY keys_account", "t.account_id = ?2 AND t.id > ?3"),
    named: ("INDEXED BY keys_by_name", "t.name_hash = ?2 AND ?3 = ?3"),
    external: ("", "0 AND ?2 = ?3")
);

/// The keys of one account under a condition, the newest first.
macro_rules! newest_keys {
    ($condition:literal) => {
        concat!(
            "SELECT t.*, l.limits_sealed, v.limits_sealed AS user_limits_sealed, u.last_used_at \
             FROM keys t INDEXED BY keys_account \
             LEFT JOIN limits l ON l.org_id = t.org_id AND l.subject_kind = 'key' AND l.subject_id = t.id \
             LEFT JOIN limits v ON v.org_id = t.org_id AND v.subject_kind = 'user' AND v.subject_id = t.id \
             LEFT JOIN key_uses u ON u.org_id = t.org_id AND u.key_id = t.id \
             WHERE t.org_id = ?1 AND t.account_id = ?2 AND ",
            $condition,
            " ORDER BY t.id DESC LIMIT ?4"
        )
    };
}
const KEYS_WORKING: &str =
    newest_keys!("t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?3)");
const KEYS_OVER: &str = newest_keys!("(t.revoked_at IS NOT NULL OR t.expires_at <= ?3)");
const KEY_COUNTS: &str = "SELECT count(*) AS kept, \
     count(*) FILTER (WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?3)) \
     AS working, count(*) FILTER (WHERE t.created_at > ?4) AS lately \
     FROM keys t INDEXED BY keys_account WHERE t.org_id = ?1 AND t.account_id = ?2";

pub(super) async fn groups(pool: &SqlitePool, pick: &Pick) -> Result<Vec<GroupRow>, StoreError> {
    pick_rows(pool, &GROUPS, pick).await?.iter().map(rows::group).collect()
}

pub(super) async fn accounts(
    pool: &SqlitePool,
    pick: &Pick,
) -> Result<Vec<AccountRow>, StoreError> {
    pick_rows(pool, &ACCOUNTS, pick).await?.iter().map(rows::account).collect()
}

pub(super) async fn keys(pool: &SqlitePool, pick: &Pick) -> Result<Vec<KeyRow>, StoreError> {
    if let Pick::Newest { owner, working, at, rows_max } = pick {
        let query = sqlx::query(if *working { KEYS_WORKING } else { KEYS_OVER });
        let query = query.bind(ORG_ID).bind(to_blob(*owner)).bind(to_millis(*at));
        let query = query.bind((*rows_max).min(PAGE_ROWS_MAX));
        let found = query.fetch_all(pool).await.map_err(engine("reading keys"))?;
        return found.iter().map(rows::key).collect();
    }
    pick_rows(pool, &KEYS, pick).await?.iter().map(rows::key).collect()
}

pub(super) async fn key_counts(
    pool: &SqlitePool,
    account: AccountId,
    now: Timestamp,
    lately: Timestamp,
) -> Result<KeyCounts, StoreError> {
    let query = sqlx::query(KEY_COUNTS).bind(ORG_ID).bind(to_blob(account.as_u128()));
    let query = query.bind(to_millis(now)).bind(to_millis(lately));
    rows::key_counts(&query.fetch_one(pool).await.map_err(engine("counting keys"))?)
}

/// A value to look for.
enum Value<'a> {
    Blob(Vec<u8>),
    Text(&'a str),
}

async fn pick_rows(
    pool: &SqlitePool,
    table: &Statements,
    pick: &Pick,
) -> Result<Vec<SqliteRow>, StoreError> {
    let none = || Value::Blob(Vec::new());
    match pick {
        Pick::After { id, rows_max } => select(pool, table.after, none(), *id, *rows_max).await,
        Pick::Of { owner, id, rows_max } => {
            select(pool, table.of, Value::Blob(to_blob(*owner)), *id, *rows_max).await
        }
        Pick::Newest { .. } => Ok(Vec::new()),
        Pick::PublicId(text) => select(pool, table.public_id, Value::Text(text), 0, 1).await,
        Pick::Named(hash) => {
            select(pool, table.named, Value::Blob(hash.to_vec()), 0, PAGE_ROWS_MAX).await
        }
        Pick::External(hash) => {
            select(pool, table.external, Value::Blob(hash.to_vec()), 0, 1).await
        }
        Pick::Ids(ids) => {
            let mut found = Vec::new();
            for id in ids.iter().take(usize::try_from(PAGE_ROWS_MAX).unwrap_or(usize::MAX)) {
                found.extend(select(pool, table.id, Value::Blob(to_blob(*id)), 0, 1).await?);
            }
            Ok(found)
        }
    }
}

async fn select(
    pool: &SqlitePool,
    sql: &'static str,
    value: Value<'_>,
    after: u128,
    rows_max: u32,
) -> Result<Vec<SqliteRow>, StoreError> {
    let query = sqlx::query(sql).bind(ORG_ID);
    let query = match value {
        Value::Blob(bytes) => query.bind(bytes),
        Value::Text(text) => query.bind(text.to_owned()),
    };
    let query = query.bind(to_blob(after)).bind(rows_max.min(PAGE_ROWS_MAX));
    query.fetch_all(pool).await.map_err(engine("reading rows"))
}

pub(super) async fn user_seen(
    pool: &SqlitePool,
    key: KeyId,
    user: DelegatedUser,
) -> Result<Option<Seen>, StoreError> {
    const SQL: &str = "SELECT first_seen, last_seen FROM delegated_users \
         WHERE org_id = ?1 AND key_id = ?2 AND user_hash = ?3";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(key.as_u128())).bind(to_blob(user.0));
    let found = query.fetch_optional(pool).await.map_err(engine("reading a delegated user"))?;
    found.as_ref().map(rows::seen).transpose()
}

pub(super) async fn users_first_seen(
    pool: &SqlitePool,
    (key, user): (KeyId, DelegatedUser),
) -> Result<Vec<UserSeen>, StoreError> {
    const SQL: &str = "SELECT key_id, user_hash, first_seen FROM delegated_users \
         WHERE org_id = ?1 AND (key_id, user_hash) > (?2, ?3) \
         ORDER BY org_id, key_id, user_hash LIMIT ?4";
    let query = sqlx::query(SQL).bind(ORG_ID).bind(to_blob(key.as_u128())).bind(to_blob(user.0));
    let found = query.bind(PAGE_ROWS_MAX).fetch_all(pool).await;
    let found = found.map_err(engine("reading delegated users"))?;
    found.iter().map(rows::first_seen).collect()
}

pub(super) async fn configs(pool: &SqlitePool) -> Result<Vec<ConfigRow>, StoreError> {
    const SQL: &str = "SELECT * FROM configs WHERE org_id = ?1 ORDER BY id DESC";
    let found = sqlx::query(SQL).bind(ORG_ID).fetch_all(pool).await;
    found.map_err(engine("reading configurations"))?.iter().map(rows::config).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::*;
    use crate::sqlite::Sqlite;

    /// How SQLite finds the rows that `sql` picks; parameters are as good as nulls.
    async fn plan(store: &Sqlite, sql: &str) -> String {
        let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::raw_sql(sql).fetch_all(&store.readers).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
        steps.join("; ")
    }

    #[tokio::test]
    async fn every_statement_goes_straight_to_its_rows() {
        let base = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&base.path().join("t.db")).await.unwrap();
        for (sql, expected) in [
            (GROUPS.after, "PRIMARY KEY (org_id=? AND id>?)"),
            (GROUPS.id, "PRIMARY KEY (org_id=? AND id=?)"),
            (GROUPS.public_id, "groups_public_id (org_id=? AND public_id=?)"),
            (GROUPS.named, "groups_name (org_id=? AND name_hash=?)"),
            (ACCOUNTS.after, "PRIMARY KEY (org_id=? AND id>?)"),
            (ACCOUNTS.id, "PRIMARY KEY (org_id=? AND id=?)"),
            (ACCOUNTS.public_id, "accounts_public_id (org_id=? AND public_id=?)"),
            (ACCOUNTS.named, "accounts_email (org_id=? AND email_hash=?)"),
            (ACCOUNTS.external, "accounts_external (org_id=? AND external_hash=?)"),
            (ACCOUNTS.of, "accounts_group (org_id=? AND group_id=? AND id>?)"),
            (KEYS.after, "PRIMARY KEY (org_id=? AND id>?)"),
            (KEYS.id, "PRIMARY KEY (org_id=? AND id=?)"),
            (KEYS.public_id, "keys_public_id (org_id=? AND public_id=?)"),
            (KEYS.named, "keys_by_name (org_id=? AND name_hash=?)"),
            (KEYS.of, "keys_account (org_id=? AND account_id=? AND id>?)"),
            (KEYS_WORKING, "keys_account (org_id=? AND account_id=?)"),
            (KEYS_OVER, "keys_account (org_id=? AND account_id=?)"),
            (KEY_COUNTS, "keys_account (org_id=? AND account_id=?)"),
        ] {
            let plan = plan(&store, sql).await;
            assert!(
                plan.starts_with("SEARCH t USING") && plan.contains(expected),
                "{sql}\n-> {plan}"
            );
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}\n-> {plan}");
        }
    }
}
