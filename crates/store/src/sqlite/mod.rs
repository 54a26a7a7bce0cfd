//! The SQLite engine: WAL, one writing connection, a few reading ones.
//!
//! `synchronous=FULL` on the writer: what is written here is rare (an operator's
//! change, one batch of last uses a minute) and a revocation that a power cut
//! takes back would let a stolen key in again. Requests never write here.

mod conversations;
mod findings;
mod gate;
mod identity;
mod migrate;
mod notices;
mod read;
mod rows;
mod rules;
mod subscribers;
mod write;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::people::StoreError;

pub use migrate::SCHEMA_VERSION;

/// Milliseconds that a connection waits for another one's lock.
pub const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Reading connections.
pub const READERS_MAX: u32 = 4;

/// An open database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens the database at `path`, makes it (mode 0600) if there is none, and
    /// brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`], [`StoreError::NotOurs`], or the engine failed.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        create_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
            // A deleted row's bytes go with it, and do not wait in a free page.
            .pragma("secure_delete", "ON")
            // What the schema itself says is not trusted to call functions.
            .pragma("trusted_schema", "OFF");
        let writer = pool(1, options.clone()).await?;
        migrate::migrate(&writer, path).await?;
        let readers = pool(READERS_MAX, options.pragma("query_only", "ON")).await?;
        Ok(Self { writer, readers })
    }

    /// Waits for running calls, folds the write-ahead log into the database and
    /// closes it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

async fn pool(
    connections_max: u32,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(engine("opening the database"))
}

/// The log and shared-memory files take the database's mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map(drop).map_err(|source| StoreError::Engine {
        doing: "opening the database",
        source: Box::new(source),
    })
}

/// Names what was being done when SQLite failed, and tells duplicates apart.
fn engine(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| match duplicate(&error) {
        Some(what) => StoreError::Duplicate { what },
        None => StoreError::Engine { doing, source: Box::new(error) },
    }
}

/// Which unique column collided, from SQLite's own words: `UNIQUE constraint
/// failed: groups.org_id, groups.name_hash` or `... failed: index 'keys_name'`.
fn duplicate(error: &sqlx::Error) -> Option<&'static str> {
    let error = error.as_database_error().filter(|error| error.is_unique_violation())?;
    let columns = [
        ("groups.name_hash", "group name"),
        ("accounts.email_hash", "e-mail"),
        ("accounts.external_hash", "token subject"),
        ("keys_name", "key name"),
        ("keys.credential_hash", "credential"),
        ("findings.finding_hash", "finding"),
        ("factors.lookup_hash", "passkey"),
        ("gate_places.email_hash", "place on the waiting list"),
        ("gate_invites.token_hash", "invite"),
        ("subscribers.address_hash", "subscriber"),
    ];
    let message = error.message();
    let known = columns.into_iter().find(|(column, _)| message.contains(column));
    Some(known.map_or("id", |(_, what)| what))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test's own file, read whole")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_bytes_of_a_deleted_row_leave_the_file() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("t.db");
        let is_there = |marker: &str| {
            let bytes = std::fs::read(&path).unwrap();
            bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
        };
        let store = Sqlite::open(&path).await.unwrap();
        // Short values lie in the row's page, long ones in pages of their own.
        let markers = ["a-short-marker-4711", &"a-long-marker-0815".repeat(1_000)];
        for marker in markers {
            let insert = "INSERT INTO configs (org_id, id, hash, text_sealed, kept_at) \
                 VALUES (1, zeroblob(16), 'h', ?, 1)";
            sqlx::query(insert).bind(marker.as_bytes()).execute(&store.writer).await.unwrap();
            let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
            sqlx::raw_sql(fold).execute(&store.writer).await.unwrap();
            assert!(is_there(&marker[..18]), "it was there");
            sqlx::raw_sql("DELETE FROM configs").execute(&store.writer).await.unwrap();
            sqlx::raw_sql(fold).execute(&store.writer).await.unwrap();
            assert!(!is_there(&marker[..18]));
        }
    }
}
