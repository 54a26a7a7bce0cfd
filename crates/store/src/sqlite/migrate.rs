//! Migrations: forward only, embedded, one transaction each.
//!
//! The schema's version is SQLite's `user_version`; its `application_id` says
//! whose file it is.

use std::path::Path;

use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::engine;
use crate::people::StoreError;

/// `SWDB` in the file's header.
const APPLICATION_ID: i64 = 0x5357_4442;
/// The migrations in their order: version `n` is made by the one at `n - 1`.
const MIGRATIONS: [&str; 13] = [
    include_str!("migrations/0001_people.sql"),
    include_str!("migrations/0002_class.sql"),
    include_str!("migrations/0003_standing.sql"),
    include_str!("migrations/0004_findings.sql"),
    include_str!("migrations/0005_conversations.sql"),
    include_str!("migrations/0006_identity.sql"),
    include_str!("migrations/0007_gate.sql"),
    include_str!("migrations/0008_rules.sql"),
    include_str!("migrations/0009_notices.sql"),
    include_str!("migrations/0010_granted.sql"),
    include_str!("migrations/0011_flows.sql"),
    include_str!("migrations/0012_subscribers.sql"),
    include_str!("migrations/0013_places.sql"),
];
/// The newest schema that this version knows.
#[expect(clippy::cast_possible_wrap, reason = "a handful of migrations")]
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings the schema up to date.
pub(super) async fn migrate(writer: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let doing = engine("reading the schema's version");
    let mut connection = writer.acquire().await.map_err(&doing)?;
    let found = version(&mut connection).await.map_err(&doing)?;
    let application = application(&mut connection).await.map_err(&doing)?;
    let ours = application == APPLICATION_ID || (application == 0 && found == 0);
    if !ours {
        return Err(StoreError::NotOurs { path: path.display().to_string(), found: application });
    }
    if found > SCHEMA_VERSION {
        return Err(StoreError::NewerSchema { found, known: SCHEMA_VERSION });
    }
    let done =
        usize::try_from(found).map_err(|_| StoreError::Damaged { column: "user_version" })?;
    for migration in MIGRATIONS.into_iter().skip(done) {
        step(&mut connection, migration).await.map_err(engine("migrating the schema"))?;
    }
    Ok(())
}

async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

async fn application(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA application_id").fetch_one(connection).await
}

/// One migration and the version that it makes, together or not at all.
async fn step(
    connection: &mut SqliteConnection,
    migration: &'static str,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let next = version(&mut transaction).await? + 1;
    sqlx::raw_sql(migration).execute(&mut *transaction).await?;
    // Pragmas take no parameters; both are numbers of ours.
    let header = format!("PRAGMA user_version = {next}; PRAGMA application_id = {APPLICATION_ID};");
    sqlx::raw_sql(sqlx::AssertSqlSafe(header)).execute(&mut *transaction).await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use surgewall_core::clock::Timestamp;
    use surgewall_core::principal::{Class, ClassReason};

    use super::*;
    use crate::people::{People as _, Pick};
    use crate::sqlite::Sqlite;

    #[tokio::test]
    async fn an_older_schema_is_brought_up_to_date_with_its_rows() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("t.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        step(&mut connection, MIGRATIONS[0]).await.unwrap();
        let row = "INSERT INTO accounts (org_id, id, public_id, class, suspended, created_at) \
             VALUES (1, x'00000000000000000000000000000001', 'user_a', 'verified', 0, 5)";
        sqlx::raw_sql(row).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();

        let store = Sqlite::open(&path).await.unwrap();
        let mut connection = store.writer.acquire().await.unwrap();
        assert_eq!(version(&mut connection).await.unwrap(), SCHEMA_VERSION);
        let rows = store.accounts(&Pick::Ids(vec![1])).await.unwrap();
        let since = rows.first().map(|row| (row.class, row.class_since, row.class_why));
        let known = (Class::Verified, Timestamp::from_millis(5), ClassReason::Unknown);
        assert_eq!(since, Some(known));
        let standing = rows.first().map(|row| (row.class_given, row.known_since, row.good_days()));
        assert_eq!(standing, Some((Class::Verified, Timestamp::from_millis(5), 0)));
    }
}
