//! What the writer does with the file: one transaction for a batch, and slices
//! of what is too old.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Row as _, SqliteConnection};
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Stored;
use surgewall_core::digest::hex;

use super::RecordsError;
use super::block::{Batch, Block};
use super::file::{self, failed};
use super::root::Hash;
use crate::people::ORG_ID;

/// Blocks of one batch: positions fill the low bits of a block's id.
pub(super) const BLOCKS_PER_BATCH_MAX: usize = 1 << POSITION_BITS;
const POSITION_BITS: u32 = 20;
/// Blocks that one statement writes: each call of the engine costs as much as
/// writing several rows.
const BLOCKS_PER_INSERT: usize = 64;

/// The id of a block.
pub(super) fn block_id(batch: u64, position: usize) -> i64 {
    i64::try_from(batch << POSITION_BITS | position as u64).unwrap_or(i64::MAX)
}

/// The batch and position of a block.
pub(super) fn place(id: i64) -> (u64, usize) {
    let id = u64::try_from(id).unwrap_or(0);
    let position = id & (BLOCKS_PER_BATCH_MAX as u64 - 1);
    (id >> POSITION_BITS, usize::try_from(position).unwrap_or(0))
}

/// The file, open for its one writer.
pub(super) struct Engine {
    path: PathBuf,
    connection: SqliteConnection,
}

/// What the file holds.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct State {
    /// The batch that is written next.
    pub(super) next: u64,
    /// Sealed bytes of all batches.
    pub(super) bytes: u64,
}

/// A batch that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Held {
    /// Its number.
    pub(super) batch: u64,
    /// Its sealed bytes.
    pub(super) bytes: u64,
}

impl Engine {
    pub(super) async fn open(path: &Path) -> Result<Self, RecordsError> {
        Ok(Self { path: path.to_owned(), connection: file::open(path).await? })
    }

    pub(super) async fn close(self) {
        file::close(self.connection).await;
    }

