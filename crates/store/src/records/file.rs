//! `records.sqlite`: a database of its own, so that its large transactions never
//! stand before those of people and keys.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::RecordsError;
use crate::sqlite::BUSY_TIMEOUT_MS;

/// `SWRD` in the file's header.
const APPLICATION_ID: i64 = 0x5357_5244;
/// The newest schema that this version knows: SQLite's `user_version`.
pub const RECORDS_SCHEMA_VERSION: i64 = 1;
/// Bytes of the write-ahead log after which it is folded into the database.
const LOG_BYTES_MAX: i64 = 64 << 20;
/// SQLite's pages, in bytes.
const PAGE_BYTES: i64 = 4 << 10;

/// Opens the file for its one writer; makes it (mode 0600) if there is none.
pub(super) async fn open(path: &Path) -> Result<SqliteConnection, RecordsError> {
    let failed = failed(path, "opening them");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map(drop).map_err(|source| failed(source.into()))?;
    let options = options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", (LOG_BYTES_MAX / PAGE_BYTES).to_string());
    let mut connection = options.connect().await.map_err(&failed)?;
    if version(&mut connection, path).await? == 0 {
        let schema = include_str!("schema.sql");
        let header = format!(
            "PRAGMA user_version = {RECORDS_SCHEMA_VERSION}; PRAGMA application_id = {APPLICATION_ID};"
        );
        let whole = format!("BEGIN IMMEDIATE; {schema} {header} COMMIT;");
        // Pragmas take no parameters; both are numbers of ours.
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(whole)).execute(&mut connection).await;
        made.map_err(&failed)?;
    }
    Ok(connection)
}

/// Opens the file for reading only, beside its writer or without one; `None`
/// where nothing was ever recorded.
pub(super) async fn open_to_read(path: &Path) -> Result<Option<SqliteConnection>, RecordsError> {
    if !path.exists() {
        return Ok(None);
    }
    let options = options(path).pragma("query_only", "ON");
    let mut connection = options.connect().await.map_err(failed(path, "opening them"))?;
    // A file that its first writer did not finish holds nothing.
    Ok((version(&mut connection, path).await? > 0).then_some(connection))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
        // What the schema itself says is not trusted to call functions.
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}

/// The schema's version, of a file that is ours.
async fn version(connection: &mut SqliteConnection, path: &Path) -> Result<i64, RecordsError> {
    let doing = failed(path, "reading their version");
    let version = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await;
    let version: i64 = version.map_err(&doing)?;
    let application = sqlx::query_scalar("PRAGMA application_id").fetch_one(connection).await;
    let application: i64 = application.map_err(doing)?;
    if application != APPLICATION_ID && (application, version) != (0, 0) {
        return Err(RecordsError::NotOurs { path: path.to_owned() });
    }
    if version > RECORDS_SCHEMA_VERSION {
        return Err(RecordsError::Newer { path: path.to_owned(), found: version });
    }
    Ok(version)
}

/// Names what was being done when SQLite failed.
pub(super) fn failed(
    path: &Path,
    doing: &'static str,
) -> impl Fn(sqlx::Error) -> RecordsError + use<> {
    /// SQLite's code for a full disk.
    const FULL: &str = "13";
    let path: PathBuf = path.to_owned();
    move |source| {
        let code = source.as_database_error().and_then(|error| error.code());
        if code.is_some_and(|code| code == FULL) {
            return RecordsError::Full { path: path.clone() };
        }
        RecordsError::Engine { path: path.clone(), doing, source: source.into() }
    }
}

/// Closes a connection; what it leaves in the log is read at the next start.
pub(super) async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the records' database was not closed cleanly");
    }
}
