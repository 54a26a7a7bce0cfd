//! Reading records: one subject's events in the order of time, block by block,
//! and what proves that nothing was exchanged.
//!
//! There is no index over texts: it would say what they are about. Who searches
//! reads the subject's blocks and looks.

use std::path::PathBuf;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use surgewall_core::clock::Timestamp;
use surgewall_core::digest::hex;
use surgewall_core::subject::Subject;

use super::RecordsError;
use super::block::{Block, open};
use super::engine::{BLOCKS_PER_BATCH_MAX, block_id, place};
use super::event::Event;
use super::file::{self, failed};
use super::root::{Hash, entry, root};
use crate::datadir::DataDir;
use crate::people::ORG_ID;
use crate::vault::Vault;

/// The records, open for reading: beside a running door, or without one.
pub struct RecordsReader {
    path: PathBuf,
    vault: Vault,
    connection: SqliteConnection,
}

/// The events of one block.
#[derive(Debug)]
pub struct Found {
    /// The batch that it was written in.
    pub batch: u64,
    /// Its place there.
    pub position: usize,
    /// Its events, in the order in which they came; or why there are none.
    pub events: Result<Vec<Event>, RecordsError>,
}

/// Where the reading of one subject goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    first_at: i64,
    id: i64,
}

impl RecordsReader {
    /// The records of `directory`; `None` where nothing was ever recorded.
    ///
    /// # Errors
    /// The file is newer, something else, or cannot be read.
    pub async fn open(directory: &DataDir, vault: &Vault) -> Result<Option<Self>, RecordsError> {
        let path = directory.records();
        let connection = file::open_to_read(&path).await?;
        Ok(connection.map(|connection| Self { path, vault: vault.clone(), connection }))
    }

    /// The subject's next block after `cursor`, which moves past it; `None` at
    /// the end. Begin with [`Cursor::default`]. Blocks come in the order of their
    /// first events. One that gives no events says why, and the next one follows.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn next(
        &mut self,
        subject: Subject,
        cursor: &mut Cursor,
    ) -> Result<Option<Found>, RecordsError> {
        const SQL: &str = "SELECT id, subject, region, first_at, last_at, events, sealed FROM blocks \
             WHERE org_id = ?1 AND subject = ?2 AND (first_at, id) > (?3, ?4) \
             ORDER BY first_at, id LIMIT 1";
        let query = sqlx::query(SQL).bind(ORG_ID).bind(subject.to_bytes().to_vec());
        let query = query.bind(cursor.first_at).bind(cursor.id);
        let row = query.fetch_optional(&mut self.connection).await;
        let found = row.and_then(|row| row.as_ref().map(block).transpose());
        let Some((id, block)) = found.map_err(failed(&self.path, "reading a block"))? else {
            return Ok(None);
        };
        let first_at = i64::try_from(block.first_at.millis()).unwrap_or(i64::MAX);
        *cursor = Cursor { first_at, id };
        let (batch, position) = place(id);
        let events = open(&self.vault, batch, position, &block);
        let events = events.map_err(|fault| RecordsError::Block { batch, position, fault });
        Ok(Some(Found { batch, position, events }))
    }

    /// The subjects that have records, in no order that means anything.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn subjects(&mut self) -> Result<Vec<Subject>, RecordsError> {
        const SQL: &str = "SELECT DISTINCT subject FROM blocks WHERE org_id = ?1";
        let rows = sqlx::query_scalar(SQL).bind(ORG_ID).fetch_all(&mut self.connection).await;
        let rows: Vec<Vec<u8>> = rows.map_err(failed(&self.path, "listing subjects"))?;
        Ok(rows.iter().filter_map(|bytes| Subject::from_bytes(bytes)).collect())
    }

    /// The batches that are kept, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn batches(&mut self) -> Result<Vec<u64>, RecordsError> {
        const SQL: &str = "SELECT batch FROM batches WHERE org_id = ?1 ORDER BY batch";
        let rows = sqlx::query_scalar(SQL).bind(ORG_ID).fetch_all(&mut self.connection).await;
        let rows: Vec<i64> = rows.map_err(failed(&self.path, "listing batches"))?;
        Ok(rows.into_iter().filter_map(|batch| u64::try_from(batch).ok()).collect())
    }

    /// The root over the blocks of `batch` as they are now, in hex: what the
    /// ledger's record of the batch says, unless one was changed. It needs no key,
    /// and holds also where keys were destroyed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn root(&mut self, batch: u64) -> Result<String, RecordsError> {
        const SQL: &str = "SELECT sealed FROM blocks WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
        let (first, last) = (block_id(batch, 0), block_id(batch, BLOCKS_PER_BATCH_MAX - 1));
        let query = sqlx::query_scalar(SQL).bind(first).bind(last);
        let sealed: Vec<Vec<u8>> = query
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed(&self.path, "reading a batch"))?;
        let entries: Vec<Hash> = sealed.iter().map(|sealed| entry(sealed)).collect();
        Ok(hex(&root(&entries)))
    }
}

impl std::fmt::Debug for RecordsReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordsReader({})", self.path.display())
    }
}

fn block(row: &SqliteRow) -> Result<(i64, Block), sqlx::Error> {
    let millis = |at: usize| -> Result<Timestamp, sqlx::Error> {
        Ok(Timestamp::from_millis(u64::try_from(row.try_get::<i64, _>(at)?).unwrap_or(0)))
    };
    let subject: &[u8] = row.try_get(1)?;
    let block = Block {
        // What is no subject has no key: the block does not open.
        subject: Subject::from_bytes(subject).unwrap_or(Subject::Strangers),
        region: row.try_get(2)?,
        first_at: millis(3)?,
        last_at: millis(4)?,
        events: u32::try_from(row.try_get::<i64, _>(5)?).unwrap_or(0),
        sealed: row.try_get(6)?,
    };
    Ok((row.try_get(0)?, block))
}
