//! `records.sqlite`, read as docs/records.md describes it: one view of it, that
//! does not move while the door writes on, and nothing is written.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::ledger::tree::Hash;

/// `SWRD` in the file's header.
const APPLICATION_ID: i64 = 0x5357_5244;
/// The schema that is read here.
const SCHEMA_VERSION: i64 = 1;
/// Positions fill the low bits of a block's id.
const POSITION_BITS: u32 = 20;
/// How long the door's short locks are waited for, in milliseconds.
const BUSY_MS: u64 = 5_000;
/// A sealed block, in bytes: of a longer one no more is read, and it is another then.
const SEALED_BYTES_MAX: i64 = 8 << 20;
/// Batches that are listed at once.
const PAGE_BATCHES: i64 = 256;

/// One view of the file.
pub(super) struct View {
    connection: SqliteConnection,
}

/// A batch, as its row says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// Its number.
    pub(super) batch: u64,
    /// When it was sealed, in milliseconds.
    pub(super) at: u64,
    /// Its blocks.
    pub(super) blocks: u64,
    /// Its events.
    pub(super) events: u64,
    /// Its sealed bytes.
    pub(super) bytes: u64,
    /// The root over its blocks.
    pub(super) root: Hash,
}

/// A block, and what stands beside it in clear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Block {
    /// Its place in its batch.
    pub(super) position: u64,
    /// Whose it is.
    pub(super) subject: Vec<u8>,
    /// Where it may be.
    pub(super) region: String,
    /// When its first event arrived, in milliseconds.
    pub(super) first_at: u64,
    /// When its last event arrived, in milliseconds.
    pub(super) last_at: u64,
    /// Its events.
    pub(super) events: u64,
    /// The sealed events.
    pub(super) sealed: Vec<u8>,
}

/// What a file is.
pub(super) enum Opened {
    /// There is none.
    Nothing,
    /// Its first writer did not come to an end.
    Empty,
    /// A later Surgewall wrote it.
    Newer(u16),
    /// It is no file of records.
    NotOurs,
    /// This.
    View(Box<View>),
}

impl View {
    /// The file at `path` as it is now, and stays until this is dropped.
    pub(super) async fn open(path: &Path) -> Result<Opened, sqlx::Error> {
        if !path.exists() {
            return Ok(Opened::Nothing);
        }
        let log = path.with_extension("sqlite-wal");
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            // Where nobody writes, nothing at all is made beside it: a copy stays as it was.
            .immutable(!log.exists())
            .busy_timeout(Duration::from_millis(BUSY_MS))
            .pragma("trusted_schema", "OFF")
            .disable_statement_logging()
            .connect()
            .await?;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
        let number = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql);
        let ours = number("PRAGMA application_id").fetch_one(&mut connection).await?;
        let version = number("PRAGMA user_version").fetch_one(&mut connection).await?;
        Ok(match (ours, version) {
            (0, 0) => Opened::Empty,
            (APPLICATION_ID, SCHEMA_VERSION) => Opened::View(Box::new(Self { connection })),
            (APPLICATION_ID, version) if version > SCHEMA_VERSION => {
                Opened::Newer(u16::try_from(version).unwrap_or(u16::MAX))
            }
            _ => Opened::NotOurs,
        })
    }

    /// The last number that was given to a batch.
    pub(super) async fn last(&mut self) -> Result<u64, sqlx::Error> {
        const SQL: &str =
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'batches'), 0)";
        let last: i64 = sqlx::query_scalar(SQL).fetch_one(&mut self.connection).await?;
        Ok(whole(last))
    }

    /// The next batches after `last`, in the order of their numbers.
    pub(super) async fn batches(&mut self, last: u64) -> Result<Vec<Row>, sqlx::Error> {
        const SQL: &str = "SELECT batch, at, blocks, events, bytes, root FROM batches \
             WHERE batch > ?1 ORDER BY batch LIMIT ?2";
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        let query = sqlx::query(SQL).bind(last).bind(PAGE_BATCHES);
        query.fetch_all(&mut self.connection).await?.iter().map(row).collect()
    }

    /// The blocks of `batch`, in the order of their positions.
    pub(super) async fn blocks(&mut self, batch: u64) -> Result<Vec<Block>, sqlx::Error> {
        const SQL: &str = "SELECT id, subject, region, first_at, last_at, events, \
             CAST(substr(sealed, 1, ?3) AS BLOB) FROM blocks WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
        let first = i64::try_from(batch << POSITION_BITS).unwrap_or(i64::MAX);
        let last = first.saturating_add((1 << POSITION_BITS) - 1);
        let query = sqlx::query(SQL).bind(first).bind(last).bind(SEALED_BYTES_MAX);
        query.fetch_all(&mut self.connection).await?.iter().map(block).collect()
    }

    /// The batches that have blocks and no row.
    pub(super) async fn homeless(&mut self) -> Result<Vec<u64>, sqlx::Error> {
        const SQL: &str = "SELECT DISTINCT id >> 20 FROM blocks \
             WHERE id >> 20 NOT IN (SELECT batch FROM batches) ORDER BY 1 LIMIT 1000";
        let batches: Vec<i64> = sqlx::query_scalar(SQL).fetch_all(&mut self.connection).await?;
        Ok(batches.into_iter().map(whole).collect())
    }

    /// Ends the view.
    pub(super) async fn close(self) {
        // Nothing was written: what cannot be closed is dropped.
        self.connection.close().await.ok();
    }
}

/// Whether SQLite says with this that the file itself is damaged.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    /// An error of the statement (a table is missing), a corrupt file, no database.
    const DAMAGE: [i32; 3] = [1, 11, 26];
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            code.is_some_and(|code| DAMAGE.contains(&(code & 0xff)))
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        _ => false,
    }
}

fn row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let number = |at: usize| row.try_get::<i64, _>(at).map(whole);
    let root: &[u8] = row.try_get(5)?;
    Ok(Row {
        batch: number(0)?,
        at: number(1)?,
        blocks: number(2)?,
        events: number(3)?,
        bytes: number(4)?,
        root: root.try_into().unwrap_or_default(),
    })
}

fn block(row: &SqliteRow) -> Result<Block, sqlx::Error> {
    let number = |at: usize| row.try_get::<i64, _>(at).map(whole);
    Ok(Block {
        position: number(0)? & ((1 << POSITION_BITS) - 1),
        subject: row.try_get(1)?,
        region: row.try_get(2)?,
        first_at: number(3)?,
        last_at: number(4)?,
        events: number(5)?,
        sealed: row.try_get(6)?,
    })
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
