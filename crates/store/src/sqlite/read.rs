//! Reading people. Every statement is a constant; values are bound.

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;

use super::engine;
use super::rows::{self, to_blob};
use crate::people::{
    AccountRow, ConfigRow, GroupRow, KeyRow, ORG_ID, PAGE_ROWS_MAX, Pick, StoreError,
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

/// The statements that share everything but their condition.
macro_rules! statements {
    ($from:literal, of: $of:literal, named: $named:literal, external: $external:literal) => {
        Statements {
            after: statements!(@ $from, "t.id > ?3 AND ?2 = ?2"),
            of: statements!(@ $from, $of),
            id: statements!(@ $from, "t.id = ?2 AND ?3 = ?3"),
            public_id: statements!(@ $from, "t.public_id = ?2 AND ?3 = ?3"),
            named: statements!(@ $from, $named),
            external: statements!(@ $from, $external),
        }
    };
    (@ $from:literal, $condition:literal) => {
        concat!("SELECT t.*, ", $from, " WHERE t.org_id = ?1 AND ", $condition, " ORDER BY t.id LIMIT ?4")
    };
}

const GROUPS: Statements = statements!(
    "l.limits_sealed FROM groups t LEFT JOIN limits l \
     ON l.org_id = t.org_id AND l.subject_kind = 'group' AND l.subject_id = t.id",
    of: "0 AND ?2 = ?3",
    named: "t.name_hash = ?2 AND ?3 = ?3",
    external: "0 AND ?2 = ?3"
);
const ACCOUNTS: Statements = statements!(
    "l.limits_sealed FROM accounts t LEFT JOIN limits l \
     ON l.org_id = t.org_id AND l.subject_kind = 'account' AND l.subject_id = t.id",
    of: "t.group_id = ?2 AND t.id > ?3",
    named: "t.email_hash = ?2 AND ?3 = ?3",
    external: "t.external_hash = ?2 AND ?3 = ?3"
);
const KEYS: Statements = statements!(
    "l.limits_sealed, u.last_used_at FROM keys t LEFT JOIN limits l \
     ON l.org_id = t.org_id AND l.subject_kind = 'key' AND l.subject_id = t.id \
     LEFT JOIN key_uses u ON u.org_id = t.org_id AND u.key_id = t.id",
    of: "t.account_id = ?2 AND t.id > ?3",
    named: "t.name_hash = ?2 AND ?3 = ?3",
    external: "0 AND ?2 = ?3"
);

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
    pick_rows(pool, &KEYS, pick).await?.iter().map(rows::key).collect()
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

pub(super) async fn configs(pool: &SqlitePool) -> Result<Vec<ConfigRow>, StoreError> {
    const SQL: &str = "SELECT * FROM configs WHERE org_id = ?1 ORDER BY id DESC";
    let found = sqlx::query(SQL).bind(ORG_ID).fetch_all(pool).await;
    found.map_err(engine("reading configurations"))?.iter().map(rows::config).collect()
}