    /// What there is.
    pub(super) async fn state(&mut self) -> Result<State, RecordsError> {
        const SQL: &str = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'batches'), 0), \
             coalesce((SELECT sum(bytes) FROM batches WHERE org_id = ?1), 0)";
        let row = sqlx::query(SQL).bind(ORG_ID).fetch_one(&mut self.connection).await;
        let read = |row: SqliteRow| -> Result<(i64, i64), sqlx::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?))
        };
        let (last, bytes) = row.and_then(read).map_err(failed(&self.path, "reading them"))?;
        let whole = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok(State { next: whole(last) + 1, bytes: whole(bytes) })
    }

    /// The batches that the ledger may lack: a crash came between the two.
    pub(super) async fn unnoted(&mut self) -> Result<Vec<Stored>, RecordsError> {
        const SQL: &str = "SELECT batch, at, blocks, events, bytes, root FROM batches \
             WHERE org_id = ?1 AND noted = 0 ORDER BY batch";
        let rows = sqlx::query(SQL).bind(ORG_ID).fetch_all(&mut self.connection).await;
        let stored = rows.and_then(|rows| rows.iter().map(stored).collect());
        stored.map_err(failed(&self.path, "reading their batches"))
    }

    /// Writes `batch`, safe on disk when this returns, and that the ledger has
    /// those of `noted`.
    pub(super) async fn write(&mut self, batch: &Batch, noted: &[u64]) -> Result<(), RecordsError> {
        let written = self.transaction(Some(batch), noted).await;
        self.settled(written, "writing a batch").await
    }

    /// Notes that the ledger has these batches.
    pub(super) async fn note(&mut self, noted: &[u64]) -> Result<(), RecordsError> {
        let written = self.transaction(None, noted).await;
        self.settled(written, "closing them").await
    }

    /// The batches that may go, at most `batches_max`: where there are
    /// `excess_bytes` too many, the first ones, else those that were sealed before
    /// `before`. In the order of their numbers.
    pub(super) async fn removable(
        &mut self,
        before: Timestamp,
        excess_bytes: u64,
        batches_max: u32,
    ) -> Result<Vec<Held>, RecordsError> {
        let old = self.old(before, excess_bytes, batches_max).await;
        old.map_err(failed(&self.path, "looking for what is too old"))
    }

    /// Removes these batches.
    pub(super) async fn remove(&mut self, batches: &[Held]) -> Result<(), RecordsError> {
        let removed = self.remove_all(batches).await;
        self.settled(removed, "removing what is too old").await
    }

    /// Ends a transaction that failed: nothing of it stays.
    async fn settled(
        &mut self,
        done: Result<(), sqlx::Error>,
        doing: &'static str,
    ) -> Result<(), RecordsError> {
        let Err(error) = done else { return Ok(()) };
        // Where SQLite took it back itself, there is none left.
        sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await.ok();
        Err(failed(&self.path, doing)(error))
    }

    async fn transaction(
        &mut self,
        batch: Option<&Batch>,
        noted: &[u64],
    ) -> Result<(), sqlx::Error> {
        const NOTE: &str = "UPDATE batches SET noted = 1 WHERE batch = ?1";
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut self.connection).await?;
        for number in noted {
            sqlx::query(NOTE).bind(count(*number)).execute(&mut self.connection).await?;
        }
        if let Some(batch) = batch {
            self.insert(batch).await?;
        }
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await?;
        Ok(())
    }

    async fn insert(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        const BATCH: &str = "INSERT INTO batches (batch, org_id, at, blocks, events, bytes, root, noted) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)";
        sqlx::query(BATCH)
            .bind(count(batch.number))
            .bind(ORG_ID)
            .bind(count(batch.at.millis()))
            .bind(count(batch.blocks.len() as u64))
            .bind(count(batch.events))
            .bind(count(batch.bytes))
            .bind(batch.root.as_slice())
            .execute(&mut self.connection)
            .await?;
        let mut position = 0;
        for rows in batch.blocks.chunks(BLOCKS_PER_INSERT) {
            // One by one where they do not fill a statement: two statements are prepared, not many.
            let each = if rows.len() == BLOCKS_PER_INSERT { rows.len() } else { 1 };
            for rows in rows.chunks(each) {
                let mut arguments = SqliteArguments::default();
                for block in rows {
                    bind(&mut arguments, block_id(batch.number, position), block)?;
                    position += 1;
                }
                let query = sqlx::query_with(insert_statement(each), arguments);
                query.execute(&mut self.connection).await?;
            }
        }
        Ok(())
    }

    async fn old(
        &mut self,
        before: Timestamp,
        excess_bytes: u64,
        batches_max: u32,
    ) -> Result<Vec<Held>, sqlx::Error> {
        // By their time, not their number: a clock may have been set back.
        const OLD: &str = "SELECT batch, bytes FROM batches \
             WHERE org_id = ?1 AND at < ?2 ORDER BY batch LIMIT ?3";
        const FIRST: &str =
            "SELECT batch, bytes FROM batches WHERE org_id = ?1 ORDER BY batch LIMIT ?3";
        let sql = if excess_bytes > 0 { FIRST } else { OLD };
        let query = sqlx::query(sql).bind(ORG_ID).bind(count(before.millis())).bind(batches_max);
        let rows = query.fetch_all(&mut self.connection).await?;
        let (mut old, mut over) = (Vec::new(), excess_bytes);
        let whole = |n: i64| u64::try_from(n).unwrap_or(0);
        for row in &rows {
            if excess_bytes > 0 && over == 0 {
                break;
            }
            let held = Held { batch: whole(row.try_get(0)?), bytes: whole(row.try_get(1)?) };
            over = over.saturating_sub(held.bytes);
            old.push(held);
        }
        Ok(old)
    }

    async fn remove_all(&mut self, batches: &[Held]) -> Result<(), sqlx::Error> {
        const BLOCKS: &str = "DELETE FROM blocks WHERE id BETWEEN ?1 AND ?2";
        const BATCH: &str = "DELETE FROM batches WHERE batch = ?1";
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut self.connection).await?;
        for Held { batch, .. } in batches {
            let (first, last) = (block_id(*batch, 0), block_id(*batch, BLOCKS_PER_BATCH_MAX - 1));
            sqlx::query(BLOCKS).bind(first).bind(last).execute(&mut self.connection).await?;
            sqlx::query(BATCH).bind(count(*batch)).execute(&mut self.connection).await?;
        }
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await?;
        Ok(())
    }

    /// Whether the file may grow: on a full disk it may not.
    #[cfg(test)]
    pub(super) async fn may_grow(&mut self, may: bool) {
        let pragma = if may {
            "PRAGMA max_page_count = 4294967294"
        } else {
            // Never less than there are.
            "PRAGMA max_page_count = 1"
        };
        sqlx::raw_sql(pragma).execute(&mut self.connection).await.unwrap();
    }

    /// As if the file had never heard that the ledger has its batches.
    #[cfg(test)]
    pub(super) async fn forget_notes(&mut self) {
        let forget = sqlx::raw_sql("UPDATE batches SET noted = 0");
        forget.execute(&mut self.connection).await.unwrap();
    }
}

/// A count or an instant as SQLite stores it.
fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn bind(arguments: &mut SqliteArguments, id: i64, block: &Block) -> Result<(), sqlx::Error> {
    let Block { subject, region, first_at, last_at, events, sealed } = block;
    arguments
        .add(id)
        .and_then(|()| arguments.add(subject.to_bytes().to_vec()))
        .and_then(|()| arguments.add(region.clone()))
        .and_then(|()| arguments.add(count(first_at.millis())))
        .and_then(|()| arguments.add(count(last_at.millis())))
        .and_then(|()| arguments.add(i64::from(*events)))
        .and_then(|()| arguments.add(sealed.clone()))
        .map_err(sqlx::Error::Encode)
}

/// The statement that writes so many blocks: there are two.
fn insert_statement(rows: usize) -> sqlx::AssertSqlSafe<String> {
    let row = format!("(?, {ORG_ID}, ?, ?, ?, ?, ?, ?)");
    let rows = vec![row; rows].join(", ");
    // Its only variable part is how many rows there are.
    sqlx::AssertSqlSafe(format!(
        "INSERT INTO blocks (id, org_id, subject, region, first_at, last_at, events, sealed) VALUES {rows}"
    ))
}

fn stored(row: &SqliteRow) -> Result<Stored, sqlx::Error> {
    let whole = |at: usize| -> Result<u64, sqlx::Error> {
        Ok(u64::try_from(row.try_get::<i64, _>(at)?).unwrap_or(0))
    };
    let root: &[u8] = row.try_get(5)?;
    Ok(Stored {
        batch: whole(0)?,
        at: Timestamp::from_millis(whole(1)?),
        blocks: whole(2)?,
        events: whole(3)?,
        bytes: whole(4)?,
        root: hex(&Hash::try_from(root).unwrap_or_default()),
    })
}
